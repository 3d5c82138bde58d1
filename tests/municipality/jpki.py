"""Verification of a card's certificate and signature, as a 利用者証明検証者 does it.

Revocation is asked of a local list; without a fresh list every card is refused.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.x509.verification import (
    ClientVerifier,
    Criticality,
    ExtensionPolicy,
    Policy,
    PolicyBuilder,
    Store,
    VerificationError,
)

PREFIX = b"KIOSK-JPKI-AUTH-v1\0"
"""Put by the kiosk before the bytes that the card signs."""


class CardRefused(Exception):
    """The card proves nothing; code is the refusal of the protocol."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class CardIdentity:
    """What names a card for ever: issuer (DER) and serial. Generations of the CA share one name."""

    issuer_der: bytes
    serial: int


class RevocationList:
    """A CRL of one root, read once: a lookup in the parsed list is linear."""

    def __init__(self, crl: x509.CertificateRevocationList) -> None:
        self._this_update, self._next_update = crl.last_update_utc, crl.next_update_utc
        self._serials = frozenset(entry.serial_number for entry in crl)

    def revoked(self, serial: int, now: datetime) -> bool:
        """Raises CardRefused when the list is not in force now."""
        if self._next_update is None or not self._this_update <= now < self._next_update:
            raise CardRefused("cert_not_trusted")
        return serial in self._serials


class CardVerifier:
    """Trusts these roots and certificate policies, nothing else.

    Roots of several generations share one name: the issuer is found by signature. A root without a
    revocation list of its own lets nobody in.
    """

    def __init__(self, roots_pem: bytes, crls_der: tuple[bytes, ...], policies: tuple[str, ...]) -> None:
        self._roots = x509.load_pem_x509_certificates(roots_pem)
        self._revocation = {root: _list_of(root, crls_der) for root in self._roots}
        self._policies = frozenset(x509.ObjectIdentifier(policy) for policy in policies)

    def verify(
        self, certificate_der: bytes, signature: bytes, tbs: bytes, now: datetime, alg: str = "RS256"
    ) -> CardIdentity:
        """Path, signature over PREFIX and tbs, dates, revocation, in this order.

        alg: RS256, or ES384 with r and s of 48 bytes each (RFC 7518 section 3.4); it must be the key's.

        Who cannot sign learns nothing about dates or revocation. Raises CardRefused.
        """
        certificate, root = self._path(certificate_der)
        _check_signature(certificate, alg, signature, PREFIX + tbs)
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            raise CardRefused("cert_expired")
        revocation = self._revocation[root]
        if revocation is None:
            raise CardRefused("cert_not_trusted")
        if revocation.revoked(certificate.serial_number, now):
            raise CardRefused("cert_revoked")
        return CardIdentity(certificate.issuer.public_bytes(), certificate.serial_number)

    def _path(self, certificate_der: bytes) -> tuple[x509.Certificate, x509.Certificate]:
        """The certificate, signed directly by one of the roots, with the profile of a card; that root."""
        try:
            certificate = x509.load_der_x509_certificate(certificate_der)
            chain = self._verifier(certificate).verify(certificate, []).chain
        except (ValueError, VerificationError) as cause:
            raise CardRefused("cert_not_trusted") from cause
        return certificate, chain[-1]

    def _verifier(self, certificate: x509.Certificate) -> ClientVerifier:
        """Dates are judged later: the path is checked at a moment within the certificate's life."""
        leaf = (
            ExtensionPolicy.permit_all()
            .require_present(x509.KeyUsage, Criticality.CRITICAL, _signs_only)
            .require_present(x509.CertificatePolicies, Criticality.CRITICAL, self._has_policy)
        )
        ca = (
            ExtensionPolicy.permit_all()
            .require_present(x509.BasicConstraints, Criticality.CRITICAL, _is_ca)
            .require_present(x509.KeyUsage, Criticality.CRITICAL, _signs_certificates)
        )
        return (
            PolicyBuilder()
            .store(Store(self._roots))
            .time(certificate.not_valid_before_utc + timedelta(seconds=1))
            .max_chain_depth(0)
            .extension_policies(ee_policy=leaf, ca_policy=ca)
            .build_client_verifier()
        )

    def _has_policy(
        self, _policy: Policy, _certificate: x509.Certificate, policies: x509.CertificatePolicies
    ) -> None:
        if self._policies.isdisjoint(policy.policy_identifier for policy in policies):
            raise ValueError("no accepted certificate policy")


def _list_of(root: x509.Certificate, crls_der: tuple[bytes, ...]) -> RevocationList | None:
    """The newest of the lists that this root signed, or None."""
    key = root.public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        return None
    lists = (x509.load_der_x509_crl(crl) for crl in crls_der)
    own = [crl for crl in lists if crl.is_signature_valid(key)]
    return RevocationList(max(own, key=lambda crl: crl.last_update_utc)) if own else None


def _check_signature(certificate: x509.Certificate, alg: str, signature: bytes, message: bytes) -> None:
    try:
        match certificate.public_key(), alg:
            case rsa.RSAPublicKey() as key, "RS256":
                key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
            case ec.EllipticCurvePublicKey(curve=ec.SECP384R1()) as key, "ES384":
                key.verify(_der_of(signature), message, ec.ECDSA(hashes.SHA384()))
            case (rsa.RSAPublicKey(), _) | (ec.EllipticCurvePublicKey(curve=ec.SECP384R1()), _):
                raise CardRefused("signature_invalid")
            case _:
                raise CardRefused("cert_not_trusted")
    except InvalidSignature as cause:
        raise CardRefused("signature_invalid") from cause


def _der_of(signature: bytes) -> bytes:
    if len(signature) != 96:
        raise CardRefused("signature_invalid")
    r, s = int.from_bytes(signature[:48], "big"), int.from_bytes(signature[48:], "big")
    return encode_dss_signature(r, s)


def _signs_only(_policy: Policy, _certificate: x509.Certificate, usage: x509.KeyUsage) -> None:
    if not usage.digital_signature or usage.content_commitment or usage.key_cert_sign:
        raise ValueError("not a key for user authentication")


def _is_ca(_policy: Policy, _certificate: x509.Certificate, basic: x509.BasicConstraints) -> None:
    if not basic.ca:
        raise ValueError("not a CA")


def _signs_certificates(_policy: Policy, _certificate: x509.Certificate, usage: x509.KeyUsage) -> None:
    if not usage.key_cert_sign:
        raise ValueError("not a key that signs certificates")
