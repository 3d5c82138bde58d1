"""The runner: one queue, one step at a time; records are on disk before any order leaves."""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, assert_never, get_args

from firmware.core import events as e
from firmware.core import orders as o
from firmware.core import records as r
from firmware.core.facts import Facts, Level
from firmware.core.rules import Rules
from firmware.core.screens import Screen
from firmware.core.session import bound, settle, step
from firmware.core.states import (
    CheckingStaffCode,
    EnteringPin,
    EnteringStaffCode,
    NotServing,
    PayingOut,
    Signing,
    State,
)
from firmware.core.steps import Step
from firmware.core.storyboard import screen_of, stranded_screen
from firmware.core.terms import KeypadKey, VisitId
from firmware.errors import JournalError
from firmware.logbook import EventId, Logbook
from firmware.shell.journal import Appender
from firmware.shell.pin import PinBuffer

Answer = Callable[[e.Event], None]


class Crew(Protocol):
    """Carries orders out."""

    async def carry_out(self, order: o.Order, answer: Answer) -> None:
        """Do it and answer. A bound order may be cancelled at any await."""

    def failed(self, order: o.Order) -> e.Event | None:
        """The most careful answer for an order whose execution broke down."""


@dataclass(frozen=True, slots=True)
class _Key:
    """is_shown: of a touch, whether the picture it was made on still stands."""

    key: KeypadKey
    is_shown: Callable[[], bool] | None = None


@dataclass(frozen=True, slots=True)
class _Answer:
    """task carried the order out: an equal order of a later state is not answered by it."""

    order: o.Order
    event: e.Event
    task: asyncio.Task[None]


@dataclass(frozen=True, slots=True)
class _Reported:
    level: Level


@dataclass(frozen=True, slots=True)
class _Posted:
    event: e.Event


@dataclass(frozen=True, slots=True)
class _Asked:
    """taken: told what came of the event, None if the run ended before."""

    event: e.Event
    taken: asyncio.Future["Taken | None"]


_Item = _Reported | _Posted | _Key | _Answer | _Asked

_BOUND = get_args(o.BoundOrder)


@dataclass(frozen=True, slots=True)
class Taken:
    """The state that an event met, and the step that followed; its records are on disk."""

    met: State
    done: Step


def new_visit() -> VisitId:
    """128 random bits, used once."""
    return VisitId(secrets.token_hex(16))


