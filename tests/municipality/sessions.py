"""Sessions: a challenge that the card signs, consumed once, and what the person may then have."""

import hashlib
import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.municipality import breaker, records
from tests.municipality.desk import Desk, utc
from tests.municipality.eligibility import Assessment, Member, assess, is_stale, refuse_all
from tests.municipality.jpki import CardIdentity
from tests.municipality.wire import AuthenticateRequest, OpenSessionRequest, Problem, b64u, encode, unb64u


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it was first given, to be given again to the same question."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Challenge:
    """The stored bytes that must have been signed, now consumed.

    members: whether the kiosk asked for the members of the household when it opened the session.
    """

    session_id: str
    asked: bytes
    tbs: bytes
    members: bool


def open_session(desk: Desk, request: OpenSessionRequest, server_thumbprint: str) -> dict[str, Any]:
    """Make a session and the exact bytes for the card; the worker's key asked about again, before anything
    is signed, gets the session that it has. Raises Problem 400 for a key that is none.

    server_thumbprint: of the certificate on the connection that asks.
    """
    breaker.check(desk)
    kem = unb64u(request.kem)
    if len(kem) != 32:
        raise Problem(400, "request_invalid")
    if (opened := _opened_before(desk, kem, server_thumbprint)) is not None:
        return opened
    session_id = secrets.token_urlsafe(24)
    issued_at = int(desk.moment)
    sign_until = issued_at + desk.city.signature_seconds
    tbs = encode(
        {
            "v": 1,
            "aud": desk.city.audience,
            "session": session_id,
            "nonce": b64u(secrets.token_bytes(32)),
            "kiosk": desk.kiosk.urn,
            "device_x5t#S256": desk.kiosk.thumbprint,
            "server_x5t#S256": server_thumbprint,
            "kem": request.kem,
            "purpose": "cert-issuance",
            "catalog": desk.city.catalogue,
            "iat": issued_at,
            "exp": sign_until,
        }
    )
    desk.connection.execute(
        "INSERT INTO session (id, kiosk, thumbprint, kem, tbs, state, sign_until, ends_at, asks_members)"
        " VALUES (?, ?, ?, ?, ?, 'OPENED', ?, ?, ?)",
        (
            session_id,
            desk.kiosk.urn,
            desk.kiosk.thumbprint,
            kem,
            tbs,
            sign_until,
            issued_at + desk.city.session_seconds,
            int(request.members),
        ),
    )
    return _opened(desk, session_id, tbs, sign_until)


def consume(desk: Desk, session_id: str, request: AuthenticateRequest) -> Challenge | Answer:
    """Use the challenge up for this signature; the same question again gets its first answer.

    Raises Problem 404 session_unknown, also for a session of another kiosk, 409 session_used for
    another signature, 409 session_expired.
    """
    asked = hashlib.sha256(f"{request.cert}.{request.alg}.{request.signature}".encode()).digest()
    owned = (session_id, desk.kiosk.urn, desk.kiosk.thumbprint)
    consumed = desk.connection.execute(
        "UPDATE session SET state = 'CONSUMED', asked = ?"
        " WHERE id = ? AND kiosk = ? AND thumbprint = ? AND state = 'OPENED' AND sign_until > ?",
        (asked, *owned, desk.moment),
    ).rowcount
    row = desk.connection.execute(
        "SELECT * FROM session WHERE id = ? AND kiosk = ? AND thumbprint = ?", owned
    ).fetchone()
    if row is None or row["state"] == "ENDED":
        raise Problem(404, "session_unknown")
    if consumed != 1:
        if row["state"] == "OPENED":
            raise Problem(409, "session_expired")
        if row["asked"] != asked:
            raise Problem(409, "session_used")
        if row["answer"] is not None:
            return Answer(row["status"], row["answer"])
    return Challenge(session_id, asked, row["tbs"], bool(row["asks_members"]))


