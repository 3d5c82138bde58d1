"""The office: what staff say is entered once or refused with a reason, and each day ends once."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from typing import cast

import pytest

from firmware.core import records as r
from firmware.core.books import Books
from firmware.core.states import PayoutPurpose
from firmware.core.terms import Certainty, CertificateKind, OrderId, VisitId, Yen
from firmware.errors import (
    JournalError,
    MunicipalityDown,
    MunicipalityUncertain,
    OfficeRefused,
    ReportRefused,
)
from firmware.logbook import FIELDS, EventId, FieldValue
from firmware.ports import ClaimState, CoinPayout, Municipality
from firmware.shell.office import Office

A = VisitId("a" * 32)
ORDER = OrderId(f"{A}-1")
EVENING = datetime(2026, 11, 25, 14, 0, tzinfo=UTC)  # 23:00 in Japan
NOON = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)
LOADED = r.CoinsRefilled(3, 100, 20, "commissioning")
OWED: tuple[r.Record, ...] = (
    r.VisitBegan(A),
    r.OrderAsked(A, ORDER, CertificateKind.INKAN, 1),
    r.CoinTaken(A, 500, 7, 1),
    r.ClaimOpened(A, "AAAA-AAAA", 500),
    r.PayoutEnded(A, ORDER, PayoutPurpose.REFUND, 0, 500),
    r.VisitEnded(A, None),
)


@dataclass
class Hopper:
    coins: list[int] = field(default_factory=list)

    def set_coins(self, coins: int) -> None:
        self.coins.append(coins)


@dataclass
class Counter:
    """The municipality's word on claims."""

    asked: list[tuple[str, Yen]] = field(default_factory=list)
    failing: Exception | None = None
    silent: Exception | None = None
    settled_by: str | None = None

    async def ask_claim(self, claim_no: str) -> ClaimState:
        await asyncio.sleep(0)
        if self.silent is not None:
            raise self.silent
        return ClaimState(claim_no, ORDER, 500, self.settled_by)

    async def settle_claim(self, claim_no: str, yen: Yen) -> None:
        self.asked.append((claim_no, yen))
        await asyncio.sleep(0)
        if self.failing is not None:
            raise self.failing


@dataclass
class Desk:
    """An office with everything around it that it talks to."""

    journal: list[r.Record] = field(default_factory=list)
    noted: list[r.Record] = field(default_factory=list)
    log: list[tuple[EventId, dict[str, FieldValue]]] = field(default_factory=list)
    hopper: Hopper = field(default_factory=Hopper)
    counter: Counter = field(default_factory=Counter)
    may: bool = True
    full: bool = False
    trusted: bool = True
    now: datetime = NOON
    looked: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    office: Office = field(init=False)

    def open(
        self,
        *records: r.Record,
        at: datetime = NOON,
        day_ends: time = time(23, 0),
    ) -> "Desk":
        books = Books()
        for record in records:
            books.enter(record, at)
        self.office = Office(
            books=books,
            book=self.book,
            resting=lambda: self.may,
            journal=self,
            noted=self.noted.extend,
            municipality=cast("Municipality", self.counter),
            payouts={3: cast("CoinPayout", self.hopper)},
            coin_yen={3: 100},
            trusted=self.is_trusted,
            now=lambda: self.now,
            day_ends=day_ends,
            log=self.write,
            look_seconds=0.001,
        )
        return self

    async def book(self, entries: Sequence[r.BookEntry]) -> bool:
        """Like the runner: others have their turn before the entry is made, and before it is answered."""
        await asyncio.sleep(0)
        if self.may:
            await self.append(entries)
            self.office.note(entries)
        await asyncio.sleep(0)
        return self.may

    async def append(self, records: Sequence[r.Record]) -> None:
        await asyncio.sleep(0)
        if self.full:
            raise JournalError("full")
        self.journal.extend(records)
        self.changed.set()

    def write(self, event: EventId, /, **fields: FieldValue) -> None:
        assert fields.keys() <= FIELDS
        self.log.append((event, fields))

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.office.run())
        try:
            async with asyncio.timeout(20):
                yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def is_trusted(self) -> bool:
        self.looked += 1
        self.changed.set()
        return self.trusted

    async def looks(self) -> None:
        """The office has asked the clock twice more, so that one whole round lies between."""
        wanted = self.looked + 2
        await self.until(lambda: self.looked >= wanted)

    async def until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            self.changed.clear()
            await self.changed.wait()


def closed(date: str, at: str) -> r.DayClosed:
    return r.DayClosed(date, at)


