"""The books of the counter: where every coin lies, what is owed, and days that never change."""

from dataclasses import replace
from datetime import UTC, date, datetime, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.core import records as r
from firmware.core.accounts import Accounts, Claim, Position, misplaced_hoppers, place_name, sum_yen
from firmware.core.closing import business_date, is_over, may_close
from firmware.core.hours import JST
from firmware.core.states import EndReason, PayoutPurpose
from firmware.core.terms import Certainty, CertificateKind, OrderId, VisitId
from firmware.core.totals import ClaimTotal, PlaceTotal, SoldTotal

A, B, C = (VisitId(digit * 32) for digit in "abc")
DONE, NOT_DONE, UNKNOWN = Certainty.DONE, Certainty.NOT_DONE, Certainty.UNKNOWN
LOADED = r.CoinsRefilled(3, 100, 20, "commissioning")
CLOSED = r.DayClosed("2026-11-25", "2026-11-25T23:00:00.000+09:00")


def order(visit: VisitId) -> OrderId:
    return OrderId(f"{visit}-1")


def began(
    visit: VisitId, kind: CertificateKind = CertificateKind.INKAN, copies: int = 1
) -> tuple[r.Record, ...]:
    return (
        r.VisitBegan(visit),
        r.OrderAsked(visit, order(visit), kind, copies),
        r.CoinTaken(visit, 500, 7, 1),
        r.IssueIntended(visit, order(visit), 300 * copies),
    )


def pays(visit: VisitId, certainty: Certainty) -> tuple[r.Record, ...]:
    return (r.CoinPayIntended(visit, 3, 100, 0), r.CoinPayEnded(visit, 3, 100, certainty))


SOLD = (
    *began(A),
    r.PrintEnded(A, order(A), UNKNOWN, 0),
    r.StaffDecided(A, order(A), printed=True),
    r.FeeEarned(A, order(A), 300),
    *pays(A, DONE),
    *pays(A, DONE),
    r.PayoutEnded(A, order(A), PayoutPurpose.CHANGE, 200, 0),
    r.VisitEnded(A, None),
)
OWED = (
    *began(B, CertificateKind.SHOTOKU),
    r.PayoutBegan(B, PayoutPurpose.REFUND, 500, EndReason.PRINT_FAILED),
    *pays(B, DONE),
    *pays(B, UNKNOWN),
    r.ClaimOpened(B, "BBBB-BBBB", 400),
    r.PayoutEnded(B, order(B), PayoutPurpose.REFUND, 100, 400),
    r.VisitEnded(B, EndReason.PRINT_FAILED),
)


def test_a_day_holds_every_yen_and_names_its_orders() -> None:
    accounts = Accounts(
        (LOADED, *SOLD, *OWED, r.CoinUnclaimed(100, 7, 3), r.CoinsSuspected("", 1, 0, False, 7, 4))
    )
    day = accounts.open_day()
    assert day.balanced
    assert (1100, 300, 300, 400, 100) == (
        day.taken_yen,
        day.fees_yen,
        day.paid_out_yen,
        day.claims_yen,
        day.unclaimed_yen,
    )
    assert (2, 1) == (day.visits, day.suspects)
    assert (SoldTotal(CertificateKind.INKAN, 1, 1, 300),) == day.sold
    assert ((order(A),), (order(B),), (order(A),)) == (day.issued, day.given_back, day.uncertain)
    assert (ClaimTotal("BBBB-BBBB", order(B), 400),) == day.claims
    assert (
        PlaceTotal(None, 100, 1, 0, 0, 0, 0),
        PlaceTotal(None, 500, 2, 0, 0, 0, 0),
        PlaceTotal(3, 100, 17, 1, 20, 0, 0),
    ) == day.cash
    assert 2800 == sum_yen(day.cash)
    assert () == accounts.faults()


def test_kinds_are_added_up_in_the_order_of_the_forms() -> None:
    ended = (r.FeeEarned(B, order(B), 600), r.VisitEnded(B, None))
    again = (
        *began(C),
        r.FeeEarned(C, order(C), 300),
        r.VisitEnded(C, None),
    )
    day = Accounts((*SOLD, *began(B, CertificateKind.JUMINHYO, 2), *ended, *again)).open_day()
    assert (
        SoldTotal(CertificateKind.JUMINHYO, 1, 2, 600),
        SoldTotal(CertificateKind.INKAN, 2, 2, 600),
    ) == day.sold


