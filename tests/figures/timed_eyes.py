"""Eyes that remember when each picture came."""

import time
from collections.abc import Awaitable, Callable

from tests.figures.rows import MeasureError
from tests.simulators.eyes import Eyes, Picture

Stimulus = Callable[[], Awaitable[object]]
Wanted = Callable[[Picture], bool]

WAIT_SECONDS = 30.0


class TimedEyes(Eyes):
    """Follows the screen and times what follows a stimulus.

    seen: perf_counter seconds and picture of every picture, in order.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.seen: list[tuple[float, Picture]] = []

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
