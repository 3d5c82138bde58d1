"""The two wires of a pulse acceptor: pulses in, inhibit out."""

from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from hw.gpio_pins import Pin, claimed

MOST_EDGES = 4096
"""Edges kept for a loop that is held up; a thousand coins' worth."""


@dataclass(frozen=True, slots=True)
class PulsePins:
    """BCM numbers and electrical levels, 0 or 1.

    pulse_level: of the pulse line during a pulse; 0 for an open collector. pull: of the pulse line, up,
    down or floating. inhibit_level: at which the acceptor takes no coin.
    """

    pulse_pin: int
    inhibit_pin: int
    pulse_level: int = 0
    pull: str = "up"
    inhibit_level: int = 1


class PulseWires:
    """Both pins, claimed as long as the `with` block lasts; the acceptor is inhibited at its start and end.

    woken: called in the pin driver's thread after each edge. Everything raises as in `hw.gpio_pins`.
    """

    def __init__(self, pins: PulsePins, woken: Callable[[], object]) -> None:
        self._pins = pins
        self._woken = woken
        self._edges: deque[tuple[float, bool]] = deque()
        self._overflowed = False
        self._line: Pin
        self._inhibit: Pin
        self._undo = ExitStack()
        self.found_open = False
        """The inhibit line let coins in before this process drove it."""

    def __enter__(self) -> Self:
        pins = self._pins
        with ExitStack() as undo:
            self._inhibit = undo.enter_context(claimed(pins.inhibit_pin))
            self.found_open = bool(self._inhibit.state) != bool(pins.inhibit_level)
            self._inhibit.output_with_state(bool(pins.inhibit_level))
            self._line = undo.enter_context(claimed(pins.pulse_pin))
            self._line.input_with_pull(pins.pull)
            self._line.when_changed = self._on_edge
            self._undo = undo.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._undo:
            self.let_in(False)

    def let_in(self, coins: bool) -> None:
        """Open the acceptor or inhibit it."""
        self._inhibit.state = bool(self._pins.inhibit_level) != coins

    def active(self) -> bool:
        """Whether the line stands at the pulse level now."""
        return self._is_pulse(self._line.state)

    def take_edges(self) -> tuple[list[tuple[float, bool]], bool]:
        """Time stamps and directions (True: to the pulse level) since the last call; were some lost?"""
        edges = [self._edges.popleft() for _ in range(len(self._edges))]
        lost, self._overflowed = self._overflowed, False
        return edges, lost

    def _is_pulse(self, level: bool) -> bool:
        return bool(level) == bool(self._pins.pulse_level)

    def _on_edge(self, seconds: float, level: bool) -> None:
        if len(self._edges) < MOST_EDGES:
            self._edges.append((seconds, self._is_pulse(level)))
        else:
            self._overflowed = True
        self._woken()
