"""The line between kiosk and municipality: a TCP relay that can be cut or slowed."""

import asyncio
import contextlib
from typing import Literal

NetworkMode = Literal["ok", "cut", "slow"]
SLOW_SECONDS = 1.0


class Network:
    """Relays every connection to the target port on this machine; cut drops all and takes none."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.mode: NetworkMode = "ok"
        self.port = 0

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def set_mode(self, mode: NetworkMode) -> None:
        """Change the line; cutting it breaks what is open."""
        self.mode = mode
        if mode == "cut":
            for writer in tuple(self._writers):
                writer.transport.abort()

    async def stop(self) -> None:
        """Close everything; may be called twice."""
        if self._server is not None:
            self._server.close()
            self.set_mode("cut")
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._server.wait_closed()
            self._server = None

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.mode == "cut":
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            writer.transport.abort()
            return
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            self._writers.add(sink)
            task = asyncio.create_task(self._pump(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while chunk := await source.read(65_536):
                if self.mode == "slow":
                    await asyncio.sleep(SLOW_SECONDS)
                sink.write(chunk)
                await sink.drain()
        self._writers.discard(sink)
        sink.close()
