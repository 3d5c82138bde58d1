"""The crew when it is cancelled, hurried and let down: the slot shuts, and a visit leaves nothing behind."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from firmware import ports
from firmware.core import events as e
from firmware.core import orders as o
from firmware.core.states import Purchase
from firmware.core.terms import (
    Aid,
    CardRefusal,
    Certainty,
    CertificateKind,
    Language,
    Offer,
    OrderId,
    Refusal,
    Subjects,
    VisitId,
    Yen,
)
from firmware.errors import (
    CardGone,
    CardUnusable,
    DeviceGone,
    DocumentError,
    MunicipalityAnswerInvalid,
    MunicipalityDown,
    MunicipalityUncertain,
    PinBlocked,
    PinUncertain,
    PinWrong,
    PrintNotSubmitted,
    PrintUncertain,
    Refused,
)
from firmware.logbook import FIELDS, EventId, FieldValue
from firmware.shell.crew import DeviceCrew
from firmware.shell.devices import Devices
from firmware.shell.pin import PinBuffer
from firmware.shell.workers import SpareWorker

VISIT = VisitId("a" * 32)
PURCHASE = Purchase(
    OrderId(f"{VISIT}-1"),
    CertificateKind.INKAN,
    Subjects.SELF,
    frozenset(),
    1,
    fee_yen=300,
    sheets=1,
    pages=2,
)
COINS = o.AcceptCoins(VISIT, frozenset({100, 500}))
OFFER = Offer(CertificateKind.INKAN, 300, 1, household=False)


@dataclass
class World:
    """Every device in one object that notes what is asked of it. faults: raised instead of an answer."""

    asked: list[str] = field(default_factory=list)
    faults: dict[str, Exception] = field(default_factory=dict)
    held: dict[str, asyncio.Event] = field(default_factory=dict)
    noticed: asyncio.Event = field(default_factory=asyncio.Event)
    offers: tuple[Offer, ...] = (OFFER,)
    mark: ports.CoinMark | None = None
    worker_lives: bool = False
    read_last: ports.CardReading | None = None

    async def ask(self, name: str) -> None:
        self.asked.append(name)
        self.noticed.set()
        if name in self.held:
            await self.held[name].wait()
        if name in self.faults:
            raise self.faults[name]

    async def until(self, name: str, times: int = 1) -> None:
        while self.asked.count(name) < times:
            self.noticed.clear()
            await self.noticed.wait()

    # the card, the slot, the worker and the municipality, by the names of their ports

    async def read(self) -> ports.CardReading:
        await self.ask("read")
        self.read_last = ports.CardReading(b"der", 3)
        return self.read_last

    async def sign(self, pin: bytearray, _message: bytes) -> ports.CardSignature:
        pin[:] = bytes(4)
        await self.ask("sign")
        return ports.CardSignature("RS256", b"signature")

    async def release(self, what: Any, *fee_yen: Yen) -> Any:
        await self.ask("commit" if fee_yen else "release card")
        if what is self.read_last:
            self.read_last = None
        return ports.Released("R-1", b"authority")

    async def accept(self, _denominations: frozenset[Yen]) -> None:
        await self.ask("accept")

    async def stop(self) -> None:
        await self.ask("stop")

    async def start(self) -> bytes:
        await self.ask("start")
        self.worker_lives = True
        return bytes(32)

    async def prepare(self, *_: object) -> ports.Prepared:
        await self.ask("prepare")
        return ports.Prepared(1, 2)

    async def print(self, authority: bytes, _job_name: str) -> None:
        assert b"authority" == authority
        await self.ask("print")

    def alive(self) -> bool:
        return self.worker_lives

    async def end(self) -> None:
        await self.ask("end worker")
        self.worker_lives = False

    async def open_session(self, *_: object) -> ports.Session:
        await self.ask("open session")
        return ports.Session("session", b"message", EXPIRES)

    async def authenticate(self, *_: object) -> ports.Authenticated:
        await self.ask("authenticate")
        return ports.Authenticated("ref", self.offers, ((CertificateKind.SHOTOKU, Refusal.NO_TAX_RECORD),))

    async def reserve(self, *_: object) -> ports.Reserved:
        await self.ask("reserve")
        return ports.Reserved(PURCHASE.order_id, 300, b"sealed")

    async def reprint(self, *_: object) -> ports.Refetched:
        await self.ask("fetch again")
        request = ports.OrderRequest(
            PURCHASE.order_id, PURCHASE.kind, PURCHASE.subjects, PURCHASE.items, PURCHASE.copies
        )
        return ports.Refetched(request, "session", "ref", 300, b"sealed", b"authority")

    async def end_session(self, _session_id: str) -> None:
        await self.ask("end session")

    async def refresh(self) -> None:
        await self.ask("refresh")

    async def expect(self, _job_name: str) -> None:
        await self.ask("expect")

    async def follow(
        self, _job_name: str, pages: int, progress: Any, *, sheets: int = 0
    ) -> ports.PrintResult:
        await self.ask(f"follow {sheets}" if sheets else "follow")
        progress(ports.PrintProgress(1, pages))
        return ports.PrintResult(Certainty.DONE, pages)

    async def purge(self, job_name: str) -> bool:
        await self.ask(f"purge {job_name}")
        return False

    async def pay_one(self, _life_count: int) -> Certainty:
        await self.ask("pay one")
        return Certainty.DONE

    async def reconcile(self, _life_count: int, _serial: int | None) -> Certainty:
        await self.ask("reconcile")
        return Certainty.NOT_DONE

    async def print_slip(self, _lines: object) -> Certainty:
        await self.ask("print slip")
        return Certainty.UNKNOWN

    def buzz(self, pattern: str) -> None:
        self.asked.append(f"buzz {pattern}")


EXPIRES = datetime(2026, 11, 25, 3, 2, tzinfo=UTC)


class Bench:
    """A crew on that world."""

    def __init__(self) -> None:
        self.world = World()
        self.now = EXPIRES - timedelta(seconds=1)
        world: Any = self.world
        self.log: list[tuple[EventId, dict[str, FieldValue]]] = []
        self.pin = PinBuffer()
        self.spoken: list[Language] = []
        self.adapted: list[Aid] = []
        self.sounded: list[o.Alarm] = []
        self.answers: list[e.Event] = []
        devices = Devices(
            card=world,
            keypad=world,
            acceptor=world,
            payouts={3: world},
            printer=world,
            receipt=world,
            panel=world,
            municipality=world,
            new_worker=lambda: cast("ports.DocumentWorker", world),
            slip_lines=lambda *_: (),
        )
        self.crew = DeviceCrew(
            devices=devices,
            pin=self.pin,
            spare=SpareWorker(devices.new_worker),
            fee_now=lambda *_: 300,
            now=lambda: self.now,
            speak=self.spoken.append,
            admits=self.admits,
            adapt=self.adapted.append,
            sound=self.sounded.append,
            log=self.write,
        )

    def write(self, event: EventId, /, **fields: FieldValue) -> None:
        assert fields.keys() <= FIELDS
        self.log.append((event, fields))

    async def admits(self) -> bool:
        await self.world.ask("staff code")
        return True

    def begin(self, order: o.Order) -> asyncio.Task[None]:
        return asyncio.create_task(self.crew.carry_out(order, self.answers.append))

    async def do(self, *orders: o.Order) -> list[e.Event]:
        """Carry the orders out one after the other; what the last one answered."""
        for order in orders:
            if isinstance(order, o.SignWithPin):
                for digit in (1, 2, 3, 4):
                    self.pin.add(digit)
            self.answers.clear()
            await self.crew.carry_out(order, self.answers.append)
        return self.answers


KNOWN = (o.ReadCard(VISIT), o.OpenSession(VISIT), o.SignWithPin(VISIT), o.Authenticate(VISIT))
PREPARED = (*KNOWN, o.Prepare(VISIT, PURCHASE))
RELEASED = (*PREPARED, o.Release(VISIT, PURCHASE.order_id, 300))
PRINT = o.Print(VISIT, "cert", 2)
SLIP = o.PrintSlip(VISIT, cast("Any", None), CertificateKind.INKAN, 1, 300, 300, 0, 0, "R-1", "AAAA-AAAA")


async def test_no_try_is_spent_on_a_signature_that_nobody_takes_any_more() -> None:
    bench = Bench()
    await bench.do(*KNOWN[:2])
    bench.now = EXPIRES
    assert [e.MunicipalityFailed(Certainty.NOT_DONE)] == await bench.do(KNOWN[2])
    assert "sign" not in bench.world.asked
    assert 0 == bench.pin.count


async def cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize(
    ("orders", "expected"),
    [
        ((o.RunTimer("Idle", 0, 0.0),), [e.TimedOut()]),
        (KNOWN[:1], [e.CardRead(3)]),
        (KNOWN[:2], [e.SessionOpened()]),
        (KNOWN[:3], [e.CardSigned()]),
        (KNOWN, [e.PersonKnown((OFFER,), (CertificateKind.SHOTOKU,))]),
        (PREPARED, [e.DocumentPrepared(300, 1, 2)]),
        (RELEASED, [e.IssueReleased("R-1")]),
        ((*RELEASED, PRINT), [e.PagesOut(1), e.PrintFinished(Certainty.DONE, 2)]),
        ((o.FollowPrint(VISIT, "cert", 2),), [e.PagesOut(1), e.PrintFinished(Certainty.DONE, 2)]),
        ((o.PayCoin(VISIT, 3, 7),), [e.CoinPaid(Certainty.DONE)]),
        ((o.ReconcileCoin(VISIT, 3, 7),), [e.CoinPaid(Certainty.NOT_DONE)]),
        ((SLIP,), [e.SlipFinished(Certainty.UNKNOWN)]),
        ((o.CloseCoins(VISIT),), [e.CoinsClosed()]),
        ((o.EndVisit(VISIT),), []),
        ((o.Speak(Language.EN),), []),
        ((o.Adapt(Aid.LARGE),), []),
        ((o.Sound(o.Alarm.ALARM),), []),
    ],
)
async def test_each_order_brings_its_answer(orders: tuple[o.Order, ...], expected: list[e.Event]) -> None:
    bench = Bench()
    assert expected == await bench.do(*orders)


@pytest.mark.parametrize(
    ("orders", "device", "fault", "expected"),
    [
        (KNOWN[:1], "read", CardUnusable(CardRefusal.JUKI_CARD), e.CardRefused(CardRefusal.JUKI_CARD)),
        (KNOWN[:1], "read", CardGone("x"), e.CardRefused(CardRefusal.MOVED)),
        (KNOWN[:1], "read", DeviceGone("x"), e.CardRefused(CardRefusal.READER_FAULT)),
        (KNOWN[:2], "start", DocumentError("x"), e.MunicipalityFailed(Certainty.NOT_DONE)),
        (KNOWN[:2], "open session", MunicipalityDown("x"), e.MunicipalityFailed(Certainty.NOT_DONE)),
        (KNOWN[:2], "open session", Refused(Refusal.MAINTENANCE), e.MunicipalityRefused(Refusal.MAINTENANCE)),
        (KNOWN[:3], "sign", PinWrong(2), e.PinWasRefused(2)),
        (KNOWN[:3], "sign", PinBlocked(), e.PinIsLocked()),
        (KNOWN[:3], "sign", PinUncertain("x"), e.PinInDoubt()),
        (KNOWN[:3], "sign", CardGone("x"), e.CardRefused(CardRefusal.MOVED)),
        (KNOWN, "authenticate", MunicipalityUncertain("x"), e.MunicipalityFailed(Certainty.UNKNOWN)),
        (KNOWN, "authenticate", MunicipalityAnswerInvalid("x"), e.MunicipalityFailed(Certainty.UNKNOWN)),
        (PREPARED, "reserve", MunicipalityDown("x"), e.MunicipalityFailed(Certainty.NOT_DONE)),
        (PREPARED, "prepare", DocumentError("x"), e.DocumentRefused()),
        (RELEASED, "commit", MunicipalityUncertain("x"), e.MunicipalityFailed(Certainty.UNKNOWN)),
        ((*RELEASED, PRINT), "print", PrintNotSubmitted("x"), e.PrintFinished(Certainty.NOT_DONE, 0)),
        ((*RELEASED, PRINT), "print", PrintUncertain("x"), e.PrintFinished(Certainty.DONE, 2)),
    ],
)
async def test_each_fault_has_its_answer(
    orders: tuple[o.Order, ...], device: str, fault: Exception, expected: e.Event
) -> None:
    bench = Bench()
    bench.world.faults[device] = fault
    assert expected == (await bench.do(*orders))[-1]
    assert not any("x" == value for _, fields in bench.log for value in fields.values())


async def test_what_the_print_server_surely_did_not_take_is_cancelled_there_all_the_same() -> None:
    bench = Bench()
    bench.world.faults["print"] = PrintNotSubmitted("x")
    await bench.do(*RELEASED, PRINT)
    assert f"purge {PRINT.job_name}" == bench.world.asked[-1]


async def test_a_fee_that_is_not_the_profile_s_lets_nobody_pay() -> None:
    bench = Bench()
    bench.world.offers = (Offer(CertificateKind.INKAN, 400, 1, household=False),)
    assert [e.MunicipalityFailed(Certainty.UNKNOWN)] == await bench.do(*KNOWN)


async def test_a_person_without_an_offer_is_refused_for_the_first_reason() -> None:
    bench = Bench()
    bench.world.offers = ()
    assert [e.MunicipalityRefused(Refusal.NO_TAX_RECORD)] == await bench.do(*KNOWN)


async def test_a_step_out_of_order_breaks_and_takes_no_pin() -> None:
    bench = Bench()
    await bench.do(o.ReadCard(VISIT))
    with pytest.raises(LookupError, match=r"^the visit has no such thing$"):
        await bench.do(o.SignWithPin(VISIT))
    assert "sign" not in bench.world.asked
    assert e.PinInDoubt() == bench.crew.failed(o.SignWithPin(VISIT))


@pytest.mark.parametrize(
    "name", ["OpenSession", "SignWithPin", "Authenticate", "Prepare", "Release", "Print"]
)
async def test_an_order_of_another_visit_than_the_one_under_way_reaches_no_device(name: str) -> None:
    """Whoever stands at the kiosk: a card, session, document or authority is used for its own visit alone."""
    orders = {type(order).__name__: order for order in (*RELEASED, PRINT)}
    bench = Bench()
    await bench.do(*RELEASED)
    bench.world.asked.clear()
    with pytest.raises(LookupError, match=r"^an order of another visit$"):
        await bench.do(replace(cast("Any", orders[name]), visit=VisitId("another")))
    assert [] == bench.world.asked


@pytest.mark.parametrize(
    "order", [o.PayCoin(VISIT, 3, 1), o.ReconcileCoin(VISIT, 3, 1), RELEASED[-1], PRINT, SLIP]
)
def test_what_broke_down_may_have_happened(order: o.Order) -> None:
    answer: Any = Bench().crew.failed(order)
    assert Certainty.UNKNOWN is answer.certainty


async def test_a_pin_entry_is_only_a_place_for_keys() -> None:
    bench = Bench()
    collecting = bench.begin(o.CollectPin(VISIT))
    await asyncio.sleep(0)
    assert not collecting.done()
    await cancel(collecting)


async def test_the_slot_cancelled_before_it_was_asked_for_is_never_opened() -> None:
    bench = Bench()
    await cancel(bench.begin(COINS))
    assert [] == bench.world.asked


async def test_the_slot_cancelled_while_it_opens_is_shut() -> None:
    bench = Bench()
    bench.world.held["accept"] = asyncio.Event()
    accepting = bench.begin(COINS)
    await bench.world.until("accept")
    await cancel(accepting)
    assert [e.CoinsClosed()] == await bench.do(o.CloseCoins(VISIT))
    assert ["accept", "stop"] == bench.world.asked


async def test_coins_are_closed_only_when_no_coin_can_come() -> None:
    bench = Bench()
    bench.world.held["stop"] = asyncio.Event()
    accepting = bench.begin(COINS)
    await bench.world.until("accept")
    accepting.cancel()
    closing = bench.begin(o.CloseCoins(VISIT))
    await bench.world.until("stop")
    assert [] == bench.answers
    bench.world.held["stop"].set()
    await closing
    assert [e.CoinsClosed()] == bench.answers
    assert ["accept", "stop"] == bench.world.asked


async def test_the_mark_of_a_shut_slot_is_the_one_after_every_coin_that_was_told() -> None:
    bench = Bench()
    accepting = bench.begin(COINS)
    await bench.world.until("accept")
    await cancel(accepting)
    await bench.world.until("stop")
    bench.world.mark = ports.CoinMark(7, 9)
    assert [e.CoinsClosed(7, 9)] == await bench.do(o.CloseCoins(VISIT))


async def test_a_prepared_document_says_where_the_acceptor_stands_before_its_slot_opens() -> None:
    bench = Bench()
    bench.world.mark = ports.CoinMark(7, 9, "0301")
    *_, prepared = await bench.do(*PREPARED)
    assert e.DocumentPrepared(300, 1, 2, serial=7, counter=9, pairs="0301") == prepared


async def test_closing_that_timed_out_goes_on_and_the_next_visit_waits_for_it() -> None:
    bench = Bench()
    bench.world.held["stop"] = asyncio.Event()
    closing = bench.begin(o.CloseCoins(VISIT))
    await bench.world.until("stop")
    await cancel(closing)
    accepting = bench.begin(COINS)
    await asyncio.sleep(0)
    assert ["stop"] == bench.world.asked
    bench.world.held.pop("stop").set()
    await bench.world.until("accept")
    await cancel(accepting)
    await bench.crew.close()


async def test_a_slot_that_failed_to_shut_is_shut_again_and_opens_for_the_next_visit() -> None:
    bench = Bench()
    bench.world.faults["stop"] = DeviceGone("x")
    with pytest.raises(DeviceGone):
        await bench.do(o.CloseCoins(VISIT))
    bench.world.faults.clear()
    assert [e.CoinsClosed()] == await bench.do(o.CloseCoins(VISIT))
    assert ["stop", "stop"] == bench.world.asked


async def test_a_slot_that_does_not_open_is_shut_all_the_same() -> None:
    bench = Bench()
    bench.world.faults["accept"] = DeviceGone("x")
    assert [] == await bench.do(COINS)
    await bench.world.until("stop")


async def test_stopping_the_kiosk_shuts_the_slot_before_anything_that_can_wait() -> None:
    bench = Bench()
    await bench.do(*KNOWN)
    bench.world.asked.clear()
    bench.world.faults |= {"stop": DeviceGone("x"), "end session": MunicipalityDown("x")}
    await bench.crew.close()
    assert ["stop", "end worker", "release card", "end session"] == bench.world.asked


async def test_a_worker_ends_whatever_the_card_and_the_municipality_do() -> None:
    bench = Bench()
    await bench.do(*KNOWN)
    bench.world.faults |= {"release card": DeviceGone("x"), "end session": MunicipalityDown("x")}
    with pytest.raises(DeviceGone):
        await bench.do(o.EndVisit(VISIT))
    assert {"end worker", "release card", "end session"} <= set(bench.world.asked)


async def test_an_end_that_is_cancelled_halfway_still_ends_the_rest() -> None:
    bench = Bench()
    await bench.do(*KNOWN)
    bench.world.held["end worker"] = asyncio.Event()
    ending = bench.begin(o.EndVisit(VISIT))
    await bench.world.until("end worker")
    await cancel(ending)
    assert {"release card", "end session"} <= set(bench.world.asked)


async def test_a_visit_that_ends_late_leaves_the_next_ones_card_alone() -> None:
    """The reader is one for all visits, and a worker may take its time to go."""
    bench = Bench()
    await bench.do(*KNOWN)
    bench.world.held["end worker"] = asyncio.Event()
    ending = bench.begin(o.EndVisit(VISIT))
    await bench.world.until("end worker")
    await bench.do(o.ReadCard(VisitId("next")))
    bench.world.held.pop("end worker").set()
    await ending
    assert {"release card", "end session"} <= set(bench.world.asked)
    assert bench.world.read_last is not None


async def test_the_end_of_another_visit_ends_nothing_of_this_one() -> None:
    bench = Bench()
    await bench.do(*KNOWN)
    bench.world.asked.clear()
    await bench.do(o.EndVisit(VisitId("another")))
    assert [] == bench.world.asked
    await bench.do(o.EndVisit(VISIT))
    assert ["end worker", "release card", "end session"] == bench.world.asked


async def test_a_visit_that_ends_while_its_session_opens_leaves_no_worker() -> None:
    bench = Bench()
    bench.world.held["open session"] = asyncio.Event()
    await bench.do(o.ReadCard(VISIT))
    opening = bench.begin(o.OpenSession(VISIT))
    await bench.world.until("open session")
    opening.cancel()
    await bench.do(o.EndVisit(VISIT))
    assert 1 == bench.world.asked.count("end worker")
    assert [] == bench.answers


async def test_the_next_visit_knows_nothing_of_the_last() -> None:
    bench = Bench()
    await bench.do(*KNOWN, o.EndVisit(VISIT), o.ReadCard(VisitId("b" * 32)))
    with pytest.raises(LookupError):
        await bench.do(o.Authenticate(VisitId("b" * 32)))
    assert "VisitScope(bbbbbbbb)" == repr(bench.crew._scope)


async def test_the_session_of_a_visit_that_is_printed_again_ends_with_the_visit() -> None:
    bench = Bench()
    await bench.do(*KNOWN, o.FetchAgain(VISIT, PURCHASE.order_id, 1))
    assert "end session" not in bench.world.asked
    await bench.do(o.EndVisit(VISIT))
    assert 1 == bench.world.asked.count("end session")
