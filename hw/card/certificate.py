"""The user-authentication certificate: its length on the card, its dates, its key's algorithm. Pure.

Only what gives the person a clear sentence is checked here; trust is the municipality's decision.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509.oid import NameOID

from firmware.core.terms import CardRefusal

SHA256_DIGEST_INFO = bytes.fromhex("3031300D060960864801650304020105000420")
"""DER of DigestInfo up to the hash. Source: RFC 8017 section 9.2, note 1."""

RSA_BITS = 2048


@dataclass(frozen=True, slots=True)
class Algorithm:
    """How the card of one key type signs.

    name: as the municipality knows it; to_sign: from the message, what goes into the command;
    verify: (certificate, message, signature), raises InvalidSignature.
    """

    name: str
    to_sign: Callable[[bytes], bytes]
    verify: Callable[[x509.Certificate, bytes, bytes], None]


def der_bytes(head: bytes) -> int | None:
    """Whole length of the DER sequence that begins with head, or None if none of a certificate's size does.

    The file on the card is longer than the certificate in it.
    """
    return int.from_bytes(head[2:4], "big") + 4 if head[:2] == b"\x30\x82" and len(head) >= 4 else None


def refusal(
    certificate: x509.Certificate, now: datetime, accept_issuer_organizations: frozenset[str]
) -> CardRefusal | None:
    """Why the municipality would surely not take this certificate, or None.

    now: aware. accept_issuer_organizations: O of acceptable issuers; empty accepts every one.
    """
    issuers = {name.value for name in certificate.issuer.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)}
    if accept_issuer_organizations and not accept_issuer_organizations & issuers:
        return CardRefusal.NOT_A_MY_NUMBER_CARD
    if now < certificate.not_valid_before_utc:
        return CardRefusal.CERTIFICATE_NOT_YET_VALID
    if now > certificate.not_valid_after_utc:
        return CardRefusal.CERTIFICATE_EXPIRED
    return None


def algorithm(certificate: x509.Certificate) -> Algorithm | None:
    """The algorithm of the certificate's key, or None for a key that no card of this kiosk has."""
    match certificate.public_key():
        case RSAPublicKey(key_size=bits) if bits == RSA_BITS:
            return RS256
        case _:
            return None


def is_signature(
    algorithm: Algorithm, certificate: x509.Certificate, message: bytes, signature: bytes
) -> bool:
    """The card of this certificate signed message."""
    try:
        algorithm.verify(certificate, message, signature)
    except InvalidSignature:
        return False
    return True


def _digest_info(message: bytes) -> bytes:
    return SHA256_DIGEST_INFO + hashlib.sha256(message).digest()


def _verify_rs256(certificate: x509.Certificate, message: bytes, signature: bytes) -> None:
    key = certificate.public_key()
    assert isinstance(key, RSAPublicKey)  # noqa: S101 - `algorithm` chose by this type
    key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())


RS256 = Algorithm("RS256", _digest_info, _verify_rs256)
