"""An asyncio byte link over a serial line (tty), without a thread.

pyserial opens and configures the port; bytes then move through the loop's readiness callbacks.
Framing, retries and reconnecting are the user's business: a line that is gone stays closed until
`open` is called again.
"""

import asyncio
import contextlib
import os
import termios

import serial

from firmware.errors import DeviceGone

UNREAD_LIMIT = 65536
"""Bytes kept for a reader that does not come; what a babbling device sends beyond is dropped."""


class SerialLine:
    """One serial line, 8N1, held exclusively while open. At most one reader and one writer at a time.

    path: the tty, best a /dev/serial/by-path name, which survives another order of plugging in.
    baud: bits per second.
    """

    def __init__(self, path: str, baud: int = 9600) -> None:
        self._path = path
        self._baud = baud
        self._port: serial.Serial | None = None
        self._received = bytearray()
        self._arrived = asyncio.Event()
        self._writable = asyncio.Event()

    @property
    def is_open(self) -> bool:
        """False before `open`, after `close`, and from the moment the line is found gone."""
        return self._port is not None

    def open(self) -> None:
        """Take the line for this process; needs a running loop. Harmless when open.

        Raises DeviceGone if there is no such tty, it cannot be configured or somebody else holds it.
        """
        if self._port is not None:
            return
        try:
            self._port = serial.Serial(
                self._path,
                self._baud,
                exclusive=True,
                timeout=0,
                # makes pyserial set VMIN=1: an empty read then means hang-up and nothing else
                inter_byte_timeout=0,
            )
        except (OSError, termios.error) as cause:
            raise DeviceGone("serial line cannot be opened") from cause
        self._received.clear()
        asyncio.get_running_loop().add_reader(self._port.fileno(), self._on_readable)

    def close(self) -> None:
        """Give the line back; a waiting read or write ends with DeviceGone. May be called twice."""
        port, self._port = self._port, None
        if port is None:
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(port.fileno())
        loop.remove_writer(port.fileno())
        self._arrived.set()
        self._writable.set()
        with contextlib.suppress(OSError, termios.error):
            port.close()

    async def write(self, data: bytes, seconds: float) -> None:
        """Hand all of data to the kernel within seconds; they may still be on their way to the wire.

        Raises DeviceGone, or TimeoutError after which a part of data may have been sent.
        """
        rest = memoryview(data)
        async with asyncio.timeout(seconds):
            while rest:
                fd = self._fd()
                try:
                    rest = rest[os.write(fd, rest) :]
                except BlockingIOError:
                    await self._wait_writable(fd)
                except OSError as cause:
                    self.close()
                    raise DeviceGone("serial line was lost while writing") from cause

    async def read(self, count: int, seconds: float) -> bytes:
        """Exactly count bytes.

        Raises DeviceGone, or TimeoutError; bytes that came before stay for the next read.
        """
        await self._wait_for(count, seconds)
        return self._take(count)

    async def read_some(self, seconds: float) -> bytes:
        """Whatever has come, at least one byte. Raises DeviceGone or TimeoutError."""
        await self._wait_for(1, seconds)
        return self._take(len(self._received))

    def discard_input(self) -> None:
        """Forget everything received and not yet read. Raises DeviceGone."""
        fd = self._fd()
        self._received.clear()
        try:
            termios.tcflush(fd, termios.TCIFLUSH)
        except (OSError, termios.error) as cause:
            self.close()
            raise DeviceGone("serial line was lost") from cause

    def _fd(self) -> int:
        if self._port is None:
            raise DeviceGone("serial line is gone or not open")
        return self._port.fileno()

    def _take(self, count: int) -> bytes:
        taken = bytes(self._received[:count])
        del self._received[:count]
        return taken

    def _on_readable(self) -> None:
        try:
            arrived = os.read(self._fd(), 4096)
        except BlockingIOError:
            return
        except OSError:
            arrived = b""
        if not arrived:
            self.close()
            return
        self._received += arrived
        del self._received[UNREAD_LIMIT:]
        self._arrived.set()

    async def _wait_for(self, count: int, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                while len(self._received) < count:
                    self._fd()
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            # a stalled loop finds bytes and deadline at once: what has come in time counts
            if len(self._received) < count:
                raise

    async def _wait_writable(self, fd: int) -> None:
        self._writable.clear()
        loop = asyncio.get_running_loop()
        loop.add_writer(fd, self._writable.set)
        try:
            await self._writable.wait()
        finally:
            if self._port is not None:
                loop.remove_writer(fd)
