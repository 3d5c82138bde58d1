"""What the office knows (帳簿): the accounts, the last visits, and since when the business day is open."""

from datetime import datetime

from firmware.core import records as r
from firmware.core.accounts import Accounts
from firmware.core.visit_log import VisitLog

_AFTERMATH = r.DaySettled | r.DayCompared | r.MunicipalityTold
"""What still comes of a day that is closed, and begins no other."""


class Books:
    """A fold of the journal: enter every record once, in order.

    first_entry: of what has happened since the last closing (aware), None if nothing has.
    """

    def __init__(self) -> None:
        self.accounts = Accounts()
        self.visits = VisitLog()
        self.first_entry: datetime | None = None

    def enter(self, record: r.Record, at: datetime) -> None:
        """at: when the record was written, aware."""
        self.accounts.enter(record)
        self.visits.enter(record, at)
        if isinstance(record, r.DayClosed):
            self.first_entry = None
        elif self.first_entry is None and not isinstance(record, _AFTERMATH):
            self.first_entry = at
