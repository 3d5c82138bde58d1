"""What the kiosk checks before anybody types a PIN: every field of the bytes the card is to sign."""

from dataclasses import dataclass
from datetime import UTC, datetime

from firmware.errors import MunicipalityAnswerInvalid
from firmware.municipality.messages import ToBeSigned, decode, unb64u

PREFIX = b"KIOSK-JPKI-AUTH-v1\0"
"""Put before the server's bytes here, so that a card never signs bytes that somebody else chose whole."""

LONGEST_SECONDS = 120
"""The longest life of a challenge in protocol 1."""

_MESSAGE = "open_session"


@dataclass(frozen=True, slots=True)
class Expected:
    """What must stand in the challenge.

    device, server: SHA-256 of the certificates of this very connection, base64url; kem: base64url.
    """

    audience: str
    session_id: str
    kiosk: str
    device: str
    server: str
    kem: str


def message_to_sign(
    tbs: bytes, expected: Expected, now: datetime, clock_error_seconds: float
) -> tuple[bytes, datetime]:
    """PREFIX and tbs, once every field of tbs is as expected, and until when a signature is worth anything.

    Raises MunicipalityAnswerInvalid naming the field.
    """
    challenge = decode(_MESSAGE, tbs, ToBeSigned)
    facts = {
        "aud": challenge.aud == expected.audience,
        "session": challenge.session == expected.session_id,
        "nonce": len(unb64u(_MESSAGE, "tbs.nonce", challenge.nonce)) == 32,
        "kiosk": challenge.kiosk == expected.kiosk,
        "device_x5t#S256": challenge.device == expected.device,
        "server_x5t#S256": challenge.server == expected.server,
        "kem": challenge.kem == expected.kem,
        "iat": challenge.iat <= now.timestamp() + clock_error_seconds,
        "exp": now.timestamp() < challenge.exp <= challenge.iat + LONGEST_SECONDS,
    }
    for field, right in facts.items():
        if not right:
            raise MunicipalityAnswerInvalid(f"{_MESSAGE}: tbs.{field}")
    return PREFIX + tbs, datetime.fromtimestamp(challenge.exp, UTC)
