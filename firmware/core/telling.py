"""What the municipality still has to be told, as a pure function of the journal."""

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from firmware.core import records as r
from firmware.core.states import PayoutPurpose
from firmware.core.terms import Certainty, OrderId, Yen


class Subject(enum.Enum):
    """What a message is about; one of each per order at most."""

    RESULT = "result"  # how the print ended
    DECISION = "decision"  # what staff found after an unknown print
    REFUND = "refund"


@dataclass(frozen=True, slots=True)
class Tell:
    """One message: a print result (certainty, pages_out) or a refund (back_yen, owed_yen)."""

    order_id: OrderId
    subject: Subject
    certainty: Certainty = Certainty.NOT_DONE
    pages_out: int = 0
    back_yen: Yen = 0
    owed_yen: Yen = 0


def pending(records: Iterable[r.Record]) -> tuple[Tell, ...]:
    """Messages without an answer, oldest first; a released order is told of before its refund."""
    tells: dict[tuple[OrderId, Subject], Tell] = {}
    told: set[tuple[OrderId, str]] = set()
    intended: set[OrderId] = set()

    def add(tell: Tell) -> None:
        tells.setdefault((tell.order_id, tell.subject), tell)

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
            case r.PayoutEnded(
                order_id=order_id, purpose=PayoutPurpose.REFUND, back_yen=back, owed_yen=owed
            ) if order_id in intended:
                add(Tell(order_id, Subject.RESULT))
                add(Tell(order_id, Subject.REFUND, back_yen=back, owed_yen=owed))
            case r.MunicipalityTold(order_id=order_id, subject=subject):
                told.add((order_id, subject))
            case _:
                pass
    return tuple(tell for (order, subject), tell in tells.items() if (order, subject.value) not in told)
