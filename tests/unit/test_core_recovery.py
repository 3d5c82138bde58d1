"""Start-up after a power cut: every row of the table of recovery, from literal journals."""

from dataclasses import replace

import pytest

from firmware.core import orders as o
from firmware.core import records as r
from firmware.core import states as s
from firmware.core.money import ledger
from firmware.core.recovery import followed_job, open_visit, recover
from firmware.core.steps import Step
from firmware.core.terms import Certainty, CertificateKind, OrderId, Subjects, VisitId

DONE, UNKNOWN = Certainty.DONE, Certainty.UNKNOWN
A, B = VisitId("a" * 32), VisitId("b" * 32)
ORDER = OrderId(f"{A}-1")
INKAN = CertificateKind.INKAN
PURCHASE = s.Purchase(ORDER, INKAN, Subjects.SELF, frozenset(), 1, fee_yen=300, sheets=1, pages=1)

ASKED = (r.VisitBegan(A), r.PersonAuthenticated(A), r.OrderAsked(A, ORDER, INKAN, 1))
RESERVED = (*ASKED, r.OrderReserved(A, ORDER, fee_yen=300, sheets=1, pages=1))
PAID = (*RESERVED, r.CoinTaken(A, 500, 7, 1))
RELEASED = (
    *PAID,
    r.IssueIntended(A, ORDER, 300),
    r.IssueCommitted(A, ORDER, "R-1"),
    r.PrintIntended(A, ORDER, "cert-a", 1),
)
EARNED = (*RELEASED, r.PrintEnded(A, ORDER, DONE, 1), r.FeeEarned(A, ORDER, 300))
CHANGE = (*EARNED, r.PayoutBegan(A, s.PayoutPurpose.CHANGE, 200, None), r.CoinPayIntended(A, 3, 100, 41))
SECOND = (*CHANGE, r.CoinPayEnded(A, 3, 100, DONE), r.CoinPayIntended(A, 3, 100, 42))
GIVEN = (
    *SECOND,
    r.CoinPayEnded(A, 3, 100, DONE),
    r.PayoutEnded(A, ORDER, s.PayoutPurpose.CHANGE, 200, 0),
)
SHORT = (
    *SECOND,
    r.CoinPayEnded(A, 3, 100, UNKNOWN),
    r.ClaimOpened(A, "AAAA-AAAA", 100),
    r.PayoutEnded(A, ORDER, s.PayoutPurpose.CHANGE, 100, 100),
)
SOLD = (*GIVEN, r.SlipEnded(A, s.Slip.RECEIPT, DONE), r.VisitEnded(A, None))
REFUNDED = (
    *PAID,
    r.PayoutBegan(A, s.PayoutPurpose.REFUND, 500, s.EndReason.CANCELLED),
    r.ClaimOpened(A, "AAAA-AAAA", 500),
    r.PayoutEnded(A, ORDER, s.PayoutPurpose.REFUND, 0, 500),
)
CHANGING = s.PayingOut(A, PURCHASE, s.PayoutPurpose.CHANGE, paid_yen=500, remaining_yen=200, receipt_no="R-1")
SLIP = s.PrintingSlip(A, PURCHASE, (s.Slip.RECEIPT,), 500, 200, 0, "R-1", None)
BLANK = s.Purchase(OrderId(""), CertificateKind.JUMINHYO, Subjects.SELF, frozenset(), 1)


def test_an_empty_journal_opens_an_idle_machine() -> None:
    assert Step(s.NotServing()) == recover(())


@pytest.mark.parametrize("records", [SOLD, (*SOLD, r.MunicipalityTold(ORDER, "result", accepted=True))])
def test_a_settled_visit_leaves_nothing_to_recover(records: tuple[r.Record, ...]) -> None:
    assert open_visit(records) is None
    assert Step(s.NotServing()) == recover(records)


@pytest.mark.parametrize(
    ("records", "purchase", "paid_yen"),
    [
        (ASKED[:1], BLANK, 0),
        (RESERVED, PURCHASE, 0),
        (PAID, PURCHASE, 500),
        ((*PAID, r.CoinTaken(A, 100, 7, 2)), PURCHASE, 600),
        (RELEASED[:-2], PURCHASE, 500),
    ],
)
def test_without_a_print_the_slot_is_shut_and_all_coins_go_back(
    records: tuple[r.Record, ...], purchase: s.Purchase, paid_yen: int
) -> None:
    expected = Step(s.ClosingCoins(A, purchase, paid_yen, s.EndReason.POWER_CUT))
    assert expected == recover(records)


