"""Which board the tests of the pins run on.

gpiozero's mock pins; with PINS=gpio-sim, inside the emulated machine, lines of a GPIO chip of the kernel that
gpiozero finds by itself (tests/appliance/pins.py).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from gpiozero.devices import Device

from tests.simulators.gpio.board import Board
from tests.simulators.gpio.kernel_board import KernelBoard


@contextmanager
def board_of_pins() -> Iterator[Board]:
    """A board that nobody has touched; afterwards gpiozero's pins are what they were."""
    before = Device.pin_factory
    if os.environ.get("PINS") == "gpio-sim":
        kernel_board = KernelBoard()
        try:
            yield cast("Board", kernel_board)
        finally:
            kernel_board.close()
        return
    board = Board()
    Device.pin_factory = board.factory
    yield board
    Device.pin_factory = before
    assert [] == board.fights
