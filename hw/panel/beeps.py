"""Beep patterns. No clock, no pins: times come in, sound or silence comes out."""

from collections import deque
from collections.abc import Mapping, Sequence

PATTERNS_SECONDS: Mapping[str, Sequence[float]] = {
    "key": (0.08,),
    "attention": (0.15, 0.10, 0.15),
    "alarm": (0.30, 0.15, 0.30, 0.15, 0.30),
}
"""Sound, pause, sound … of each pattern, the least urgent first."""


class Beeps:
    """One pattern at a time; a less urgent one never cuts a more urgent one short.

    Who looks late hears a sound or a pause longer, and none is left out: on a busy machine, too, an alarm is
    three beeps. Times are of a clock that never goes back.
    """

    def __init__(self) -> None:
        self._urgency = -1
        self._sounds = False
        self._until_seconds = 0.0
        self._next_seconds: deque[float] = deque()

    def play(self, pattern: str, now_seconds: float) -> None:
        """Begin this pattern. Raises ValueError if there is none of this name."""
        urgency = list(PATTERNS_SECONDS).index(pattern)
        if urgency < self._urgency and now_seconds < self._until_seconds + sum(self._next_seconds):
            return
        self._urgency, self._sounds = urgency, True
        first, *rest = PATTERNS_SECONDS[pattern]
        self._until_seconds, self._next_seconds = now_seconds + first, deque(rest)

    def look(self, now_seconds: float) -> tuple[bool, float | None]:
        """Whether it sounds now, and in how many seconds that changes, or None if all is quiet."""
        if now_seconds >= self._until_seconds:
            if not self._next_seconds:
                self._sounds = False
                return False, None
            self._sounds = not self._sounds
            self._until_seconds = now_seconds + self._next_seconds.popleft()
        return self._sounds, self._until_seconds - now_seconds
