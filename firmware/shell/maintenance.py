"""Who is at the console, and whether a technician keeps the kiosk out of service."""

import asyncio
import hashlib
import hmac
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from firmware.core import records as r
from firmware.core.facts import MaintenanceLevel
from firmware.core.hours import JST
from firmware.core.lockout import LockoutRule, current, waits_until
from firmware.core.maintenance import (
    SHIPPED_ORDER_FORGET_SECONDS,
    SHIPPED_ORDER_STEPS,
    Maintenance,
    MaintenanceOrder,
    OpenSession,
    after,
    out_of_service,
)
from firmware.core.terms import Role
from firmware.core.wording import told
from firmware.errors import OfficeRefused, OrderInvalid
from firmware.logbook import EventId, Logbook
from firmware.ports import ReportLevel

_LOOK_SECONDS = 1.0
_LONGEST_PLAN = timedelta(days=7)
_LONGEST_LEFT = timedelta(days=1)
"""Of a session after a restart, by a clock that nobody trusts yet."""

SHIPPED_RULE: Final = LockoutRule(SHIPPED_ORDER_STEPS, SHIPPED_ORDER_FORGET_SECONDS)

Write = Callable[[tuple[r.Record, ...]], Awaitable[None]]
"""Commits records of the office. Raises JournalError."""


class ReadOrder(Protocol):
    """Reads an order. now: aware, None while the clock is not trusted. Raises OrderInvalid."""

    def __call__(self, text: str, *, now: datetime | None, nonce: str) -> MaintenanceOrder: ...


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """token: what the console says with each command; it stands nowhere else."""

    token: str
    order: MaintenanceOrder


