"""Eyes on the kiosk's screen: what the page would show, from the same event stream."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from typing import Any, Self

import aiohttp

Picture = dict[str, Any]


class Eyes:
    """Follows the screen of a kiosk, also over its restarts.

    pictures: every picture seen, in order.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._changed = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None
        self._session: aiohttp.ClientSession | None = None
        self.now: Picture | None = None
        self.pictures: list[Picture] = []

    async def open(self) -> Self:
        """Begin to look."""
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None, connect=20))
        self._task = asyncio.create_task(self._look(), name="eyes")
        return self

    async def close(self) -> None:
        """Look away; may be called twice."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def until(self, wanted: Callable[[Picture], bool], seconds: float) -> Picture:
        """The first picture from now that is wanted. Raises TimeoutError naming the one that stands."""
        try:
            async with asyncio.timeout(seconds), self._changed:
                while self.now is None or not wanted(self.now):
                    await self._changed.wait()
                return self.now
        except TimeoutError:
            stands = None if self.now is None else (self.now["screen"], self.now["reason"])
            raise TimeoutError(f"the screen still shows {stands} after {seconds} s") from None

    async def until_screen(self, *screens: str, seconds: float = 20.0) -> Picture:
        """Wait for one of these screens."""
        try:
            return await self.until(lambda picture: picture["screen"] in screens, seconds)
        except TimeoutError as error:
            raise TimeoutError(f"expected {' or '.join(screens)}: {error}") from None

    async def touch(self, action: str) -> int:
        """Touch the twin of a key on the picture that stands; the HTTP status."""
        if self._session is None or self.now is None:
            raise RuntimeError("nothing is seen yet")
        body = {"seq": self.now["seq"], "boot": self.now["boot"], "action": action}
        origin = {"Origin": self._url.rstrip("/")}
        async with self._session.post(f"{self._url}intent", json=body, headers=origin) as answer:
            return answer.status

    async def _look(self) -> None:
        while True:
            with contextlib.suppress(aiohttp.ClientError, ConnectionError):
                await self._follow()
            await self._see(None)
            await asyncio.sleep(0.05)

    async def _follow(self) -> None:
        assert self._session is not None
        async with self._session.get(f"{self._url}events") as stream:
            async for raw in stream.content:
                if raw.startswith(b"data: {"):
                    await self._see(json.loads(raw[5:]))

    async def _see(self, picture: Picture | None) -> None:
        """Whoever waits looks at each picture, also at those that a busy machine brings in one go."""
        async with self._changed:
            self.now = picture
            if picture is not None:
                self.pictures.append(picture)
            self._changed.notify_all()
        await asyncio.sleep(0)
