"""The counting relay: every connection and byte, both ways, also when one side breaks off."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.figures.relay import CountingRelay


@asynccontextmanager
async def relay_to(answer: bytes) -> AsyncIterator[CountingRelay]:
    """A relay before a server that reads to the end, answers and hangs up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    relay = CountingRelay(server.sockets[0].getsockname()[1])
    await relay.start()
    try:
        yield relay
    finally:
        await relay.stop()
        await relay.stop()
        server.close()
        await server.wait_closed()


async def ask(relay: CountingRelay, question: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
    writer.write(question)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_connections_and_bytes_of_both_directions_are_counted() -> None:
    async with relay_to(b"x" * 100_000) as relay:
        assert 100_000 == len(await ask(relay, b"question"))
        assert b"x" == (await ask(relay, b"another"))[:1]
        assert (2, 15, 200_000) == (relay.connections, relay.bytes_sent, relay.bytes_received)
        assert 2 == relay.requests


async def test_a_server_that_is_gone_ends_the_connection_and_not_the_relay() -> None:
    async with relay_to(b"x") as relay:
        gone = CountingRelay(1)
        await gone.start()
        try:
            assert b"" == await ask(gone, b"")
            assert (1, 0, 0) == (gone.connections, gone.bytes_sent, gone.bytes_received)
        finally:
            await gone.stop()
        assert b"x" == await ask(relay, b"still there")


async def test_stopping_ends_connections_that_are_still_open() -> None:
    async with relay_to(b"x") as relay:
        reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
        writer.write(b"half a question")
        await writer.drain()
        async with asyncio.timeout(60):
            while relay.bytes_sent == 0:  # noqa: ASYNC110 - a relay tells nobody
                await asyncio.sleep(0.005)
            await relay.stop()
            assert b"" == await reader.read()
        writer.close()
