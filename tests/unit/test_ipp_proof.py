"""What looks at a printer prove, and what they do not."""

from collections.abc import Iterable
from dataclasses import replace

import pytest
from pyipp.tags import ATTRIBUTE_TAG_MAP

from firmware.core.terms import Certainty, PrinterReason, PrinterSupply
from firmware.ports import PrintResult
from hw.printer.absence import Expectation, surely_given_up
from hw.printer.ipp_partner import REQUEST_ATTRIBUTES, Condition, JobReport, JobState
from hw.printer.proof import Finding, JobWatch, Limits, Look, Witness, confirmed, judge, uncounted
from hw.printer.readiness import (
    Reserves,
    most_sheets,
    reasons_of_printer,
    reasons_of_queue,
    sheets_in_trays,
    supplies_low,
)

OK = frozenset({"job-completed-successfully"})
LIMITS = Limits(appear_seconds=10, stall_seconds=30, silent_seconds=5)


def job(state: JobState, impressions: int | None, reasons: Iterable[str] = OK, job_id: int = 1) -> JobReport:
    return JobReport(job_id, state, frozenset(reasons), impressions, created_seconds=1)


def look(*jobs: JobReport, up: int = 100, reasons: Iterable[str] = ()) -> Look:
    return Look(condition(up=up, reasons=reasons), jobs)


def condition(
    *,
    up: int = 100,
    reasons: Iterable[str] = (),
    stopped: bool = False,
    accepting: bool = True,
    waiting: int = 0,
) -> Condition:
    return Condition(up, stopped, accepting, frozenset(reasons), waiting)


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        ([job(JobState.COMPLETED, 4)], Finding.ALL_OUT),
        ([job(JobState.COMPLETED, 3)], Finding.PART_OUT),
        ([job(JobState.COMPLETED, 0)], Finding.PART_OUT),  # completed, and nothing came out
        ([job(JobState.COMPLETED, None)], Finding.UNCOUNTED),  # a printer that does not count
        ([job(JobState.COMPLETED, None, {"job-completed-with-errors"})], Finding.PART_OUT),
        ([job(JobState.COMPLETED, 5)], Finding.PART_OUT),  # more than was asked for
        ([job(JobState.COMPLETED, 4, {"job-completed-with-errors"})], Finding.PART_OUT),
        ([job(JobState.ABORTED, 4)], Finding.PART_OUT),
        ([job(JobState.CANCELED, 1)], Finding.PART_OUT),
        ([job(JobState.ABORTED, None)], Finding.PART_OUT),
        ([job(JobState.ABORTED, 0)], Finding.NOTHING_OUT),
        ([job(JobState.CANCELED, 0)], Finding.NOTHING_OUT),
        ([job(JobState.PROCESSING, 4)], None),  # the last page counted, the job not ended
        ([job(JobState.STOPPED, 0)], None),
        ([job(JobState.ABORTED, 0), job(JobState.COMPLETED, 4, job_id=2)], Finding.ALL_OUT),
        ([job(JobState.ABORTED, 0), job(JobState.PENDING, 0, job_id=2)], None),
        ([job(JobState.COMPLETED, 4), job(JobState.COMPLETED, 4, job_id=2)], Finding.PART_OUT),  # twice
        ([job(JobState.ABORTED, 2), job(JobState.COMPLETED, 4, job_id=2)], Finding.PART_OUT),
    ],
)
def test_only_a_whole_count_of_one_completed_job_proves_the_pages(
    jobs: list[JobReport], expected: Finding | None
) -> None:
    assert expected == judge(4, tuple(jobs))


def test_a_job_is_waited_for_and_then_never_seen() -> None:
    watch = JobWatch(2, LIMITS, now=0)

    assert [watch.see(at, look(up=100 + at)) for at in (0, 10, 11)] == [None, None, Finding.NEVER_SEEN]


def test_a_job_the_printer_forgot_is_lost() -> None:
    watch = JobWatch(2, LIMITS, now=0)
    watch.see(0, look(job(JobState.PROCESSING, 1)))

    assert watch.see(1, look(up=101)) == Finding.LOST
    assert watch.pages_out == 1


@pytest.mark.parametrize("up_after", [0, 5, 109])
def test_a_printer_switched_off_and_on_is_lost_even_when_it_runs_longer_than_before(up_after: int) -> None:
    watch = JobWatch(2, LIMITS, now=0)
    watch.see(0, look(job(JobState.PROCESSING, 0), up=100))

    assert watch.see(15, look(job(JobState.COMPLETED, 2), up=up_after)) == Finding.LOST


def test_a_clock_that_counts_whole_seconds_is_no_power_cut() -> None:
    watch = JobWatch(2, LIMITS, now=0)

    assert [
        watch.see(at, look(job(JobState.PROCESSING, 0), up=up))
        for at, up in ((0.0, 100), (0.9, 100), (2.1, 101), (3.0, 103))
    ] == [None] * 4


