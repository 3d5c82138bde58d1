"""The kiosk's own certificate, the TLS context, and words for why a connection failed.

Under TLS 1.3 a refused client learns nothing: the handshake succeeds and the connection is then cut.
So the kiosk looks at its own certificate and clock itself.
"""

import asyncio
import errno
import socket
import ssl
import threading
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import aiohttp
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from firmware.errors import ConfigError, KeyStoreFault
from firmware.municipality.key_store import LOST, SEALED, TpmKeyStore

_ONE_LOADS = threading.Lock()
"""A process has three places in its TPM: the key in use has one, and a key that is loaded needs two."""


@dataclass(frozen=True, slots=True)
class Files:
    """Where the kiosk's own certificate and its key lie, and whose it must be.

    store: the TPM that makes and keeps new keys; None: they lie in the file in clear.
    """

    certificate: Path
    key: Path
    kiosk: str
    store: TpmKeyStore | None = None

    def is_sealed(self) -> bool:
        """Whether the key is a TPM's; else it lies there in clear. Raises ConfigError."""
        return read_key(self.key).startswith(SEALED)

    def written_at(self) -> tuple[int, int]:
        """When both were written. Raises OSError."""
        return self.certificate.stat().st_mtime_ns, self.key.stat().st_mtime_ns


@dataclass(slots=True)
class Credentials:
    """The kiosk's certificate in use; renew takes a newer one. thumbprint: its SHA-256. key_pem: its key.

    is_sealed: its key is a TPM's. worked: whether the TPM has given it to this process; whoever connects
    before is refused. is_doubted: it may have lost it since. bound_to: the session in whose challenge it
    stands, or "": another certificate is taken once that is over, and the next one takes its place.
    """

    context: ssl.SSLContext
    files: Files
    ca_file: Path
    written_at: tuple[int, int]
    thumbprint: bytes
    not_before: datetime
    not_after: datetime
    key_pem: bytes = field(repr=False)
    is_sealed: bool = False
    worked: bool = True
    is_doubted: bool = False
    bound_to: str = ""
    _looking: "asyncio.Future[Credentials | None] | None" = None

    def renew(self) -> bool:
        """Take a certificate and key that were put in the place of ours; False if nothing changed.

        Connections that stand keep the old one. Raises ConfigError if they cannot be used; what was in
        use stays in use.
        """
        return self.take(self.look())

    async def renewed(self) -> bool:
        """`renew`, for the loop: a TPM is asked in a thread, each time. One that hangs is silent, and holds
        up that one thread alone."""
        if self.files.store is None:
            return self.renew()
        try:
            return self.take(await self._looked(self.files.store.seconds))
        except KeyStoreFault:
            self.doubt()
            raise

    async def _looked(self, seconds: float) -> "Credentials | None":
        """What `look` gives, also if it began long ago."""
        if self._looking is None:
            self._looking = asyncio.get_running_loop().run_in_executor(None, self.look)
        looking = self._looking
        try:
            done, _ = await asyncio.wait({looking}, timeout=seconds)
        except asyncio.CancelledError:
            self._looking = None
            looking.cancel()
            raise
        if not done:
            raise KeyStoreFault("tpm-silent", f"no answer in {seconds:g} seconds")
        self._looking = None
        return looking.result()

    def doubt(self) -> None:
        """The key may be gone although its TPM answers: look whether it is."""
        self.is_doubted = self.is_sealed

    def look(self) -> "Credentials | None":
        """What to take in the place of this: another certificate, or the same with a key that works.

        The files are read only if they changed, and a key is loaded only for that, at first and after a
        doubt; a TPM is asked each time, so that with one this blocks as long as it takes, and is for a
        thread. Raises ConfigError; of a TPM KeyStoreFault, with the reason `LOST` if only another process
        can use it.
        """
        try:
            is_same = self.files.written_at() == self.written_at
        except OSError as cause:
            raise ConfigError(f"{self.files.certificate.name}: gone, or its key is") from cause
        if not is_same or not self.worked or self.is_doubted:
            return _loaded(self.files, self.ca_file)
        if self.is_sealed and not _store_of(self.files).answers():
            raise _unserved(self.files)
        return None

    def take(self, fresh: "Credentials | None") -> bool:
        """On the loop; whether another certificate was taken."""
        if fresh is None:
            return False
        is_other = fresh.written_at != self.written_at
        if is_other and self.bound_to:
            return False
        self.context, self.written_at, self.thumbprint = fresh.context, fresh.written_at, fresh.thumbprint
        self.not_before, self.not_after = fresh.not_before, fresh.not_after
        self.key_pem = fresh.key_pem
        self.is_sealed, self.worked, self.is_doubted = fresh.is_sealed, True, False
        return is_other

    def release(self, session: str) -> None:
        """It is over; of another one nothing changes."""
        if self.bound_to == session:
            self.bound_to = ""

    def sign(self, message: bytes) -> bytes:
        """ECDSA with SHA-256 by the key of the certificate in use, DER; another may lie there already.
        Raises ConfigError."""
        if self.key_pem.startswith(SEALED):
            return _store_of(self.files).sign(self.key_pem, message)
        try:
            key = serialization.load_pem_private_key(self.key_pem, password=None)
        except (ValueError, TypeError) as cause:
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


