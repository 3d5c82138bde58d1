"""One document worker is kept ready, so that nobody waits for its start; each serves one visit."""

import asyncio
from collections.abc import Callable

from firmware.errors import DocumentError
from firmware.ports import DocumentWorker

Started = tuple[DocumentWorker, bytes]
"""A worker and its public key."""
_AGAIN_SECONDS = 20.0
_STARTS = 2
"""A spare may have died while it waited, of an upgrade or want of memory; the next has only just begun."""


class SpareWorker:
    """Starts the next worker when one is taken; nobody gets one while the worker of somebody else lives."""

    def __init__(self, new_worker: Callable[[], DocumentWorker]) -> None:
        self._new_worker = new_worker
        self._next: asyncio.Task[Started] | None = None
        self._taken: DocumentWorker | None = None
        self._began_at = 0.0
        self._started = False

    def prepare(self) -> None:
        """Begin to start the next worker, unless one is ready or on its way."""
        self._coming()

    def works(self) -> bool:
        """Whether the last one that was begun has started, and lives until it is taken.

        While one starts, what was so before. One that did not, or died, is begun anew after a while.
        """
        last = self._next
        if last is None or not last.done():
            return self._started
        dead = None if _failed(last) else last.result()[0]
        self._started = dead is not None and dead.alive()
        if not self._started and _now() - self._began_at >= _AGAIN_SECONDS:
            self._next = self._begin(dead)
        return self._started

    async def take(self) -> Started:
        """A worker of one's own. Raises DocumentError if it does not start, or the one before does not end.

        A caller that is cancelled leaves it to the next one: nothing of a visit has reached it.
        """
        for _ in range(_STARTS):
            await self._end_before()
            coming = self._coming()
            started = await asyncio.shield(coming)
            if coming is not self._next:
                return await self.take()
            self._next = None
            self._taken, _ = started
            if self._taken.alive():
                return started
        raise DocumentError("no worker lives until it is taken")

    async def _end_before(self) -> None:
        before = self._taken
        if before is None:
            return
        await before.end()
        if before.alive():
            raise DocumentError("the worker before is still there")

    async def close(self) -> None:
        """Wait for the worker that nobody took and end it."""
        coming, self._next = self._next, None
        if coming is not None:
            (result,) = await asyncio.gather(coming, return_exceptions=True)
            if isinstance(result, tuple):
                await result[0].end()

    def _coming(self) -> asyncio.Task[Started]:
        if self._next is None or _failed(self._next):
            self._next = self._begin()
        return self._next

    def _begin(self, dead: DocumentWorker | None = None) -> asyncio.Task[Started]:
        self._began_at = _now()
        return asyncio.create_task(self._start(dead), name="spare-worker")

    async def _start(self, dead: DocumentWorker | None) -> Started:
        if dead is not None:
            await dead.end()
        worker = self._new_worker()
        key = await worker.start()
        self._started = True
        return worker, key


def _now() -> float:
    return asyncio.get_running_loop().time()


def _failed(start: asyncio.Task[Started]) -> bool:
    return start.done() and (start.cancelled() or start.exception() is not None)
