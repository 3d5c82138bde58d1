"""Yen: what change can be given, and a ledger that balances or says why not."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.core import records as r
from firmware.core.facts import HopperLevel
from firmware.core.money import (
    ChangePlan,
    Ledger,
    VisitBalance,
    change_due_yen,
    change_plan,
    coin_to_pay,
    ledger,
)
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
        (300, frozenset({500}), 5, ChangePlan.ANY),
        (300, frozenset({500}), 4, ChangePlan.NONE),
        (2700, COINS, 31, ChangePlan.ANY),
        (2700, COINS, 30, ChangePlan.EXACT),
        (2700, COINS, 26, ChangePlan.NONE),
    ],
)
def test_coins_are_taken_only_if_every_yen_can_go_back(
    fee_yen: int, denominations: frozenset[int], coins: int, expected: ChangePlan
) -> None:
    assert expected is change_plan(fee_yen, denominations, (HopperLevel(working=True, coins=coins),))


def hoppers(*held: tuple[int, int]) -> tuple[HopperLevel, ...]:
    return tuple(
        HopperLevel(address, working=True, coins=coins, coin_yen=yen)
        for address, (yen, coins) in enumerate(held, start=3)
    )


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        # 700 yen back needs 500 + 200 or 7 x 100; 200 yen of change need two 100-yen coins.
        (((100, 4), (500, 1)), ChangePlan.ANY),
        (((100, 3), (500, 1)), ChangePlan.EXACT),  # 400 yen of change cannot be made up
        (((100, 2), (500, 9)), ChangePlan.NONE),  # three 100-yen coins cannot go back
        (((100, 0), (500, 9)), ChangePlan.NONE),
    ],
)
def test_many_large_coins_do_not_make_up_for_small_ones(
    held: tuple[tuple[int, int], ...], expected: ChangePlan
) -> None:
    assert expected is change_plan(300, COINS, hoppers(*held))


@pytest.mark.parametrize(
    ("owed_yen", "held", "expected"),
    [
        (700, ((100, 9), (500, 1)), 500),
        (700, ((100, 1), (500, 1)), 500),  # 100 yen will be owed
        (400, ((100, 9), (500, 1)), 100),
        (600, ((200, 3), (500, 1)), 200),  # 500 first would leave 100 that nobody has
        (400, ((500, 9),), None),
        (0, ((100, 9),), None),
        (300, ((100, 0),), None),
    ],
)
def test_the_next_coin_leaves_a_rest_that_can_be_paid(
    owed_yen: int, held: tuple[tuple[int, int], ...], expected: int | None
) -> None:
    hopper = coin_to_pay(owed_yen, hoppers(*held))
    assert expected == (None if hopper is None else hopper.coin_yen)


@given(
    owed=st.integers(0, 40),
    held=st.lists(st.tuples(st.sampled_from([1, 2, 5, 10]), st.integers(0, 6)), min_size=1, max_size=3),
)
def test_as_much_is_paid_as_any_choice_of_coins_could(owed: int, held: list[tuple[int, int]]) -> None:
    each = [[yen * n for n in range(coins + 1)] for yen, coins in held]
    best = max(total for total in map(sum, itertools.product(*each)) if total <= owed)
    levels, paid = list(hoppers(*held)), 0
    while (hopper := coin_to_pay(owed - paid, levels)) is not None:
        levels = [replace(level, coins=level.coins - (level is hopper)) for level in levels]
        paid += hopper.coin_yen
    assert best == paid
    assert all(level.coins >= 0 for level in levels)


def test_a_broken_hopper_promises_no_change() -> None:
    assert ChangePlan.NONE is change_plan(300, COINS, (HopperLevel(working=False, coins=100),))


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
    r.CoinPayEnded(A, 3, 100, Certainty.DONE),
    r.CoinPayEnded(A, 3, 100, Certainty.UNKNOWN),
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
