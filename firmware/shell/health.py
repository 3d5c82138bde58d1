"""Is the kiosk well: does its loop turn, does its journal take records, do its devices' watchers live.

The service manager's watchdog is fed only while all of that holds, so that a kiosk that hangs is started
anew, and a kiosk whose printer is unplugged is not: a vanished device is a level, not an illness.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from firmware.logbook import EventId, Logbook

TICK_SECONDS: Final = 0.1
_WINDOW = 600


@dataclass(frozen=True, slots=True)
class HealthRule:
    """slow_seconds: a loop later than this is logged, once until it is well again. ill_seconds: later than
    this the watchdog goes hungry. journal_seconds, device_seconds: how long one call may take.
    """

    slow_seconds: float = 0.5
    ill_seconds: float = 5.0
    journal_seconds: float = 30.0
    device_seconds: float = 120.0


class Health:
    """Measures the loop's lag, and says whether all is well.

    journal_busy, busy: how many seconds the present call has taken, 0 without one; busy by device.
    watchers: names of tasks that must live while the kiosk runs.
    """

    def __init__(
        self,
        *,
        rule: HealthRule,
        journal_busy: Callable[[], float],
        busy: Mapping[str, Callable[[], float]],
        watchers: frozenset[str],
        log: Logbook,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rule = rule
        self._journal_busy = journal_busy
        self._busy = dict(busy)
        self._watchers = watchers
        self._log = log
        self._monotonic = monotonic
        self._lags: deque[float] = deque(maxlen=_WINDOW)
        self._slow = False
        self._held = False
        self.turns = 0
        self.longest_seconds = 0.0

    @property
    def lag_seconds(self) -> float:
        """How late the loop was at worst in the last minute."""
        return max(self._lags, default=0.0)

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            asked = self._monotonic()
            await asyncio.sleep(TICK_SECONDS)
            self.took(self._monotonic() - asked - TICK_SECONDS)

    def took(self, late_seconds: float) -> None:
        """The loop came back so late."""
        late_seconds = max(0.0, late_seconds)
        self._lags.append(late_seconds)
        self.turns += 1
        self.longest_seconds = max(self.longest_seconds, late_seconds)
        if late_seconds > self._rule.slow_seconds and not self._slow:
            self._slow = True
            self._log(EventId.LOOP_SLOW, milliseconds=round(late_seconds * 1000))
        elif self._slow and self.lag_seconds <= self._rule.slow_seconds:
            self._slow = False
            self._log(EventId.LOOP_WELL)

    def illness(self) -> str:
        """What keeps the watchdog hungry, as one word; empty when all is well."""
        if max(list(self._lags)[-10:], default=0.0) > self._rule.ill_seconds:
            return "loop"
        if self._journal_busy() > self._rule.journal_seconds:
            return "journal"
        stuck = [name for name, seconds in self._busy.items() if seconds() > self._rule.device_seconds]
        if stuck:
            return stuck[0]
        ended = self._watchers - {task.get_name() for task in asyncio.all_tasks()}
        return f"{min(ended)}-ended" if ended else ""

    def well(self) -> bool:
        """Whether the watchdog may be fed; a change is logged once."""
        illness = self.illness()
        if illness and not self._held:
            self._log(EventId.WATCHDOG_HELD, reason=illness)
        self._held = bool(illness)
        return not illness
