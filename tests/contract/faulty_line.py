"""A line that strikes one request, once: what a cable, a router or a middle box does to TLS.

It does not matter whether the request's connection is new or was kept from the one before. Before: behind
the handshake's first flight and before the server has read the request whole. After: once the server has
acted and its answer is on the way. A handshake brings no other bytes from the server behind the client's
second flight, as there are no session tickets.
"""

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import Literal

Fault = Literal["cut", "delay", "garble"]
When = Literal["before", "after"]


@dataclass(slots=True)
class _Passage:
    """One connection. flights: how often the client has sent. given_up: the client has gone."""

    fault: Fault | None = None
    when: When = "before"
    flights: int = 0
    given_up: asyncio.Event = field(default_factory=asyncio.Event)


class FaultyLine:
    """Relays to a port on this machine; `strike` spoils the next request, `break_for_good` every one."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []
        self._next: tuple[Fault, When] | None = None
        self._for_good: When | None = None
        self.struck = 0
        self.connections = 0
        self.port = 0

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def strike(self, fault: Fault, when: When) -> None:
        """The next request suffers this; a delay lasts until the client has given up."""
        self._next = (fault, when)

    def break_for_good(self, when: When) -> None:
        """From now on every request is cut there."""
        self._for_good = when

    def end_connections(self) -> None:
        """Every connection that stands is reset on both sides."""
        while self._writers:
            self._writers.pop().transport.abort()

    def listen_no_more(self) -> None:
        """Connections that stand go on; there will be no other."""
        if self._server is not None:
            self._server.close()

    def mend(self) -> None:
        """As good as new."""
        self._next, self._for_good = None, None

    async def stop(self) -> None:
        """Close everything."""
        if self._server is not None:
            self._server.close()
            for task in tuple(self._tasks):
                task.cancel()
            for writer in self._writers:
                writer.transport.abort()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._server.wait_closed()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        self._writers += [writer, far_writer]
        self.connections += 1
        passage = _Passage()
        for pump in (
            self._towards_server(passage, reader, far_writer, writer),
            self._towards_client(passage, far_reader, writer, far_writer),
        ):
            task = asyncio.create_task(pump)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _take(self, passage: _Passage) -> bool:
        """Whether a fault is waiting; it is this connection's then."""
        if self._for_good is not None:
            passage.fault, passage.when = "cut", self._for_good
        elif self._next is not None:
            (passage.fault, passage.when), self._next = self._next, None
        return passage.fault is not None

    async def _towards_server(
        self,
        passage: _Passage,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        client: asyncio.StreamWriter,
    ) -> None:
        held: list[bytes] = []
        with contextlib.suppress(ConnectionError):
            while chunk := await source.read(65_536):
                passage.flights += 1
                struck = passage.fault is None and passage.flights > 1 and self._take(passage)
                if passage.when == "after" or passage.fault is None:
                    sink.write(chunk)
                    continue
                self.struck += struck
                if passage.fault == "cut":
                    client.transport.abort()
                    sink.transport.abort()
                    return
                if passage.fault == "garble":
                    sink.write(chunk[:-1] + bytes([chunk[-1] ^ 1]))
                else:
                    held.append(chunk)
        passage.given_up.set()
        with contextlib.suppress(ConnectionError):
            # Late, when nobody waits any more: the server acts all the same.
            sink.writelines(held)
            if not held:
                sink.close()

    async def _towards_client(
        self,
        passage: _Passage,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        server: asyncio.StreamWriter,
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while chunk := await source.read(65_536):
                if passage.when == "before" or passage.fault is None:
                    sink.write(chunk)
                    continue
                self.struck += 1
                if passage.fault == "cut":
                    sink.transport.abort()
                    server.transport.abort()
                    return
                if passage.fault == "delay":
                    await passage.given_up.wait()
                    return
                sink.write(chunk[:-1] + bytes([chunk[-1] ^ 1]))
        sink.close()
