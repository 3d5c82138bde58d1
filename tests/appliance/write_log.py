"""What a disk holds after a power cut: its writes up to the last flush, and of the later what luck wants.

The log is what QEMU's driver blklogwrites writes, the format of Linux' dm-log-writes: a superblock, then
entries of one sector, each followed by its data. Source: Linux, admin-guide/device-mapper/log-writes.rst;
QEMU 7.2, block/blklogwrites.c.
"""

import random
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

SECTOR = 512
MAGIC = 0x6A736677736872
_SUPERBLOCK = struct.Struct("<QQQI")
_ENTRY = struct.Struct("<QQQQ")
_PADDING = bytes(SECTOR - _ENTRY.size)
FLUSH, FORCED, DISCARD, MARK = 1, 2, 4, 8
_FARTHEST = 1 << 32


class Later(Enum):
    """What becomes of the writes after the last flush, which a disk may do in any order or not at all."""

    NONE = "none"
    ALL = "all"
    SOME = "some"
    TORN = "torn"


@dataclass(frozen=True, slots=True)
class Entry:
    """One request. end: where the log goes on behind it, in bytes; data: of a write."""

    sector: int
    flags: int
    data: bytes
    end: int


def entries(log: bytes) -> list[Entry]:
    """Every request in the order in which the machine was told that it was done. Raises ValueError.

    The last may be there in part, because QEMU was killed while it wrote them: those were told to nobody.
    """
    if len(log) < SECTOR:
        return []
    magic, version, _, size = _SUPERBLOCK.unpack_from(log)
    if (magic, version, size) != (MAGIC, 1, SECTOR):
        raise ValueError(f"no log of writes in sectors of {SECTOR} bytes")
    return list(_entries(log))


def _entries(log: bytes) -> Iterator[Entry]:
    at = SECTOR
    while at + SECTOR <= len(log):
        sector, sectors, flags, _ = _ENTRY.unpack_from(log, at)
        if not _is_entry(log, at):
            at += SECTOR  # one that QEMU did not come to write; others, begun later, may stand behind it
            continue
        at += SECTOR
        length = 0 if flags & (FLUSH | DISCARD | MARK) else sectors * SECTOR
        if at + length > len(log):
            return
        yield Entry(sector, flags, log[at : at + length], at + length)
        at += length


def _is_entry(log: bytes, at: int) -> bool:
    sector, sectors, flags, length = _ENTRY.unpack_from(log, at)
    told = bool(sectors) or bool(flags & (FLUSH | MARK))
    possible = sector < _FARTHEST and sectors < _FARTHEST and flags < 2 * MARK and length < _FARTHEST
    return told and possible and log[at + _ENTRY.size : at + SECTOR] == _PADDING


def after_cut(base: bytes, done: Sequence[Entry], later: Later, luck: random.Random) -> bytearray:
    """The disk after a cut behind the last of these requests."""
    flushed = max((number for number, entry in enumerate(done, start=1) if entry.flags & FLUSH), default=0)
    disk = bytearray(base)
    for entry in done[:flushed]:
        _write(disk, entry.sector, entry.data)
    for entry in done[flushed:]:
        if entry.flags & FORCED or later is Later.ALL:
            _write(disk, entry.sector, entry.data)
        elif later is not Later.NONE and luck.random() < 0.5:
            if later is Later.SOME or luck.random() < 0.5:
                _write(disk, entry.sector, entry.data)
            else:
                _tear(disk, entry, luck)
    return disk


def _tear(disk: bytearray, entry: Entry, luck: random.Random) -> None:
    """Half of its sectors, anywhere in it."""
    for number in range(len(entry.data) // SECTOR):
        if luck.random() < 0.5:
            _write(disk, entry.sector + number, entry.data[number * SECTOR : (number + 1) * SECTOR])


def _write(disk: bytearray, sector: int, data: bytes) -> None:
    disk[sector * SECTOR : sector * SECTOR + len(data)] = data


def cut_disk(base: Path, log: Path, to: Path, later: Later, luck: random.Random) -> None:
    """Write the disk of a machine whose power was cut now to a file, with holes where nothing is."""
    disk = after_cut(base.read_bytes(), entries(log.read_bytes()), later, luck)
    write_sparse(disk, to)


def write_sparse(disk: bytearray, to: Path) -> None:
    """A file with holes where the disk is zero."""
    step = 1 << 16
    empty = bytes(step)
    with to.open("wb") as file:
        for at in range(0, len(disk), step):
            part = disk[at : at + step]
            if part != empty[: len(part)]:
                file.seek(at)
                file.write(part)
        file.truncate(len(disk))
