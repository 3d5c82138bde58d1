"""An answer counts for the request that it answers: a proxy that says one twice is not believed."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from firmware.errors import MunicipalityAnswerInvalid
from firmware.municipality.exchange import Call, Exchange, Patience
from firmware.municipality.messages import PROTOCOL_HEADER, PROTOCOL_VERSION, REQUEST_HEADER
from firmware.municipality.tls import load_credentials
from tests.municipality.pki import KIOSK, make_authority, make_kiosk, make_server

ASK = Call("journal_kept", "GET", ("v1", "journal"))
ONCE = Patience(answer_seconds=60.0, total_seconds=60.0)


class Repeater:
    """A municipality behind a proxy that says its first answer twice: when told to, or with the next one.

    names: whether it knows the header of requests, or which name it gives. connections: requests on each.
    """

    def __init__(self, *, late: bool = False, names: bool | str = True) -> None:
        self.connections: list[int] = []
        self._late, self._names = late, names
        self._said: tuple[asyncio.StreamWriter, bytes] | None = None

    def say_again(self) -> None:
        """The last answer, on its connection."""
        assert self._said is not None
        writer, answer = self._said
        writer.write(answer)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Each request is answered with how many there were."""
        number, late = len(self.connections), b""
        self.connections.append(0)
        while await reader.readline():
            asked = await reader.readuntil(b"\r\n\r\n")
            self.connections[number] += 1
            writer.write(late)
            answer, late = self._answer(asked), b""
            writer.write(answer)
            self._said = writer, answer
            if self._late and self.connections == [1]:
                late = answer
            await writer.drain()
        writer.close()

    def _answer(self, asked: bytes) -> bytes:
        body = b"%d" % sum(self.connections)
        named = [line for line in asked.splitlines() if line.startswith(REQUEST_HEADER.encode())]
        if isinstance(self._names, str):
            named = [f"{REQUEST_HEADER}: {self._names}".encode()]
        head = [
            b"HTTP/1.1 200 OK",
            f"{PROTOCOL_HEADER}: {PROTOCOL_VERSION}".encode(),
            b"Content-Length: %d" % len(body),
            *(named if self._names else []),
        ]
        return b"\r\n".join([*head, b"", body])


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out, now = tmp_path_factory.mktemp("pki"), datetime.now(UTC)
    servers, devices = make_authority("server", now), make_authority("device", now)
    (out / "ca.pem").write_bytes(servers.certificate.public_bytes(serialization.Encoding.PEM))
    make_server(out / "server", servers, now)
    make_kiosk(out / "kiosk", devices, KIOSK, now)
    return out


@asynccontextmanager
async def behind(proxy: Repeater, pki: Path) -> AsyncIterator[Exchange]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki / "server" / "certificate.pem", pki / "server" / "key.pem")
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0, ssl=context)
    url = f"https://localhost:{server.sockets[0].getsockname()[1]}"
    kiosk = pki / "kiosk"
    credentials = load_credentials(
        ca_file=pki / "ca.pem",
        certificate_file=kiosk / "certificate.pem",
        key_file=kiosk / "key.pem",
        kiosk=KIOSK,
    )
    exchange = Exchange(url, credentials, ONCE, lambda: datetime.now(UTC))
    yield exchange
    await exchange.close()
    server.close()
    await server.wait_closed()


async def asked(exchange: Exchange) -> int:
    return int((await exchange.once(ASK)).body)


async def until_something_lies_unread(exchange: Exchange) -> None:
    """On the kept connection, or it is kept no longer."""
    (kept,) = exchange._lines
    connector = kept.session.connector
    assert connector is not None
    async with asyncio.timeout(20):
        while any(not one.should_close for free in connector._conns.values() for one, _ in free):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("names", [True, False])
async def test_an_answer_said_twice_before_the_next_request_is_not_its_answer(pki: Path, names: bool) -> None:
    proxy = Repeater(names=names)
    async with behind(proxy, pki) as exchange:
        assert 1 == await asked(exchange)
        proxy.say_again()
        await until_something_lies_unread(exchange)
        last = await asked(exchange)
    assert sum(proxy.connections) == last
    assert 2 == len(proxy.connections)


async def test_an_answer_said_twice_that_crosses_the_next_request_is_not_its_answer(pki: Path) -> None:
    proxy = Repeater(late=True)
    async with behind(proxy, pki) as exchange:
        assert [1, 3, 4] == [await asked(exchange) for _ in range(3)]
    assert [2, 2] == proxy.connections, "asked again on a new connection"


async def test_a_municipality_that_names_no_request_is_believed_and_its_connection_kept(pki: Path) -> None:
    proxy = Repeater(names=False)
    async with behind(proxy, pki) as exchange:
        assert [1, 2, 3] == [await asked(exchange) for _ in range(3)]
    assert [3] == proxy.connections


async def test_an_answer_to_another_request_on_a_new_connection_is_a_named_fault(pki: Path) -> None:
    async with behind(Repeater(names="another"), pki) as exchange:
        with pytest.raises(MunicipalityAnswerInvalid, match=f"journal_kept: {REQUEST_HEADER}"):
            await asked(exchange)
