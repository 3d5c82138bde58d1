"""Whether a disk is still to be trusted with money, as the kernel's files say."""

from pathlib import Path

import pytest

from firmware.shell.wear import Wear, wear_under
from tests.unit.emulated_disk import EmulatedDisk


def test_a_disk_of_which_nobody_tells_is_well(tmp_path: Path) -> None:
    wear = wear_under(tmp_path, sysfs=tmp_path / "none")
    assert Wear() == wear
    assert not wear.failing(worn_percent=0)


@pytest.mark.parametrize(
    ("life_time", "pre_eol", "expected"),
    [
        ("0x01 0x01", "0x01", Wear(used_percent=10)),
        ("0x03 0x0a", "0x02", Wear(used_percent=100)),
        ("0x0b 0x01", "0x01", Wear(used_percent=110)),
        ("0x00 0x00", "0x00", Wear()),
        ("0x0c 0xff", "0x03", Wear(reserve_gone=True)),
        ("nonsense", "", Wear()),
    ],
)
def test_an_emmc_says_how_worn_it_is(tmp_path: Path, life_time: str, pre_eol: str, expected: Wear) -> None:
    disk = EmulatedDisk(tmp_path)
    disk.flash(life_time, pre_eol)
    assert expected == wear_under(tmp_path, sysfs=disk.sysfs)


def test_errors_of_the_file_system_are_counted_whatever_the_disk_says(tmp_path: Path) -> None:
    disk = EmulatedDisk(tmp_path)
    disk.errors(2)
    disk.flash("0x01 0x02", "0x01")
    assert Wear(errors=2, used_percent=20) == wear_under(tmp_path, sysfs=disk.sysfs)


def test_a_folder_that_is_gone_is_an_error_and_not_a_well_disk(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="gone"):
        wear_under(tmp_path / "gone")


@pytest.mark.parametrize(
    ("wear", "failing"),
    [
        (Wear(), False),
        (Wear(used_percent=90), False),
        (Wear(used_percent=100), True),
        (Wear(errors=1), True),
        (Wear(reserve_gone=True), True),
    ],
)
def test_what_keeps_money_away_from_a_disk(wear: Wear, *, failing: bool) -> None:
    assert wear.failing(worn_percent=90) == failing
