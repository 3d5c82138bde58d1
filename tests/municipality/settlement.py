"""Settlement: a kiosk's business day held against the municipality's own books (収納金の突合).

A difference is one word: what differs, about which order or claim, and both sides' figures.
"""

import hashlib
import json
from collections.abc import Iterator
from datetime import date
from typing import Any

import msgspec

from tests.municipality.desk import Desk
from tests.municipality.states import State
from tests.municipality.store import Connection, Row
from tests.municipality.wire import DayRequest, Problem

_BACK = frozenset({State.REFUNDED, State.CANCELLED, State.EXPIRED})
_ISSUED = frozenset({State.ISSUED})
_PAID = (State.RELEASED, State.ISSUED, State.PRINT_FAILED, State.UNCERTAIN, State.REFUNDED)


def settle(desk: Desk, business_date: str, request: DayRequest) -> dict[str, Any]:
    """Compare and keep. The same report again gets the same answer.

    Raises Problem 400 request_invalid for no date, 409 day_conflict for a day that was settled otherwise
    or that comes before one already settled.
    """
    if not _is_date(business_date):
        raise Problem(400, "request_invalid")
    asked = hashlib.sha256(msgspec.json.encode(request, order="deterministic")).digest()
    kept = _kept(desk, business_date)
    if kept is None:
        differences = list(_differences(desk, request))
        _keep(desk, business_date, request, asked, differences)
    elif (kept["business_date"], kept["asked"]) == (business_date, asked):
        differences = json.loads(kept["differences"])
    else:
        raise Problem(409, "day_conflict")
    return {"business_date": business_date, "matched": not differences, "differences": differences}


def tick(connection: Connection, order_id: str) -> bool:
    """The clerk has looked at an order that no day names; False if it needs no such thing."""
    changed = connection.execute(
        "UPDATE orders SET settled_on = 'clerk' WHERE order_id = ? AND settled_on IS NULL"
        " AND released_at IS NOT NULL",
        (order_id,),
    )
    return changed.rowcount == 1


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _kept(desk: Desk, business_date: str) -> Row | None:
    """The settlement of this day, or one of a later day, behind which no other may come."""
    row: Row | None = desk.connection.execute(
        "SELECT * FROM settlement WHERE kiosk = ? AND business_date >= ? ORDER BY business_date LIMIT 1",
        (desk.kiosk.urn, business_date),
    ).fetchone()
    return row


def _keep(desk: Desk, business_date: str, request: DayRequest, asked: bytes, differences: list[str]) -> None:
    desk.connection.executemany(
        "UPDATE orders SET settled_on = ? WHERE order_id = ? AND kiosk = ? AND settled_on IS NULL",
        [(business_date, order_id, desk.kiosk.urn) for order_id in (*request.issued, *request.given_back)],
    )
    desk.connection.execute(
        "INSERT INTO settlement VALUES (?, ?, ?, ?, ?, ?)",
        (
            desk.kiosk.urn,
            business_date,
            asked,
            msgspec.json.encode(request).decode(),
            _cash_yen(request),
            json.dumps(differences),
        ),
    )


def _differences(desk: Desk, request: DayRequest) -> Iterator[str]:
    yield from _orders(desk, request)
    yield from _sums(desk, request)
    yield from _claims(desk, request)
    yield from _cash(desk, request)


def _orders(desk: Desk, request: DayRequest) -> Iterator[str]:
    reported = dict.fromkeys(request.given_back, _BACK) | dict.fromkeys(request.issued, _ISSUED)
    if len(reported) != len(request.issued) + len(request.given_back):
        yield "order-twice"
    for order_id, states in reported.items():
        order = _order(desk, order_id)
        if order is None:
            yield f"order-missing:{order_id}"
        elif order["settled_on"] is not None:
            yield f"order-settled:{order_id}:{order['settled_on']}"
        elif order["state"] not in states:
            yield f"order-state:{order_id}:{order['state']}"
    own = desk.connection.execute(
        "SELECT order_id, state FROM orders WHERE kiosk = ? AND settled_on IS NULL AND released_at <= ?",
        (desk.kiosk.urn, request.closed_at.timestamp()),
    )
    for order in own.fetchall():
        if order["state"] in _PAID and order["order_id"] not in reported:
            yield f"order-not-reported:{order['order_id']}:{order['state']}"


def _sums(desk: Desk, request: DayRequest) -> Iterator[str]:
    """Fees by kind, as the orders here say; and whether the kiosk's own sum is whole."""
    issued = [order for order_id in request.issued if (order := _order(desk, order_id)) is not None]
    for kind in sorted({order["kind"] for order in issued} | {line.kind for line in request.sold}):
        mine = [order for order in issued if order["kind"] == kind]
        here = (len(mine), sum(o["copies"] for o in mine), sum(o["total_yen"] for o in mine))
        theirs = [(line.issues, line.copies, line.yen) for line in request.sold if line.kind == kind]
        if theirs != [here]:
            yield f"sold-{kind}:{_figures(*theirs)}:{_figures(here)}"
    fees_yen = sum(order["total_yen"] for order in issued)
    if request.fees_yen != fees_yen:
        yield f"fees:{request.fees_yen}:{fees_yen}"
    owned_yen = request.fees_yen + request.paid_out_yen + request.claims_yen + request.unclaimed_yen
    if request.taken_yen != owned_yen:
        yield f"unbalanced:{request.taken_yen}:{owned_yen}"


def _claims(desk: Desk, request: DayRequest) -> Iterator[str]:
    for line in request.claims:
        kept = desk.connection.execute(
            "SELECT yen FROM claim WHERE claim_no = ? AND kiosk = ? AND order_id = ?",
            (line.claim_no, desk.kiosk.urn, line.order_id),
        ).fetchone()
        if kept is None:
            yield f"claim-missing:{line.claim_no}"
        elif kept["yen"] != line.yen:
            yield f"claim-yen:{line.claim_no}:{line.yen}:{kept['yen']}"
    total_yen = sum(line.yen for line in request.claims)
    if total_yen != request.claims_yen:
        yield f"claims:{request.claims_yen}:{total_yen}"


def _cash(desk: Desk, request: DayRequest) -> Iterator[str]:
    """Coins only come and go as the day says: the coins of the last settlement and what moved since."""
    before = desk.connection.execute(
        "SELECT cash_yen FROM settlement WHERE kiosk = ? ORDER BY business_date DESC LIMIT 1",
        (desk.kiosk.urn,),
    ).fetchone()
    moved_yen = sum(
        (line.refilled - line.collected + line.difference) * line.coin_yen for line in request.cash
    )
    before_yen = 0 if before is None else before["cash_yen"]
    expected_yen = before_yen + request.taken_yen - request.paid_out_yen + moved_yen
    if _cash_yen(request) != expected_yen:
        yield f"cash:{_cash_yen(request)}:{expected_yen}"


def _cash_yen(request: DayRequest) -> int:
    return sum(line.coins * line.coin_yen for line in request.cash)


def _order(desk: Desk, order_id: str) -> Row | None:
    row: Row | None = desk.connection.execute(
        "SELECT * FROM orders WHERE order_id = ? AND kiosk = ?", (order_id, desk.kiosk.urn)
    ).fetchone()
    return row


def _figures(*sides: tuple[int, ...]) -> str:
    return ".".join("-".join(map(str, side)) for side in sides) or "none"
