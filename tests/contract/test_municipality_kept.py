"""Connections that are kept: used again while both certificates hold, and never the reason for a failure."""

import asyncio
import shutil
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.x509.oid import ExtendedKeyUsageOID

from firmware.core.facts import MunicipalityLevel
from firmware.core.terms import Certainty
from firmware.errors import MunicipalityDown, MunicipalityUncertain
from firmware.logbook import EventId
from firmware.municipality.client import HttpsMunicipality
from firmware.municipality.messages import PROTOCOL_HEADER, PROTOCOL_VERSION
from firmware.municipality.tls import Credentials, load_credentials
from tests.contract.faulty_line import FaultyLine, When
from tests.contract.test_municipality import (
    OFTEN,
    ONCE,
    ORDER,
    QUICK,
    Clock,
    Log,
    Place,
    Watched,
    admitted,
    beats,
    opened,
    pki,
    reaches,
    states,
    wanted,
)
from tests.contract.test_municipality_enrolment import LAST_NOON
from tests.municipality import MunicipalityServer
from tests.municipality.pki import (
    KIOSK,
    Leaf,
    device_authority,
    make_kiosk,
    make_server,
    server_authority,
)

__all__ = ["pki"]  # the fixture

NOW = datetime.now(UTC)
SERVER_ENDS = NOW + timedelta(days=30)


@pytest.fixture
def tls_clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
async def place(pki: Path, tmp_path: Path, tls_clock: Clock) -> AsyncIterator[Place]:
    """A backend whose certificates are its own, and whose look at certificates has a clock that tests set."""
    own = shutil.copytree(pki, tmp_path / "pki")
    shutil.rmtree(own / "server")
    ends = Leaf(ExtendedKeyUsageOID.SERVER_AUTH, ends=SERVER_ENDS)
    make_server(own / "server", server_authority(own), NOW, ends)
    clock = Clock(LAST_NOON)
    server = MunicipalityServer(pki=own, database=tmp_path / "m.sqlite", now=clock, tls_now=tls_clock)
    await server.start()
    made = Place(server, own, clock, Log(), Watched(), Watched())
    yield made
    for municipality in made.made:
        await municipality.close()
    await server.stop()
    assert 0 == server.faults_left()


@pytest.fixture
async def line(place: Place) -> AsyncIterator[FaultyLine]:
    made = FaultyLine(place.server.port)
    await made.start()
    yield made
    for municipality in place.made:
        await municipality.close()
    await made.stop()


def through(place: Place, line: FaultyLine, **others: object) -> HttpsMunicipality:
    return place.kiosk(url=f"https://localhost:{line.port}", **others)  # type: ignore[arg-type]


async def issued(place: Place, kiosk: HttpsMunicipality) -> None:
    """A whole visit."""
    session_id, _ = await admitted(kiosk, place.card("mihon_hitori"))
    await kiosk.reserve(session_id, wanted())
    await kiosk.release(ORDER, 300)
    await kiosk.report_result(ORDER, Certainty.DONE, 1)
    await kiosk.end_session(session_id)
    assert ["ISSUED"] == await states(place)


async def test_a_visit_takes_one_connection(place: Place, line: FaultyLine) -> None:
    await issued(place, through(place, line))
    assert 1 == line.connections


async def test_heartbeats_and_the_visit_between_them_share_one_connection(
    place: Place, line: FaultyLine
) -> None:
    level, kiosk = Watched(), through(place, line)
    kiosk.start(level)
    await level.until(MunicipalityLevel(reachable=True))
    await issued(place, kiosk)
    assert 1 == line.connections


async def test_a_key_that_was_loaded_anew_gets_connections_of_its_own(place: Place, line: FaultyLine) -> None:
    """The one before it would keep its place in the TPM as long as they live."""
    kiosk = through(place, line)
    await opened(kiosk)
    credentials = kiosk._credentials
    again = replace(credentials, context=load_credentials_of(place).context)
    assert not credentials.take(again), "it is the same certificate"
    await opened(kiosk)
    await opened(kiosk)
    assert 2 == line.connections


def load_credentials_of(place: Place) -> Credentials:
    device = place.pki / "kiosk"
    return load_credentials(
        ca_file=place.pki / "server_ca.pem",
        certificate_file=device / "certificate.pem",
        key_file=device / "key.pem",
        kiosk=KIOSK,
    )


async def test_connections_that_died_unseen_cost_no_heartbeat_and_no_message(
    place: Place, line: FaultyLine
) -> None:
    """A server that is started anew, a firewall that forgets: nobody is told that the line was gone."""
    level = Watched()
    kiosk = through(place, line, patience=replace(QUICK, heartbeat_seconds=0.3))
    kiosk.start(level)
    await level.until(MunicipalityLevel(reachable=True))
    for _ in range(3):
        line.end_connections()
        await beats(place, times=1)
    line.end_connections()
    await issued(place, kiosk)
    assert [MunicipalityLevel(reachable=True)] == level.values
    assert [] == place.log.named(EventId.MUNICIPALITY_GONE)


