"""The card's end of vpcd: a TCP client that vpcd takes for a card in its slot.

Wire: two bytes length, then that many bytes. One byte is a control code (0 power off, 1 power on, 2 warm
reset, 4 what is your ATR?), anything longer an APDU. ATR and APDUs are answered in the same framing.
"""

import asyncio
import math
import socket
import time
from collections.abc import Callable

from tests.simulators.card.card import Torn, VirtualCard
from tests.simulators.card.two_cards import TwoCards

Lying = VirtualCard | TwoCards

VPCD_ADDRESS = ("127.0.0.1", 35963)
OTHER_SLOT_ADDRESS = ("127.0.0.1", 35964)
"""vpcd has two readers, `Virtual PCD 00 00` and `Virtual PCD 00 01`."""
POWER_OFF, POWER_ON, RESET, GET_ATR = 0, 1, 2, 4
RETRY_SECONDS = 0.02
LOOKS_AT_NOTHING = 2
"""The first may be made by the session that ends when its card leaves, and not by what watches the slot."""
HAND_SECONDS = 2.0
"""A slot empty for longer was seen empty: pcscd looks every 0.4 s."""


class ReaderSlot:
    """The place on a reader; holds at most one card and finds vpcd again after it restarted.

    torn: called when a card leaves by itself; the card that lies there then, or None.

    A card laid down behind another waits until pcscd has seen the slot empty, as a hand does. pcscd would
    take the two for one: of a card that left in the midst of a command it says that it is gone, and what
    watches its slot, which looks only now and then, finds one there as before and says nothing.
    """

    def __init__(
        self,
        torn: Callable[[Lying], Lying | None],
        address: tuple[str, int] = VPCD_ADDRESS,
    ) -> None:
        self._torn = torn
        self._address = address
        self.card: Lying | None = None
        self._serving: asyncio.Task[None] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._left_at = -math.inf

    async def insert(self, card: Lying) -> None:
        """Lay card down, in place of one that may lie there."""
        await self.remove()
        self.card = card
        card.lay_down()
        self._serving = asyncio.create_task(self._serve(card))

    async def remove(self) -> None:
        """Take the card away; vpcd sees its connection end."""
        if self.card is not None:
            self._left_at = time.monotonic()
        self.card = None
        if self._serving is not None:
            self._serving.cancel()
            await asyncio.gather(self._serving, return_exceptions=True)
            self._serving = None

    async def _serve(self, card: Lying) -> None:
        if time.monotonic() - self._left_at < HAND_SECONDS:
            for _ in range(LOOKS_AT_NOTHING):
                await self._seen_empty()
        while True:
            reader, self._writer = await self._connected()
            try:
                await self._converse(card, reader, self._writer)
            except (asyncio.IncompleteReadError, ConnectionError):
                await asyncio.sleep(RETRY_SECONDS)
            except Torn:
                self.card = self._torn(card)
                if self.card is None:
                    self._left_at = time.monotonic()
                    return
            finally:
                self._writer.transport.abort()
                card.forget()
            if self.card is not None and self.card is not card:
                card = self.card
                card.lay_down()

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """To vpcd, as soon as it runs."""
        while True:
            try:
                return await asyncio.open_connection(*self._address)
            except ConnectionError:
                await asyncio.sleep(RETRY_SECONDS)

    async def _seen_empty(self) -> None:
        """vpcd looks who is there, and nobody answers."""
        while True:
            reader, writer = await self._connected()
            try:
                await reader.readexactly(1)
            except (asyncio.IncompleteReadError, ConnectionError):
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return
            finally:
                writer.transport.abort()

    async def _converse(
        self, card: Lying, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        tcp = writer.get_extra_info("socket")
        tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            # vpcd writes length and payload apart: without this each APDU waits 40 ms for a delayed ACK
            tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            length = int.from_bytes(await reader.readexactly(2), "big")
            tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            answer = self._answer(card, await reader.readexactly(length))
            if length > 1 and card.faults.delay_ms:
                await asyncio.sleep(card.faults.delay_ms / 1000)
            if answer is not None:
                writer.write(len(answer).to_bytes(2, "big") + answer)

    def _answer(self, card: Lying, message: bytes) -> bytes | None:
        match list(message):
            case [code] if code == POWER_OFF:
                card.power_off()
            case [code] if code == POWER_ON:
                card.power_on()
            case [code] if code == RESET:
                card.reset()
            case [code] if code == GET_ATR:
                return card.character.atr
            case _:
                return card.transmit(message)
        return None
