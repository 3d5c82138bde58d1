"""Mutual TLS 1.3: what each end refuses, how the kiosk names it, and what changes without a restart."""

import asyncio
import shutil
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from firmware.core.facts import MunicipalityLevel
from firmware.errors import ConfigError, MunicipalityDown, MunicipalityUncertain
from firmware.logbook import EventId
from firmware.municipality.tls import load_credentials, word_for
from tests.contract.test_municipality import (
    NOON,
    OFTEN,
    ONCE,
    OTHER_KIOSK,
    Place,
    Watched,
    beats,
    opened,
    pki,
    place,
    reaches,
)
from tests.municipality.pki import (
    KIOSK,
    Leaf,
    device_authority,
    make_authority,
    make_device_crl,
    make_kiosk,
    make_server,
    server_authority,
)

__all__ = ["pki", "place"]  # the fixtures

NOW = datetime.now(UTC)
PAST, FUTURE = NOW - timedelta(days=1), NOW + timedelta(days=1)
CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH


async def answered(place: Place, device: Path | None, version: ssl.TLSVersion | None = None) -> bytes:
    """What the backend says to a client that speaks TLS by hand; empty if it was cut off."""
    context = ssl.create_default_context(cafile=place.pki / "server_ca.pem")
    if device is not None:
        context.load_cert_chain(device / "certificate.pem", device / "key.pem")
    if version is not None:
        context.maximum_version = version
    try:
        reader, writer = await asyncio.open_connection("localhost", place.server.port, ssl=context)
    except (ssl.SSLError, ConnectionError):
        return b""
    writer.write(b"GET /v1/orders/0123456789abcdef HTTP/1.1\r\nHost: localhost\r\n\r\n")
    try:
        return await reader.read(100)
    except (ssl.SSLError, ConnectionError):
        return b""
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def test_a_good_certificate_is_answered(place: Place) -> None:
    assert (await answered(place, place.pki / "kiosk")).startswith(b"HTTP/1.1 404")


@pytest.mark.parametrize(
    ("hazard", "leaf"),
    [
        ("expired", Leaf(CLIENT, ends=PAST)),
        ("not yet valid", Leaf(CLIENT, begins=FUTURE)),
        ("a server's", Leaf(SERVER)),
    ],
)
async def test_the_backend_cuts_off_a_certificate_that_is(
    place: Place, tmp_path: Path, hazard: str, leaf: Leaf
) -> None:
    make_kiosk(tmp_path / "device", device_authority(place.pki), KIOSK, NOW, leaf)
    assert b"" == await answered(place, tmp_path / "device"), hazard


async def test_the_backend_cuts_off_no_certificate_a_foreign_one_and_old_tls(
    place: Place, tmp_path: Path
) -> None:
    make_kiosk(tmp_path / "foreign", make_authority("foreign", NOW), KIOSK, NOW)
    assert b"" == await answered(place, None)
    assert b"" == await answered(place, tmp_path / "foreign")
    assert b"" == await answered(place, place.pki / "kiosk", ssl.TLSVersion.TLSv1_2)


@asynccontextmanager
async def posing(folder: Path, *, old: bool = False) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server with this certificate; its URL and what it was told."""
    told: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        told.append(await reader.read(1))
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    if old:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    server = await asyncio.start_server(listen, "127.0.0.1", 0, ssl=context)
    yield f"https://localhost:{server.sockets[0].getsockname()[1]}", told
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize(
    ("leaf", "name", "word"),
    [
        (Leaf(SERVER, ends=PAST), "localhost", "server-certificate-expired"),
        (Leaf(SERVER, begins=FUTURE), "localhost", "server-certificate-not-yet-valid"),
        (Leaf(CLIENT), "localhost", "server-certificate-untrusted"),
        (Leaf(SERVER), "other.example", "server-certificate-other-name"),
    ],
)
async def test_the_kiosk_tells_a_bad_server_nothing_and_names_what_is_wrong(
    place: Place, tmp_path: Path, leaf: Leaf, name: str, word: str
) -> None:
    make_server(tmp_path / "server", server_authority(place.pki), NOW, leaf, name)
    async with posing(tmp_path / "server") as (url, told):
        error = await reaches(place.kiosk(url=url, patience=ONCE))
    assert (MunicipalityDown, word) == (type(error), word_for(error))
    assert told in ([], [b""])


async def test_the_kiosk_speaks_no_old_tls_and_no_foreign_authority(place: Place, tmp_path: Path) -> None:
    make_server(tmp_path / "foreign", make_authority("foreign", NOW), NOW)
    async with posing(tmp_path / "foreign") as (url, _):
        foreign = await reaches(place.kiosk(url=url, patience=ONCE))
    async with posing(place.pki / "server", old=True) as (url, told):
        old = await reaches(place.kiosk(url=url, patience=ONCE))
    assert "server-certificate-untrusted" == word_for(foreign)
    assert isinstance(old, MunicipalityDown)
    assert told in ([], [b""])


# --- without a restart ----------------------------------------------------------------------------


@pytest.fixture
def own(place: Place, tmp_path: Path) -> Path:
    """A kiosk's certificate of its own, let in."""
    make_kiosk(tmp_path / "own", device_authority(place.pki), KIOSK, NOW)
    return tmp_path / "own"