def test_a_visit_counts_for_the_day_in_which_it_ends() -> None:
    accounts = Accounts((*SOLD[:5], CLOSED))
    assert (0, 0) == (accounts.days["2026-11-25"].totals.taken_yen, accounts.open_day().taken_yen)
    for record in SOLD[5:]:
        accounts.enter(record)
    assert (500, 300) == (accounts.open_day().taken_yen, accounts.open_day().fees_yen)


def test_a_days_numbers_are_in_memory_once_although_they_are_kept_and_counted() -> None:
    accounts = Accounts((LOADED, *SOLD, CLOSED))
    counted = accounts.days["2026-11-25"].totals
    kept = r.DaySettled("2026-11-25", CLOSED.closed_at, replace(counted))
    accounts.enter(kept)
    day = accounts.days["2026-11-25"]
    assert kept == day.settled
    assert day.settled is not None
    assert day.totals is day.settled.totals


def test_a_closed_day_is_the_last_word_on_it_and_the_next_begins_at_zero() -> None:
    accounts = Accounts((LOADED, *SOLD, CLOSED))
    closed = accounts.days["2026-11-25"]
    assert closed == accounts.unsettled
    assert "2026-11-25" == accounts.last_closed
    settled = r.DaySettled("2026-11-25", CLOSED.closed_at, closed.totals)
    compared = r.DayCompared("2026-11-25", matched=True, differences=())
    for record in (settled, *OWED, compared):
        accounts.enter(record)
    assert replace(closed, settled=settled, compared=compared) == accounts.days["2026-11-25"]
    assert not accounts.unsettled
    day = accounts.open_day()
    assert (1, 0) == (day.visits, day.fees_yen)
    assert 0 == next(place.refilled for place in day.cash if place.hopper == 3)
    assert () == accounts.faults()


@pytest.mark.parametrize(
    ("records", "fault"),
    [
        (
            (r.VisitBegan(A), r.CoinTaken(A, 500, 7, 1), r.VisitEnded(A, None), CLOSED),
            "day 2026-11-25: does not balance",
        ),
        (
            (r.ClaimPaidElsewhere("AAAA-AAAA", "counter"),),
            "claim AAAA-AAAA: paid elsewhere and not owed here",
        ),
        ((*OWED, r.ClaimOpened(C, "BBBB-BBBB", 100)), "claim BBBB-BBBB: the number was given twice"),
        ((*pays(A, DONE),), "hopper 3: 1 coins of 100 yen more out than in"),
        ((r.CoinsCollected(None, 500, 2, "x"),), "cash box: 2 coins of 500 yen more out than in"),
        (
            (r.FeeEarned(A, order(A), 300), r.VisitEnded(A, None)),
            "order aaaaaaaa: a fee for what nobody asked",
        ),
        (
            (r.ClaimSettled("AAAA-AAAA", 100, "x"),),
            "claim AAAA-AAAA: settled for 100 yen that nobody was owed",
        ),
        (
            (*OWED, LOADED, r.ClaimSettled("BBBB-BBBB", 300, "x")),
            "claim BBBB-BBBB: settled for 300 yen that nobody was owed",
        ),
        (
            (*OWED, LOADED, *[r.ClaimSettled("BBBB-BBBB", 400, "x")] * 2),
            "claim BBBB-BBBB: settled for 400 yen that nobody was owed",
        ),
        ((CLOSED, CLOSED), "day 2026-11-25: closed after 2026-11-25"),
        (
            (r.DayCompared("2026-11-25", matched=True, differences=()),),
            "day 2026-11-25: totals without its closing",
        ),
    ],
)
def test_what_contradicts_itself_is_named(records: tuple[r.Record, ...], fault: str) -> None:
    assert fault in Accounts(records).faults()


@pytest.mark.parametrize("change", [{"fees_yen": 0, "paid_out_yen": 500}, {"visits": 2}])
def test_totals_that_are_not_what_the_journal_says_are_named(change: dict[str, int]) -> None:
    totals = Accounts(SOLD).open_day()
    wrong = r.DaySettled("2026-11-25", CLOSED.closed_at, replace(totals, **change))  # type: ignore[arg-type]
    expected = "day 2026-11-25: its totals are not what the journal says"
    assert (expected,) == Accounts((LOADED, *SOLD, CLOSED, wrong)).faults()[-1:]
    again = r.DaySettled("2026-11-25", CLOSED.closed_at, Accounts((LOADED, *SOLD)).open_day())
    assert ("day 2026-11-25: totals without its closing",) == Accounts(
        (LOADED, *SOLD, CLOSED, again, again)
    ).faults()


