"""What the municipality publishes to its kiosks, signed: their configuration, and the calendar of closures.

Serial numbers rise by one; what was published stays. Signed with Ed25519 (RFC 8037) by a key of its own,
in production offline: this server only hands it out.
"""

import base64
import json
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any, Literal, get_args

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.municipality.desk import JST, Desk
from tests.municipality.register import City
from tests.municipality.store import Connection
from tests.municipality.wire import Problem

Kind = Literal["configuration", "calendar"]
KINDS: tuple[Kind, ...] = get_args(Kind)
EVERY_KIOSK = "urn:kiosk:every"


class PublicationKey:
    """Signs for one municipality. audience: its name in what a card signs, here the issuer."""

    def __init__(self, key: Ed25519PrivateKey, key_id: str, audience: str) -> None:
        self._key, self._key_id, self._audience = key, key_id, audience

    @classmethod
    def load(cls, folder: Path, audience: str) -> "PublicationKey":
        """Of a folder that `make_key` made. Raises OSError, ValueError."""
        raw = (folder / "publication.key").read_bytes()
        return cls(Ed25519PrivateKey.from_private_bytes(raw), _key_id(folder), audience)

    def sign(self, kind: Kind, serial: int, content: dict[str, Any], now: datetime, to: str) -> str:
        """A JWS in compact form."""
        claims = {"iss": self._audience, "aud": to, "iat": int(now.timestamp()), "serial": serial} | content
        header = {"typ": f"madoguchi-{kind}+jwt", "kid": self._key_id}
        return jwt.encode(claims, self._key, algorithm="EdDSA", headers=header)


def make_key(folder: Path) -> None:
    """publication.key for the municipality alone, public.json (JWK Set) for every kiosk; kept if there."""
    if (folder / "public.json").exists():
        return
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = Ed25519PrivateKey.generate()
    (folder / "publication.key").touch(mode=0o600)
    (folder / "publication.key").write_bytes(key.private_bytes_raw())
    x = base64.urlsafe_b64encode(key.public_key().public_bytes_raw()).rstrip(b"=").decode()
    jwk = {"kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": "publication-1", "x": x}
    (folder / "public.json").write_text(json.dumps({"keys": [jwk]}), encoding="utf-8")


def calendar_of(city: City) -> dict[str, Any]:
    """The city's closed days as the kiosks' calendar: whole days in Japan time."""
    return {
        "closures": [
            {
                "begins": datetime.combine(one.begins, time.min, JST).isoformat(),
                "ends": datetime.combine(one.ends + timedelta(days=1), time.min, JST).isoformat(),
            }
            for one in city.closures
            if not one.kinds
        ]
    }


def newest(connection: Connection, urn: str) -> dict[str, int]:
    """The newest serial number of each kind for this kiosk, 0 for none."""
    rows = connection.execute(
        "SELECT kind, max(serial) AS serial FROM publication WHERE audience IN (?, ?) GROUP BY kind",
        (urn, EVERY_KIOSK),
    ).fetchall()
    return dict.fromkeys(KINDS, 0) | {row["kind"]: int(row["serial"]) for row in rows}


def last(connection: Connection, kind: Kind) -> int:
    """The last serial number given out for this kind, whoever it was for; 0 for none."""
    row = connection.execute(
        "SELECT max(serial) AS serial FROM publication WHERE kind = ?", (kind,)
    ).fetchone()
    return int(row["serial"] or 0)


def publish(connection: Connection, kind: Kind, serial: int, audience: str, signed: str) -> None:
    """From now on kiosks get this; audience: as signed. Raises ValueError for a serial that does not rise."""
    if serial <= (before := last(connection, kind)):
        raise ValueError(f"{kind} {serial}: there is {before} already")
    connection.execute("INSERT INTO publication VALUES (?, ?, ?, ?)", (kind, serial, audience, signed))


def view(desk: Desk, kind: str) -> dict[str, Any]:
    """The newest publication of a kind that is for this kiosk. Raises Problem 404 not_published."""
    row = desk.connection.execute(
        "SELECT serial, signed FROM publication WHERE kind = ? AND audience IN (?, ?)"
        " ORDER BY serial DESC LIMIT 1",
        (kind, desk.kiosk.urn, EVERY_KIOSK),
    ).fetchone()
    if row is None:
        raise Problem(404, "not_published")
    return {"serial": row["serial"], "signed": row["signed"]}


def _key_id(folder: Path) -> str:
    keys = json.loads((folder / "public.json").read_text(encoding="utf-8"))["keys"]
    return str(keys[0]["kid"])
