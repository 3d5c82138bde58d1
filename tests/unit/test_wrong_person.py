"""Visits back to back, each by somebody else: nobody holds a page of another, and paper and journal agree.

Runner, crew, spare worker, table and recovery are the kiosk's own, in virtual time; card, worker, printer and
municipality are models that know whose page each page is. Cancels, silences, printer faults, complaints and
power cuts are drawn. HANDS_VISITS and HANDS_SEED choose longer runs and other draws.
"""

import asyncio
import contextlib
import itertools
import os
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from firmware import ports
from firmware.core import events as e
from firmware.core import records as r
from firmware.core import states as s
from firmware.core.asking import question_of
from firmware.core.complaints import CODE_DIGITS, LastSale
from firmware.core.facts import (
    AcceptorLevel,
    ClockLevel,
    DocumentPrinterLevel,
    HopperLevel,
    KeypadLevel,
    MunicipalityLevel,
    PanelLevel,
    ReaderLevel,
    ReceiptPrinterLevel,
    StaffLevel,
)
from firmware.core.money import ledger
from firmware.core.orders import PrintSlip
from firmware.core.recovery import recover
from firmware.core.rules import WITHDRAWN_CODES, Rules
from firmware.core.screens import Screen
from firmware.core.terms import (
    Certainty,
    CertificateKind,
    KeypadKey,
    Language,
    Offer,
    OrderId,
    Refusal,
    ServiceHours,
    Subjects,
)
from firmware.errors import (
    DocumentError,
    MunicipalityDown,
    MunicipalityUncertain,
    PrintNotSubmitted,
    PrintUncertain,
    Refused,
)
from firmware.logbook import EventId, FieldValue
from firmware.shell.crew import DeviceCrew
from firmware.shell.devices import Devices
from firmware.shell.pin import PinBuffer
from firmware.shell.runner import Runner
from firmware.shell.workers import SpareWorker
from tests import virtual_time
from tests.unit.engine_world import TIMED

SEED = int(os.environ.get("HANDS_SEED", "6"))
VISITS = int(os.environ.get("HANDS_VISITS", "10000"))
FEE_YEN, PAGES, SHEETS = 300, 2, 1
NOON = datetime(2026, 6, 1, 3, 0, tzinfo=UTC)
RULES = Rules(
    timeouts_seconds=dict.fromkeys(TIMED, 5.0),
    denominations_yen=frozenset({100, 500}),
    minimum_change_coins={3: 1},
    withdrawn_codes=WITHDRAWN_CODES,
    most_alarms=3,
    most_copies=9,
    languages=(Language.JA,),
)
_BEFORE_MONEY = (s.Notice, s.AwaitingCard, s.OpeningSession, s.Authenticating, s.ChoosingKind, s.Preparing)


@dataclass(frozen=True)
class Page:
    """One printed side, and whose it is."""

    person: str
    job: str


@dataclass(frozen=True)
class Sealed:
    """What can be opened only with this key, for this order of this session."""

    key: bytes
    order_id: str
    session_id: str
    person: str

    def to_bytes(self) -> bytes:
        return "|".join((self.key.hex(), self.order_id, self.session_id, self.person)).encode()

    @classmethod
    def of(cls, octets: bytes) -> "Sealed":
        key, order_id, session_id, person = octets.decode().split("|")
        return cls(bytes.fromhex(key), order_id, session_id, person)


