"""Claims: money that a kiosk owes by a slip (返金引換券), paid once, at the store or at the counter."""

from typing import Any

from tests.municipality.desk import Desk
from tests.municipality.store import Connection, Row
from tests.municipality.wire import ClaimRequest, Problem, SettleClaimRequest

COUNTER = "counter"
"""Who paid, when it was the city itself."""


def open_claim(desk: Desk, request: ClaimRequest) -> dict[str, Any]:
    """Note what a kiosk owes. Raises Problem 404 order_unknown, 409 claim_conflict."""
    owner = desk.connection.execute(
        "SELECT kiosk FROM orders WHERE order_id = ?", (request.order_id,)
    ).fetchone()
    if owner is None or owner["kiosk"] != desk.kiosk.urn:
        raise Problem(404, "order_unknown")
    desk.connection.execute(
        "INSERT INTO claim (claim_no, kiosk, order_id, yen, opened_at) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        (request.claim_no, desk.kiosk.urn, request.order_id, request.yen, desk.moment),
    )
    kept = _kept(desk, request.claim_no)
    if kept is None or (kept["order_id"], kept["yen"]) != (request.order_id, request.yen):
        raise Problem(409, "claim_conflict")
    return _shown(kept)


def view(desk: Desk, claim_no: str) -> dict[str, Any]:
    """A claim of the kiosk that asks. Raises Problem 404 claim_unknown."""
    kept = _kept(desk, claim_no)
    if kept is None:
        raise Problem(404, "claim_unknown")
    return _shown(kept)


def settle(desk: Desk, claim_no: str, request: SettleClaimRequest) -> dict[str, Any]:
    """The store has paid it. Raises Problem 404 claim_unknown, 409 claim_conflict (elsewhere, other sum)."""
    kept = _kept(desk, claim_no)
    if kept is None:
        raise Problem(404, "claim_unknown")
    if kept["yen"] != request.yen or kept["settled_by"] not in (None, desk.kiosk.urn):
        raise Problem(409, "claim_conflict")
    if kept["settled_by"] is None:
        pay(desk.connection, desk.kiosk.urn, claim_no, desk.kiosk.urn, desk.moment)
    return view(desk, claim_no)


def pay(connection: Connection, kiosk: str, claim_no: str, payer: str, moment: float) -> bool:
    """Mark an open claim of this kiosk as paid; False if it is not open. Its slip names both."""
    changed = connection.execute(
        "UPDATE claim SET settled_by = ?, settled_at = ?"
        " WHERE kiosk = ? AND claim_no = ? AND settled_by IS NULL",
        (payer, moment, kiosk, claim_no),
    )
    return changed.rowcount == 1


def _kept(desk: Desk, claim_no: str) -> Row | None:
    row: Row | None = desk.connection.execute(
        "SELECT * FROM claim WHERE claim_no = ? AND kiosk = ?", (claim_no, desk.kiosk.urn)
    ).fetchone()
    return row


def _shown(claim: Row) -> dict[str, Any]:
    return {name: claim[name] for name in ("claim_no", "order_id", "yen", "settled_by")}
