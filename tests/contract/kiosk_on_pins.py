"""The smallest kiosk: keypad and panel on whatever pins there are, told on standard output."""

import asyncio
import json
import signal
import sys

from firmware.core.facts import KeypadLevel, Level, PanelLevel
from firmware.core.terms import KeypadKey
from firmware.logbook import JsonLog
from hw.keypad import MatrixKeypad
from hw.panel import GpioPanel, SensorPin
from tests.simulators.gpio.wiring import Wiring

ROWS, COLUMNS = (5, 6, 13, 19), (12, 16, 20, 21)
LAYOUT = (
    ("1", "2", "3", "cancel"),
    ("4", "5", "6", "correct"),
    ("7", "8", "9", "confirm"),
    ("", "0", "", ""),
)
SENSORS = {"door": (17, 1), "paper": (27, 0), "change": (22, 0)}
LAMPS = {"card": 23, "keypad": 24, "coin": 25, "paper": 8, "change": 7}
WIRING = Wiring(
    keys={
        key: (ROWS[row], COLUMNS[column])
        for row, keys in enumerate(LAYOUT)
        for column, key in enumerate(keys)
        if key
    },
    sensors=SENSORS,
    outputs={**LAMPS, "buzzer": 18},
)


def make_keypad(log: JsonLog) -> MatrixKeypad:
    """A keypad wired as WIRING says."""
    return MatrixKeypad(
        row_pins=ROWS,
        column_pins=COLUMNS,
        layout=LAYOUT,
        scan_seconds=0.01,
        stable_scans=3,
        double_strike_seconds=0.3,
        log=log,
    )


def make_panel(log: JsonLog) -> GpioPanel:
    """A panel wired as WIRING says."""
    return GpioPanel(
        door=SensorPin(*SENSORS["door"]),
        paper=SensorPin(*SENSORS["paper"]),
        change=SensorPin(*SENSORS["change"]),
        lamp_pins=LAMPS,
        buzzer_pin=WIRING.outputs["buzzer"],
        debounce_seconds=0.05,
        log=log,
    )


def main(arguments: list[str]) -> int:
    """Run until SIGTERM."""
    _tell(arguments=arguments)
    asyncio.run(_run())
    return 3


async def _run() -> None:
    asked_to_end = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asked_to_end.set)
    keypad, panel = make_keypad(JsonLog()), make_panel(JsonLog())

    def pressed(key: KeypadKey) -> None:
        _tell(key=key.value)
        panel.buzz("key")
        panel.light("paper" if key is KeypadKey.CONFIRM else "keypad")

    def report(level: Level) -> None:
        if isinstance(level, KeypadLevel):
            _tell(keypad=level.working)
        if isinstance(level, PanelLevel):
            _tell(door_open=level.door_open, paper=level.paper_in_tray, change=level.change_in_cup)

    keypad.start(report, pressed)
    panel.start(report)
    await asked_to_end.wait()
    await keypad.close()
    await panel.close()


def _tell(**words: object) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()
