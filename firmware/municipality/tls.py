"""The kiosk's own certificate, the TLS context, and words for why a connection failed.

Under TLS 1.3 a refused client learns nothing: the handshake succeeds and the connection is then cut.
So the kiosk looks at its own certificate and clock itself.
"""

import errno
import hashlib
import socket
import ssl
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import aiohttp
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from firmware.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Credentials:
    """The kiosk's certificate in use. thumbprint: its SHA-256."""

    context: ssl.SSLContext
    thumbprint: bytes
    not_before: datetime
    not_after: datetime

    def fault(self, now: datetime) -> str | None:
        """Why our own certificate cannot be used now, as a word for log and maintenance screen, or None."""
        if now < self.not_before:
            return "own-certificate-not-yet-valid"
        if now > self.not_after:
            return "own-certificate-expired"
        return None


def load_credentials(*, ca_file: Path, certificate_file: Path, key_file: Path, kiosk: str) -> Credentials:
    """TLS 1.3 only, our certificate, and trust in nothing but ca_file.

    Raises ConfigError naming the file: unreadable, not a pair, not for this kiosk, not for a client.
    """
    certificate = _read_certificate(certificate_file)
    _check_purpose(certificate, certificate_file, kiosk)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_verify_locations(ca_file)
    except OSError as cause:
        raise ConfigError(f"{ca_file.name}: not a readable PEM file of authorities") from cause
    try:
        context.load_cert_chain(certificate_file, key_file)
    except OSError as cause:
        raise ConfigError(f"{key_file.name}: not the readable key of {certificate_file.name}") from cause
    der = ssl.PEM_cert_to_DER_cert(certificate_file.read_text(encoding="ascii"))
    return Credentials(
        context,
        hashlib.sha256(der).digest(),
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
    )


def word_for(cause: BaseException | None) -> str:
    """What went wrong on the way to the server, as one word for the log."""
    while cause is not None:
        if isinstance(cause, aiohttp.ClientConnectorCertificateError):
            cause = cause.certificate_error
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _SERVER_CERTIFICATE.get(cause.verify_code, "server-certificate-untrusted")
        if isinstance(cause, ssl.SSLError):
            return "tls-refused"
        if isinstance(cause, socket.gaierror):
            return "name-not-found"
        if isinstance(cause, OSError) and cause.errno is not None and cause.errno > 0:
            return errno.errorcode.get(cause.errno, "network").lower()
        if isinstance(cause, TimeoutError):
            return "time-out"
        cause = cause.__cause__ or cause.__context__
    return "no-answer"


# X509_V_ERR_* of OpenSSL. "Not yet valid" mostly means that our clock is behind.
_SERVER_CERTIFICATE = {
    9: "server-certificate-not-yet-valid",
    10: "server-certificate-expired",
    62: "server-certificate-other-name",
    64: "server-certificate-other-name",
}


def _read_certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as cause:
        raise ConfigError(f"{path.name}: not a readable PEM certificate") from cause


def _check_purpose(certificate: x509.Certificate, path: Path, kiosk: str) -> None:
    extensions = certificate.extensions
    try:
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        usages = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound as cause:
        raise ConfigError(f"{path.name}: names no kiosk or no use") from cause
    if kiosk not in names.get_values_for_type(x509.UniformResourceIdentifier):
        raise ConfigError(f"{path.name}: is not the certificate of {kiosk}")
    if ExtendedKeyUsageOID.CLIENT_AUTH not in usages:
        raise ConfigError(f"{path.name}: is not a client's certificate")