def test_a_second_closing_of_a_day_leaves_the_first_and_what_follows_in_the_open_day() -> None:
    accounts = Accounts((LOADED, *SOLD, CLOSED, *OWED, CLOSED))
    assert 300 == accounts.days["2026-11-25"].totals.fees_yen
    assert 1 == accounts.open_day().visits


def test_a_claim_the_counter_has_paid_is_open_no_more_and_was_not_paid_here() -> None:
    accounts = Accounts((*OWED, r.ClaimPaidElsewhere("BBBB-BBBB", "counter"), CLOSED))
    assert [] == list(accounts.open_claims)
    day = accounts.days["2026-11-25"]
    assert (0, 0) == (day.totals.claims_settled_yen, day.open_claims_yen)


@pytest.mark.parametrize(
    ("configured", "misplaced"), [({3: 100}, ()), ({4: 100}, (3,)), ({3: 500}, (3,)), ({3: 100, 4: 500}, ())]
)
def test_coins_in_a_hopper_that_is_configured_otherwise_are_found(
    configured: dict[int, int], misplaced: tuple[int, ...]
) -> None:
    assert misplaced == misplaced_hoppers(Accounts((LOADED, *SOLD)), configured)


def test_claims_are_open_until_staff_have_paid_them() -> None:
    accounts = Accounts(OWED)
    assert [Claim("BBBB-BBBB", order(B), 400)] == list(accounts.open_claims)
    accounts.enter(r.ClaimSettled("BBBB-BBBB", 400, "uid:7"))
    assert [] == list(accounts.open_claims)
    assert "uid:7" == accounts.claims["BBBB-BBBB"].settled_by
    assert 400 == accounts.open_day().claims_settled_yen


def test_a_hopper_found_empty_has_no_sure_coins_until_somebody_counts() -> None:
    accounts = Accounts((LOADED, r.CoinsRefilled(4, 500, 5, "x"), r.HopperFoundEmpty(A, 3, 20)))
    assert (20, 0) == (accounts.position(3, 100).coins, accounts.position(3, 100).sure_coins)
    assert 5 == accounts.position(4, 500).sure_coins
    accounts.enter(r.CoinsRefilled(3, 100, 10, "x"))
    assert (30, 10) == (accounts.position(3, 100).coins, accounts.position(3, 100).sure_coins)
    accounts.enter(r.CoinsCounted(3, 100, 12, "x"))
    position = accounts.position(3, 100)
    assert (12, 12, -18) == (position.coins, position.sure_coins, position.difference)
    assert Position() == accounts.position(9, 100)


@pytest.mark.parametrize(
    ("certainty", "coins", "unsure"), [(DONE, 19, 0), (NOT_DONE, 20, 0), (UNKNOWN, 20, 1)]
)
def test_a_coin_whose_way_is_unknown_is_neither_in_nor_out(
    certainty: Certainty, coins: int, unsure: int
) -> None:
    position = Accounts((LOADED, *pays(A, certainty))).position(3, 100)
    assert (coins, unsure, coins - unsure) == (position.coins, position.unsure, position.sure_coins)


@given(
    st.lists(
        st.one_of(
            st.builds(r.CoinsRefilled, st.just(3), st.just(100), st.integers(1, 50), st.just("x")),
            st.builds(r.CoinsCollected, st.just(3), st.just(100), st.integers(1, 50), st.just("x")),
            st.builds(r.CoinsCounted, st.just(3), st.just(100), st.integers(0, 50), st.just("x")),
            st.builds(r.CoinPayEnded, st.just(A), st.just(3), st.just(100), st.sampled_from(Certainty)),
            st.builds(r.HopperFoundEmpty, st.just(A), st.just(3), st.just(1)),
        )
    )
)
def test_coins_are_what_moved_and_never_more_of_them_unsure_than_there_are(records: list[r.Record]) -> None:
    """A second count of the same moves, without the positions."""
    position = Accounts(records).position(3, 100)
    coins = 0
    for record in records:
        match record:
            case r.CoinsRefilled(coins=moved):
                coins += moved
            case r.CoinsCollected(coins=moved):
                coins -= moved
            case r.CoinsCounted(coins=counted):
                coins = counted
            case r.CoinPayEnded(certainty=Certainty.DONE):
                coins -= 1
            case _:
                pass
    assert coins == position.coins
    assert 0 <= position.unsure <= max(0, position.coins)


@pytest.mark.parametrize(("hopper", "name"), [(None, "cash box"), (4, "hopper 4")])
def test_places_have_names(hopper: int | None, name: str) -> None:
    assert name == place_name(hopper)


NEW_YEAR = datetime(2027, 1, 1, 3, 0, tzinfo=UTC)
EVENING = datetime(2026, 11, 25, 14, 30, tzinfo=UTC)  # 23:30 in Japan


