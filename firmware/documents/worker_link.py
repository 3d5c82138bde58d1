"""Two ways to a document worker: a child of the daemon, or a unit that systemd starts for each connection.

Either is one process for one visit, and `gone` returns only when that process can do nothing any more.
"""

import asyncio
import contextlib
import socket
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, Self

_ANSWER_BYTES = 65536


class WorkerLink(Protocol):
    """The way to one worker; used once."""

    def alive(self) -> bool:
        """False once it has ended."""

    async def send(self, frame: bytes) -> None:
        """Raises OSError if it takes no more."""

    async def receive(self, size: int) -> bytes:
        """So many bytes of its answer. Raises OSError or EOFError if it ended before."""

    def kill(self) -> None:
        """End it, whatever it does; harmless when it has ended."""

    async def gone(self) -> int | None:
        """Wait until it has ended; its exit status, None if nobody tells."""


class ChildLink:
    """A worker that is this process's own child."""

    def __init__(self, process: Process) -> None:
        self._process = process

    @classmethod
    async def open(cls, command: Sequence[str]) -> Self:
        """Start one. Raises OSError."""
        # A session of its own: a Ctrl-C at the daemon's terminal must not tear a print in two.
        return cls(
            await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, start_new_session=True)
        )

    def alive(self) -> bool:
        """See WorkerLink."""
        process = self._process
        return process.returncode is None and process.stdout is not None and not process.stdout.at_eof()

    async def send(self, frame: bytes) -> None:
        """See WorkerLink."""
        if self._process.stdin is None:
            raise BrokenPipeError
        self._process.stdin.write(frame)
        await self._process.stdin.drain()

    async def receive(self, size: int) -> bytes:
        """See WorkerLink."""
        if self._process.stdout is None:
            raise EOFError
        return await self._process.stdout.readexactly(size)

    def kill(self) -> None:
        """See WorkerLink."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def gone(self) -> int | None:
        """See WorkerLink."""
        return await self._process.wait()


class UnitLink:
    """A worker that systemd starts for this connection (Accept=yes), as another user, out of our reach.

    It kills itself when our side of the connection goes (`firmware.documents.worker.seclude`). The end of
    its side is the kernel's word that it is over: no process has that socket any more.
    """

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._one_reader = asyncio.Lock()

    @classmethod
    async def open(cls, path: Path) -> Self:
        """Start one. Raises OSError."""
        link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        link.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(link, str(path))
        except BaseException:
            link.close()
            raise
        return cls(link)

    def alive(self) -> bool:
        """See WorkerLink."""
        try:
            return bool(self._link.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            return True
        except OSError:
            return False

    async def send(self, frame: bytes) -> None:
        """See WorkerLink."""
        await asyncio.get_running_loop().sock_sendall(self._link, frame)

    async def receive(self, size: int) -> bytes:
        """See WorkerLink."""
        loop = asyncio.get_running_loop()
        answer = bytearray()
        async with self._one_reader:
            while len(answer) < size:
                part = await loop.sock_recv(self._link, min(size - len(answer), _ANSWER_BYTES))
                if not part:
                    raise EOFError
                answer += part
        return bytes(answer)

    def kill(self) -> None:
        """See WorkerLink."""
        with contextlib.suppress(OSError):
            self._link.shutdown(socket.SHUT_WR)

    async def gone(self) -> int | None:
        """See WorkerLink."""
        loop = asyncio.get_running_loop()
        async with self._one_reader:
            with contextlib.suppress(OSError):
                while self._link.fileno() >= 0 and await loop.sock_recv(self._link, _ANSWER_BYTES):
                    pass
            self._link.close()
        return None
