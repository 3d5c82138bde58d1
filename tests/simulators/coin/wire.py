"""The simulated ccTalk line: one pseudo-terminal, several slaves, and everything that can go wrong.

Speaks wire bytes only. An echo of every byte, as on the real one-wire bus, is on by default.
"""

import asyncio
import contextlib
import enum
import os
import tty
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

BYTE_SECONDS = 10 / 9600
OCTETS_A_STEP = 8
PARTIAL_FRAME_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class SeenFrame:
    """A frame the host sent. at: the loop's clock; address, header, data as they stood in it."""

    at: float
    address: int
    header: int
    data: bytes


class Silence(Exception):
    """The slave does not answer."""


class Slave(Protocol):
    """A device of the bus."""

    def answer(self, header: int, data: bytes) -> bytes | None:
        """The reply's data, None for NAK; raises Silence to say nothing."""


class Fault(enum.Enum):
    """What goes wrong with one exchange."""

    DEAF = "deaf"  # the slave does not hear the request
    LOST = "lost"  # it does what is asked, the reply is lost
    LATE = "late"  # it does what is asked, the reply comes late
    GARBLED = "garbled"  # it does what is asked, a bit of the reply is flipped


class Manner(enum.Enum):
    """How a device speaks as long as it is broken; it does what is asked all the same."""

    SILENT = "silent"  # never answers
    BABBLING = "babbling"  # answers with hundreds of bytes of nonsense
    DRIBBLING = "dribbling"  # answers with a byte of nonsense now and then
    LATE = "late"  # answers when nobody listens any more
    GARBLING = "garbling"  # a bit of every reply is flipped


BABBLE = bytes(range(1, 241))
DRIBBLE = BABBLE[:8]
DRIBBLE_SECONDS = 0.04
LATE_SECONDS = 0.3


def frame(destination: int, source: int, header: int, data: bytes) -> bytes:
    """The bytes of a ccTalk frame with its 8-bit checksum."""
    body = bytes((destination, len(data), source, header)) + data
    return body + bytes((-sum(body) % 256,))


@dataclass(slots=True)
class Line:
    """The pseudo-terminal behind `path`, a symbolic link that outlives its terminals."""

    path: Path
    echo: bool
    paced: bool
    slaves: dict[int, Slave]
    frames: list[SeenFrame] = field(default_factory=list)
    late_seconds: float = 0.0
    on_frame: Callable[[SeenFrame], None] | None = None
    on_bytes: Callable[[bytes], None] | None = None
    faults: list[tuple[Fault, int | None]] = field(default_factory=list)
    manners: dict[int, Manner] = field(default_factory=dict)
    _hung: list[int] = field(default_factory=list)
    _host_end: int = -1
    _slave_end: int = -1
    _heard: bytearray = field(default_factory=bytearray)
    _forget: asyncio.TimerHandle | None = None
    _outgoing: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)
    _pacer: asyncio.Task[None] | None = None

    @property
    def is_up(self) -> bool:
        return self._slave_end >= 0

    def plug_in(self) -> None:
        """Make a new pseudo-terminal and link it at path; harmless when plugged in."""
        if self.is_up:
            return
        # the host's end is held open here too, so that a host that closes it does not hang the line up
        self._slave_end, self._host_end = os.openpty()
        tty.setraw(self._slave_end)
        tty.setraw(self._host_end)
        os.set_blocking(self._slave_end, False)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(self._host_end))
        asyncio.get_running_loop().add_reader(self._slave_end, self._on_readable)
        if self.paced:
            self._pacer = asyncio.create_task(self._pace())

    def unplug(self) -> None:
        """Close the pseudo-terminal: the host gets a hang-up and the path is gone."""
        self.hang()
        for end in self._hung:
            os.close(end)
        self._hung.clear()
        self.path.unlink(missing_ok=True)

    def hang(self) -> None:
        """Keep the pseudo-terminal and answer nothing on it any more."""
        if not self.is_up:
            return
        asyncio.get_running_loop().remove_reader(self._slave_end)
        self._forget_partial()
        if self._pacer is not None:
            self._pacer.cancel()
        self._hung += [self._slave_end, self._host_end]
        self._slave_end = self._host_end = -1

    def send(self, octets: bytes) -> None:
        """A device speaks; lost if nobody takes it, as on a real wire."""
        if self.on_bytes is not None:
            self.on_bytes(octets)
        self._put(octets)

    def _put(self, octets: bytes) -> None:
        if self.paced:
            self._outgoing.put_nowait(octets)
        elif self.is_up:
            with contextlib.suppress(BlockingIOError):
                os.write(self._slave_end, octets)

    async def _pace(self) -> None:
        while True:
            octets = await self._outgoing.get()
            for begin in range(0, len(octets), OCTETS_A_STEP):
                step = octets[begin : begin + OCTETS_A_STEP]
                await asyncio.sleep(len(step) * BYTE_SECONDS)
                with contextlib.suppress(BlockingIOError):
                    os.write(self._slave_end, step)

    def _on_readable(self) -> None:
        heard = os.read(self._slave_end, 4096)
        if self.on_bytes is not None:
            self.on_bytes(heard)
        if self.echo:
            self._put(heard)
        self._heard += heard
        while len(self._heard) >= 5 and len(self._heard) >= 5 + self._heard[1]:
            size = 5 + self._heard[1]
            whole = bytes(self._heard[:size])
            del self._heard[:size]
            if sum(whole) % 256:
                self._heard.clear()
                break
            self._serve(whole)
        if self._forget is not None:
            self._forget.cancel()
        self._forget = asyncio.get_running_loop().call_later(PARTIAL_FRAME_SECONDS, self._forget_partial)

    def _goes_wrong(self, fault: Fault, header: int) -> bool:
        for planned in ((fault, header), (fault, None)):
            if planned in self.faults:
                self.faults.remove(planned)
                return True
        return False

    def _forget_partial(self) -> None:
        self._heard.clear()
        if self._forget is not None:
            self._forget.cancel()
            self._forget = None

    def _serve(self, whole: bytes) -> None:
        address, header, data = whole[0], whole[3], whole[4:-1]
        seen = SeenFrame(asyncio.get_running_loop().time(), address, header, data)
        self.frames.append(seen)
        slave = self.slaves.get(address)
        if slave is None or self._goes_wrong(Fault.DEAF, header):
            return
        try:
            answer = slave.answer(header, data)
        except Silence:
            return
        if self.on_frame is not None:
            self.on_frame(seen)
        if self._goes_wrong(Fault.LOST, header):
            return
        reply = frame(1, address, 5, b"") if answer is None else frame(1, address, 0, answer)
        if self._goes_wrong(Fault.GARBLED, header):
            reply = _flipped(reply)
        if self._goes_wrong(Fault.LATE, header):
            asyncio.get_running_loop().call_later(self.late_seconds, self.send, reply)
        else:
            self._speak(reply, self.manners.get(address))

    def _speak(self, reply: bytes, manner: Manner | None) -> None:
        loop = asyncio.get_running_loop()
        match manner:
            case None:
                self.send(reply)
            case Manner.SILENT:
                pass
            case Manner.BABBLING:
                self.send(BABBLE)
            case Manner.DRIBBLING:
                for turn, octet in enumerate(DRIBBLE):
                    loop.call_later(turn * DRIBBLE_SECONDS, self.send, bytes((octet,)))
            case Manner.LATE:
                loop.call_later(LATE_SECONDS, self.send, reply)
            case Manner.GARBLING:
                self.send(_flipped(reply))


def _flipped(reply: bytes) -> bytes:
    return reply[:-1] + bytes((reply[-1] ^ 0x40,))
