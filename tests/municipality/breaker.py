"""The clerk's look, and the breaker it trips: one mismatch and this municipality issues nothing more.

A clerk at the window reads the paper and compares the name before handing it over. Here the finished
message is read back before it is sealed and compared with a second, independent look at who stands at
the kiosk. An alarm that can be closed by trying again is no alarm (足立区 2023): only the clerk resets it.
"""

import json
from typing import Any

from tests.municipality.desk import Desk
from tests.municipality.store import Connection
from tests.municipality.wire import Problem, ReserveRequest


class Mismatch(Exception):
    """What was to be sealed is not this order's; reason says which part, never a value."""

    def __init__(self, order_id: str, reason: str) -> None:
        super().__init__(reason)
        self.order_id = order_id
        self.reason = reason


def read_back(desk: Desk, message: bytes, request: ReserveRequest) -> None:
    """Compare the finished message with the order, the session and its persons. Raises Mismatch."""
    finished, order_id, session_id = json.loads(message), request.order_id, request.session_id
    person = desk.connection.execute(
        "SELECT session.person_ref, session.kiosk, session.members, resident.name, resident.birth_date"
        " FROM session JOIN resident ON resident.id = session.resident WHERE session.id = ?",
        (session_id,),
    ).fetchone()
    if person is None:
        raise Mismatch(order_id, "person")
    facts = {
        "order": finished["order_id"] == order_id,
        "session": finished["session_id"] == session_id,
        "kiosk": finished["kiosk"] == desk.kiosk.urn == person["kiosk"],
        "person": finished["person_ref"] == person["person_ref"],
        "members": tuple(finished.get("members", ())) == request.members,
        "subject": (person["name"], person["birth_date"]) in _subjects(finished["document"])
        if not request.members
        else _named(desk, json.loads(person["members"]), request) == _subjects(finished["document"]),
    }
    for reason, right in facts.items():
        if not right:
            raise Mismatch(order_id, reason)


def trip(connection: Connection, mismatch: Mismatch, moment: float) -> None:
    """Issue nothing more until the clerk has looked."""
    connection.execute(
        "INSERT INTO breaker VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        (mismatch.reason, mismatch.order_id, moment),
    )


def is_tripped(connection: Connection) -> bool:
    """Whether a mismatch waits for the clerk."""
    return connection.execute("SELECT 1 FROM breaker LIMIT 1").fetchone() is not None


def check(desk: Desk) -> None:
    """Raises Problem 503 maintenance while a mismatch waits for the clerk."""
    if is_tripped(desk.connection):
        raise Problem(503, "maintenance")


def alarms(connection: Connection) -> list[dict[str, Any]]:
    """What waits for the clerk, oldest first."""
    rows = connection.execute("SELECT order_id, reason, tripped_at FROM breaker ORDER BY tripped_at")
    return [dict(row) for row in rows]


def reset(connection: Connection) -> bool:
    """The clerk has looked and the cause is gone; False if nothing was tripped."""
    return connection.execute("DELETE FROM breaker").rowcount > 0


def _subjects(document: dict[str, Any]) -> list[tuple[str, str]]:
    persons = document.get("persons", [document])
    return [(person["name"], person["birth_date"]) for person in persons]


def _named(desk: Desk, numbered: list[str], request: ReserveRequest) -> list[tuple[str, str]]:
    """Whom the order's numbers mean, by a look of its own at the register, in their order."""
    rows = (
        desk.connection.execute(
            "SELECT name, birth_date FROM resident WHERE id = ?", (numbered[number - 1],)
        ).fetchone()
        for number in request.members
    )
    return [(row["name"], row["birth_date"]) for row in rows if row is not None]
