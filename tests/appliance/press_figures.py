"""How long a press takes, and how many are missed: python -m tests.appliance.press_figures N

Inside the emulated machine while no kiosk runs; the figures are JSON on standard output. Milliseconds count
from before the contact first closes to the kiosk's event, its bounce and the scans that must agree included.
"""

import asyncio
import json
import random
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from firmware.core.terms import KeypadKey
from firmware.logbook import EventId, FieldValue
from firmware.settings import load
from hw.keypad import MatrixKeypad
from hw.keypad.matrix import KeyMatrix
from tests.simulators.gpio.contacts import Contacts
from tests.simulators.gpio.kernel_board import KernelBoard

CONFIG = Path("/etc/madoguchi/kiosk.toml")
HOLD_SECONDS, GAP_SECONDS = 0.7, 0.3
"""As a visitor of the emulated machine presses: what so slow a processor does not miss."""


def silent(_event: EventId, /, **_fields: FieldValue) -> None:
    """Keys are not logged."""


async def measure(presses: int) -> dict[str, object]:
    """The figures of so many presses, no key twice running."""
    said = load(CONFIG).file.keypad
    board = KernelBoard()
    contacts = Contacts(board)
    wires = {
        key: (row, column)
        for row, keys in zip(said.row_pins, said.layout, strict=True)
        for column, key in zip(said.column_pins, keys, strict=True)
        if key
    }
    heard: list[tuple[str, float]] = []
    loop = asyncio.get_running_loop()
    working = asyncio.Event()

    def pressed(key: KeypadKey) -> None:
        heard.append((key.value, loop.time()))

    scans_ms = scan_milliseconds(said.row_pins, said.column_pins)
    keypad = MatrixKeypad(
        row_pins=said.row_pins,
        column_pins=said.column_pins,
        layout=said.layout,
        scan_seconds=said.scan_seconds,
        stable_scans=said.stable_scans,
        double_strike_seconds=said.double_strike_seconds,
        log=silent,
    )
    keypad.start(lambda _level: working.set(), pressed)
    await working.wait()
    luck = random.Random(1)  # noqa: S311 - the same presses each time
    waits_ms, missed, wrong, key = list[float](), 0, 0, ""
    for _ in range(presses):
        key = luck.choice([other for other in wires if other != key])
        heard.clear()
        begun = loop.time()
        await asyncio.to_thread(contacts.press, *wires[key], HOLD_SECONDS)
        await asyncio.sleep(GAP_SECONDS)
        missed += not heard
        wrong += bool(heard) and [name for name, _ in heard] != [key]
        waits_ms += [1000 * (at - begun) for _, at in heard[:1]]
    await keypad.close()
    board.close()
    return {
        "presses": presses,
        "missed": missed,
        "wrong": wrong,
        "to_event_ms": spread(waits_ms),
        "scan_ms": spread(scans_ms),
    }


def scan_milliseconds(row_pins: Sequence[int], column_pins: Sequence[int]) -> list[float]:
    """Of fifty scans of the whole matrix, none of them in a loop that does anything else."""
    loop = asyncio.get_running_loop()
    taken = list[float]()
    with KeyMatrix(row_pins, column_pins, settle_seconds=0.00005, edge=lambda: None) as matrix:
        for _ in range(50):
            begun = loop.time()
            matrix.scan()
            taken.append(1000 * (loop.time() - begun))
    return taken


def spread(milliseconds: list[float]) -> dict[str, float]:
    """Median, 95th percentile and worst."""
    ordered = sorted(milliseconds) or [0.0]
    return {
        "median": round(statistics.median(ordered), 1),
        "p95": round(ordered[int(0.95 * (len(ordered) - 1))], 1),
        "worst": round(ordered[-1], 1),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(measure(int(sys.argv[1])))) + "\n")
