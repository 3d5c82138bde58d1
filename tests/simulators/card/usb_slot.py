"""The card's end of a USB reader in an emulated machine: QEMU's ccid-card-passthru.

Wire: three words of 32 bits, most significant byte first (type, reader, length), then that many bytes.
Source: libcacard 2.8, src/vscard_common.h; QEMU 7.2, hw/usb/ccid-card-passthru.c.
"""

import asyncio
import contextlib
import struct
from pathlib import Path

from tests.simulators.card.card import Torn, VirtualCard

INIT, ERROR, READER_ADD, READER_REMOVE, ATR, CARD_REMOVE, APDU = range(1, 8)
_HEADER = struct.Struct(">III")
_VERSION_0_0_2 = 2
_HELLO = b"VSCD" + struct.pack(">II", _VERSION_0_0_2, 0)
_RETRY_SECONDS = 0.1


class UsbSlot:
    """The place on a reader; finds the machine again after a power cut.

    QEMU's reader tells nobody when it powers the card: it is on while it lies there.

    socket: where QEMU listens for the card.
    """

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._writer: asyncio.StreamWriter | None = None
        self._card: VirtualCard | None = None
        self._serving: asyncio.Task[None] | None = None

    async def insert(self, card: VirtualCard) -> None:
        """Lay card down, in place of one that may lie there."""
        await self.remove()
        card.lay_down()
        card.power_on()
        self._card = card
        if self._serving is None:
            self._serving = asyncio.create_task(self._serve(), name="usb card")
        else:
            self._send(ATR, card.character.atr)

    async def remove(self) -> None:
        """Take the card away; the reader tells its machine."""
        if self._card is not None:
            self._card.power_off()
            self._card = None
            self._send(CARD_REMOVE)

    def plugged_in(self) -> None:
        """The reader was plugged in anew: its end knows nothing of before."""
        if self._writer is not None:
            self._greet()

    async def stop(self) -> None:
        """Leave the machine; may be called twice."""
        if self._serving is not None:
            self._serving.cancel()
            await asyncio.gather(self._serving, return_exceptions=True)
            self._serving = None

    async def _serve(self) -> None:
        while True:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                reader, self._writer = await asyncio.open_unix_connection(self._socket)
                try:
                    self._greet()
                    await self._converse(reader)
                finally:
                    self._writer.transport.abort()
                    self._writer = None
                    if self._card is not None:
                        self._card.power_off()
            await asyncio.sleep(_RETRY_SECONDS)

    def _greet(self) -> None:
        self._send(INIT, _HELLO)
        self._send(READER_ADD, b"reader\0")
        if self._card is not None:
            self._card.power_on()
            self._send(ATR, self._card.character.atr)

    async def _converse(self, reader: asyncio.StreamReader) -> None:
        while True:
            kind, _, length = _HEADER.unpack(await reader.readexactly(_HEADER.size))
            body = await reader.readexactly(length)
            card = self._card
            if kind != APDU or card is None:
                continue
            try:
                answer = card.transmit(body)
            except Torn:
                await self.remove()
                continue
            if answer is not None:
                self._send(APDU, answer)

    def _send(self, kind: int, body: bytes = b"") -> None:
        if self._writer is not None:
            self._writer.write(_HEADER.pack(kind, 0, len(body)) + body)
