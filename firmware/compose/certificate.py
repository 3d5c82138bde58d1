"""The kiosk's own certificate, for status and console."""

from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from firmware.core.hours import JST
from firmware.core.wording import Sentence, told
from firmware.errors import ConfigError


def read_certificate(path: Path) -> x509.Certificate:
    """Raises ConfigError."""
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as cause:
        raise ConfigError(f"municipality.certificate_file: {path} is no readable certificate") from cause


def days_left(certificate: x509.Certificate, now: datetime) -> int:
    """Whole days until it ends, negative after that. now: aware."""
    return (certificate.not_valid_after_utc - now).days


def certificate_lines(certificate: x509.Certificate, now: datetime) -> tuple[tuple[Sentence, str], ...]:
    """What a technician reads out on the telephone, each with its label."""
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return (
        (told("subject"), certificate.subject.rfc4514_string()),
        (told("issuer"), certificate.issuer.rfc4514_string()),
        (told("serial"), f"{certificate.serial_number:x}"),
        (told("from"), f"{begins.astimezone(JST):%Y-%m-%d %H:%M}"),
        (told("to"), f"{ends.astimezone(JST):%Y-%m-%d %H:%M}"),
        (told("days left"), str(days_left(certificate, now))),
        (told("sha256"), certificate.fingerprint(hashes.SHA256()).hex()),
    )
