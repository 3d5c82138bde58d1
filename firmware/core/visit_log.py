"""The last visits by their outcome, for whoever has to look after one."""

from collections import deque
from dataclasses import dataclass, replace
from datetime import datetime

from firmware.core import records as r
from firmware.core.terms import Certainty, VisitId

KEPT = 20


@dataclass(frozen=True, slots=True)
class SeenVisit:
    """outcome: `open`, `sold`, or the reason it ended. unsure: a print of it was not proven. at: aware.

    found: paper came out after it had been settled.
    """

    visit: VisitId
    at: datetime
    outcome: str = "open"
    unsure: bool = False
    found: bool = False


class VisitLog:
    """Follows the journal."""

    def __init__(self) -> None:
        self._visits: deque[SeenVisit] = deque(maxlen=KEPT)

    @property
    def last(self) -> tuple[SeenVisit, ...]:
        """The last KEPT visits, newest last."""
        return tuple(self._visits)

    def enter(self, record: r.Record, at: datetime) -> None:
        """Take the next record of the journal, written at (aware)."""
        match record:
            case r.VisitBegan(visit=visit):
                self._visits.append(SeenVisit(visit, at))
            case r.PrintEnded(visit=visit, certainty=Certainty.UNKNOWN):
                self._change(visit, unsure=True)
            case r.StaffDecided(visit=visit):
                self._change(visit, unsure=False)
            case r.PaperFound(visit=visit):
                self._change(visit, found=True)
            case r.VisitEnded(visit=visit, reason=reason):
                self._change(visit, outcome="sold" if reason is None else reason.value)
            case _:
                pass

    def _change(
        self,
        visit: VisitId,
        *,
        outcome: str | None = None,
        unsure: bool | None = None,
        found: bool | None = None,
    ) -> None:
        for place, seen in enumerate(self._visits):
            if seen.visit == visit:
                self._visits[place] = replace(
                    seen,
                    outcome=seen.outcome if outcome is None else outcome,
                    unsure=seen.unsure if unsure is None else unsure,
                    found=seen.found if found is None else found,
                )
