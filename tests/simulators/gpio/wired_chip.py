"""The outside of gpio-sim with wires (tests/appliance/board): python -m tests.simulators.gpio.wired_chip ...

    --socket PATH --wiring JSON     as of the host of simulated pins; the kiosk is another process here, whose
                                    pins are lines of a GPIO chip of the kernel

Needs root. Tells systemd when the sensors stand as the wiring has them.
"""

import argparse
import os
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.simulators.gpio.outside import Levels
from tests.simulators.gpio.server import PinServer
from tests.simulators.gpio.wiring import Wiring

DEVICE = Path("/dev/gpio-sim-wires")
LINES = 64
_READ_BYTES = 96


class Change(NamedTuple):
    """A line that the device tells: bits of all lines, whether the chip is there, when (CLOCK_MONOTONIC)."""

    levels: int
    outputs: int
    chip: bool
    nanoseconds: int

    @classmethod
    def from_line(cls, line: bytes) -> "Change":
        """Raises ValueError for anything else."""
        levels, outputs, chip, nanoseconds = line.decode().split()
        return cls(int(levels, 16), int(outputs, 16), chip == "1", int(nanoseconds))


class WiredChip:
    """Implements `Outside` by a device that tests/appliance/board/wires.c describes; OSError without it."""

    def __init__(self, device: Path = DEVICE) -> None:
        self._device = device
        self._orders = os.open(device, os.O_WRONLY)
        self._driven: Levels = {}
        self._watchers: list[Callable[[Levels], None]] = []
        self._changed = threading.Condition()
        self._now = self._look()

    def start(self) -> None:
        """Follow the device in a daemon thread until the process ends."""
        threading.Thread(target=self._follow, name="wires", daemon=True).start()

    def switch(self, pin: int, other_pin: int, closed: bool) -> None:
        """Close or open a switch between two pins."""
        self._order(f"switch {pin} {other_pin} {closed:d}")

    def clear(self) -> None:
        """Every switch open, nothing driven, no resistor: a board that nobody has touched."""
        self._order("clear")
        with self._changed:
            self._driven.clear()

    def pull(self, pin: int, level: bool) -> None:
        """Solder a resistor from a pin to this level."""
        self._order(f"pull {pin} {level:d}")

    def drive(self, pin: int, level: bool | None) -> None:
        """Drive a pin from outside; None lets it go."""
        self._order(f"drive {pin} {'-' if level is None else int(level)}")
        with self._changed:
            self._driven.pop(pin, None)
            if level is not None:
                self._driven[pin] = level

    def play(self, pin: int, edges: Sequence[tuple[float, bool]]) -> None:
        """Raises NotImplementedError: the kernel stamps edges itself, and none can be made earlier."""
        raise NotImplementedError("edges of given times on a chip of the kernel")

    def driven(self) -> Levels:
        """What is driven from outside."""
        with self._changed:
            return dict(self._driven)

    def level(self, pin: int) -> bool:
        """The level of a pin now."""
        return bool(self._look().levels >> pin & 1)

    def driven_by_kiosk(self, pin: int) -> bool | None:
        """The level that the pin's user drives; None while it is an input or not open."""
        now = self._now
        return bool(now.levels >> pin & 1) if now.outputs >> pin & 1 else None

    def wait_until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Block until condition is true, asked after each change; False if it never was."""
        with self._changed:
            return self._changed.wait_for(condition, seconds)

    def watch(self, changed: Callable[[Levels], None]) -> Callable[[], None]:
        """Call changed with the levels that changed; returns the end of it. It must only hand them on."""
        with self._changed:
            self._watchers.append(changed)
        return lambda: self._watchers.remove(changed)

    def _order(self, words: str) -> None:
        os.write(self._orders, words.encode())

    def _look(self) -> Change:
        """How it stands: what a new reader is told first."""
        with self._device.open("rb", buffering=0) as file:
            return Change.from_line(file.read(_READ_BYTES))

    def _follow(self) -> None:
        with self._device.open("rb", buffering=0) as file:
            while line := file.read(_READ_BYTES):
                self._note(Change.from_line(line))

    def _note(self, change: Change) -> None:
        with self._changed:
            moved = change.levels ^ self._now.levels
            self._now = change
            levels = {pin: bool(change.levels >> pin & 1) for pin in range(LINES) if moved >> pin & 1}
            if levels:
                for changed in self._watchers:
                    changed(levels)
            self._changed.notify_all()


def main(arguments: Sequence[str]) -> int:
    """Serve the outside of the chip until it is killed."""
    parser = argparse.ArgumentParser(description="the outside of gpio-sim with wires")
    parser.add_argument("--socket", type=Path, required=True, help="unix socket of the outside")
    parser.add_argument("--wiring", type=Wiring.from_json, required=True, help="JSON, see Wiring.to_json")
    options = parser.parse_args(arguments)
    chip = WiredChip()
    chip.clear()
    for pin, level in options.wiring.pulls.items():
        chip.pull(pin, level)
    server = PinServer(options.socket, chip, options.socket.with_suffix(".levels"))
    server.restore(options.wiring.levels_at_start())
    chip.start()
    _ready()
    server.serve_forever()
    return 0


def _ready() -> None:
    """sd_notify(3)"""
    if path := os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.sendto(b"READY=1", path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
