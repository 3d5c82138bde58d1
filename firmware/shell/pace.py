"""How fast pages come out: from the last prints of the journal, for the seconds on the screen."""

from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from statistics import median

from firmware.core import records as r
from firmware.core.facts import PaceLevel
from firmware.core.terms import Certainty
from firmware.ports import ReportLevel

_PRINTS = 50
"""The median of so many prints moves with a new printer, and not with one jam."""

_FEWEST = 3


class LastPrints:
    """How fast the last proven prints were: enter every record once, in order."""

    def __init__(self) -> None:
        self._began: tuple[datetime, int] | None = None
        self._paces: deque[float] = deque(maxlen=_PRINTS)

    def enter(self, record: r.Record, at: datetime) -> None:
        """at: when the record was written, aware. A clock that was set meanwhile, or a kiosk that was off,
        measures nothing."""
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

    @property
    def level(self) -> PaceLevel:
        """What is known, if it is enough."""
        return PaceLevel(round(median(self._paces), 2)) if len(self._paces) >= _FEWEST else PaceLevel()


class PrintPace:
    """Reports PaceLevel after each proven print.

    prints: of the journal so far. now: aware.
    """

    def __init__(self, *, prints: LastPrints, now: Callable[[], datetime]) -> None:
        self._prints = prints
        self._now = now
        self._report: ReportLevel | None = None

    def start(self, report: ReportLevel) -> None:
        """Begin to report."""
        self._report = report
        report(self._prints.level)

    def note(self, records: Sequence[r.Record]) -> None:
        """These records were committed to the journal now."""
        before = self._prints.level
        for record in records:
            self._prints.enter(record, self._now())
        if self._report is not None and (level := self._prints.level) != before:
            self._report(level)