async def test_coins_that_were_refilled_are_in_the_journal_and_the_hopper_knows_them() -> None:
    desk = Desk().open(LOADED)
    await desk.office.refill(3, 30, "uid:7")
    assert [r.CoinsRefilled(3, 100, 30, "uid:7")] == desk.journal
    assert [50] == desk.hopper.coins
    assert [(EventId.COINS_HANDLED, {"device": "CoinsRefilled", "yen": 100, "coins": 30})] == desk.log


async def test_a_count_says_what_differs_and_makes_the_hopper_sure() -> None:
    desk = Desk().open(LOADED, r.HopperFoundEmpty(A, 3, 20))
    assert -2 == await desk.office.count(3, 100, 18, "uid:7")
    assert [18] == desk.hopper.coins
    assert 0 == await desk.office.count(None, 500, 0, "uid:7")
    assert [18] == desk.hopper.coins


async def test_coins_taken_out_of_the_box_change_no_hopper() -> None:
    desk = Desk().open(LOADED, *OWED)
    await desk.office.collect(None, 500, 1, "uid:7")
    assert [r.CoinsCollected(None, 500, 1, "uid:7")] == desk.journal
    assert [] == desk.hopper.coins
    await desk.office.collect(3, 100, 20, "uid:7")
    assert [0] == desk.hopper.coins


@pytest.mark.parametrize(
    ("ask", "reason"),
    [
        (lambda office: office.refill(4, 10, "x"), "there is no hopper 4; expected 3"),
        (lambda office: office.refill(3, 0, "x"), "0 coins; expected 1 to 10000"),
        (lambda office: office.refill(3, 10_001, "x"), "10001 coins; expected 1 to 10000"),
        (lambda office: office.count(3, 500, 10, "x"), "hopper 3 holds coins of 100 yen"),
        (lambda office: office.count(None, 500, -1, "x"), "-1 coins; expected 0 to 10000"),
        (
            lambda office: office.count(None, 7, 1, "x"),
            "there is no coin of 7 yen; expected 1, 5, 10, 50, 100, 500",
        ),
        (
            lambda office: office.collect(None, 500, 1, "x"),
            "by the books 0 coins of 500 yen lie in the cash box: count them first",
        ),
        (lambda office: office.collect(3, 100, 0, "x"), "0 coins; expected 1 to 10000"),
    ],
)
async def test_what_cannot_be_is_refused_with_a_reason(ask: Callable[[Office], object], reason: str) -> None:
    desk = Desk().open(LOADED)
    with pytest.raises(OfficeRefused) as refused:
        await cast("asyncio.Future[None]", ask(desk.office))
    assert (reason, []) == (str(refused.value), desk.journal)


async def test_nothing_is_entered_while_a_visit_is_under_way() -> None:
    desk = Desk(may=False).open(LOADED)
    with pytest.raises(OfficeRefused, match="open the door"):
        await desk.office.refill(3, 10, "x")
    with pytest.raises(OfficeRefused, match="a visit is under way"):
        await desk.office.close_day()
    assert ([], []) == (desk.journal, desk.hopper.coins)


async def test_a_day_ends_by_itself_when_its_time_has_come_and_its_totals_are_kept() -> None:
    desk = Desk(now=EVENING).open(LOADED, *OWED)
    async with desk.at_work():
        await desk.until(lambda: len(desk.journal) == 2)
        assert closed("2026-11-25", "2026-11-25T23:00:00.000+09:00") == desk.journal[0]
        settled = desk.journal[1]
        assert isinstance(settled, r.DaySettled)
        assert 500 == settled.totals.claims_yen
        assert [settled] == desk.noted
        await desk.looks()  # nothing follows: the next day has not begun
    assert 2 == len(desk.journal)


async def test_a_day_without_any_visit_ends_too() -> None:
    desk = Desk(now=EVENING).open()
    async with desk.at_work():
        await desk.until(lambda: len(desk.journal) == 2)
    assert closed("2026-11-25", "2026-11-25T23:00:00.000+09:00") == desk.journal[0]


async def test_a_day_waits_for_the_visit_to_end_and_for_a_clock_that_is_trusted() -> None:
    desk = Desk(now=EVENING, trusted=False).open(LOADED)
    async with desk.at_work():
        await desk.looks()
        desk.trusted, desk.may = True, False
        await desk.looks()
        assert [] == desk.journal
        desk.may = True
        await desk.until(lambda: len(desk.journal) == 2)


