"""Is a card revoked? Only what proves itself counts; a production backend takes no test hierarchy."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.municipality.jpki import PREFIX, CardRefused, CardVerifier, NotForProduction
from tests.municipality.register import CITY, load_city
from tests.municipality.revocation import Ocsp
from tests.unit.test_municipality_jpki import DAY, NOW, POLICY, TBS, Generation

PEM = serialization.Encoding.PEM
PRODUCTION_POLICY = "1.2.392.200149.8.5.1.3.30"
Responder = tuple[x509.Certificate, rsa.RSAPrivateKey]


@pytest.fixture(scope="module")
def root() -> Generation:
    return Generation()


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@dataclass
class Desk:
    """A responder by its bytes, which can lie in every way."""

    root: Generation
    status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD
    begins: datetime = NOW - timedelta(minutes=1)
    ends: datetime | None = NOW + timedelta(hours=1)
    nonce: bytes | None = None
    certificate: bytes | None = None
    signer: Responder | None = None
    asked: list[bytes] = field(default_factory=list)

    def __call__(self, request: bytes, shown: bytes) -> bytes:
        self.asked.append(request)
        read = ocsp.load_der_ocsp_request(request)
        nonce = read.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce
        revoked = self.status is ocsp.OCSPCertStatus.REVOKED
        about = x509.load_der_x509_certificate(self.certificate or shown)
        certificate, signing = self.signer or (self.root.certificate, self.root.key)
        builder = ocsp.OCSPResponseBuilder().add_response(
            cert=about,
            issuer=self.root.certificate,
            algorithm=hashes.SHA256(),
            cert_status=self.status,
            this_update=self.begins,
            next_update=self.ends,
            revocation_time=NOW - DAY if revoked else None,
            revocation_reason=None,
        )
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, certificate)
        builder = builder.add_extension(x509.OCSPNonce(self.nonce or nonce), critical=False)
        if self.signer is not None:
            builder = builder.certificates([certificate])
        return builder.sign(signing, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def judged(root: Generation, key: rsa.RSAPrivateKey, answer: Callable[[bytes, bytes], bytes]) -> str:
    """How a good card fares with this responder."""
    shown = root.leaf(key)
    verifier = CardVerifier(
        root.certificate.public_bytes(PEM),
        (),
        (POLICY.dotted_string,),
        revocation=Ocsp(lambda request: answer(request, shown)),
    )
    assert verifier.waits
    signature = key.sign(PREFIX + TBS, padding.PKCS1v15(), hashes.SHA256())
    try:
        verifier.verify(shown, signature, TBS, NOW)
    except CardRefused as refused:
        return refused.code
    return "good"


def responder(root: Generation, usage: x509.ObjectIdentifier, *, ends: datetime = NOW + DAY) -> Responder:
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "responder")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(root.certificate.subject)
        .public_key(key.public_key())
        .serial_number(99)
        .not_valid_before(NOW - 9 * DAY)
        .not_valid_after(ends)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    )
    return builder.sign(root.key, hashes.SHA256()), key


OCSP_SIGNING = ExtendedKeyUsageOID.OCSP_SIGNING


def test_a_card_is_as_good_as_the_responder_says(root: Generation, key: rsa.RSAPrivateKey) -> None:
    assert "good" == judged(root, key, Desk(root))
    assert "cert_revoked" == judged(root, key, Desk(root, status=ocsp.OCSPCertStatus.REVOKED))
    assert "cert_not_trusted" == judged(root, key, Desk(root, status=ocsp.OCSPCertStatus.UNKNOWN))
    assert "good" == judged(root, key, Desk(root, signer=responder(root, OCSP_SIGNING)))


def test_an_answer_that_proves_nothing_lets_nobody_in(root: Generation, key: rsa.RSAPrivateKey) -> None:
    other = Generation()
    liars = {
        "replayed": Desk(root, nonce=b"n" * 32),
        "of tomorrow": Desk(root, begins=NOW + DAY, ends=NOW + 2 * DAY),
        "of yesterday": Desk(root, begins=NOW - 2 * DAY, ends=NOW),
        "for ever": Desk(root, ends=None),
        "about another": Desk(root, certificate=root.leaf(key, serial=8)),
        "by a stranger": Desk(root, signer=responder(other, OCSP_SIGNING)),
        "by a server": Desk(root, signer=responder(root, ExtendedKeyUsageOID.SERVER_AUTH)),
        "by a responder of old": Desk(root, signer=responder(root, OCSP_SIGNING, ends=NOW - DAY)),
        "signed by another key": Desk(root, signer=(responder(root, OCSP_SIGNING)[0], other.key)),
    }
    for lie, desk in liars.items():
        assert "cert_not_trusted" == judged(root, key, desk), lie


def test_silence_rubbish_and_busy_let_nobody_in(root: Generation, key: rsa.RSAPrivateKey) -> None:
    def silent(_request: bytes, _shown: bytes) -> bytes:
        raise TimeoutError

    busy = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER)
    later = busy.public_bytes(serialization.Encoding.DER)
    for answer in (silent, lambda *_: b"", lambda *_: b"\x30\x03\x0a\x01\x07", lambda *_: later):
        assert "cert_not_trusted" == judged(root, key, answer)


# --- production -----------------------------------------------------------------------------------


def named(organization: str) -> x509.Certificate:
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    dated = builder.serial_number(1).not_valid_before(NOW).not_valid_after(NOW + DAY)
    return dated.sign(key, hashes.SHA256())


def production(certificate: x509.Certificate, *, pin: bool = True, policy: str = PRODUCTION_POLICY) -> str:
    pem = certificate.public_bytes(PEM)
    digest = hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest()
    try:
        CardVerifier(pem, (), (policy,), pinned=(digest,) if pin else ())
    except NotForProduction as fault:
        return str(fault)
    return "taken"


def test_production_takes_no_test_hierarchy_whatever_is_pinned() -> None:
    assert "taken" == production(named("JPKI"))
    assert "test hierarchy" in production(named("JPKI-DEVSIM"))
    assert "test hierarchy" in production(named("JPKI-TEST"))
    assert "not pinned" in production(named("JPKI"), pin=False)
    assert "policy of the test hierarchy" in production(named("JPKI"), policy=POLICY.dotted_string)


def test_a_city_in_production_cannot_begin_with_the_test_roots(tmp_path: Path) -> None:
    text = CITY.read_text(encoding="utf-8")
    city = tmp_path / "city.toml"
    city.write_text(text.replace("production = false", "production = true"), encoding="utf-8")
    rules = load_city(city)
    assert rules.production
    with pytest.raises(NotForProduction):
        CardVerifier(Generation().certificate.public_bytes(PEM), (), rules.policies, pinned=rules.root_sha256)
