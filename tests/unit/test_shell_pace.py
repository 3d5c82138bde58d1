"""The seconds on the printing screen come from the last proven prints, and from nothing else."""

from datetime import UTC, datetime, timedelta

from firmware.core import records as r
from firmware.core.facts import Level, PaceLevel
from firmware.core.terms import Certainty, OrderId, VisitId
from firmware.shell.pace import LastPrints, PrintPace

START = datetime(2026, 11, 2, 3, 0, tzinfo=UTC)
VISIT, ORDER = VisitId("a" * 32), OrderId("a-1")
BEGUN = r.PrintIntended(VISIT, ORDER, "cert-a", 2)
DONE = r.PrintEnded(VISIT, ORDER, Certainty.DONE, 2)
UNKNOWN = r.PrintEnded(VISIT, ORDER, Certainty.UNKNOWN, 1)


def pace_of(*prints: tuple[float, r.Record]) -> PaceLevel:
    past = LastPrints()
    for seconds, ended in prints:
        past.enter(BEGUN, START)
        past.enter(ended, START + timedelta(seconds=seconds))
    heard: list[Level] = []
    PrintPace(prints=past, now=lambda: START).start(heard.append)
    [level] = heard
    assert isinstance(level, PaceLevel)
    return level


def test_it_is_the_median_of_three_prints_or_more() -> None:
    assert PaceLevel() == pace_of((8, DONE), (10, DONE))
    assert PaceLevel(5.0) == pace_of((8, DONE), (10, DONE), (90, DONE))


def test_a_print_that_nobody_proved_and_a_clock_that_went_back_measure_nothing() -> None:
    assert PaceLevel() == pace_of((8, DONE), (10, DONE), (12, UNKNOWN), (-5, DONE))


def test_a_restart_in_the_middle_of_a_print_measures_nothing() -> None:
    past = LastPrints()
    for _ in range(3):
        past.enter(BEGUN, START)
        past.enter(r.DaemonStarted("1"), START)
        past.enter(DONE, START + timedelta(hours=9))
    heard: list[Level] = []
    PrintPace(prints=past, now=lambda: START).start(heard.append)
    assert [PaceLevel()] == heard


def test_a_print_of_now_is_told_once_it_changes_the_median() -> None:
    clock = [START]
    heard: list[Level] = []
    pace = PrintPace(prints=LastPrints(), now=lambda: clock[0])
    pace.note((BEGUN,))
    pace.start(heard.append)
    for _ in range(4):
        pace.note((BEGUN,))
        clock[0] += timedelta(seconds=6)
        pace.note((DONE,))
    assert [PaceLevel(), PaceLevel(3.0)] == heard
