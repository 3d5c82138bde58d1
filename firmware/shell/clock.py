"""The clock level: do we trust the time, and is the service open."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from firmware.core.facts import ClockLevel
from firmware.core.hours import JST, Closure, HoursRule, opens_next, service_hours
from firmware.core.terms import ServiceHours
from firmware.logbook import EventId, Logbook
from firmware.ports import ReportLevel

_LOOK_SECONDS = 1.0
_A_YEAR = timedelta(days=365)


def now_utc() -> datetime:
    """The wall clock, aware."""
    return datetime.now(UTC)


class Clock:
    """Reports ClockLevel. The time is trusted when it agrees with the municipality's (R3, R18)."""

    def __init__(
        self,
        *,
        rule: HoursRule,
        tolerance_seconds: float,
        log: Logbook,
        now: Callable[[], datetime] = now_utc,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rule, self._own_closures = rule, rule.closures
        self._tolerance_seconds = tolerance_seconds
        self._log = log
        self._now = now
        self._monotonic = monotonic
        self._agreed = False
        self._judged = False
        self._told_trusted: bool | None = None
        self._ahead_seconds = 0.0
        self._server_hours = ServiceHours.OPEN
        self._level = ClockLevel()
        self._report: ReportLevel | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def trusted(self) -> bool:
        """Whether the time agreed with the municipality's when it was last heard, and did not jump since."""
        jumped_seconds = self._ahead() - self._ahead_seconds
        return self._agreed and abs(jumped_seconds) <= self._tolerance_seconds

    def start(self, report: ReportLevel) -> None:
        """Look once a second; report when the level changes."""
        self._report = report
        self._task = asyncio.create_task(self._watch(), name="clock")

    def heard(self, server_time: datetime) -> None:
        """The municipality told its time (aware)."""
        self._ahead_seconds = self._ahead()
        self._judged = True
        self._agreed = abs((self._now() - server_time).total_seconds()) <= self._tolerance_seconds
        self._look()

    def server_said(self, hours: ServiceHours) -> None:
        """The municipality told whether it serves; the stricter of both sides holds."""
        self._server_hours = hours
        self._look()

    def close_also(self, closures: tuple[Closure, ...]) -> None:
        """The municipality's calendar: no service then, either. Takes the place of the one before."""
        self._rule = replace(self._rule, closures=(*self._own_closures, *closures))
        self._look()

    @property
    def rule(self) -> HoursRule:
        """The hours with every closure."""
        return self._rule

    async def close(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _watch(self) -> None:
        while True:
            self._look()
            await asyncio.sleep(_LOOK_SECONDS)

    def _ahead(self) -> float:
        """Seconds of the wall clock over the one that never jumps."""
        return self._now().timestamp() - self._monotonic()

    def _look(self) -> None:
        trusted = self.trusted
        if self._judged and trusted is not self._told_trusted:
            self._told_trusted = trusted
            self._log(EventId.CLOCK_TRUSTED if trusted else EventId.CLOCK_NOT_TRUSTED)
        now = self._now()
        hours = service_hours(now, self._rule)
        reopens = None
        if hours is ServiceHours.MAINTENANCE:
            reopens = _reopens(now, self._rule)
        elif hours is not ServiceHours.CLOSED and self._server_hours is not ServiceHours.OPEN:
            hours = self._server_hours
        level = ClockLevel(trusted, hours, reopens)
        if level != self._level and self._report is not None:
            self._level = level
            self._report(level)


def _reopens(now: datetime, rule: HoursRule) -> tuple[int, int, int, int] | None:
    """As ClockLevel has it; a day without its year says nothing of one that is a year away."""
    until = opens_next(now, rule)
    if until is None or until - now >= _A_YEAR:
        return None
    local = until.astimezone(JST)
    return local.month, local.day, local.hour, local.minute
