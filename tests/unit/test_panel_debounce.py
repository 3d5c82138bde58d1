"""A level counts when it has lasted; a beep is heard to its end unless something worse happens."""

import pytest

from hw.panel.beeps import Beeps
from hw.panel.debounce import LevelDebounce


@pytest.mark.parametrize(
    ("hazard", "seen", "expected"),
    [
        ("stays", {0: True, 60: True}, [False, True]),
        ("too short", {0: True, 30: False, 60: False}, [False, False, False]),
        ("chatters, then stays", {0: True, 1: False, 2: True, 40: True, 53: True}, [False] * 4 + [True]),
        ("chatters for ever", {t: t % 20 == 0 for t in range(0, 200, 10)}, [False] * 20),
        ("exactly long enough", {0: True, 50: True}, [False, True]),
    ],
)
def test_only_a_lasting_level_counts(hazard: str, seen: dict[int, bool], expected: list[bool]) -> None:
    debounce = LevelDebounce(False, debounce_seconds=0.05)
    counted = []
    for milliseconds, level in seen.items():
        debounce.look(level, milliseconds / 1000)
        counted.append(debounce.level)
    assert expected == counted, hazard


def test_says_when_to_look_again_and_nothing_when_quiet() -> None:
    debounce = LevelDebounce(False, debounce_seconds=0.05)
    assert [None, pytest.approx(0.05), pytest.approx(0.02), None, None] == [
        debounce.look(False, 1.0),
        debounce.look(True, 2.0),
        debounce.look(True, 2.03),
        debounce.look(True, 2.05),
        debounce.look(True, 9.0),
    ]


def sounds(beeps: Beeps, *times_seconds: float) -> str:
    return "".join("#" if beeps.look(time_seconds)[0] else "." for time_seconds in times_seconds)


def test_alarm_is_three_beeps_and_then_silence() -> None:
    beeps = Beeps()
    beeps.play("alarm", 10.0)
    assert "#.#.#.." == sounds(beeps, 10.0, 10.35, 10.5, 10.8, 11.0, 11.3, 99.0)
    assert (False, None) == beeps.look(99.0)


def test_who_looks_late_leaves_no_beep_and_no_pause_out() -> None:
    beeps = Beeps()
    beeps.play("alarm", 10.0)
    assert "#.#.#.." == sounds(beeps, 10.0, 13.0, 16.0, 19.0, 22.0, 25.0, 28.0)


def test_a_key_click_does_not_cut_an_alarm_short() -> None:
    beeps = Beeps()
    beeps.play("alarm", 10.0)
    beeps.play("key", 10.3)
    assert "#.#.#." == sounds(beeps, 10.0, 10.35, 10.5, 10.8, 11.0, 11.3)


def test_an_alarm_cuts_a_key_click_short() -> None:
    beeps = Beeps()
    beeps.play("key", 10.0)
    beeps.play("alarm", 10.01)
    assert "###" == sounds(beeps, 10.0, 10.1, 10.3)


def test_a_key_click_is_heard_again_after_an_alarm_ended() -> None:
    beeps = Beeps()
    beeps.play("alarm", 10.0)
    beeps.play("key", 20.0)
    assert "#." == sounds(beeps, 20.0, 20.09)


def test_an_unknown_pattern_is_refused() -> None:
    with pytest.raises(ValueError, match="melody"):
        Beeps().play("melody", 0.0)
