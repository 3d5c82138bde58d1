"""The alarm of a door that somebody opened without an order (R18)."""

import asyncio
from collections.abc import Callable

from firmware.core.facts import Level, PanelLevel
from firmware.logbook import EventId, Logbook

_AGAIN_SECONDS = 5.0


class DoorAlarm:
    """Sounds from grace_seconds after the door was opened until it is shut or somebody may have it open.

    ordered: whether a maintenance order is active, or staff were let in by their code. The serial line of
    the console may lie behind the door:
    the grace is the time to log in.
    """

    def __init__(
        self, *, ordered: Callable[[], bool], sound: Callable[[], None], grace_seconds: float, log: Logbook
    ) -> None:
        self._ordered = ordered
        self._sound = sound
        self._grace_seconds = grace_seconds
        self._log = log
        self._task: asyncio.Task[None] | None = None

    def seen(self, level: Level) -> None:
        """A level of the panel; others are of no interest."""
        if not isinstance(level, PanelLevel):
            return
        if level.door_open and self._task is None:
            self._log(EventId.DOOR_OPENED)
            self._task = asyncio.create_task(self._watch(), name="door-alarm")
        elif not level.door_open and self._task is not None:
            self._log(EventId.DOOR_SHUT)
            self._task.cancel()
            self._task = None

    async def close(self) -> None:
        """Sound no more; may be called twice."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _watch(self) -> None:
        sounding = False
        try:
            await asyncio.sleep(self._grace_seconds)
            while True:
                if not self._ordered():
                    if not sounding:
                        self._log(EventId.DOOR_OPENED_UNORDERED)
                    sounding = True
                    self._sound()
                await asyncio.sleep(_AGAIN_SECONDS)
        finally:
            if sounding:
                self._log(EventId.DOOR_QUIET)
