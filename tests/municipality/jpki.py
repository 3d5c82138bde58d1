"""Verification of a card's certificate and signature, as a 利用者証明検証者 does it.

Revocation is asked of `revocation`; where nobody can say, the card is refused.
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

from tests.municipality.revocation import Lists, Revocation

PREFIX = b"KIOSK-JPKI-AUTH-v1\0"
"""Put by the kiosk before the bytes that the card signs."""


_TEST_MARKS = ("DEVSIM", "TEST")
_TEST_POLICIES = "1.2.392.200149.8.5.1.0."


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


class NotForProduction(Exception):
    """A root or policy of a test hierarchy, or a root nobody has pinned."""


class CardVerifier:
    """Trusts these roots and certificate policies, nothing else.

    Roots of several generations share one name: the issuer is found by signature. revocation: by default
    crls_der; a root without a list of its own lets nobody in. pinned: SHA-256 of every root in hexadecimal,
    in production; None for a test hierarchy. Raises NotForProduction.
    """

    def __init__(
        self,
        roots_pem: bytes,
        crls_der: tuple[bytes, ...],
        policies: tuple[str, ...],
        *,
        revocation: Revocation | None = None,
        pinned: tuple[str, ...] | None = None,
    ) -> None:
        self._roots = x509.load_pem_x509_certificates(roots_pem)
        if pinned is not None:
            check_production(self._roots, pinned, policies)
        self._revocation = Lists(self._roots, crls_der) if revocation is None else revocation
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
        match self._revocation.check(certificate, root, now):
            case "revoked":
                raise CardRefused("cert_revoked")
            case "unknown":
                raise CardRefused("cert_not_trusted")
            case "good":
                pass
        return CardIdentity(certificate.issuer.public_bytes(), certificate.serial_number)

    @property
    def waits(self) -> bool:
        """Whether verify asks somebody else and takes its time."""
        return self._revocation.waits

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


def check_production(
    roots: list[x509.Certificate], pinned: tuple[str, ...], policies: tuple[str, ...]
) -> None:
    """Raises NotForProduction naming what must not be trusted where certificates are real."""
    for root in roots:
        name = root.subject.rfc4514_string()
        if any(mark in name.upper() for mark in _TEST_MARKS):
            raise NotForProduction(f"a root of a test hierarchy: {name}")
        if root.fingerprint(hashes.SHA256()).hex() not in pinned:
            raise NotForProduction(f"a root that is not pinned: {name}")
    for policy in policies:
        if policy.startswith(_TEST_POLICIES):
            raise NotForProduction(f"a policy of the test hierarchy: {policy}")


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
