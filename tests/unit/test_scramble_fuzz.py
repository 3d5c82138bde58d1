"""Whatever is handed in as a scan ends in a named error; `python -m tests.unit.scramble_fuzz` runs longer."""

from tests.unit.scramble_fuzz import outcome

NAMED = {"ScanInvalid", "NoImage", "Unreadable", "NotGenuine", "no pages"}


def test_bad_scans_end_in_named_errors_and_never_in_a_wrong_result() -> None:
    found = {outcome(seed) for seed in range(40)}
    assert found <= NAMED
    assert {"ScanInvalid", "NoImage", "NotGenuine"} <= found