class Runner:
    """Feeds the engine and obeys it.

    pin, code: where the digits of a PIN and of a staff code go.
    show is called after every step with the screen; noted after every commit with its records, but for the
    one that the end of the run met.
    spare_key: told of each key that is no digit of a PIN or staff code, before the engine.
    overheard: told of keys and coins while the kiosk serves nobody, for a technician's tests.
    stranded: where the engine would be, had the journal taken the records of the last step; else None.
    """

    def __init__(
        self,
        *,
        rules: Rules,
        journal: Appender,
        crew: Crew,
        pin: PinBuffer,
        code: PinBuffer,
        show: Callable[[Screen], None],
        noted: Callable[[Sequence[r.Record]], None],
        spare_key: Callable[[KeypadKey], None] = lambda _key: None,
        log: Logbook,
    ) -> None:
        self._rules = rules
        self._journal = journal
        self._crew = crew
        self._pin = pin
        self._code = code
        self._show = show
        self._noted = noted
        self._spare_key = spare_key
        self._log = log
        self._inbox: asyncio.Queue[_Item] = asyncio.Queue()
        self._bound: dict[o.BoundOrder, asyncio.Task[None]] = {}
        self._committed: set[asyncio.Task[None]] = set()
        self.facts = Facts(next_visit=new_visit())
        self.state: State | None = None
        self.stranded: State | None = None
        self.overheard: Callable[[KeypadKey | e.Event], None] | None = None

    def report(self, level: Level) -> None:
        """A device's level changed."""
        self._inbox.put_nowait(_Reported(level))

    def post(self, event: e.Event) -> None:
        """Something happened that no order asked for: a coin."""
        self._overhear(event)
        self._inbox.put_nowait(_Posted(event))

    def key(self, key: KeypadKey) -> None:
        """A key of the keypad; a technician's test keeps it to itself."""
        if not self._overhear(key):
            self._inbox.put_nowait(_Key(key))

    def touch(self, key: KeypadKey, is_shown: Callable[[], bool]) -> None:
        """The touch twin of a key; it never types a PIN digit.

        is_shown: whether the picture it was made on still stands when its turn comes; it counts only then.
        """
        self._inbox.put_nowait(_Key(key, is_shown))

    async def book(self, entries: Sequence[r.BookEntry]) -> bool:
        """Enter all of this in the books; False, and nothing entered, while it may not be."""
        booked = tuple(entries)
        taken = await self.ask(e.Booked(booked))
        return taken is not None and taken.done.records[: len(booked)] == booked

    async def ask(self, event: e.Event) -> Taken | None:
        """Post an event and wait for what comes of it; None, and nothing, when the run ends before."""
        taken: asyncio.Future[Taken | None] = asyncio.get_running_loop().create_future()
        self._inbox.put_nowait(_Asked(event, taken))
        return await taken

    async def caught_up(self) -> None:
        """Wait until all that has come so far is taken."""
        await self.book(())

    async def run(self, start: Callable[[], Step]) -> None:
        """Run until cancelled. start is called with the facts of that moment known.

        Raises JournalError when a record is not certainly on disk.
        """
        try:
            self._settle_levels()
            await self._take(settle(start(), self.facts, self._rules))
            while True:
                await self._one(await self._inbox.get())
        finally:
            await self._stop()

    async def keep_late_coins(self) -> None:
        """After the run: keep the coins that came while the slot was shut. No order leaves.

        An acceptor that loses its power with ours forgets them. Raises JournalError.
        Once the journal takes nothing they are only counted: the acceptor tells them again at the next start.
        """
        while (state := self.stranded or self.state) is not None and not self._inbox.empty():
            item = self._inbox.get_nowait()
            if isinstance(item, _Asked) and not item.taken.done():
                item.taken.set_result(None)
            if not isinstance(item, _Posted):
                continue
            done = step(state, item.event, self.facts, self._rules)
            if self.stranded is None:
                await self._keep(done)
                self.state = done.state
            else:
                self.stranded = _at_rest(done.state)

    def coin_devices_work(self) -> bool:
        """Whether acceptor and hopper have answered; looks at the levels reported so far."""
        self._settle_levels()
        return self.facts.acceptor.working and all(
            self.facts.hopper(hopper).working for hopper in self._rules.minimum_change_coins
        )

    def _overhear(self, what: KeypadKey | e.Event) -> bool:
        """Whether a test heard it; never during a visit, when keys are a PIN."""
        if self.overheard is None or not isinstance(self.state, NotServing):
            return False
        self.overheard(what)
        return True

    def _settle_levels(self) -> None:
        """Apply the levels already reported; other items keep their order."""
        kept: list[_Item] = []
        while not self._inbox.empty():
            item = self._inbox.get_nowait()
            if isinstance(item, _Reported):
                self.facts = self.facts.with_level(item.level)
            else:
                kept.append(item)
        for item in kept:
            self._inbox.put_nowait(item)

    async def _one(self, item: _Item) -> None:
        event = self._event(item)
        if event is None or self.state is None:
            return
        met = self.state
        done = step(met, event, self.facts, self._rules)
        await self._take(done)
        if isinstance(item, _Asked) and not item.taken.done():
            item.taken.set_result(Taken(met, done))

    def _event(self, item: _Item) -> e.Event | None:
        match item:
            case _Reported(level=level):
                self.facts = self.facts.with_level(level)
                return e.FactsChanged()
            case _Posted(event=event) | _Asked(event=event):
                return event
            case _Key():
                return self._key_event(item)
            case _Answer(order=order, event=event, task=task):
                stale = isinstance(order, _BOUND) and self._bound.get(order) is not task
                if stale or _are_of_two(self.state, order):
                    self._log(EventId.LATE_ANSWER_DROPPED, answer=type(event).__name__)
                    return None
                return event
            case _:
                assert_never(item)

    def _key_event(self, pressed: _Key) -> e.Event | None:
        if pressed.is_shown is not None and not pressed.is_shown():
            return None
        if any(isinstance(order, o.CollectPin) for order in self._bound):
            return self._typed(pressed, self._pin, e.PinDigits, e.PinEntered())
        if any(isinstance(order, o.CollectStaffCode) for order in self._bound):
            return self._typed(pressed, self._code, e.StaffDigits, e.StaffCodeEntered())
        self._spare_key(pressed.key)
        return e.KeyPressed(pressed.key)

    def _typed(
        self, pressed: _Key, secret: PinBuffer, digits: Callable[[int], e.Event], entered: e.Event
    ) -> e.Event | None:
        digit = pressed.key.digit
        if digit is not None:
            if pressed.is_shown is not None:
                return None
            secret.add(digit)
            return digits(secret.count)
        match pressed.key:
            case KeypadKey.CORRECT:
                secret.correct()
                return digits(secret.count)
            case KeypadKey.CONFIRM:
                return entered if secret.full else e.KeyPressed(pressed.key)
            case _:
                return e.KeyPressed(pressed.key)

    async def _take(self, done: Step) -> None:
        """Records first; then bound orders, committed orders and the screen."""
        if done.records:
            await self._keep(done)
            self._noted(done.records)
            if any(isinstance(record, r.VisitBegan) for record in done.records):
                self.facts = replace(self.facts, next_visit=new_visit())
        if type(done.state) is not type(self.state):
            self._log(EventId.STATE_ENTERED, state=type(done.state).__name__)
        self.state = done.state
        self._rebind(bound(done.state, self._rules))
        for order in done.orders:
            task = self._task(order)
            self._committed.add(task)
            task.add_done_callback(self._committed.discard)
        self._show(screen_of(done.state, self.facts, self._rules))

    async def _keep(self, done: Step) -> None:
        """Cancelled meanwhile, it ends where the journal is: a late coin falls into that state."""
        keeping = asyncio.create_task(self._journal.append(done.records), name="append")
        cancelled = await _waited_out(keeping)
        try:
            keeping.result()
        except JournalError:
            self.stranded = _at_rest(done.state)
            self._show(stranded_screen(self.stranded))
            raise
        if cancelled:
            self.state = done.state
            raise asyncio.CancelledError

    def _rebind(self, wanted: frozenset[o.BoundOrder]) -> None:
        for order in [order for order in self._bound if order not in wanted]:
            self._bound.pop(order).cancel()
        for order in wanted - self._bound.keys():
            if isinstance(order, o.CollectPin):
                self._pin.clear()
            if isinstance(order, o.CollectStaffCode):
                self._code.clear()
            self._bound[order] = self._task(order)
        if not isinstance(self.state, EnteringPin | Signing):
            self._pin.clear()
        if not isinstance(self.state, EnteringStaffCode | CheckingStaffCode):
            self._code.clear()

    def _task(self, order: o.Order) -> asyncio.Task[None]:
        def answer(event: e.Event) -> None:
            self._inbox.put_nowait(_Answer(order, event, task))

        task = asyncio.create_task(self._crew.carry_out(order, answer), name=type(order).__name__)
        task.add_done_callback(lambda ended: self._ended(order, ended))
        return task

    def _ended(self, order: o.Order, task: asyncio.Task[None]) -> None:
        """A broken order gets the most careful answer instead of none."""
        if task.cancelled() or (error := task.exception()) is None:
            return
        self._log(EventId.TASK_FAILED, order=type(order).__name__, error=type(error).__name__)
        fallback = self._crew.failed(order)
        if fallback is not None:
            self._inbox.put_nowait(_Answer(order, fallback, task))

    async def _stop(self) -> None:
        self._pin.clear()
        self._code.clear()
        tasks = [*self._bound.values(), *self._committed]
        self._bound.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _are_of_two(state: object, order: o.Order) -> bool:
    """Whether state and order belong to visits, and not to the same."""
    visits = {getattr(what, "visit", None) for what in (state, order)} - {None}
    return len(visits) == 2


async def _waited_out(task: asyncio.Task[None]) -> bool:
    """Wait for task however often cancelled; whether it was."""
    cancelled = False
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            cancelled = True
    return cancelled


def _at_rest(state: State) -> State:
    """The state as it is if none of its orders leaves."""
    return replace(state, coin=None) if isinstance(state, PayingOut) else state
