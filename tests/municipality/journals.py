"""The kiosks' journals, line by line: what is once here stays, whatever becomes of the machine.

A kiosk sends lines in a row, beginning with the last one known here, so that a journal written anew or cut
off does not fit. Each line is linked to the one before it by SHA-256, and the kiosk signs the last link
with the key of its certificate.
"""

import hashlib
from typing import Any

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from tests.municipality.desk import Desk
from tests.municipality.store import Connection, Row
from tests.municipality.wire import JournalLine, JournalRequest, Problem, b64u, unb64u

SIGNED = b"madoguchi-journal-v1\0"
_NO_LINK = bytes(32)


def known(desk: Desk) -> dict[str, Any]:
    """How far the kiosk's journal is kept here."""
    last = _last(desk)
    if last is None:
        return {"acked_seq": 0, "chain": "", "link": b64u(_NO_LINK)}
    return {"acked_seq": last["seq"], "chain": last["chain"], "link": b64u(bytes(last["link"]))}


def take(desk: Desk, request: JournalRequest, certificate_der: bytes) -> dict[str, Any]:
    """Keep what is new of these lines; the same ones again change nothing.

    Raises Problem 400 request_invalid for lines that do not follow each other, 403 signature_invalid, 409
    journal_gap for lines that do not begin where ours end, 409 journal_cut for one that differs from ours.
    """
    numbers = [line.seq for line in request.lines]
    if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        raise Problem(400, "request_invalid")
    last = _last(desk)
    acked_seq = 0 if last is None else int(last["seq"])
    if numbers[0] > max(1, acked_seq):
        raise Problem(409, "journal_gap")
    _compare(desk, request.lines)
    first = _row(desk, numbers[0] - 1)
    link = _NO_LINK if first is None else bytes(first["link"])
    rows = []
    for line in request.lines:
        link = linked(link, line)
        if line.seq > acked_seq:
            rows.append((line.seq, line.at, line.record, line.fields, line.chain, link))
    _check_signature(certificate_der, desk.kiosk.urn, numbers[-1], link, unb64u(request.signature))
    owner = (desk.kiosk.urn, _journal_no(desk))
    desk.connection.executemany(
        "INSERT INTO journal (kiosk, journal_no, seq, at, record, fields, chain, link)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [(*owner, *row) for row in rows],
    )
    desk.connection.execute(
        "INSERT INTO journal_seal VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (*owner, numbers[-1], desk.kiosk.thumbprint, unb64u(request.signature)),
    )
    desk.connection.execute(
        "INSERT INTO device_certificate VALUES (?, ?) ON CONFLICT DO NOTHING",
        (desk.kiosk.thumbprint, certificate_der),
    )
    desk.connection.execute(
        "UPDATE kiosk SET journal_seq = ?, journal_head = ? WHERE urn = ? AND journal_seq < ?",
        (numbers[-1], request.lines[-1].chain, desk.kiosk.urn, numbers[-1]),
    )
    return known(desk)


def linked(link: bytes, line: JournalLine) -> bytes:
    """The hash over the link before and this line, as the protocol's text says."""
    return hashlib.sha256(
        link + msgspec.json.encode([line.seq, line.at, line.record, line.fields, line.chain])
    ).digest()


def signed_part(urn: str, seq: int, link: bytes) -> bytes:
    """What a kiosk signs about its journal."""
    return SIGNED + f"{urn}\0{seq}\0".encode() + link


def lines(connection: Connection, urn: str) -> list[dict[str, Any]]:
    """Every line of a kiosk's journals, oldest first, for the clerk."""
    rows = connection.execute(
        "SELECT journal_no, seq, at, record, fields FROM journal WHERE kiosk = ? ORDER BY journal_no, seq",
        (urn,),
    )
    return [dict(row) for row in rows]