def load_credentials(
    *,
    ca_file: Path,
    certificate_file: Path,
    key_file: Path,
    kiosk: str,
    store: TpmKeyStore | None = None,
    patient: bool = False,
) -> Credentials:
    """TLS 1.3 only, our certificate, and trust in nothing but ca_file.

    patient: no TPM is asked, and a key that one keeps is loaded by the first `renewed`. Raises ConfigError
    naming the file: unreadable, not a pair, not for this kiosk, not for a client; KeyStoreFault for a TPM
    that does not serve.
    """
    return _loaded(Files(certificate_file, key_file, kiosk, store), ca_file, patient=patient)


def read_key(path: Path) -> bytes:
    """PEM. Raises ConfigError."""
    try:
        return path.read_bytes()
    except OSError as cause:
        raise ConfigError(f"{path.name}: not a readable key") from cause


def context_trusting(ca_file: Path) -> ssl.SSLContext:
    """TLS 1.3 only, and trust in nothing but ca_file. Raises ConfigError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_verify_locations(ca_file)
    except OSError as cause:
        raise ConfigError(f"{ca_file.name}: not a readable PEM file of authorities") from cause
    return context


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


def is_of_own_key(cause: BaseException | None) -> bool:
    """Whether a handshake failed because our own key did not sign.

    Source: OpenSSL, the text of ERR_R_EVP_LIB; the module ssl has no name for it.
    """
    while cause is not None:
        if isinstance(cause, ssl.SSLError) and "EVP lib" in str(cause):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


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


def _loaded(files: Files, ca_file: Path, *, patient: bool = False) -> Credentials:
    try:
        # First: files that are replaced while they are read are read again.
        written_at = files.written_at()
    except OSError as cause:
        _read_certificate(files.certificate)
        raise ConfigError(f"{files.key.name}: not the readable key of {files.certificate.name}") from cause
    certificate = _read_certificate(files.certificate)
    _check_purpose(certificate, files.certificate, files.kiosk)
    context = context_trusting(ca_file)
    key_pem = read_key(files.key)
    is_sealed = key_pem.startswith(SEALED)
    if is_sealed:
        _store_of(files)  # a setting that is missing is told at the start
    waits = patient and is_sealed
    try:
        if not waits:
            _load_pair(context, files, is_sealed=is_sealed)
    except OSError as cause:
        raise ConfigError(f"{files.key.name}: not the readable key of {files.certificate.name}") from cause
    return Credentials(
        context,
        files,
        ca_file,
        written_at,
        certificate.fingerprint(hashes.SHA256()),
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
        key_pem,
        is_sealed,
        not waits,
    )


def _load_pair(context: ssl.SSLContext, files: Files, *, is_sealed: bool) -> None:
    try:
        with _ONE_LOADS:
            if is_sealed:
                _store_of(files).load()
            context.load_cert_chain(files.certificate, files.key)
    except ssl.SSLError as cause:
        if is_sealed and cause.reason != "KEY_VALUES_MISMATCH":
            raise _unserved(files) from cause
        raise ConfigError(f"{files.key.name}: not the readable key of {files.certificate.name}") from cause


def _unserved(files: Files) -> KeyStoreFault:
    """That this process is not served although one that begins now is. Raises what is wrong for both."""
    _store_of(files).examine(read_key(files.key))
    return KeyStoreFault(LOST, "the TPM serves, but not this process any more")


def _store_of(files: Files) -> TpmKeyStore:
    if files.store is None:
        raise ConfigError(f'{files.key.name}: is sealed by a TPM; municipality.key_store must be "tpm"')
    return files.store
