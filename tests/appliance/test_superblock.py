"""What a start does for a data partition whose superblock a power cut tore, and what it leaves alone."""

import subprocess
from pathlib import Path

import pytest

from tests.appliance.machine import SUPERBLOCK, make_data_partition, mended, tear_superblock

CHANGED_AT, UUID_AT = 1024 + 0x30, 1024 + 0x68


@pytest.fixture
async def data(tmp_path: Path) -> Path:
    """A data partition with one file."""
    content = tmp_path / "content"
    content.mkdir()
    (content / "kept").write_text("acknowledged")
    await make_data_partition(content, tmp_path / "data.ext4")
    return tmp_path / "data.ext4"


def run(*command: object) -> tuple[int, str]:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def superblock(data: Path) -> tuple[int, str]:
    status, said = run(SUPERBLOCK, data)
    return status, said.replace(str(data), "DEVICE").strip()


def write(data: Path, at: int, text: bytes) -> None:
    with data.open("r+b") as file:
        file.seek(at)
        file.write(text)


async def test_a_torn_superblock_gets_its_checksum_and_the_file_system_mends_itself(data: Path) -> None:
    tear_superblock(data)
    assert 8 == run("e2fsck", "-fp", data)[0]
    assert await mended(data)
    assert "acknowledged" in run("debugfs", "-R", "cat kept", data)[1]


async def test_what_was_written_since_is_replayed_and_not_lost(data: Path) -> None:
    """By the copy, which knows nothing of it, e2fsck would have asked."""
    assert 0 == run("debugfs", "-w", "-R", "feature needs_recovery", data)[0]
    tear_superblock(data)
    assert (0, "superblock: DEVICE: its checksum was wrong, and is made anew") == superblock(data)
    assert "recovering journal" in run("e2fsck", "-fp", data)[1]


def test_a_whole_one_is_not_touched(data: Path) -> None:
    before = data.read_bytes()
    assert (0, "") == superblock(data)
    assert before == data.read_bytes()


def test_one_that_is_not_what_its_copy_says_is_left_as_it_is(data: Path) -> None:
    write(data, UUID_AT, bytes(8))
    before = data.read_bytes()
    assert (1, "superblock: DEVICE: not what its copy says: left as it is") == superblock(data)
    assert before == data.read_bytes()
    assert 8 == run("e2fsck", "-fp", data)[0]


def test_a_torn_one_without_its_copy_is_left_as_it_is(data: Path) -> None:
    tear_superblock(data)
    write(data, (8192 + 1) * 1024, bytes(1024))
    before = data.read_bytes()
    assert (1, "superblock: DEVICE: not what its copy says: left as it is") == superblock(data)
    assert before == data.read_bytes()


async def test_the_moment_of_the_torn_half_does_not_matter(data: Path) -> None:
    """The first sector is the newer one, the second, with the checksum, the older."""
    write(data, CHANGED_AT, (1_800_000_000).to_bytes(4, "little"))
    assert 8 == run("e2fsck", "-fp", data)[0]
    assert await mended(data)


@pytest.mark.parametrize("content", [bytes(1 << 20), b"no file system" * 99999])
def test_what_is_no_file_system_is_left_to_the_check(tmp_path: Path, content: bytes) -> None:
    data = tmp_path / "data"
    data.write_bytes(content)
    assert (0, "") == superblock(data)
    assert content == data.read_bytes()
