"""The kiosk's own certificate: the first for a code, the next for the old one, never another's name."""

import asyncio
import base64
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from firmware.compose import renewing
from firmware.compose.enrolment import renewed, renewed_now
from firmware.core.facts import MunicipalityLevel
from firmware.errors import CertificateUnproven, ConfigError, MunicipalityDown, OfficeRefused
from firmware.logbook import EventId
from firmware.municipality import enrolment
from firmware.municipality.client import HttpsMunicipality
from firmware.municipality.messages import b64u
from firmware.municipality.tls import Files, load_credentials
from firmware.settings import Settings, load
from tests.contract.test_municipality import (
    OFTEN,
    OTHER_KIOSK,
    Clock,
    Log,
    Place,
    Watched,
    beats,
    opened,
    pki,
    reaches,
)
from tests.municipality import MunicipalityServer
from tests.municipality.pki import KIOSK

__all__ = ["pki"]  # the fixture

CONFIG = Path(__file__).resolve().parents[2] / "config" / "kiosk.toml"
_TODAY = datetime.now(UTC)
LAST_NOON = _TODAY.replace(hour=3, minute=0) - timedelta(days=_TODAY.hour < 4)  # open, and past for OpenSSL


@pytest.fixture
async def place(pki: Path, tmp_path: Path) -> AsyncIterator[Place]:
    """A backend with an enrolment desk, in our time: certificates made by it hold from now."""
    clock = Clock(LAST_NOON)
    server = MunicipalityServer(pki=pki, database=tmp_path / "m.sqlite", now=clock, enrolment_port=0)
    await server.start()
    made = Place(server, pki, clock, Log(), Watched(), Watched())
    yield made
    for municipality in made.made:
        await municipality.close()
    await server.stop()


@pytest.fixture
def files(tmp_path: Path) -> Files:
    folder = tmp_path / "own"
    folder.mkdir()
    return Files(folder / "certificate.pem", folder / "key.pem", OTHER_KIOSK)


def desk(place: Place) -> str:
    return f"https://localhost:{place.server.enrolment_port}"


async def enrolled(place: Place, files: Files) -> None:
    code = await place.server.invite_kiosk(OTHER_KIOSK)
    answered = await enrolment.enrol(
        desk(place), place.pki / "server_ca.pem", files, code, place.clock.moment
    )
    enrolment.put_in_place(answered, files)


async def test_a_code_gives_one_certificate_that_lets_the_kiosk_in(place: Place, files: Files) -> None:
    code = await place.server.invite_kiosk(OTHER_KIOSK)
    ca_file = place.pki / "server_ca.pem"
    answered = await enrolment.enrol(desk(place), ca_file, files, code, place.clock.moment)
    enrolment.put_in_place(answered, files)
    assert 0o600 == files.key.stat().st_mode & 0o777
    await opened(place.kiosk(device=files.certificate.parent, urn=OTHER_KIOSK))
    with pytest.raises(MunicipalityDown, match="certificate: status 401"):
        await enrolment.enrol(desk(place), ca_file, files, code, place.clock.moment)


async def test_a_code_that_is_wrong_old_replaced_or_anothers_gives_nothing(
    place: Place, files: Files
) -> None:
    ca_file = place.pki / "server_ca.pem"
    replaced = await place.server.invite_kiosk(OTHER_KIOSK)
    others = await place.server.invite_kiosk(KIOSK)
    code = await place.server.invite_kiosk(OTHER_KIOSK)
    for wrong in ("", "wrong", replaced, others):
        with pytest.raises(MunicipalityDown, match="certificate: status 401"):
            await enrolment.enrol(desk(place), ca_file, files, wrong, place.clock.moment)
    place.clock.moment += timedelta(minutes=10)
    with pytest.raises(MunicipalityDown, match="certificate: status 401"):
        await enrolment.enrol(desk(place), ca_file, files, code, place.clock.moment)


async def test_a_server_of_a_foreign_authority_hears_no_code(place: Place, files: Files) -> None:
    with pytest.raises(MunicipalityDown, match="server-certificate-untrusted"):
        await enrolment.enrol(desk(place), place.pki / "device_ca.pem", files, "code", place.clock.moment)


