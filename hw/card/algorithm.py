"""How a card signs, by the key in its certificate: RSA-2048 today, ECDSA P-384 on the next card. Pure."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP384R1,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

SHA256_DIGEST_INFO = bytes.fromhex("3031300D060960864801650304020105000420")
"""DER of DigestInfo up to the hash. Source: RFC 8017 section 9.2, note 1."""

RSA_BITS = 2048
P384_BYTES = 48


@dataclass(frozen=True, slots=True)
class Algorithm:
    """How the card of one key type signs.

    name: as the municipality knows it (RFC 7518 section 3.1). to_sign: from the message, what goes into the
    command. checked: (certificate, message, what the card answered), the signature as the municipality
    takes it, or None if it is not the card's.
    """

    name: str
    to_sign: Callable[[bytes], bytes]
    checked: Callable[[x509.Certificate, bytes, bytes], bytes | None]


def algorithm(certificate: x509.Certificate) -> Algorithm | None:
    """The algorithm of the certificate's key, or None for a key that no card of this kiosk has."""
    match certificate.public_key():
        case RSAPublicKey(key_size=bits) if bits == RSA_BITS:
            return RS256
        case EllipticCurvePublicKey(curve=SECP384R1()):
            return ES384
        case _:
            return None


def _digest_info(message: bytes) -> bytes:
    return SHA256_DIGEST_INFO + hashlib.sha256(message).digest()


def _checked_rs256(certificate: x509.Certificate, message: bytes, answer: bytes) -> bytes | None:
    key = certificate.public_key()
    assert isinstance(key, RSAPublicKey)  # noqa: S101 - `algorithm` chose by this type
    try:
        key.verify(answer, message, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return None
    return answer


def _hash(message: bytes) -> bytes:
    return hashlib.sha384(message).digest()


def _checked_es384(certificate: x509.Certificate, message: bytes, answer: bytes) -> bytes | None:
    """R and S, 48 bytes each (RFC 7518 section 3.4); the card may answer so or in DER."""
    key = certificate.public_key()
    assert isinstance(key, EllipticCurvePublicKey)  # noqa: S101 - `algorithm` chose by this type
    half = P384_BYTES
    try:
        if len(answer) == 2 * half:
            r, s = int.from_bytes(answer[:half], "big"), int.from_bytes(answer[half:], "big")
        else:
            r, s = decode_dss_signature(answer)
        key.verify(encode_dss_signature(r, s), message, ECDSA(hashes.SHA384()))
    except (InvalidSignature, ValueError):
        return None
    return r.to_bytes(half, "big") + s.to_bytes(half, "big")


RS256 = Algorithm("RS256", _digest_info, _checked_rs256)
ES384 = Algorithm("ES384", _hash, _checked_es384)
