"""The runner: records before orders, late answers dropped, money never, PIN digits nowhere."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial

import pytest

from firmware.core import events as e
from firmware.core import orders as o
from firmware.core import records as r
from firmware.core import states as s
from firmware.core.facts import (
    AcceptorLevel,
    ClockLevel,
    DocumentPrinterLevel,
    HopperLevel,
    KeypadLevel,
    Level,
    MunicipalityLevel,
    PanelLevel,
    ReaderLevel,
    ReceiptPrinterLevel,
    StaffLevel,
)
from firmware.core.money import ledger
from firmware.core.recovery import recover
from firmware.core.rules import WITHDRAWN_CODES, Rules
from firmware.core.screens import Screen, ScreenId
from firmware.core.steps import Step
from firmware.core.terms import (
    Certainty,
    CertificateKind,
    KeypadKey,
    Language,
    OrderId,
    ServiceHours,
    Subjects,
    VisitId,
)
from firmware.errors import JournalError
from firmware.logbook import FIELDS, EventId, FieldValue
from firmware.screen.server import ScreenServer
from firmware.screen.texts import Texts
from firmware.shell.pin import PinBuffer
from firmware.shell.runner import Answer, Runner, new_visit
from tests.unit.test_screen_storyboard import AMOUNTS, MESSAGES, NAMES

RULES = Rules(
    timeouts_seconds={},
    denominations_yen=frozenset({100, 500}),
    minimum_change_coins={3: 3},
    withdrawn_codes=WITHDRAWN_CODES,
    most_alarms=1,
    most_copies=9,
    languages=(Language.JA, Language.EN),
)
LEVELS: tuple[Level, ...] = (
    ReaderLevel(working=True, card_present=True),
    KeypadLevel(working=True),
    AcceptorLevel(working=True),
    HopperLevel(working=True, coins=20, life_count=1000),
    DocumentPrinterLevel(frozenset()),
    ReceiptPrinterLevel(ready=True),
    PanelLevel(),
    MunicipalityLevel(reachable=True),
    ClockLevel(trusted=True, hours=ServiceHours.OPEN),
)
VISIT = VisitId("a" * 32)
PURCHASE = s.Purchase(
    OrderId(f"{VISIT}-1"),
    CertificateKind.INKAN,
    Subjects.SELF,
    frozenset(),
    1,
    fee_yen=300,
    sheets=1,
    pages=1,
)
COLLECTING = s.CollectingCoins(VISIT, PURCHASE, exact=False)
ENTERING = s.EnteringPin(VISIT, tries_left=3)


class Leaky(Exception):
    """An error that quotes what nobody may read."""


@dataclass
class Ledger:
    """A journal in memory that can be full. disk: how long its sync takes; syncing: whether it does."""

    records: list[r.Record] = field(default_factory=list)
    full: bool = False
    disk: asyncio.Event = field(default_factory=asyncio.Event)
    syncing: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.disk.set()

    async def append(self, records: Sequence[r.Record]) -> None:
        await asyncio.sleep(0)
        self.syncing.set()
        await self.disk.wait()
        if self.full:
            raise JournalError("journal.db: database or disk is full")
        self.records.extend(records)


@dataclass
class RecordingCrew:
    """Notes each order with what the journal held when it came, and answers when told to."""

    journal: Ledger
    begun: list[tuple[o.Order, tuple[r.Record, ...]]] = field(default_factory=list)
    cancelled: list[o.Order] = field(default_factory=list)
    answers: dict[type[o.Order], Answer] = field(default_factory=dict)
    broken: frozenset[type[o.Order]] = frozenset()
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def carry_out(self, order: o.Order, answer: Answer) -> None:
        self.begun.append((order, tuple(self.journal.records)))
        self.answers[type(order)] = answer
        self.changed.set()
        if type(order) in self.broken:
            raise Leaky("1234")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.append(order)
            raise

    def failed(self, order: o.Order) -> e.Event | None:
        return e.CoinPaid(Certainty.UNKNOWN) if isinstance(order, o.PayCoin) else None

    async def begins(self, kind: type[o.Order]) -> o.Order:
        while True:
            for order, _ in self.begun:
                if isinstance(order, kind):
                    return order
            self.changed.clear()
            await self.changed.wait()


@dataclass
class Kiosk:
    """A runner with everything around it that it talks to."""

    journal: Ledger = field(default_factory=Ledger)
    log: deque[tuple[EventId, dict[str, FieldValue]]] = field(default_factory=deque)
    screens: list[Screen] = field(default_factory=list)
    noted: list[r.Record] = field(default_factory=list)
    pin: PinBuffer = field(default_factory=PinBuffer)
    code: PinBuffer = field(default_factory=lambda: PinBuffer(8))
    drawn: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.crew = RecordingCrew(self.journal)
        self.runner = Runner(
            rules=RULES,
            journal=self.journal,
            crew=self.crew,
            pin=self.pin,
            code=self.code,
            show=self.show,
            noted=self.noted.extend,
            log=self.write,
        )
        for level in LEVELS:
            self.runner.report(level)

    def write(self, event: EventId, /, **fields: FieldValue) -> None:
        assert fields.keys() <= FIELDS
        self.log.append((event, fields))

    def show(self, screen: Screen) -> None:
        self.screens.append(screen)
        self.drawn.set()

    @asynccontextmanager
    async def running(self, state: s.State) -> AsyncIterator[asyncio.Task[None]]:
        task = asyncio.create_task(self.runner.run(lambda: Step(state)))
        task.add_done_callback(lambda _: self.drawn.set())
        self.task = task
        try:
            await self.until(lambda: self.runner.state is not None)
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            assert not self.task.done(), self.task
            self.drawn.clear()
            await self.drawn.wait()

    async def reaches(self, kind: type[s.State]) -> s.State:
        await self.until(lambda: isinstance(self.runner.state, kind))
        assert self.runner.state is not None
        return self.runner.state


def test_a_visit_is_128_random_bits() -> None:
    assert 32 == len(new_visit())
    assert new_visit() != new_visit()


async def test_an_order_leaves_only_after_its_record_is_kept() -> None:
    kiosk = Kiosk()
    async with kiosk.running(s.ClosingCoins(VISIT, PURCHASE, 500)):
        await kiosk.crew.begins(o.CloseCoins)
        kiosk.crew.answers[o.CloseCoins](e.CoinsClosed())
        await kiosk.crew.begins(o.Release)
    intended = r.IssueIntended(VISIT, PURCHASE.order_id, 300)
    assert (o.Release(VISIT, PURCHASE.order_id, 300), (intended,)) == kiosk.crew.begun[-1]
    assert [intended] == kiosk.noted


async def test_a_record_that_cannot_be_kept_stops_everything_before_its_order() -> None:
    kiosk = Kiosk()
    async with kiosk.running(COLLECTING) as running:
        await kiosk.crew.begins(o.AcceptCoins)
        kiosk.journal.full = True
        kiosk.runner.post(e.CoinInserted(500, 7, 1))
        with pytest.raises(JournalError):
            await running
    assert [o.AcceptCoins(VISIT, RULES.denominations_yen)] == kiosk.crew.cancelled
    assert COLLECTING == kiosk.runner.state
    assert [] == kiosk.noted


async def test_a_late_answer_of_a_cancelled_order_is_dropped_and_logged() -> None:
    kiosk = Kiosk()
    async with kiosk.running(s.ReadingCard(VISIT)):
        await kiosk.crew.begins(o.ReadCard)
        kiosk.runner.key(KeypadKey.CANCEL)
        kiosk.crew.answers[o.ReadCard](e.CardRead(3))
        await kiosk.reaches(s.Ended)
        kiosk.runner.report(PanelLevel(change_in_cup=True))
        await kiosk.until(lambda: len(kiosk.screens) == 3)
    assert (EventId.LATE_ANSWER_DROPPED, {"answer": "CardRead"}) in kiosk.log
    assert isinstance(kiosk.runner.state, s.Ended)


async def test_an_answer_for_another_visit_than_the_one_under_way_is_dropped_and_logged() -> None:
    """An order that nothing cancels may say a second word when it breaks behind its first."""
    kiosk = Kiosk()
    async with kiosk.running(s.ClosingCoins(VISIT, PURCHASE, 300)):
        await kiosk.crew.begins(o.CloseCoins)
        kiosk.crew.answers[o.CloseCoins](e.CoinsClosed())
        await kiosk.crew.begins(o.Release)
        another = s.Committing(VisitId("b" * 32), PURCHASE, 300)
        kiosk.runner.state = another
        kiosk.crew.answers[o.Release](e.IssueReleased("R-1"))
        kiosk.runner.report(PanelLevel(change_in_cup=True))
        shown = len(kiosk.screens)
        await kiosk.until(lambda: len(kiosk.screens) > shown)
        assert another == kiosk.runner.state
    assert (EventId.LATE_ANSWER_DROPPED, {"answer": "IssueReleased"}) in kiosk.log


async def test_a_time_out_of_an_earlier_turn_does_not_end_an_equal_one() -> None:
    """The digit taken back begins the same timer anew; what the first one still says is stale."""
    kiosk = Kiosk()
    timed = replace(RULES, timeouts_seconds={"EnteringPin": 60.0})
    kiosk.runner._rules = timed
    async with kiosk.running(ENTERING):
        await kiosk.crew.begins(o.RunTimer)
        first = kiosk.crew.answers[o.RunTimer]
        kiosk.runner.key(KeypadKey.DIGIT_1)
        kiosk.runner.key(KeypadKey.CORRECT)
        first(e.TimedOut())
        kiosk.runner.report(PanelLevel(change_in_cup=True))
        await kiosk.until(lambda: len(kiosk.screens) == 4)
        assert kiosk.runner.state == ENTERING
    assert (EventId.LATE_ANSWER_DROPPED, {"answer": "TimedOut"}) in kiosk.log


@pytest.mark.parametrize(
    "state",
    [s.ClosingCoins(VISIT, PURCHASE, 0, s.EndReason.CANCELLED), s.Printing(VISIT, PURCHASE, 300, "R-1")],
)
async def test_a_coin_is_never_late(state: s.State) -> None:
    kiosk = Kiosk()
    async with kiosk.running(state):
        kiosk.runner.post(e.CoinInserted(500, 7, 1))
        await kiosk.until(lambda: len(kiosk.screens) == 2)
    assert [r.CoinTaken(VISIT, 500, 7, 1)] == kiosk.journal.records


async def test_a_coin_that_came_before_the_start_is_counted_after_it() -> None:
    kiosk = Kiosk()
    kiosk.runner.post(e.CoinInserted(100, 7, 1))
    assert kiosk.runner.coin_devices_work()
    async with kiosk.running(s.ClosingCoins(VISIT, PURCHASE, 500, s.EndReason.POWER_CUT)):
        await kiosk.until(lambda: len(kiosk.screens) == 2)
        assert s.ClosingCoins(VISIT, PURCHASE, 600, s.EndReason.POWER_CUT) == kiosk.runner.state


async def test_pin_digits_stay_in_the_buffer_and_only_their_number_is_shown() -> None:
    kiosk = Kiosk()
    async with kiosk.running(ENTERING):
        await kiosk.crew.begins(o.CollectPin)
        for key in "71":
            kiosk.runner.key(KeypadKey(key))
        kiosk.runner.key(KeypadKey.CORRECT)
        for key in "935":
            kiosk.runner.key(KeypadKey(key))
        kiosk.runner.key(KeypadKey.DIGIT_8)
        kiosk.runner.key(KeypadKey.CONFIRM)
        await kiosk.reaches(s.Signing)
        assert [1, 2, 1, 2, 3, 4, 4] == [screen.pin_digits for screen in kiosk.screens[1:8]]
        assert bytearray(b"7935") == kiosk.pin.take()
    assert [] == kiosk.journal.records
    assert not any("digit" in str(fields) for _, fields in kiosk.log)


async def test_a_touched_digit_types_no_pin_but_the_other_touched_keys_work() -> None:
    kiosk = Kiosk()
    async with kiosk.running(ENTERING):
        await kiosk.crew.begins(o.CollectPin)
        for digit in "1234":
            kiosk.runner.touch(KeypadKey(digit), lambda: True)
        kiosk.runner.touch(KeypadKey.CONFIRM, lambda: True)
        kiosk.runner.key(KeypadKey.DIGIT_5)
        kiosk.runner.touch(KeypadKey.CORRECT, lambda: True)
        kiosk.runner.touch(KeypadKey.CANCEL, lambda: True)
        await kiosk.reaches(s.Ended)
    assert [0, 0, 1, 0] == [screen.pin_digits for screen in kiosk.screens if screen.id is ScreenId.PIN]


@dataclass
class Shown(Kiosk):
    """With the pictures of the page, and touches that its server has let in."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.runner.report(ReaderLevel(working=True))
        self.server = ScreenServer(
            host="127.0.0.1",
            port=0,
            texts=Texts.load(MESSAGES, NAMES, AMOUNTS),
            pressed=self.runner.touch,
            log=self.write,
            keepalive_seconds=1.0,
            silence_seconds=2.0,
        )

    def show(self, screen: Screen) -> None:
        self.server.show(screen, Language.JA)
        super().show(screen)

    def touch(self, key: KeypadKey) -> None:
        self.runner.touch(key, partial(self.server.shows, self.server.seq))


