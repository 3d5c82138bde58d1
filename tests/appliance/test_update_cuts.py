"""What is said of made-up disks after a cut in an update: what is not whole must be found."""

import random
from pathlib import Path
from typing import cast

import pytest

from firmware.compose.boot_sector import sectors_after
from firmware.core.updates import BootChoice, Slot, marked, taken_as_primary
from tests.appliance.updates_cuts import Examiner, Noted
from tests.appliance.updates_machine import CHOICE, MIB, Part, Record, Rig
from tests.appliance.write_log import FLUSH, SECTOR, Entry, Later, after_cut

PARTS = {CHOICE: Part(MIB, MIB), "root-a": Part(2 * MIB, MIB), "root-b": Part(3 * MIB, MIB)}
OLD, NEW = (random.Random(number).randbytes(MIB) for number in (1, 2))  # noqa: S311


class Update:
    """An installation as RAUC does it: slot B is bad, its bytes, a flush, slot B is first."""

    def __init__(self) -> None:
        self.disk = bytearray(4 * MIB)
        self.disk[2 * MIB : 3 * MIB] = OLD
        self.base = bytes(self.disk)
        self.done: list[Entry] = []
        self.end = SECTOR

    def note(self, sector: int, flags: int, data: bytes = b"") -> None:
        self.end += SECTOR + len(data)
        self.done.append(Entry(sector, flags, data, self.end))

    def choose(self, choice: BootChoice) -> None:
        sectors = bytes(self.disk[MIB : MIB + SECTOR]), bytes(self.disk[MIB + SECTOR : MIB + 2 * SECTOR])
        place, sector = sectors_after(choice, sectors)
        at = MIB + place * SECTOR
        self.disk[at : at + SECTOR] = sector
        self.note(at // SECTOR, 0, sector)
        self.note(0, FLUSH)

    def write_slot(self, *, flushed: bool) -> None:
        for step in range(0, MIB, MIB // 8):
            self.note((3 * MIB + step) // SECTOR, 0, NEW[step : step + MIB // 8])
        if flushed:
            self.note(0, FLUSH)

    def noted(self) -> Noted:
        kept = [Record(1, "aa", self.done[1].end), Record(2, "bb", self.done[-1].end)]
        return Noted("made up", self.base, self.done, kept, 1)


def update(*, flushed: bool) -> Noted:
    made = Update()
    choice = BootChoice()
    made.choose(marked(choice, Slot.B, good=False))
    made.write_slot(flushed=flushed)
    made.choose(taken_as_primary(choice, Slot.B))
    return made.noted()


class WithoutData(Examiner):
    """Of a machine without a data partition."""

    def __post_init__(self) -> None:
        self.parts, self.systems = PARTS, [OLD, NEW]


def examiner(tmp_path: Path) -> Examiner:
    return WithoutData(cast("Rig", None), tmp_path)


@pytest.mark.parametrize("later", list(Later))
async def test_a_slot_that_is_on_disk_before_it_is_chosen_is_whole_after_every_cut(
    tmp_path: Path, later: Later
) -> None:
    noted, looks = update(flushed=True), examiner(tmp_path)
    for at in range(1, len(noted.done) + 1):
        disk = after_cut(noted.base, noted.done[:at], later, random.Random(at))  # noqa: S311
        await looks.look(disk, noted, at, f"{at}")
    assert looks.wrong == []
    assert looks.starts["A"] >= 10
    assert looks.starts["B"] >= 1


async def test_a_slot_that_is_chosen_before_it_is_on_disk_is_found_torn(tmp_path: Path) -> None:
    noted, looks = update(flushed=False).lying(), examiner(tmp_path)
    await looks.sweep(noted, [len(noted.done)] * 20, random.Random(3))  # noqa: S311
    assert any("slot B is not whole" in line for line in looks.wrong)


def test_a_cut_at_a_tenth_lies_behind_so_much_of_what_was_written() -> None:
    noted = update(flushed=True)
    places = [noted.tenth(number) for number in range(1, 11)]
    assert places == sorted(places)
    assert places[-1] == len(noted.done)
    whole = noted.done[-1].end - noted.done[0].end
    for number, at in enumerate(places, start=1):
        assert noted.done[at - 1].end - noted.done[0].end >= whole * number // 10


def test_a_record_is_owed_from_the_moment_of_its_acknowledgement_on() -> None:
    noted = update(flushed=True)
    assert noted.acknowledged(1) == []
    assert [record.seq for record in noted.acknowledged(2)] == [1]
    assert [record.seq for record in noted.acknowledged(len(noted.done))] == [1, 2]


def test_the_places_around_the_boot_choice_are_before_and_behind_each_of_its_writes() -> None:
    noted = update(flushed=True)
    last = len(noted.done)
    assert noted.around(PARTS[CHOICE]) == [1, 2, 3, last - 2, last - 1, last]
