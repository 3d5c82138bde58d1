"""A TCP relay that counts what it passes on."""

import asyncio
import contextlib
from dataclasses import dataclass


class CountingRelay:
    """Passes connections on to target_port of this machine.

    requests: how often the near side began to speak, first or after the far side. A kiosk that keeps its
    connection does so once a message; the handshake of a new one counts as one more. Bytes are those of
    TLS, handshakes included.
    """

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.connections = 0
        self.requests = 0
        self.bytes_sent = 0
        self.bytes_received = 0

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close everything; may be called twice."""
        if self._server is not None:
            self._server.close()
            for task in tuple(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._server.wait_closed()
            self._server = None

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        with contextlib.closing(writer):
            try:
                far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
                said = _Said()
                with contextlib.closing(far_writer):
                    await asyncio.gather(
                        self._pump(reader, far_writer, said, sent=True),
                        self._pump(far_reader, writer, said, sent=False),
                    )
            except OSError:
                """One side broke off; the other learns of it by the closing."""
            finally:
                self._tasks.discard(task)

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, said: "_Said", *, sent: bool
    ) -> None:
        while chunk := await source.read(65_536):
            if sent:
                self.requests += not said.by_near_side
                self.bytes_sent += len(chunk)
            else:
                self.bytes_received += len(chunk)
            said.by_near_side = sent
            sink.write(chunk)
            await sink.drain()
        if sink.can_write_eof():
            sink.write_eof()


@dataclass(slots=True)
class _Said:
    """Whose word the last one on a connection was."""

    by_near_side: bool = False
