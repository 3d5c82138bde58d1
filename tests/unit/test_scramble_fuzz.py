"""Whatever is handed in as a scan ends in a named error; `python -m tests.unit.scramble_fuzz` runs longer."""

from tests.unit.scramble_fuzz import outcome

SEEDS = (2, 3, 4, 5, 10, 11, 12, 17, 18, 21, 23)
"""Quick ones of every kind."""

NAMED = {"ScanInvalid", "NoImage", "Unreadable", "NotGenuine", "no pages"}


def test_bad_scans_end_in_named_errors_and_never_in_a_wrong_result() -> None:
    found = {outcome(seed) for seed in SEEDS}
    assert found <= NAMED
    assert {"ScanInvalid", "NoImage", "NotGenuine"} <= found
