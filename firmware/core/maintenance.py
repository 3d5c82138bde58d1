"""Maintenance as the journal knows it: who is at the console, which orders are spent, does it serve.

An order (保守指示) opens one session. Until the session ends, by logout, by its time or because another
order opened one, the same order takes it up again: a lost carrier costs nobody an order. After that it is
spent. Refused orders in a row make the console wait, and the journal keeps each, so that a restart changes
nothing; an order that is good ends the row. Pure: the time comes in as an argument.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from firmware.core import records as r
from firmware.core.lockout import ORDERS, Lockout, LockoutRule
from firmware.core.lockout import after as after_mistake
from firmware.core.terms import Role

SHIPPED_ORDER_STEPS: Final = ((3, 60.0), (5, 900.0), (8, 3600.0))
SHIPPED_ORDER_FORGET_SECONDS: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class MaintenanceOrder:
    """An order as its issuer signed it: who may do what here, and for how long (aware)."""

    order_id: str
    by: str
    roles: tuple[Role, ...]
    issued: datetime
    ends: datetime


@dataclass(frozen=True, slots=True)
class OpenSession:
    """Somebody is logged in. token_sha256: hexadecimal. ends: aware."""

    order_id: str
    by: str
    roles: tuple[Role, ...]
    ends: datetime
    token_sha256: str


@dataclass(frozen=True, slots=True)
class Maintenance:
    """What the journal says now. plan: begins and ends, aware. given: numbers of orders and remote commands
    by which something was asked. undone: those of them that were refused.
    """

    session: OpenSession | None = None
    seen: frozenset[str] = frozenset()
    refused: Lockout = field(default_factory=Lockout)
    on: bool = False
    plan: tuple[datetime, datetime] | None = None
    given: frozenset[str] = frozenset()
    undone: frozenset[str] = frozenset()

    def spent(self, order_id: str) -> bool:
        """Whether this order has had its session."""
        return order_id in self.seen and (self.session is None or self.session.order_id != order_id)


def after(state: Maintenance, record: r.Record, at: datetime, rule: LockoutRule) -> Maintenance:
    """The state once this record stands in the journal. at: aware."""
    match record:
        case r.MaintenanceOpened(order_id=order_id, by=by, roles=roles, ends=ends, token_sha256=token):
            session = OpenSession(order_id, by, roles, datetime.fromisoformat(ends), token)
            refused = after_mistake(state.refused, record, at, rule, ORDERS)
            return replace(state, session=session, seen=state.seen | {order_id}, refused=refused)
        case r.MaintenanceClosed(order_id=order_id):
            mine = state.session is not None and state.session.order_id == order_id
            return replace(state, session=None) if mine else state
        case r.MaintenanceRefused():
            return replace(state, refused=after_mistake(state.refused, record, at, rule, ORDERS))
        case r.CommandGiven(order_id=order_id):
            return replace(state, given=state.given | {order_id}) if order_id not in state.given else state
        case r.CommandRefused(order_id=order_id):
            return replace(state, undone=state.undone | {order_id})
        case r.MaintenanceSwitched(on=on):
            return replace(state, on=on)
        case r.MaintenancePlanned(begins=begins, ends=ends):
            plan = (datetime.fromisoformat(begins), datetime.fromisoformat(ends)) if begins else None
            return replace(state, plan=plan)
        case _:
            return state


def out_of_service(state: Maintenance, now: datetime) -> bool:
    """Whether a technician or a plan keeps the kiosk out of service now. now: aware."""
    return state.on or (state.plan is not None and state.plan[0] <= now < state.plan[1])
