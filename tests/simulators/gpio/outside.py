"""What whoever works a board from outside can do to it, whatever its pins are."""

from collections.abc import Callable, Sequence
from typing import Protocol

Levels = dict[int, bool]
"""Electrical levels by BCM number; True is high."""


class Outside(Protocol):
    """Pins by BCM number, switches between two pins, contacts that drive one. Safe from any thread."""

    def switch(self, pin: int, other_pin: int, closed: bool) -> None:
        """Close or open a switch between two pins."""

    def pull(self, pin: int, level: bool) -> None:
        """Solder a resistor from a pin to this level."""

    def play(self, pin: int, edges: Sequence[tuple[float, bool]]) -> None:
        """Drive a pin through levels, each at its time of the monotonic clock."""

    def drive(self, pin: int, level: bool | None) -> None:
        """Drive a pin from outside; None lets it go."""

    def driven(self) -> Levels:
        """What is driven from outside."""

    def level(self, pin: int) -> bool:
        """The level of a pin now."""

    def driven_by_kiosk(self, pin: int) -> bool | None:
        """The level that the pin's user drives; None while it is an input or not open."""

    def wait_until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Block until condition is true, asked after each change; False if it never was."""

    def watch(self, changed: Callable[[Levels], None]) -> Callable[[], None]:
        """Call changed with the levels that changed; returns the end of it. It must only hand them on."""
