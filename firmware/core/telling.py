"""What the municipality still has to be told, as a pure function of the journal."""

import enum
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import assert_never

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


@dataclass(slots=True)
class _Order:
    """What has come of one order. attempt: its last reprint; proven: a first print was done; said: every
    message there has been; waiting: those without an answer."""

    intended: bool = False
    returned: bool = False
    proven: bool = False
    attempt: int | None = None
    said: set[str] = field(default_factory=set)
    waiting: set[str] = field(default_factory=set)


class Telling:
    """A fold of the journal: enter every record once, in order.

    An order is forgotten once all is told of it and a newer one has begun: only the newest can have more to
    tell, and its earlier records say what that is. So the memory is that of what waits, however long the
    journal is.
    """

    def __init__(self, records: Iterable[r.Record] = ()) -> None:
        self._waiting: dict[tuple[str, str], Tell | TellDay] = {}
        self._orders: dict[OrderId, _Order] = {}
        self._newest: OrderId | None = None
        self._contradicted: list[str] = []
        for record in records:
            self.enter(record)

    @property
    def pending(self) -> tuple[Tell | TellDay, ...]:
        """Messages without an answer, oldest first; a released order is told of before its refund."""
        return tuple(self._waiting.values())

    @property
    def contradicted(self) -> tuple[str, ...]:
        """Messages of the open business day that were not accepted, as `ORDER subject`; a closed day has them
        in its differences."""
        return tuple(self._contradicted)

    def enter(self, record: r.Record) -> None:
        """Take the next record of the journal."""
        match record:
            case r.DaySettled(business_date=date):
                self._waiting[date, _DAY] = TellDay(record)
                self._contradicted.clear()
            case r.DayCompared(business_date=date):
                self._waiting.pop((date, _DAY), None)
            case r.MunicipalityTold(order_id=order_id, subject=subject, accepted=accepted):
                self._answered(order_id, subject)
                if not accepted:
                    self._contradicted.append(f"{order_id} {subject}")
            case (
                r.IssueIntended()
                | r.IssueFailed()
                | r.ReprintIntended()
                | r.PrintEnded()
                | r.StaffDecided()
                | r.FeeReturned()
                | r.PayoutEnded()
            ):
                order = self._begun(record.order_id)
                for tell in _about(record, order):
                    if tell.about not in order.said:
                        order.said.add(tell.about)
                        order.waiting.add(tell.about)
                        self._waiting[tell.order_id, tell.about] = tell
            case _:
                pass

    def _begun(self, order_id: OrderId) -> _Order:
        before, self._newest = self._newest, order_id
        if before is not None:
            self._forget_told(before)
        return self._orders.setdefault(order_id, _Order())

    def _answered(self, order_id: OrderId, subject: str) -> None:
        self._waiting.pop((order_id, subject), None)
        if order_id in self._orders:
            self._orders[order_id].said.add(subject)
            self._orders[order_id].waiting.discard(subject)
            self._forget_told(order_id)

    def _forget_told(self, order_id: OrderId) -> None:
        if order_id != self._newest and not self._orders[order_id].waiting:
            del self._orders[order_id]


_OfOrder = (
    r.IssueIntended
    | r.IssueFailed
    | r.ReprintIntended
    | r.PrintEnded
    | r.StaffDecided
    | r.FeeReturned
    | r.PayoutEnded
)


def _about(record: _OfOrder, order: _Order) -> Iterator[Tell]:
    """What this record has to be told of, and what it changes for later ones."""
    match record:
        case r.IssueIntended():
            order.intended = True
        case r.ReprintIntended(attempt=attempt):
            order.attempt = attempt
        case r.FeeReturned():
            order.returned = True
        case r.IssueFailed(order_id=order_id):
            yield Tell(order_id, Subject.RESULT)
        case r.PrintEnded() if order.attempt is not None:
            yield from _reprinted(record, order, order.attempt)
        case r.PrintEnded(order_id=order_id, certainty=certainty, pages_out=pages_out):
            order.proven |= certainty is Certainty.DONE
            yield Tell(order_id, Subject.RESULT, certainty, pages_out)
        case r.StaffDecided(order_id=order_id, printed=printed):
            found = Certainty.DONE if printed else Certainty.NOT_DONE
            yield Tell(order_id, Subject.DECISION, found)
        case r.PayoutEnded():
            yield from _money_back(record, order.intended, order.returned)
        case _:
            assert_never(record)


def _reprinted(ended: r.PrintEnded, order: _Order, attempt: int) -> Iterator[Tell]:
    """Its proof decides a first print that nobody could prove."""
    yield Tell(ended.order_id, Subject.REPRINT, ended.certainty, ended.pages_out, attempt=attempt)
    if ended.certainty is Certainty.DONE and not order.proven:
        order.proven = True
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
