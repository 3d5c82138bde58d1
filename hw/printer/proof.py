"""What the looks at a printer prove about one job. Pure: looks and times in, a finding out.

A print server's "completed" is no proof: cupsd says it for a job whose printer was switched off, and
counts pages no printer has printed. Only the printer's own count, over one uninterrupted power-on,
shows what came out.
"""

import enum
from dataclasses import dataclass

from firmware.core.terms import Certainty
from firmware.ports import PrintResult
from hw.printer.ipp_partner import Condition, JobReport, JobState

BOOT_SLACK_SECONDS = 3.0
"""A printer's clock counts whole seconds and its answer takes a moment."""


class Finding(enum.Enum):
    """How following a job can end."""

    ALL_OUT = "all_out"  # completed, every page counted
    NOTHING_OUT = "nothing_out"  # ended by the printer before a page
    UNCOUNTED = "uncounted"  # completed by a printer that counts no pages
    PART_OUT = "part_out"  # ended otherwise: some pages, or too many
    NEVER_SEEN = "never_seen"  # the printer does not know it after the time to appear
    LOST = "lost"  # the printer was switched off, is silent, or forgot the job
    STALLED = "stalled"  # no page and nobody at the printer for too long


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the printer: its condition and the jobs of the name followed.

    took_seconds: from the question to the answer; the printer read its clock somewhere in between.
    """

    condition: Condition
    jobs: tuple[JobReport, ...]
    took_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Limits:
    """How long to wait, in seconds.

    appear: for the printer to know the job. stall: without any change at the printer.
    silent: without an answer of the printer.
    """

    appear_seconds: float
    stall_seconds: float
    silent_seconds: float


def judge(pages: int, jobs: tuple[JobReport, ...]) -> Finding | None:
    """What the jobs of one name prove, None while one can still print. jobs: at least one.

    A backend that was refused tries again, so a name may have dead jobs besides the one that counts;
    two that printed are too many pages and prove nothing good.
    """
    if any(job.state.active for job in jobs):
        return None
    printed = [job for job in jobs if not _printed_nothing(job)]
    match printed:
        case []:
            return Finding.NOTHING_OUT
        case [job] if _completed(job) and job.impressions == pages:
            return Finding.ALL_OUT
        case [job] if _completed(job) and job.impressions is None:
            return Finding.UNCOUNTED
        case _:
            return Finding.PART_OUT


def pages_out(jobs: tuple[JobReport, ...]) -> int:
    """Printed sides the printer counts for this name."""
    return sum(job.impressions or 0 for job in jobs)


@dataclass(frozen=True, slots=True)
class Witness:
    """What came out by others than the job's own count, None where nobody watched from before the job.

    sheets: that passed the exit. sides: by which the printer's meter moved.
    """

    sheets: int | None = None
    sides: int | None = None


def uncounted(pages: int, sheets: int, witness: Witness) -> PrintResult:
    """The result of a job that a printer completed without counting its pages: a witness must have."""
    seen = witness.sheets if sheets else None
    agree = [sides == pages for sides in (witness.sides,) if sides is not None]
    agree += [seen == sheets] if seen is not None else []
    return PrintResult(Certainty.DONE, pages) if agree and all(agree) else PrintResult(Certainty.UNKNOWN, 0)


def confirmed(result: PrintResult, sheets: int, witness: Witness) -> PrintResult:
    """The result if the sensor at the exit saw the same, else unknown; it never makes a result better."""
    if witness.sheets is None or not sheets:
        return result
    expected = {Certainty.DONE: sheets, Certainty.NOT_DONE: 0}.get(result.certainty)
    agrees = expected is None or witness.sheets == expected
    return result if agrees else PrintResult(Certainty.UNKNOWN, result.pages_out)


def _printed_nothing(job: JobReport) -> bool:
    return job.state in (JobState.CANCELED, JobState.ABORTED) and job.impressions == 0


def _completed(job: JobReport) -> bool:
    return job.state is JobState.COMPLETED and "job-completed-successfully" in job.reasons


class JobWatch:
    """Follows one job of `pages` printed sides from look to look. Times are seconds of one clock."""

    def __init__(self, pages: int, limits: Limits, now: float) -> None:
        self._pages = pages
        self._limits = limits
        self._began = now
        self._answered = now
        self._changed = now
        self._picture: object = None
        self._power_on: float | None = None
        self.seen = False
        self.pages_out = 0

    def see(self, now: float, look: Look | None) -> Finding | None:
        """Take in one look, None if the printer was silent; None as long as the end is open."""
        if look is None:
            return Finding.LOST if now - self._answered > self._limits.silent_seconds else None
        self._answered = now
        if self._was_switched_off(now, look):
            return Finding.LOST
        self._note_change(now, look)
        if not look.jobs:
            return self._absent(now)
        self.seen = True
        self.pages_out = max(self.pages_out, pages_out(look.jobs))
        finding = judge(self._pages, look.jobs)
        if finding is None and now - self._changed > self._limits.stall_seconds:
            return Finding.STALLED
        return finding

    def _absent(self, now: float) -> Finding | None:
        if self.seen:
            return Finding.LOST
        return Finding.NEVER_SEEN if now - self._began > self._limits.appear_seconds else None

    def _was_switched_off(self, now: float, look: Look) -> bool:
        """Whether it was switched on later than an earlier look allows, however slow either look was."""
        latest = now - look.condition.clock_seconds
        if self._power_on is None or latest < self._power_on:
            self._power_on = latest
        return latest - look.took_seconds > self._power_on + BOOT_SLACK_SECONDS

    def _note_change(self, now: float, look: Look) -> None:
        picture = (look.jobs, look.condition.reasons, look.condition.stopped)
        if picture != self._picture:
            self._picture, self._changed = picture, now