async def test_a_second_touch_of_the_same_picture_skips_no_picture_however_slow_the_disk_is() -> None:
    """What the notice says, such as that there is no receipt, nobody would have read."""
    kiosk = Shown()
    async with kiosk.running(s.Idle()):
        kiosk.journal.disk.clear()
        kiosk.touch(KeypadKey.CONFIRM)
        await kiosk.journal.syncing.wait()
        kiosk.touch(KeypadKey.CONFIRM)
        kiosk.journal.disk.set()
        await kiosk.runner.caught_up()
        assert isinstance(kiosk.runner.state, s.Notice)
        kiosk.touch(KeypadKey.CONFIRM)
        await kiosk.reaches(s.AwaitingCard)
    assert EventId.SCREEN_INTENT_REFUSED not in [event for event, _ in kiosk.log]


async def test_touches_while_a_coin_is_written_down_do_not_answer_a_question_nobody_has_seen() -> None:
    kiosk = Shown()
    async with kiosk.running(COLLECTING):
        await kiosk.crew.begins(o.AcceptCoins)
        kiosk.journal.disk.clear()
        kiosk.runner.post(e.CoinInserted(100, 7, 1))
        await kiosk.journal.syncing.wait()
        kiosk.touch(KeypadKey.CANCEL)
        kiosk.touch(KeypadKey.CANCEL)
        kiosk.journal.disk.set()
        await kiosk.runner.caught_up()
        assert replace(COLLECTING, paid_yen=100) == kiosk.runner.state
        kiosk.touch(KeypadKey.CANCEL)
        kiosk.touch(KeypadKey.CANCEL)
        await kiosk.runner.caught_up()
        asks = kiosk.runner.state
        assert isinstance(asks, s.CollectingCoins)
        assert s.Question.STOP is asks.question