class City:
    """Keyed, never by time or turn; slow, and sometimes silent before or after it has done its work."""

    def __init__(self, luck: random.Random) -> None:
        self._luck = luck
        self._numbers = itertools.count(1)
        self._keys: dict[str, bytes] = {}
        self._persons: dict[str, str] = {}
        self.orders: dict[str, tuple[str, str]] = {}
        self.reprinted: Counter[str] = Counter()

    async def _slowly(self) -> bool:
        """Whether the answer gets lost. Raises MunicipalityDown when the question does."""
        await asyncio.sleep(self._luck.choice([0.01, 0.01, 0.1, 0.1, 0.1, 0.1, 1.0, 1.0, 6.0]))
        if self._luck.random() < 0.02:
            raise MunicipalityDown("lost")
        return self._luck.random() < 0.02

    async def open_session(self, key: bytes, _language: Language) -> ports.Session:
        await self._slowly()
        session_id = f"session-{next(self._numbers)}"
        self._keys[session_id] = key
        return ports.Session(session_id, b"message", NOON + timedelta(days=9999))

    async def authenticate(
        self, session_id: str, certificate: bytes, signature: ports.CardSignature
    ) -> ports.Authenticated:
        await self._slowly()
        assert certificate == signature.signature
        self._persons[session_id] = certificate.decode()
        offer = Offer(CertificateKind.INKAN, FEE_YEN, 1, household=False)
        return ports.Authenticated(f"ref-{session_id}", (offer,), ())

    async def reserve(self, session_id: str, request: ports.OrderRequest) -> ports.Reserved:
        if await self._slowly():
            raise MunicipalityUncertain("lost")
        person = self._persons[session_id]
        self.orders[request.order_id] = session_id, person
        sealed = Sealed(self._keys[session_id], request.order_id, session_id, person)
        return ports.Reserved(request.order_id, FEE_YEN, sealed.to_bytes())

    async def release(self, order_id: OrderId, paid_yen: int) -> ports.Released:
        if await self._slowly():
            raise MunicipalityUncertain("lost")
        assert FEE_YEN == paid_yen
        session_id, person = self.orders[order_id]
        return ports.Released(
            f"R-{order_id[:8]}", Sealed(self._keys[session_id], order_id, session_id, person).to_bytes()
        )

    async def reprint(self, order_id: OrderId, _attempt: int, key: bytes) -> ports.Refetched:
        await self._slowly()
        self.reprinted[order_id] += 1
        if self.reprinted[order_id] > 2:
            raise Refused(Refusal.REPRINT_REFUSED)
        session_id, person = self.orders[order_id]
        sealed = Sealed(key, order_id, session_id, person).to_bytes()
        request = ports.OrderRequest(order_id, CertificateKind.INKAN, Subjects.SELF, frozenset(), 1)
        return ports.Refetched(request, session_id, f"ref-{session_id}", FEE_YEN, sealed, sealed)

    async def end_session(self, session_id: str) -> None:
        await asyncio.sleep(self._luck.choice([0.0, 0.5, 3.0]))
        self._persons.pop(session_id, None)


@dataclass
class Paper:
    """Printer, its queue and its tray. out: pages that ever came out, by job."""

    luck: random.Random
    queue: dict[str, str] = field(default_factory=dict)
    tray: list[Page] = field(default_factory=list)
    out: Counter[str] = field(default_factory=Counter)
    panel: Any = None

    async def refresh(self) -> None: ...

    async def expect(self, job: str) -> None:
        assert not self.out[job], "two jobs of one name"

    async def purge(self, job: str) -> bool:
        self.queue.pop(job, None)
        return True

    async def follow(self, job: str, pages: int, progress: Any, *, sheets: int) -> ports.PrintResult:
        """Whatever is not proven is cancelled; a job that never came is surely not done."""
        assert sheets in {0, SHEETS}
        person = self.queue.pop(job, None)
        if person is None:
            return ports.PrintResult(Certainty.UNKNOWN if self.out[job] else Certainty.NOT_DONE, 0)
        most = pages if self.luck.random() > 0.15 else self.luck.randrange(pages)
        for _ in range(most):
            await asyncio.sleep(0.2)
            self.tray.append(Page(person, job))
            self.out[job] += 1
            progress(ports.PrintProgress(self.out[job], pages))
        self.panel(PanelLevel(paper_in_tray=bool(self.tray)))
        if most < pages:
            return ports.PrintResult(Certainty.UNKNOWN if most else Certainty.NOT_DONE, most)
        if self.luck.random() < 0.05:
            return ports.PrintResult(Certainty.UNKNOWN, most)
        return ports.PrintResult(Certainty.DONE, most)


