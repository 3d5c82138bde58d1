"""When does a contact's new level count? No clock, no pins: levels and times come in."""


class LevelDebounce:
    """One input: a new level counts after it has lasted debounce_seconds without another change.

    level: what counts at the beginning.
    """

    def __init__(self, level: bool, *, debounce_seconds: float) -> None:
        self._debounce_seconds = debounce_seconds
        self._level = level
        self._seen = level
        self._since_seconds = 0.0

    @property
    def level(self) -> bool:
        """The level that counts."""
        return self._level

    def look(self, seen: bool, now_seconds: float) -> float | None:
        """Judge the level seen now; in how many seconds to look again, or None if all is quiet.

        now_seconds: of a clock that never goes back.
        """
        if seen != self._seen:
            self._seen, self._since_seconds = seen, now_seconds
        if self._seen == self._level:
            return None
        left_seconds = self._since_seconds + self._debounce_seconds - now_seconds
        if left_seconds > 0:
            return left_seconds
        self._level = self._seen
        return None
