"""Door contact, paper and change sensors, lamps and buzzer."""

import asyncio
import contextlib
from collections.abc import Mapping
from functools import partial

from firmware.core.facts import PanelLevel
from firmware.errors import DeviceGone
from firmware.logbook import EventId, Logbook
from firmware.ports import ReportLevel
from hw.gpio_pins import look_for_chip, pin_faults
from hw.panel.beeps import Beeps
from hw.panel.debounce import LevelDebounce
from hw.panel.wires import PanelWires, SensorPin
from hw.pulse import IDLE_SECONDS, Pulse

UNSEEN = PanelLevel(door_open=True)
"""What is reported while the pins cannot be used: a door that nobody sees counts as open."""

BUZZER = "buzzer"


class GpioPanel:
    """Implements `firmware.ports.Panel`.

    lamp_pins: BCM number of the lamp at each place. on_level: electrical level, 0 or 1, at which lamps
    and buzzer are on. debounce_seconds: how long a sensor's new level must last (0.05).
    first_retry_seconds, last_retry_seconds: pause before the pins are claimed again, doubled each time.
    """

    def __init__(
        self,
        *,
        door: SensorPin,
        paper: SensorPin,
        change: SensorPin,
        lamp_pins: Mapping[str, int],
        buzzer_pin: int,
        debounce_seconds: float,
        log: Logbook,
        on_level: int = 1,
        first_retry_seconds: float = 0.1,
        last_retry_seconds: float = 5.0,
    ) -> None:
        self._sensors = (door, paper, change)
        self._output_pins = {**lamp_pins, BUZZER: buzzer_pin}
        self._places = frozenset(lamp_pins)
        self._on_level = on_level
        self._debounce_seconds = debounce_seconds
        self._first_retry_seconds = first_retry_seconds
        self._last_retry_seconds = last_retry_seconds
        self._log = log
        self._pause_seconds = first_retry_seconds
        self._gone = False
        self._lit: frozenset[str] = frozenset()
        self._beeps = Beeps()
        self._moved = asyncio.Event()
        self._reported: PanelLevel | None = None
        self._task: asyncio.Task[None] | None = None
        self._pulse = Pulse()

    def busy_seconds(self) -> float:
        """How long the watcher has not come round; see `firmware.ports.Watched`."""
        return self._pulse.silent_seconds()

    def start(self, report: ReportLevel) -> None:
        """Watch the inputs; reports PanelLevel, first as the sensors stand now."""
        self._task = asyncio.get_running_loop().create_task(self._keep_working(report), name="panel")

    def light(self, place: str | None) -> None:
        """Light the lamp at place alone; None puts all out. Raises ValueError if there is no such lamp."""
        lit = frozenset[str]() if place is None else frozenset({place})
        if not lit <= self._places:
            raise ValueError(f"panel: no lamp at {place}")
        self._lit = lit
        self._moved.set()

    def buzz(self, pattern: str) -> None:
        """Sound key, attention or alarm; ignored while a more urgent one sounds.

        Raises ValueError for another word.
        """
        self._beeps.play(pattern, asyncio.get_running_loop().time())
        self._moved.set()

    async def close(self) -> None:
        """Lamps out, silence, all pins let go."""
        task, self._task = self._task, None
        self._pulse.end()
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def _keep_working(self, report: ReportLevel) -> None:
        while True:
            self._pulse.beat()
            try:
                with pin_faults(), self._claim() as wires:
                    await self._work(wires, report)
            except DeviceGone as error:
                self._note_gone(error)
                self._tell(report, UNSEEN)
            await asyncio.sleep(self._pause_seconds)
            self._pause_seconds = min(2 * self._pause_seconds, self._last_retry_seconds)

    def _note_gone(self, error: DeviceGone) -> None:
        if not self._gone:
            self._gone = True
            self._log(EventId.PANEL_GONE, error=type(error.__cause__).__name__)

    def _note_working(self) -> None:
        self._pause_seconds = self._first_retry_seconds
        if self._gone:
            self._gone = False
            self._log(EventId.PANEL_BACK)

    def _claim(self) -> PanelWires:
        return PanelWires(
            sensors=self._sensors,
            output_pins=self._output_pins,
            on_level=self._on_level,
            edge=partial(asyncio.get_running_loop().call_soon_threadsafe, self._moved.set),
        )

    async def _work(self, wires: PanelWires, report: ReportLevel) -> None:
        """Look at everything after each edge and order, and when a debounce or a beep falls due."""
        loop = asyncio.get_running_loop()
        sensors = [
            LevelDebounce(active, debounce_seconds=self._debounce_seconds) for active in wires.active()
        ]
        while True:
            self._pulse.beat()
            self._moved.clear()
            look_for_chip()
            now_seconds = loop.time()
            due = [
                sensor.look(active, now_seconds)
                for sensor, active in zip(sensors, wires.active(), strict=True)
            ]
            sounds, beep_due = self._beeps.look(now_seconds)
            wires.turn_on(self._lit | {BUZZER} if sounds else self._lit)
            self._note_working()
            self._tell(report, PanelLevel(*(sensor.level for sensor in sensors)))
            due_seconds = min(seconds for seconds in (*due, beep_due, IDLE_SECONDS) if seconds is not None)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(due_seconds):
                    await self._moved.wait()

    def _tell(self, report: ReportLevel, level: PanelLevel) -> None:
        if level != self._reported:
            self._reported = level
            asyncio.get_running_loop().call_soon(report, level)
