"""The clock level: do we trust the time, and is the service open."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from firmware.core.facts import ClockLevel
from firmware.core.hours import JST, HoursRule, opens_next, service_hours
from firmware.core.terms import ServiceHours
from firmware.logbook import EventId, Logbook
from firmware.ports import ReportLevel

_LOOK_SECONDS = 1.0


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
    ) -> None:
        self._rule = rule
        self._tolerance_seconds = tolerance_seconds
        self._log = log
        self._now = now
        self._trusted = False
        self._server_hours = ServiceHours.OPEN
        self._level = ClockLevel()
        self._report: ReportLevel | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def trusted(self) -> bool:
        """Whether the time agreed with the municipality's when it was last heard."""
        return self._trusted

    def start(self, report: ReportLevel) -> None:
        """Look once a second; report when the level changes."""
        self._report = report
        self._task = asyncio.create_task(self._watch(), name="clock")

    def heard(self, server_time: datetime) -> None:
        """The municipality told its time (aware)."""
        trusted = abs((self._now() - server_time).total_seconds()) <= self._tolerance_seconds
        if trusted is not self._trusted:
            self._trusted = trusted
            self._log(EventId.CLOCK_TRUSTED if trusted else EventId.CLOCK_NOT_TRUSTED)
        self._look()

    def server_said(self, hours: ServiceHours) -> None:
        """The municipality told whether it serves; the stricter of both sides holds."""
        self._server_hours = hours
        self._look()

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

    def _look(self) -> None:
        now = self._now()
        hours = service_hours(now, self._rule)
        reopens = None
        if hours is ServiceHours.MAINTENANCE:
            until = opens_next(now, self._rule).astimezone(JST)
            reopens = (until.month, until.day, until.hour, until.minute)
        elif hours is not ServiceHours.CLOSED and self._server_hours is not ServiceHours.OPEN:
            hours = self._server_hours
        level = ClockLevel(self._trusted, hours, reopens)
        if level != self._level and self._report is not None:
            self._level = level
            self._report(level)
