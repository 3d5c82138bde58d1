"""The user-authentication certificate: its length on the card and its dates. Pure.

Only what gives the person a clear sentence is checked here; trust is the municipality's decision.
"""

from datetime import datetime

from cryptography import x509
from cryptography.x509.oid import NameOID

from firmware.core.terms import CardRefusal


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
