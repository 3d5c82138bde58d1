"""How fast pages come out: from the last prints of the journal, for the seconds on the screen."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from statistics import median

from firmware.core import records as r
from firmware.core.facts import PaceLevel
from firmware.core.terms import Certainty
from firmware.ports import ReportLevel

_PRINTS = 50
"""The median of so many prints moves with a new printer, and not with one jam."""

_FEWEST = 3


class PrintPace:
    """Reports PaceLevel after each proven print.

    entries: when each record of the journal was written (aware), and the record. now: aware.
    """

    def __init__(self, *, entries: Iterable[tuple[datetime, r.Record]], now: Callable[[], datetime]) -> None:
        self._now = now
        self._began: tuple[datetime, int] | None = None
        self._paces: deque[float] = deque(maxlen=_PRINTS)
        self._report: ReportLevel | None = None
        for at, record in entries:
            self._note(at, record)

    def start(self, report: ReportLevel) -> None:
        """Begin to report."""
        self._report = report
        report(self._level())

    def note(self, records: Sequence[r.Record]) -> None:
        """These records were committed to the journal now."""
        before = self._level()
        for record in records:
            self._note(self._now(), record)
        if self._report is not None and (level := self._level()) != before:
            self._report(level)

    def _note(self, at: datetime, record: r.Record) -> None:
        """A clock that was set meanwhile, or a kiosk that was off, measures nothing."""
        match record:
            case r.PrintIntended(pages=pages):
                self._began = (at, pages)
            case r.PrintEnded(certainty=certainty):
                began, self._began = self._began, None
                if began is None or certainty is not Certainty.DONE or began[1] < 1:
                    return
                seconds = (at - began[0]).total_seconds()
                if seconds > 0:
                    self._paces.append(seconds / began[1])
            case r.DaemonStarted():
                self._began = None
            case _:
                pass

    def _level(self) -> PaceLevel:
        return PaceLevel(round(median(self._paces), 2)) if len(self._paces) >= _FEWEST else PaceLevel()
