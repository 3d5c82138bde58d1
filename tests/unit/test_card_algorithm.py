"""How a card signs is chosen by the key in its certificate, behind one interface."""

from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.x509.oid import NameOID

from hw.card.algorithm import ES384, RS256, Algorithm, algorithm

BEGINS = datetime(2026, 4, 1, tzinfo=UTC)
MESSAGE = b"message"
RSA_KEY = rsa.generate_private_key(65537, 2048)
P384_KEY = ec.generate_private_key(ec.SECP384R1())


def certificate(key: CertificateIssuerPrivateKeyTypes) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "JPKI-DEVSIM")])
    digest = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    ends = BEGINS + timedelta(days=1)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, BEGINS, ends)
    return builder.sign(key, cast("hashes.SHA256", digest))


def raw(der: bytes) -> bytes:
    r, s = decode_dss_signature(der)
    return r.to_bytes(48, "big") + s.to_bytes(48, "big")


@pytest.mark.parametrize(
    ("expected", "key"),
    [
        (RS256, RSA_KEY),
        (ES384, P384_KEY),
        (None, rsa.generate_private_key(65537, 1024 + 512)),
        (None, rsa.generate_private_key(65537, 3072)),
        (None, ec.generate_private_key(ec.SECP256R1())),
        (None, ed25519.Ed25519PrivateKey.generate()),
    ],
    ids=["RSA-2048", "P-384", "RSA-1536", "RSA-3072", "P-256", "Ed25519"],
)
def test_the_key_alone_chooses_the_algorithm(
    expected: Algorithm | None, key: CertificateIssuerPrivateKeyTypes
) -> None:
    assert expected is algorithm(certificate(key))


def test_an_rsa_card_gets_the_digest_info_of_rfc_8017() -> None:
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    expected = bytes.fromhex("3031300d060960864801650304020105000420" + empty)
    assert expected == RS256.to_sign(b"")


def test_a_p384_card_gets_the_bare_hash() -> None:
    expected = "38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da"
    expected += "274edebfe76f65fbd51ad2f14898b95b"
    assert bytes.fromhex(expected) == ES384.to_sign(b"")


def test_an_rsa_signature_is_checked_with_the_certificates_key() -> None:
    signature = RSA_KEY.sign(MESSAGE, padding.PKCS1v15(), hashes.SHA256())
    mine = certificate(RSA_KEY)
    assert signature == RS256.checked(mine, MESSAGE, signature)
    assert RS256.checked(mine, b"another", signature) is None
    assert RS256.checked(mine, MESSAGE, signature[:-1]) is None
    assert RS256.checked(mine, MESSAGE, b"") is None


def test_a_p384_signature_is_handed_on_as_r_and_s_whichever_way_the_card_gives_it() -> None:
    der = P384_KEY.sign(MESSAGE, ec.ECDSA(hashes.SHA384()))
    mine = certificate(P384_KEY)
    assert 96 == len(raw(der))
    assert raw(der) == ES384.checked(mine, MESSAGE, der)
    assert raw(der) == ES384.checked(mine, MESSAGE, raw(der))


@pytest.mark.parametrize(
    "answer", [b"", bytes(96), b"\xff" * 96, b"0", encode_dss_signature(0, 0), bytes(95), b"\x30\x80" * 48]
)
def test_what_is_no_p384_signature_is_none(answer: bytes) -> None:
    assert ES384.checked(certificate(P384_KEY), MESSAGE, answer) is None


def test_a_p384_signature_of_another_message_or_hash_is_none() -> None:
    mine = certificate(P384_KEY)
    assert ES384.checked(mine, b"another", P384_KEY.sign(MESSAGE, ec.ECDSA(hashes.SHA384()))) is None
    assert ES384.checked(mine, MESSAGE, P384_KEY.sign(MESSAGE, ec.ECDSA(hashes.SHA256()))) is None