async def test_what_a_proxy_says_on_an_idle_connection_is_no_answer_to_the_next_message(place: Place) -> None:
    """It gives the connection up with a word of its own, which crosses the kiosk's next request."""
    asked: list[int] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = len(asked)
        asked.append(0)
        while await reader.readline():
            await reader.readuntil(b"\r\n\r\n")
            asked[number] += 1
            if asked == [2]:
                writer.write(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
            else:
                writer.write(
                    f"HTTP/1.1 204 No Content\r\n{PROTOCOL_HEADER}: {PROTOCOL_VERSION}\r\n\r\n".encode()
                )
            await writer.drain()
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(place.pki / "server" / "certificate.pem", place.pki / "server" / "key.pem")
    server = await asyncio.start_server(proxy, "127.0.0.1", 0, ssl=context)
    kiosk = place.kiosk(url=f"https://localhost:{server.sockets[0].getsockname()[1]}", patience=ONCE)
    await kiosk.end_session("one")
    await kiosk.end_session("two")
    await kiosk.close()
    server.close()
    await server.wait_closed()
    assert [2, 1] == asked


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_message_on_a_connection_that_dies_under_it_goes_out_again_with_the_effect_of_one(
    place: Place, line: FaultyLine, when: When
) -> None:
    kiosk = through(place, line, patience=ONCE)  # no pause, no second try but that on a new connection
    await kiosk.journal_kept()
    for number in range(1, 3):
        line.strike("cut", when)
        session_id, _ = await admitted(kiosk, place.card("mihon_hitori"))
        assert number == line.struck
        line.mend()
        await kiosk.end_session(session_id)
    sessions = await place.server.store.transact(lambda c: c.execute("SELECT id FROM session").fetchall())
    assert 2 == len(sessions)


async def test_a_line_that_is_cut_at_every_message_ends_with_what_may_have_been_done(
    place: Place, line: FaultyLine
) -> None:
    kiosk = through(place, line, patience=ONCE)
    session_id, _ = await admitted(kiosk, place.card("mihon_hitori"))
    await kiosk.reserve(session_id, wanted())
    line.break_for_good("after")
    with pytest.raises(MunicipalityUncertain):
        await kiosk.release(ORDER, 300)
    line.mend()
    assert f"{LAST_NOON:%Y%m%d}-00000001" == (await kiosk.release(ORDER, 300)).receipt_no


async def test_a_release_that_was_sent_once_stays_uncertain_when_nobody_answers_the_second_connection(
    place: Place, line: FaultyLine
) -> None:
    kiosk = through(place, line, patience=ONCE)
    session_id, _ = await admitted(kiosk, place.card("mihon_hitori"))
    await kiosk.reserve(session_id, wanted())
    line.strike("cut", "after")
    line.listen_no_more()
    with pytest.raises(MunicipalityUncertain):
        await kiosk.release(ORDER, 300)
    assert ["RELEASED"] == await states(place)


async def test_many_requests_at_once_on_a_line_that_dies_are_all_answered(
    place: Place, line: FaultyLine
) -> None:
    kiosk = through(place, line, patience=replace(QUICK, answer_seconds=20, total_seconds=60))
    await asyncio.gather(*(kiosk.journal_kept() for _ in range(16)))
    asking = [asyncio.create_task(opened(kiosk)) for _ in range(16)]
    for _ in range(3):
        line.end_connections()
        await asyncio.sleep(0)
    sessions = await asyncio.gather(*asking)
    assert 16 == len({session.session_id for session in sessions})
    kept = await place.server.store.transact(lambda c: c.execute("SELECT id FROM session").fetchall())
    assert {row[0] for row in kept} == {session.session_id for session in sessions}


async def test_nothing_begins_on_a_client_that_is_closed_and_what_was_under_way_ends(
    place: Place, line: FaultyLine
) -> None:
    once = replace(QUICK, answer_seconds=60, total_seconds=60, first_retry_seconds=10**9)
    kiosk = through(place, line, patience=once)
    await kiosk.journal_kept()
    exchange, connections = kiosk._exchange, line.connections
    place.server.delay_next(60, "/v1/sessions")
    asking = asyncio.create_task(opened(kiosk))
    async with asyncio.timeout(60):
        while place.server.faults_left():  # noqa: ASYNC110 - a fault has no event of its own
            await asyncio.sleep(0.01)
    await exchange.close()
    with pytest.raises(MunicipalityUncertain):
        await asking
    with pytest.raises(MunicipalityDown):
        await opened(kiosk)
    assert ([], connections) == (exchange._lines, line.connections)


# --- certificates on connections that stand ---------------------------------------------------------


async def test_the_kiosk_begins_a_new_connection_after_its_time_and_when_a_certificate_has_ended(
    place: Place, line: FaultyLine
) -> None:
    kiosk = through(place, line, patience=replace(QUICK, kept_seconds=0))
    await kiosk.journal_kept()
    await kiosk.journal_kept()
    assert 2 == line.connections

    kiosk = through(place, line)
    await kiosk.journal_kept()
    await kiosk.journal_kept()
    assert 3 == line.connections
    place.clock.moment = SERVER_ENDS + timedelta(seconds=1)
    await kiosk.journal_kept()
    assert 4 == line.connections


async def test_the_kiosk_uses_no_connection_of_its_old_certificate_after_a_renewal(
    place: Place, line: FaultyLine, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    make_kiosk(own, device_authority(place.pki), KIOSK, NOW)
    await place.server.admit_kiosk(own / "certificate.pem")
    kiosk, level = through(place, line, device=own, patience=OFTEN), Watched()
    kiosk.start(level)
    await level.until(MunicipalityLevel(reachable=True))
    shutil.rmtree(own)
    make_kiosk(own, device_authority(place.pki), KIOSK, NOW)
    await place.server.admit_kiosk(own / "certificate.pem")
    async with asyncio.timeout(30):
        while not place.log.named(EventId.CERTIFICATE_RENEWED):
            await beats(place, times=1)
    await opened(kiosk)  # the challenge names the certificate of the connection, else it is refused


async def test_an_ended_certificate_is_refused_on_a_connection_that_stands(
    place: Place, tls_clock: Clock
) -> None:
    kiosk = place.kiosk(patience=ONCE)
    assert await reaches(kiosk) is None
    tls_clock.moment = NOW + timedelta(days=40_000)
    assert "open_session: kiosk_unknown" == str(await reaches(kiosk))


async def test_a_revocation_list_that_has_ended_lets_nobody_in_on_a_connection_that_stands(
    place: Place, tls_clock: Clock
) -> None:
    kiosk = place.kiosk(patience=ONCE)
    assert await reaches(kiosk) is None
    connections = place.server._service.connections
    connections._crl_until = NOW + timedelta(hours=1)
    tls_clock.moment = NOW + timedelta(hours=1)
    assert "open_session: kiosk_unknown" == str(await reaches(kiosk))


async def test_a_kiosk_that_is_expelled_is_refused_on_the_connection_that_stands_and_it_is_closed(
    place: Place, line: FaultyLine
) -> None:
    kiosk = through(place, line, patience=ONCE)
    assert await reaches(kiosk) is None
    await place.server.expel_kiosk(KIOSK)
    for connections in (1, 2):
        assert isinstance(error := await reaches(kiosk), MunicipalityDown)
        assert "open_session: kiosk_unknown" == str(error)
        assert connections == line.connections


async def test_the_challenge_names_the_servers_certificate_of_the_connection_it_is_asked_on(
    place: Place,
) -> None:
    kept, kem = place.kiosk(), X25519PrivateKey.generate()
    await opened(kept, kem)
    shutil.rmtree(place.pki / "server")
    make_server(place.pki / "server", server_authority(place.pki), NOW)
    assert place.server.reload()
    await opened(kept)  # on the old connection
    await opened(place.kiosk())  # on a new one
    # The same key, once on each: what was asked on the old connection is no answer on the new one.
    assert await opened(place.kiosk(), kem) != await opened(kept, kem)


async def test_the_same_key_gets_its_session_until_something_is_signed_for_it(place: Place) -> None:
    kiosk, kem, card = place.kiosk(), X25519PrivateKey.generate(), place.card("mihon_hitori")
    first = await opened(kiosk, kem)
    assert first == await opened(kiosk, kem)
    await kiosk.authenticate(first.session_id, card.certificate_der, card.sign(first.message))
    assert first.session_id != (await opened(kiosk, kem)).session_id


async def test_the_same_key_of_another_time_gets_a_challenge_of_its_own(place: Place) -> None:
    kiosk, kem = place.kiosk(), X25519PrivateKey.generate()
    first = await opened(kiosk, kem)
    place.clock.moment += timedelta(minutes=30)
    assert first.session_id != (await opened(kiosk, kem)).session_id


async def test_a_connection_without_an_answer_of_tcp_is_given_up_in_the_time_of_a_connection(
    place: Place,
) -> None:
    kiosk = place.kiosk()
    await kiosk.journal_kept()
    (kept,) = kiosk._exchange._lines
    connector = kept.session.connector
    assert connector is not None
    ((protocol, _),) = next(iter(connector._conns.values()))
    assert protocol.transport is not None
    tcp = protocol.transport.get_extra_info("socket")
    assert 1000 * QUICK.connect_seconds == tcp.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
