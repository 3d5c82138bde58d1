"""One thread that alone touches one blocking device.

Device calls run one after the other in the order they were asked for. `asyncio.to_thread` gives no
such promise: a timed-out call goes on in its thread while the next one begins in another.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class OneThread:
    """A worker thread for one device, used from one asyncio loop.

    name: the thread's name. The thread is a daemon: a call stuck in a dead device cannot keep the
    process from ending.
    """

    def __init__(self, name: str) -> None:
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._ended: Future[None] = Future()
        self._closed = False
        self._began: float | None = None
        threading.Thread(target=self._work, name=name, daemon=True).start()

    async def run(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run call in the thread; its result or its exception.

        A cancelled caller does not free the thread: a call that began runs to its end and the next one
        waits for it; a call that did not begin is dropped. Raises RuntimeError after close.
        """
        if self._closed:
            raise RuntimeError("this thread is closed")
        answer: Future[T] = Future()

        def work() -> None:
            if not answer.set_running_or_notify_cancel():
                return
            try:
                result = call(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - every exception belongs to the caller
                answer.set_exception(error)
            else:
                answer.set_result(result)

        self._calls.put(work)
        return await asyncio.wrap_future(answer)

    def busy_seconds(self) -> float:
        """How long the present call has taken; 0 without one."""
        began = self._began
        return 0.0 if began is None else time.monotonic() - began

    async def close(self, timeout_seconds: float = 5.0) -> bool:
        """Take no more calls, let those already asked for end, and wait for the thread.

        Returns False if the thread is still stuck in a call after timeout_seconds. May be called twice.
        """
        if not self._closed:
            self._closed = True
            self._calls.put(None)
        ended = asyncio.wrap_future(self._ended)
        done, _ = await asyncio.wait([asyncio.shield(ended)], timeout=timeout_seconds)
        return bool(done)

    def _work(self) -> None:
        while (work := self._calls.get()) is not None:
            self._began = time.monotonic()
            work()
            self._began = None
            del work
        self._ended.set_result(None)
