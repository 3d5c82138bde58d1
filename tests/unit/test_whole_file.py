"""A file is there whole or as it was, and its name is on disk, too."""

import os
import stat
from pathlib import Path

import pytest

from firmware.whole_file import write_whole


def test_it_takes_the_place_of_the_old_one_and_is_nobody_elses(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b"old")
    path.chmod(0o644)
    (tmp_path / "secret.part").write_bytes(b"left by a power cut")
    write_whole(path, b"new", mode=0o600)
    assert (b"new", 0o600) == (path.read_bytes(), stat.S_IMODE(path.stat().st_mode))
    assert [path] == list(tmp_path.iterdir())


def test_content_name_and_folder_are_on_disk_in_this_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    story: list[str] = []
    sync = os.fsync

    def note(handle: int) -> None:
        there = (tmp_path / "secret").exists()
        story.append(f"{'folder' if stat.S_ISDIR(os.fstat(handle).st_mode) else 'file'} {there}")
        sync(handle)

    monkeypatch.setattr("firmware.whole_file.os.fsync", note)
    write_whole(tmp_path / "secret", b"new", mode=0o600)
    assert ["file False", "file True", "folder True"] == story


def test_a_write_that_fails_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b"old")

    def full(_handle: int) -> None:
        raise OSError("no space")

    monkeypatch.setattr("firmware.whole_file.os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        write_whole(path, b"new", mode=0o600)
    assert b"old" == path.read_bytes()
