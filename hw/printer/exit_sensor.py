"""The light barrier at the printer's exit: it counts the sheets that really came out (排紙センサー)."""

import asyncio
import contextlib

from firmware.errors import DeviceGone
from firmware.logbook import EventId, Logbook
from hw.gpio_pins import Pin, claimed, pin_faults


class ExitSensor:
    """Counts sheets by their trailing edges; a sheet stuck in the barrier is not out.

    pin: BCM number. active_level: electrical level, 0 or 1, while paper is in the barrier. A sheet covers it
    for shortest_seconds at least; shorter dips are bounce or light. pull: up, down or floating.
    """

    def __init__(
        self,
        *,
        pin: int,
        active_level: int,
        log: Logbook,
        pull: str = "up",
        shortest_seconds: float = 0.05,
        retry_seconds: float = 2.0,
    ) -> None:
        self._pin = pin
        self._active_level = bool(active_level)
        self._pull = pull
        self._log = log
        self._shortest_seconds = shortest_seconds
        self._retry_seconds = retry_seconds
        self._since_seconds: float | None = None
        self._sheets: int | None = None
        self._moved = asyncio.Event()
        self._gone = False
        self._watching: asyncio.Task[None] | None = None

    @property
    def sheets(self) -> int | None:
        """Sheets out since the sensor began to watch, None while it does not; it then begins anew."""
        return self._sheets

    def start(self) -> None:
        """Watch; by itself again when the pin was lost."""
        self._watching = asyncio.get_running_loop().create_task(self._watch(), name="exit-sensor")

    async def until(self, sheets: int, seconds: float) -> None:
        """Wait until the count is so high, seconds at most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._sheets is not None and self._sheets < sheets:
                    self._moved.clear()
                    await self._moved.wait()

    async def close(self) -> None:
        """Let the pin go. May be called twice."""
        watching, self._watching = self._watching, None
        if watching is not None:
            watching.cancel()
            await asyncio.wait([watching])

    async def _watch(self) -> None:
        while True:
            try:
                with pin_faults(), claimed(self._pin) as pin:
                    await self._count(pin)
            except DeviceGone as error:
                self._note_gone(error)
            self._moved.set()
            await asyncio.sleep(self._retry_seconds)

    async def _count(self, pin: Pin) -> None:
        """Edges come with their own time stamps from the driver's thread; the loop only counts."""
        loop = asyncio.get_running_loop()
        pin.input_with_pull(self._pull)
        self._sheets, self._since_seconds = 0, None

        def edge(seconds: float, level: bool) -> None:
            """In the driver's thread. gpiozero keeps a weak reference only; this frame keeps it alive."""
            loop.call_soon_threadsafe(self._edge, seconds, level)

        pin.when_changed = edge
        if self._gone:
            self._gone = False
            self._log(EventId.EXIT_SENSOR_BACK)
        await asyncio.Event().wait()

    def _edge(self, seconds: float, level: bool) -> None:
        if self._sheets is None:
            return
        if bool(level) == self._active_level:
            self._since_seconds = seconds
            return
        covered_since, self._since_seconds = self._since_seconds, None
        if covered_since is not None and seconds - covered_since >= self._shortest_seconds:
            self._sheets += 1
            self._moved.set()

    def _note_gone(self, error: DeviceGone) -> None:
        self._sheets = None
        if not self._gone:
            self._gone = True
            self._log(EventId.EXIT_SENSOR_GONE, error=type(error.__cause__).__name__)
