"""Maintenance orders (保守指示) as they are pasted at login: JWT signed with Ed25519.

Sources: RFC 7519 (claims), RFC 7515 (compact form), RFC 8037 (EdDSA), RFC 7517 (the key set).
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import jwt
import msgspec
from msgspec import Meta

from firmware.core.maintenance import MaintenanceOrder
from firmware.core.terms import Role
from firmware.errors import OrderInvalid
from firmware.key_set import read_key_set

TYPE: Final = "maintenance-order+jwt"
_MOST_CHARACTERS = 4000
"""A terminal's line holds 4,095 characters in canonical mode (termios(3))."""
_SKEW = timedelta(seconds=60)


class _Claims(msgspec.Struct, frozen=True):
    """sub: the technician's number, no name. nonce: what the kiosk showed, if its clock was not trusted."""

    jti: Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_-]{8,64}\Z")]
    sub: Annotated[str, Meta(pattern=r"\A[a-z0-9][a-z0-9-]{0,39}\Z")]
    roles: Annotated[list[Role], Meta(min_length=1, max_length=len(Role))]
    iat: Annotated[int, Meta(ge=0, le=253_402_300_799)]
    exp: Annotated[int, Meta(ge=0, le=253_402_300_799)]
    nonce: Annotated[str, Meta(max_length=64)] = ""


class OrderKeys:
    """The public keys of whoever gives orders. path: a JWK Set. issuer: the orders' `iss`.

    kiosk: this kiosk's URN, the orders' `aud`. longest: an order for a longer time is none.
    Raises ConfigError for a file that is no set of Ed25519 keys.
    """

    def __init__(self, path: Path, *, issuer: str, kiosk: str, longest: timedelta) -> None:
        self._issuer, self._kiosk, self._longest = issuer, kiosk, longest
        self._keys = read_key_set(path, "console.order_keys")

    def read(self, text: str, *, now: datetime | None, nonce: str) -> MaintenanceOrder:
        """The order in text. now: aware, None while the clock is not trusted: then it must carry nonce.

        Raises OrderInvalid with the reason as one word.
        """
        claims = self._claims(text)
        issued, ends = datetime.fromtimestamp(claims.iat, UTC), datetime.fromtimestamp(claims.exp, UTC)
        if not timedelta(0) < ends - issued <= self._longest:
            raise OrderInvalid("duration")
        if claims.nonce != nonce and (now is None or claims.nonce):
            raise OrderInvalid("nonce")
        if now is None and not nonce:
            raise OrderInvalid("clock")
        if now is not None and now < issued - _SKEW:
            raise OrderInvalid("not-yet")
        if now is not None and now >= ends:
            raise OrderInvalid("expired")
        return MaintenanceOrder(claims.jti, claims.sub, tuple(dict.fromkeys(claims.roles)), issued, ends)

    def _claims(self, text: str) -> _Claims:
        token = text.strip()
        if not token or len(token) > _MOST_CHARACTERS:
            raise OrderInvalid("form")
        try:
            header: dict[str, Any] = jwt.get_unverified_header(token)
            key = self._keys.get(header.get("kid", ""))
        except (jwt.PyJWTError, ValueError, TypeError):
            raise OrderInvalid("form") from None
        if header.get("typ") != TYPE:
            raise OrderInvalid("form")
        if key is None:
            raise OrderInvalid("key")
        try:
            said = jwt.decode(
                token,
                key,
                algorithms=["EdDSA"],
                audience=self._kiosk,
                issuer=self._issuer,
                # The times are judged by a clock that may not be trusted: see read.
                options={
                    "require": ["exp", "iat", "jti", "sub", "aud", "iss"],
                    "strict_aud": True,
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
            claims = msgspec.convert(said, _Claims)
        except jwt.InvalidAudienceError:
            raise OrderInvalid("other-kiosk") from None
        except jwt.InvalidIssuerError:
            raise OrderInvalid("issuer") from None
        except jwt.InvalidSignatureError:
            raise OrderInvalid("signature") from None
        except (jwt.PyJWTError, msgspec.ValidationError, ValueError, TypeError):
            raise OrderInvalid("contents") from None
        return claims
