"""Pulses of a coin acceptor: what a line's edges mean. Pure arithmetic on time stamps, no IO, no clock.

A pulse acceptor (コインセレクタ, パルス出力) says one coin by one or more pulses in a row; which number means
which coin is set in the unit. It numbers nothing and keeps nothing: what is not seen is gone, and what cannot
be a coin is told as a doubt and never as money.
"""

import enum
from collections.abc import Iterator
from dataclasses import dataclass

HANDOVER_SECONDS = 0.1
"""From an edge to its being told by the pin driver's thread, on a busy machine."""


@dataclass(frozen=True, slots=True)
class PulseTiming:
    """shortest_seconds, longest_seconds: of a pulse that counts. gap_seconds: the longest pause between
    two pulses of one coin. bounce_seconds: a contact may open and close again for so long.
    """

    shortest_seconds: float = 0.015
    longest_seconds: float = 0.15
    gap_seconds: float = 0.25
    bounce_seconds: float = 0.003

    @property
    def rest_seconds(self) -> float:
        """So long without an edge and no coin is under way, however late an edge is handed over."""
        return self.gap_seconds + self.longest_seconds + HANDOVER_SECONDS


class PulseFault(enum.Enum):
    """Why a group of pulses is no coin."""

    WIDTH = "width"  # a pulse too short or too long: noise, another unit, a floating ground
    COUNT = "count"  # no coin has so many pulses
    EDGE_LOST = "edge-lost"  # two edges the same way: one between them was not seen
    TIME = "time"  # an edge before the one before it
    STUCK = "stuck"  # the line stays at the pulse level
    BEGUN_UNSEEN = "begun-unseen"  # it may have begun before anybody watched
    GOES_ON = "goes-on"  # more pulses of a group that was taken for ended
    OVERFLOW = "overflow"  # more edges than could be kept


@dataclass(frozen=True, slots=True)
class PulseGroup:
    """What one coin said. pulses: how many. fault: the first thing wrong with it, None if nothing is."""

    pulses: int
    fault: PulseFault | None = None


class PulseGroups:
    """Makes groups out of edges. most_pulses: of any coin; more of them without a rest are noise.

    active: at the beginning, whether the line stands at the pulse level.

    Begins in doubt: until `rest` was called once, pulses may belong to a coin whose first ones nobody saw.
    Time stamps are seconds of a clock of their own: only their differences count.
    """

    def __init__(self, timing: PulseTiming, *, most_pulses: int, active: bool = False) -> None:
        self._timing = timing
        self._most_pulses = most_pulses
        self._active = active
        self._stuck = False
        self._noisy = False
        self._unseen = True
        self._last_at: float | None = None
        self._began_at: float | None = None
        """Of the pulse that is not judged yet; a bounce may still continue it."""
        self._ended_at: float | None = None
        self._open = False
        self._pulses = 0
        self._fault: PulseFault | None = None
        if active:
            self._note(PulseFault.BEGUN_UNSEEN)

    @property
    def pending(self) -> bool:
        """`rest` would have something to say."""
        return self._open or self._unseen

    @property
    def stuck(self) -> bool:
        """The line stays at the pulse level, longer than any pulse."""
        return self._stuck

    @property
    def noisy(self) -> bool:
        """Pulses without end; nothing is told of them until the line rests again."""
        return self._noisy

    def edge(self, at: float, active: bool) -> Iterator[PulseGroup]:
        """An edge to (active) or from the pulse level; the groups that end with it."""
        if self._noisy:
            self._active, self._last_at = active, at
            return
        if self._last_at is not None and at < self._last_at:
            self._note(PulseFault.TIME)
        self._last_at = at
        if active == self._active:
            self._note(PulseFault.EDGE_LOST)
        elif active:
            yield from self._rise(at)
        if not active:
            self._fall(at)
        self._active = active

    def lose(self) -> None:
        """Edges were lost: what is under way cannot be believed."""
        self._note(PulseFault.OVERFLOW)

    def rest(self) -> Iterator[PulseGroup]:
        """No edge has come for longer than a gap and the longest pulse: what is under way ends."""
        if self._active and not self._stuck:
            self._stuck = True
            self._note(PulseFault.STUCK)
        self._unseen, self._noisy = self._stuck, False
        yield from self._end()

    def _rise(self, at: float) -> Iterator[PulseGroup]:
        quiet_seconds = None if self._ended_at is None else at - self._ended_at
        if quiet_seconds is None:
            if self._unseen:
                self._note(PulseFault.BEGUN_UNSEEN)
        elif self._began_at is not None and quiet_seconds < self._timing.bounce_seconds:
            if at - self._began_at > self._timing.longest_seconds:
                yield from self._give_up(PulseFault.WIDTH)
            return
        elif quiet_seconds > self._timing.gap_seconds:
            yield from self._end()
        elif not self._open:
            self._note(PulseFault.GOES_ON)
        self._judge()
        if self._pulses > self._most_pulses:
            yield from self._give_up(PulseFault.COUNT)
            return
        self._began_at, self._open = at, True

    def _fall(self, at: float) -> None:
        self._ended_at = at
        if self._stuck:
            self._stuck, self._began_at = False, None

    def _judge(self) -> None:
        """Count the pulse that has ended; the next one does not continue it."""
        if self._began_at is None or self._ended_at is None:
            return
        width = self._ended_at - self._began_at
        self._began_at = None
        self._pulses += 1
        if not self._timing.shortest_seconds <= width <= self._timing.longest_seconds:
            self._note(PulseFault.WIDTH)

    def _end(self) -> Iterator[PulseGroup]:
        if not self._stuck:
            self._judge()
        if self._open:
            yield PulseGroup(self._pulses, self._fault)
        self._open, self._pulses, self._fault = False, 0, None

    def _give_up(self, fault: PulseFault) -> Iterator[PulseGroup]:
        self._note(fault)
        yield from self._end()
        self._noisy, self._unseen, self._ended_at = True, True, None

    def _note(self, fault: PulseFault) -> None:
        self._fault = self._fault or fault
        self._open = True
