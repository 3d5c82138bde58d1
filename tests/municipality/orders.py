"""Orders: reserved, released against the fee, ended by what the kiosk reports.

Every statement names the order, its kiosk, its session and the state it expects, and must change
exactly one row. Answers given once are given again.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from tests.municipality import breaker, contents, records
from tests.municipality.desk import Desk
from tests.municipality.eligibility import Assessment, Offer
from tests.municipality.scramble import Office, protect
from tests.municipality.sealing import AUTHORITY, CONTENTS, Addressee, seal
from tests.municipality.sessions import current_assessment, numbered
from tests.municipality.states import TERMINAL, State, after_refund, after_result
from tests.municipality.store import Connection, Row, count
from tests.municipality.wire import (
    Problem,
    RefundRequest,
    ReleaseRequest,
    ReprintRequest,
    Request,
    ReserveRequest,
    ResultRequest,
    b64u,
    encode,
    unb64u,
)

_VIEWED = ("order_id", "state", "total_yen", "number", "receipt_no", "paid_yen", "refunded_yen", "owed_yen")


@dataclass(frozen=True, slots=True)
class Order:
    """What checks and settlements may know of an order: nothing of a person."""

    order_id: str
    kiosk: str
    kind: str
    copies: int
    state: State
    total_yen: int
    number: str
    paid_yen: int | None
    receipt_no: str | None
    pages_out: int | None
    refunded_yen: int | None
    owed_yen: int | None


@dataclass(frozen=True, slots=True)
class Backs:
    """What the municipality signs the backs with."""

    office: Office
    city_seal_png: bytes


def reserve(desk: Desk, request: ReserveRequest, office: Office, city_seal_png: bytes) -> dict[str, Any]:
    """Reserve an issuance, sign its backs, and seal its contents to the session's key.

    Raises Problem 404 session_unknown, 409 order_conflict for the id of another order, 403 with the
    refusal or not_offered, 503 maintenance while the breaker is tripped, and Mismatch, which trips it.
    """
    if (existing := _find(desk, request.order_id)) is not None:
        return _reserved_before(desk, existing, request)
    session = desk.connection.execute(
        "SELECT * FROM session"
        " WHERE id = ? AND kiosk = ? AND thumbprint = ? AND state = 'AUTHENTICATED' AND ends_at > ?",
        (request.session_id, desk.kiosk.urn, desk.kiosk.thumbprint, desk.moment),
    ).fetchone()
    if session is None:
        raise Problem(404, "session_unknown")
    breaker.check(desk)
    entry = records.entry(desk, session["resident"])
    assessment = current_assessment(desk, entry)
    total_yen = _permitted(assessment, request).fee_yen * request.copies
    if request.members and numbered(assessment) != json.loads(session["members"]):
        raise Problem(403, "not_offered")  # none were told, or the household is not the one that was numbered
    return _insert(desk, session, entry, request, total_yen, backs=Backs(office, city_seal_png))


def release(desk: Desk, order_id: str, request: ReleaseRequest, city_seal_png: bytes) -> dict[str, Any]:
    """Commit the issuance: from here the certificate exists and its fee is due.

    Raises Problem 404 order_unknown, 409 amount_wrong or order_ended (nothing was released), 409
    order_conflict (it was released, but not like this or it has ended since).
    """
    order = _owned(desk, order_id)
    state = State(order["state"])
    if order["receipt_no"] is not None:
        if state in TERMINAL or order["paid_yen"] != request.paid_yen:
            raise Problem(409, "order_conflict")
        return _released(order_id, order["receipt_no"], order["authority"])
    if state is not State.RESERVED or order["expires_at"] <= desk.moment:
        raise Problem(409, "order_ended")
    if breaker.is_tripped(desk.connection):
        raise Problem(409, "order_ended")
    if order["total_yen"] != request.paid_yen:
        raise Problem(409, "amount_wrong")
    receipt_no = f"{desk.today:%Y%m%d}-{count(desk.connection, 'receipt'):08d}"
    addressee = _addressee(desk, order, order["kem"])
    authority = _authority(order, receipt_no, city_seal_png, addressee)
    _change(
        desk,
        order,
        State.RELEASED,
        {
            "paid_yen": request.paid_yen,
            "receipt_no": receipt_no,
            "authority": authority,
            "released_at": desk.moment,
        },
    )
    return _released(order_id, receipt_no, authority)


def reprint(desk: Desk, order_id: str, request: ReprintRequest, city_seal_png: bytes) -> dict[str, Any]:
    """The same issuance once more, sealed to a new worker of the kiosk that issued it; counted and kept.

    The same question again gets its first answer. Raises Problem 404 order_unknown, 400 request_invalid for
    a key that is none, 403 reprint_refused (too late, too often, paid back), 409 order_conflict for an
    attempt that was made with another key.
    """
    order = _owned(desk, order_id)
    kem = unb64u(request.kem)
    if len(kem) != 32:
        raise Problem(400, "request_invalid")
    before = desk.connection.execute("SELECT * FROM reprint WHERE order_id = ?", (order_id,)).fetchall()
    same = next((row for row in before if row["attempt"] == request.attempt), None)
    if same is None:
        if breaker.is_tripped(desk.connection) or not _may_reprint(desk, order, before, request.attempt):
            raise Problem(403, "reprint_refused")
        addressee = _addressee(desk, order, kem)
        sealed = seal(json.loads(order["contents"]), CONTENTS, addressee)
        authority = _authority(order, order["receipt_no"], city_seal_png, addressee)
        desk.connection.execute(
            "INSERT INTO reprint (order_id, attempt, kem, at, sealed, authority) VALUES (?, ?, ?, ?, ?, ?)",
            (order_id, request.attempt, kem, desk.moment, sealed, authority),
        )
    elif same["kem"] == kem and same["sealed"] is not None:
        sealed, authority = same["sealed"], same["authority"]
    else:
        raise Problem(409, "order_conflict")
    wanted = json.loads(order["wanted"])
    return {
        "order_id": order_id,
        "attempt": request.attempt,
        "session_id": order["session"],
        "person_ref": json.loads(order["contents"])["person_ref"],
        **{
            name: wanted[name]
            for name in ("kind", "subjects", "items", "copies", "members")
            if name in wanted
        },
        "total_yen": order["total_yen"],
        "sealed": sealed,
        "authority": authority,
    }


def reprint_result(desk: Desk, order_id: str, attempt: int, request: ResultRequest) -> dict[str, Any]:
    """Take the kiosk's word for how a reprint ended. Raises Problem 404 order_unknown, 409 order_conflict."""
    _owned(desk, order_id)
    ended = desk.connection.execute(
        "UPDATE reprint SET outcome = ?, pages_out = ?, sealed = NULL, authority = NULL"
        " WHERE order_id = ? AND attempt = ? AND (outcome IS NULL OR (outcome = ? AND pages_out = ?))",
        (request.outcome, request.pages_out, order_id, attempt, request.outcome, request.pages_out),
    ).rowcount
    if ended != 1:
        raise Problem(409, "order_conflict")
    return view(desk, order_id)


