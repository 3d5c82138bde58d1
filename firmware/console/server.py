"""The daemon's end of the console: a Unix socket that only its user, root and one group may open."""

import asyncio
import grp
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

from firmware.console.sayings import say_in
from firmware.console.wire import MOST_BYTES, Answer, AnyRequest, to_line, to_request
from firmware.core.wording import Say, Sentence
from firmware.errors import ConsoleError, OfficeRefused
from firmware.logbook import EventId, Logbook

Act = Callable[[AnyRequest, str], Awaitable[Sentence | Answer]]
"""(request, who asks) -> what was done. Raises OfficeRefused."""

_PEER = struct.Struct("3i")  # pid, uid, gid of SO_PEERCRED, see unix(7)


class ConsoleServer:
    """Listens at path until closed. group: who may connect beside the daemon's user; empty for nobody.

    A socket that cannot be made is logged: a kiosk without a console serves residents all the same.
    read_seconds: how long a client may take to say what it wants.
    """

    def __init__(
        self, path: Path, act: Act, log: Logbook, *, group: str = "", read_seconds: float = 5.0
    ) -> None:
        self._path = path
        self._act = act
        self._log = log
        self._group = group
        self._read_seconds = read_seconds
        self._server: asyncio.Server | None = None
        self._talks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            bound = self._bound()
            self._share()
            self._server = await asyncio.start_unix_server(self._talk, sock=bound, limit=MOST_BYTES)
        except OSError as error:
            self._log(EventId.CONSOLE_GONE, error=type(error).__name__)

    async def close(self) -> None:
        """Listen no more; a request under way goes unanswered. May be called twice."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
            for talk in self._talks:
                talk.cancel()
            await asyncio.gather(*self._talks, return_exceptions=True)
            self._path.unlink(missing_ok=True)

    def _bound(self) -> socket.socket:
        """A socket at the path that nobody but its owner may open; nobody can connect to it yet."""
        self._path.unlink(missing_ok=True)
        bound = socket.socket(socket.AF_UNIX)
        try:
            bound.bind(str(self._path))
            self._path.chmod(0o600)
        except OSError:
            bound.close()
            raise
        return bound

    def _share(self) -> None:
        """Let the group in; one that cannot be given the socket leaves it to its owner."""
        if not self._group:
            return
        try:
            number = grp.getgrnam(self._group).gr_gid
            # In the unit's folder it is the group's already, and its filter lets nobody change that.
            if self._path.stat().st_gid != number:
                os.chown(self._path, -1, number)
            self._path.chmod(0o660)
        except (OSError, KeyError) as error:
            self._log(EventId.CONSOLE_REFUSED, error=type(error).__name__)

    def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._answer(reader, writer), name="console")
        self._talks.add(task)
        task.add_done_callback(self._talks.discard)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(to_line(await self._answer_to(reader, _who(writer))))
            await writer.drain()
        except (ConnectionError, TimeoutError):
            return  # whoever asked has gone; what was done is in the journal
        finally:
            writer.close()

    async def _answer_to(self, reader: asyncio.StreamReader, who: str) -> Answer:
        say: Say = str
        try:
            async with asyncio.timeout(self._read_seconds):
                line = await reader.readline()
            request = to_request(line)
            say = say_in(request.language)
            done = await self._act(request, who)
            return done if isinstance(done, Answer) else Answer(done=True, text=say(done))
        except (OfficeRefused, ConsoleError) as refused:
            self._log(EventId.CONSOLE_REFUSED, error=type(refused).__name__)
            return Answer(done=False, text=say(refused.sentence))
        except ValueError as refused:
            self._log(EventId.CONSOLE_REFUSED, error=type(refused).__name__)
            return Answer(done=False, text=str(refused))


def _who(writer: asyncio.StreamWriter) -> str:
    """The user at the other end, by the kernel's word."""
    peer: socket.socket = writer.get_extra_info("socket")
    _, uid, _ = _PEER.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
    return f"uid:{uid}"
