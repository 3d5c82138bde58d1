"""The ccTalk bus: one line, one request at a time, answers that can be believed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Self

from firmware.errors import DeviceGone, MadoguchiError
from firmware.logbook import EventId, Logbook
from hw.coin.cctalk import HOST_ADDRESS, Answer, Frame, Garbled, Header, decode, encode, without_echo
from hw.serial_line import SerialLine

ANSWERS = frozenset(Answer)
LONGEST_FLUSH_SILENCES = 5
"""How many silences long a babbling line is waited for; the other device must be polled meanwhile."""

LONGEST_REPLY_SECONDS = 0.05
"""From the latest first byte of a reply to its last: 48 bytes, and no device says more than 40."""

OPTIONAL_TRIES = 2
"""One lost frame must not pass for a device that does not know the question."""


class NotExecuted(MadoguchiError, RuntimeError):
    """The device answered NAK or BUSY: it understood and did not do it."""


class CcTalkBus:
    """The host's side of one ccTalk line, shared by the acceptor and the hopper.

    One attempt is served at a time: the urgent ones first, then in the order they are asked for. So
    devices that are silent, however many, cannot keep the acceptor's polls waiting for longer than one
    attempt; `held` keeps a few requests together. The line is opened by the first request and again
    after it was lost.

    path, baud: the tty, see SerialLine.
    reply_seconds: how long a device may take to answer. gap_seconds: the longest pause inside a
    frame. silence_seconds: how long the line must be quiet after a garbled frame.
    tries: attempts of a request that is safe to repeat. reopen_attempts: after so many attempts
    without a usable answer of any device the line itself is opened anew, since a serial adapter may
    hang or come back elsewhere without hanging up.
    """

    def __init__(
        self,
        log: Logbook,
        *,
        path: str,
        baud: int = 9600,
        reply_seconds: float = 0.25,
        gap_seconds: float = 0.05,
        silence_seconds: float = 0.06,
        tries: int = 3,
        reopen_attempts: int = 12,
    ) -> None:
        self._log = log
        self._line = SerialLine(path, baud)
        self._byte_seconds = 10 / baud
        self._reply_seconds = reply_seconds
        self._gap_seconds = gap_seconds
        self._silence_seconds = silence_seconds
        self._tries = tries
        self._reopen_attempts = reopen_attempts
        self._turn = asyncio.Lock()
        self._urgent = 0
        self._holder: asyncio.Task[object] | None = None
        self._clean = True
        self._useless_attempts = 0
        self._garbled_count = 0
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the line back for good; whoever waits for an answer gets DeviceGone."""
        self._closed = True
        self._line.close()

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Urgent; nobody else is served while this task is inside: for requests that must not take long."""
        with self._waiting(urgent=True):
            async with self._turn:
                self._holder = asyncio.current_task()
                try:
                    yield
                finally:
                    self._holder = None

    async def ask(
        self,
        address: int,
        header: Header,
        data: bytes = b"",
        *,
        length: int | None,
        reply_seconds: float | None = None,
        urgent: bool = False,
    ) -> bytes:
        """Send a request that is safe to repeat; the data of its reply.

        length: of the reply's data, None if it varies. urgent: others wait for it, and do not wait
        for a noisy line to fall silent before it. Raises DeviceGone when no try brought a usable answer,
        NotExecuted when the last one brought NAK or BUSY.
        """
        for _ in range(self._tries - 1):
            try:
                request = Frame(address, HOST_ADDRESS, header, data)
                return await self._attempt(request, (length,), reply_seconds, urgent=urgent)
            except (TimeoutError, Garbled, NotExecuted):
                continue
        return await self.ask_once(
            address, header, data, lengths=(length,), reply_seconds=reply_seconds, urgent=urgent
        )

    async def ask_if_known(
        self, address: int, header: Header, *, length: int | None, urgent: bool = False
    ) -> bytes | None:
        """Ask for what a device need not know; None when it stays silent or refuses, twice.

        ccTalk devices say nothing to headers they do not know. Raises DeviceGone when the line is lost.
        """
        for _ in range(OPTIONAL_TRIES):
            try:
                return await self._attempt(
                    Frame(address, HOST_ADDRESS, header), (length,), None, urgent=urgent
                )
            except (TimeoutError, Garbled, NotExecuted):
                continue
        return None

    async def ask_once(
        self,
        address: int,
        header: Header,
        data: bytes = b"",
        *,
        lengths: tuple[int | None, ...],
        reply_seconds: float | None = None,
        urgent: bool = False,
    ) -> bytes:
        """Send a request exactly once.

        Raises DeviceGone when no usable answer came, and then the request may have been carried
        out or not; NotExecuted after NAK or BUSY.
        """
        try:
            request = Frame(address, HOST_ADDRESS, header, data)
            return await self._attempt(request, lengths, reply_seconds, urgent=urgent)
        except (TimeoutError, Garbled) as cause:
            raise DeviceGone(f"ccTalk address {address} gives no usable answer") from cause

    async def _attempt(
        self, request: Frame, lengths: tuple[int | None, ...], reply_seconds: float | None, *, urgent: bool
    ) -> bytes:
        if self._holder is not None and self._holder is asyncio.current_task():
            await self._prepare_line(urgent=True)
            return await self._serve(request, lengths, reply_seconds)
        with self._waiting(urgent):
            while True:
                async with self._turn:
                    if (urgent or not self._urgent) and await self._prepare_line(urgent=urgent):
                        return await self._serve(request, lengths, reply_seconds)
                # Whoever is urgent may be cancelled just now: without a pause nobody else would ever run.
                await asyncio.sleep(0)

    @contextlib.contextmanager
    def _waiting(self, urgent: bool) -> Iterator[None]:
        self._urgent += urgent
        try:
            yield
        finally:
            self._urgent -= urgent

    async def _serve(
        self, request: Frame, lengths: tuple[int | None, ...], reply_seconds: float | None
    ) -> bytes:
        self._clean = False
        self._useless_attempts += 1
        try:
            reply = _checked(await self._exchange(request, reply_seconds), request, lengths)
        except Garbled:
            self._note_garbled(request.destination, request.header)
            raise
        self._clean = True
        self._useless_attempts = 0
        if reply.header != Answer.REPLY:
            raise NotExecuted(f"ccTalk answer {reply.header}")
        return reply.data

    async def _prepare_line(self, *, urgent: bool) -> bool:
        """True when the line is ready; False when somebody more urgent must have it first."""
        if self._closed:
            raise DeviceGone("ccTalk bus is closed")
        if self._useless_attempts >= self._reopen_attempts:
            self._line.close()
        if not self._line.is_open:
            self._line.open()
            self._clean = True
            self._useless_attempts = 0
        if not self._clean and not await self._wait_for_silence(urgent=urgent):
            return False
        self._line.discard_input()
        return True

    async def _wait_for_silence(self, *, urgent: bool) -> bool:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + LONGEST_FLUSH_SILENCES * self._silence_seconds
        while loop.time() < deadline:
            if self._urgent and not urgent:
                return False
            try:
                await self._line.read_some(self._silence_seconds)
            except TimeoutError:
                return True
        return True

    async def _exchange(self, request: Frame, reply_seconds: float | None) -> Frame:
        sent = encode(request)
        seconds = (reply_seconds or self._reply_seconds) + len(sent) * self._byte_seconds
        await self._line.write(sent, seconds)
        deadline = asyncio.get_running_loop().time() + seconds
        received = b""
        answer: bytes | None = None
        while True:
            received += await self._line.read_some(self._patience(answer, deadline))
            answer = without_echo(sent, received)
            reply = None if answer is None else decode(answer)
            if reply is not None:
                return reply

    def _patience(self, answer: bytes | None, deadline: float) -> float:
        left_seconds = deadline - asyncio.get_running_loop().time()
        if answer is None:
            return max(0.0, left_seconds)
        return max(0.0, min(self._gap_seconds, left_seconds + LONGEST_REPLY_SECONDS))

    def _note_garbled(self, address: int, header: int) -> None:
        """Log the 1st, 2nd, 4th, 8th … garbled frame: a noisy line must not fill the disk."""
        self._garbled_count += 1
        if self._garbled_count & (self._garbled_count - 1) == 0:
            self._log(EventId.CCTALK_GARBLED, device=address, header=header, count=self._garbled_count)


def _checked(reply: Frame, request: Frame, lengths: tuple[int | None, ...]) -> Frame:
    if (reply.destination, reply.source) != (HOST_ADDRESS, request.destination):
        raise Garbled("reply of another device")
    if reply.header not in ANSWERS:
        raise Garbled("not a reply")
    if reply.header == Answer.REPLY and None not in lengths and len(reply.data) not in lengths:
        raise Garbled("length of the reply")
    return reply
