"""The wire between print server and printer, which can lose the printer's answer to a document."""

import asyncio
from typing import Self

CHUNK_BYTES = 65536


class LossyWire:
    """Passes everything on to the printer's port; `lose_answer` once loses an answer, and the connection;
    `cut` takes the network away from a printer that goes on by itself.

    port: where the print server finds it. lost: set when an answer was lost. The printer has taken the
    document by then.
    """

    def __init__(self, printer_port: int) -> None:
        self._printer_port = printer_port
        self._armed = False
        self._is_cut = False
        self._server: asyncio.Server | None = None
        self._carrying: set[asyncio.Task[None]] = set()
        self.lost = asyncio.Event()

    @property
    def uri(self) -> str:
        assert self._server is not None
        return f"ipp://localhost:{self._server.sockets[0].getsockname()[1]}/ipp/print"

    def lose_answer(self) -> None:
        """The answer to the next document gets lost."""
        self.lost.clear()
        self._armed = True

    def cut(self) -> None:
        """Nothing passes, until `mend`."""
        self._is_cut = True
        for task in self._carrying:
            task.cancel()

    def mend(self) -> None:
        self._armed = self._is_cut = False

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in tuple(self._carrying):
            task.cancel()
        await asyncio.gather(*self._carrying, return_exceptions=True)
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None
        self._carrying.add(task)
        try:
            printer = await asyncio.open_connection("localhost", self._printer_port)
        except OSError:
            writer.transport.abort()
        else:
            await self._carry((reader, writer), printer)
        finally:
            self._carrying.discard(task)

    async def _carry(
        self,
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        printer: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        document = False

        async def there() -> None:
            nonlocal document
            while data := await server[0].read(CHUNK_BYTES):
                document = document or b"%PDF" in data
                printer[1].write(data)
                await printer[1].drain()

        async def back() -> None:
            while data := await printer[0].read(CHUNK_BYTES):
                if self._armed and document and data.startswith(b"HTTP/1.1 200"):
                    self._armed = False
                    self.lost.set()
                    return
                server[1].write(data)
                await server[1].drain()

        ways = [asyncio.create_task(there()), asyncio.create_task(back())]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for _, writer in (server, printer):
                writer.transport.abort()
