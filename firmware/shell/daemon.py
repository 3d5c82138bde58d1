"""The daemon: starts the devices, recovers from the journal, runs the engine until told to stop."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import datetime, time
from functools import partial
from types import TracebackType
from typing import Any, Protocol

from firmware import __version__, ports
from firmware.core import events as e
from firmware.core import records as r
from firmware.core.accounts import misplaced_hoppers
from firmware.core.facts import Facts, Level
from firmware.core.orders import Alarm
from firmware.core.recovery import followed_job, open_trial, open_visit, recover
from firmware.core.rules import Rules
from firmware.core.screens import Screen, ScreenId
from firmware.core.states import Idle, NotServing
from firmware.core.steps import Step
from firmware.core.telling import Tell
from firmware.core.terms import Aid, KeypadKey, Language, Yen
from firmware.errors import JournalError
from firmware.logbook import EventId, Logbook
from firmware.shell.clock import Clock
from firmware.shell.crew import DeviceCrew
from firmware.shell.devices import Devices
from firmware.shell.door_alarm import DoorAlarm
from firmware.shell.door_code import DoorCode
from firmware.shell.found_paper import FoundPaper
from firmware.shell.given_back import give_back
from firmware.shell.health import Health
from firmware.shell.journal import Entry, Journal
from firmware.shell.lockout import LockoutWatch
from firmware.shell.maintenance import MaintenanceWatch
from firmware.shell.medium import Medium
from firmware.shell.notify import ServiceManager
from firmware.shell.office import Office
from firmware.shell.outbox import Outbox, OutboxState
from firmware.shell.pace import PrintPace
from firmware.shell.past import Past
from firmware.shell.pin import PinBuffer
from firmware.shell.runner import Runner
from firmware.shell.slot_keeper import SlotKeeper
from firmware.shell.staff import StaffDoor
from firmware.shell.stranded import by_journal, wait_stranded
from firmware.shell.tray_watch import TrayWatch
from firmware.shell.trial_coin import TrialCoins
from firmware.shell.workers import SpareWorker

_AT_REST = frozenset({ScreenId.IDLE, ScreenId.CLOSED, ScreenId.OUT_OF_SERVICE})
"""Whoever stands there next finds no aid of the person before."""
_REST_SECONDS = 5.0
"""After a visit: what was its has been given free by then."""


class Console(Protocol):
    """Where staff ask the office; open while the kiosk runs."""

    async def start(self) -> None: ...

    async def close(self) -> None: ...


BeginErrands = Callable[
    [ports.Municipality, Callable[[], bool], Callable[[], Iterable[str]]],
    Mapping[str, Callable[[], Coroutine[Any, Any, None]]],
]
"""What runs beside the engine, by name; see `firmware.compose.errands`."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What compose has built. show draws a screen in a language, and speaks it, with the person's aids.
    listen is given who wants to know of the earphone's socket; voice_key is told of keys that mean nothing
    to the screen, next_person that whoever comes now shall hear it as loud and as fast as ever. watch_page
    reports ScreenLevel until cancelled. make_console is given, last, whether a document worker works.

    late_refund_seconds: after a power cut as long, coins are owed by a claim slip, for nobody waits for them.
    coin_yen, coins_loaded: by hopper, what it pays and what it held when the journal first heard of it.
    day_ends: when the business day ends, Japan time. door_grace_seconds: until an open door sounds the alarm.
    """

    rules: Rules
    devices: Devices
    clock: Clock
    lockout: LockoutWatch
    staff: StaffDoor
    pace: PrintPace
    maintenance: MaintenanceWatch
    health: Health
    journal: Journal
    medium: Medium
    show: Callable[[Screen, Language, frozenset[Aid]], None]
    listen: Callable[[Callable[[bool], None]], None]
    voice_key: Callable[[KeypadKey], None]
    next_person: Callable[[], None]
    start_screen: Callable[[], Awaitable[None]]
    close_screen: Callable[[], Awaitable[None]]
    watch_page: Callable[[ports.ReportLevel], Coroutine[Any, Any, None]]
    make_crew: Callable[
        [PinBuffer, SpareWorker, Callable[[Language], None], Callable[[Aid], None]], DeviceCrew
    ]
    settle_seconds: float
    late_refund_seconds: float
    coin_yen: Mapping[int, Yen]
    coins_loaded: Mapping[int, int]
    day_ends: time
    door_grace_seconds: float
    make_console: Callable[[Office, Runner, Callable[[], OutboxState], Callable[[], bool]], Console]
    begin_errands: BeginErrands
    report_unheard_seconds: float
    now: Callable[[], datetime]


def is_late(entries: Iterable[Entry], now: datetime, limit_seconds: float) -> bool:
    """The person of the open visit will have gone: its last record is older than limit_seconds.

    now: aware. A record of the future means a clock that was set back: nobody knows how long it was.
    """
    entries = tuple(entries)
    visit = open_visit(entry.record for entry in entries)
    if visit is None:
        return False
    last = max(
        datetime.fromisoformat(entry.at)
        for entry in entries
        if getattr(entry.record, "visit", None) == visit.visit
    )
    return not 0.0 <= (now - last).total_seconds() <= limit_seconds


def _orders(records: Iterable[r.Record]) -> Iterator[str]:
    for record in records:
        if order_id := getattr(record, "order_id", ""):
            yield order_id


def _orders_of_open_visit(records: Iterable[r.Record]) -> Iterator[str]:
    """A person or the recovery still decides about these."""
    records = tuple(records)
    visit = open_visit(records)
    if visit is not None:
        yield from _orders(record for record in records if getattr(record, "visit", None) == visit.visit)


class _Closing(Protocol):
    async def close(self) -> None: ...


class Daemon:
    """One run of the kiosk. past: what the whole journal says, from which the parts are made, too."""

    def __init__(self, parts: Parts, past: Past, log: Logbook) -> None:
        self._parts = parts
        self._left_open, self._slot_before = past.left_open, past.slot
        self._log = log
        self._language = parts.rules.languages[0]
        self._aids: frozenset[Aid] = frozenset()
        self._plugged = False
        self._screen: Screen | None = None
        self._tray = TrayWatch(log)
        self._pin = PinBuffer()
        self._spare = SpareWorker(parts.devices.new_worker)
        self._crew = parts.make_crew(self._pin, self._spare, self._speak, self._adapt)
        self._settled = asyncio.Event()
        self._errands: Mapping[str, Callable[[], Coroutine[Any, Any, None]]] = {}
        self._orders = set(_orders_of_open_visit(entry.record for entry in self._left_open))
        self._leaving = False
        self.runner = Runner(
            rules=parts.rules,
            journal=parts.journal,
            crew=self._crew,
            pin=self._pin,
            code=parts.staff.buffer,
            show=self._show,
            noted=self._noted,
            spare_key=self._spare_key,
            log=log,
        )
        self.office = Office(
            books=past.books,
            book=self.runner.book,
            resting=self._resting,
            journal=parts.journal,
            noted=self._noted_outside,
            municipality=parts.devices.municipality,
            payouts=parts.devices.payouts,
            coin_yen=parts.coin_yen,
            trusted=lambda: parts.clock.trusted,
            now=parts.now,
            day_ends=parts.day_ends,
            log=log,
        )
        self._found_paper = FoundPaper(past.said_off, write=self.office.write, log=log)
        self._slot = SlotKeeper(
            parts.devices.acceptor,
            is_open=past.slot.is_open,
            may_shut=self._slot_may_be_shut,
            post=self.runner.post,
        )
        self._door_alarm = DoorAlarm(
            ordered=self._door_may_be_open,
            sound=lambda: parts.devices.panel.buzz(Alarm.ALARM.value),
            grace_seconds=parts.door_grace_seconds,
            log=log,
        )
        self._door_code = DoorCode(
            wanted=self._door_code_wanted,
            is_right=parts.staff.is_right,
            write=self._write_staff,
            refused=lambda: parts.devices.panel.buzz(Alarm.ATTENTION.value),
        )
        self._outbox = Outbox(
            telling=past.telling,
            municipality=parts.devices.municipality,
            journal=parts.journal,
            noted=self.office.note,
            unheard_seconds=parts.report_unheard_seconds,
            log=log,
        )

    async def run(self, manager: ServiceManager) -> None:
        """Run until cancelled. Raises JournalError when a record is not certainly on disk.

        Then it has shut the slot, let go of every device, and waited until the journal's disk takes writes.
        """
        async with AsyncExitStack() as undo:
            undo.push_async_callback(self._parts.close_screen)
            await self._parts.start_screen()
            self._parts.listen(self._plug)
            serving = asyncio.create_task(self._serve(manager), name="serve")
            try:
                await asyncio.shield(serving)
            except asyncio.CancelledError:
                # A cancel on the way out would tear the shutting of the slot in two.
                if not self._leaving:
                    serving.cancel()
                await asyncio.wait([serving])
                serving.result()
                raise
            except (JournalError, ExceptionGroup) as error:
                if by_journal(error):
                    await self._wait_stranded(manager)
                raise

    async def _serve(self, manager: ServiceManager) -> None:
        devices = self._parts.devices
        # Before any device is touched: a journal that takes no record now takes no coin either.
        started: tuple[r.Record, ...] = (r.DaemonStarted(__version__), *self._first_coins())
        await self._parts.journal.append(started)
        async with AsyncExitStack() as undo:
            closing: tuple[_Closing, ...] = (
                devices.card,
                devices.keypad,
                devices.acceptor,
                *devices.payouts.values(),
                devices.printer,
                devices.receipt,
                devices.panel,
                devices.municipality,
                self._parts.clock,
                self._parts.lockout,
                self._parts.staff,
                self._parts.maintenance,
                self._door_alarm,
                self._door_code,
                self._parts.medium,
            )
            for device in closing:
                undo.push_async_callback(device.close)
            undo.push_async_callback(self._spare.close)
            undo.push_async_callback(self.runner.keep_late_coins)
            undo.push_async_callback(self._crew.close)
            self._errands = self._parts.begin_errands(devices.municipality, self._resting, self._mine)
            self._start_devices()
            self._spare.prepare()
            self.office.note(started)
            await self._wait_for_coin_devices()
            await self._settle_trial()
            console = self._parts.make_console(
                self.office, self.runner, lambda: self.outbox, self._spare.works
            )
            undo.push_async_callback(console.close)
            await console.start()
            undo.push(partial(self._leave, manager))
            # A group whose member fails leaves its own task marked as cancelled (CPython 3.11), and there a
            # time-out that runs out raises CancelledError: what shuts the devices must not run in that task.
            await asyncio.create_task(self._work(manager), name="work")

    async def _work(self, manager: ServiceManager) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._outbox.run(), name="outbox")
            for name, errand in self._errands.items():
                tasks.create_task(errand(), name=name)
            tasks.create_task(self.office.run(), name="office")
            tasks.create_task(self._slot.run(), name="slot")
            tasks.create_task(self._found_paper.run(), name="found-paper")
            tasks.create_task(self._parts.watch_page(self.runner.report), name="page")
            tasks.create_task(self._parts.health.run(), name="health")
            tasks.create_task(manager.keep_alive(self._parts.health.well), name="watchdog")
            tasks.create_task(self.runner.run(self._recovered), name="runner")
            manager.ready()

    @property
    def outbox(self) -> OutboxState:
        """What is still to be told, and what the municipality would not take."""
        return self._outbox.state

    def _mine(self) -> set[str]:
        """Orders of which we still have to tell, or that this run has had its hands on this business day."""
        waiting = {tell.order_id for tell in self._outbox.waiting if isinstance(tell, Tell)}
        return waiting | self._orders

    def _leave(
        self,
        manager: ServiceManager,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Whoever will wait for the journal's disk does not tell that it stops."""
        self._leaving = True
        if not by_journal(error):
            manager.stopping()

    async def _wait_stranded(self, manager: ServiceManager) -> None:
        runner = self.runner
        state = runner.stranded or runner.state or recover(entry.record for entry in self._left_open).state
        await wait_stranded(
            state,
            show=lambda screen: self._parts.show(screen, self._language, self._aids),
            medium=self._parts.medium,
            manager=manager,
            log=self._log,
        )

    def _start_devices(self) -> None:
        devices, report = self._parts.devices, self.runner.report
        devices.card.start(report)
        devices.keypad.start(report, self._key)
        devices.acceptor.start(
            self._report_coin_device,
            self._coin,
            self._slot_before.mark,
            was_open=self._slot_before.is_open,
        )
        for payout in devices.payouts.values():
            payout.start(self._report_coin_device)
        devices.printer.hunt_strays(followed_job(recover(entry.record for entry in self._left_open)))
        devices.printer.start(report)
        devices.receipt.start(report)
        devices.panel.start(self._report_panel)
        devices.municipality.start(report, self._told_facts)
        self._parts.clock.start(report)
        self._parts.lockout.start(report)
        self._parts.staff.start(report)
        self._parts.pace.start(report)
        self._parts.maintenance.start(report, self.office.write)
        self._parts.medium.start(report)

    def _key(self, key: KeypadKey) -> None:
        self._door_code.key(key)
        self.runner.key(key)

    def _door_may_be_open(self) -> bool:
        return self._parts.maintenance.session is not None or self._parts.staff.may_open

    def _door_code_wanted(self) -> bool:
        open_unordered = self.runner.facts.panel.door_open and not self._door_may_be_open()
        return open_unordered and isinstance(self.runner.state, NotServing) and self._parts.staff.takes_code

    async def _write_staff(self, records: Sequence[r.Record]) -> None:
        await self.office.write(records)
        self._parts.staff.note(records)

    def _report_panel(self, level: Level) -> None:
        self.runner.report(level)
        self._door_alarm.seen(level)
        if not self.runner.facts.panel.door_open:
            self._door_code.forget()

    def _told_facts(self) -> Facts:
        facts = self.runner.facts
        return replace(facts, panel=replace(facts.panel, paper_left=self._tray.left))

    def _report_coin_device(self, level: Level) -> None:
        self.runner.report(level)
        self._settled.set()

    async def _wait_for_coin_devices(self) -> None:
        """An open visit or trial is settled in coins: give acceptor and hopper time to answer first."""
        records = [entry.record for entry in self._left_open]
        if open_visit(records) is None and open_trial(records) is None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._parts.settle_seconds):
                while not self.runner.coin_devices_work():
                    self._settled.clear()
                    await self._settled.wait()

    async def _settle_trial(self) -> None:
        """A technician's coin that was on its way when the power went: before any other leaves the hopper."""
        if (intended := open_trial(entry.record for entry in self._left_open)) is not None:
            trials = TrialCoins(
                payouts=self._parts.devices.payouts,
                facts=lambda: self.runner.facts,
                write=self.office.write,
                desk=self.office.desk,
            )
            await trials.settle(intended)

    def _recovered(self) -> Step:
        records = [entry.record for entry in self._left_open]
        late = is_late(self._left_open, self._parts.now(), self._parts.late_refund_seconds)
        step = recover(records, late=late)
        if (visit := open_visit(records)) is not None:
            self._log(EventId.RECOVERED, visit=visit.visit[:8], state=type(step.state).__name__)
        self._left_open = ()
        give_back()
        return step

    def _coin(self, coin: ports.CoinAccepted | ports.CoinsSuspect | ports.CoinReturned) -> None:
        match coin:
            case ports.CoinReturned():
                self.runner.post(e.CoinRejected())
            case ports.CoinAccepted(yen=yen, mark=mark):
                self.runner.post(e.CoinInserted(yen, mark.serial, mark.counter, mark.pairs))
            case ports.CoinsSuspect(lost=lost, code=code, mark=mark):
                self.runner.post(e.CoinTrouble(lost, code, mark.serial, mark.counter, mark.pairs))

    def _show(self, screen: Screen) -> None:
        """Draw what changed; the same screen again would turn its countdown back, and the timer runs on."""
        self._slot.look()
        resting = screen.id in _AT_REST
        paper = self.runner.facts.panel.paper_in_tray
        self._tray.seen(resting=resting, paper=paper)
        self._found_paper.look(resting=resting, paper=paper, may_print=not self.runner.facts.printer.reasons)
        if screen == self._screen:
            return
        if resting and not self._shows_rest():
            self._next_person()
        self._screen = screen
        self._parts.show(screen, self._language, self._aids)
        self._parts.devices.panel.light(None if screen.place is None else screen.place.value)

    def _shows_rest(self) -> bool:
        return self._screen is not None and self._screen.id in _AT_REST

    def _next_person(self) -> None:
        self._aids = frozenset({Aid.VOICE}) if self._plugged else frozenset()
        self._parts.next_person()

    def _speak(self, language: Language) -> None:
        self._language = language
        self._show_again()

    def _adapt(self, aid: Aid) -> None:
        self._aids ^= {aid}
        self._show_again()

    def _plug(self, plugged: bool) -> None:
        """Plugging the earphone in asks for the voice, without sight of any key (EN 301 549, 5.1.3)."""
        self._plugged = plugged
        self._aids = self._aids | {Aid.VOICE} if plugged else self._aids - {Aid.VOICE}
        self._show_again()

    def _spare_key(self, key: KeypadKey) -> None:
        """A key of the keypad, nothing secret: to the voice if it has no meaning here."""
        screen = self._screen
        if screen is None or screen.id in _AT_REST or Aid.VOICE not in self._aids:
            return
        if key.digit is not None and key.digit not in {choice.digit for choice in screen.choices}:
            self._parts.voice_key(key)

    def _show_again(self) -> None:
        if self._screen is not None:
            self._parts.show(self._screen, self._language, self._aids)

    def _first_coins(self) -> Iterator[r.CoinsRefilled]:
        """What a new hopper was loaded with, said once: from then on the journal knows what lies in it.

        While the books know coins in a hopper that is configured no more, these may be the same coins:
        staff say what lies where.
        """
        misplaced = misplaced_hoppers(self.office.accounts, self._parts.coin_yen)
        if misplaced:
            self._log(EventId.HOPPER_MOVED, device=f"hopper-{misplaced[0]}", count=len(misplaced))
            return
        for hopper, coin_yen in self._parts.coin_yen.items():
            if not self.office.accounts.position(hopper, coin_yen).known:
                coins = self._parts.coins_loaded[hopper]
                yield r.CoinsRefilled(hopper, coin_yen, coins, "commissioning")

    def _resting(self) -> bool:
        return isinstance(self.runner.state, Idle | NotServing)

    def _slot_may_be_shut(self) -> bool:
        """A technician's test opens the slot at rest, too, with a session or without one."""
        in_test = self._parts.maintenance.testing
        return self._resting() and self.runner.facts.acceptor.working and not in_test

    def _noted_outside(self, records: Sequence[r.Record]) -> None:
        self._slot.note(records)
        self._found_paper.note(records)
        self._outbox.note(records)

    def _noted(self, records: Sequence[r.Record]) -> None:
        began = any(isinstance(record, r.VisitBegan) for record in records)
        if began and not self._shows_rest():
            # One visit's end and the next one's beginning in a single step: no screen at rest between them,
            # on which this person could have chosen.
            self._next_person()
        if any(isinstance(record, r.DayClosed) for record in records):
            # A day closes at rest: what is still to be told of its orders waits in the outbox.
            self._orders.clear()
        self._orders |= set(_orders(records))
        self._slot.note(records)
        self._found_paper.note(records)
        self.office.note(records)
        self._outbox.note(records)
        self._parts.lockout.note(records)
        self._parts.staff.note(records)
        self._parts.pace.note(records)
        if any(isinstance(record, r.VisitEnded) for record in records):
            self._spare.prepare()
            asyncio.get_running_loop().call_later(_REST_SECONDS, give_back)
