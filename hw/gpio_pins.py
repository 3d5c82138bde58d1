"""gpiozero's pins with types, one pin a claim.

Devices work on pins and not on gpiozero's device classes: a key matrix turns its rows from output to
high-impedance hundreds of times a second, and debouncing is our own code, which a simulator can test.
"""

import contextlib
import errno
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from gpiozero.devices import Device, GPIODevice
from gpiozero.exc import GPIOZeroError

from firmware.errors import DeviceGone

NODES = Path("/dev")


class Pin(Protocol):
    """What gpiozero.Pin offers and is used here. Levels are electrical: True is high."""

    function: str
    state: bool

    @property
    def when_changed(self) -> Callable[[float, bool], None] | None:
        """Called in the pin driver's own thread after each edge; only a weak reference is kept."""

    @when_changed.setter
    def when_changed(self, edge: Callable[[float, bool], None] | None) -> None: ...

    def output_with_state(self, state: bool, /) -> None: ...

    def input_with_pull(self, pull: str, /) -> None:
        """pull: up, down or floating."""


class _PinDevice(Protocol):
    @property
    def pin(self) -> Pin: ...

    def close(self) -> None: ...


class _ClaimedDevice(GPIODevice):
    def __del__(self) -> None:
        """Closed explicitly, once; gpiozero would close again here and fail again if the chip is gone."""


_claim: Callable[[int], _PinDevice] = _ClaimedDevice


@dataclass(slots=True)
class _Chip:
    """How many pins are claimed, and the factory that gpiozero chose by itself: it has a chip open.

    node: the chip's file as it was then; None for a factory that has none.
    """

    claims: int = 0
    chosen: Any = None
    node: tuple[int, ...] | None = None

    def choose(self) -> None:
        """Have gpiozero open the chip; a factory that somebody else has given it stays his."""
        if Device.pin_factory is None:
            Device.ensure_pin_factory()  # type: ignore[no-untyped-call]
            self.chosen = Device.pin_factory
            self.node = self._node()

    def look(self) -> None:
        """Raises OSError if the chip's file is not the one that was opened."""
        if self._is_in_use() and self._node() != self.node:
            raise OSError(errno.ENODEV, "the GPIO chip was removed")

    def give_up(self) -> None:
        """Let the chip go if nobody has a pin of it: the next claim opens the one that is there then.

        An open chip that was removed answers nothing any more, also when another stands in its place.
        """
        if self.claims or not self._is_in_use():
            return
        factory = self.chosen
        self.chosen = Device.pin_factory = None
        # Its close would first turn each pin it knows into an input, which raises for one of a removed chip.
        factory.pins.clear()
        with contextlib.suppress(*_fault_types()):
            factory.close()

    def _is_in_use(self) -> bool:
        return self.chosen is not None and Device.pin_factory is self.chosen

    def _node(self) -> tuple[int, ...] | None:
        number = getattr(self.chosen, "chip", None)
        if number is None:
            return None
        try:
            found = (NODES / f"gpiochip{number}").stat()
        except OSError:
            return ()
        return found.st_dev, found.st_ino, found.st_rdev


_chip = _Chip()


@contextlib.contextmanager
def claimed(pin_number: int) -> Iterator[Pin]:
    """A pin by its BCM number, ours alone; high-impedance again afterwards.

    Raises gpiozero's errors or its driver's, see `pin_faults`.
    """
    _chip.choose()
    device = _claim(pin_number)
    _chip.claims += 1
    try:
        yield device.pin
    finally:
        _chip.claims -= 1
        with contextlib.suppress(*_fault_types()):
            device.pin.when_changed = None
        with contextlib.suppress(*_fault_types()):
            device.close()


def look_for_chip() -> None:
    """Raises OSError if the chip was removed since it was opened.

    lgpio says nothing of it: a line of a removed chip goes on to read as it last did.
    """
    _chip.look()


@contextlib.contextmanager
def pin_faults() -> Iterator[None]:
    """Turn whatever gpiozero or its driver raises inside into DeviceGone; a chip that is gone is opened anew.

    While pins are claimed, here or by another device, the chip is not: that is for the last of them.
    """
    try:
        yield
    except _fault_types() as cause:
        _chip.give_up()
        raise DeviceGone("GPIO") from cause


def _fault_types() -> tuple[type[Exception], ...]:
    lgpio = sys.modules.get("lgpio")  # importing it would leave a FIFO in the working directory
    return (GPIOZeroError, OSError) if lgpio is None else (GPIOZeroError, OSError, lgpio.error)
