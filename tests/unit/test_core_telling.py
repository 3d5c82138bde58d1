"""What the municipality still has to hear, derived from the journal alone."""

import pytest

from firmware.core import records as r
from firmware.core.accounts import Accounts
from firmware.core.states import PayoutPurpose
from firmware.core.telling import Subject, Tell, TellDay, Telling
from firmware.core.terms import Certainty, OrderId, VisitId

A = VisitId("a" * 32)
ORDER, OTHER = OrderId(f"{A}-1"), OrderId("b-1")
INTENDED = r.IssueIntended(A, ORDER, 300)
REFUND = r.PayoutEnded(A, ORDER, PayoutPurpose.REFUND, 200, 100)
NOTHING_PRINTED = Tell(ORDER, Subject.RESULT, Certainty.NOT_DONE)
OWED = Tell(ORDER, Subject.CLAIM, owed_yen=100, claim_no="AAAA-AAAA")
MONEY_BACK = Tell(ORDER, Subject.REFUND, back_yen=200, owed_yen=100)
DAY = r.DaySettled("2026-11-25", "2026-11-25T23:00:00+09:00", Accounts().open_day())


def printed(certainty: Certainty, pages_out: int = 0) -> r.PrintEnded:
    return r.PrintEnded(A, ORDER, certainty, pages_out)


def told(subject: Subject, order_id: OrderId = ORDER) -> r.MunicipalityTold:
    return r.MunicipalityTold(order_id, subject.value, accepted=True)


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ((), ()),
        ((INTENDED,), ()),
        ((INTENDED, printed(Certainty.DONE, 2)), (Tell(ORDER, Subject.RESULT, Certainty.DONE, 2),)),
        ((INTENDED, r.IssueFailed(A, ORDER, Certainty.UNKNOWN)), (NOTHING_PRINTED,)),
        ((INTENDED, REFUND), (NOTHING_PRINTED, MONEY_BACK, OWED)),
        ((INTENDED, printed(Certainty.NOT_DONE), REFUND), (NOTHING_PRINTED, MONEY_BACK, OWED)),
        (
            (INTENDED, printed(Certainty.UNKNOWN, 1), r.StaffDecided(A, ORDER, printed=True)),
            (
                Tell(ORDER, Subject.RESULT, Certainty.UNKNOWN, 1),
                Tell(ORDER, Subject.DECISION, Certainty.DONE),
            ),
        ),
        (
            (INTENDED, printed(Certainty.UNKNOWN), r.StaffDecided(A, ORDER, printed=False), REFUND),
            (
                Tell(ORDER, Subject.RESULT, Certainty.UNKNOWN),
                Tell(ORDER, Subject.DECISION, Certainty.NOT_DONE),
                MONEY_BACK,
                OWED,
            ),
        ),
        # Nothing was asked of the municipality, or change is nobody's business but the person's.
        ((REFUND,), (OWED,)),
        ((INTENDED, r.PayoutEnded(A, ORDER, PayoutPurpose.CHANGE, 200, 0)), ()),
        ((INTENDED, REFUND, told(Subject.RESULT)), (MONEY_BACK, OWED)),
        ((INTENDED, REFUND, told(Subject.RESULT), told(Subject.REFUND)), (OWED,)),
        ((INTENDED, REFUND, told(Subject.RESULT), told(Subject.REFUND), told(Subject.CLAIM)), ()),
        ((INTENDED, r.PayoutEnded(A, ORDER, PayoutPurpose.CHANGE, 100, 100)), (OWED,)),
        ((DAY,), (TellDay(DAY),)),
        (
            (INTENDED, printed(Certainty.DONE, 2), DAY),
            (Tell(ORDER, Subject.RESULT, Certainty.DONE, 2), TellDay(DAY)),
        ),
        ((DAY, r.DayCompared("2026-11-24", matched=False, differences=())), (TellDay(DAY),)),
        ((DAY, r.DayCompared("2026-11-25", matched=True, differences=())), ()),
        ((INTENDED, REFUND, told(Subject.RESULT, OTHER)), (NOTHING_PRINTED, MONEY_BACK, OWED)),
        ((r.VisitBegan(A), r.CoinTaken(A, 100, 7, 1)), ()),
    ],
)
def test_each_order_is_told_of_until_it_is_answered(
    records: tuple[r.Record, ...], expected: tuple[Tell, ...]
) -> None:
    assert expected == Telling(records).pending


def test_an_order_is_forgotten_once_all_is_told_of_it_and_a_newer_one_has_begun() -> None:
    """A year's orders would be more than the kiosk's memory."""
    done, is_told = printed(Certainty.DONE, 2), told(Subject.RESULT)
    telling = Telling((INTENDED, done, is_told))
    assert [ORDER] == list(telling._orders)
    for record in (r.IssueIntended(A, OTHER, 300), is_told, is_told):
        telling.enter(record)
    assert [OTHER] == list(telling._orders)
    assert () == telling.pending


def test_an_order_that_waits_is_told_of_first_and_forgotten_only_when_it_has_been() -> None:
    waits, after = Tell(ORDER, Subject.RESULT, Certainty.DONE, 2), Tell(OTHER, Subject.RESULT)
    telling = Telling((INTENDED, printed(Certainty.DONE, 2), r.IssueFailed(A, OTHER, Certainty.NOT_DONE)))
    found = [(telling.pending, list(telling._orders))]
    for order_id in (ORDER, OTHER):
        telling.enter(told(Subject.RESULT, order_id))
        found.append((telling.pending, list(telling._orders)))
    assert [((waits, after), [ORDER, OTHER]), ((after,), [OTHER]), ((), [OTHER])] == found
