"""Where bundles and exports are written: a stick if there is one, and nothing of others is lost."""

import os
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from unittest import mock

import msgspec
import pytest

from firmware.compose import bundle as b
from firmware.errors import OfficeRefused
from firmware.settings import Settings, load

CONFIG = Path(__file__).resolve().parents[2] / "config/kiosk.toml"
EMPTY = b.Bundle(status="", facts={}, events=[], journal="", verified="", metrics="")
STAMPS = [f"2026-12-0{day}T02-00" for day in range(1, 9)]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    shipped = load(CONFIG)
    places = {name: str(tmp_path / name) for name in ("support_folder", "stick_folder")}
    console = msgspec.structs.replace(shipped.file.console, **places)
    (tmp_path / "stick_folder").mkdir()
    return replace(shipped, file=msgspec.structs.replace(shipped.file, console=console))


def plugged(tmp_path: Path) -> AbstractContextManager[object]:
    """The stick is mounted."""
    stick = tmp_path / "stick_folder"
    return mock.patch.object(Path, "is_mount", lambda path: path == stick)


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_without_a_stick_a_bundle_lies_in_the_kiosks_own_folder_which_keeps_the_last_five(
    settings: Settings, tmp_path: Path
) -> None:
    for stamp in STAMPS:
        path, _, size = b.make_bundle(settings, CONFIG, EMPTY, stamp)
        assert (tmp_path / "support_folder", size) == (path.parent, path.stat().st_size)
    assert [f"bundle-{stamp}.tar.gz" for stamp in STAMPS[-b.KEPT :]] == names(tmp_path / "support_folder")
    assert [] == names(tmp_path / "stick_folder")


def test_a_stick_takes_the_bundle_and_keeps_those_of_other_kiosks(settings: Settings, tmp_path: Path) -> None:
    others = [tmp_path / "stick_folder" / f"bundle-{stamp}.tar.gz" for stamp in STAMPS]
    for other in others:
        other.write_bytes(b"of another kiosk")
    with plugged(tmp_path):
        path, _, _ = b.make_bundle(settings, CONFIG, EMPTY, "2027-01-01T02-00")
        export = b.keep(settings, "journal-1.jsonl", b"{}\n")
    assert {tmp_path / "stick_folder"} == {path.parent, export.parent}
    assert {b"of another kiosk"} == {other.read_bytes() for other in others}
    assert not (tmp_path / "support_folder").exists()


def test_what_was_said_to_be_written_is_on_the_stick_when_it_is_pulled(
    settings: Settings, tmp_path: Path
) -> None:
    """Its octets, its name, and the length that FAT keeps beside that."""
    synced = []
    real = os.fsync

    def noted(handle: int) -> None:
        synced.append(Path(f"/proc/self/fd/{handle}").readlink())
        real(handle)

    with plugged(tmp_path), mock.patch("os.fsync", noted):
        b.keep(settings, "journal-1.jsonl", b"{}\n")
    stick = tmp_path / "stick_folder"
    assert [stick / "journal-1.jsonl.part", stick / "journal-1.jsonl", stick] == synced


def test_a_stick_that_is_full_or_pulled_is_told_and_nothing_half_is_left(
    settings: Settings, tmp_path: Path
) -> None:
    full = mock.patch("os.fsync", side_effect=OSError(28, "No space left on device"))
    with (
        plugged(tmp_path),
        full,
        pytest.raises(OfficeRefused, match=r"journal-1\.jsonl cannot be written: No space"),
    ):
        b.keep(settings, "journal-1.jsonl", b"{}\n")
    assert [] == names(tmp_path / "stick_folder")