async def test_a_touch_counts_when_the_picture_was_only_drawn_anew_and_a_key_always_does() -> None:
    kiosk = Shown()
    async with kiosk.running(s.Idle()):
        kiosk.touch(KeypadKey.CONFIRM)
        kiosk.show(kiosk.screens[-1])
        await kiosk.reaches(s.Notice)
        kiosk.runner.key(KeypadKey.CONFIRM)
        kiosk.server.show(kiosk.screens[-1], Language.EN)
        await kiosk.reaches(s.AwaitingCard)


async def test_a_key_that_a_technicians_test_hears_calls_no_staff_and_its_coin_is_counted_all_the_same() -> (
    None
):
    kiosk = Kiosk()
    kiosk.runner.report(StaffLevel(digits=8, sale=s.Sale(PURCHASE, "0001")))
    kiosk.runner.report(PanelLevel(paper_in_tray=True))
    heard: list[KeypadKey | e.Event] = []
    coin = e.CoinInserted(100, 1, 1)
    async with kiosk.running(s.NotServing()):
        kiosk.runner.overheard = heard.append
        kiosk.runner.key(KeypadKey.CORRECT)
        kiosk.runner.post(coin)
        await kiosk.until(lambda: bool(kiosk.noted))
        assert isinstance(kiosk.runner.state, s.NotServing)
        kiosk.runner.key(KeypadKey.CANCEL)
        assert [KeypadKey.CORRECT, coin, KeypadKey.CANCEL] == heard
        kiosk.runner.overheard = None
        kiosk.runner.key(KeypadKey.CORRECT)
        await kiosk.reaches(s.EnteringStaffCode)


