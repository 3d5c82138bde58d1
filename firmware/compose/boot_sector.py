"""The boot choice as bytes on a disk: two sectors, written in turn, so that none is ever torn. 起動選択

A sector: "madoguchi-boot 1 ", one JSON object (primary, good, tries, serial), zeros, CRC-32 of all that,
big-endian. The firmware, or a boot loader's script, reads both, takes the one with the higher serial number
whose check is good, and writes the tries that are left into the other.
"""

import json
import zlib
from typing import Final

from firmware.core import updates as u

SECTOR_BYTES: Final = 512
_MAGIC: Final = b"madoguchi-boot 1 "


def sectors_after(choice: u.BootChoice, sectors: tuple[bytes, bytes]) -> tuple[int, bytes]:
    """Which of two sectors to write, and what: never the one that holds the newest, so that none is torn."""
    _, serial = newest(sectors)
    said = {
        "primary": choice.primary.value,
        "good": sorted(slot.value for slot in choice.good),
        "tries": choice.tries,
        "serial": serial + 1,
    }
    body = (_MAGIC + json.dumps(said).encode("ascii")).ljust(SECTOR_BYTES - 4, b"\0")
    return (serial + 1) % 2, body + zlib.crc32(body).to_bytes(4, "big")


def newest(sectors: tuple[bytes, bytes]) -> tuple[u.BootChoice, int]:
    """The newest choice that is whole, and its serial number; slot A and 0 where none ever was."""
    found = [read for sector in sectors if (read := _read(sector)) is not None]
    return max(found, key=lambda read: read[1], default=(u.BootChoice(), 0))


def _read(sector: bytes) -> tuple[u.BootChoice, int] | None:
    body, check = sector[:-4], sector[-4:]
    if len(sector) != SECTOR_BYTES or not body.startswith(_MAGIC):
        return None
    if zlib.crc32(body).to_bytes(4, "big") != check:
        return None
    said = json.loads(body.removeprefix(_MAGIC).rstrip(b"\0"))
    good = frozenset(u.Slot(name) for name in said["good"])
    return u.BootChoice(u.Slot(said["primary"]), good, said["tries"]), said["serial"]
