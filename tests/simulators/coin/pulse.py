"""A simulated pulse coin acceptor: what its two wires do, and where its coins lie.

It knows levels and times only. Whoever runs it says how the inhibit line stands and plays the edges.
"""

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

Edges = tuple[tuple[float, bool], ...]
"""Seconds since the first edge, and the level from then on."""


@dataclass(slots=True)
class PulseSlot:
    """pulses_of: by the coin's yen. pulse_seconds, pause_seconds: of a pulse and between two of a coin.

    pulse_level, inhibit_level: electrical, as wired. cash_box: coins by yen, counted when they drop in.
    bounce_seconds: how long an output contact chatters; 0 for a transistor.
    """

    pulses_of: Mapping[int, int]
    pulse_seconds: float = 0.05
    pause_seconds: float = 0.05
    pulse_level: int = 0
    inhibit_level: int = 1
    bounce_seconds: float = 0.0
    cash_box: Counter[int] = field(default_factory=Counter)
    returned_yen: int = 0
    chatter: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311 - no secret

    def drop(self, yen: int, *, inhibit_line: bool) -> Edges | None:
        """A coin falls in while the inhibit line stands so; the edges it makes, None if it falls through."""
        pulses = self.pulses_of.get(yen)
        if pulses is None or inhibit_line == bool(self.inhibit_level):
            self.returned_yen += yen
            return None
        self.cash_box[yen] += 1
        return self.train(pulses)

    def train(self, pulses: int, *, pulse_seconds: float | None = None) -> Edges:
        """The edges of so many pulses; pulse_seconds: a width other than its own."""
        width = pulse_seconds or self.pulse_seconds
        edges: list[tuple[float, bool]] = []
        for number in range(pulses):
            at = number * (width + self.pause_seconds)
            edges += self._edge(at, bool(self.pulse_level))
            edges += self._edge(at + width, not self.pulse_level)
        return tuple(edges)

    def spike(self, seconds: float = 0.0005) -> Edges:
        """A disturbance on the line: much shorter than a pulse."""
        return self.train(1, pulse_seconds=seconds)

    def seconds(self, edges: Edges) -> float:
        """How long it takes to play these."""
        return edges[-1][0]

    def _edge(self, at: float, level: bool) -> list[tuple[float, bool]]:
        edges = [(at, level)]
        if self.bounce_seconds:
            moments = sorted(self.chatter.uniform(0, self.bounce_seconds) for _ in range(4))
            edges += [(at + moment, level == bool(turn % 2)) for turn, moment in enumerate(moments)]
        return edges