def test_a_printer_that_answers_late_is_not_taken_for_one_that_was_switched_off() -> None:
    """It read its clock when it was asked, and took its time with the rest."""
    watch = JobWatch(4, LIMITS, now=0)
    printing = job(JobState.PROCESSING, 4)
    assert watch.see(0.0, look(printing, up=100)) is None
    assert watch.see(4.5, replace(look(printing, up=100), took_seconds=4.4)) is None
    # Nor does a late answer hide that it was, later.
    assert watch.see(9.0, look(printing, up=105)) == Finding.LOST


def test_a_silent_printer_is_given_time_and_then_lost() -> None:
    watch = JobWatch(2, LIMITS, now=0)

    assert [watch.see(at, None) for at in (1, 5, 6)] == [None, None, Finding.LOST]


def test_a_printer_that_answers_again_in_time_is_not_lost() -> None:
    watch = JobWatch(2, LIMITS, now=0)
    watch.see(4, None)
    watch.see(5, look(job(JobState.PROCESSING, 0), up=105))

    assert watch.see(9, None) is None


def test_a_jam_that_nobody_touches_stalls_and_one_somebody_works_at_does_not() -> None:
    watch = JobWatch(2, LIMITS, now=0)
    jammed = job(JobState.PROCESSING, 0, ())

    assert watch.see(0, look(jammed, reasons={"media-jam"})) is None
    assert watch.see(29, look(jammed, up=129, reasons={"media-jam", "cover-open"})) is None
    assert watch.see(58, look(jammed, up=158, reasons={"media-jam", "cover-open"})) is None
    assert watch.see(60, look(jammed, up=160, reasons={"media-jam", "cover-open"})) == Finding.STALLED


@pytest.mark.parametrize(
    ("job_name", "began", "power_on", "expected"),
    [
        ("cert-a", 12, 3, True),
        ("cert-a", 12, 5.5, True),  # a clock of whole seconds
        ("cert-a", 12, 7, False),  # switched off and on since
        ("cert-b", 12, 3, False),
        ("cert-a", 71, 3, False),  # it may have printed and been forgotten
    ],
)
def test_absence_proves_something_only_of_the_job_expected_within_one_memory(
    job_name: str, began: float, power_on: float, expected: bool
) -> None:
    expectation = Expectation("cert-a", at=10, power_on=3)

    assert expected == expectation.covers(job_name, began=began, power_on=power_on, history_seconds=60)


@pytest.mark.parametrize(
    ("state", "created_seconds", "expected"),
    [
        (JobState.ABORTED, 101, True),
        (JobState.CANCELED, 101, True),
        (JobState.COMPLETED, 101, False),  # what cupsd says of a job whose printer was switched off
        (JobState.PROCESSING, 101, False),
        (JobState.ABORTED, 100, False),  # the printer may have had it before it was switched off
        (JobState.ABORTED, None, False),
    ],
)
def test_the_print_server_is_believed_only_about_jobs_it_gave_up_and_the_printer_could_remember(
    state: JobState, created_seconds: int | None, expected: bool
) -> None:
    assert expected == surely_given_up(JobReport(1, state, OK, 0, created_seconds), after_seconds=100)


@pytest.mark.parametrize(
    ("reasons", "expected"),
    [
        (set(), set()),
        ({"media-empty-error"}, {PrinterReason.MEDIA_EMPTY}),
        ({"media-empty-report"}, {PrinterReason.MEDIA_EMPTY}),
        ({"media-empty"}, {PrinterReason.MEDIA_EMPTY}),
        ({"door-open-error", "media-jam-warning"}, {PrinterReason.COVER_OPEN, PrinterReason.MEDIA_JAM}),
        ({"toner-low-warning", "media-low-report", "marker-waste-almost-full"}, set()),
        ({"toner-empty-error"}, {PrinterReason.TONER_EMPTY}),
        ({"spool-area-full-report"}, {PrinterReason.SPOOL_AREA_FULL}),
        ({"fuser-over-temp-error"}, {PrinterReason.STOPPED}),
        ({"fuser-over-temp-warning"}, set()),
        ({"output-area-full-warning"}, {PrinterReason.STOPPED}),
        ({"com.example.odd"}, set()),
    ],
)
def test_printers_write_the_same_reason_with_every_suffix(
    reasons: set[str], expected: set[PrinterReason]
) -> None:
    assert expected == reasons_of_printer(condition(reasons=reasons))


def test_a_printer_that_stands_refuses_or_has_work_left_is_not_ready() -> None:
    assert {PrinterReason.STOPPED} == reasons_of_printer(condition(stopped=True))
    assert {PrinterReason.STOPPED} == reasons_of_printer(condition(accepting=False))
    assert {PrinterReason.JOBS_WAITING} == reasons_of_printer(condition(waiting=1))


def test_what_a_queue_remembers_of_an_old_jam_does_not_count() -> None:
    assert set() == reasons_of_queue(condition(reasons={"media-jam", "cups-ipp-missing-job-history"}))
    assert {PrinterReason.STOPPED} == reasons_of_queue(condition(stopped=True))
    assert {PrinterReason.JOBS_WAITING} == reasons_of_queue(condition(waiting=1))