async def test_an_incomplete_pin_is_not_confirmed() -> None:
    kiosk = Kiosk()
    async with kiosk.running(ENTERING):
        await kiosk.crew.begins(o.CollectPin)
        for key in ("1", "2", "3", "confirm", "4"):
            kiosk.runner.key(KeypadKey(key))
        await kiosk.until(lambda: len(kiosk.screens) == 6)
        assert replace(ENTERING, digits=4) == kiosk.runner.state


@pytest.mark.parametrize("leave", [KeypadKey.CANCEL, None], ids=["cancelled", "stopped"])
async def test_the_pin_is_wiped_however_its_screen_is_left(leave: KeypadKey | None) -> None:
    kiosk = Kiosk()
    async with kiosk.running(ENTERING):
        await kiosk.crew.begins(o.CollectPin)
        for digit in "1234":
            kiosk.runner.key(KeypadKey(digit))
        await kiosk.until(lambda: len(kiosk.screens) == 5)
        assert kiosk.pin.full
        if leave is not None:
            kiosk.runner.key(leave)
            await kiosk.reaches(s.Ended)
    assert bytearray(4) == kiosk.pin._digits
    assert 0 == kiosk.pin.count


async def test_a_broken_order_gets_its_careful_answer_and_its_text_is_not_logged() -> None:
    kiosk = Kiosk()
    kiosk.crew.broken = frozenset({o.PayCoin})
    async with kiosk.running(s.ClosingCoins(VISIT, PURCHASE, 500, s.EndReason.CANCELLED)):
        await kiosk.crew.begins(o.CloseCoins)
        kiosk.crew.answers[o.CloseCoins](e.CoinsClosed())
        await kiosk.crew.begins(o.PrintSlip)
    assert r.CoinPayEnded(VISIT, 3, 100, Certainty.UNKNOWN) in kiosk.journal.records
    assert (EventId.TASK_FAILED, {"order": "PayCoin", "error": "Leaky"}) in kiosk.log
    assert "1234" not in str(kiosk.log)


