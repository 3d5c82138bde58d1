"""The kiosk's own certificate: asked for with a one-time code, renewed with itself (EST, RFC 7030).

A new pair is proven by a request with it, written beside the old one and put in its place key first;
`finish` completes what a power cut left half done. The municipality lets the old certificate in until the
new one has been used for anything but its proof.
"""

import asyncio
import base64
import ssl
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import aiohttp
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import ExtendedKeyUsageOID

from firmware.errors import (
    CertificateUnproven,
    ConfigError,
    MunicipalityAnswerInvalid,
    MunicipalityDown,
    MunicipalityError,
)
from firmware.municipality.exchange import whole_body
from firmware.municipality.messages import b64u
from firmware.municipality.new_key import NewKey
from firmware.municipality.tls import Credentials, Files, context_trusting, load_credentials, word_for
from firmware.whole_file import sync_folder, write_whole

ENROL, RENEW, PROVE = "simpleenroll", "simplereenroll", "cacerts"
SECONDS = 30.0
_UNREADABLE = (
    ValueError,
    UnsupportedAlgorithm,  # a PKCS#7 of another type, or a key of an unknown one
    x509.DuplicateExtension,
    x509.ExtensionNotFound,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


@dataclass(frozen=True, slots=True)
class Answered:
    """A certificate of the municipality's device authority for a key made here.

    key_pem: in clear, or sealed by the TPM that made it.
    """

    key_pem: bytes
    certificate_pem: bytes
    not_after: datetime


@dataclass(frozen=True, slots=True)
class _New:
    """A key made here, without a certificate yet. request: PKCS#10. now: when that must be good."""

    key: NewKey
    request: bytes
    kiosk: str
    now: datetime

    @classmethod
    def made(cls, files: Files, now: datetime) -> "_New":
        key = NewKey.made(files.store)
        return cls(key, key.request(files.kiosk), files.kiosk, now)


TWO_THIRDS = 2 / 3


def is_due(files: Files, now: datetime, share: float = TWO_THIRDS) -> bool:
    """Whether this share of the certificate's life is over, or the next key moves into the TPM.

    Raises ConfigError.
    """
    try:
        certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    except (OSError, ValueError) as cause:
        raise ConfigError(f"{files.certificate.name}: not a readable PEM certificate") from cause
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return now >= begins + (ends - begins) * share or moves(files)


def moves(files: Files) -> bool:
    """Whether the key still lies in clear although a TPM is there to keep it. Raises ConfigError."""
    return files.store is not None and not files.is_sealed()


async def renew(url: str, ca_file: Path, files: Files, now: datetime) -> Answered:
    """A new certificate for a new key, asked for with the old one, and proven. Raises as `enrol` does, also
    for one that ends before the old one, and CertificateUnproven for one that lets nobody in.

    One key at a time is in the TPM, which has three places: one that is made, or loaded, needs two.
    """
    new = await asyncio.to_thread(_New.made, files, now)
    answered = await _asked_with_old(f"{url}/.well-known/est/{RENEW}", ca_file, files, new)
    await _prove(f"{url}/.well-known/est/{PROVE}", ca_file, answered, files)
    return answered


async def enrol(url: str, ca_file: Path, files: Files, code: str, now: datetime) -> Answered:
    """The first certificate; code: what the city's clerk gave, good for one use and ten minutes.

    Raises ConfigError, MunicipalityDown naming why, MunicipalityAnswerInvalid.
    """
    context = context_trusting(ca_file)
    new = await asyncio.to_thread(_New.made, files, now)
    return await _asked(f"{url}/.well-known/est/{ENROL}", context, new, code)


def put_in_place(answered: Answered, files: Files) -> None:
    """Whole or not at all, also when the power goes in the middle. Raises OSError."""
    _write(answered, Files(_next(files.certificate), _next(files.key), files.kiosk))
    finish(files)


def finish(files: Files) -> None:
    """Put a new pair that is wholly written in the place of the old one, and remove one whose proof a power
    cut has ended; nothing to do without."""
    for left in (_trial(files.key), _trial(files.certificate)):
        if left.exists():
            left.unlink()
    if not _next(files.certificate).exists():
        return
    if _next(files.key).exists():
        _next(files.key).replace(files.key)
    _next(files.certificate).replace(files.certificate)
    sync_folder(files.certificate.parent)


async def _credentials(ca_file: Path, files: Files) -> Credentials:
    """This pair for TLS, in a thread: a TPM takes its time. Raises as `load_credentials`."""
    return await asyncio.to_thread(
        load_credentials,
        ca_file=ca_file,
        certificate_file=files.certificate,
        key_file=files.key,
        kiosk=files.kiosk,
        store=files.store,
    )


async def _prove(url: str, ca_file: Path, answered: Answered, files: Files) -> None:
    """A request over TLS with the new pair, as every later one will be. Raises CertificateUnproven."""
    trial = Files(_trial(files.certificate), _trial(files.key), files.kiosk, files.store)
    try:
        await asyncio.to_thread(_write, answered, trial)
        new = await _credentials(ca_file, trial)
        async with (
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=new.context), timeout=aiohttp.ClientTimeout(total=SECONDS)
            ) as http,
            http.get(url, allow_redirects=False) as answer,
        ):
            if answer.status != 200:
                raise CertificateUnproven(f"certificate: status {answer.status}")
    except MunicipalityError:  # is an OSError too
        raise
    except (aiohttp.ClientError, OSError) as cause:
        raise CertificateUnproven(f"certificate: {word_for(cause)}") from cause
    finally:
        for file in (trial.key, trial.certificate):
            file.unlink(missing_ok=True)


