"""The municipality's side of the scramble image: it alone signs and seals.

Written from firmware/documents/scramble/FORMAT.md, without the kiosk's code: the two check each other.
"""

import base64
import hashlib
import json
import secrets
import zlib
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import aes_key_wrap

PERSONS_A_SHEET = 4
ROWS_A_SHEET = 23


@dataclass(frozen=True)
class Office:
    """Keys of one municipality, by their ids; the newest of each is used."""

    issuer: str = "渋川市"
    signing: dict[str, Ed25519PrivateKey] = field(default_factory=dict)
    opening: dict[str, bytes] = field(default_factory=dict)
    in_use: tuple[date, date] = (date(2026, 4, 1), date(2028, 3, 31))

    @classmethod
    def new(cls, year: int = 2026) -> "Office":
        """With one key of each sort."""
        return cls(
            signing={f"10208-{year}-sign": Ed25519PrivateKey.generate()},
            opening={f"10208-{year}-open": secrets.token_bytes(32)},
        )

    def public_file(self, path: Path, *city_seals: bytes, certificates: dict[str, Any] | None = None) -> Path:
        """The JWK Set for everybody. certificates: how its forms differ from the standard's."""
        first, last = (day.isoformat() for day in self.in_use)
        keys = [
            {
                "kty": "OKP",
                "crv": "Ed25519",
                "use": "sig",
                "kid": key_id,
                "x": _base64url(key.public_key().public_bytes_raw()),
                "first": first,
                "last": last,
            }
            for key_id, key in self.signing.items()
        ]
        seals = [_base64url(seal) for seal in city_seals]
        forms = {} if certificates is None else {"certificates": certificates}
        path.write_text(
            json.dumps({"issuer": self.issuer, "keys": keys, "city_seals": seals} | forms), encoding="utf-8"
        )
        return path

    @classmethod
    def load(cls, folder: Path, issuer: str) -> "Office":
        """Of a folder that `store` made. Raises OSError, ValueError, KeyError."""
        public = json.loads((folder / "public.json").read_text(encoding="utf-8"))["keys"]
        opening = json.loads((folder / "opening.json").read_text(encoding="utf-8"))["keys"]
        signing = {
            key["kid"]: Ed25519PrivateKey.from_private_bytes((folder / f"{key['kid']}.key").read_bytes())
            for key in public
        }
        return cls(
            issuer,
            signing,
            {key["kid"]: base64.urlsafe_b64decode(key["k"] + "=") for key in opening},
            (date.fromisoformat(public[-1]["first"]), date.fromisoformat(public[-1]["last"])),
        )

    def store(self, folder: Path, *city_seals: bytes) -> None:
        """public.json for everybody; opening.json and KEY-ID.key for the municipality alone."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for key_id, key in self.signing.items():
            (folder / f"{key_id}.key").touch(mode=0o600)
            (folder / f"{key_id}.key").write_bytes(key.private_bytes_raw())
        self.opening_file(folder / "opening.json")
        self.public_file(folder / "public.json", *city_seals)

    def opening_file(self, path: Path) -> Path:
        """The JWK Set that stays in the municipality."""
        keys = [
            {"kty": "oct", "alg": "A256KW", "use": "enc", "kid": key_id, "k": _base64url(key)}
            for key_id, key in self.opening.items()
        ]
        path.touch(mode=0o600)
        path.write_text(json.dumps({"keys": keys}), encoding="utf-8")
        return path


@dataclass(frozen=True)
class Protected:
    """One certificate's backs, a message for each sheet, and the secret of the code on its fronts.

    copy_pattern: from which the copy-detection patterns of its backs are drawn.
    """

    messages: list[bytes]
    secret: bytes
    copy_pattern: bytes

    @property
    def front_text(self) -> str:
        """The text of the code on the fronts."""
        return "MSF1-" + base64.b32encode(self.secret).decode("ascii").rstrip("=")

    def as_contents(self, *, front_code: bool = True) -> dict[str, Any]:
        """As it stands in the sealed contents."""
        return {
            "backs": [_base64url(message) for message in self.messages],
            "secret": _base64url(self.secret),
            "front_code": front_code,
            "copy_pattern": _base64url(self.copy_pattern),
        }


def protect(office: Office, contents: dict[str, Any], city_seal: bytes) -> Protected:
    """Sign and seal contents as in the protocol's plaintext, JSON types; city_seal: its PNG."""
    certificate_id, secret = secrets.token_bytes(16), secrets.token_bytes(16)
    documents = _by_sheet(contents["kind"], contents["document"])
    sealed = []
    for number, document in enumerate(documents, start=1):
        front = {
            "v": 1,
            "kind": contents["kind"],
            "layout": 1,
            "number": contents["number"],
            "issued_on": contents["issued_on"],
            "municipality": contents["municipality"],
            "city_seal": hashlib.sha256(city_seal).digest(),
            "document": document,
        }
        plaintext = zlib.compress(_cbor(front), 9)
        sealed.append(_seal(office, plaintext, secret, (certificate_id, number, len(documents))))
    digest = hashlib.sha256(b"".join(hashlib.sha256(each).digest() for each in sealed)).digest()
    messages = []
    for number, each in enumerate(sealed, start=1):
        claims = {
            1: certificate_id,
            2: number,
            3: len(sealed),
            4: contents["number"],
            5: contents["issued_on"],
            6: contents["municipality"]["name"],
            7: digest,
            8: each,
        }
        messages.append(sign(office, _cbor(claims)))
    return Protected(messages, secret, copy_pattern(list(office.opening.values())[-1], certificate_id))