async def test_a_revoked_certificate_is_refused_at_once_and_the_list_is_read_without_a_restart(
    place: Place, own: Path, request: pytest.FixtureRequest
) -> None:
    await place.server.admit_kiosk(own / "certificate.pem")
    kiosk = place.kiosk(device=own, patience=ONCE)
    assert await reaches(kiosk) is None
    crl, authority = place.pki / "device_crl.pem", device_authority(place.pki)
    good = crl.read_bytes()
    request.addfinalizer(lambda: crl.write_bytes(good))
    # Of two lists in force OpenSSL believes the later one, to the second.
    later = datetime.now(UTC) + timedelta(seconds=50)
    make_device_crl(crl, authority, (own / "certificate.pem",), later)
    assert (True, False) == (place.server.reload(), place.server.reload())
    # On the connection that stands it is answered, and is told apart; the next one TLS cuts off.
    assert "open_session: kiosk_unknown" == str(await reaches(kiosk))
    assert isinstance(await reaches(kiosk), MunicipalityUncertain)
    assert b"" == await answered(place, own)


async def test_a_new_certificate_of_the_server_serves_the_next_connection_and_stands_in_the_challenge(
    place: Place,
) -> None:
    kiosk = place.kiosk()
    before = (place.pki / "server" / "certificate.pem").read_bytes()
    shutil.rmtree(place.pki / "server")
    make_server(place.pki / "server", server_authority(place.pki), NOW)
    assert before != (place.pki / "server" / "certificate.pem").read_bytes()
    assert place.server.reload()
    await opened(kiosk)  # raises if the challenge names another certificate than the connection's


async def test_a_revocation_list_that_cannot_be_read_leaves_the_old_one_in_force(
    place: Place, request: pytest.FixtureRequest
) -> None:
    crl = place.pki / "device_crl.pem"
    good = crl.read_bytes()
    request.addfinalizer(lambda: crl.write_bytes(good))
    crl.write_bytes(b"rubbish")
    with pytest.raises(OSError, match="NO_CERTIFICATE_OR_CRL_FOUND"):
        place.server.reload()
    assert await reaches(place.kiosk()) is None


async def test_a_kiosk_takes_its_renewed_certificate_at_the_next_heartbeat(place: Place, own: Path) -> None:
    await place.server.admit_kiosk(own / "certificate.pem")
    kiosk = place.kiosk(device=own, patience=OFTEN)
    level = Watched()
    kiosk.start(level)
    await level.until(MunicipalityLevel(reachable=True))
    shutil.rmtree(own)
    make_kiosk(own, device_authority(place.pki), KIOSK, NOW)
    await place.server.admit_kiosk(own / "certificate.pem")
    async with asyncio.timeout(60):
        while not place.log.named(EventId.CERTIFICATE_RENEWED):
            await beats(place, times=1)
    await opened(kiosk)


@pytest.mark.parametrize("spoiled", ["certificate.pem", "key.pem"])
async def test_half_a_renewal_leaves_the_old_pair_in_use(place: Place, own: Path, spoiled: str) -> None:
    old = load_credentials(
        ca_file=place.pki / "server_ca.pem",
        certificate_file=own / "certificate.pem",
        key_file=own / "key.pem",
        kiosk=KIOSK,
    )
    thumbprint = old.thumbprint
    make_kiosk(own.parent / "next", device_authority(place.pki), KIOSK, NOW)
    shutil.copy(own.parent / "next" / spoiled, own / spoiled)
    with pytest.raises(ConfigError, match="key"):
        old.renew()
    assert thumbprint == old.thumbprint
    for name in ("certificate.pem", "key.pem"):
        shutil.copy(own.parent / "next" / name, own / name)
    assert (True, False) == (old.renew(), old.renew())
    assert thumbprint != old.thumbprint


async def test_the_certificate_in_use_signs_until_another_is_taken(place: Place, own: Path) -> None:
    """Its seals are verified by the certificate of the connection they come on."""
    ours = load_credentials(
        ca_file=place.pki / "server_ca.pem",
        certificate_file=own / "certificate.pem",
        key_file=own / "key.pem",
        kiosk=KIOSK,
    )
    make_kiosk(own.parent / "next", device_authority(place.pki), KIOSK, NOW)
    in_use = [
        x509.load_pem_x509_certificate((folder / "certificate.pem").read_bytes())
        for folder in (own, own.parent / "next")
    ]
    for name in ("certificate.pem", "key.pem"):
        shutil.copy(own.parent / "next" / name, own / name)
    ours.bound_to = "a visit"
    for certificate, is_taken in zip(in_use, (False, True), strict=True):
        assert is_taken == ours.renew()
        key = certificate.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        key.verify(ours.sign(b"sealed"), b"sealed", ec.ECDSA(hashes.SHA256()))
        ours.release("a visit")


async def test_a_renewal_for_another_kiosk_or_gone_is_told_as_a_fault(place: Place, own: Path) -> None:
    await place.server.admit_kiosk(own / "certificate.pem")
    level = Watched()
    place.kiosk(device=own, patience=OFTEN).start(level)
    await level.until(MunicipalityLevel(reachable=True))
    shutil.rmtree(own)
    make_kiosk(own, device_authority(place.pki), OTHER_KIOSK, NOW)
    await level.until(MunicipalityLevel(reachable=False))
    assert "own-certificate-unusable" == level.values[-1].fault


async def test_the_technician_reads_apart_what_is_wrong(place: Place) -> None:
    """Expired or not yet valid by our own clock, not in the registry, nobody there."""
    faults = []
    for moment, stop in ((NOON + timedelta(days=4000), True), (NOON - timedelta(days=4000), True)):
        place.clock.moment = moment
        level = Watched()
        if stop:
            await place.server.stop()
        place.kiosk(patience=OFTEN).start(level)
        await level.until(MunicipalityLevel(reachable=False))
        faults.append(level.values[-1].fault)
    place.clock.moment = NOON
    level = Watched()
    place.kiosk(patience=OFTEN).start(level)
    await level.until(MunicipalityLevel(reachable=False))
    faults.append(level.values[-1].fault)
    assert ["own-certificate-expired", "own-certificate-not-yet-valid", "econnrefused"] == faults
