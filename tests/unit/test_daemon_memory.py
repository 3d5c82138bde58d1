"""What the daemon keeps of a visit is its order's number in the day's books; nothing else adds up.

The daemon, its books, outbox, crew and ring of events are the real ones; journal, devices and municipality
are played and keep nothing. Counted is what Python itself has alive (tracemalloc), not the process's memory.
"""

import asyncio
import gc
import os
import subprocess
import sys
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from firmware import ports
from firmware.core import events as e
from firmware.core import facts as f
from firmware.core import records as r
from firmware.core.complaints import SHIPPED_RULE
from firmware.core.screens import Screen, ScreenId
from firmware.core.terms import (
    Certainty,
    CertificateKind,
    KeypadKey,
    Offer,
    ServiceHours,
    VisitId,
)
from firmware.logbook import EventId, FieldValue
from firmware.shell import daemon, event_ring
from firmware.shell.crew import DeviceCrew
from firmware.shell.daemon import Daemon, Parts
from firmware.shell.devices import Devices
from firmware.shell.event_ring import EventRing
from firmware.shell.health import Health, HealthRule
from firmware.shell.journal import Entry
from firmware.shell.lockout import LockoutWatch
from firmware.shell.maintenance import MaintenanceWatch
from firmware.shell.notify import ServiceManager
from firmware.shell.pace import PrintPace
from firmware.shell.past import MistakeRules, Past
from firmware.shell.staff import StaffDoor
from tests.unit.engine_world import RULES
from tests.unit_environment import wiping

ROOT = Path(__file__).resolve().parents[2]
WARM_VISITS, VISITS = 40, 60
HOPPER, LOADED_COINS = 3, 1000
EVENTS_KEPT = 100
"""Of the ring, which shall be full before the first look."""
MOST_BYTES_A_VISIT = 1000
"""An order's number and its places are 300, cancelled timers up to 500. A visit's records are 2,000."""
DAY = timedelta(days=1)


class Part:
    """Of which nothing is wanted but that it begins and ends."""

    def start(self, *_: Any, **__: Any) -> None: ...

    def note(self, _records: Sequence[r.Record]) -> None: ...

    def busy_seconds(self) -> float:
        return 0.0

    async def close(self) -> None: ...


@dataclass
class Machine(Part):
    """Every device, journal, document worker and municipality: all of them well."""

    today: datetime
    mark: ports.CoinMark | None = None
    pages: int = 0

    async def append(self, _records: Sequence[r.Record]) -> None:
        await asyncio.sleep(0)

    async def read(self) -> ports.CardReading:
        return ports.CardReading(b"certificate", 3)

    async def sign(self, pin: bytearray, _message: bytes) -> ports.CardSignature:
        pin[:] = bytes(4)
        return ports.CardSignature("RS256", b"signature")

    async def release(self, *_order: object) -> ports.Released:
        return ports.Released("R-1", b"authority")

    async def accept(self, _denominations: object) -> None: ...

    async def stop(self) -> None: ...

    def hunt_strays(self, _kept: object) -> None: ...

    async def refresh(self) -> f.DocumentPrinterLevel:
        return f.DocumentPrinterLevel(frozenset())

    async def expect(self, _job_name: str) -> None: ...

    async def follow(self, _job: str, pages: int, *_: object, **__: object) -> ports.PrintResult:
        return ports.PrintResult(Certainty.DONE, pages)

    async def print_slip(self, _lines: object) -> Certainty:
        return Certainty.DONE

    def set_coins(self, _coins: int) -> None: ...

    def light(self, _place: object) -> None: ...

    def buzz(self, _pattern: str) -> None: ...

    async def open_session(self, _key: bytes, _language: object) -> ports.Session:
        return ports.Session("session", b"message", self.today + DAY)

    async def authenticate(self, *_: object) -> ports.Authenticated:
        offers = tuple(Offer(kind, 300, 9, household=False) for kind in CertificateKind)
        return ports.Authenticated("person", offers, ())

    async def reserve(self, _session: str, request: ports.OrderRequest) -> ports.Reserved:
        return ports.Reserved(request.order_id, 300, b"sealed")

    async def report_result(self, *_: object) -> None:
        await asyncio.sleep(0)

    async def report_day(self, _day: r.DaySettled) -> ports.DayAnswer:
        return ports.DayAnswer(matched=True, differences=())

    async def end_session(self, _session_id: str) -> None: ...

    @property
    def session(self) -> None:
        """Of a technician: there is none."""

    @property
    def trusted(self) -> bool:
        return True


class Worker:
    """A document worker that draws nothing."""

    def __init__(self) -> None:
        self._lives = True

    async def start(self) -> bytes:
        return bytes(32)

    async def prepare(self, *_: object) -> ports.Prepared:
        return ports.Prepared(1, 2, "fingerprint")

    async def print(self, *_: object) -> None: ...

    def alive(self) -> bool:
        return self._lives

    async def end(self) -> None:
        self._lives = False


