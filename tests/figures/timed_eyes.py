"""Eyes that remember when each picture came."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from tests.figures.rows import MeasureError
from tests.simulators.eyes import Eyes, Picture

Stimulus = Callable[[], Awaitable[object]]
Wanted = Callable[[Picture], bool]

WAIT_SECONDS = 30.0
AGAIN_SECONDS = 0.005


class TimedEyes(Eyes):
    """Follows the screen and times what follows a stimulus.

    seen: perf_counter seconds and picture of every picture, in order.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.seen: list[tuple[float, Picture]] = []

    async def touched(self, action: str, what: str) -> None:
        """Touch until it counts: a picture can change under the finger.

        Raises MeasureError naming what was touched for.
        """
        status = await self.touch(action)
        while status == 409:
            await asyncio.sleep(AGAIN_SECONDS)
            status = await self.touch(action)
        if status != 204:
            raise MeasureError(f"{what}: the touch was answered {status}")

    async def answered(self) -> None:
        """Ask the kiosk for something and wait: its loop has dealt with what came before."""
        if self._session is None:
            raise RuntimeError("the eyes are closed")
        async with self._session.get(self._url) as answer:
            await answer.read()

    async def milliseconds_to(self, what: str, stimulus: Stimulus, wanted: Wanted) -> float:
        """From the beginning of stimulus to the arrival of the first wanted picture after it.

        Raises MeasureError naming what does not come.
        """
        before, began = len(self.seen), time.perf_counter()
        await stimulus()

        def arrived(_: Picture) -> bool:
            return any(wanted(picture) for _, picture in self.seen[before:])

        try:
            await self.until(arrived, WAIT_SECONDS)
        except TimeoutError as error:
            raise MeasureError(f"{what}: {error}") from error
        came = next(moment for moment, picture in self.seen[before:] if wanted(picture))
        return (came - began) * 1000

    async def _see(self, picture: Picture | None) -> None:
        if picture is not None:
            self.seen.append((time.perf_counter(), picture))
        await super()._see(picture)
