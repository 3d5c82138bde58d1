"""gpiozero's pins with types, one pin a claim.

Devices work on pins and not on gpiozero's device classes: a key matrix turns its rows from output to
high-impedance hundreds of times a second, and debouncing is our own code, which a simulator can test.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Protocol

from gpiozero.devices import GPIODevice
from gpiozero.exc import GPIOZeroError

from firmware.errors import DeviceGone


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


@contextlib.contextmanager
def claimed(pin_number: int) -> Iterator[Pin]:
    """A pin by its BCM number, ours alone; high-impedance again afterwards.

    Raises gpiozero's errors or its driver's, see `pin_faults`.
    """
    device = _claim(pin_number)
    try:
        yield device.pin
    finally:
        with contextlib.suppress(*_fault_types()):
            device.pin.when_changed = None
            device.close()


@contextlib.contextmanager
def pin_faults() -> Iterator[None]:
    """Turn whatever gpiozero or its driver raises inside into DeviceGone."""
    try:
        yield
    except _fault_types() as cause:
        raise DeviceGone("GPIO") from cause


def _fault_types() -> tuple[type[Exception], ...]:
    lgpio = sys.modules.get("lgpio")  # importing it would leave a FIFO in the working directory
    return (GPIOZeroError, OSError) if lgpio is None else (GPIOZeroError, OSError, lgpio.error)