class Worker:
    """Opens what was sealed to its own key, for the order and session it was asked for, and nothing else."""

    _keys = itertools.count(1)

    def __init__(self, paper: Paper, luck: random.Random) -> None:
        self._paper, self._luck = paper, luck
        self._key = next(self._keys).to_bytes(32, "big")
        self._opened: Sealed | None = None
        self._over = self._handed = False

    async def start(self) -> bytes:
        return self._key

    async def prepare(
        self, sealed: bytes, request: ports.OrderRequest, session_id: str, person_ref: str
    ) -> ports.Prepared:
        await asyncio.sleep(self._luck.choice([0.1, 0.1, 4.0]))
        if self._over:
            raise DocumentError("ended")
        opened = Sealed.of(sealed)
        asked = (self._key, request.order_id, session_id, f"ref-{session_id}")
        if asked != (opened.key, opened.order_id, opened.session_id, person_ref):
            raise DocumentError("not for us")
        self._opened = opened
        return ports.Prepared(SHEETS, PAGES, opened.person)

    async def print(self, authority: bytes, job: str) -> None:
        if self._over or self._opened is None or self._handed or Sealed.of(authority) != self._opened:
            raise PrintNotSubmitted("not ours")
        if self._luck.random() < 0.03:
            raise PrintNotSubmitted("the queue is down")
        self._handed = True
        self._paper.queue[job] = self._opened.person
        if self._luck.random() < 0.03:
            raise PrintUncertain("no answer")

    def alive(self) -> bool:
        return not self._over

    async def end(self) -> None:
        self._over, self._opened = True, None