def seals(connection: Connection, urn: str) -> list[dict[str, Any]]:
    """Every signature of a kiosk under its journals, oldest first, held against what is kept here.

    fault: None, link for lines that are not the ones that were linked, or signature. Needs nothing but this
    database, also when the certificate has long ended: whose it was stands in it.
    """
    found = []
    for journal_no, last in connection.execute(
        "SELECT journal_no, max(seq) AS last FROM journal_seal WHERE kiosk = ? GROUP BY journal_no"
        " ORDER BY journal_no",
        (urn,),
    ).fetchall():
        links = _links_anew(connection, urn, journal_no, last)
        rows = connection.execute(
            "SELECT seq, journal_seal.thumbprint, signature, der FROM journal_seal JOIN device_certificate"
            " ON device_certificate.thumbprint = journal_seal.thumbprint"
            " WHERE kiosk = ? AND journal_no = ? ORDER BY seq",
            (urn, journal_no),
        ).fetchall()
        for row in rows:
            fault = _seal_fault(bytes(row["der"]), urn, row["seq"], links, bytes(row["signature"]))
            said = {"journal_no": journal_no, "seq": row["seq"], "thumbprint": row["thumbprint"]}
            found.append(said | {"fault": fault})
    return found


def _links_anew(connection: Connection, urn: str, journal_no: int, last: int) -> dict[int, bytes]:
    """The link of every line, by its number, from the lines themselves; it ends where one is missing."""
    link, links = _NO_LINK, {}
    rows = connection.execute(
        "SELECT seq, at, record, fields, chain FROM journal"
        " WHERE kiosk = ? AND journal_no = ? AND seq <= ? ORDER BY seq",
        (urn, journal_no, last),
    )
    for number, row in enumerate(rows, start=1):
        if row["seq"] != number:
            break
        link = links[number] = linked(link, JournalLine(**dict(row)))
    return links


def _seal_fault(
    certificate_der: bytes, urn: str, seq: int, links: dict[int, bytes], signature: bytes
) -> str | None:
    if seq not in links:
        return "link"
    try:
        _check_signature(certificate_der, urn, seq, links[seq], signature)
    except Problem:
        return "signature"
    return None


def _compare(desk: Desk, told: tuple[JournalLine, ...]) -> None:
    """A line that is here already must be the same; so must the one that a heartbeat has named."""
    rows = desk.connection.execute(
        "SELECT seq, at, record, fields, chain FROM journal"
        " WHERE kiosk = ? AND journal_no = ? AND seq BETWEEN ? AND ?",
        (desk.kiosk.urn, _journal_no(desk), told[0].seq, told[-1].seq),
    ).fetchall()
    ours = {row["seq"]: tuple(row[name] for name in ("at", "record", "fields", "chain")) for row in rows}
    mark = desk.connection.execute(
        "SELECT journal_seq, journal_head FROM kiosk WHERE urn = ?", (desk.kiosk.urn,)
    ).fetchone()
    for line in told:
        same = ours.get(line.seq, "none") in ("none", (line.at, line.record, line.fields, line.chain))
        if not same or (line.seq == mark["journal_seq"] and line.chain != mark["journal_head"]):
            raise Problem(409, "journal_cut")


def _check_signature(certificate_der: bytes, urn: str, seq: int, link: bytes, signature: bytes) -> None:
    key = x509.load_der_x509_certificate(certificate_der).public_key()
    try:
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise Problem(403, "signature_invalid")
        key.verify(signature, signed_part(urn, seq, link), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature as cause:
        raise Problem(403, "signature_invalid") from cause


def _journal_no(desk: Desk) -> int:
    row = desk.connection.execute("SELECT journal_no FROM kiosk WHERE urn = ?", (desk.kiosk.urn,)).fetchone()
    return int(row["journal_no"])


def _last(desk: Desk) -> Row | None:
    row: Row | None = desk.connection.execute(
        "SELECT seq, chain, link FROM journal WHERE kiosk = ? AND journal_no = ? ORDER BY seq DESC LIMIT 1",
        (desk.kiosk.urn, _journal_no(desk)),
    ).fetchone()
    return row


def _row(desk: Desk, seq: int) -> Row | None:
    row: Row | None = desk.connection.execute(
        "SELECT link FROM journal WHERE kiosk = ? AND journal_no = ? AND seq = ?",
        (desk.kiosk.urn, _journal_no(desk), seq),
    ).fetchone()
    return row