def reprints(connection: Connection, order_id: str) -> list[tuple[int, str | None]]:
    """Every reprint of an order: attempt and outcome."""
    rows = connection.execute(
        "SELECT attempt, outcome FROM reprint WHERE order_id = ? ORDER BY attempt", (order_id,)
    )
    return [(row["attempt"], row["outcome"]) for row in rows]


def result(desk: Desk, order_id: str, request: ResultRequest) -> dict[str, Any]:
    """Take the kiosk's word for how the print ended. Raises Problem 404 order_unknown, 409 order_conflict."""
    order = _owned(desk, order_id)
    if _is_new(desk, order_id, request):
        state = after_result(State(order["state"]), request.outcome)
        if state is None:
            raise Problem(409, "order_conflict")
        _change(desk, order, state, {"pages_out": request.pages_out})
    return view(desk, order_id)


def refund(desk: Desk, order_id: str, request: RefundRequest) -> dict[str, Any]:
    """Take the kiosk's word for what was paid back. Raises Problem 404 order_unknown, 409 order_conflict."""
    order = _owned(desk, order_id)
    if _is_new(desk, order_id, request):
        state = after_refund(State(order["state"]), defect=request.defect)
        settled = request.defect and order["settled_on"] is not None
        if state is None or settled or order["refunded_yen"] is not None:
            raise Problem(409, "order_conflict")
        _change(desk, order, state, {"refunded_yen": request.yen, "owed_yen": request.owed_yen})
    return view(desk, order_id)


def view(desk: Desk, order_id: str) -> dict[str, Any]:
    """The order as a kiosk may see it, without anything sealed. Raises Problem 404 order_unknown."""
    order = _owned(desk, order_id)
    return {name: order[name] for name in _VIEWED}


