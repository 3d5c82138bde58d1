"""The card at the wire of an emulated USB reader, as QEMU sees it."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.simulators.card.card import Faults, VirtualCard
from tests.simulators.card.characters import BUILT_IN
from tests.simulators.card.usb_slot import APDU, ATR, CARD_REMOVE, INIT, READER_ADD, UsbSlot

Message = tuple[int, bytes]
CARD = next(iter(BUILT_IN))
SELECT_NOTHING = bytes.fromhex("00A4040C0100")


class Reader:
    """QEMU's end: listens, and takes one card after the other."""

    def __init__(self) -> None:
        self.connections: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
        self.ends: list[asyncio.StreamWriter] = []

    def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.ends.append(writer)
        self.connections.put_nowait((reader, writer))

    async def hears(self, reader: asyncio.StreamReader) -> Message:
        kind, number, length = struct.unpack(">III", await reader.readexactly(12))
        assert number == 0
        return kind, await reader.readexactly(length)


@asynccontextmanager
async def _reader(socket: Path) -> AsyncIterator[Reader]:
    qemu = Reader()
    server = await asyncio.start_unix_server(qemu.connected, socket)
    try:
        yield qemu
    finally:
        server.close()
        for end in qemu.ends:
            end.close()
        await asyncio.gather(*(end.wait_closed() for end in qemu.ends), return_exceptions=True)


def _card() -> VirtualCard:
    return VirtualCard(BUILT_IN[CARD], Faults())


async def test_a_card_greets_answers_and_leaves(tmp_path: Path) -> None:
    async with asyncio.timeout(60), _reader(tmp_path / "card") as qemu:
        slot, card = UsbSlot(tmp_path / "card"), _card()
        await slot.insert(card)
        reader, writer = await qemu.connections.get()
        assert (INIT, b"VSCD" + struct.pack(">II", 2, 0)) == await qemu.hears(reader)
        assert READER_ADD == (await qemu.hears(reader))[0]
        assert (ATR, card.character.atr) == await qemu.hears(reader)
        writer.write(struct.pack(">III", APDU, 0, len(SELECT_NOTHING)) + SELECT_NOTHING)
        kind, answer = await qemu.hears(reader)
        assert (APDU, True) == (kind, len(answer) >= 2)
        await slot.remove()
        assert (CARD_REMOVE, b"") == await qemu.hears(reader)
        await slot.stop()


async def test_a_card_that_lies_there_is_told_of_again_after_a_power_cut(tmp_path: Path) -> None:
    async with asyncio.timeout(60), _reader(tmp_path / "card") as qemu:
        slot, card = UsbSlot(tmp_path / "card"), _card()
        await slot.insert(card)
        _, writer = await qemu.connections.get()
        writer.close()
        reader, writer = await qemu.connections.get()
        heard = [await qemu.hears(reader) for _ in range(3)]
        assert [INIT, READER_ADD, ATR] == [kind for kind, _ in heard]
        await slot.stop()
