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


@dataclass(frozen=True, slots=True)
class Tell:
    """One message about an order: a print result (certainty, pages_out), a refund (back_yen, owed_yen) or
    a claim (claim_no, owed_yen).
    """

    order_id: OrderId
    subject: Subject
    certainty: Certainty = Certainty.NOT_DONE
    pages_out: int = 0
    back_yen: Yen = 0
    owed_yen: Yen = 0
    claim_no: str = ""


@dataclass(frozen=True, slots=True)
class TellDay:
    """The message about a business day, which the municipality compares with its own books."""

    day: r.DaySettled


def pending(records: Iterable[r.Record]) -> tuple[Tell | TellDay, ...]:
    """Messages without an answer, oldest first; a released order is told of before its refund."""
    tells: dict[tuple[str, str], Tell | TellDay] = {}
    told: set[tuple[str, str]] = set()
    intended: set[OrderId] = set()

    def add(tell: Tell) -> None:
        tells.setdefault((tell.order_id, tell.subject.value), tell)

    for record in records:
        match record:
            case r.IssueIntended(order_id=order_id):
                intended.add(order_id)
            case r.IssueFailed(order_id=order_id):
                add(Tell(order_id, Subject.RESULT))
            case r.PrintEnded(order_id=order_id, certainty=certainty, pages_out=pages_out):
                add(Tell(order_id, Subject.RESULT, certainty, pages_out))
            case r.StaffDecided(order_id=order_id, printed=printed):
                found = Certainty.DONE if printed else Certainty.NOT_DONE
                add(Tell(order_id, Subject.DECISION, found))
            case r.PayoutEnded(order_id=order_id):
                for tell in _money_back(record, refund=order_id in intended):
                    add(tell)
            case r.DaySettled(business_date=date):
                tells[date, _DAY] = TellDay(record)
            case r.MunicipalityTold(order_id=order_id, subject=subject):
                told.add((order_id, subject))
            case r.DayCompared(business_date=date):
                told.add((date, _DAY))
            case _:
                pass
    return tuple(tell for key, tell in tells.items() if key not in told)


def _money_back(ended: r.PayoutEnded, *, refund: bool) -> Iterator[Tell]:
    """Change is nobody's business but the person's; a refund undoes a release; what is owed is looked up."""
    if refund and ended.purpose is PayoutPurpose.REFUND:
        yield Tell(ended.order_id, Subject.RESULT)
        yield Tell(ended.order_id, Subject.REFUND, back_yen=ended.back_yen, owed_yen=ended.owed_yen)
    if ended.owed_yen:
        yield Tell(ended.order_id, Subject.CLAIM, owed_yen=ended.owed_yen, claim_no=claim_no(ended.visit))
