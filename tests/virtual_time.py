"""A loop whose clock runs only while everybody waits: time-outs take no time and no busy machine shows."""

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, ParamSpec, TypeVar

from tests.pty_traffic import PtyTraffic

T = TypeVar("T")
P = ParamSpec("P")


class _PatientSelector(selectors.DefaultSelector):
    """Before it lets time pass it makes sure that nothing is on its way."""

    def __init__(self, traffic: PtyTraffic) -> None:
        super().__init__()
        self._traffic = traffic
        self.now_seconds = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            return super().select(None)
        self._traffic.settle()
        if ready := super().select(0):
            return ready
        self.now_seconds += timeout
        return []


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self, traffic: PtyTraffic) -> None:
        self._patient = _PatientSelector(traffic)
        super().__init__(self._patient)

    def time(self) -> float:
        return self._patient.now_seconds


def run(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Like asyncio.run, in virtual time. What main uses may have devices of its own loop only.

    Pseudo-terminals both of whose ends are used in this loop carry their bytes in no time.
    """
    traffic = PtyTraffic()
    with traffic.counted(), asyncio.Runner(loop_factory=partial(_VirtualLoop, traffic)) as runner:
        return runner.run(main())


def in_virtual_time(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """A test that `run` runs; its fixtures may not need a loop."""

    @functools.wraps(test)
    def timeless(*args: P.args, **kwargs: P.kwargs) -> None:
        run(partial(test, *args, **kwargs))

    return timeless