class MaintenanceWatch:
    """Reports MaintenanceLevel, and knows the session at the console.

    state: by the journal so far. read_order: None if this kiosk takes no orders. now: aware. trusted:
    whether the clock is.
    """

    def __init__(
        self,
        *,
        state: Maintenance,
        read_order: ReadOrder | None,
        rule: LockoutRule,
        log: Logbook,
        now: Callable[[], datetime],
        trusted: Callable[[], bool],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rule = rule
        self._state = state
        self._read_order = read_order
        self._log = log
        self._now = now
        self._trusted = trusted
        self._monotonic = monotonic
        self._nonce = self._used_nonce = ""
        self._kept_on = 0
        self._held = self._retired = False
        # A clock that is not trusted ends no session; the time since the login does.
        session = self._state.session
        left = timedelta(0) if session is None else session.ends - now()
        self._ends_monotonic = monotonic() + min(left, _LONGEST_LEFT).total_seconds()
        self._desk = asyncio.Lock()
        self._level = MaintenanceLevel()
        self._report: ReportLevel | None = None
        self._write: Write | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self, report: ReportLevel, write: Write) -> None:
        """Begin to report; write enters what happens here into the journal."""
        self._report, self._write = report, write
        self._look()
        self._task = asyncio.create_task(self._watch(), name="maintenance")

    async def close(self) -> None:
        """Report no more; may be called twice. The session outlives the daemon."""
        task, self._task, self._report = self._task, None, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    @property
    def session(self) -> OpenSession | None:
        """Who is logged in now."""
        session = self._state.session
        return None if session is None or self._is_over(session) else session

    @property
    def on(self) -> bool:
        """Whether maintenance keeps the kiosk out of service."""
        if self._retired:
            return True
        return self._kept_on > 0 or self._held or out_of_service(self._state, self._now())

    def hold(self, held: bool) -> None:
        """Out of service while an update is under way, whatever the switch says."""
        if held is not self._held:
            self._held = held
            self._look()

    def retire(self, retired: bool) -> None:
        """Out of service because the kiosk is to be erased, whatever the switch and an update say."""
        self._retired = retired
        self._look()

    @contextmanager
    def kept_on(self) -> Iterator[None]:
        """Out of service while a device is tested or staff print, whatever the switch and a plan say.

        Its end is reported also if the level stays: a slot that a test opened is looked at then.
        """
        self._kept_on += 1
        self._look()
        try:
            yield
        finally:
            self._kept_on -= 1
            self._look(again=True)

    @property
    def testing(self) -> bool:
        """Whether a device is being tested, or staff print: what it does then is theirs alone."""
        return self._kept_on > 0

    @property
    def plan(self) -> tuple[datetime, datetime] | None:
        """When maintenance is planned, if that is not over."""
        plan = self._state.plan
        return None if plan is None or plan[1] <= self._now() else plan

    def given(self, order_id: str) -> bool:
        """Whether something was asked by this order, or by this command from afar."""
        return order_id in self._state.given

    def undone(self, order_id: str) -> bool:
        """Whether this command from afar was refused."""
        return order_id in self._state.undone

    def nonce(self) -> str:
        """What an order must carry while the clock is not trusted; the same until one was good."""
        self._nonce = self._nonce or secrets.token_hex(8)
        return self._nonce

    async def login(self, text: str) -> LoggedIn:
        """Open the order's session. Raises OfficeRefused; the refusal is in the journal."""
        if self._read_order is None:
            raise OfficeRefused("this kiosk takes no maintenance orders: console.order_keys is empty")
        async with self._desk:
            self._refuse_while_it_waits()
            try:
                order = self._unspent(self._read(self._read_order, text))
            except OrderInvalid as refused:
                await self._enter(r.MaintenanceRefused(refused.reason))
                self._log(EventId.MAINTENANCE_REFUSED, reason=refused.reason)
                raise OfficeRefused(refused.sentence) from refused
            return await self._open(order)

    def authorize(self, token: str, role: Role) -> OpenSession:
        """The session whose token this is. Raises OfficeRefused without one, or without the role."""
        session = self.session
        if session is None or not hmac.compare_digest(_digest(token), session.token_sha256):
            raise OfficeRefused("nobody is logged in with this session: log in with an order")
        if role is not Role.LOOK and role not in session.roles:
            raise OfficeRefused(
                "order {order} does not allow this: it needs the role {role}",
                order=session.order_id,
                role=told(role.value),
            )
        return session

    async def command(self, order_id: str, by: str, command: str) -> None:
        """A command is on disk before it is carried out."""
        await self._enter(r.CommandGiven(order_id, by, command))

    async def refuse(self, order_id: str) -> None:
        """A command from afar was not carried out: after a restart it is told as refused, too."""
        await self._enter(r.CommandRefused(order_id))

    async def logout(self, token: str) -> None:
        """End the session; its order is spent. Raises OfficeRefused."""
        async with self._desk:
            session = self.authorize(token, Role.LOOK)
            await self._enter(r.MaintenanceClosed(session.order_id))
        self._log(EventId.MAINTENANCE_CLOSED)

    async def switch(self, *, on: bool, by: str) -> None:
        """Take the kiosk out of service at the end of the running visit, or put it in service again."""
        async with self._desk:
            await self._enter(r.MaintenanceSwitched(on, by))
            if not on and (plan := self.plan) is not None and plan[0] <= self._now():
                await self._enter(r.MaintenancePlanned("", "", by))
        self._look()

    async def schedule(self, begins: datetime, ends: datetime, by: str) -> None:
        """Out of service between the two moments (aware). Raises OfficeRefused."""
        now = self._now()
        if not begins < ends or ends <= now or ends - begins > _LONGEST_PLAN:
            raise OfficeRefused("a plan begins before it ends, ends in the future and is of 7 days at most")
        async with self._desk:
            await self._enter(r.MaintenancePlanned(_jst(begins), _jst(ends), by))
        self._look()

    async def forget_plan(self, by: str) -> None:
        """No maintenance is planned any more."""
        async with self._desk:
            await self._enter(r.MaintenancePlanned("", "", by))
        self._look()

    async def _open(self, order: MaintenanceOrder) -> LoggedIn:
        token = secrets.token_urlsafe(24)
        opened = r.MaintenanceOpened(
            order.order_id, order.by, order.roles, order.ends.isoformat(), _digest(token)
        )
        before = self._state.session
        ended = (
            (r.MaintenanceClosed(before.order_id),)
            if before is not None and before.order_id != order.order_id
            else ()
        )
        goes_on = self.session is not None and self.session.order_id == order.order_id
        await self._enter(*ended, opened)
        ends_monotonic = self._monotonic() + (order.ends - order.issued).total_seconds()
        # Pasted again it goes on; it does not begin anew.
        self._ends_monotonic = min(self._ends_monotonic, ends_monotonic) if goes_on else ends_monotonic
        if not goes_on:
            self._nonce, self._used_nonce = "", self._nonce
        self._log(EventId.MAINTENANCE_OPENED)
        return LoggedIn(token, order)

    def _read(self, read_order: ReadOrder, text: str) -> MaintenanceOrder:
        """Without a trusted clock the nonce that opened the session takes up that session alone, again."""
        now = self._now() if self._trusted() else None
        try:
            order = read_order(text, now=now, nonce=self._nonce)
        except OrderInvalid as refused:
            session = self.session
            if refused.reason != "nonce" or session is None or not self._used_nonce:
                raise
            order = read_order(text, now=now, nonce=self._used_nonce)
            if order.order_id != session.order_id:
                raise
        return order

    def _unspent(self, order: MaintenanceOrder) -> MaintenanceOrder:
        if self._state.spent(order.order_id):
            raise OrderInvalid("spent")
        return order

    def _refuse_while_it_waits(self) -> None:
        until = waits_until(current(self._state.refused, self._now(), self._rule), self._rule)
        if until is not None and self._now() < until:
            raise OfficeRefused(
                "too many refused orders: no login until {until:%m-%d %H:%M:%S}", until=until.astimezone(JST)
            )

    def _is_over(self, session: OpenSession) -> bool:
        ended = self._monotonic() >= self._ends_monotonic
        return ended or (self._trusted() and self._now() >= session.ends)

    async def _enter(self, *records: r.Record) -> None:
        if self._write is None:
            raise OfficeRefused("the kiosk is only just starting: say it again")
        await self._write(records)
        now = self._now()
        for record in records:
            self._state = after(self._state, record, now, self._rule)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            self._look()

    def _look(self, *, again: bool = False) -> None:
        level = MaintenanceLevel(self.on)
        if self._report is None or (level == self._level and not again):
            return
        if level != self._level:
            self._level = level
            self._log(EventId.MAINTENANCE_BEGAN if level.on else EventId.MAINTENANCE_ENDED)
        self._report(level)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _jst(moment: datetime) -> str:
    return moment.astimezone(JST).isoformat()