@dataclass
class Kiosk:
    """A daemon in this process and the visitor before it."""

    entries: Sequence[Entry] = ()
    machine: Machine = field(default_factory=lambda: Machine(datetime(2026, 11, 25, 3, 0, tzinfo=UTC)))
    screen: Screen | None = None
    coins: int = 0
    orders_at_hand: Callable[[], Iterable[str]] = tuple

    def __post_init__(self) -> None:
        self._drawn, self._written = asyncio.Event(), asyncio.Event()
        self.ring = EventRing(self._write)
        past = Past(MistakeRules(SHIPPED_RULE, SHIPPED_RULE, SHIPPED_RULE))
        for entry in self.entries:
            past.enter(entry)
        self.entries = ()
        self.daemon = Daemon(self._parts(past), past, self.ring)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """From its first screen on until the end."""
        running = asyncio.create_task(self.daemon.run(ServiceManager({})))
        report = self.daemon.runner.report
        for level in (
            f.ReaderLevel(working=True),
            f.KeypadLevel(working=True),
            f.AcceptorLevel(working=True),
            f.HopperLevel(HOPPER, working=True, coins=LOADED_COINS),
            f.DocumentPrinterLevel(frozenset()),
            f.ReceiptPrinterLevel(ready=True),
            f.PanelLevel(),
            f.MunicipalityLevel(reachable=True),
            f.ClockLevel(trusted=True, hours=ServiceHours.OPEN),
        ):
            report(level)
        await self.sees(ScreenId.IDLE)
        try:
            yield
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running

    async def visits(self, count: int) -> None:
        """So many people, one certificate each."""
        for _ in range(count):
            began = False
            while not (began and self.screen is not None and self.screen.id is ScreenId.IDLE):
                before = self.screen
                self.does_what_is_asked()
                began = True
                await self.another(before)
        await self._all_told()
        await asyncio.gather(*self.daemon.runner._committed)

    async def closes_its_day(self) -> None:
        """Also at the municipality."""
        await self.daemon.office.close_day()
        self.machine.today += DAY
        await self._all_told()

    def does_what_is_asked(self) -> None:
        runner, screen = self.daemon.runner, self.screen
        assert screen is not None
        match screen.id:
            case ScreenId.IDLE | ScreenId.NOTICE | ScreenId.CONFIRM:
                runner.touch(KeypadKey.CONFIRM, lambda: True)
            case ScreenId.PRESENT_CARD:
                runner.report(f.ReaderLevel(working=True, card_present=True))
            case ScreenId.PIN:
                runner.key(KeypadKey.CONFIRM if screen.pin_digits == 4 else KeypadKey.DIGIT_1)
            case ScreenId.TAKE_CARD | ScreenId.TAKE_ALL:
                runner.report(f.ReaderLevel(working=True))
            case ScreenId.CHOOSE_KIND:
                runner.touch(KeypadKey.DIGIT_2, lambda: True)
            case ScreenId.CHOOSE_COPIES:
                runner.touch(KeypadKey.DIGIT_1, lambda: True)
            case ScreenId.COINS if (screen.paid_yen or 0) < 300:
                self.coins += 1
                self.machine.mark = ports.CoinMark(1, self.coins % 256)
                runner.post(e.CoinInserted(100, 1, self.coins % 256))
            case ScreenId.COINS | ScreenId.THANKS:
                runner.touch(KeypadKey.CONFIRM, lambda: True)
            case _:
                pass

    async def _all_told(self) -> None:
        async with asyncio.timeout(60):
            while self.daemon.outbox.waiting:
                self._written.clear()
                await self._written.wait()

    async def another(self, before: Screen | None) -> None:
        async with asyncio.timeout(60):
            while self.screen == before:
                self._drawn.clear()
                await self._drawn.wait()

    async def sees(self, wanted: ScreenId) -> None:
        async with asyncio.timeout(60):
            while self.screen is None or self.screen.id is not wanted:
                self._drawn.clear()
                await self._drawn.wait()

    def _write(self, _event: EventId, /, **_: FieldValue) -> None:
        self._written.set()

    def _show(self, screen: Screen, *_: object) -> None:
        self.screen = screen
        self._drawn.set()

    def _begin_errands(
        self, _municipality: object, _resting: object, mine: Callable[[], Iterable[str]]
    ) -> Mapping[str, Any]:
        self.orders_at_hand = mine
        return {}

    def _parts(self, past: Past) -> Parts:
        machine, log = cast("Any", self.machine), self.ring

        def now() -> datetime:
            return self.machine.today

        devices = Devices(
            card=machine,
            keypad=machine,
            acceptor=machine,
            payouts={HOPPER: machine},
            printer=machine,
            receipt=machine,
            panel=machine,
            municipality=machine,
            new_worker=lambda: cast("ports.DocumentWorker", Worker()),
            slip_lines=lambda *_: (),
        )
        door = StaffDoor(
            code_file=None,
            complaint_seconds=60.0,
            last_sale=past.last_sale,
            strikes=past.staff_mistakes.go_on(now()),
            log=log,
            now=now,
        )
        health = Health(rule=HealthRule(), journal_busy=lambda: 0.0, busy={}, watchers=frozenset(), log=log)
        for _ in range(1000):
            health.took(0.0)  # a minute's lags are kept
        return Parts(
            rules=replace(RULES, timeouts_seconds={}),
            devices=devices,
            clock=machine,
            lockout=LockoutWatch(strikes=past.mistakes.go_on(now()), log=log, now=now),
            staff=door,
            pace=PrintPace(prints=past.prints, now=now),
            maintenance=MaintenanceWatch(
                state=past.maintenance,
                read_order=None,
                rule=SHIPPED_RULE,
                log=log,
                now=now,
                trusted=lambda: True,
            ),
            health=health,
            journal=machine,
            medium=machine,
            show=self._show,
            listen=lambda _: None,
            voice_key=lambda _: None,
            next_person=lambda: None,
            start_screen=Part().close,
            close_screen=Part().close,
            watch_page=lambda _: asyncio.sleep(0),
            make_crew=lambda pin, spare, speak, adapt: DeviceCrew(
                devices=devices,
                pin=pin,
                spare=spare,
                fee_now=lambda *_: 300,
                now=now,
                speak=speak,
                admits=door.admits,
                adapt=adapt,
                sound=lambda _: None,
                log=log,
            ),
            settle_seconds=1.0,
            late_refund_seconds=600.0,
            coin_yen={HOPPER: 100},
            coins_loaded={HOPPER: LOADED_COINS},
            day_ends=time(23, 0),
            door_grace_seconds=60.0,
            make_console=lambda *_: cast("Any", Desk()),
            begin_errands=self._begin_errands,
            report_unheard_seconds=3600.0,
            now=now,
        )