class Machine:
    """Everything else of the kiosk: the card's person, the coins, and one run of the daemon after another."""

    def __init__(self, seed: int) -> None:
        self.luck = random.Random(seed)  # noqa: S311 - the same luck each time
        self.city, self.paper = City(self.luck), Paper(self.luck)
        self.person = ""
        self.journal: list[r.Record] = []
        self.began = 0
        self.changed = asyncio.Event()
        self.paper.panel = self.report
        self.served: set[str] = set()
        self.hands: dict[str, list[Page]] = {}
        self._sale = LastSale()
        self._coins_paid = 0
        self._boot()

    # ports of the crew

    async def read(self) -> ports.CardReading:
        return ports.CardReading(self.person.encode(), 3)

    async def sign(self, pin: bytearray, _message: bytes) -> ports.CardSignature:
        pin[:] = bytes(4)
        return ports.CardSignature("RS256", self.person.encode())

    mark = None

    async def release(self) -> None: ...

    async def accept(self, _denominations: object) -> None: ...

    async def stop(self) -> None: ...

    async def pay_one(self, _life_count: int) -> Certainty:
        self._coins_paid += 1
        return Certainty.DONE

    async def reconcile(self, _life_count: int, _serial: int | None) -> Certainty:
        return Certainty.UNKNOWN

    async def print_slip(self, _lines: object) -> Certainty:
        return Certainty.DONE

    def buzz(self, _pattern: str) -> None: ...

    # of the runner

    async def append(self, records: Sequence[r.Record]) -> None:
        self.journal += records

    def noted(self, records: Sequence[r.Record]) -> None:
        for record in records:
            self._sale.enter(NOON, record)
        self.report(StaffLevel(CODE_DIGITS, sale=self._sale.sale(NOON, 300.0)))
        if any(isinstance(record, r.VisitEnded) for record in records):
            self.spare.prepare()

    def show(self, _screen: Screen) -> None:
        self.changed.set()

    def log(self, _event: EventId, /, **_fields: FieldValue) -> None: ...

    async def admits(self) -> bool:
        self.code.clear()
        return True

    def report(self, level: Any) -> None:
        self.runner.report(level)

    def _boot(self) -> None:
        world = cast("Any", self)
        self.spare = SpareWorker(lambda: cast("ports.DocumentWorker", Worker(self.paper, self.luck)))
        self.pin, self.code = PinBuffer(), PinBuffer(CODE_DIGITS)
        devices = Devices(
            card=world,
            keypad=world,
            acceptor=world,
            payouts={3: world},
            printer=cast("Any", self.paper),
            receipt=world,
            panel=world,
            municipality=cast("Any", self.city),
            new_worker=lambda: cast("ports.DocumentWorker", Worker(self.paper, self.luck)),
            slip_lines=_no_lines,
        )
        self.crew = DeviceCrew(
            devices=devices,
            pin=self.pin,
            spare=self.spare,
            fee_now=lambda *_: FEE_YEN,
            now=lambda: NOON,
            speak=lambda _: None,
            admits=self.admits,
            adapt=lambda _: None,
            sound=lambda _: None,
            log=self.log,
        )
        self.runner = Runner(
            rules=RULES,
            journal=self,
            crew=self.crew,
            pin=self.pin,
            code=self.code,
            show=self.show,
            noted=self.noted,
            log=self.log,
        )
        for level in (
            ReaderLevel(working=True),
            KeypadLevel(working=True),
            AcceptorLevel(working=True),
            HopperLevel(working=True, coins=10_000),
            DocumentPrinterLevel(frozenset()),
            ReceiptPrinterLevel(ready=True),
            PanelLevel(paper_in_tray=bool(self.paper.tray)),
            MunicipalityLevel(reachable=True),
            ClockLevel(trusted=True, hours=ServiceHours.OPEN),
            StaffLevel(CODE_DIGITS, sale=self._sale.sale(NOON, 300.0)),
        ):
            self.runner.report(level)
        self.running = asyncio.create_task(self.runner.run(lambda: recover(self.journal[self.began :])))

    async def cut_the_power(self) -> None:
        """No order ends in peace; what the worker knew is gone with it."""
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)
        self._boot()

    # the people

    async def visit(self, number: int) -> None:
        """One person comes, does what is drawn, and leaves with what lies in the tray."""
        self.person, self.hands[f"person-{number}"] = f"person-{number}", []
        self.began = len(self.journal)
        plan = self.luck.random()
        quits = self.luck.choice(_BEFORE_MONEY) if plan < 0.2 else None
        cut = self.luck.choice(s.State.__args__) if 0.2 <= plan < 0.4 else None
        complains = self.luck.random() < 0.1
        acted: s.State | None = None
        started = False
        async with asyncio.timeout(3000.0):
            while True:
                state = self.runner.state
                if isinstance(state, s.Idle) and started:
                    break
                started = started or not isinstance(state, s.Idle | s.NotServing | None)
                if cut is not None and isinstance(state, cut):
                    cut = None
                    await self.cut_the_power()
                    started = True
                elif state is not acted and state is not None:
                    acted = state
                    if question_of(state) is s.Question.STOP:
                        self.runner.touch(KeypadKey.CONFIRM)
                    elif quits is not None and isinstance(state, quits):
                        self.runner.touch(KeypadKey.CANCEL)
                    elif complains and isinstance(state, s.Thanks):
                        complains = False
                        self.runner.touch(KeypadKey.CORRECT)
                    else:
                        self._act(state)
                self.changed.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.3):
                        await self.changed.wait()
        self._take()
        self.check(self.journal[self.began :])

    def _act(self, state: s.State) -> None:  # noqa: C901, PLR0912 - one line a screen
        press = self.runner.touch
        match state:
            case s.Idle() | s.Notice() | s.Confirming() | s.Thanks() | s.Ended():
                press(KeypadKey.CONFIRM)
            case s.AwaitingCard():
                self.report(ReaderLevel(working=True, card_present=True))
            case s.EnteringPin(digits=0):
                for digit in "1234":
                    self.runner.key(KeypadKey(digit))
                self.runner.key(KeypadKey.CONFIRM)
            case s.TakingCard():
                self.report(ReaderLevel(working=True))
            case s.ChoosingKind():
                press(KeypadKey.DIGIT_2)
            case s.ChoosingCopies():
                press(KeypadKey.DIGIT_1)
            case s.CollectingCoins(paid_yen=0):
                for counter in (1, 2, 3):
                    self.runner.post(e.CoinInserted(100, 1, counter))
                press(KeypadKey.CONFIRM)
            case s.Attending():
                self._staff(state)
            case s.EnteringStaffCode(digits=0):
                for digit in "80412657":
                    self.runner.key(KeypadKey(digit))
                self.runner.key(KeypadKey.CONFIRM)
            case s.TakingAll():
                self._take()
            case _:
                pass
        if isinstance(state, s.Ended | s.NotServing):
            self.report(ReaderLevel(working=True))
            self._take()

    def _staff(self, state: s.Attending) -> None:
        """They look into the tray; an incomplete set is destroyed."""
        if not state.admitted:
            self.runner.touch(KeypadKey.CORRECT)
            return
        mine = [page for page in self.paper.tray if page.person == self.person]
        if not state.sold and len(mine) == PAGES:
            self.runner.touch(KeypadKey.CONFIRM)
            return
        self._throw_away()
        again = not state.refused and self.luck.random() < 0.8
        self.runner.touch(KeypadKey.DIGIT_1 if again else KeypadKey.CANCEL)

    def _throw_away(self) -> None:
        self.hands[self.person].clear()
        self.paper.tray.clear()
        self.report(PanelLevel())

    def _take(self) -> None:
        self.hands[self.person] += self.paper.tray
        self.paper.tray.clear()
        self.report(PanelLevel())

    def check(self, written: list[r.Record]) -> None:
        """What the person holds, what came out, and what the journal says of it."""
        held = self.hands[self.person]
        assert [] == [page for page in held if page.person != self.person], "somebody else's page"
        fees = sum(
            1 if isinstance(x, r.FeeEarned) else -1
            for x in written
            if isinstance(x, r.FeeEarned | r.FeeReturned)
        )
        assert fees * PAGES == len(held), (fees, held, written)
        names: dict[str, str] = {}
        for record in written:
            if isinstance(record, r.PrintIntended):
                names[record.order_id] = record.job_name
            if isinstance(record, r.PrintEnded) and record.certainty is not Certainty.UNKNOWN:
                said = PAGES if record.certainty is Certainty.DONE else 0
                assert said == self.paper.out[names[record.order_id]], written
        assert [type(x) for x in written if isinstance(x, r.VisitBegan | r.VisitEnded)] == [
            *(r.VisitBegan, r.VisitEnded)
        ] * sum(isinstance(x, r.VisitBegan) for x in written)
        assert () == ledger(self.journal[-len(written) :]).faults()
        if fees:
            self.served.add(self.person)


def _no_lines(_order: PrintSlip, _now: datetime) -> tuple[ports.SlipLine, ...]:
    return ()


def test_visits_back_to_back_put_no_page_into_other_hands() -> None:
    async def main() -> Machine:
        machine = Machine(SEED)
        for number in range(VISITS):
            try:
                await machine.visit(number)
            except BaseException as error:
                error.add_note(f"HANDS_SEED={SEED}, visit {number}, {machine.runner.state}")
                raise
        machine.running.cancel()
        await asyncio.gather(machine.running, return_exceptions=True)
        await machine.crew.close()
        return machine

    machine = virtual_time.run(main)
    came = Counter(type(record).__name__ for record in machine.journal)
    print(  # noqa: T201 - says which draws these were
        f"seed {SEED}: {VISITS} visits, {sum(machine.paper.out.values())} pages, {dict(came)}"
    )
    assert len(machine.served) > VISITS // 4, "most people go home without their paper"
    assert sum(len(pages) for pages in machine.hands.values()) <= sum(machine.paper.out.values())
    assert all(came[name] for name in ("ReprintIntended", "FeeReturned", "StaffAdmitted", "DefectOpened"))