def test_an_intended_print_is_followed_and_never_printed_again() -> None:
    expected = Step(s.Printing(A, PURCHASE, 500, "R-1"), orders=(o.FollowPrint(A, "cert-a", 1),))
    assert expected == recover(RELEASED)
    assert "cert-a" == followed_job(recover(RELEASED))


def test_an_unknown_print_waits_for_the_staff_and_its_job_is_cancelled_wherever_it_still_is() -> None:
    expected = Step(s.Attending(A, PURCHASE, 500, "R-1", pages_out=1), orders=(o.CancelPrint(A, "cert-a"),))
    assert expected == recover((*RELEASED, r.PrintEnded(A, ORDER, UNKNOWN, 1)))
    assert followed_job(expected) is None


def test_what_the_staff_have_decided_stands_after_the_cut() -> None:
    records = (*RELEASED, r.PrintEnded(A, ORDER, UNKNOWN, 1), r.StaffDecided(A, ORDER, printed=True))
    paying = (*records, r.FeeEarned(A, ORDER, 300), *CHANGE[-2:])
    asked = replace(CHANGING, coin=s.CoinOnItsWay(3, 100, None))
    assert Step(asked, orders=(o.ReconcileCoin(A, 3, 41),)) == recover(paying)


@pytest.mark.parametrize(
    ("records", "state", "life_count"),
    [
        (CHANGE, CHANGING, 41),
        (SECOND, replace(CHANGING, remaining_yen=100, back_yen=100), 42),
        (
            (*SECOND, r.CoinTaken(A, 100, 7, 2)),
            replace(CHANGING, paid_yen=600, remaining_yen=200, back_yen=100),
            42,
        ),
        (
            (
                *PAID,
                r.PayoutBegan(A, s.PayoutPurpose.REFUND, 500, s.EndReason.TIMED_OUT),
                r.CoinPayIntended(A, 3, 100, 41),
            ),
            s.PayingOut(
                A,
                PURCHASE,
                s.PayoutPurpose.REFUND,
                paid_yen=500,
                remaining_yen=500,
                reason=s.EndReason.TIMED_OUT,
            ),
            41,
        ),
    ],
)
def test_the_hopper_is_asked_about_the_coin_that_was_under_way(
    records: tuple[r.Record, ...], state: s.PayingOut, life_count: int
) -> None:
    asked = replace(state, coin=s.CoinOnItsWay(3, 100, None))
    assert Step(asked, orders=(o.ReconcileCoin(A, 3, life_count),)) == recover(records)


WITHDRAWN = r.CoinsSuspected(A, 0, 20, True, 7, 3)


@pytest.mark.parametrize(
    "records",
    [PAID, RELEASED, (*RELEASED, r.PrintEnded(A, ORDER, UNKNOWN, 1)), CHANGE],
    ids=["before the print", "while printing", "while staff look", "while paying out"],
)
def test_no_hopper_pays_for_a_coin_that_may_have_left_nor_for_a_person_who_has(
    records: tuple[r.Record, ...],
) -> None:
    assert not getattr(recover(records).state, "withheld", None)
    assert getattr(recover((*records, WITHDRAWN)).state, "withheld", None)
    assert getattr(recover(records, late=True).state, "withheld", None)


def test_a_coin_withdrawn_in_an_earlier_visit_withholds_nothing() -> None:
    other = replace(WITHDRAWN, visit="b" * 32)
    assert not getattr(recover((*PAID, other)).state, "withheld", None)