async def test_totals_that_a_power_cut_kept_from_the_journal_are_kept_at_the_next_start() -> None:
    desk = Desk(now=EVENING).open(LOADED, *OWED, closed("2026-11-25", "2026-11-25T23:00:00.000+09:00"))
    async with desk.at_work():
        await desk.until(lambda: bool(desk.journal))
    [settled] = desk.journal
    assert isinstance(settled, r.DaySettled)
    assert 500 == settled.totals.taken_yen


async def test_staff_may_end_a_day_early_and_what_follows_belongs_to_the_next() -> None:
    desk = Desk().open(LOADED, *OWED)
    assert "2026-11-25" == await desk.office.close_day()
    assert ["DayClosed", "DaySettled"] == [type(record).__name__ for record in desk.journal]
    with pytest.raises(OfficeRefused, match="2026-11-25 is closed, and 2026-11-26 has not begun"):
        await desk.office.close_day()
    desk.now = datetime(2026, 11, 26, 3, 0, tzinfo=UTC)
    assert "2026-11-26" == await desk.office.close_day()


async def test_what_the_municipality_still_says_of_a_closed_day_begins_no_other() -> None:
    compared = r.DayCompared("2026-11-25", matched=True, differences=())
    told = r.MunicipalityTold(ORDER, "result", accepted=True)
    desk = Desk(now=datetime(2026, 11, 30, 3, 0, tzinfo=UTC)).open(
        LOADED, closed("2026-11-25", "2026-11-25T23:00:00.000+09:00"), told, compared
    )
    assert "2026-11-30" == desk.office.open_day.isoformat()


async def test_a_clock_nobody_trusts_ends_no_day() -> None:
    desk = Desk(trusted=False).open(LOADED)
    with pytest.raises(OfficeRefused, match="the clock is not trusted"):
        await desk.office.close_day()


async def test_a_claim_is_paid_once_also_when_two_ask_at_once() -> None:
    desk = Desk().open(LOADED, *OWED)
    outcomes = await asyncio.gather(
        *(desk.office.settle_claim("AAAA-AAAA", f"uid:{who}") for who in (1, 2)), return_exceptions=True
    )
    assert [True, False] == [not isinstance(outcome, OfficeRefused) for outcome in outcomes]
    assert [("AAAA-AAAA", 500)] == desk.counter.asked
    assert [r.ClaimSettled("AAAA-AAAA", 500, "uid:1")] == desk.journal == desk.noted


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (ReportRefused("claim_conflict"), "the municipality says claim_conflict: do not pay"),
        (MunicipalityDown("x"), "the municipality does not answer: do not pay, say it again later"),
        (MunicipalityUncertain("x"), "the municipality does not answer: do not pay, say it again later"),
    ],
)
async def test_a_claim_the_municipality_has_not_noted_is_not_paid(failure: Exception, reason: str) -> None:
    desk = Desk().open(LOADED, *OWED)
    desk.counter.failing = failure
    with pytest.raises(OfficeRefused) as refused:
        await desk.office.settle_claim("AAAA-AAAA", "uid:1")
    assert (reason, []) == (str(refused.value), desk.journal)
    desk.counter.failing = None
    assert 500 == (await desk.office.settle_claim("AAAA-AAAA", "uid:1")).yen


async def test_a_claim_the_counter_has_paid_is_open_here_no_longer() -> None:
    desk = Desk().open(LOADED, *OWED)
    desk.counter.failing, desk.counter.settled_by = ReportRefused("claim_conflict"), "counter"
    with pytest.raises(OfficeRefused, match="claim_conflict: do not pay"):
        await desk.office.settle_claim("AAAA-AAAA", "uid:1")
    assert [r.ClaimPaidElsewhere("AAAA-AAAA", "counter")] == desk.journal == desk.noted
    assert [] == list(desk.office.accounts.open_claims)
    assert "counter" == (await desk.office.look_up_claim("AAAA-AAAA")).settled_by
    assert 1 == len(desk.journal)


@pytest.mark.parametrize("settled_by", [None, "urn:kiosk:demo-0001"])
async def test_a_claim_that_is_only_looked_up_changes_no_book(settled_by: str | None) -> None:
    desk = Desk().open(LOADED, *OWED)
    desk.counter.settled_by = settled_by
    assert settled_by == (await desk.office.look_up_claim("AAAA-AAAA")).settled_by
    assert [] == desk.journal


@pytest.mark.parametrize(
    ("silence", "reason"),
    [
        (ReportRefused("claim_unknown"), "the municipality says claim_unknown"),
        (MunicipalityDown("x"), "the municipality does not answer"),
    ],
)
async def test_a_claim_nobody_can_be_asked_about_is_said_to_be_so(silence: Exception, reason: str) -> None:
    desk = Desk().open(LOADED, *OWED)
    desk.counter.silent = silence
    with pytest.raises(OfficeRefused) as refused:
        await desk.office.look_up_claim("AAAA-AAAA")
    assert reason == str(refused.value)


