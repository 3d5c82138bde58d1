"""Key files of a municipality: public ones for everybody, and the one that opens contents, which it keeps.

A public file is a JWK Set (RFC 7517, RFC 8037) with three members of our own; an opening file holds keys of
type oct. FORMAT.md, section 7.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Literal, TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from firmware.documents.form import Form
from firmware.documents.scramble.errors import NotGenuine
from firmware.errors import ConfigError

KEY_ID = re.compile(r"[!-~]{1,64}\Z")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """Public half of a key that signs what is issued on the days from first to last, both included."""

    key: Ed25519PublicKey
    issuer: str
    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Keys:
    """What a verifier holds: public keys, city seals by SHA-256; in the municipality alone, opening keys.

    forms: how the certificates of an issuer look, where they are not as the standard has them.
    """

    signing: Mapping[str, SigningKey] = field(default_factory=dict)
    seals: Mapping[bytes, bytes] = field(default_factory=dict)
    opening: Mapping[str, bytes] = field(default_factory=dict)
    forms: Mapping[str, Form] = field(default_factory=dict)

    def public_key(self, key_id: str) -> Ed25519PublicKey:
        """Raises NotGenuine for a key that nobody here knows."""
        if key_id not in self.signing:
            raise NotGenuine(
                f"signed with key {key_id}, which is not among the municipality's keys",
                f"鍵「{key_id}」は、この市区町村の鍵ではありません。",
            )
        return self.signing[key_id].key


class _PublicKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kty: Literal["OKP"]
    crv: Literal["Ed25519"]
    use: Literal["sig"]
    kid: str
    x: str
    first: date
    last: date


class _PublicFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    issuer: str
    keys: tuple[_PublicKey, ...]
    city_seals: tuple[str, ...] = ()
    certificates: Form | None = None


class _OpeningKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kty: Literal["oct"]
    alg: Literal["A256KW"]
    use: Literal["enc"]
    kid: str
    k: str


class _OpeningFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    keys: tuple[_OpeningKey, ...]


_File = TypeVar("_File")


def load_keys(public: list[Path], opening: list[Path] | None = None) -> Keys:
    """All keys of these files. Raises ConfigError with the name of the file and what is wrong."""
    signing: dict[str, SigningKey] = {}
    seals: dict[bytes, bytes] = {}
    openers: dict[str, bytes] = {}
    forms: dict[str, Form] = {}
    for path in public:
        file = _read(path, _PublicFile)
        for key in file.keys:
            if key.last < key.first:
                raise ConfigError(f"{path}: key {key.kid}: last is before first")
            _add(signing, path, key.kid, SigningKey(_ed25519(path, key), file.issuer, key.first, key.last))
        for seal in file.city_seals:
            png = _binary(path, "city_seals", seal)
            seals[hashlib.sha256(png).digest()] = png
        if (
            file.certificates is not None
            and forms.setdefault(file.issuer, file.certificates) != file.certificates
        ):
            raise ConfigError(f"{path}: certificates: {file.issuer} has other forms in another file")
    for path in opening or []:
        for secret in _read(path, _OpeningFile).keys:
            raw = _binary(path, f"key {secret.kid}: k", secret.k)
            if len(raw) != 32:
                raise ConfigError(f"{path}: key {secret.kid}: k has {len(raw)} bytes; expected 32")
            _add(openers, path, secret.kid, raw)
    return Keys(signing, seals, openers, forms)


def _read(path: Path, kind: type[_File]) -> _File:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except OSError as cause:
        raise ConfigError(f"{path} cannot be read; expected a key file") from cause
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as cause:
        # What a decoder says of a file with secrets may quote one.
        told = str(cause) if kind is _PublicFile else "not an opening key file"
        raise ConfigError(f"{path}: {told}") from None


def _add(table: dict[str, _File], path: Path, key_id: str, key: _File) -> None:
    if not KEY_ID.match(key_id):
        raise ConfigError(f"{path}: a key id is 1 to 64 visible ASCII characters")
    if key_id in table:
        raise ConfigError(f"{path}: key {key_id} stands twice")
    table[key_id] = key


def _ed25519(path: Path, key: _PublicKey) -> Ed25519PublicKey:
    try:
        return Ed25519PublicKey.from_public_bytes(_binary(path, f"key {key.kid}: x", key.x))
    except ValueError as cause:
        if isinstance(cause, ConfigError):
            raise
        raise ConfigError(f"{path}: key {key.kid}: x is no Ed25519 public key") from cause


def _binary(path: Path, what: str, text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as cause:
        raise ConfigError(f"{path}: {what} is not base64url") from cause
