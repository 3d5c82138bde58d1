"""The municipality's side of the envelopes, from cryptography alone."""

import secrets
from collections.abc import Sequence
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from tests.pages import samples

KIOSK = "urn:uuid:00000000-0000-4000-8000-000000000001"
SESSION = "session-1"
PERSON = "person-1"
ORDER = "order-1"


def envelope(
    purpose: str,
    public_key: bytes,
    plaintext: bytes,
    *,
    order: str = ORDER,
    session: str = SESSION,
    kiosk: str = KIOSK,
    members: Sequence[int] = (),
) -> dict[str, Any]:
    """An envelope before its own encoding, so that a test can spoil a field."""
    chosen = [",".join(map(str, members))] if members else []
    info = "\0".join([purpose, order, session, kiosk, *chosen]).encode()
    key, nonce = secrets.token_bytes(32), secrets.token_bytes(12)
    suite = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
    return {
        "v": 1,
        "key": samples.base64url(
            suite.encrypt(key, X25519PublicKey.from_public_bytes(public_key), info=info)
        ),
        "nonce": samples.base64url(nonce),
        "ciphertext": samples.base64url(AESGCM(key).encrypt(nonce, plaintext, info)),
    }


def sealed_contents(
    public_key: bytes, kind: str, document: dict[str, Any], *, sealed_for: Sequence[int] = (), **changes: Any
) -> bytes:
    """Contents sealed for order-1 of these members, whatever the plaintext says after changes."""
    plaintext = msgspec.json.encode(samples.protected(samples.contents(kind, document, **changes)))
    return msgspec.json.encode(envelope("madoguchi-contents-v1", public_key, plaintext, members=sealed_for))


def sealed_authority(public_key: bytes, *, sealed_for: str = ORDER, **changes: Any) -> bytes:
    plaintext = {
        "v": 1,
        "order_id": ORDER,
        "number": samples.NUMBER,
        "receipt_no": "R-1",
        "city_seal": samples.base64url(samples.png(567)),
    } | changes
    return msgspec.json.encode(
        envelope("madoguchi-authority-v1", public_key, msgspec.json.encode(plaintext), order=sealed_for)
    )
