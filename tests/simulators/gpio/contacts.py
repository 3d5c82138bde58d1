"""Contacts as they are: they bounce when they close and when they open."""

import random
import time

from tests.simulators.gpio.outside import Outside


class Contacts:
    """Closes and opens switches of a board with bounce; its calls block like a finger.

    bounce_seconds: how long a contact chatters at most. seed: the same chatter every time.
    """

    def __init__(self, board: Outside, *, bounce_seconds: float = 0.005, seed: int = 1) -> None:
        self._board = board
        self._bounce_seconds = bounce_seconds
        self._random = random.Random(seed)  # noqa: S311 - contact bounce is no secret

    def close(self, pin: int, other_pin: int) -> None:
        """Close the switch between two pins."""
        self._chatter(pin, other_pin, closed_at_last=True)

    def open(self, pin: int, other_pin: int) -> None:
        """Open the switch between two pins."""
        self._chatter(pin, other_pin, closed_at_last=False)

    def press(self, pin: int, other_pin: int, seconds: float) -> None:
        """Close the switch, hold it for seconds, open it."""
        self.close(pin, other_pin)
        time.sleep(seconds)
        self.open(pin, other_pin)

    def _chatter(self, pin: int, other_pin: int, *, closed_at_last: bool) -> None:
        strikes = self._random.randint(1, 5)
        for _ in range(strikes):
            for closed in (closed_at_last, not closed_at_last):
                self._board.switch(pin, other_pin, closed)
                time.sleep(self._random.uniform(0, self._bounce_seconds / strikes / 2))
        self._board.switch(pin, other_pin, closed_at_last)
