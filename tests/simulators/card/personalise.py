"""Makes card folders with a small certification authority of its own, never one to be trusted.

Names and extensions follow the certificates of the real user-authentication CA, with O=JPKI-DEVSIM.
"""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID, ObjectIdentifier

TEST_POLICY = ObjectIdentifier("1.2.392.200149.8.5.1.0.30")
SUBJECT = "997794E9AGCIEG13221003A"


class CardIssuer:
    """A CA and one key that all its cards share, because making RSA keys is slow."""

    def __init__(self, organization: str = "JPKI-DEVSIM") -> None:
        self._key = rsa.generate_private_key(65537, 2048)
        self._card_key = rsa.generate_private_key(65537, 2048)
        self._name = x509.Name(
            [
                x509.NameAttribute(NameOID.COUNTRY_NAME, "JP"),
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
                x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "JPKI for user authentication"),
                x509.NameAttribute(
                    NameOID.ORGANIZATIONAL_UNIT_NAME,
                    "Japan Agency for Local Authority Information Systems",
                ),
            ]
        )

    def personalise(
        self,
        folder: Path,
        *,
        valid_from: datetime | None = None,
        valid_days: int = 1825,
        **settings: Any,
    ) -> None:
        """Write a card folder; settings go to card.json. valid_from: aware, default yesterday."""
        begins = valid_from or datetime.now(UTC) - timedelta(days=1)
        folder.mkdir(parents=True)
        key = self._card_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / "key.pem").write_bytes(key)
        (folder / "ca.der").write_bytes(self._authority().public_bytes(Encoding.DER))
        leaf = self._leaf(begins, begins + timedelta(days=valid_days))
        (folder / "certificate.der").write_bytes(leaf.public_bytes(Encoding.DER))
        (folder / "card.json").write_text(json.dumps(settings))

    def _authority(self) -> x509.Certificate:
        begins = datetime(2020, 1, 1, tzinfo=UTC)
        usage = _key_usage(key_cert_sign=True, crl_sign=True)
        return (
            x509.CertificateBuilder(self._name, self._name, self._key.public_key(), serial_number=1)
            .not_valid_before(begins)
            .not_valid_after(begins + timedelta(days=36500))
            .add_extension(usage, critical=True)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(self._key_identifier(), critical=False)
            .sign(self._key, hashes.SHA256())
        )

    def _leaf(self, begins: datetime, ends: datetime) -> x509.Certificate:
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.COUNTRY_NAME, "JP"),
                x509.NameAttribute(NameOID.COMMON_NAME, SUBJECT),
            ]
        )
        authority = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(self._key_identifier())
        policy = x509.PolicyInformation(TEST_POLICY, ["http://www.jpki.example/cps.html"])
        public_key = self._card_key.public_key()
        return (
            x509.CertificateBuilder(self._name, subject, public_key, x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(ends)
            .add_extension(_key_usage(digital_signature=True), critical=True)
            .add_extension(x509.CertificatePolicies([policy]), critical=True)
            .add_extension(authority, critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
            .sign(self._key, hashes.SHA256())
        )

    def _key_identifier(self) -> x509.SubjectKeyIdentifier:
        return x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())


def _key_usage(**allowed: bool) -> x509.KeyUsage:
    names = """digital_signature content_commitment key_encipherment data_encipherment key_agreement
    key_cert_sign crl_sign encipher_only decipher_only""".split()
    return x509.KeyUsage(**(dict.fromkeys(names, False) | allowed))
