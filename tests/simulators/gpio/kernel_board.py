"""A board whose pins are lines of a GPIO chip of the kernel, for the tests of the mock one (Board)."""

import subprocess
import time
from pathlib import Path
from typing import Final

from gpiozero.devices import Device

from tests.simulators.gpio.wired_chip import WiredChip

LIVE: Final = Path("/sys/kernel/config/gpio-sim/board/live")
NODE: Final = Path("/dev/gpiochip0")


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
        LIVE.write_text("0")

    def restore_power(self) -> None:
        """It is there again, with its node in /dev. Raises TimeoutError or CalledProcessError after a minute.

        Its number is free once nobody has the old one open any more.
        """
        deadline = time.monotonic() + 60
        while held():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{NODE} is still open")
            time.sleep(0.05)
        LIVE.write_text("1")
        subprocess.run(["/usr/bin/udevadm", "wait", "--timeout=60", str(NODE)], check=True)

    def close(self) -> None:
        """Nobody is there any more, and whatever gpiozero has opened is closed."""
        self.clear()
        if Device.pin_factory is not None:
            Device.pin_factory.close()
            Device.pin_factory = None


def held() -> bool:
    """This process has the chip open, be it there or gone."""
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            if str(descriptor.readlink()).startswith(str(NODE)):
                return True
        except FileNotFoundError:
            continue
    return False
