"""Beep patterns. No clock, no pins: times come in, sound or silence comes out."""

from collections.abc import Mapping, Sequence
from itertools import accumulate

PATTERNS_SECONDS: Mapping[str, Sequence[float]] = {
    "key": (0.08,),
    "attention": (0.15, 0.10, 0.15),
    "alarm": (0.30, 0.15, 0.30, 0.15, 0.30),
}
"""Sound, pause, sound … of each pattern, the least urgent first."""


class Beeps:
    """One pattern at a time; a less urgent one never cuts a more urgent one short.

    Times are of a clock that never goes back.
    """

    def __init__(self) -> None:
        self._urgency = -1
        self._changes_seconds: tuple[float, ...] = ()

    def play(self, pattern: str, now_seconds: float) -> None:
        """Begin this pattern. Raises ValueError if there is none of this name."""
        urgency = list(PATTERNS_SECONDS).index(pattern)
        if urgency < self._urgency and self._left(now_seconds):
            return
        self._urgency = urgency
        self._changes_seconds = tuple(accumulate(PATTERNS_SECONDS[pattern], initial=now_seconds))[1:]

    def look(self, now_seconds: float) -> tuple[bool, float | None]:
        """Whether it sounds now, and in how many seconds that changes, or None if all is quiet."""
        left = self._left(now_seconds)
        return len(left) % 2 == 1, left[0] - now_seconds if left else None

    def _left(self, now_seconds: float) -> tuple[float, ...]:
        return tuple(change for change in self._changes_seconds if change > now_seconds)
