"""Makes card folders with a small certification authority of its own, never one to be trusted.

Names and extensions follow the certificates of the real user-authentication CA, with O=JPKI-DEVSIM.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID, ObjectIdentifier

TEST_POLICY = ObjectIdentifier("1.2.392.200149.8.5.1.0.30")
SIGNING_POLICY = ObjectIdentifier("1.2.392.200149.8.5.1.0.20")
SUBJECT = "997794E9AGCIEG13221003A"

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class CardIssuer:
    """A CA and one key of each kind that all its cards share, because making RSA keys is slow."""

    def __init__(self, organization: str = "JPKI-DEVSIM") -> None:
        self._key = rsa.generate_private_key(65537, 2048)
        self._card_key: Key = rsa.generate_private_key(65537, 2048)
        self._next_key: Key = ec.generate_private_key(ec.SECP384R1())
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
        next_card: bool = False,
        **settings: Any,
    ) -> None:
        """Write a card folder; settings go to card.json. valid_from: aware, default yesterday.

        next_card: its key is ECDSA P-384.
        """
        begins = valid_from or datetime.now(UTC) - timedelta(days=1)
        folder.mkdir(parents=True)
        key = self._next_key if next_card else self._card_key
        ends = begins + timedelta(days=valid_days)
        (folder / "ca.der").write_bytes(self._authority().public_bytes(Encoding.DER))
        for name, policy, usage in (
            ("", TEST_POLICY, {"digital_signature": True}),
            ("signing_", SIGNING_POLICY, {"digital_signature": True, "content_commitment": True}),
        ):
            pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            (folder / f"{name}key.pem").write_bytes(pem)
            leaf = self._leaf(key, begins, ends, policy, usage)
            (folder / f"{name}certificate.der").write_bytes(leaf.public_bytes(Encoding.DER))
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

    def _leaf(
        self, key: Key, begins: datetime, ends: datetime, oid: ObjectIdentifier, usage: Mapping[str, bool]
    ) -> x509.Certificate:
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.COUNTRY_NAME, "JP"),
                x509.NameAttribute(NameOID.COMMON_NAME, SUBJECT),
            ]
        )
        authority = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(self._key_identifier())
        policy = x509.PolicyInformation(oid, ["http://www.jpki.example/cps.html"])
        public_key = key.public_key()
        return (
            x509.CertificateBuilder(self._name, subject, public_key, x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(ends)
            .add_extension(_key_usage(**usage), critical=True)
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
