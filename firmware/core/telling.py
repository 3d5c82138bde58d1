"""What the municipality still has to be told, as a pure function of the journal."""

import enum
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from firmware.core import records as r
from firmware.core.paying import claim_no
from firmware.core.states import PayoutPurpose
from firmware.core.terms import Certainty, OrderId, Yen

_DAY = "day"


class Subject(enum.Enum):
    """What a message about an order is about; one of each per order at most."""

    RESULT = "result"  # how the print ended
    DECISION = "decision"  # what staff found after an unknown print
    REFUND = "refund"
    CLAIM = "claim"  # what is owed by a slip
    REPRINT = "reprint"  # how a reprint ended


@dataclass(frozen=True, slots=True)
class Tell:
    """One message about an order: a print result (certainty, pages_out), a refund (back_yen, owed_yen), a
    claim (claim_no, owed_yen) or the result of a reprint (attempt, from 1; certainty, pages_out).

    defect: the refund undoes an issuance that was printed and whose fee was kept.
    """

    order_id: OrderId
    subject: Subject
    certainty: Certainty = Certainty.NOT_DONE
    pages_out: int = 0
    back_yen: Yen = 0
    owed_yen: Yen = 0
    claim_no: str = ""
    attempt: int = 0
    defect: bool = False

    @property
    def about(self) -> str:
        """Tells it from every other message about this order."""
        return f"{self.subject.value}-{self.attempt}" if self.attempt else self.subject.value


@dataclass(frozen=True, slots=True)
class TellDay:
    """The message about a business day, which the municipality compares with its own books."""

    day: r.DaySettled


def pending(records: Iterable[r.Record]) -> tuple[Tell | TellDay, ...]:
    """Messages without an answer, oldest first; a released order is told of before its refund."""
    telling = _Telling()
    for record in records:
        telling.note(record)
    return tuple(tell for key, tell in telling.tells.items() if key not in telling.told)


class _Telling:
    """A fold of the journal. attempts: the last reprint of an order; proven: first prints that were done."""

    def __init__(self) -> None:
        self.tells: dict[tuple[str, str], Tell | TellDay] = {}
        self.told: set[tuple[str, str]] = set()
        self._intended: set[OrderId] = set()
        self._returned: set[OrderId] = set()
        self._proven: set[OrderId] = set()
        self._attempts: dict[OrderId, int] = {}

    def note(self, record: r.Record) -> None:
        match record:
            case r.IssueIntended(order_id=order_id):
                self._intended.add(order_id)
            case r.ReprintIntended(order_id=order_id, attempt=attempt):
                self._attempts[order_id] = attempt
            case r.FeeReturned(order_id=order_id):
                self._returned.add(order_id)
            case r.DaySettled(business_date=date):
                self.tells[date, _DAY] = TellDay(record)
            case r.MunicipalityTold(order_id=order_id, subject=subject):
                self.told.add((order_id, subject))
            case r.DayCompared(business_date=date):
                self.told.add((date, _DAY))
            case _:
                for tell in self._about_order(record):
                    self.tells.setdefault((tell.order_id, tell.about), tell)

    def _about_order(self, record: r.Record) -> Iterator[Tell]:
        match record:
            case r.IssueFailed(order_id=order_id):
                yield Tell(order_id, Subject.RESULT)
            case r.PrintEnded(order_id=order_id) if order_id in self._attempts:
                yield from self._reprinted(record, self._attempts[order_id])
            case r.PrintEnded(order_id=order_id, certainty=certainty, pages_out=pages_out):
                if certainty is Certainty.DONE:
                    self._proven.add(order_id)
                yield Tell(order_id, Subject.RESULT, certainty, pages_out)
            case r.StaffDecided(order_id=order_id, printed=printed):
                found = Certainty.DONE if printed else Certainty.NOT_DONE
                yield Tell(order_id, Subject.DECISION, found)
            case r.PayoutEnded(order_id=order_id):
                yield from _money_back(record, order_id in self._intended, order_id in self._returned)
            case _:
                pass

    def _reprinted(self, ended: r.PrintEnded, attempt: int) -> Iterator[Tell]:
        """Its proof decides a first print that nobody could prove."""
        yield Tell(ended.order_id, Subject.REPRINT, ended.certainty, ended.pages_out, attempt=attempt)
        if ended.certainty is Certainty.DONE and ended.order_id not in self._proven:
            self._proven.add(ended.order_id)
            yield Tell(ended.order_id, Subject.DECISION, Certainty.DONE)


def _money_back(ended: r.PayoutEnded, intended: bool, returned: bool) -> Iterator[Tell]:
    """Change is nobody's business but the person's; a refund undoes a release; what is owed is looked up."""
    if intended and ended.purpose is PayoutPurpose.REFUND:
        yield Tell(ended.order_id, Subject.RESULT)
        yield Tell(
            ended.order_id,
            Subject.REFUND,
            back_yen=ended.back_yen,
            owed_yen=ended.owed_yen,
            defect=returned,
        )
    if ended.owed_yen:
        yield Tell(ended.order_id, Subject.CLAIM, owed_yen=ended.owed_yen, claim_no=claim_no(ended.visit))