def open_orders(desk: Desk) -> dict[str, Any]:
    """What was released to this kiosk and has no end yet, oldest first: nothing sealed."""
    rows = desk.connection.execute(
        f"SELECT {', '.join(_VIEWED)} FROM orders WHERE kiosk = ? AND settled_on IS NULL"  # noqa: S608
        " AND released_at IS NOT NULL AND state IN ('RELEASED', 'PRINT_FAILED', 'UNCERTAIN')"
        " ORDER BY released_at, order_id LIMIT 1000",
        (desk.kiosk.urn,),
    ).fetchall()
    return {"orders": [{name: row[name] for name in _VIEWED} for row in rows]}


def expire(connection: Connection, now: datetime, reprint_seconds: int) -> None:
    """End what waited too long, and forget what sessions knew."""
    moment = now.timestamp()
    connection.execute(
        "UPDATE orders SET state = 'EXPIRED', sealed = NULL WHERE state = 'RESERVED' AND expires_at <= ?",
        (moment,),
    )
    connection.execute(
        "UPDATE orders SET contents = NULL, wanted = NULL WHERE contents IS NOT NULL"
        " AND (state IN ('REFUNDED', 'CANCELLED', 'EXPIRED') OR released_at <= ?)",
        (moment - reprint_seconds,),
    )
    connection.execute(
        "UPDATE reprint SET sealed = NULL, authority = NULL WHERE sealed IS NOT NULL AND at <= ?",
        (moment - reprint_seconds,),
    )
    connection.execute(
        "UPDATE session SET state = 'ENDED', answer = NULL, resident = NULL, members = NULL"
        " WHERE state <> 'ENDED' AND ends_at <= ?",
        (moment,),
    )


def snapshot(connection: Connection) -> list[Order]:
    """All orders in the order they were made."""
    rows = connection.execute(
        "SELECT order_id, kiosk, kind, copies, state, total_yen, number, paid_yen, receipt_no, pages_out,"
        " refunded_yen, owed_yen FROM orders ORDER BY substr(number, length(number) - 7)"
    )
    return [Order(**{**dict(row), "state": State(row["state"])}) for row in rows]


def _may_reprint(desk: Desk, order: Row, before: list[Row], attempt: int) -> bool:
    """Of what was released, not paid back, a short time ago, and only so often."""
    released = State(order["state"]) in {State.RELEASED, State.ISSUED, State.UNCERTAIN}
    in_time = released and desk.moment < order["released_at"] + desk.city.reprint_seconds
    newer = all(row["attempt"] < attempt for row in before)
    return in_time and newer and len(before) < desk.city.most_reprints and order["contents"] is not None


def _addressee(desk: Desk, order: Row, kem: bytes) -> Addressee:
    members = json.loads(order["wanted"]).get("members", ())
    return Addressee(kem, order["order_id"], order["session"], desk.kiosk.urn, tuple(members))


def _authority(order: Row, receipt_no: str, city_seal_png: bytes, addressee: Addressee) -> str:
    return seal(
        {
            "v": 1,
            "order_id": order["order_id"],
            "number": order["number"],
            "receipt_no": receipt_no,
            "city_seal": b64u(city_seal_png),
        },
        AUTHORITY,
        addressee,
    )


def _find(desk: Desk, order_id: str) -> Row | None:
    row: Row | None = desk.connection.execute(
        "SELECT orders.*, session.kem FROM orders JOIN session ON session.id = orders.session"
        " WHERE order_id = ? AND session.kiosk = orders.kiosk",
        (order_id,),
    ).fetchone()
    return row


def _owned(desk: Desk, order_id: str) -> Row:
    row = _find(desk, order_id)
    if row is None or row["kiosk"] != desk.kiosk.urn:
        raise Problem(404, "order_unknown")
    return row


def _reserved_before(desk: Desk, order: Row, request: ReserveRequest) -> dict[str, Any]:
    asked = (desk.kiosk.urn, request.session_id, _digest(request))
    same = (order["kiosk"], order["session"], order["asked"]) == asked
    if not same or order["state"] != State.RESERVED:
        raise Problem(409, "order_conflict")
    return _reserved(request.order_id, order["total_yen"], order["sealed"])


def _permitted(assessment: Assessment, request: ReserveRequest) -> Offer:
    """The offer that covers the request. Raises Problem 403."""
    for kind, code in assessment.refusals:
        if kind == request.kind:
            raise Problem(403, code)
    offer = next(offer for offer in assessment.offers if offer.kind == request.kind)
    too_much = request.copies > offer.max_copies
    no_household = request.subjects == "household" and not offer.household
    no_items = bool(request.items) and request.kind != "juminhyo"
    twice = len(set(request.items)) != len(request.items)
    if too_much or no_household or no_items or twice or not _are_some(offer, request):
        raise Problem(403, "not_offered")
    return offer


