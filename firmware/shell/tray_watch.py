"""Paper in the tray that nobody is there to take: told once (R17)."""

from firmware.logbook import EventId, Logbook


class TrayWatch:
    """While a visit goes on, paper in the tray is somebody's who stands there; after it, left behind."""

    def __init__(self, log: Logbook) -> None:
        self._log = log
        self._left = False

    @property
    def left(self) -> bool:
        """Paper lies there, and no visit goes on."""
        return self._left

    def seen(self, *, resting: bool, paper: bool) -> None:
        """How it is now. resting: no visit goes on."""
        left = resting and paper
        if left == self._left:
            return
        self._left = left
        self._log(EventId.PAPER_LEFT_BEHIND if left else EventId.PAPER_TAKEN_AWAY)