def test_pyipp_drops_none_of_the_attributes_we_ask_with() -> None:
    assert set() == REQUEST_ATTRIBUTES - ATTRIBUTE_TAG_MAP.keys()


DONE, NOT_DONE, UNKNOWN = (
    PrintResult(certainty, 4 * (certainty is Certainty.DONE)) for certainty in Certainty
)


@pytest.mark.parametrize(
    ("result", "sheets", "seen", "expected"),
    [
        (DONE, 2, 2, DONE),
        (DONE, 2, 1, Certainty.UNKNOWN),  # the printer counted a sheet that is still in it
        (DONE, 2, 3, Certainty.UNKNOWN),
        (DONE, 2, None, DONE),  # no sensor, or it did not watch from the start
        (DONE, 0, 5, DONE),  # nobody knows how many sheets it should be
        (NOT_DONE, 2, 0, NOT_DONE),
        (NOT_DONE, 2, 1, Certainty.UNKNOWN),  # a sheet came out of a job that counted none
        (UNKNOWN, 2, 2, UNKNOWN),
    ],
)
def test_a_second_witness_that_disagrees_makes_a_print_unknown_and_none_makes_it_better(
    result: PrintResult, sheets: int, seen: int | None, expected: PrintResult | Certainty
) -> None:
    judged = confirmed(result, sheets, Witness(sheets=seen))
    assert expected == (judged if isinstance(expected, PrintResult) else judged.certainty)


@pytest.mark.parametrize(
    ("sheets", "witness", "expected"),
    [
        (2, Witness(), UNKNOWN),
        (2, Witness(sheets=2), DONE),
        (2, Witness(sheets=1), UNKNOWN),
        (0, Witness(sheets=2), UNKNOWN),
        (2, Witness(sides=4), DONE),
        (2, Witness(sides=3), UNKNOWN),
        (2, Witness(sheets=2, sides=4), DONE),
        (2, Witness(sheets=1, sides=4), UNKNOWN),
        (2, Witness(sheets=2, sides=0), UNKNOWN),
    ],
)
def test_a_printer_that_does_not_count_its_pages_is_believed_only_with_a_witness(
    sheets: int, witness: Witness, expected: PrintResult
) -> None:
    assert expected == uncounted(4, sheets, witness)


def tray(level: int | str, kind: str = "sheetFeedAutoRemovableTray") -> str:
    return f"type={kind};mediafeed=0;mediaxfeed=0;maxcapacity=250;level={level};status=0;name=main"


@pytest.mark.parametrize(
    ("trays", "expected"),
    [
        ((tray(125),), 125),
        ((tray(125), tray(30)), 155),
        ((tray(125), tray(-2, "sheetFeedManual")), 125),
        ((tray(-3),), None),  # some
        ((tray(0), tray(-2)), None),  # one is empty, of the other nobody knows
        ((tray("many"),), None),
        (("type=sheetFeedAutoRemovableTray",), None),
        ((), None),
    ],
)
def test_sheets_are_counted_only_where_every_tray_counts(
    trays: tuple[str, ...], expected: int | None
) -> None:
    assert expected == sheets_in_trays(trays)


RESERVES = Reserves(tell_sheets=50, low_sheets=4)
MEDIA, TONER = PrinterSupply.MEDIA_LOW, PrinterSupply.TONER_LOW


@pytest.mark.parametrize(
    ("reasons", "trays", "low", "most"),
    [
        ((), (), (), None),
        ((), (tray(50),), (), None),
        ((), (tray(49),), {MEDIA}, 49),
        (("media-low-report",), (), {MEDIA}, 4),
        (("media-low-warning",), (tray(100),), {MEDIA}, 100),
        (("toner-low-warning",), (tray(100),), {TONER}, 4),
        (("toner-low",), (tray(3),), {MEDIA, TONER}, 3),
        (("marker-waste-almost-full-warning",), (), {PrinterSupply.MARKER_WASTE_ALMOST_FULL}, 4),
        (("media-empty-error",), (), (), None),
    ],
)
def test_what_runs_low_is_told_and_limits_what_is_promised(
    reasons: tuple[str, ...], trays: tuple[str, ...], low: set[PrinterSupply], most: int | None
) -> None:
    seen = replace(condition(reasons=reasons), trays=trays)
    assert set(low) == supplies_low(seen, RESERVES)
    assert most == most_sheets(seen, RESERVES)


@pytest.mark.parametrize(("left", "most"), [(49, 47), (2, 0), (1, 0), (50, None)])
def test_a_printer_of_slips_promises_no_sheet_that_the_slips_will_need(left: int, most: int | None) -> None:
    seen = replace(condition(reasons=()), trays=(tray(left),))
    assert most == most_sheets(seen, replace(RESERVES, slip_sheets=2))


def test_an_empty_tray_is_no_paper_even_if_the_printer_gives_no_reason() -> None:
    assert {PrinterReason.MEDIA_EMPTY} == reasons_of_printer(replace(condition(), trays=(tray(0),)))