async def _asked_with_old(url: str, ca_file: Path, files: Files, new: _New) -> Answered:
    old = await _credentials(ca_file, files)
    answered = await _asked(url, old.context, new)
    if answered.not_after < old.not_after:
        raise MunicipalityAnswerInvalid("certificate: ends-early")
    return answered


async def _asked(url: str, context: ssl.SSLContext, new: _New, code: str | None = None) -> Answered:
    headers = {"Content-Type": "application/pkcs10", "Content-Transfer-Encoding": "base64"}
    if code is not None:
        # A user's name in HTTP ends at its first colon (RFC 7617), and a URN has some.
        headers["Authorization"] = aiohttp.encode_basic_auth(b64u(new.kiosk.encode()), code)
    try:
        async with (
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=context), timeout=aiohttp.ClientTimeout(total=SECONDS)
            ) as http,
            http.post(
                url, data=base64.b64encode(new.request), headers=headers, allow_redirects=False
            ) as answer,
        ):
            status, body = answer.status, await whole_body(answer, "certificate")
    except MunicipalityError:  # is an OSError too
        raise
    except (aiohttp.ClientError, OSError) as cause:
        raise MunicipalityDown(f"certificate: {word_for(cause)}") from cause
    if status != 200:
        raise MunicipalityDown(f"certificate: status {status}")
    return _checked(body, new)


def _checked(body: bytes, new: _New) -> Answered:
    """The first certificate of the answer: for our key, our name and a client, and good now.

    It takes the place of one that works, so that nothing is left for later. Raises MunicipalityAnswerInvalid.
    """
    try:
        [certificate, *_] = pkcs7.load_der_pkcs7_certificates(base64.b64decode(body))
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        ours = certificate.public_key() == new.key.public_key
    except _UNREADABLE as cause:
        raise MunicipalityAnswerInvalid("certificate: pkcs7") from cause
    if not ours or names.get_values_for_type(x509.UniformResourceIdentifier) != [new.kiosk]:
        raise MunicipalityAnswerInvalid("certificate: name")
    if ExtendedKeyUsageOID.CLIENT_AUTH not in usages:
        raise MunicipalityAnswerInvalid("certificate: usage")
    if not certificate.not_valid_before_utc <= new.now < certificate.not_valid_after_utc:
        raise MunicipalityAnswerInvalid("certificate: validity")
    return Answered(
        new.key.pem,
        certificate.public_bytes(serialization.Encoding.PEM),
        certificate.not_valid_after_utc,
    )


def _write(answered: Answered, files: Files) -> None:
    """The key first: `finish` looks for the certificate."""
    write_whole(files.key, answered.key_pem, mode=0o600)
    write_whole(files.certificate, answered.certificate_pem, mode=0o644)


def _trial(path: Path) -> Path:
    return path.with_name(f"{path.name}.trial")


def _next(path: Path) -> Path:
    return path.with_name(f"{path.name}.next")
