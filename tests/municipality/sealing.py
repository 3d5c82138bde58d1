"""Sealing to the one process that the person's card signed for: HPKE (RFC 9180) around AES-256-GCM."""

import json
import secrets
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from tests.municipality.wire import b64u, encode

CONTENTS = b"madoguchi-contents-v1"
AUTHORITY = b"madoguchi-authority-v1"

_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


@dataclass(frozen=True, slots=True)
class Addressee:
    """Whom and what a sealed object is for; every part is bound into it."""

    kem_public_key: bytes
    order_id: str
    session_id: str
    kiosk: str
    members: tuple[int, ...] = ()

    def binding(self, label: bytes) -> bytes:
        """HPKE info and AES-GCM additional data."""
        chosen = [",".join(map(str, self.members))] if self.members else []
        words = (self.order_id, self.session_id, self.kiosk, *chosen)
        return b"\0".join([label, *(word.encode() for word in words)])


def seal(message: dict[str, object], label: bytes, addressee: Addressee) -> str:
    """base64url of the sealed JSON envelope."""
    binding = addressee.binding(label)
    content_key, nonce = AESGCM.generate_key(256), secrets.token_bytes(12)
    public_key = X25519PublicKey.from_public_bytes(addressee.kem_public_key)
    envelope = {
        "v": 1,
        "key": b64u(_SUITE.encrypt(content_key, public_key, info=binding)),
        "nonce": b64u(nonce),
        "ciphertext": b64u(AESGCM(content_key).encrypt(nonce, encode(message), binding)),
    }
    return b64u(json.dumps(envelope).encode())
