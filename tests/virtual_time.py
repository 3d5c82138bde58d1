"""A loop whose clock runs only while everybody waits: time-outs take no time and no busy machine shows."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")

ARRIVAL_SECONDS = 0.002
"""How long the kernel may take to carry bytes through a pseudo-terminal of this process."""


class _PatientSelector(selectors.DefaultSelector):
    """Before it lets time pass it makes sure that nothing is on its way."""

    def __init__(self, arrival_seconds: float) -> None:
        super().__init__()
        self._arrival_seconds = arrival_seconds
        self.now_seconds = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if ready := super().select(self._arrival_seconds if timeout is not None else None):
            return ready
        self.now_seconds += timeout or 0.0
        return []


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self, arrival_seconds: float) -> None:
        self._patient = _PatientSelector(arrival_seconds)
        super().__init__(self._patient)

    def time(self) -> float:
        return self._patient.now_seconds


def run(main: Callable[[], Coroutine[Any, Any, T]], arrival_seconds: float = ARRIVAL_SECONDS) -> T:
    """Like asyncio.run, in virtual time. What main uses may have devices of its own loop only.

    arrival_seconds: 0 where everything happens in this loop and no kernel carries bytes.
    """
    with asyncio.Runner(loop_factory=partial(_VirtualLoop, arrival_seconds)) as runner:
        return runner.run(main())