async def test_a_renewed_kiosk_is_let_in_with_both_until_it_has_used_the_new_one(
    place: Place, files: Files, tmp_path: Path
) -> None:
    await enrolled(place, files)
    old = tmp_path / "old"
    shutil.copytree(files.certificate.parent, old)
    # The answer is lost once: the kiosk asks again, with the old certificate.
    await enrolment.renew(place.server.url, place.pki / "server_ca.pem", files, place.clock.moment)
    answered = await enrolment.renew(place.server.url, place.pki / "server_ca.pem", files, place.clock.moment)
    assert await reaches(place.kiosk(device=old, urn=OTHER_KIOSK)) is None
    enrolment.put_in_place(answered, files)
    assert await reaches(place.kiosk(device=files.certificate.parent, urn=OTHER_KIOSK)) is None
    assert "open_session: kiosk_unknown" == str(await reaches(place.kiosk(device=old, urn=OTHER_KIOSK)))


@pytest.fixture
async def running(place: Place, files: Files) -> HttpsMunicipality:
    """An enrolled kiosk that reaches the municipality, and looks for a new certificate with every beat."""
    await enrolled(place, files)
    kiosk = place.kiosk(device=files.certificate.parent, urn=OTHER_KIOSK, patience=OFTEN)
    level = Watched()
    kiosk.start(level)
    await level.until(MunicipalityLevel(reachable=True))
    return kiosk


async def _renewed_beside(place: Place, files: Files) -> None:
    """A new certificate lies there, and the running kiosk has looked."""
    answered = await enrolment.renew(place.server.url, place.pki / "server_ca.pem", files, place.clock.moment)
    enrolment.put_in_place(answered, files)
    await beats(place)


async def test_a_certificate_renewed_in_the_middle_of_a_visit_is_taken_at_its_end(
    place: Place, files: Files, running: HttpsMunicipality
) -> None:
    card = place.card("shiken_taro")
    session = await opened(running)
    await _renewed_beside(place, files)
    await running.authenticate(session.session_id, card.certificate_der, card.sign(session.message))
    assert [] == place.log.named(EventId.CERTIFICATE_RENEWED)
    await running.end_session(session.session_id)
    await beats(place)
    assert 1 == len(place.log.named(EventId.CERTIFICATE_RENEWED))
    await opened(running)  # the challenge names the certificate of the connection, else it is refused


async def test_a_visit_that_nobody_ended_holds_a_renewed_certificate_back_no_longer_than_the_next_one(
    place: Place, files: Files, running: HttpsMunicipality
) -> None:
    await opened(running)
    await _renewed_beside(place, files)
    session = await opened(running)
    await beats(place)
    assert [] == place.log.named(EventId.CERTIFICATE_RENEWED)
    await running.end_session(session.session_id)
    await beats(place)
    assert 1 == len(place.log.named(EventId.CERTIFICATE_RENEWED))


async def test_an_expelled_kiosk_cannot_renew(place: Place, files: Files) -> None:
    await enrolled(place, files)
    await place.server.expel_kiosk(OTHER_KIOSK)
    with pytest.raises(MunicipalityDown, match="certificate: status 403"):
        await enrolment.renew(place.server.url, place.pki / "server_ca.pem", files, place.clock.moment)


async def test_a_request_for_another_name_another_key_or_of_no_sense_is_refused(
    place: Place, files: Files
) -> None:
    await enrolled(place, files)
    credentials = load_credentials(
        ca_file=place.pki / "server_ca.pem",
        certificate_file=files.certificate,
        key_file=files.key,
        kiosk=OTHER_KIOSK,
    )

    def request(name: str, curve: ec.EllipticCurve) -> bytes:
        names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(name)])
        builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
        signed = builder.add_extension(names, critical=False).sign(
            ec.generate_private_key(curve), hashes.SHA256()
        )
        return base64.b64encode(signed.public_bytes(serialization.Encoding.DER))

    good = request(OTHER_KIOSK, ec.SECP256R1())
    altered = base64.b64encode(base64.b64decode(good)[:-1] + b"\0")
    bodies = [request(KIOSK, ec.SECP256R1()), request(OTHER_KIOSK, ec.SECP384R1()), altered, b"", b"rubbish"]
    connector = aiohttp.TCPConnector(ssl=credentials.context)
    async with aiohttp.ClientSession(connector=connector) as http:
        statuses = []
        for body in [*bodies, good]:
            url = f"{place.server.url}/.well-known/est/simplereenroll"
            async with http.post(url, data=body, headers={"Content-Type": "application/pkcs10"}) as answer:
                statuses.append(answer.status)
        async with http.get(f"{place.server.url}/.well-known/est/cacerts") as answer:
            assert 200 == answer.status
    assert [400, 400, 400, 400, 400, 200] == statuses