@pytest.mark.parametrize(
    ("first", "closed", "now", "expected"),
    [
        (None, None, EVENING, date(2026, 11, 25)),
        (EVENING, None, datetime(2026, 11, 28, 0, 0, tzinfo=UTC), date(2026, 11, 25)),
        (EVENING, date(2026, 11, 24), EVENING, date(2026, 11, 25)),
        # What comes after the closing of a day belongs to the next.
        (EVENING, date(2026, 11, 25), EVENING, date(2026, 11, 26)),
        (None, date(2026, 11, 20), EVENING, date(2026, 11, 25)),
        (None, date(2026, 12, 31), EVENING, date(2027, 1, 1)),
        # Midnight in Japan is the afternoon before in UTC.
        (datetime(2026, 12, 31, 15, 0, tzinfo=UTC), None, NEW_YEAR, date(2027, 1, 1)),
        # A clock that was ahead once: what it wrote is of today at the latest.
        (datetime(2036, 1, 1, tzinfo=UTC), None, EVENING, date(2026, 11, 25)),
    ],
)
def test_the_open_day_has_the_date_of_its_first_entry_and_comes_after_the_last(
    first: datetime | None, closed: date | None, now: datetime, expected: date
) -> None:
    assert expected == business_date(first, closed, now)


@pytest.mark.parametrize(
    ("day_ends", "now", "over"),
    [
        (time(23, 0), datetime(2026, 11, 25, 22, 59, 59, tzinfo=JST), False),
        (time(23, 0), datetime(2026, 11, 25, 23, 0, tzinfo=JST), True),
        (time.max, datetime(2026, 11, 25, 23, 59, 59, tzinfo=JST), False),
        (time.max, datetime(2026, 11, 26, 0, 0, tzinfo=JST), True),
        (time(23, 0), datetime(2026, 11, 24, 23, 30, tzinfo=JST), False),
    ],
)
def test_a_day_is_over_at_its_end(day_ends: time, now: datetime, over: bool) -> None:
    assert over is is_over(date(2026, 11, 25), day_ends, now)


@pytest.mark.parametrize(("day", "may"), [(date(2026, 11, 25), True), (date(2026, 11, 26), False)])
def test_no_day_is_closed_before_it_began(day: date, may: bool) -> None:
    assert may is may_close(day, EVENING)


def returned(visit: VisitId, of: OrderId) -> tuple[r.Record, ...]:
    """A complaint after the sale: the fee goes back."""
    return (
        r.VisitBegan(visit),
        r.DefectOpened(visit, of, CertificateKind.INKAN, 1, 300, 1, 2, "R-1", "f" * 64, 0),
        r.FeeReturned(visit, of, CertificateKind.INKAN, 1, 300),
        *(record for _ in range(3) for record in pays(visit, DONE)),
        r.PayoutEnded(visit, of, PayoutPurpose.REFUND, 300, 0),
        r.VisitEnded(visit, EndReason.PRINT_DEFECT),
    )


def test_a_fee_given_back_for_a_bad_print_is_sold_no_more() -> None:
    accounts = Accounts((LOADED, *SOLD, *returned(C, order(A))))
    day = accounts.open_day()
    assert (0, (), (), (order(A),)) == (day.fees_yen, day.sold, day.issued, day.given_back)
    assert day.balanced
    assert () == accounts.faults()


def test_of_two_sales_the_other_stays() -> None:
    too = (
        *began(B),
        r.PrintEnded(B, order(B), DONE, 2),
        r.FeeEarned(B, order(B), 300),
        r.VisitEnded(B, None),
    )
    accounts = Accounts((LOADED, *SOLD, *too, *returned(C, order(A))))
    [sold] = accounts.open_day().sold
    assert (CertificateKind.INKAN, 1, 1, 300) == (sold.kind, sold.issues, sold.copies, sold.yen)


def test_a_fee_returned_that_was_not_kept_is_a_fault() -> None:
    assert [f"order {order(A)[:8]}: a fee returned that was not kept"] == list(
        Accounts((LOADED, *returned(C, order(A)))).faults()
    )


def test_a_fee_returned_of_a_kind_that_was_not_sold_is_a_fault_and_ends_no_reading() -> None:
    other = [
        replace(one, kind=CertificateKind.JUMINHYO) if isinstance(one, r.FeeReturned) else one
        for one in returned(C, order(A))
    ]
    assert [f"order {order(A)[:8]}: a fee returned that was not kept"] == list(
        Accounts((LOADED, *SOLD, *other)).faults()
    )
