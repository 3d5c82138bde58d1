"""One document worker is kept ready, so that nobody waits for its start; each serves one visit."""

import asyncio
from collections.abc import Callable

from firmware.errors import DocumentError
from firmware.ports import DocumentWorker

Started = tuple[DocumentWorker, bytes]
"""A worker and its public key."""
_STARTS = 2
"""A spare may have died while it waited, of an upgrade or want of memory; the next has only just begun."""


class SpareWorker:
    """Starts the next worker when one is taken; nobody gets one while the worker of somebody else lives."""

    def __init__(self, new_worker: Callable[[], DocumentWorker]) -> None:
        self._new_worker = new_worker
        self._next: asyncio.Task[Started] | None = None
        self._taken: DocumentWorker | None = None

    def prepare(self) -> None:
        """Begin to start the next worker, unless one is ready or on its way."""
        self._coming()

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
            self._next = asyncio.create_task(self._start(), name="spare-worker")
        return self._next

    async def _start(self) -> Started:
        worker = self._new_worker()
        return worker, await worker.start()


def _failed(start: asyncio.Task[Started]) -> bool:
    return start.done() and (start.cancelled() or start.exception() is not None)