class Desk(Part):
    """A console at which nobody stands."""

    async def start(self) -> None: ...  # type: ignore[override]


def alive_bytes() -> int:
    """What Python has allocated since it counts and not given free."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


async def test_visits_leave_their_orders_numbers_in_the_daemons_memory_and_nothing_that_adds_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(event_ring, "KEPT", EVENTS_KEPT)
    monkeypatch.setattr(daemon, "_REST_SECONDS", 0.0)  # these visits take no time, and rests would pile up
    kiosk = Kiosk()
    tracemalloc.start()
    try:
        async with kiosk.running():
            await kiosk.visits(WARM_VISITS)
            await kiosk.closes_its_day()
            morning = alive_bytes()
            await kiosk.visits(VISITS)
            evening = alive_bytes()
            assert VISITS == len(set(kiosk.orders_at_hand()))
            await kiosk.closes_its_day()
            closed = alive_bytes()
            assert not set(kiosk.orders_at_hand())
            days = kiosk.daemon.office.accounts.days
    finally:
        tracemalloc.stop()
    assert [WARM_VISITS, VISITS] == [len(day.totals.issued) for day in days.values()]
    assert (evening - morning) / VISITS <= MOST_BYTES_A_VISIT
    assert (closed - morning) / VISITS <= MOST_BYTES_A_VISIT


async def test_what_is_kept_of_an_open_visit_leaves_the_memory_once_the_kiosk_has_recovered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of a visit that has ended nothing was kept."""
    before, recovered, alive = _entries_alive(), asyncio.Event(), list[int]()

    def give_back() -> None:
        alive.append(_entries_alive())
        recovered.set()

    monkeypatch.setattr(daemon, "give_back", give_back)
    ended, cut = VisitId("a" * 32), VisitId("b" * 32)
    records: Sequence[r.Record] = (r.VisitBegan(ended), r.VisitEnded(ended, None), r.VisitBegan(cut))
    at = datetime(2026, 11, 24, 3, 0, tzinfo=UTC).isoformat()
    kiosk = Kiosk([Entry(seq, at, record, bytes(32)) for seq, record in enumerate(records, start=1)])
    assert before + 1 == _entries_alive()
    running = asyncio.create_task(kiosk.daemon.run(ServiceManager({})))
    async with asyncio.timeout(60):
        await recovered.wait()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert before == alive[0]


async def test_what_a_visit_has_given_free_goes_back_to_the_kernel_when_it_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kiosk, given_back = Kiosk(), asyncio.Event()
    async with kiosk.running():
        monkeypatch.setattr(daemon, "_REST_SECONDS", 0.0)
        monkeypatch.setattr(daemon, "give_back", given_back.set)
        await kiosk.visits(1)
        async with asyncio.timeout(60):
            await given_back.wait()


PROGRAM = """
import os, sys
from firmware.shell.given_back import give_back
def resident_mb():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
journal = [bytes(500) for _ in range(60_000)]
daemon = [bytes(500) for _ in range(1_000)]
before = resident_mb()
journal.clear()
if "give" in sys.argv:
    give_back()
print(before - resident_mb())
"""


@pytest.mark.parametrize("given_back", [True, False])
def test_what_was_read_before_the_daemon_was_made_goes_back_to_the_kernel_and_not_by_itself(
    given_back: bool,
) -> None:
    arguments = ("give",) if given_back else ()
    command = (sys.executable, "-c", PROGRAM, *arguments)
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, env={**os.environ, **wiping()})
    assert given_back == (float(ran.stdout) > 20.0)


def _entries_alive() -> int:
    gc.collect()
    return sum(isinstance(one, Entry) for one in gc.get_objects())
