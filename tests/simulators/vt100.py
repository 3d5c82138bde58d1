"""A VT100 at the other end of a line: what a program draws is what it shows."""

import asyncio
import contextlib
import fcntl
import os
import struct
import termios
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyte

SECONDS = 60.0
PROMPT = "madoguchi>"


@dataclass
class Vt100:
    """A terminal of 24 lines.

    octets: how many it was sent. seconds: how long it waits for anything.
    """

    master: int
    process: asyncio.subprocess.Process
    seconds: float = SECONDS
    screen: pyte.HistoryScreen = field(default_factory=lambda: pyte.HistoryScreen(80, 24, history=2000))
    octets: int = 0
    sent: bytes = b""
    mark: int = 0

    def __post_init__(self) -> None:
        self._stream = pyte.ByteStream(self.screen)
        self._drew = asyncio.Event()
        asyncio.get_running_loop().add_reader(self.master, self._draw)

    def _draw(self) -> None:
        try:
            octets = os.read(self.master, 65_536)
        except OSError:
            octets = b""
        if not octets:
            asyncio.get_running_loop().remove_reader(self.master)
        self.octets += len(octets)
        self.sent += octets
        self._stream.feed(octets)
        self._drew.set()

    @property
    def shown(self) -> str:
        """Every line since the terminal was switched on."""
        above = ["".join(line[x].data for x in range(80)).rstrip() for line in self.screen.history.top]
        return "\n".join([*above, *(line.rstrip() for line in self.screen.display)]).rstrip()

    async def sees(self, text: str) -> str:
        """Wait for text in what came since the last line typed; what came."""
        async with asyncio.timeout(self.seconds):
            while text not in (shown := self._since()):
                self._drew.clear()
                await self._drew.wait()
        return shown

    def unplug(self) -> None:
        """Nothing is at this end any more; may be called twice."""
        if self.master >= 0:
            asyncio.get_running_loop().remove_reader(self.master)
            os.close(self.master)
            self.master = -1

    async def hangs_up(self) -> int:
        """The carrier is lost; how the program ended."""
        self.unplug()
        async with asyncio.timeout(self.seconds):
            return await self.process.wait()

    def interrupts(self) -> None:
        """Ctrl-C."""
        os.write(self.master, b"\x03")

    async def prompted(self) -> None:
        """Wait for the prompt."""
        async with asyncio.timeout(self.seconds):
            while not self.shown.endswith(PROMPT):
                self._drew.clear()
                await self._drew.wait()

    async def keys(self, text: str) -> None:
        """One key after the other, each when the one before stands there."""
        for typed in range(1, len(text) + 1):
            os.write(self.master, text[typed - 1].encode())
            if text[typed - 1] != "\r":
                await self.sees(f"{PROMPT} {text[:typed]}")

    async def types(self, line: str) -> None:
        """At the prompt."""
        await self.prompted()
        self.says(line)
        await self.sees(line)

    async def completes(self, begun: str, whole: str) -> None:
        """Type the beginning and Tab; the whole word stands there, and Enter gives it."""
        await self.sees(PROMPT)
        self.says(f"{begun}\t", end="")
        await self.sees(f"{PROMPT} {whole}")
        os.write(self.master, b"\r")

    def says(self, line: str, end: str = "\r") -> None:
        """Whatever is asked."""
        self.mark = self.shown.count("\n")
        os.write(self.master, f"{line}{end}".encode())

    async def answers(self, line: str) -> str:
        """Type a command; all it said until the next prompt."""
        await self.types(line)
        async with asyncio.timeout(self.seconds):
            while not (self.shown.endswith(PROMPT) and self.shown.count("\n") > self.mark):
                self._drew.clear()
                await self._drew.wait()
        return self._since()

    def _since(self) -> str:
        return "\n".join(self.shown.split("\n")[self.mark :])


@asynccontextmanager
async def vt100(command: Sequence[str], folder: Path, *, seconds: float = SECONDS) -> AsyncIterator[Vt100]:
    """The command on a line of its own, in folder, with the terminal at its other end."""
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
    environment = {**os.environ, "TERM": "vt100", "LANG": "C.UTF-8"}
    environment.pop("LC_ALL", None)
    # As init starts it: whoever runs the tests in the background hands down signals that are ignored.
    fresh = ("setsid", "--ctty", "env", "--default-signal=HUP,INT,QUIT")
    process = await asyncio.create_subprocess_exec(
        *fresh, *command, stdin=slave, stdout=slave, stderr=slave, cwd=folder, env=environment
    )
    os.close(slave)
    line = Vt100(master, process, seconds)
    try:
        yield line
    finally:
        line.unplug()
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