def copy_pattern(opening_key: bytes, certificate_id: bytes) -> bytes:
    """What the copy-detection patterns of a certificate are drawn from; only the municipality can tell it."""
    return HKDF(hashes.SHA256(), 32, certificate_id, b"madoguchi-copy-pattern-1").derive(opening_key)


def sign(office: Office, payload: bytes) -> bytes:
    """A COSE_Sign1 by the newest key."""
    key_id, key = list(office.signing.items())[-1]
    protected = _cbor({1: -8, 4: key_id.encode("ascii")})
    signature = key.sign(_cbor(["Signature1", protected, b"madoguchi-scramble-1", payload]))
    return _cbor(cbor2.CBORTag(18, [protected, {}, payload, signature]))


def _seal(office: Office, plaintext: bytes, secret: bytes, place: tuple[bytes, int, int]) -> bytes:
    """A COSE_Encrypt for the municipality and for whoever holds the front."""
    content_key, nonce = secrets.token_bytes(32), secrets.token_bytes(12)
    front_key = HKDF(hashes.SHA256(), 32, place[0], b"madoguchi-scramble-front-1").derive(secret)
    office_id, office_key = list(office.opening.items())[-1]
    protected = _cbor({1: 3})
    bound = _cbor(["Encrypt", protected, _cbor(list(place))])
    recipients = [
        [b"", {1: -5, 4: key_id.encode("ascii")}, aes_key_wrap(key, content_key)]
        for key_id, key in ((office_id, office_key), ("front", front_key))
    ]
    ciphertext = AESGCM(content_key).encrypt(nonce, plaintext, bound)
    return _cbor(cbor2.CBORTag(96, [protected, {5: nonce}, ciphertext, recipients]))


def _by_sheet(kind: str, document: dict[str, Any]) -> list[dict[str, Any]]:
    """What each sheet of form 1 shows: its own persons, or everything on every sheet."""
    if kind == "juminhyo":
        persons = document["persons"]
        return [
            document | {"persons": persons[first : first + PERSONS_A_SHEET]}
            for first in range(0, len(persons), PERSONS_A_SHEET)
        ]
    if kind == "shotoku":
        columns = (
            len(document["income"]),
            len(document["deductions"]),
            len(document["tax"]) + len(document["dependants"]),
        )
        return [document] * -(-(max(columns) + 1) // ROWS_A_SHEET)
    return [document]


def _cbor(value: Any) -> bytes:
    return cbor2.dumps(value, canonical=True)


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")