async def test_the_desk_takes_no_other_scheme_and_no_rubbish(place: Place) -> None:
    user = b64u(OTHER_KIOSK.encode())
    context = load_credentials(
        ca_file=place.pki / "server_ca.pem",
        certificate_file=place.pki / "kiosk" / "certificate.pem",
        key_file=place.pki / "kiosk" / "key.pem",
        kiosk=KIOSK,
    ).context
    headers = ["", "Bearer x", "Basic", "Basic !", "Basic " + base64.b64encode(user.encode()).decode()]
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as http:
        for header in headers:
            url = f"{desk(place)}/.well-known/est/simpleenroll"
            async with http.post(url, data=b"", headers={"Authorization": header}) as answer:
                assert 401 == answer.status, header


# --- on the kiosk's disk --------------------------------------------------------------------------


@pytest.mark.parametrize("cut", ["before the key", "between key and certificate", "after both"])
async def test_a_power_cut_in_the_middle_leaves_a_pair_that_fits(
    place: Place, files: Files, cut: str
) -> None:
    await enrolled(place, files)
    answered = await enrolment.renew(place.server.url, place.pki / "server_ca.pem", files, place.clock.moment)
    old = files.certificate.read_bytes()
    key_next, certificate_next = (p.with_name(f"{p.name}.next") for p in (files.key, files.certificate))
    key_next.write_bytes(answered.key_pem)
    if cut != "before the key":
        certificate_next.write_bytes(answered.certificate_pem)
    if cut == "after both":
        key_next.replace(files.key)
    enrolment.finish(files)
    enrolment.finish(files)
    load_credentials(
        ca_file=place.pki / "server_ca.pem",
        certificate_file=files.certificate,
        key_file=files.key,
        kiosk=OTHER_KIOSK,
    )
    assert (cut == "before the key") is (old == files.certificate.read_bytes())


async def test_a_power_cut_in_the_middle_of_a_proof_leaves_no_second_key(place: Place, files: Files) -> None:
    await enrolled(place, files)
    old = files.key.read_bytes(), files.certificate.read_bytes()
    for file in (files.key, files.certificate):
        file.with_name(f"{file.name}.trial").write_bytes(b"half")
    enrolment.finish(files)
    assert {files.key, files.certificate} == set(files.key.parent.iterdir())
    assert old == (files.key.read_bytes(), files.certificate.read_bytes())


async def test_renewal_is_due_after_two_thirds_of_a_life(place: Place, files: Files) -> None:
    with pytest.raises(ConfigError, match="not a readable PEM certificate"):
        enrolment.is_due(files, LAST_NOON)
    await enrolled(place, files)
    days = (0, 59, 61, 100)
    assert [False, False, True, True] == [
        enrolment.is_due(files, LAST_NOON + timedelta(days=day)) for day in days
    ]


