"""The copy of the register in the database: loaded whole, read by card."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from cryptography import x509

from tests.municipality.desk import JST, Desk
from tests.municipality.eligibility import tax_year
from tests.municipality.jpki import CardIdentity
from tests.municipality.register import City, Household, People, Resident, Tax
from tests.municipality.store import Connection, Row

_PLAIN = (
    *(
        "name",
        "kana",
        "alias",
        "former_name",
        "birth_date",
        "sex",
        "relation",
        "resident_since",
        "address_since",
    ),
    *("notified_on", "previous_address", "domicile", "family_head", "nationality", "article_30_45"),
    *("residence_status", "residence_period", "residence_expiry", "my_number"),
    *("former_name_kana", "katakana_name", "residence_card_number"),
)
_STANDING = ("deceased", "moved_out", "move_out_planned", "support_measure", "gaiji_pending")

_HOUSEHOLD = (
    "SELECT household.id AS household_id, household.address, household.head, seal.resident AS sealed,"  # noqa: S608
    f" tax.record, resident.id, {', '.join(f'resident.{name}' for name in _PLAIN)}, {', '.join(_STANDING)}"
    " FROM resident AS asked JOIN household ON household.id = asked.household"
    " JOIN resident ON resident.household = household.id"
    " JOIN standing ON standing.resident = resident.id"
    " LEFT JOIN seal ON seal.resident = resident.id"
    " LEFT JOIN tax ON tax.resident = resident.id AND tax.fiscal_year = ?"
    " WHERE asked.id = ? ORDER BY resident.position"
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One resident with the household, as the register stood at as_of.

    seal_png: the registered seal, if any. fiscal_year: the 年度 of resident.tax.
    """

    household: Household
    resident: Resident
    seal_png: bytes | None
    fiscal_year: int
    version: str
    as_of: datetime


def load(connection: Connection, people: People, pki: Path, city: City, now: datetime) -> None:
    """Replace the whole register by these people; their cards and seals come from the PKI folder."""
    for table in ("card", "tax", "seal", "standing", "resident", "household", "register"):
        connection.execute(f"DELETE FROM {table}")  # noqa: S608 - names from the line above
    version = hashlib.sha256(msgspec.json.encode(people)).hexdigest()[:16]
    connection.execute("INSERT INTO register VALUES (?, ?)", (version, now.timestamp()))
    year = tax_year(now.astimezone(JST).date(), city.tax_year_begins_month)
    for household in people.household:
        connection.execute(
            "INSERT INTO household VALUES (?, ?, ?)", (household.id, household.address, household.head)
        )
        for position, resident in enumerate(household.resident):
            _load_resident(connection, household, resident, position)
            _load_attachments(connection, resident, pki, year)


def confirm(connection: Connection, now: datetime) -> None:
    """The register's source says that nothing changed until now."""
    connection.execute("UPDATE register SET as_of = ?", (now.timestamp(),))


def resident_of(connection: Connection, card: CardIdentity) -> str | None:
    """The resident to whom this card was bound, or None."""
    row = connection.execute(
        "SELECT resident FROM card WHERE issuer = ? AND serial = ?", (card.issuer_der, f"{card.serial:x}")
    ).fetchone()
    return None if row is None else str(row["resident"])


def entry(desk: Desk, resident_id: str) -> Entry:
    """What the register says of a resident now. Raises KeyError for nobody."""
    year = tax_year(desk.today, desk.city.tax_year_begins_month)
    rows = desk.connection.execute(_HOUSEHOLD, (year, resident_id)).fetchall()
    if not rows:
        raise KeyError(resident_id)
    home = rows[0]
    members = {row["id"]: _resident(row) for row in rows}
    seal = desk.connection.execute("SELECT picture FROM seal WHERE resident = ?", (resident_id,)).fetchone()
    register = desk.connection.execute("SELECT version, as_of FROM register").fetchone()
    return Entry(
        Household(home["household_id"], home["address"], tuple(members.values()), home["head"]),
        members[resident_id],
        None if seal is None else bytes(seal["picture"]),
        year,
        register["version"],
        datetime.fromtimestamp(register["as_of"], UTC),
    )


def _load_resident(connection: Connection, household: Household, resident: Resident, position: int) -> None:
    plain = msgspec.to_builtins(resident)
    marks = ", ".join("?" * (3 + len(_PLAIN)))
    connection.execute(
        f"INSERT INTO resident (id, household, position, {', '.join(_PLAIN)}) VALUES ({marks})",  # noqa: S608
        (resident.id, household.id, position, *(plain[name] for name in _PLAIN)),
    )
    connection.execute(
        "INSERT INTO standing VALUES (?, ?, ?, ?, ?, ?)",
        (resident.id, *(int(plain[name]) for name in _STANDING)),
    )


def _load_attachments(connection: Connection, resident: Resident, pki: Path, year: int) -> None:
    if resident.seal:
        picture = (pki / "seals" / f"{resident.id}.png").read_bytes()
        connection.execute("INSERT INTO seal VALUES (?, ?)", (resident.id, picture))
    if resident.tax is not None:
        record = msgspec.json.encode(resident.tax)
        connection.execute("INSERT INTO tax VALUES (?, ?, ?)", (resident.id, year, record))
    if resident.card is not None:
        der = (pki / "cards" / resident.id / "certificate.der").read_bytes()
        certificate = x509.load_der_x509_certificate(der)
        connection.execute(
            "INSERT INTO card VALUES (?, ?, ?)",
            (certificate.issuer.public_bytes(), f"{certificate.serial_number:x}", resident.id),
        )


def _resident(row: Row) -> Resident:
    plain = {name: row[name] for name in ("id", *_PLAIN)} | {name: bool(row[name]) for name in _STANDING}
    return msgspec.convert(
        plain
        | {
            "shows": "",
            "seal": row["sealed"] is not None,
            "tax": None if row["record"] is None else msgspec.json.decode(row["record"], type=Tax),
        },
        Resident,
    )
