"""Dates, issuer and key of the certificate on the card."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import NameOID

from firmware.core.terms import CardRefusal
from hw.card.certificate import RS256, algorithm, is_signature, refusal
from tests.simulators.card.personalise import CardIssuer

BEGINS = datetime(2026, 4, 1, tzinfo=UTC)
ENDS = BEGINS + timedelta(days=10)
SECOND = timedelta(seconds=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cards") / "card"
    CardIssuer().personalise(folder, valid_from=BEGINS, valid_days=10)
    return folder


@pytest.fixture(scope="module")
def certificate(folder: Path) -> x509.Certificate:
    return x509.load_der_x509_certificate((folder / "certificate.der").read_bytes())


@pytest.mark.parametrize(
    ("expected", "now"),
    [
        (CardRefusal.CERTIFICATE_NOT_YET_VALID, BEGINS - SECOND),
        (None, BEGINS),
        (None, ENDS),
        (CardRefusal.CERTIFICATE_EXPIRED, ENDS + SECOND),
    ],
)
def test_the_certificate_is_good_from_its_first_to_its_last_second(
    certificate: x509.Certificate, expected: CardRefusal | None, now: datetime
) -> None:
    assert expected == refusal(certificate, now, frozenset())


@pytest.mark.parametrize(
    ("expected", "organizations"),
    [
        (None, {"JPKI-DEVSIM"}),
        (None, {"JPKI", "JPKI-DEVSIM"}),
        (CardRefusal.NOT_A_MY_NUMBER_CARD, {"JPKI"}),
    ],
)
def test_a_test_card_is_refused_where_only_real_ones_are_accepted(
    certificate: x509.Certificate, expected: CardRefusal | None, organizations: set[str]
) -> None:
    assert expected == refusal(certificate, BEGINS, frozenset(organizations))


def test_a_signature_is_checked_with_the_certificates_key(
    folder: Path, certificate: x509.Certificate
) -> None:
    key = load_pem_private_key((folder / "key.pem").read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    signature = key.sign(b"message", padding.PKCS1v15(), hashes.SHA256())
    assert RS256 is algorithm(certificate)
    assert is_signature(RS256, certificate, b"message", signature)
    assert not is_signature(RS256, certificate, b"another", signature)
    assert not is_signature(RS256, certificate, b"message", signature[:-1])
    assert not is_signature(RS256, certificate, b"message", b"")


def test_what_goes_to_the_card_is_the_digest_info_of_rfc_8017() -> None:
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    expected = bytes.fromhex("3031300d060960864801650304020105000420" + empty)
    assert expected == RS256.to_sign(b"")


@pytest.mark.parametrize(
    "key", [ec.generate_private_key(ec.SECP384R1()), ed25519.Ed25519PrivateKey.generate()], ids=["EC", "Ed"]
)
def test_a_key_of_a_card_not_known_yet_has_no_algorithm(
    key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey,
) -> None:
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "JPKI-DEVSIM")])
    digest = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA384()
    certificate = x509.CertificateBuilder(name, name, key.public_key(), 1, BEGINS, ENDS).sign(key, digest)
    assert algorithm(certificate) is None