async def test_the_kiosk_renews_by_itself_before_two_thirds_of_a_life_and_not_earlier(
    place: Place, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def renewed_here(settings: Settings, _config: Path) -> datetime:
        return await renewed_now(settings, place.clock.moment)

    monkeypatch.setattr(renewing, "renewed_now", renewed_here)
    settings = settings_of(place, files)
    share = settings.file.municipality.renewal_share
    assert share < enrolment.TWO_THIRDS
    # Born in the past: TLS looks at the machine's own clock.
    place.clock.moment = born = LAST_NOON - timedelta(days=90) * (share + 0.01)
    await enrolled(place, files)
    place.clock.moment = born + timedelta(days=90) * (share - 0.01)
    assert await renewing.renewed(settings, CONFIG, place.clock.moment) is None
    place.clock.moment = LAST_NOON
    until = await renewing.renewed(settings, CONFIG, place.clock.moment)
    assert until == (place.clock.moment + timedelta(days=90)).replace(microsecond=0)
    assert await renewing.renewed(settings, CONFIG, place.clock.moment) is None


# --- at the technician's console ------------------------------------------------------------------


def settings_of(place: Place, files: Files) -> Settings:
    settings = load(CONFIG)
    municipality = msgspec.structs.replace(
        settings.file.municipality,
        url=place.server.url,
        ca_file=str(place.pki / "server_ca.pem"),
        certificate_file=str(files.certificate),
        key_file=str(files.key),
    )
    kiosk = msgspec.structs.replace(settings.file.kiosk, urn=files.kiosk)
    return replace(
        settings, file=msgspec.structs.replace(settings.file, municipality=municipality, kiosk=kiosk)
    )


async def test_the_console_renews_at_any_age_and_the_kiosk_is_let_in_with_it(
    place: Place, files: Files
) -> None:
    await enrolled(place, files)
    settings = settings_of(place, files)
    assert await renewed(settings, place.clock.moment) is None
    place.clock.moment += timedelta(hours=1)
    until = await renewed_now(settings, place.clock.moment)
    assert until == (place.clock.moment + timedelta(days=90)).replace(microsecond=0)
    assert until == x509.load_pem_x509_certificate(files.certificate.read_bytes()).not_valid_after_utc
    assert await reaches(place.kiosk(device=files.certificate.parent, urn=OTHER_KIOSK)) is None


async def test_a_renewal_that_cannot_be_written_or_is_refused_leaves_the_old_pair(
    place: Place, files: Files
) -> None:
    await enrolled(place, files)
    old = files.key.read_bytes(), files.certificate.read_bytes()
    settings = settings_of(place, files)
    in_the_way = files.key.with_name(f"{files.key.name}.next.part")
    in_the_way.mkdir()
    with pytest.raises(OfficeRefused, match=r"cannot be written to .*; the old one stays in use"):
        await renewed_now(settings, place.clock.moment)
    in_the_way.rmdir()
    await place.server.expel_kiosk(OTHER_KIOSK)
    with pytest.raises(MunicipalityDown, match="certificate: status 403"):
        await renewed_now(settings, place.clock.moment)
    assert old == (files.key.read_bytes(), files.certificate.read_bytes())
    shutil.rmtree(files.certificate.parent)
    with pytest.raises(OfficeRefused, match="own: No such file or directory"):
        await renewed_now(settings, place.clock.moment)


async def refused_by_the_registry(place: Place) -> str:
    place.server.refuse_next("kiosk_unknown", "/.well-known/est/cacerts")
    return "certificate: status 403"


async def cut_off_by_tls(place: Place) -> str:
    place.clock.moment += timedelta(days=30)  # the new one is not valid yet
    return "certificate: "


@pytest.mark.parametrize("harm", [refused_by_the_registry, cut_off_by_tls])
async def test_a_new_certificate_that_lets_nobody_in_is_not_put_in_the_place_of_the_old_one(
    place: Place, files: Files, harm: Callable[[Place], Awaitable[str]]
) -> None:
    await enrolled(place, files)
    settings = settings_of(place, files)
    old = files.key.read_bytes(), files.certificate.read_bytes()
    said = await harm(place)
    with pytest.raises(CertificateUnproven, match=said):
        await renewed_now(settings, place.clock.moment)
    assert old == (files.key.read_bytes(), files.certificate.read_bytes())
    assert {files.key, files.certificate} == set(files.key.parent.iterdir())
    place.clock.moment = LAST_NOON
    assert await reaches(place.kiosk(device=files.certificate.parent, urn=OTHER_KIOSK)) is None
    await renewed_now(settings, place.clock.moment)
    assert old != (files.key.read_bytes(), files.certificate.read_bytes())
    assert await reaches(place.kiosk(device=files.certificate.parent, urn=OTHER_KIOSK)) is None


async def test_of_two_renewals_at_once_one_is_refused_and_the_kiosk_is_let_in(
    place: Place, files: Files
) -> None:
    await enrolled(place, files)
    settings = settings_of(place, files)
    said = await asyncio.gather(
        renewed_now(settings, place.clock.moment),
        renewed_now(settings, place.clock.moment),
        return_exceptions=True,
    )
    assert [datetime, OfficeRefused] == [type(one) for one in said]
    assert "just being asked for" in str(said[1])
    assert await reaches(place.kiosk(device=files.certificate.parent, urn=OTHER_KIOSK)) is None