async def test_a_broken_order_without_an_answer_is_logged_and_the_kiosk_goes_on() -> None:
    kiosk = Kiosk()
    kiosk.crew.broken = frozenset({o.AcceptCoins})
    async with kiosk.running(COLLECTING):
        await kiosk.crew.begins(o.AcceptCoins)
        kiosk.runner.key(KeypadKey.CANCEL)
        kiosk.runner.key(KeypadKey.CONFIRM)
        await kiosk.reaches(s.ClosingCoins)
    assert (EventId.TASK_FAILED, {"order": "AcceptCoins", "error": "Leaky"}) in kiosk.log


async def test_the_old_state_s_orders_are_cancelled_before_the_new_one_s_begin() -> None:
    kiosk = Kiosk()
    async with kiosk.running(COLLECTING):
        await kiosk.crew.begins(o.AcceptCoins)
        kiosk.runner.key(KeypadKey.CANCEL)
        kiosk.runner.key(KeypadKey.CONFIRM)
        await kiosk.crew.begins(o.CloseCoins)
        assert [o.AcceptCoins(VISIT, RULES.denominations_yen)] == kiosk.crew.cancelled


async def test_an_order_that_stays_in_force_is_not_begun_twice() -> None:
    kiosk = Kiosk()
    async with kiosk.running(COLLECTING):
        await kiosk.crew.begins(o.AcceptCoins)
        kiosk.runner.post(e.CoinInserted(100, 7, 1))
        kiosk.runner.report(PanelLevel(change_in_cup=True))
        await kiosk.until(lambda: len(kiosk.screens) == 3)
    assert 1 == len(kiosk.crew.begun)


