"""What the municipality publishes to its kiosks, signed by a key that its server need not have.

A configuration is a municipality profile as it stands in a file; a calendar says when the service is shut.
Sources: RFC 7515 (compact form), RFC 8037 (Ed25519), RFC 7517 (the key set).
"""

import enum
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import jwt
import msgspec
from msgspec import Meta

from firmware.core.hours import Closure
from firmware.errors import PublicationInvalid
from firmware.key_set import read_key_set

EVERY_KIOSK: Final = "urn:kiosk:every"
"""Whom a publication for all kiosks of the municipality is for."""

MOST_CHARACTERS: Final = 262_144

Serial = Annotated[int, Meta(ge=1, le=2**53)]
Moment = Annotated[datetime, Meta(tz=True)]


class PublicationKind(enum.Enum):
    """What is published."""

    CONFIGURATION = "configuration"
    CALENDAR = "calendar"


@dataclass(frozen=True, slots=True)
class Configuration:
    """profile: the text of a municipality profile, TOML, which takes the place of those in kiosk.toml."""

    serial: int
    profile: str


@dataclass(frozen=True, slots=True)
class Calendar:
    """closures: besides those of the profile."""

    serial: int
    closures: tuple[Closure, ...]


class _Closure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    begins: Moment
    ends: Moment


class _Claims(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    iss: str
    aud: str
    iat: Annotated[int, Meta(ge=0, le=253_402_300_799)]
    serial: Serial


class _ConfigurationClaims(_Claims, frozen=True):
    profile: Annotated[str, Meta(min_length=1)]


class _CalendarClaims(_Claims, frozen=True):
    closures: Annotated[tuple[_Closure, ...], Meta(max_length=1000)]


C = TypeVar("C", bound=_Claims)


class PublicationKeys:
    """The public keys of whoever signs for the municipality.

    path: a JWK Set. issuer: the municipality's name in what a card signs. kiosk: our URN.
    Raises ConfigError for a file that is no set of Ed25519 keys.
    """

    def __init__(self, path: Path, *, issuer: str, kiosk: str) -> None:
        self._issuer, self._kiosk = issuer, kiosk
        self._keys = read_key_set(path, "municipality.publication_keys")

    def configuration(self, text: str) -> Configuration:
        """Raises PublicationInvalid with the reason as one word."""
        claims = self._read(PublicationKind.CONFIGURATION, text, _ConfigurationClaims)
        return Configuration(claims.serial, claims.profile)

    def calendar(self, text: str) -> Calendar:
        """Raises PublicationInvalid with the reason as one word."""
        claims = self._read(PublicationKind.CALENDAR, text, _CalendarClaims)
        if any(one.begins >= one.ends for one in claims.closures):
            raise PublicationInvalid("closure")
        return Calendar(claims.serial, tuple(Closure.said(one.begins, one.ends) for one in claims.closures))

    def _read(self, kind: PublicationKind, text: str, claims: type[C]) -> C:
        said = self._verified(kind, text)
        try:
            found = msgspec.convert(said, claims)
        except msgspec.ValidationError:
            raise PublicationInvalid("claims") from None
        if found.aud not in (self._kiosk, EVERY_KIOSK):
            raise PublicationInvalid("other-kiosk")
        return found

    def _verified(self, kind: PublicationKind, text: str) -> dict[str, Any]:
        if not text or len(text) > MOST_CHARACTERS:
            raise PublicationInvalid("form")
        try:
            header: dict[str, Any] = jwt.get_unverified_header(text)
            key = self._keys.get(header.get("kid", ""))
        except (jwt.PyJWTError, ValueError, TypeError):
            raise PublicationInvalid("form") from None
        if header.get("typ") != f"madoguchi-{kind.value}+jwt":
            raise PublicationInvalid("form")
        if key is None:
            raise PublicationInvalid("key")
        try:
            # A kiosk with a wrong clock must still learn when it is shut: times are no part of the proof.
            said: dict[str, Any] = jwt.decode(
                text,
                key,
                algorithms=["EdDSA"],
                issuer=self._issuer,
                options={
                    "require": ["iss", "aud", "iat", "serial"],
                    "verify_aud": False,
                    "verify_iat": False,
                },
            )
        except jwt.InvalidIssuerError:
            raise PublicationInvalid("issuer") from None
        except jwt.InvalidSignatureError:
            raise PublicationInvalid("signature") from None
        except (jwt.PyJWTError, ValueError, TypeError):
            raise PublicationInvalid("claims") from None
        return said
