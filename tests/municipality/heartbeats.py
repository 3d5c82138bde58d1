"""Heartbeats: when a kiosk was last seen, and how far its journal goes.

The mark of a journal moves on only when the kiosk proves that it goes on from the mark: a journal whose
tail was cut off or written anew is refused until the clerk has looked at the machine.
"""

from dataclasses import dataclass

import msgspec

from tests.municipality import breaker, publications
from tests.municipality.desk import Desk
from tests.municipality.store import Connection, Row
from tests.municipality.wire import HeartbeatRequest, JournalMark, Problem


@dataclass(frozen=True, slots=True)
class Taken:
    """What a heartbeat is answered. journal_seq: how far its journal is known, or why it is refused.

    published: the newest serial number of each kind for this kiosk.
    """

    journal_seq: int | Problem
    is_tripped: bool
    published: dict[str, int]


def take(desk: Desk, request: HeartbeatRequest) -> Taken:
    """The kiosk is noted as alive, whatever its journal says."""
    note(desk, request)
    try:
        journal_seq: int | Problem = follow_journal(desk, request.journal)
    except Problem as refused:
        journal_seq = refused
    published = publications.newest(desk.connection, desk.kiosk.urn)
    return Taken(journal_seq, breaker.is_tripped(desk.connection), published)


def note(desk: Desk, request: HeartbeatRequest) -> None:
    """The kiosk is alive, whatever its journal says."""
    levels = None if request.levels is None else msgspec.json.encode(request.levels).decode()
    desk.connection.execute(
        "UPDATE kiosk SET seq = ?, firmware = ?, seen_at = ?, levels = ? WHERE urn = ?",
        (request.seq, request.firmware, desk.moment, levels, desk.kiosk.urn),
    )


def follow_journal(desk: Desk, mark: JournalMark) -> int:
    """The number of the last entry known of the kiosk's journal. Raises Problem 409 journal_cut."""
    known = desk.connection.execute(
        "SELECT journal_seq, journal_head FROM kiosk WHERE urn = ?", (desk.kiosk.urn,)
    ).fetchone()
    if _contradicts(known, mark):
        raise Problem(409, "journal_cut")
    if mark.since_seq != known["journal_seq"]:
        return int(known["journal_seq"])
    desk.connection.execute(
        "UPDATE kiosk SET journal_seq = ?, journal_head = ? WHERE urn = ?",
        (mark.seq, mark.head, desk.kiosk.urn),
    )
    return mark.seq


def forget_journal(connection: Connection, urn: str) -> bool:
    """The clerk has looked: the next journal of this kiosk begins anew. False for an unknown kiosk."""
    changed = connection.execute(
        "UPDATE kiosk SET journal_seq = 0, journal_head = '', journal_no = journal_no + 1 WHERE urn = ?",
        (urn,),
    )
    return changed.rowcount == 1


def _contradicts(known: Row, mark: JournalMark) -> bool:
    seq, head = int(known["journal_seq"]), str(known["journal_head"])
    said = {mark.seq: mark.head, mark.since_seq: mark.since_head}
    return mark.seq < seq or said.get(seq, head) != head
