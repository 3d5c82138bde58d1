"""The state of the outside world as a stream; nobody looks at the world while nobody looks at the page."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

from tests.simulators.bench.world_api import OutsideWorld, WorldRefusal

Picture = asyncio.Queue[str | None]
"""JSON objects for one watcher, each with a key state or error; None when the feed is closed."""


class StateFeed:
    """Asks the world poll_seconds apart, and at once after a nudge; tells watchers what changed."""

    def __init__(self, world: OutsideWorld, *, poll_seconds: float) -> None:
        self._world = world
        self._poll_seconds = poll_seconds
        self._watchers: set[Picture] = set()
        self._nudged = asyncio.Event()
        self._polling: asyncio.Task[None] | None = None
        self._last = ""

    @contextlib.asynccontextmanager
    async def watched(self) -> AsyncIterator[Picture]:
        """A watcher's queue, which begins with the whole state."""
        picture: Picture = asyncio.Queue()
        self._watchers.add(picture)
        self._last = ""
        self.nudge()
        if self._polling is None:
            self._polling = asyncio.create_task(self._poll(), name="bench feed")
            self._polling.add_done_callback(lambda _: self._end_streams())
        try:
            yield picture
        finally:
            self._watchers.discard(picture)
            if not self._watchers:
                await self._stop_polling()

    def nudge(self) -> None:
        """Something was done: look at once."""
        self._nudged.set()

    async def close(self) -> None:
        """End every watcher's stream."""
        self._end_streams()
        await self._stop_polling()

    def _end_streams(self) -> None:
        for picture in self._watchers:
            picture.put_nowait(None)

    async def _stop_polling(self) -> None:
        polling, self._polling = self._polling, None
        if polling is not None:
            polling.cancel()
            await asyncio.wait([polling])
            if not polling.cancelled():
                polling.result()  # a fault of the world itself is not hidden

    async def _poll(self) -> None:
        while True:
            self._nudged.clear()
            seen = await self._look()
            if seen != self._last:
                self._last = seen
                for picture in self._watchers:
                    picture.put_nowait(seen)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._poll_seconds):
                    await self._nudged.wait()

    async def _look(self) -> str:
        try:
            return json.dumps({"state": await self._world.state()}, ensure_ascii=False)
        except (WorldRefusal, OSError) as error:
            return json.dumps({"error": str(error) or type(error).__name__}, ensure_ascii=False)
