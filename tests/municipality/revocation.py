"""Is a card's certificate revoked (有効性確認)? Lists or OCSP behind one question; unknown is a refusal.

In production the answer is J-LIS's, for entitled verifiers only: an adaptor of theirs is one more class
with `check`.
"""

import secrets
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Literal, Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

Verdict = Literal["good", "revoked", "unknown"]


class Revocation(Protocol):
    """Answers for a certificate that root has signed. waits: it asks somebody else and takes its time."""

    waits: bool

    def check(self, certificate: x509.Certificate, root: x509.Certificate, now: datetime) -> Verdict:
        """Whether it is revoked, as far as anybody can say now; never raises."""


class Lists:
    """Revocation lists on disk, the newest of each root, read once: a lookup in a parsed list is linear."""

    waits = False

    def __init__(self, roots: Iterable[x509.Certificate], crls_der: tuple[bytes, ...]) -> None:
        self._of = {root: _newest(root, crls_der) for root in roots}

    def check(self, certificate: x509.Certificate, root: x509.Certificate, now: datetime) -> Verdict:
        """A list that is not in force says nothing."""
        crl = self._of.get(root)
        if crl is None or not crl.is_in_force(now):
            return "unknown"
        return "revoked" if certificate.serial_number in crl.serials else "good"


class _List:
    def __init__(self, crl: x509.CertificateRevocationList) -> None:
        self._this_update, self._next_update = crl.last_update_utc, crl.next_update_utc
        self.serials = frozenset(entry.serial_number for entry in crl)

    def is_in_force(self, now: datetime) -> bool:
        return self._next_update is not None and self._this_update <= now < self._next_update


class Ocsp:
    """Asks a responder (RFC 6960, with a nonce of RFC 9654).

    ask: a DER request to a DER response; raises OSError. The response must be signed by the root or by a
    responder that the root has named for it, be about this very certificate, repeat the nonce and be in
    force.
    """

    waits = True

    def __init__(self, ask: Callable[[bytes], bytes], clock_error: timedelta = timedelta(seconds=5)) -> None:
        self._ask = ask
        self._clock_error = clock_error

    def check(self, certificate: x509.Certificate, root: x509.Certificate, now: datetime) -> Verdict:
        """Whatever does not prove itself is unknown."""
        nonce = secrets.token_bytes(32)
        builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, root, hashes.SHA256())
        request = builder.add_extension(x509.OCSPNonce(nonce), critical=False).build()
        try:
            answer = ocsp.load_der_ocsp_response(self._ask(request.public_bytes(serialization.Encoding.DER)))
            if answer.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
                return "unknown"
            return self._verdict(answer, request, root, now)
        except (OSError, ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
            return "unknown"

    def _verdict(
        self, answer: ocsp.OCSPResponse, request: ocsp.OCSPRequest, root: x509.Certificate, now: datetime
    ) -> Verdict:
        """Raises ValueError, InvalidSignature, ExtensionNotFound for what does not prove itself."""
        _check_signed(answer, root, now)
        asked = (request.serial_number, request.issuer_key_hash, request.issuer_name_hash)
        told = (answer.serial_number, answer.issuer_key_hash, answer.issuer_name_hash)
        nonces = [r.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce for r in (request, answer)]
        begins, ends = answer.this_update_utc, answer.next_update_utc
        fresh = ends is not None and begins - self._clock_error <= now < ends
        if asked != told or nonces[0] != nonces[1] or not fresh:
            return "unknown"
        match answer.certificate_status:
            case ocsp.OCSPCertStatus.GOOD:
                return "good"
            case ocsp.OCSPCertStatus.REVOKED:
                return "revoked"
            case _:
                return "unknown"


def _check_signed(answer: ocsp.OCSPResponse, root: x509.Certificate, now: datetime) -> None:
    signer = root
    for responder in answer.certificates:
        responder.verify_directly_issued_by(root)
        usages = responder.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        if ExtendedKeyUsageOID.OCSP_SIGNING not in usages:
            raise ValueError("no responder")
        if not responder.not_valid_before_utc <= now <= responder.not_valid_after_utc:
            raise ValueError("a responder of another time")
        signer = responder
    key, algorithm = signer.public_key(), answer.signature_hash_algorithm
    if not isinstance(key, rsa.RSAPublicKey) or not isinstance(algorithm, hashes.SHA256):
        raise TypeError("neither RSA nor SHA-256")
    key.verify(answer.signature, answer.tbs_response_bytes, padding.PKCS1v15(), algorithm)


def _newest(root: x509.Certificate, crls_der: tuple[bytes, ...]) -> _List | None:
    """The newest of the lists that this root signed, or None."""
    key = root.public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        return None
    lists = (x509.load_der_x509_crl(crl) for crl in crls_der)
    own = [crl for crl in lists if crl.is_signature_valid(key)]
    return _List(max(own, key=lambda crl: crl.last_update_utc)) if own else None
