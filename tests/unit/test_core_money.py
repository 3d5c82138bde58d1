"""Yen: what change can be given, and a ledger that balances or says why not."""

import pytest

from firmware.core import records as r
from firmware.core.facts import HopperLevel
from firmware.core.money import ChangePlan, Ledger, VisitBalance, change_due_yen, change_plan, ledger
from firmware.core.states import EndReason, PayoutPurpose
from firmware.core.terms import Certainty, OrderId, VisitId

COINS = frozenset({100, 500})
A, B = VisitId("a" * 32), VisitId("b" * 32)
ORDER = OrderId(f"{A}-1")


@pytest.mark.parametrize(
    ("fee_yen", "denominations", "coins", "expected"),
    [
        # 300 yen paid with 100 + 100 + 500: 700 must be able to go back.
        (300, COINS, 7, ChangePlan.ANY),
        (300, COINS, 6, ChangePlan.EXACT),
        (300, COINS, 3, ChangePlan.EXACT),
        (300, COINS, 2, ChangePlan.NONE),
        (300, COINS, 0, ChangePlan.NONE),
        (300, frozenset({100}), 3, ChangePlan.ANY),
        (300, frozenset({500}), 7, ChangePlan.ANY),
        (300, frozenset({500}), 6, ChangePlan.NONE),
        (2700, COINS, 31, ChangePlan.ANY),
        (2700, COINS, 30, ChangePlan.EXACT),
        (2700, COINS, 26, ChangePlan.NONE),
    ],
)
def test_coins_are_taken_only_if_every_yen_can_go_back(
    fee_yen: int, denominations: frozenset[int], coins: int, expected: ChangePlan
) -> None:
    assert expected is change_plan(fee_yen, denominations, HopperLevel(working=True, coins=coins))


def test_a_broken_hopper_promises_no_change() -> None:
    assert ChangePlan.NONE is change_plan(300, COINS, HopperLevel(working=False, coins=100))


def test_change_due() -> None:
    assert 200 == change_due_yen(500, 300)
    assert 0 == change_due_yen(300, 300)


def test_no_change_is_due_before_the_fee_is_covered() -> None:
    with pytest.raises(ValueError, match="paid 200 yen is less than fee 300 yen"):
        change_due_yen(200, 300)


SALE = (
    r.VisitBegan(A),
    r.CoinTaken(A, 500, 7, 1),
    r.FeeEarned(A, ORDER, 300),
    r.CoinPayEnded(A, 100, Certainty.DONE),
    r.CoinPayEnded(A, 100, Certainty.UNKNOWN),
    r.ClaimOpened(A, "AAAA-AAAA", 100),
    r.PayoutEnded(A, ORDER, PayoutPurpose.CHANGE, 100, 100),
    r.VisitEnded(A, None),
)


def test_a_coin_that_may_have_come_out_is_a_claim_and_no_payout() -> None:
    books = ledger(SALE)
    assert (500, 300, 100, 100, 0) == (
        books.taken_yen,
        books.fees_yen,
        books.paid_out_yen,
        books.claims_yen,
        books.held_yen,
    )
    assert () == books.faults()


@pytest.mark.parametrize("length", range(len(SALE) + 1))
def test_money_is_conserved_after_every_record(length: int) -> None:
    books = ledger(SALE[:length])
    assert books.taken_yen == books.fees_yen + books.paid_out_yen + books.claims_yen + books.held_yen
    assert () == books.faults()


def test_a_coin_nobody_was_asked_for_is_taken_by_nobody() -> None:
    books = ledger((r.CoinUnclaimed(500, 7, 1), r.CoinUnclaimed(100, 7, 2), r.VisitBegan(B)))
    assert Ledger({}, unclaimed_yen=600) == books
    assert (600, 0, ()) == (books.taken_yen, books.held_yen, books.faults())


def test_a_fee_without_its_coins_is_a_fault_that_names_visit_and_yen() -> None:
    books = ledger((r.CoinTaken(A, 100, 7, 1), r.FeeEarned(A, ORDER, 300)))
    assert ("visit aaaaaaaa: 200 yen more went out than came in",) == books.faults()


def test_a_visit_that_ends_with_money_is_a_fault() -> None:
    books = ledger((r.CoinTaken(A, 100, 7, 1), r.VisitEnded(A, EndReason.CANCELLED), r.VisitEnded(B, None)))
    assert {A: VisitBalance(100, ended=True), B: VisitBalance(ended=True)} == books.visits
    assert ("visit aaaaaaaa: ended with 100 yen nobody owns",) == books.faults()