async def test_a_flapping_device_ends_a_visit_once_and_loses_no_yen() -> None:
    kiosk = Kiosk()
    async with kiosk.running(replace(COLLECTING, paid_yen=100)):
        for working in (False, True) * 20:
            kiosk.runner.report(AcceptorLevel(working))
        await kiosk.until(lambda: len(kiosk.screens) == 41)
        assert s.ClosingCoins(VISIT, PURCHASE, 100, s.EndReason.COIN_FAULT) == kiosk.runner.state
    entered = [fields["state"] for event, fields in kiosk.log if event is EventId.STATE_ENTERED]
    assert ["CollectingCoins", "ClosingCoins"] == entered


async def test_two_visits_back_to_back_have_two_identities() -> None:
    kiosk = Kiosk()
    async with kiosk.running(s.Idle()):
        first = await kiosk.reaches(s.Notice)
        kiosk.runner.key(KeypadKey.CANCEL)
        await kiosk.reaches(s.Ended)
        kiosk.runner.report(ReaderLevel(working=True, card_present=False))
        kiosk.runner.key(KeypadKey.CONFIRM)
        await kiosk.reaches(s.Idle)
        kiosk.runner.report(ReaderLevel(working=True, card_present=True))
        second = await kiosk.reaches(s.Notice)
    assert isinstance(first, s.Notice)
    assert isinstance(second, s.Notice)
    assert first.visit != second.visit
    began = [record for record in kiosk.journal.records if isinstance(record, r.VisitBegan)]
    assert [r.VisitBegan(first.visit), r.VisitBegan(second.visit)] == began


async def test_stopping_cancels_committed_orders_too() -> None:
    kiosk = Kiosk()
    async with kiosk.running(s.ClosingCoins(VISIT, PURCHASE, 500)):
        await kiosk.crew.begins(o.CloseCoins)
        kiosk.crew.answers[o.CloseCoins](e.CoinsClosed())
        order = await kiosk.crew.begins(o.Release)
    assert order in kiosk.crew.cancelled


async def test_a_coin_that_comes_after_the_run_is_kept_and_no_order_leaves() -> None:
    kiosk = Kiosk()
    async with kiosk.running(COLLECTING):
        pass
    begun = list(kiosk.crew.begun)
    kiosk.runner.post(e.CoinInserted(100, 7, 1))
    kiosk.runner.post(e.CoinTrouble(0, 20, 7, 2))
    await kiosk.runner.keep_late_coins()
    assert [
        r.CoinTaken(VISIT, 100, 7, 1),
        r.CoinsSuspected(VISIT, 0, 20, True, 7, 2),
    ] == kiosk.journal.records
    assert begun == kiosk.crew.begun


