"""The reference backend's look at a card: what it trusts, and in which order it says no."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID

from tests.municipality.jpki import PREFIX, CardRefused, CardVerifier

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
POLICY = x509.ObjectIdentifier("1.2.392.200149.8.5.1.0.30")
SIGNATURE_POLICY = x509.ObjectIdentifier("1.2.392.200149.8.5.1.0.20")
TBS = b'{"v":1}'
NAME = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "JPKI-DEVSIM")])
DAY = timedelta(days=1)

Change = Callable[[x509.CertificateBuilder], x509.CertificateBuilder]


def usage(**used: bool) -> x509.KeyUsage:
    names = "content_commitment key_encipherment data_encipherment key_agreement encipher_only decipher_only"
    unused = dict.fromkeys(f"digital_signature key_cert_sign crl_sign {names}".split(), False)
    return x509.KeyUsage(**(unused | used))


class Generation:
    """A root of one generation; all generations have the same name."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(65537, 2048)
        self.certificate = (
            self._begun(NAME, self.key)
            .not_valid_before(NOW - 3000 * DAY)
            .not_valid_after(NOW + 3000 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage(key_cert_sign=True, crl_sign=True), critical=True)
            .sign(self.key, hashes.SHA256())
        )

    def leaf(
        self,
        key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
        *,
        begins: datetime = NOW - DAY,
        ends: datetime = NOW + DAY,
        serial: int = 7,
        policy: x509.ObjectIdentifier | None = POLICY,
        used: x509.KeyUsage | None = None,
        extra: x509.ExtensionType | None = None,
    ) -> bytes:
        builder = (
            self._begun(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "DEVSIM")]), key, serial)
            .not_valid_before(begins)
            .not_valid_after(ends)
            .add_extension(used or usage(digital_signature=True), critical=True)
        )
        if policy is not None:
            policies = x509.CertificatePolicies([x509.PolicyInformation(policy, None)])
            builder = builder.add_extension(policies, critical=True)
        if extra is not None:
            builder = builder.add_extension(extra, critical=True)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)

    def crl(self, *revoked: int, since: datetime = NOW - DAY, until: datetime = NOW + DAY) -> bytes:
        builder = (
            x509.CertificateRevocationListBuilder().issuer_name(NAME).last_update(since).next_update(until)
        )
        for serial in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(NOW - DAY).build()
            builder = builder.add_revoked_certificate(entry)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @staticmethod
    def _begun(
        subject: x509.Name, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, serial: int = 1
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(NAME)
            .public_key(key.public_key())
            .serial_number(serial)
        )


@pytest.fixture(scope="module")
def first() -> Generation:
    return Generation()


@pytest.fixture(scope="module")
def second() -> Generation:
    return Generation()


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def signed(key: rsa.RSAPrivateKey, message: bytes = PREFIX + TBS) -> bytes:
    return key.sign(message, padding.PKCS1v15(), hashes.SHA256())


def verifier(*generations: Generation, crls: tuple[bytes, ...] | None = None) -> CardVerifier:
    lists = tuple(generation.crl() for generation in generations) if crls is None else crls
    return CardVerifier(b"".join(g.pem for g in generations), lists, (POLICY.dotted_string,))


def refusal(trusting: CardVerifier, certificate: bytes, signature: bytes) -> str:
    with pytest.raises(CardRefused) as caught:
        trusting.verify(certificate, signature, TBS, NOW)
    return caught.value.code


def test_roots_of_two_generations_with_one_name_are_told_apart_by_signature(
    first: Generation, second: Generation, key: rsa.RSAPrivateKey
) -> None:
    both = verifier(first, second)
    assert [7, 8] == [
        both.verify(generation.leaf(key, serial=serial), signed(key), TBS, NOW).serial
        for generation, serial in ((first, 7), (second, 8))
    ]


def test_each_generation_has_its_own_revocation_list(
    first: Generation, second: Generation, key: rsa.RSAPrivateKey
) -> None:
    both = verifier(first, second, crls=(second.crl(), first.crl(7)))
    assert "cert_revoked" == refusal(both, first.leaf(key, serial=7), signed(key))
    assert 7 == both.verify(second.leaf(key, serial=7), signed(key), TBS, NOW).serial