def admit(desk: Desk, challenge: Challenge, card: CardIdentity) -> Answer:
    """The signature was right: say what the person may have. Raises Problem 403 not_this_municipality."""
    if (given := _given(desk, challenge)) is not None:
        return given
    resident = records.resident_of(desk.connection, card)
    if resident is None:
        raise Problem(403, "not_this_municipality")
    assessment = current_assessment(desk, records.entry(desk, resident))
    members = numbered(assessment) if challenge.members else []
    person_ref = secrets.token_urlsafe(16)
    body = {
        "session_id": challenge.session_id,
        "person_ref": person_ref,
        "offers": [
            {
                "kind": offer.kind,
                "fee_yen": offer.fee_yen,
                "max_copies": offer.max_copies,
                "household": offer.household,
                **({"members": _told(offer.members)} if challenge.members and offer.members else {}),
            }
            for offer in assessment.offers
        ],
        "refusals": [{"kind": kind, "code": code} for kind, code in assessment.refusals],
    }
    answer = Answer(200, encode(body))
    _keep(desk, challenge, answer, "AUTHENTICATED")
    desk.connection.execute(
        "UPDATE session SET resident = ?, person_ref = ?, members = ? WHERE id = ?",
        (resident, person_ref, encode(members).decode(), challenge.session_id),
    )
    return answer


def refuse(desk: Desk, challenge: Challenge, answer: Answer) -> Answer:
    """Keep a refusal for the same question asked again; the session is dead."""
    if (given := _given(desk, challenge)) is not None:
        return given
    _keep(desk, challenge, answer, "REFUSED")
    return answer


def current_assessment(desk: Desk, entry: records.Entry) -> Assessment:
    """What a resident may have by the register as it was just read, in this transaction (I10)."""
    if is_stale(entry.as_of, desk.now, desk.city.replica_lag_seconds):
        return refuse_all("replica_stale")
    return assess(entry.household, entry.resident, desk.city, desk.today)


def numbered(assessment: Assessment) -> list[str]:
    """Whom a session's member numbers mean, from 1; they stay these whatever the register says later."""
    return [member.resident for offer in assessment.offers for member in offer.members]


def end(desk: Desk, session_id: str) -> None:
    """Forget the session and cancel what it only reserved; safe to repeat.

    Raises Problem 404 session_unknown.
    """
    ended = desk.connection.execute(
        "UPDATE session SET state = 'ENDED', answer = NULL, resident = NULL, members = NULL"
        " WHERE id = ? AND kiosk = ?",
        (session_id, desk.kiosk.urn),
    ).rowcount
    if ended != 1:
        raise Problem(404, "session_unknown")
    desk.connection.execute(
        "UPDATE orders SET state = 'CANCELLED', sealed = NULL"
        " WHERE session = ? AND kiosk = ? AND state = 'RESERVED'",
        (session_id, desk.kiosk.urn),
    )


def _told(members: tuple[Member, ...]) -> list[dict[str, Any]]:
    """All that a kiosk learns of them."""
    return [{"number": one.number, "role": one.role, "position": one.position} for one in members]


def _given(desk: Desk, challenge: Challenge) -> Answer | None:
    """What the same question, asked twice at once, was answered meanwhile."""
    row = desk.connection.execute(
        "SELECT status, answer FROM session WHERE id = ? AND asked = ? AND answer IS NOT NULL",
        (challenge.session_id, challenge.asked),
    ).fetchone()
    return None if row is None else Answer(row["status"], row["answer"])


def _keep(desk: Desk, challenge: Challenge, answer: Answer, state: str) -> None:
    kept = desk.connection.execute(
        "UPDATE session SET state = ?, status = ?, answer = ?"
        " WHERE id = ? AND state = 'CONSUMED' AND asked = ? AND answer IS NULL",
        (state, answer.status, answer.body, challenge.session_id, challenge.asked),
    ).rowcount
    if kept != 1:
        raise Problem(409, "session_used")


def _opened(desk: Desk, session_id: str, tbs: bytes, sign_until: float) -> dict[str, Any]:
    return {
        "session_id": session_id,
        "tbs": b64u(tbs),
        "expires_at": utc(datetime.fromtimestamp(sign_until, UTC)),
        "server_time": utc(desk.now),
    }


def _opened_before(desk: Desk, kem: bytes, server_thumbprint: str) -> dict[str, Any] | None:
    """The session that this kiosk has for this key, if its card may still sign on this connection."""
    row = desk.connection.execute(
        "SELECT id, tbs, sign_until FROM session"
        " WHERE kem = ? AND kiosk = ? AND thumbprint = ? AND state = 'OPENED' AND sign_until > ?",
        (kem, desk.kiosk.urn, desk.kiosk.thumbprint, desk.moment),
    ).fetchone()
    if row is None or json.loads(row["tbs"])["server_x5t#S256"] != server_thumbprint:
        return None
    return _opened(desk, row["id"], row["tbs"], row["sign_until"])