async def test_a_day_is_closed_once_when_the_clock_and_staff_close_it_together() -> None:
    desk = Desk(now=EVENING).open(LOADED, *OWED)
    async with desk.at_work():
        answers = await asyncio.gather(*(desk.office.close_day() for _ in range(3)), return_exceptions=True)
        await desk.looks()
    assert ["DayClosed", "DaySettled"] == [type(record).__name__ for record in desk.journal]
    assert 2 <= sum(isinstance(answer, OfficeRefused) for answer in answers)
    assert () == desk.office.accounts.faults()


async def test_coins_are_taken_out_once_when_two_say_so_together() -> None:
    desk = Desk().open(LOADED)
    answers = await asyncio.gather(
        *(desk.office.collect(3, 100, 20, f"uid:{who}") for who in (1, 2)), return_exceptions=True
    )
    assert [True, False] == [answer is None for answer in answers]
    assert (0, [0]) == (desk.office.accounts.position(3, 100).coins, desk.hopper.coins)


async def test_a_second_count_is_held_against_the_first() -> None:
    desk = Desk().open(LOADED)
    assert [-2, 0] == await asyncio.gather(*(desk.office.count(3, 100, 18, "x") for _ in range(2)))


async def test_a_record_of_a_command_that_is_not_on_disk_ends_the_run() -> None:
    desk = Desk().open(LOADED, *OWED)
    running = asyncio.create_task(desk.office.run())
    await desk.looks()
    desk.full = True
    with pytest.raises(JournalError):
        await desk.office.settle_claim("AAAA-AAAA", "uid:1")
    with pytest.raises(JournalError):
        await running


async def test_coins_of_a_hopper_that_is_no_more_can_be_counted_and_taken_out() -> None:
    desk = Desk().open(LOADED, r.CoinsRefilled(5, 100, 50, "x"))
    assert 2 == await desk.office.count(5, 100, 52, "x")
    await desk.office.collect(5, 100, 52, "x")
    assert (0, []) == (desk.office.accounts.position(5, 100).coins, desk.hopper.coins)


async def test_a_coin_whose_payout_is_unknown_is_relied_on_no_more() -> None:
    desk = Desk().open(LOADED)
    desk.office.note((r.CoinPayEnded(A, 3, 100, Certainty.UNKNOWN),))
    assert [19] == desk.hopper.coins
    desk.office.note((r.CoinPayEnded(A, 3, 100, Certainty.DONE),))
    assert [19] == desk.hopper.coins


async def test_a_technicians_coin_leaves_the_hoppers_count_as_it_left_the_hopper() -> None:
    desk = Desk().open(LOADED)
    await desk.office.write((r.TrialCoinEnded(3, 100, Certainty.DONE),))
    assert [19] == desk.hopper.coins
    assert (EventId.TRIAL_COIN_ENDED, {"device": "hopper-3", "certainty": Certainty.DONE}) in desk.log


async def test_a_clock_that_was_ahead_at_the_start_does_not_stop_the_days() -> None:
    desk = Desk().open(LOADED, at=datetime(2036, 1, 1, tzinfo=UTC))
    assert "2026-11-25" == await desk.office.close_day()


async def test_a_claim_of_another_kiosk_is_not_paid_here() -> None:
    with pytest.raises(OfficeRefused, match="no slip with the number FFFF-FFFF"):
        await Desk().open(LOADED).office.settle_claim("FFFF-FFFF", "uid:1")


def test_an_unknown_payout_leaves_no_coin_to_rely_on() -> None:
    desk = Desk().open(LOADED, r.CoinPayEnded(A, 3, 100, Certainty.UNKNOWN))
    assert 19 == desk.office.accounts.position(3, 100).sure_coins


async def test_the_books_go_on_where_the_journal_ended() -> None:
    desk = Desk().open(LOADED, *OWED)
    assert 20 == desk.office.accounts.position(3, 100).coins
    assert [("sold", False)] == [(one.outcome, one.unsure) for one in desk.office.visits.last]
    await desk.office.refill(3, 5, "uid:0")
    assert 25 == desk.office.accounts.position(3, 100).coins
    assert not desk.office.accounts.faults()


async def test_records_of_no_step_are_in_the_journal_and_in_nobodys_way() -> None:
    desk = Desk().open(LOADED)
    given = r.CommandGiven("order-0001", "tech-17", "status")
    await desk.office.write((given,))
    assert ([given], [given]) == (desk.journal, desk.noted)
