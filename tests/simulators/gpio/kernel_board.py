"""A board whose pins are lines of a GPIO chip of the kernel, for the tests of the mock one (Board)."""

import subprocess
from pathlib import Path
from typing import Final

from gpiozero.devices import Device

from tests.simulators.gpio.wired_chip import WiredChip

RIG: Final = Path("/usr/lib/rig")
"""tests/appliance/gpio_layer"""


class KernelBoard(WiredChip):
    """gpiozero finds its pins by itself here, as in an installed kiosk: GPIOZERO_PIN_FACTORY=lgpio."""

    fights: tuple[tuple[int, ...], ...] = ()
    """The chip does not tell them."""

    def __init__(self) -> None:
        super().__init__()
        self.clear()
        self.start()

    def cut_power(self) -> None:
        """The chip vanishes from the kernel, whoever holds it."""
        subprocess.run([str(RIG / "pull-out-board")], check=True)

    def restore_power(self) -> None:
        """It is there again, with its node in /dev. Raises CalledProcessError if that does not come."""
        subprocess.run([str(RIG / "plug-in-board")], check=True)

    def close(self) -> None:
        """Nobody is there any more, and whatever gpiozero has opened is closed."""
        self.clear()
        if Device.pin_factory is not None:
            Device.pin_factory.close()
            Device.pin_factory = None
