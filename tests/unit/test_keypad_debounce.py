"""A closed contact is not yet a pressed key."""

import pytest

from hw.keypad.debounce import KeyDebounce

ONE, TWO, FOUR, FIVE = (0, 0), (0, 1), (1, 0), (1, 1)
SYMBOLS = {"1": ONE, "2": TWO, "4": FOUR, "5": FIVE}


def pressed_in(
    scans: str, *, apart_seconds: float = 0.01, stable_scans: int = 3, double_strike_seconds: float = 0.3
) -> str:
    """Keys counted in scans, a word each: `.` for none closed, else the closed keys."""
    debounce = KeyDebounce(
        stable_scans=stable_scans,
        stable_seconds=stable_scans * 0.01,
        double_strike_seconds=double_strike_seconds,
    )
    names = {contact: name for name, contact in SYMBOLS.items()}
    counted = (
        debounce.scan(frozenset(SYMBOLS[key] for key in word if key != "."), number * apart_seconds)
        for number, word in enumerate(scans.split())
    )
    return "".join(names[contact] for contact in counted if contact is not None)


@pytest.mark.parametrize(
    ("hazard", "scans", "expected"),
    [
        ("nothing", ". . . .", ""),
        ("a clean press", ". . . 1 1 1 . . .", "1"),
        ("too short to be believed", ". . . 1 1 . . .", ""),
        ("bounce on closing", ". . . 1 . 1 . 1 1 1 1 . . .", "1"),
        ("bounce on opening", ". . . 1 1 1 1 . 1 . 1 . . .", "1"),
        ("held for long", ". . . 1 1 1 1 1 1 1 1 1 1 1 1", "1"),
        ("held since before the start", "1 1 1 1 1 . . .", ""),
        ("held since before the start, then pressed", "1 1 1 . . . 1 1 1", "1"),
        ("two different keys one after the other", ". . . 1 1 1 . . . 2 2 2", "12"),
        ("the second before the first is released", ". . . 1 1 1 12 12 12 2 2 2 2 . . .", "1"),
        ("both at once", ". . . 12 12 12 . . .", ""),
        ("both at once, one released first", ". . . 12 1 1 1 1 . . .", ""),
        ("both brushed for one scan, then one", ". . . 1 12 2 2 2 2 . . .", ""),
        ("three keys and their ghost", ". . . 124 1245 1245 1245 5 5 5 . . .", ""),
        ("after the ghost all is released", ". . . 1245 1245 1245 . . . 5 5 5", "5"),
        ("the hand shakes: same key again after 60 ms", ". . . 1 1 1 . . . 1 1 1 . . .", "1"),
        ("another key between makes it wanted", ". . . 1 1 1 . . . 2 2 2 . . . 1 1 1", "121"),
        ("same key again after 360 ms", ". . . 1 1 1" + " ." * 33 + " 1 1 1", "11"),
        ("a contact that fails while held", ". . . 1 1 1 1 . . 1 1 1 1 . . .", "1"),
        ("a dropout long enough to look like a release", ". . . 1 1 1 1 . . . 1 1 1", "1"),
    ],
)
def test_a_press_counts_once_and_only_when_it_is_one(hazard: str, scans: str, expected: str) -> None:
    assert expected == pressed_in(scans), hazard


def test_double_strike_time_is_configurable() -> None:
    assert "11" == pressed_in(". . . 1 1 1 . . . 1 1 1", double_strike_seconds=0.05)


def test_an_ignored_strike_does_not_lengthen_the_time() -> None:
    """Somebody who taps on and on is heard again after the time, not only after a pause."""
    assert "11" == pressed_in(". . ." + " 1 1 1 . . . . . . . . ." * 4)


def test_one_scan_is_enough_if_so_configured() -> None:
    assert "1" == pressed_in(". 1 .", stable_scans=1)


@pytest.mark.parametrize(
    ("apart_seconds", "expected"), [(0.02, ""), (0.04, "1")], ids=["too near", "far enough"]
)
def test_a_short_press_on_a_busy_machine_is_seen_by_two_late_scans(
    apart_seconds: float, expected: str
) -> None:
    assert expected == pressed_in(". . . 1 1 . .", apart_seconds=apart_seconds)


def test_one_late_scan_is_never_enough() -> None:
    assert "" == pressed_in(". . . 1 . . 1 . .", apart_seconds=1.0)


def test_no_scan_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="stable_scans is 0"):
        KeyDebounce(stable_scans=0, stable_seconds=0.03, double_strike_seconds=0.3)


def test_settles_only_after_equal_scans_without_an_edge_between() -> None:
    debounce = KeyDebounce(stable_scans=2, stable_seconds=0.02, double_strike_seconds=0.3)

    def settled_after_scan(now_seconds: float) -> bool:
        debounce.scan(frozenset(), now_seconds)
        return debounce.settled

    before = [settled_after_scan(0.00), settled_after_scan(0.01)]
    debounce.disturb()
    after = [settled_after_scan(0.02), settled_after_scan(0.03)]
    assert ([False, True], [False, True]) == (before, after)
