"""When the watcher of a device last came round: one that hangs falls silent, and health sees it."""

import time
from collections.abc import Callable
from typing import Final

IDLE_SECONDS: Final = 30.0
"""A watcher that has nothing to do but wait for an edge comes round as often."""


class Pulse:
    """Beaten by a watcher each time it comes round. Silent before the first beat and after the last."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._beaten_at: float | None = None

    def beat(self, within_seconds: float = 0.0) -> None:
        """The watcher comes round; within_seconds: until the deadline of what it waits for, 0 without one."""
        self._beaten_at = self._monotonic() + within_seconds

    def end(self) -> None:
        """Nobody watches any more."""
        self._beaten_at = None

    def silent_seconds(self) -> float:
        """Since the last beat, or the deadline told with it; 0 while nobody watches."""
        return 0.0 if self._beaten_at is None else max(0.0, self._monotonic() - self._beaten_at)
