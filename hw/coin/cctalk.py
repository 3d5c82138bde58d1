"""ccTalk frames: pure encoding and decoding, no IO.

A frame is `[destination][length][source][header][data × length][checksum]`; the sum of all its
bytes is 0 modulo 256. length counts the data only. Source: ccTalk serial communication protocol,
generic specification 4.7 (Crane Payment Innovations), part 1.
"""

import enum
from dataclasses import dataclass

from firmware.errors import MadoguchiError

HOST_ADDRESS = 1
OVERHEAD_BYTES = 5


class Header(enum.IntEnum):
    """The commands this kiosk sends. Source: ccTalk part 2; the numbers count down from 254."""

    SIMPLE_POLL = 254
    REQUEST_POLLING_PRIORITY = 249
    REQUEST_MANUFACTURER = 246
    REQUEST_EQUIPMENT_CATEGORY = 245
    REQUEST_PRODUCT_CODE = 244
    REQUEST_SERIAL_NUMBER = 242
    REQUEST_SOFTWARE_REVISION = 241
    PERFORM_SELF_CHECK = 232
    MODIFY_INHIBIT_STATUS = 231
    REQUEST_INHIBIT_STATUS = 230
    READ_BUFFERED_CREDIT = 229
    MODIFY_MASTER_INHIBIT = 228
    REQUEST_ACCEPT_COUNTER = 225
    REQUEST_PAYOUT_LEVEL = 217
    REQUEST_BUILD_CODE = 192
    REQUEST_COIN_ID = 184
    EMERGENCY_STOP = 172
    REQUEST_HOPPER_COIN = 171
    REQUEST_DISPENSE_COUNT = 168
    DISPENSE_COINS = 167
    REQUEST_HOPPER_STATUS = 166
    ENABLE_HOPPER = 164
    TEST_HOPPER = 163
    REQUEST_COMMS_REVISION = 4


class Answer(enum.IntEnum):
    """What stands in the header of a reply."""

    REPLY = 0
    NAK = 5
    BUSY = 6


class Garbled(MadoguchiError, ValueError):
    """The bytes are not the frame that was expected: noise, a collision or a late reply."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame with its 8-bit checksum checked. data: 0–255 bytes."""

    destination: int
    source: int
    header: int
    data: bytes = b""


def checksum(body: bytes) -> int:
    """The byte that makes the sum of a frame 0 modulo 256; 0 when it is so already."""
    return -sum(body) & 0xFF


def encode(frame: Frame) -> bytes:
    """The bytes on the wire. Raises ValueError when the data are longer than 255 bytes."""
    body = bytes((frame.destination, len(frame.data), frame.source, frame.header)) + frame.data
    return body + bytes((checksum(body),))


def decode(received: bytes) -> Frame | None:
    """The frame that received is, or None while bytes are missing.

    Raises Garbled when the checksum is wrong or more bytes follow the frame: nobody may speak
    before the host does.
    """
    if len(received) < OVERHEAD_BYTES or len(received) < OVERHEAD_BYTES + received[1]:
        return None
    if len(received) > OVERHEAD_BYTES + received[1]:
        raise Garbled("bytes after the frame")
    if sum(received) & 0xFF:
        raise Garbled("checksum")
    return Frame(received[0], received[2], received[3], received[4:-1])


def without_echo(sent: bytes, received: bytes) -> bytes | None:
    """What a device answered, or None while only (a part of) our own echo has come.

    A one-wire interface hears itself; some USB adapters suppress that. A reply begins with the host
    address and no request does, so each exchange shows by itself whether there is an echo.
    """
    if received.startswith(sent):
        return received[len(sent) :] or None
    return None if sent.startswith(received) else received


def unsigned(data: bytes) -> int:
    """A ccTalk number, least significant byte first."""
    return int.from_bytes(data, "little")
