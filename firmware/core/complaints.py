"""Which sale the person may still complain of (印刷不良), and how hopeless it is to guess the staff code.

The last visit's sale, for a configured time, unless somebody else's visit has begun since or the business
day was closed: then the counter settles it. The journal says so, and a restart changes nothing.

Guessing. The code has 8 decimal digits, typed on the keypad alone, and each check is one try. With the
shipped steps 7 tries are nearly free, then each costs an hour: at most 24 a day, 8 760 a year, of 10^8:
0.009 % a year. A right code clears the count: somebody who waits for staff each time gains 7 tries, with 20
real uses a day 140 + 24 a day, 0.06 % a year. Forgetting (a day without a mistake) gives 7 tries a day, fewer
than the 24. Who has stolen the hash makes 10^8 of them at 0.1 s and 32 MiB each: 116 days of a core, so that
the file is the kiosk user's alone and a lost machine's code is changed.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from firmware.core import records as r
from firmware.core.lockout import LockoutRule
from firmware.core.recovery import OpenVisit, note
from firmware.core.states import Sale

SHIPPED_STEPS: Final = ((3, 60.0), (5, 900.0), (8, 3600.0))
SHIPPED_FORGET_SECONDS: Final = 86_400.0
SHIPPED_RULE: Final = LockoutRule(SHIPPED_STEPS, SHIPPED_FORGET_SECONDS)
CODE_DIGITS: Final = 8


class LastSale:
    """A fold of the journal: enter every record once, in order."""

    def __init__(self, entries: Iterable[tuple[datetime, r.Record]] = ()) -> None:
        self._open: OpenVisit | None = None
        self._sale: Sale | None = None
        self._at: datetime | None = None
        for at, record in entries:
            self.enter(at, record)

    def enter(self, at: datetime, record: r.Record) -> None:
        """at: when the record was written, aware."""
        match record:
            case r.VisitBegan(visit=visit):
                self._open, self._sale = OpenVisit(visit), None
            case r.DayClosed():
                self._sale = None
            case r.VisitEnded() if self._open is not None:
                self._sale, self._at = _sold(self._open), at
                self._open = None
            case _ if self._open is not None:
                note(self._open, record)
            case _:
                pass

    def sale(self, now: datetime, seconds: float) -> Sale | None:
        """The sale of at most so long ago; none when the clock was set back behind it."""
        if self._at is None or not timedelta(0) <= now - self._at <= timedelta(seconds=seconds):
            return None
        return self._sale

    def until(self, seconds: float) -> datetime | None:
        """When that time is over; None without a sale."""
        return None if self._sale is None or self._at is None else self._at + timedelta(seconds=seconds)


def _sold(visit: OpenVisit) -> Sale | None:
    if visit.returned or not (visit.sold or visit.earned):
        return None
    return Sale(visit.purchase, visit.receipt_no, visit.attempt)
