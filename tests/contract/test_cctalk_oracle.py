"""Our frames against implementations that nobody here wrote.

De-framing by the serialport project's parser (npm), checksums by crccheck (PyPI); over what the kiosk's
adapters and the simulated devices really said to each other, over random frames, and over published ones.
"""

import asyncio
import json
import random
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from crccheck.checksum import Checksum8
from crccheck.crc import CrcXmodem

from firmware.core.terms import Certainty
from hw.coin.acceptor import CcTalkAcceptor
from hw.coin.cctalk import Frame, Garbled, decode, encode
from hw.coin.hopper import CcTalkHopper
from tests.contract.coin_rig import Ear, fast_bus
from tests.simulators.coin import CoinMachine

ORACLES = Path(__file__).resolve().parents[1] / "oracles"


def deframe(streams: Sequence[Sequence[bytes]]) -> list[list[bytes]]:
    """The frames that the foreign parser finds in each stream of chunks."""
    lines = "".join(json.dumps([chunk.hex() for chunk in stream]) + "\n" for stream in streams)
    answer = subprocess.run(
        ["node", "deframe.js"],
        cwd=ORACLES,
        input=lines,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return [[bytes.fromhex(frame) for frame in json.loads(line)] for line in answer.stdout.splitlines()]


def is_sound(frame: bytes) -> bool:
    """By the foreign checksum: all bytes add up to 0 modulo 256."""
    return int(Checksum8.calc(frame)) == 0  # type: ignore[no-untyped-call]


async def test_everything_said_on_the_bus_is_framed_and_summed_as_others_do() -> None:
    said = await _recorded()
    (frames,) = deframe([said])
    assert b"".join(said) == b"".join(frames)
    assert len(frames) > 200
    assert all(map(is_sound, frames))
    assert {229, 231, 228, 184, 245, 242, 167, 166, 168, 163, 164} <= {frame[3] for frame in frames}


async def _recorded() -> list[bytes]:
    """The chunks of a whole scene on the wire: found, opened, paid into, emptied, changed, closed."""
    ear = Ear()
    chunks: list[bytes] = []
    async with CoinMachine() as machine, fast_bus(machine, ear) as bus:
        machine.record(chunks.append)
        acceptor, hopper = (
            CcTalkAcceptor(bus, ear.log, poll_seconds=0.02),
            CcTalkHopper(bus, ear.log, coins=9),
        )
        acceptor.start(ear.level, ear.coin, None)
        hopper.start(ear.level)
        await ear.until(lambda: ear.acceptor_works and ear.hopper.working)
        await acceptor.accept(frozenset({100, 500}))
        machine.burst([500, 100, 10, 500])
        await ear.until(lambda: len(ear.yen) == 3)
        for paid in range(3):
            assert await hopper.pay_one(1000 + paid) is Certainty.DONE
        async with asyncio.timeout(30):
            await acceptor.stop()
        await hopper.close()
        await acceptor.close()
    return chunks


def test_random_frames_come_back_from_the_foreign_parser_byte_for_byte() -> None:
    chance = random.Random(4)  # noqa: S311 - repeatable, not secret
    frames = [
        encode(
            Frame(
                chance.randrange(256),
                chance.randrange(256),
                chance.randrange(256),
                chance.randbytes(chance.randint(0, 255)),
            )
        )
        for _ in range(500)
    ]
    stream = b"".join(frames)
    chunks: list[bytes] = []
    at = 0
    while at < len(stream):
        size = chance.randint(1, 40)
        chunks.append(stream[at : at + size])
        at += size
    assert [frames] == deframe([chunks])
    assert all(map(is_sound, frames))


def test_what_the_foreign_checksum_refuses_we_refuse_and_nothing_else() -> None:
    chance = random.Random(5)  # noqa: S311 - repeatable, not secret
    for _ in range(2000):
        length = chance.randint(0, 20)
        octets = bytes((1, length, *chance.randbytes(3 + length)))
        try:
            believed = decode(octets) is not None
        except Garbled:
            believed = False
        assert believed == is_sound(octets)


SPECIFICATION = "ccTalk generic specification 4.7, part 1, example of header 245"
FLOW = "SuzoHapp Flow 18-ccTalk manual, page 15"


@pytest.mark.parametrize(
    ("octets", "frame", "source"),
    [
        ("02 00 01 F5 08", Frame(2, 1, 245), SPECIFICATION),
        (
            "01 0D 02 00 43 6F 69 6E 20 41 63 63 65 70 74 6F 72 16",
            Frame(1, 2, 0, b"Coin Acceptor"),
            SPECIFICATION,
        ),
        ("01 01 03 00 80 7B", Frame(1, 3, 0, b"\x80"), FLOW),
    ],
)
def test_published_frames_are_ours(octets: str, frame: Frame, source: str) -> None:
    published = bytes.fromhex(octets)
    assert (published, frame) == (encode(frame), decode(published)), source
    assert is_sound(published)
    assert [[published]] == deframe([[published]])


def test_the_frame_that_a_manual_misprints_is_refused_by_both() -> None:
    """FLOW prints BA where the sum wants 7B."""
    misprinted = bytes.fromhex("01 01 03 00 80 BA")
    assert not is_sound(misprinted)
    with pytest.raises(Garbled):
        decode(misprinted)


def test_a_frame_with_a_crc_is_no_frame_of_ours() -> None:
    """Units set to CRC-16 answer like this: 28 00 B6 FE 21 polls address 40, and is not for this kiosk."""
    destination, length, low, header, high = bytes.fromhex("28 00 B6 FE 21")
    crc = CrcXmodem.calc(bytes((destination, length, header)))  # type: ignore[no-untyped-call]
    assert crc == high << 8 | low
    with pytest.raises(Garbled):
        decode(bytes((destination, length, low, header, high)))
