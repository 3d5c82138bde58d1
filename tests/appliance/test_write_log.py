"""The disk after a power cut: what was flushed is there, and of the rest what luck wants."""

import random
import struct

import pytest

from tests.appliance.write_log import FLUSH, MAGIC, SECTOR, Later, after_cut, entries

BASE = bytes(8 * SECTOR)


def _log(*requests: tuple[int, int, bytes]) -> bytes:
    """sector, flags and data of each, as QEMU writes them."""
    log = struct.pack("<QQQI", MAGIC, 1, len(requests), SECTOR).ljust(SECTOR, b"\0")
    for sector, flags, data in requests:
        log += struct.pack("<QQQQ", sector, len(data) // SECTOR, flags, 0).ljust(SECTOR, b"\0") + data
    return log


def _sector(letter: str) -> bytes:
    return letter.encode() * SECTOR


FLUSHED = _log((1, 0, _sector("a")), (0, FLUSH, b""), (2, 0, _sector("b")), (3, 0, _sector("c")))


def _letters(disk: bytes | bytearray) -> str:
    return "".join(chr(disk[at]) if disk[at] else "." for at in range(0, len(disk), SECTOR))


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("later", Later)
def test_what_was_flushed_outlives_every_cut(later: Later, seed: int) -> None:
    disk = after_cut(BASE, entries(FLUSHED), later, random.Random(seed))  # noqa: S311
    assert _letters(disk)[:2] == ".a"


@pytest.mark.parametrize(("later", "left"), [(Later.NONE, ".a......"), (Later.ALL, ".abc....")])
def test_later_writes_are_lost_or_done(later: Later, left: str) -> None:
    assert left == _letters(after_cut(BASE, entries(FLUSHED), later, random.Random(0)))  # noqa: S311


def test_some_of_the_later_writes_are_done_in_any_order() -> None:
    lucks = (random.Random(seed) for seed in range(40))  # noqa: S311
    seen = {_letters(after_cut(BASE, entries(FLUSHED), Later.SOME, luck)) for luck in lucks}
    assert {".a......", ".ab.....", ".a.c....", ".abc...."} == seen


def test_a_torn_write_leaves_sectors_of_before_and_after() -> None:
    log = _log((0, 0, _sector("a") * 4))
    lucks = (random.Random(seed) for seed in range(60))  # noqa: S311
    seen = {_letters(after_cut(BASE, entries(log), Later.TORN, luck))[:4] for luck in lucks}
    assert any("a" in left and "." in left for left in seen), seen


def test_a_request_that_qemu_did_not_come_to_write_hides_none_behind_it() -> None:
    whole = _log((1, 0, _sector("a")), (2, 0, _sector("b")), (0, FLUSH, b""))
    at = SECTOR  # the first entry and its data never reached the log
    log = whole[:at] + bytes(2 * SECTOR) + whole[at + 2 * SECTOR :]
    assert "..b....." == _letters(after_cut(BASE, entries(log), Later.NONE, random.Random(0)))  # noqa: S311


def test_an_entry_whose_data_is_cut_off_was_told_to_nobody() -> None:
    assert [1] == [entry.sector for entry in entries(FLUSHED[: 3 * SECTOR + SECTOR // 2])]


def test_an_empty_log_is_a_machine_that_has_written_nothing() -> None:
    assert not entries(b"")


def test_another_file_is_no_log() -> None:
    with pytest.raises(ValueError, match="no log of writes"):
        entries(bytes(4 * SECTOR))
