"""The matrix keypad: asleep until an edge, scanned until it is quiet again."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from functools import partial

from firmware.core.facts import KeypadLevel
from firmware.core.terms import KeypadKey
from firmware.errors import DeviceGone
from firmware.logbook import EventId, Logbook
from firmware.ports import ReportLevel
from hw.gpio_pins import look_for_chip, pin_faults
from hw.keypad.debounce import KeyDebounce
from hw.keypad.layout import keys_by_contact
from hw.keypad.matrix import KeyMatrix
from hw.pulse import IDLE_SECONDS, Pulse


class MatrixKeypad:
    """A key matrix on GPIO pins; implements `firmware.ports.Keypad`. Which key it was is never logged.

    row_pins, column_pins: BCM numbers. layout: see `keys_by_contact`.
    scan_seconds: from one scan to the next while something moves (0.01 is good).
    stable_scans: equal scans until a contact is believed (3). settle_seconds: see `KeyMatrix`.
    double_strike_seconds: the same key again within this time does not count (0.3; up to 0.5).
    first_retry_seconds, last_retry_seconds: pause before the pins are claimed again, doubled each time.
    Raises ConfigError for a layout that cannot be.
    """

    def __init__(
        self,
        *,
        row_pins: Sequence[int],
        column_pins: Sequence[int],
        layout: Sequence[Sequence[str]],
        scan_seconds: float,
        stable_scans: int,
        double_strike_seconds: float,
        log: Logbook,
        settle_seconds: float = 0.00005,
        first_retry_seconds: float = 0.1,
        last_retry_seconds: float = 5.0,
    ) -> None:
        self._row_pins = tuple(row_pins)
        self._column_pins = tuple(column_pins)
        self._keys = keys_by_contact(row_pins, column_pins, layout)
        self._scan_seconds = scan_seconds
        self._settle_seconds = settle_seconds
        self._stable_scans = stable_scans
        self._double_strike_seconds = double_strike_seconds
        self._first_retry_seconds = first_retry_seconds
        self._last_retry_seconds = last_retry_seconds
        self._log = log
        self._pause_seconds = first_retry_seconds
        self._gone = False
        self._told = False
        self._report: ReportLevel
        self._moved = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._pulse = Pulse()

    def busy_seconds(self) -> float:
        """How long the watcher has not come round; see `firmware.ports.Watched`."""
        return self._pulse.silent_seconds()

    def start(self, report: ReportLevel, pressed: Callable[[KeypadKey], None]) -> None:
        """Watch the keys; a key already down now is not a press."""
        self._report = report
        self._task = asyncio.get_running_loop().create_task(self._keep_watching(pressed), name="keypad")

    async def close(self) -> None:
        """Let all pins go."""
        task, self._task = self._task, None
        self._pulse.end()
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def _keep_watching(self, pressed: Callable[[KeypadKey], None]) -> None:
        while True:
            self._pulse.beat()
            try:
                with pin_faults(), self._claim() as matrix:
                    await self._watch(matrix, pressed)
            except DeviceGone as error:
                self._note_gone(error)
            await asyncio.sleep(self._pause_seconds)
            self._pause_seconds = min(2 * self._pause_seconds, self._last_retry_seconds)

    def _note_gone(self, error: DeviceGone) -> None:
        if not self._gone:
            self._gone = True
            self._log(EventId.KEYPAD_GONE, error=type(error.__cause__).__name__)
        self._tell(working=False)

    def _note_working(self) -> None:
        self._pause_seconds = self._first_retry_seconds
        if self._gone:
            self._gone = False
            self._log(EventId.KEYPAD_BACK)
        self._tell(working=True)

    def _tell(self, *, working: bool) -> None:
        if working is not self._told:
            self._told = working
            self._report(KeypadLevel(working))

    def _claim(self) -> KeyMatrix:
        loop = asyncio.get_running_loop()
        return KeyMatrix(
            self._row_pins,
            self._column_pins,
            settle_seconds=self._settle_seconds,
            edge=partial(loop.call_soon_threadsafe, self._moved.set),
        )

    async def _watch(self, matrix: KeyMatrix, pressed: Callable[[KeypadKey], None]) -> None:
        debounce = KeyDebounce(
            stable_scans=self._stable_scans,
            stable_seconds=self._stable_scans * self._scan_seconds,
            double_strike_seconds=self._double_strike_seconds,
        )
        while True:
            debounce.disturb()
            while not debounce.settled:
                self._pulse.beat()
                contact = debounce.scan(matrix.scan(), asyncio.get_running_loop().time())
                if contact in self._keys:
                    _tell_soon(pressed, self._keys[contact])
                await asyncio.sleep(self._scan_seconds)
            self._note_working()
            await self._sleep_until_moved(matrix, frozenset(column for _, column in debounce.closed))

    async def _sleep_until_moved(self, matrix: KeyMatrix, expected_low: frozenset[int]) -> None:
        """Wait without polling until a column differs from what the closed keys explain.

        Driving the rows makes edges of its own, and edges of the last scan may come late: an edge
        only asks for a look at the levels.
        """
        matrix.drive_all_rows()
        self._moved.clear()
        while matrix.low_columns() == expected_low:
            look_for_chip()
            self._pulse.beat()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(IDLE_SECONDS):
                    await self._moved.wait()
            self._moved.clear()


def _tell_soon(pressed: Callable[[KeypadKey], None], key: KeypadKey) -> None:
    # asyncio logs a callback that fails together with its arguments: a key must not be one
    asyncio.get_running_loop().call_soon(lambda: pressed(key))
