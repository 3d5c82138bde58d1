"""Power cuts of an update: one is written down with every write of the disk, then cut wherever one likes.

A cut leaves what was flushed before it, and of the later writes none, all, some, or some of them torn
(tests.appliance.write_log). Of each such disk the slot that the firmware would start, and the one that it
falls back to, must hold a whole system, byte for byte, the file system of the data must mend itself, and the
journal must be whole with every entry that was acknowledged. At every tenth the machine is started, too.
"""

import asyncio
import json
import logging
import random
import shutil
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from firmware.core.updates import TRIES, Slot, started
from firmware.errors import JournalError
from tests.appliance.cuts import read_journal
from tests.appliance.machine import copy_out, mended, root_name
from tests.appliance.updates_image import FIRST, SECOND, root_of
from tests.appliance.updates_machine import (
    CHOICE,
    Part,
    Record,
    Rig,
    choice_of,
    expect,
    standing_of,
)
from tests.appliance.write_log import FLUSH, SECTOR, Entry, Later, after_cut, entries, write_sparse

INSTALL_SECONDS = 900.0
_LOG = logging.getLogger("updates")


@dataclass(frozen=True, slots=True)
class Noted:
    """What a machine did to its disk. base: the disk before; first: where its update begins, in writes."""

    name: str
    base: bytes
    done: Sequence[Entry]
    kept: Sequence[Record]
    first: int

    def acknowledged(self, at: int) -> list[Record]:
        """What the journal must hold after a cut behind so many writes."""
        length = self.done[at - 1].end
        return [record for record in self.kept if record.bytes_of_log <= length]

    def tenth(self, number: int) -> int:
        """Behind how many writes the update has done so many tenths of its bytes."""
        begin = self.done[self.first - 1].end
        wanted = begin + (self.done[-1].end - begin) * number // 10
        return next(at for at, entry in enumerate(self.done, start=1) if entry.end >= wanted)

    def lying(self) -> "Noted":
        """The same on a disk that calls done what it has not done."""
        done = [one for at, one in enumerate(self.done) if at < self.first or not one.flags & FLUSH]
        return Noted(f"{self.name}, on a disk that lies", self.base, done, self.kept, self.first)

    def around(self, part: Part) -> list[int]:
        """Before and behind each write into a partition."""
        inside = range(part.start // SECTOR, (part.start + part.size) // SECTOR)
        places = [at for at, entry in enumerate(self.done, start=1) if entry.data and entry.sector in inside]
        near = {at + step for at in places for step in (-1, 0, 1, 2)}
        return sorted(at for at in near if self.first <= at <= len(self.done))


@dataclass(slots=True)
class Examiner:
    """Looks at disks after cuts; work: a folder of its own. starts: how often which slot would."""

    rig: Rig
    work: Path
    parts: dict[str, Part] = field(init=False)
    systems: list[bytes] = field(init=False)
    wrong: list[str] = field(default_factory=list)
    starts: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.parts = self.rig.parts
        self.systems = [root_of(self.rig.folder, version).read_bytes() for version in (FIRST, SECOND)]

    async def sweep(self, update: Noted, places: Iterable[int], luck: random.Random) -> int:
        """Cut at each; how many there were."""
        number = 0
        for number, at in enumerate(places, start=1):
            later = list(Later)[number % 4]
            disk = await asyncio.to_thread(after_cut, update.base, update.done[:at], later, luck)
            await self.look(disk, update, at, f"{update.name}: behind {at} writes, then {later.value}")
        return number

    async def look(self, disk: bytearray, update: Noted, at: int, name: str) -> Slot:
        """One disk; the slot that starts."""
        part = self.parts[CHOICE]
        choice = choice_of(bytes(disk[part.start : part.start + 2 * SECTOR]))
        first, choice = started(choice)
        self.starts[first.value] = self.starts.get(first.value, 0) + 1
        slots = [first]
        for _ in range(TRIES):
            slot, choice = started(choice)
            slots.append(slot)
        self.wrong += [
            f"{name}: slot {one.value} is not whole" for one in set(slots) if not self._whole(disk, one)
        ]
        if "data" in self.parts:
            self.wrong += await self._data(disk, update.acknowledged(at), name)
        return first

    def _whole(self, disk: bytearray, slot: Slot) -> bool:
        start = self.parts[root_name(slot)].start
        return any(disk[start : start + len(system)] == system for system in self.systems)

    async def _data(self, disk: bytearray, kept: Sequence[Record], name: str) -> list[str]:
        part = self.parts["data"]
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir()
        file = self.work / "data.ext4"
        await asyncio.to_thread(write_sparse, disk[part.start : part.start + part.size], file)
        if not await mended(file):
            return [f"{name}: the data partition does not mend itself"]
        for folder in ("etc", "madoguchi"):
            await copy_out(file, f"/{folder}", self.work)
        try:
            lines = await read_journal(self.work / "madoguchi/journal.db", self.work / "etc/journal.key")
        except JournalError as error:
            return [f"{name}: {error}"]
        chains = {line.seq: line.chain.hex() for line in lines}
        return [f"{name}: entry {one.seq} is lost" for one in kept if chains.get(one.seq) != one.chain]


def keep_noted(rig: Rig, name: str, base: str, length: int) -> None:
    """After a start with every write noted, for `cuts`. length: of the log when the update began."""
    rig.log.replace(rig.folder / f"{name}.log")
    kept = [[record.seq, record.chain, record.bytes_of_log] for record in rig.kept]
    (rig.folder / f"{name}.json").write_text(json.dumps({"base": base, "length": length, "kept": kept}))
    # Of the next start's log these come before the beginning.
    rig.kept[:] = [Record(record.seq, record.chain) for record in rig.kept]


def noted(rig: Rig, name: str) -> Noted:
    """What was kept."""
    said = json.loads((rig.folder / f"{name}.json").read_text())
    done = entries((rig.folder / f"{name}.log").read_bytes())
    first = next((at for at, entry in enumerate(done, start=1) if entry.end >= said["length"]), 1)
    kept = [Record(*record) for record in said["kept"]]
    return Noted(name, (rig.folder / said["base"]).read_bytes(), done, kept, first)


async def disks(rig: Rig, luck: random.Random, drawn: int) -> None:
    """The power goes at each write of the boot choice and at drawn points; what the disk holds is read."""
    installed = await asyncio.to_thread(noted, rig, "installing")
    tried = await asyncio.to_thread(noted, rig, "trial")
    examiner = Examiner(rig, rig.folder / "examined")
    looked = 0
    for one in (installed, tried):
        places = one.around(rig.parts[CHOICE])
        places += [luck.randrange(one.first, len(one.done) + 1) for _ in range(drawn)]
        looked += await examiner.sweep(one, places, luck)
    rig.figures["disks"] = {"cuts": looked, "starts": examiner.starts, "wrong": examiner.wrong}
    expect([], examiner.wrong, f"{looked} disks after a cut")
    liar, false = installed.lying(), Examiner(rig, rig.folder / "examined")
    end = len(liar.done)
    looked = await false.sweep(liar, range(max(liar.first, end - 40), end + 1), luck)
    rig.figures["disks_that_lie"] = {"cuts": looked, "wrong": len(false.wrong)}
    expect(True, bool(false.wrong), "the same on a disk that lies, where some are not whole")


async def cuts(rig: Rig, tenths: Sequence[int], luck: random.Random) -> None:
    """The power goes at each tenth of an update, and the machine is started from what the disk then holds."""
    installed = await asyncio.to_thread(noted, rig, "installing")
    begin, end = installed.done[installed.first - 1].end, installed.done[-1].end
    rig.figures["update_mib"] = round((end - begin) / 2**20)
    examiner = Examiner(rig, rig.folder / "examined")
    for tenth in tenths:
        at, later = installed.tenth(tenth), list(Later)[tenth % 4]
        disk = await asyncio.to_thread(after_cut, installed.base, installed.done[:at], later, luck)
        slot = await examiner.look(disk, installed, at, f"tenth {tenth}")
        expect([], examiner.wrong, f"the disk after cut {tenth}")
        await asyncio.to_thread(write_sparse, disk, rig.disk)
        rig.kept[:] = installed.acknowledged(at)
        row: dict[str, Any] = {
            "later": later.value,
            "mib": round((installed.done[at - 1].end - begin) / 2**20),
        }
        row |= await _start_after(rig, slot, tenth)
        rig.figures.setdefault("cuts", {})[str(tenth)] = row


async def _start_after(rig: Rig, slot: Slot, tenth: int) -> dict[str, Any]:
    """In the middle of them, the update is installed once more, and stays."""
    began = time.monotonic()
    async with rig.on() as guest:
        expect(slot, guest.slot, f"the slot after cut {tenth}")
        standing = standing_of(guest.ready)
        wanted = {"trial"} if guest.ready["version"] == SECOND else {"steady", "rolled-back"}
        expect(True, standing in wanted, f"how it stands after cut {tenth}: {standing}")
        row: dict[str, Any] = {"slot": slot.value, "standing": standing}
        row |= {"version": guest.ready["version"], "entries": guest.ready["entries"]}
        row["seconds"] = round(time.monotonic() - began, 1)
        if tenth != 5:
            return row
        guest.tell("install /media/stick/good.raucb")
        await guest.stands("installing", INSTALL_SECONDS)
        await guest.starts_anew(INSTALL_SECONDS)
    async with rig.on() as guest:
        state = await guest.stands("confirmed")
        expect(SECOND, state["version"], "the version after an update that was cut and done again")
    return row
