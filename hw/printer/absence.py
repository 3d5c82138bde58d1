"""Whether a job the printer does not know surely never reached it.

Not knowing a job proves nothing by itself: a printer forgets its jobs when it is switched off and some
time after their end, and cupsd when it is killed. It is proof only together with the moment from which
both must have known it.
"""

from dataclasses import dataclass

from firmware.errors import DeviceGone
from hw.printer.ipp_partner import IppPartner, JobReport, JobState
from hw.printer.proof import BOOT_SLACK_SECONDS


@dataclass(frozen=True, slots=True)
class Expectation:
    """A job not yet submitted at `at`, by a printer switched on at `power_on`; loop time."""

    job_name: str
    at: float
    power_on: float

    def covers(self, job_name: str, *, began: float, power_on: float, history_seconds: float) -> bool:
        """Whether a printer switched on at power_on, looked at since began, must still know the job."""
        return (
            self.job_name == job_name
            and began - self.at < history_seconds
            and power_on <= self.power_on + BOOT_SLACK_SECONDS
        )


class Absence:
    """Asks printer and cupsd for the proof; history_seconds: the printer's memory of an ended job."""

    def __init__(self, printer: IppPartner, server: IppPartner, *, history_seconds: float) -> None:
        self._printer = printer
        self._server = server
        self._history_seconds = history_seconds
        self._expectation: Expectation | None = None

    async def expect(self, job_name: str, now: float) -> None:
        """The job will be submitted after now. With a silent printer nothing is expected."""
        try:
            up_seconds = (await self._printer.condition()).clock_seconds
        except DeviceGone:
            self._expectation = None
        else:
            self._expectation = Expectation(job_name, now, now - up_seconds)

    async def server_ended(self, job_name: str) -> bool:
        """Whether cupsd had the job and is done with it, however it ended."""
        try:
            jobs = await self._server.jobs(job_name)
        except DeviceGone:
            return False
        return bool(jobs) and not any(job.state.active for job in jobs)

    async def proven(self, job_name: str, *, began: float, now: float) -> bool:
        """Whether the job never reached the printer, which has not known it from began until now.

        What cupsd remembers counts if it gave the job up and had got it after the printer was switched on.
        """
        try:
            up_seconds = (await self._printer.condition()).clock_seconds
            jobs = await self._server.jobs(job_name)
            server_clock = (await self._server.condition()).clock_seconds
        except DeviceGone:
            return False
        if not jobs:
            expected, power_on = self._expectation, now - up_seconds
            return expected is not None and expected.covers(
                job_name, began=began, power_on=power_on, history_seconds=self._history_seconds
            )
        within_seconds = min(up_seconds - 1, self._history_seconds + now - began)
        return all(surely_given_up(job, server_clock - within_seconds) for job in jobs)


def surely_given_up(job: JobReport, after_seconds: float) -> bool:
    """Whether cupsd, whose report this is, got the job after that moment and says it was not printed."""
    return (
        job.state in (JobState.CANCELED, JobState.ABORTED)
        and job.created_seconds is not None
        and job.created_seconds > after_seconds
    )