RESERVED: tuple[r.Record, ...] = (
    r.VisitBegan(VISIT),
    r.OrderAsked(VISIT, PURCHASE.order_id, PURCHASE.kind, 1),
    r.OrderReserved(VISIT, PURCHASE.order_id, 300, 1, 1),
)
PRINTING: tuple[r.Record, ...] = (
    *RESERVED,
    r.CoinTaken(VISIT, 300, 7, 1),
    r.IssueIntended(VISIT, PURCHASE.order_id, 300),
    r.IssueCommitted(VISIT, PURCHASE.order_id, "R-1"),
    r.PrintIntended(VISIT, PURCHASE.order_id, "cert", 1),
)
REFUNDING: tuple[r.Record, ...] = (
    *RESERVED,
    r.CoinTaken(VISIT, 100, 7, 1),
    r.PayoutBegan(VISIT, s.PayoutPurpose.REFUND, 100, s.EndReason.CANCELLED),
    r.CoinPayIntended(VISIT, 3, 100, 1000),
)
PAYING = s.PayingOut(
    VISIT,
    PURCHASE,
    s.PayoutPurpose.REFUND,
    paid_yen=100,
    remaining_yen=100,
    reason=s.EndReason.CANCELLED,
    coin=s.CoinOnItsWay(3, 100, 20),
)


TAKEN, STRAY = r.CoinTaken(VISIT, 100, 7, 9), r.CoinUnclaimed(100, 7, 9)


@pytest.mark.parametrize(
    ("before", "state", "event", "coin", "held_yen"),
    [
        (PRINTING, s.Printing(VISIT, PURCHASE, 300, "R-1"), e.PrintFinished(Certainty.DONE, 1), STRAY, 0),
        (REFUNDING, PAYING, e.CoinPaid(Certainty.DONE), STRAY, 0),
        (
            REFUNDING[:4],
            s.ClosingCoins(VISIT, PURCHASE, 100, s.EndReason.CANCELLED),
            e.CoinsClosed(),
            TAKEN,
            200,
        ),
        (RESERVED, COLLECTING, e.CoinInserted(100, 7, 1), TAKEN, 200),
    ],
    ids=["the sale's end", "the refund's end", "the refund's beginning", "a coin"],
)
async def test_stopped_while_a_record_is_synced_the_next_coin_falls_into_the_state_of_the_journal(
    before: tuple[r.Record, ...], state: s.State, event: e.Event, coin: r.Record, held_yen: int
) -> None:
    kiosk = Kiosk()
    kiosk.journal.records += before
    async with kiosk.running(state) as running:
        kiosk.journal.disk.clear()
        kiosk.runner.post(event)
        await kiosk.journal.syncing.wait()
        for _ in range(2):
            running.cancel()
            await asyncio.sleep(0)
        assert not running.done()
        kiosk.journal.disk.set()
        with pytest.raises(asyncio.CancelledError):
            await running
    begun = list(kiosk.crew.begun)
    kiosk.runner.post(e.CoinInserted(100, 7, 9))
    await kiosk.runner.keep_late_coins()
    assert begun == kiosk.crew.begun
    kept = kiosk.journal.records
    assert coin == kept[-1]
    assert len(before) + 2 <= len(kept)
    books = ledger((*kept, *recover(kept).records))
    assert ((), held_yen) == (books.faults(), books.held_yen)


async def test_a_start_cut_off_while_its_first_record_is_synced_takes_late_coins_all_the_same() -> None:
    kiosk = Kiosk()
    kiosk.journal.disk.clear()
    kiosk.runner.report(ClockLevel(trusted=True, hours=ServiceHours.CLOSED))
    settling = Step(s.NotServing(), (r.VisitEnded(VISIT, s.EndReason.POWER_CUT),))
    running = asyncio.create_task(kiosk.runner.run(lambda: settling))
    await kiosk.journal.syncing.wait()
    running.cancel()
    kiosk.journal.disk.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    kiosk.runner.post(e.CoinInserted(500, 7, 1))
    await kiosk.runner.keep_late_coins()
    assert [*settling.records, r.CoinUnclaimed(500, 7, 1)] == kiosk.journal.records


async def test_a_record_lost_while_the_kiosk_is_stopped_is_told_all_the_same() -> None:
    kiosk = Kiosk()
    async with kiosk.running(COLLECTING) as running:
        kiosk.journal.disk.clear()
        kiosk.journal.full = True
        kiosk.runner.post(e.CoinInserted(100, 7, 1))
        await kiosk.journal.syncing.wait()
        running.cancel()
        kiosk.journal.disk.set()
        with pytest.raises(JournalError):
            await running
    assert replace(COLLECTING, paid_yen=100) == kiosk.runner.stranded


