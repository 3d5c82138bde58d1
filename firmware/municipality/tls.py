"""The kiosk's own certificate, the TLS context, and words for why a connection failed.

Under TLS 1.3 a refused client learns nothing: the handshake succeeds and the connection is then cut.
So the kiosk looks at its own certificate and clock itself.
"""

import errno
import socket
import ssl
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import aiohttp
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from firmware.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Files:
    """Where the kiosk's own certificate and its key lie, and whose it must be."""

    certificate: Path
    key: Path
    kiosk: str

    def written_at(self) -> tuple[int, int]:
        """When both were written. Raises OSError."""
        return self.certificate.stat().st_mtime_ns, self.key.stat().st_mtime_ns


@dataclass(slots=True)
class Credentials:
    """The kiosk's certificate in use; renew takes a newer one. thumbprint: its SHA-256."""

    context: ssl.SSLContext
    files: Files
    written_at: tuple[int, int]
    thumbprint: bytes
    not_before: datetime
    not_after: datetime

    def renew(self) -> bool:
        """Take a certificate and key that were put in the place of ours; False if nothing changed.

        Connections that stand keep the old one. Raises ConfigError if they cannot be used; what was in
        use stays in use.
        """
        try:
            written_at = self.files.written_at()
        except OSError as cause:
            raise ConfigError(f"{self.files.certificate.name}: gone, or its key is") from cause
        if written_at == self.written_at:
            return False
        certificate = _read_certificate(self.files.certificate)
        _check_purpose(certificate, self.files.certificate, self.files.kiosk)
        _check_pair(certificate, self.files)
        _load_pair(self.context, self.files)
        self.written_at = written_at
        self.thumbprint = certificate.fingerprint(hashes.SHA256())
        self.not_before = certificate.not_valid_before_utc
        self.not_after = certificate.not_valid_after_utc
        return True

    def sign(self, message: bytes) -> bytes:
        """ECDSA with SHA-256 by the key of our certificate, DER. Raises ConfigError."""
        try:
            key = serialization.load_pem_private_key(self.files.key.read_bytes(), password=None)
        except (OSError, ValueError, TypeError) as cause:
            raise ConfigError(f"{self.files.key.name}: not a readable key") from cause
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ConfigError(f"{self.files.key.name}: not a key on an elliptic curve")
        return key.sign(message, ec.ECDSA(hashes.SHA256()))

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
    files = Files(certificate_file, key_file, kiosk)
    certificate = _read_certificate(certificate_file)
    _check_purpose(certificate, certificate_file, kiosk)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_verify_locations(ca_file)
    except OSError as cause:
        raise ConfigError(f"{ca_file.name}: not a readable PEM file of authorities") from cause
    _load_pair(context, files)
    return Credentials(
        context,
        files,
        files.written_at(),
        certificate.fingerprint(hashes.SHA256()),
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


def _load_pair(context: ssl.SSLContext, files: Files) -> None:
    try:
        context.load_cert_chain(files.certificate, files.key)
    except OSError as cause:
        raise ConfigError(f"{files.key.name}: not the readable key of {files.certificate.name}") from cause


def _check_pair(certificate: x509.Certificate, files: Files) -> None:
    """Before a context in use is touched: half a pair would leave it with none."""
    try:
        key = serialization.load_pem_private_key(files.key.read_bytes(), password=None).public_key()
    except (OSError, ValueError, TypeError) as cause:
        raise ConfigError(f"{files.key.name}: not a readable key") from cause
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    if key.public_bytes(*form) != certificate.public_key().public_bytes(*form):
        raise ConfigError(f"{files.key.name}: not the key of {files.certificate.name}")
