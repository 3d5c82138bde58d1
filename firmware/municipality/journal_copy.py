"""Lines of the journal for the municipality, each linked to the last; the device signs the newest link."""

import hashlib
from collections.abc import Sequence

import msgspec

from firmware.municipality.messages import JournalLine, b64u
from firmware.ports import JournalLine as Line

PREFIX = b"madoguchi-journal-v1\0"


def message_lines(lines: Sequence[Line]) -> tuple[JournalLine, ...]:
    """As the protocol has them."""
    return tuple(JournalLine(one.seq, one.at, one.record, one.fields, b64u(one.chain)) for one in lines)


def linked(link: bytes, lines: Sequence[JournalLine]) -> bytes:
    """The link of the last line: over that of the line before these, and every one of them."""
    for line in lines:
        row = [line.seq, line.at, line.record, line.fields, line.chain]
        link = hashlib.sha256(link + msgspec.json.encode(row)).digest()
    return link


def signed_part(kiosk: str, seq: int, link: bytes) -> bytes:
    """What the device signs about its journal."""
    return PREFIX + f"{kiosk}\0{seq}\0".encode() + link
