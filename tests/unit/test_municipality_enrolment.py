"""A certificate takes the place of one that works: what comes is looked at before it does."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import ExtendedKeyUsageOID

from firmware.errors import MunicipalityAnswerInvalid
from firmware.municipality import enrolment
from firmware.municipality.tls import Files
from tests.municipality.pki import KIOSK, Authority, make_authority, make_kiosk

NOW = datetime(2026, 11, 26, 3, tzinfo=UTC)
DAY = timedelta(days=1)
PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER


@dataclass
class Issuer:
    """Signs whatever key it is sent, and says it in so many pieces."""

    authority: Authority
    begins: datetime = NOW - DAY
    ends: datetime = NOW + 90 * DAY
    usage: x509.ObjectIdentifier | None = ExtendedKeyUsageOID.CLIENT_AUTH
    wrapped: Callable[[x509.Certificate], bytes] = lambda one: pkcs7.serialize_certificates([one], DER)
    pieces: int = 1
    url: str = field(default="", init=False)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        csr = x509.load_der_x509_csr(base64.b64decode(await request.read()))
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(self.authority.certificate.subject)
            .public_key(csr.public_key())
            .serial_number(1)
            .not_valid_before(self.begins)
            .not_valid_after(self.ends)
            .add_extension(
                x509.SubjectAlternativeName([x509.UniformResourceIdentifier(KIOSK)]), critical=True
            )
        )
        if self.usage is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage([self.usage]), critical=False)
        body = base64.b64encode(self.wrapped(builder.sign(self.authority.key, hashes.SHA256())))
        response = web.StreamResponse()
        await response.prepare(request)
        size = len(body) // self.pieces + 1
        for begin in range(0, len(body), size):
            await response.write(body[begin : begin + size])
            for _ in range(50):  # rounds of the loop in which the client takes this piece alone
                await asyncio.sleep(0)
        return response

    async def proven(self, _: web.Request) -> web.Response:
        """Whoever comes with the new certificate is let in."""
        return web.Response()


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    made = Issuer(make_authority("test", NOW))
    application = web.Application()
    application.router.add_post("/.well-known/est/{act}", made.answer)
    application.router.add_get("/.well-known/est/cacerts", made.proven)
    async with TestServer(application) as server:
        made.url = f"http://127.0.0.1:{server.port}"
        yield made


@pytest.fixture
def files(tmp_path: Path, issuer: Issuer) -> Files:
    """With an old pair, good for long."""
    (tmp_path / "ca.pem").write_bytes(issuer.authority.certificate.public_bytes(PEM))
    make_kiosk(tmp_path, issuer.authority, KIOSK, NOW - 790 * DAY)
    return Files(tmp_path / "certificate.pem", tmp_path / "key.pem", KIOSK)


async def enrolled(issuer: Issuer, files: Files) -> enrolment.Answered:
    return await enrolment.enrol(issuer.url, files.key.with_name("ca.pem"), files, "code", NOW)


async def renewed(issuer: Issuer, files: Files) -> enrolment.Answered:
    return await enrolment.renew(issuer.url, files.key.with_name("ca.pem"), files, NOW)


async def test_an_answer_in_many_pieces_is_read_whole(issuer: Issuer, files: Files) -> None:
    issuer.pieces = 7
    for asked in (enrolled, renewed):
        assert issuer.ends == (await asked(issuer, files)).not_after


async def test_an_answer_without_end_is_invalid(issuer: Issuer, files: Files) -> None:
    issuer.wrapped = lambda _: bytes(2_000_000)
    with pytest.raises(MunicipalityAnswerInvalid, match="certificate: length"):
        await renewed(issuer, files)


@pytest.mark.parametrize("usage", [ExtendedKeyUsageOID.SERVER_AUTH, None])
async def test_a_certificate_that_is_none_of_a_client_is_invalid(
    issuer: Issuer, files: Files, usage: x509.ObjectIdentifier | None
) -> None:
    issuer.usage = usage
    with pytest.raises(MunicipalityAnswerInvalid, match=r"certificate: (usage|pkcs7)"):
        await renewed(issuer, files)


@pytest.mark.parametrize(
    ("begins", "ends"),
    [(NOW + DAY, NOW + 90 * DAY), (NOW - 90 * DAY, NOW - DAY), (NOW - 90 * DAY, NOW)],
    ids=["not yet", "no more", "until now"],
)
async def test_a_certificate_that_is_not_good_now_is_invalid(
    issuer: Issuer, files: Files, begins: datetime, ends: datetime
) -> None:
    issuer.begins, issuer.ends = begins, ends
    for asked in (enrolled, renewed):
        with pytest.raises(MunicipalityAnswerInvalid, match="certificate: validity"):
            await asked(issuer, files)


async def test_a_renewal_that_ends_before_the_old_certificate_is_invalid(
    issuer: Issuer, files: Files
) -> None:
    issuer.ends = NOW + 9 * DAY  # the old one has ten
    await enrolled(issuer, files)
    with pytest.raises(MunicipalityAnswerInvalid, match="certificate: ends-early"):
        await renewed(issuer, files)


def signed_data(certificate: x509.Certificate) -> bytes:
    """PKCS#7 of the type `data` (RFC 2315, section 8): no certificates in it."""
    assert certificate
    return bytes.fromhex("300f06092a864886f70d010701a0020400")


def named_twice(certificate: x509.Certificate) -> bytes:
    """One extension two times, as no builder makes it: the octets of another's identifier are replaced."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(KIOSK)])
    spare = x509.IssuerAlternativeName([x509.UniformResourceIdentifier(KIOSK)])
    builder = x509.CertificateBuilder().subject_name(certificate.issuer).issuer_name(certificate.issuer)
    builder = builder.public_key(key.public_key()).serial_number(1)
    builder = builder.not_valid_before(NOW).not_valid_after(NOW + DAY)
    made = builder.add_extension(name, critical=False).add_extension(spare, critical=False)
    octets = pkcs7.serialize_certificates([made.sign(key, hashes.SHA256())], DER)
    assert 1 == octets.count(b"\x55\x1d\x12")
    return octets.replace(b"\x55\x1d\x12", b"\x55\x1d\x11")


@pytest.mark.parametrize("wrapped", [signed_data, named_twice, lambda _: b"rubbish", lambda _: b""])
async def test_what_holds_no_readable_certificate_is_invalid(
    issuer: Issuer, files: Files, wrapped: Callable[[x509.Certificate], bytes]
) -> None:
    issuer.wrapped = wrapped
    with pytest.raises(MunicipalityAnswerInvalid, match="certificate: pkcs7"):
        await renewed(issuer, files)