def _are_some(offer: Offer, request: ReserveRequest) -> bool:
    """Members are named exactly where they are to be: some, each once, ascending, and not everybody."""
    named = list(request.members)
    if request.subjects != "members":
        return not named
    known = {member.number for member in offer.members}
    return bool(named) and named == sorted(set(named)) and set(named) < known


def _insert(
    desk: Desk,
    session: Row,
    entry: records.Entry,
    request: ReserveRequest,
    total_yen: int,
    *,
    backs: Backs,
) -> dict[str, Any]:
    today, city = desk.today, desk.city
    number = f"{city.code}-{today:%Y%m%d}-{count(desk.connection, 'number'):08d}"
    ids = json.loads(session["members"]) if request.members else []
    wanted = contents.Wanted(
        request.kind,
        request.subjects == "household",
        frozenset(request.items),
        request.copies,
        frozenset(ids[number - 1] for number in request.members),
    )
    owner = {
        "v": 1,
        "order_id": request.order_id,
        "session_id": request.session_id,
        "kiosk": desk.kiosk.urn,
        "person_ref": session["person_ref"],
        **({"members": request.members} if request.members else {}),
    }
    certificate = contents.certificate(entry, wanted, city, number, today)
    protected = protect(backs.office, certificate, backs.city_seal_png)
    plain = owner | certificate | {"protection": protected.as_contents(front_code=city.front_code)}
    breaker.read_back(desk, encode(plain), request)
    sealed = seal(
        plain,
        CONTENTS,
        Addressee(session["kem"], request.order_id, request.session_id, desk.kiosk.urn, request.members),
    )
    desk.connection.execute(
        "INSERT INTO orders (order_id, kiosk, session, asked, kind, copies, total_yen, number,"
        " register_version, register_as_of, state, expires_at, sealed, wanted, contents)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'RESERVED', ?, ?, ?, ?)",
        (
            *(
                request.order_id,
                desk.kiosk.urn,
                request.session_id,
                _digest(request),
                request.kind,
                request.copies,
                total_yen,
            ),
            *(number, entry.version, entry.as_of.timestamp()),
            *(desk.moment + city.reservation_seconds, sealed),
            *(msgspec.json.encode(request).decode(), encode(plain).decode()),
        ),
    )
    return _reserved(request.order_id, total_yen, sealed)


def _change(desk: Desk, order: Row, state: State, values: dict[str, int | float | str]) -> None:
    """From the state that was read to the next one, or not at all; what ended keeps nothing sealed."""
    settings = "".join(f", {name} = ?" for name in values)
    erased = ", sealed = NULL, authority = NULL" if state in TERMINAL else ""
    if state in TERMINAL and state is not State.ISSUED:
        erased += ", contents = NULL, wanted = NULL"
    changed = desk.connection.execute(
        f"UPDATE orders SET state = ?{settings}{erased}"  # noqa: S608 - names of columns from this module
        " WHERE order_id = ? AND kiosk = ? AND session = ? AND state = ?",
        (state, *values.values(), order["order_id"], order["kiosk"], order["session"], order["state"]),
    ).rowcount
    if changed != 1:
        raise Problem(409, "order_conflict")


def _is_new(desk: Desk, order_id: str, request: Request) -> bool:
    """False if the very same report was taken before."""
    return (
        desk.connection.execute(
            "INSERT INTO report VALUES (?, ?) ON CONFLICT DO NOTHING", (order_id, _digest(request))
        ).rowcount
        == 1
    )


def _reserved(order_id: str, total_yen: int, sealed: str) -> dict[str, Any]:
    return {"order_id": order_id, "state": State.RESERVED, "total_yen": total_yen, "sealed": sealed}


def _released(order_id: str, receipt_no: str, authority: str) -> dict[str, Any]:
    return {
        "order_id": order_id,
        "state": State.RELEASED,
        "receipt_no": receipt_no,
        "authority": authority,
    }


def _digest(request: Request) -> bytes:
    """What was asked, kind and all, to know the same question again; kept with the order for ever."""
    return hashlib.sha256(
        type(request).__name__.encode() + msgspec.json.encode(request, order="deterministic")
    ).digest()