def test_of_several_lists_of_one_root_the_newest_counts_wherever_it_stands(
    first: Generation, key: rsa.RSAPrivateKey
) -> None:
    newest = first.crl(7, since=NOW - DAY)
    older = first.crl(since=NOW - 2 * DAY), first.crl(8, since=NOW - 3 * DAY)
    for crls in ((newest, *older), (*older, newest)):
        trusting = verifier(first, crls=crls)
        assert "cert_revoked" == refusal(trusting, first.leaf(key, serial=7), signed(key))
        assert 8 == trusting.verify(first.leaf(key, serial=8), signed(key), TBS, NOW).serial


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"begins": NOW - 9 * DAY, "ends": NOW - DAY}, "cert_expired"),
        ({"begins": NOW + DAY, "ends": NOW + 9 * DAY}, "cert_expired"),
        ({"policy": SIGNATURE_POLICY}, "cert_not_trusted"),
        ({"policy": None}, "cert_not_trusted"),
        ({"used": usage(digital_signature=True, content_commitment=True)}, "cert_not_trusted"),
        ({"used": usage(key_cert_sign=True)}, "cert_not_trusted"),
        ({"extra": x509.InhibitAnyPolicy(0)}, "cert_not_trusted"),
        (
            {"extra": x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")},
            "cert_not_trusted",
        ),
    ],
    ids=[
        "expired",
        "not-yet",
        "signature-policy",
        "no-policy",
        "non-repudiation",
        "ca",
        "inhibit",
        "unknown",
    ],
)
def test_a_certificate_of_another_profile_is_refused(
    first: Generation, key: rsa.RSAPrivateKey, changes: dict[str, object], expected: str
) -> None:
    assert expected == refusal(verifier(first), first.leaf(key, **changes), signed(key))  # type: ignore[arg-type]


def test_a_certificate_of_a_root_that_only_has_the_right_name_is_refused(
    first: Generation, second: Generation, key: rsa.RSAPrivateKey
) -> None:
    assert "cert_not_trusted" == refusal(verifier(first), second.leaf(key), signed(key))


def test_a_root_is_no_card(first: Generation) -> None:
    root = first.certificate.public_bytes(serialization.Encoding.DER)
    assert "cert_not_trusted" == refusal(verifier(first), root, signed(first.key))


def test_a_key_of_no_known_card_is_refused(first: Generation, key: rsa.RSAPrivateKey) -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    assert "cert_not_trusted" == refusal(verifier(first), first.leaf(other), signed(key))


def test_the_next_card_is_let_in_by_r_and_s_of_p384_and_by_nothing_else(
    first: Generation, key: rsa.RSAPrivateKey
) -> None:
    next_key = ec.generate_private_key(ec.SECP384R1())
    der = next_key.sign(PREFIX + TBS, ec.ECDSA(hashes.SHA384()))
    good = b"".join(number.to_bytes(48, "big") for number in decode_dss_signature(der))
    leaf, city = first.leaf(next_key), verifier(first)
    assert 7 == city.verify(leaf, good, TBS, NOW, "ES384").serial
    for signature, alg in ((der, "ES384"), (good, "RS256"), (bytes(96), "ES384"), (signed(key), "ES384")):
        with pytest.raises(CardRefused) as raised:
            city.verify(leaf, signature, TBS, NOW, alg)
        assert "signature_invalid" == raised.value.code
    with pytest.raises(CardRefused):
        city.verify(first.leaf(key), signed(key), TBS, NOW, "ES384")


@pytest.mark.parametrize("message", [TBS, PREFIX, PREFIX + TBS + b" ", b""])
def test_only_prefix_and_tbs_are_the_signed_message(
    first: Generation, key: rsa.RSAPrivateKey, message: bytes
) -> None:
    assert "signature_invalid" == refusal(verifier(first), first.leaf(key), signed(key, message))


def test_who_cannot_sign_does_not_learn_that_a_card_is_revoked_or_expired(
    first: Generation, key: rsa.RSAPrivateKey
) -> None:
    old = first.leaf(key, begins=NOW - 9 * DAY, ends=NOW - DAY)
    trusting = verifier(first, crls=(first.crl(7),))
    assert ["signature_invalid", "signature_invalid"] == [
        refusal(trusting, old, b"\0" * 256),
        refusal(trusting, first.leaf(key), b"\0" * 256),
    ]


def test_without_a_revocation_list_in_force_nobody_is_let_in(
    first: Generation, second: Generation, key: rsa.RSAPrivateKey
) -> None:
    for crls in ((), (second.crl(),), (first.crl(until=NOW),)):
        assert "cert_not_trusted" == refusal(verifier(first, crls=crls), first.leaf(key), signed(key))
