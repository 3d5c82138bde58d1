"""The lockout level: follows the journal and the time, and says when the next visit may begin."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

from firmware.core import records as r
from firmware.core.facts import LockoutLevel
from firmware.core.hours import JST
from firmware.core.lockout import Strikes
from firmware.logbook import EventId, Logbook
from firmware.ports import ReportLevel

_SHOWN_SECONDS = 60.0
"""A shorter wait is shown without its end: a clock has no seconds."""


_LOOK_SECONDS = 1.0
"""The clock may be set meanwhile: without one of its own the machine starts with an old time."""


class LockoutWatch:
    """Reports LockoutLevel, first for what the journal says.

    strikes: of visitors, by the journal so far. now: aware.
    """

    def __init__(
        self,
        *,
        strikes: Strikes,
        log: Logbook,
        now: Callable[[], datetime],
    ) -> None:
        self._log = log
        self._now = now
        self._strikes = strikes
        self._level = LockoutLevel()
        self._report: ReportLevel | None = None
        self._timer: asyncio.TimerHandle | None = None

    def start(self, report: ReportLevel) -> None:
        """Begin to report."""
        self._report = report
        self._look()

    def note(self, records: Sequence[r.Record]) -> None:
        """These records were committed to the journal now."""
        now = self._now()
        for record in records:
            self._strikes.enter(record, now)
        self._look()

    async def close(self) -> None:
        """Report no more."""
        self._report = None
        self._stop_timer()

    def _look(self) -> None:
        now = self._now()
        self._stop_timer()
        until = self._strikes.wait(now)
        if self._report is None or until is None:
            self._tell(LockoutLevel(), 0.0)
            return
        left_seconds = (until - now).total_seconds()
        self._timer = asyncio.get_running_loop().call_later(min(left_seconds, _LOOK_SECONDS), self._look)
        self._tell(LockoutLevel(waits=True, reopens=self._clock(until, left_seconds)), left_seconds)

    def _clock(self, until: datetime, left_seconds: float) -> tuple[int, int] | None:
        """The first whole minute from until on, in Japan time; a wait shown so stays so to its end."""
        if left_seconds < _SHOWN_SECONDS and self._level.reopens is None:
            return None
        local = until.astimezone(JST)
        minute = local.hour * 60 + local.minute + bool(local.second or local.microsecond)
        return minute // 60 % 24, minute % 60

    def _tell(self, level: LockoutLevel, left_seconds: float) -> None:
        before, self._level = self._level, level
        if level == before or self._report is None:
            return
        if level.waits:
            milliseconds = round(left_seconds * 1000)
            self._log(EventId.LOCKOUT_BEGAN, count=self._strikes.count, milliseconds=milliseconds)
        else:
            self._log(EventId.LOCKOUT_ENDED, count=self._strikes.count)
        self._report(level)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