@pytest.mark.parametrize(
    ("records", "state"),
    [
        (GIVEN, SLIP),
        # Paid to the yen: there is no payout, only the receipt.
        (
            (*RESERVED, r.CoinTaken(A, 300, 7, 1), *EARNED[len(PAID) :]),
            replace(SLIP, paid_yen=300, back_yen=0),
        ),
        (SHORT, replace(SLIP, slips=(s.Slip.CLAIM, s.Slip.RECEIPT), back_yen=100, owed_yen=100)),
        ((*SHORT, r.SlipEnded(A, s.Slip.CLAIM, DONE)), replace(SLIP, back_yen=100, owed_yen=100)),
        (
            REFUNDED,
            s.PrintingSlip(A, PURCHASE, (s.Slip.CLAIM,), 500, 0, 500, "", s.EndReason.CANCELLED),
        ),
    ],
)
def test_slips_that_are_missing_are_printed(records: tuple[r.Record, ...], state: s.PrintingSlip) -> None:
    recovered = recover(records)
    (order,) = recovered.orders
    assert state == recovered.state
    assert isinstance(order, o.PrintSlip)
    assert (state.slips[0], state.owed_yen) == (order.slip, order.owed_yen)


EXACT = (*RESERVED, r.CoinTaken(A, 300, 7, 1), *EARNED[len(PAID) :])


@pytest.mark.parametrize("receipt", [(), (r.SlipEnded(A, s.Slip.RECEIPT, DONE),)], ids=["no slip", "receipt"])
def test_a_coin_beyond_the_exact_fee_is_owed_once(receipt: tuple[r.Record, ...]) -> None:
    journal = (*EXACT, *receipt, r.CoinTaken(A, 100, 7, 2))
    recovered = recover(journal)
    owed = (
        r.PayoutBegan(A, s.PayoutPurpose.CHANGE, 100, None),
        r.ClaimOpened(A, "AAAA-AAAA", 100),
        r.PayoutEnded(A, ORDER, s.PayoutPurpose.CHANGE, 0, 100),
    )
    assert owed == recovered.records
    slips = (s.Slip.CLAIM,) if receipt else (s.Slip.CLAIM, s.Slip.RECEIPT)
    assert replace(SLIP, slips=slips, paid_yen=400, back_yen=0, owed_yen=100) == recovered.state
    assert () == ledger((*journal, *owed)).faults()
    again = recover((*journal, *owed))
    assert ((), recovered.state) == (again.records, again.state)


def test_a_sale_with_its_receipt_only_lets_the_person_take_everything() -> None:
    recovered = recover(SOLD[:-1])
    assert s.TakingAll(A, PURCHASE, back_yen=200, owed_yen=0) == recovered.state
    assert (r.VisitEnded(A, None),) == recovered.records


def test_a_refund_with_its_slip_only_ends() -> None:
    recovered = recover((*REFUNDED, r.SlipEnded(A, s.Slip.CLAIM, DONE)))
    assert s.Ended(A, s.EndReason.CANCELLED, back_yen=0, owed_yen=500) == recovered.state


NEVER_LAST = (r.IssueCommitted, r.PrintEnded, r.FeeEarned, r.PayoutBegan, r.CoinPayEnded, r.ClaimOpened)
"""Records whose transaction goes on in these journals."""


@pytest.mark.parametrize(
    "journal",
    [SOLD, (*SHORT, r.VisitEnded(A, None)), (*REFUNDED, r.VisitEnded(A, s.EndReason.CANCELLED))],
    ids=["sold", "change owed", "refund owed"],
)
def test_a_cut_after_any_transaction_keeps_every_yen_owned(journal: tuple[r.Record, ...]) -> None:
    for length in range(1, len(journal) + 1):
        if isinstance(journal[length - 1], NEVER_LAST):
            continue
        recovered = recover(journal[:length])
        books = ledger((*journal[:length], *recovered.records))
        assert () == books.faults()
        match recovered.state:
            case s.PayingOut(remaining_yen=held_yen):
                assert held_yen == books.held_yen
            case s.ClosingCoins(paid_yen=held_yen) | s.Printing(paid_yen=held_yen):
                assert held_yen == books.held_yen
            case _:
                assert books.held_yen == 0


def test_only_the_last_visit_is_recovered() -> None:
    assert Step(s.ClosingCoins(B, BLANK, 0, s.EndReason.POWER_CUT)) == recover((*SOLD, r.VisitBegan(B)))


def test_records_outside_a_visit_change_nothing() -> None:
    outside = (
        r.DaemonStarted("1"),
        r.CoinUnclaimed(100, 7, 9),
        r.MunicipalityTold(ORDER, "result", accepted=True),
    )
    assert recover(PAID) == recover((*outside, *PAID, *outside))
