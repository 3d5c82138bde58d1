"""One document worker is kept ready, so that nobody waits for its start; each serves one visit."""

import asyncio
from collections.abc import Callable

from firmware.ports import DocumentWorker


class SpareWorker:
    """Starts the next worker when one is taken."""

    def __init__(self, new_worker: Callable[[], DocumentWorker]) -> None:
        self._new_worker = new_worker
        self._next: asyncio.Task[tuple[DocumentWorker, bytes]] | None = None

    def prepare(self) -> None:
        """Begin to start the next worker, if none is on its way."""
        if self._next is None:
            self._next = asyncio.create_task(self._start(), name="spare-worker")

    async def take(self) -> tuple[DocumentWorker, bytes]:
        """A started worker and its public key. Raises DocumentError if it does not start."""
        self.prepare()
        coming, self._next = self._next, None
        if coming is None:
            raise LookupError("no worker is on its way")
        try:
            return await coming
        except asyncio.CancelledError:
            coming.add_done_callback(_end_unused)
            raise

    async def close(self) -> None:
        """End the worker nobody took."""
        coming, self._next = self._next, None
        if coming is not None:
            (result,) = await asyncio.gather(coming, return_exceptions=True)
            if isinstance(result, tuple):
                await result[0].end()

    async def _start(self) -> tuple[DocumentWorker, bytes]:
        worker = self._new_worker()
        return worker, await worker.start()


def _end_unused(coming: asyncio.Task[tuple[DocumentWorker, bytes]]) -> None:
    """A visit that was cancelled while its worker started leaves nothing behind."""
    if not coming.cancelled() and coming.exception() is None:
        worker, _ = coming.result()
        asyncio.get_running_loop().create_task(worker.end(), name="end-unused-worker")