NIGHT = ClockLevel(trusted=True, hours=ServiceHours.CLOSED)
DAY = r.DayClosed("2026-11-25", "2026-11-25T23:00:00.000+09:00")


async def test_entries_in_the_books_are_on_disk_when_the_answer_comes_or_refused_whole() -> None:
    kiosk = Kiosk()
    kiosk.runner.report(NIGHT)
    kiosk.runner.report(PanelLevel(door_open=True))
    async with kiosk.running(s.NotServing()):
        refill = r.CoinsRefilled(3, 100, 20, "uid:0")
        assert await kiosk.runner.book((refill, DAY))
        assert [refill, DAY] == kiosk.journal.records == kiosk.noted
        kiosk.runner.report(PanelLevel())
        assert not await kiosk.runner.book((refill,))
        assert [refill, DAY] == kiosk.journal.records


async def test_nobody_is_told_that_an_entry_is_kept_by_a_journal_that_is_full() -> None:
    kiosk = Kiosk()
    kiosk.runner.report(NIGHT)
    async with kiosk.running(s.NotServing()) as task:
        kiosk.journal.full = True
        booking = asyncio.create_task(kiosk.runner.book((DAY,)))
        with pytest.raises(JournalError):
            await task
        assert not booking.done()
        booking.cancel()


async def test_an_entry_that_comes_too_late_is_not_made() -> None:
    kiosk = Kiosk()
    kiosk.runner.report(NIGHT)
    async with kiosk.running(s.NotServing()):
        pass
    booking, given_up = (asyncio.create_task(kiosk.runner.book((DAY,))) for _ in range(2))
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.sleep(0)
    kiosk.runner.post(e.CoinInserted(500, 7, 1))
    await kiosk.runner.keep_late_coins()
    assert not await booking
    assert [r.CoinUnclaimed(500, 7, 1)] == kiosk.journal.records


async def test_a_coin_that_cannot_be_recorded_is_shown_with_the_late_ones_and_orders_nothing() -> None:
    kiosk = Kiosk()
    async with kiosk.running(COLLECTING) as running:
        await kiosk.crew.begins(o.AcceptCoins)
        kiosk.journal.full = True
        kiosk.runner.post(e.CoinInserted(100, 7, 1))
        with pytest.raises(JournalError):
            await running
    kiosk.journal.full = False
    begun = list(kiosk.crew.begun)
    kiosk.runner.report(PanelLevel())
    kiosk.runner.post(e.CoinInserted(100, 7, 2))
    kiosk.runner.post(e.CoinInserted(100, 7, 3))
    await kiosk.runner.keep_late_coins()
    assert replace(COLLECTING, paid_yen=300) == kiosk.runner.stranded
    assert COLLECTING == kiosk.runner.state
    assert [] == kiosk.journal.records
    assert begun == kiosk.crew.begun
    assert (ScreenId.OUT_OF_SERVICE, "journal_money") == (kiosk.screens[-1].id, kiosk.screens[-1].reason)


async def test_a_coin_whose_intent_cannot_be_recorded_is_not_on_its_way() -> None:
    kiosk = Kiosk()
    closing = s.ClosingCoins(VISIT, PURCHASE, 200, s.EndReason.CANCELLED)
    async with kiosk.running(closing) as running:
        await kiosk.crew.begins(o.CloseCoins)
        kiosk.journal.full = True
        kiosk.crew.answers[o.CloseCoins](e.CoinsClosed())
        with pytest.raises(JournalError):
            await running
    assert isinstance(kiosk.runner.stranded, s.PayingOut)
    assert (None, 200) == (kiosk.runner.stranded.coin, kiosk.runner.stranded.remaining_yen)
    assert not any(isinstance(order, o.PayCoin) for order, _ in kiosk.crew.begun)
