"""What the journal so far says to everybody who begins with it, in one pass (起動時の読み込み)."""

from dataclasses import dataclass
from datetime import datetime

from firmware.core import records as r
from firmware.core.books import Books
from firmware.core.complaints import LastSale
from firmware.core.lockout import STAFF, LockoutRule, Mistakes
from firmware.core.maintenance import Maintenance, after
from firmware.core.telling import Telling
from firmware.shell.found_paper import SaidOff
from firmware.shell.journal import Entry
from firmware.shell.pace import LastPrints
from firmware.shell.slot_keeper import SlotByJournal


@dataclass(frozen=True, slots=True)
class MistakeRules:
    """How mistakes in a row are counted: of visitors' cards, of staff codes, of maintenance orders."""

    cards: LockoutRule
    staff_codes: LockoutRule
    orders: LockoutRule


class Past:
    """Enter every entry once, in order, while the journal is read; then each part begins with its own.

    Of the entries themselves only those are kept that recovery needs: of the visit and of the technician's
    coin that have no end. A year's entries would be 300 MB.
    """

    def __init__(self, rules: MistakeRules) -> None:
        self._orders_rule = rules.orders
        self.books = Books()
        self.telling = Telling()
        self.mistakes = Mistakes(rules.cards)
        self.staff_mistakes = Mistakes(rules.staff_codes, STAFF)
        self.last_sale = LastSale()
        self.maintenance = Maintenance()
        self.prints = LastPrints()
        self.slot = SlotByJournal()
        self.said_off = SaidOff()
        self._visit: list[Entry] = []
        self._trial: Entry | None = None

    @property
    def left_open(self) -> tuple[Entry, ...]:
        """What there is of the visit that has no end, and the intent of a technician's coin that has none.

        All that recovery finds in the whole journal it finds in these.
        """
        return (*self._visit, *(() if self._trial is None else (self._trial,)))

    def enter(self, entry: Entry) -> None:
        """Take the next entry of the journal."""
        record, at = entry.record, datetime.fromisoformat(entry.at)
        self.books.enter(record, at)
        self.telling.enter(record)
        self.mistakes.enter(record, at)
        self.staff_mistakes.enter(record, at)
        self.last_sale.enter(at, record)
        self.maintenance = after(self.maintenance, record, at, self._orders_rule)
        self.prints.enter(record, at)
        self.slot.enter(record)
        self.said_off.enter(record)
        self._keep(entry)

    def _keep(self, entry: Entry) -> None:
        match entry.record:
            case r.VisitBegan():
                self._visit = [entry]
            case r.VisitEnded():
                self._visit = []
            case r.TrialCoinIntended():
                self._trial = entry
            case r.TrialCoinEnded():
                self._trial = None
            case record if self._visit and hasattr(record, "visit"):
                self._visit.append(entry)
            case _:
                pass
