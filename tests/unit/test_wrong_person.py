"""Visits back to back, each by somebody else: nobody holds a page of another, and paper and journal agree.

Runner, crew, spare worker, table and recovery are the kiosk's own, in virtual time; card, worker, printer and
municipality are models that know whose page each page is. Cancels, silences, printer faults, complaints and
power cuts are drawn. HANDS_VISITS and HANDS_SEED choose longer runs and other draws.
"""

import asyncio
import contextlib
import enum
import itertools
import os
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
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
    PrinterReason,
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
DEAD_SECONDS = 20.0
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

_WITH_PAPER = (s.Printing, s.Attending, s.TakingAll) * 4


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


class Jam(enum.Enum):
    """What a job meets on its way, and whether the printer hears a cancel then."""

    REFUSED = enum.auto()
    ABORTED = enum.auto()
    HEARS = enum.auto()
    DEAF = enum.auto()


@dataclass
class Paper:
    """Printer, its queue and its tray. It prints by itself, whoever follows it, and outlives every cut.

    jobs: what may still come out, and whose it is. out: pages that ever came out, by job. given_up: jobs that
    ended unproven or undone, by the journal. leftovers: what this run of the kiosk cancels until it is gone.
    """

    luck: random.Random
    jobs: dict[str, str] = field(default_factory=dict)
    tray: list[Page] = field(default_factory=list)
    out: Counter[str] = field(default_factory=Counter)
    given_up: set[str] = field(default_factory=set)
    leftovers: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)
    report: Any = None
    trouble: PrinterReason | None = None
    jam: bool = False
    _hears: bool = True
    _unheard: set[str] = field(default_factory=set)
    _following: int = 0
    _silent_since: float = 0.0
    _fed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def silent(self) -> bool:
        return self.trouble is PrinterReason.UNREACHABLE

    def level(self) -> DocumentPrinterLevel:
        reasons = set() if self.trouble is None else {self.trouble}
        if self.jam and not self.silent:
            reasons.add(PrinterReason.MEDIA_JAM)
        if self.leftovers or (self.jobs and not self._following and not self.silent):
            reasons.add(PrinterReason.JOBS_WAITING)
        silent_seconds = asyncio.get_running_loop().time() - self._silent_since
        return DocumentPrinterLevel(frozenset(reasons), dead=self.silent and silent_seconds >= DEAD_SECONDS)

    def tell(self) -> None:
        if not self.silent:
            self.leftovers &= self.jobs.keys()
        self.report(self.level())

    def troubled(self, reason: PrinterReason | None) -> None:
        self.trouble = reason
        if self.silent:
            self._unheard |= self.jobs.keys()
            self._is_silent_from_now()
        self.tell()

    def _is_silent_from_now(self) -> None:
        loop = asyncio.get_running_loop()
        self._silent_since = loop.time()
        loop.call_later(DEAD_SECONDS, self.tell)

    def switched_off(self) -> None:
        """It forgets what it had, and nothing moves in it."""
        self.jobs.clear()

    def restarted(self) -> None:
        """What the kiosk remembered is gone; the printer is not."""
        self.leftovers.clear()
        if self.silent:
            self._is_silent_from_now()

    def submit(self, job: str, person: str) -> None:
        assert job not in self.jobs
        assert not self.out[job], "two jobs of one name"
        self.jobs[job] = person
        if self.silent:
            self._unheard.add(job)
        self._fed.set()

    async def run(self) -> None:
        while True:
            await self._fed.wait()
            self._fed.clear()
            while self.jobs:
                job, person = next(iter(self.jobs.items()))
                await self._print(job, person)
                self.jobs.pop(job, None)
                self.tell()

    async def _print(self, job: str, person: str) -> None:
        fate = self.luck.choice((*Jam, Jam.HEARS, Jam.DEAF)) if self.luck.random() < 0.2 else None
        at = self.luck.randrange(PAGES)
        for page in range(PAGES):
            await asyncio.sleep(0.2)
            if page == at and fate in (Jam.REFUSED, Jam.ABORTED):
                return
            if page == at and fate is not None:
                await self._jammed(deaf=fate is Jam.DEAF)
                self._unheard |= {job} if fate is Jam.DEAF else set()
            if job not in self.jobs:
                return
            if job in self.given_up and job not in self._unheard:
                self.wrong.append(f"a page of {job} came out behind their backs")
            self.tray.append(Page(person, job))
            self.out[job] += 1
            self.report(PanelLevel(paper_in_tray=True))

    async def _jammed(self, *, deaf: bool) -> None:
        """Whoever goes on cancelling is heard some seconds before somebody clears the jam."""
        self.jam, self._hears = True, False
        self.tell()
        heard_after = self.luck.choice([0, 0, 8, 30])
        for second in range(heard_after + self.luck.choice([5, 20, 60])):
            self._hears = second >= heard_after and not deaf
            for job in self.leftovers:
                self._cancel(job)
            self.tell()
            await asyncio.sleep(1.0)
        self.jam, self._hears = False, True
        self.tell()

    def _cancel(self, job: str) -> None:
        if self._hears and not self.silent:
            self.jobs.pop(job, None)

    async def refresh(self) -> None:
        self.tell()

    async def expect(self, job: str) -> None:
        assert not self.out[job], "two jobs of one name"

    async def purge(self, job: str) -> bool:
        for _ in range(3):
            self._cancel(job)
            if job not in self.jobs and not self.silent:
                return True
            await asyncio.sleep(0.3)
        self.leftovers.add(job)
        self.tell()
        return False

    async def follow(self, job: str, pages: int, progress: Any, *, sheets: int) -> ports.PrintResult:
        """Whatever is not proven is cancelled; a job that never came is surely not done."""
        assert sheets in {0, SHEETS}
        self._following += 1
        try:
            seen = await self._followed(job, pages, progress)
            gone = await self.purge(job)
        finally:
            self._following -= 1
            self.tell()
        if self.silent or not gone:
            return ports.PrintResult(Certainty.UNKNOWN, seen)
        out = self.out[job]
        if out == pages and self.luck.random() > 0.05:
            return ports.PrintResult(Certainty.DONE, out)
        return ports.PrintResult(Certainty.UNKNOWN if out else Certainty.NOT_DONE, out)

    async def _followed(self, job: str, pages: int, progress: Any) -> int:
        """Looks until the job is gone, or nothing has moved or answered for too long; the pages seen."""
        seen = still = 0
        while still < 15:
            await asyncio.sleep(0.4)
            still += 1
            if self.silent:
                continue
            if self.out[job] > seen:
                seen, still = self.out[job], 0
                progress(ports.PrintProgress(seen, pages))
            if job not in self.jobs:
                break
        return seen


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
        self._paper.submit(job, self._opened.person)
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
        self.paper.report = self.report
        self.printing = asyncio.create_task(self.paper.run())
        self.leaves = False
        self.screen: Screen | None = None
        self.lost_property: list[Page] = []
        self._job = ""
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

    async def release(self, _reading: ports.CardReading) -> None: ...

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
        for record in records:
            match record:
                case r.VisitBegan():
                    assert not self.paper.tray, "a visit begins before what another left"
                    assert not self.paper.jobs, "a visit begins while a page may come out"
                case r.IssueIntended():
                    assert not self.runner.facts.printer.reasons, "sold what cannot be printed"
                case r.PrintIntended(job_name=job):
                    self._job = job
                case r.PrintEnded(certainty=certainty) if certainty is not Certainty.DONE:
                    self.paper.given_up.add(self._job)
                case _:
                    pass
        self.journal += records

    def noted(self, records: Sequence[r.Record]) -> None:
        for record in records:
            self._sale.enter(NOON, record)
        self.report(StaffLevel(CODE_DIGITS, sale=self._sale.sale(NOON, 300.0)))
        if any(isinstance(record, r.VisitEnded) for record in records):
            self.spare.prepare()

    def show(self, screen: Screen) -> None:
        self.screen = screen
        self.changed.set()

    def log(self, _event: EventId, /, **_fields: FieldValue) -> None: ...

    async def admits(self) -> bool:
        self.code.clear()
        return True

    def report(self, level: Any) -> None:
        self.runner.report(level)

    def _boot(self) -> None:
        self.paper.restarted()
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
            self.paper.level(),
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
        cut = self.luck.choice((*s.State.__args__, *_WITH_PAPER)) if 0.2 <= plan < 0.4 else None
        self.leaves = self.luck.random() < 0.03
        await self._finds_what_another_left()
        if self.luck.random() < 0.1:
            self._trouble_is_coming()
        complains = self.luck.random() < 0.1
        acted: s.State | None = None
        started = False
        async with asyncio.timeout(3000.0):
            while True:
                state = self._alive().state
                if isinstance(state, s.Idle) and started:
                    break
                if isinstance(state, s.NotServing) and started and self.leaves and self.paper.tray:
                    break
                started = started or not isinstance(state, s.Idle | s.NotServing | None)
                if cut is not None and isinstance(state, cut):
                    cut = None
                    await self.cut_the_power()
                    started = True
                elif state is not acted and state is not None:
                    acted = state
                    if question_of(state) is s.Question.STOP:
                        self.runner.touch(KeypadKey.CONFIRM, lambda: True)
                    elif quits is not None and isinstance(state, quits):
                        self.runner.touch(KeypadKey.CANCEL, lambda: True)
                    elif complains and isinstance(state, s.Thanks):
                        complains = False
                        self.runner.touch(KeypadKey.CORRECT, lambda: True)
                    else:
                        self._act(state)
                self.changed.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.3):
                        await self.changed.wait()
        if not self.leaves:
            self._take()
        self.check(self.journal[self.began :])

    def _alive(self) -> Runner:
        """The runner, unless a task that never ends has ended: then its error."""
        for task in (self.running, self.printing):
            if task.done():
                task.result()
        return self.runner

    async def _finds_what_another_left(self) -> None:
        """The next one is there at once, and can do nothing until staff have emptied the tray."""
        if not self.paper.tray:
            return
        self.report(ReaderLevel(working=True, card_present=True))
        self.runner.touch(KeypadKey.CONFIRM, lambda: True)
        await asyncio.sleep(self.luck.choice([0.1, 10.0]))
        self.report(ReaderLevel(working=True))
        self.lost_property += self.paper.tray
        self.paper.tray.clear()
        self.report(PanelLevel())

    def _trouble_is_coming(self) -> None:
        """The printer runs empty or falls silent at some moment of the visit, and comes back."""
        loop = asyncio.get_running_loop()
        reason = self.luck.choice([PrinterReason.UNREACHABLE, PrinterReason.MEDIA_EMPTY])
        begins = self.luck.uniform(0.0, 6.0)
        loop.call_later(begins, self.paper.troubled, reason)
        loop.call_later(begins + self.luck.choice([1.0, 15.0, 60.0]), self.paper.troubled, None)

    def _act(self, state: s.State) -> None:  # noqa: C901, PLR0912 - one line a screen
        press = partial(self.runner.touch, is_shown=lambda: True)
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
            case s.TakingAll() if not self.leaves:
                self._take()
            case _:
                pass
        if isinstance(state, s.Ended | s.NotServing):
            self.report(ReaderLevel(working=True))
            if not self.leaves:
                self._take()

    def _staff(self, state: s.Attending) -> None:
        """They look into the tray; an incomplete set is destroyed once the screen lets them go on."""
        if not state.admitted:
            self.runner.touch(KeypadKey.CORRECT, lambda: True)
            return
        if self.runner.facts.printer.dead and not state.printer_off:
            self.paper.switched_off()
            self.report(PanelLevel(door_open=True, paper_in_tray=bool(self.paper.tray)))
            self.runner.touch(KeypadKey.DIGIT_2, lambda: True)
            return
        mine = [page for page in self.paper.tray if page.person == self.person]
        if not state.sold and len(mine) == PAGES:
            self.runner.touch(KeypadKey.CONFIRM, lambda: True)
            return
        screen = self.screen
        assert screen is not None
        if screen.legend.cancel is None:
            return
        self._throw_away()
        again = bool(screen.choices) and self.luck.random() < 0.8
        self.runner.touch(KeypadKey.DIGIT_1 if again else KeypadKey.CANCEL, lambda: True)

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
        held = self.hands[self.person] + (self.paper.tray if self.leaves else [])
        assert [] == self.paper.wrong
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
        ending = (machine.running, machine.printing)
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        await machine.crew.close()
        return machine

    machine = virtual_time.run(main)
    came = Counter(type(record).__name__ for record in machine.journal)
    print(  # noqa: T201 - says which draws these were
        f"seed {SEED}: {VISITS} visits, {sum(machine.paper.out.values())} pages, {dict(came)}"
    )
    assert len(machine.served) > VISITS // 4, "most people go home without their paper"
    assert sum(len(pages) for pages in machine.hands.values()) <= sum(machine.paper.out.values())
    needed = ("ReprintIntended", "FeeReturned", "StaffAdmitted", "DefectOpened", "PrinterOff")
    assert all(came[name] for name in needed), came
