"""A machine with two slots in the emulator, its firmware, and what it says of itself."""

import asyncio
import contextlib
import hashlib
import json
import logging
import shutil
import subprocess
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from firmware.compose.boot_sector import SECTOR_BYTES, newest, sectors_after
from firmware.core.updates import BootChoice, Slot, started
from tests.appliance.machine import KERNEL, root_name

BOOT_SECONDS = 600.0
MIB = 1024 * 1024
CHOICE = "madoguchi-choice"
_LOG = logging.getLogger("updates")


@dataclass(frozen=True, slots=True)
class Part:
    """A partition: where it begins and how long it is, in bytes."""

    start: int
    size: int


def partitions(disk: Path) -> dict[str, Part]:
    """Of a disk by name, as its own table says."""
    done = subprocess.run(["sfdisk", "--json", str(disk)], capture_output=True, text=True, check=True)
    table = json.loads(done.stdout)["partitiontable"]
    return {one["name"]: Part(one["start"] * 512, one["size"] * 512) for one in table["partitions"]}


def choice_of(sectors: bytes) -> BootChoice:
    """What the first two sectors of its partition say."""
    return newest((sectors[:SECTOR_BYTES], sectors[SECTOR_BYTES : 2 * SECTOR_BYTES]))[0]


@dataclass(slots=True)
class Firmware:
    """What firmware does before any system runs: chooses a slot, notes the try, loads the kernel."""

    disk: Path
    parts: dict[str, Part]
    loaded: Path

    def select(self) -> Slot:
        """Reads the choice as documented in firmware/compose/boot_sector.py."""
        at = self.parts[CHOICE].start
        with self.disk.open("r+b") as disk:
            disk.seek(at)
            both = disk.read(2 * SECTOR_BYTES)
            sectors = both[:SECTOR_BYTES], both[SECTOR_BYTES:]
            choice, _ = newest(sectors)
            slot, after = started(choice)
            if after != choice:
                place, sector = sectors_after(after, sectors)
                disk.seek(at + place * SECTOR_BYTES)
                disk.write(sector)
        return slot

    def load(self, slot: Slot) -> tuple[Path, Path]:
        """Kernel and initrd out of the slot itself."""
        offset = self.parts[root_name(slot)].start
        shutil.rmtree(self.loaded, ignore_errors=True)
        run("unsquashfs", "-q", "-n", "-o", str(offset), "-d", str(self.loaded), str(self.disk), "boot")
        [kernel], [initrd] = self.loaded.glob("boot/vmlinuz*"), self.loaded.glob("boot/initrd*")
        return kernel, initrd


@dataclass(frozen=True, slots=True)
class Record:
    """An entry of the journal that the machine called written, and how long the log of writes was then."""

    seq: int
    chain: str
    bytes_of_log: int = 0


@dataclass(slots=True)
class Guest:
    """A running machine and what it has said on its second serial line.

    kept: what it acknowledged. ready: its first word.
    """

    process: Process
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    slot: Slot
    log: Path | None
    kept: list[Record]
    ready: dict[str, Any] = field(default_factory=dict)
    said: list[dict[str, Any]] = field(default_factory=list)

    def tell(self, line: str) -> None:
        self.writer.write(line.encode() + b"\n")

    async def hears(
        self, wanted: Callable[[dict[str, Any]], bool], seconds: float = BOOT_SECONDS
    ) -> dict[str, Any]:
        """The first thing said from now on that is wanted. Raises TimeoutError with what was said last."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    line = await self.reader.readline()
                    if not line:
                        raise ConnectionError(f"the machine is off; it said {self.said[-3:]}")
                    if b"#{" not in line:
                        continue
                    with contextlib.suppress(json.JSONDecodeError):
                        said = json.loads(line[line.index(b"#") + 1 :])
                        self._note(said)
                        if wanted(said):
                            return dict(said)
        except TimeoutError:
            raise TimeoutError(f"said last: {self.said[-5:]}") from None

    def _note(self, said: dict[str, Any]) -> None:
        self.said.append(said)
        if "written" in said:
            length = self.log.stat().st_size if self.log is not None else 0
            self.kept.append(Record(said["written"], said["chain"], length))

    async def writes(self, times: int = 1) -> None:
        """So many records into the journal, each acknowledged."""
        for _ in range(times):
            self.tell("write")
            await self.hears(lambda said: "written" in said)

    async def stands(self, standing: str, seconds: float = BOOT_SECONDS) -> dict[str, Any]:
        """Until root says so."""
        said = await self.hears(lambda one: standing_of(one) == standing, seconds)
        return dict(said.get("state", said))

    async def starts_anew(self, seconds: float = BOOT_SECONDS) -> None:
        """By itself, which ends the emulator; meanwhile it goes on writing its journal."""
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(seconds):
                while self.process.returncode is None:
                    await self.writes()
        async with asyncio.timeout(seconds):
            await self.process.wait()


@dataclass(slots=True)
class Rig:
    """The machine, off until `on`. figures: what was measured. kept: what its journal must hold."""

    folder: Path
    figures: dict[str, Any]
    kept: list[Record] = field(default_factory=list)

    @property
    def disk(self) -> Path:
        return self.folder / "disk.img"

    @property
    def export(self) -> Path:
        """The stick that takes files away, while it is plugged in."""
        return self.folder / "export.img"

    @property
    def log(self) -> Path:
        """Of the disk's writes, where they are noted."""
        return self.folder / "writes.log"

    @property
    def parts(self) -> dict[str, Part]:
        return partitions(self.folder / "fresh.img")

    def renew(self) -> None:
        """The disk as the factory made it."""
        run("cp", "--sparse=always", "--reflink=auto", str(self.folder / "fresh.img"), str(self.disk))
        self.kept.clear()

    def keep(self, name: str) -> None:
        """A copy of the disk as it is now."""
        run("cp", "--sparse=always", "--reflink=auto", str(self.disk), str(self.folder / name))

    def firmware(self) -> Firmware:
        """Of this machine."""
        return Firmware(self.disk, self.parts, self.folder / "loaded")

    @contextlib.asynccontextmanager
    async def on(self, *, noted: bool = False) -> AsyncIterator[Guest]:
        """From the firmware to the first word of the system, which has read its journal. Then its power goes.

        noted: each write of the disk, in `log`.
        """
        async with self._powered(noted=noted) as (slot, process, line):
            began = time.monotonic()
            reader, writer = await _connected(process, line)
            guest = Guest(process, reader, writer, slot, self.log if noted else None, self.kept)
            guest.ready = await guest.hears(lambda said: "ready" in said)
            self.figures.setdefault("boot_seconds", []).append(round(time.monotonic() - began, 1))
            _LOG.info("slot %s says %s", slot.value, guest.ready)
            await self._holds_its_journal(guest)
            yield guest

    async def dies(self, seconds: float = BOOT_SECONDS) -> Slot:
        """A start of a system that does not come up; the slot."""
        async with self._powered(noted=False) as (slot, process, _), asyncio.timeout(seconds):
            await process.wait()
        return slot

    @contextlib.asynccontextmanager
    async def _powered(self, *, noted: bool) -> AsyncIterator[tuple[Slot, Process, Path]]:
        firmware = self.firmware()
        slot = firmware.select()
        kernel, initrd = firmware.load(slot)
        if noted:
            self.log.write_bytes(b"")
        with tempfile.TemporaryDirectory(prefix="madoguchi-vm-") as sockets:
            line = Path(sockets) / "line"
            process = await asyncio.create_subprocess_exec(
                *self._command(slot, kernel, initrd, line, noted=noted),
                stdin=DEVNULL,
                stdout=DEVNULL,
                stderr=PIPE,
            )
            self.figures["boots"] = self.figures.get("boots", 0) + 1
            try:
                yield slot, process, line
            finally:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()

    async def _holds_its_journal(self, guest: Guest) -> None:
        """Every entry that was acknowledged is there, under the chain value that it had."""
        if not self.kept:
            return
        last = self.kept[-1]
        entries = guest.ready["entries"]
        expect(True, entries >= last.seq, f"the journal's {entries} entries")
        guest.tell(f"chain {last.seq}")
        said = await guest.hears(lambda one: "chain_at" in one)
        expect(last.chain, said["chain_at"], f"the chain of the journal at entry {last.seq}")

    def slot_bytes(self, slot: Slot) -> bytes:
        """SHA-256 of what lies in a slot."""
        part = self.parts[root_name(slot)]
        with self.disk.open("rb") as disk:
            disk.seek(part.start)
            digest = hashlib.sha256()
            for _ in range(part.size // MIB):
                digest.update(disk.read(MIB))
        return digest.digest()

    def _command(self, slot: Slot, kernel: Path, initrd: Path, line: Path, *, noted: bool) -> list[str]:
        words = f"{KERNEL} console=ttyS0 root=PARTLABEL={root_name(slot)} rauc.slot={slot.value}"
        below = (
            f"driver=raw,node-name=below,file.driver=file,file.filename={self.disk},file.cache.no-flush=on"
        )
        if noted:
            disk = (
                f"driver=blklogwrites,node-name=disk,file=below,log.driver=file,log.filename={self.log},"
                "log.cache.no-flush=on"
            )
            drives = ["-blockdev", below, "-blockdev", disk]
        else:
            drives = ["-blockdev", below.replace("node-name=below", "node-name=disk")]
        return [
            *("setpriv", "--pdeathsig", "KILL"),
            *(
                "qemu-system-x86_64",
                "-machine",
                "q35,sata=off,smbus=off,usb=off",
                "-accel",
                "tcg,thread=multi",
                "-cpu",
                "Nehalem",
            ),
            *("-smp", "2", "-m", "768", "-nodefaults", "-display", "none", "-no-reboot"),
            *("-kernel", str(kernel), "-initrd", str(initrd), "-append", words),
            *(*drives, "-device", "virtio-blk-pci,drive=disk"),
            *("-device", "qemu-xhci,id=usb", *self._sticks()),
            *("-device", "virtio-rng-pci", "-rtc", "base=utc"),
            *("-chardev", f"file,id=console,path={self.folder / 'console.log'},append=on"),
            *("-serial", "chardev:console"),
            *("-chardev", f"socket,id=line,path={line},server=on,wait=off", "-serial", "chardev:line"),
        ]

    def _sticks(self) -> list[str]:
        """With the bundles, and where there is one the stick that takes files away."""
        sticks = {"updates": f"{self.folder / 'media.img'},readonly=on"}
        if self.export.exists():
            sticks["export"] = str(self.export)
        words = []
        for name, file in sticks.items():
            words += ["-drive", f"format=raw,if=none,id={name},file={file}"]
            words += ["-device", f"usb-storage,bus=usb.0,drive={name},removable=on"]
        return words


async def _connected(process: Process, line: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    async with asyncio.timeout(60):
        while True:
            try:
                return await asyncio.open_unix_connection(line)
            except (FileNotFoundError, ConnectionRefusedError):
                if process.returncode is not None and process.stderr is not None:
                    raise RuntimeError((await process.stderr.read()).decode()) from None
                await asyncio.sleep(0.1)


def standing_of(said: dict[str, Any]) -> str:
    """The word for how the system came to run."""
    return str(said.get("state", said).get("standing", ""))


def expect(wanted: object, found: object, of: str) -> None:
    """Raises AssertionError that names it."""
    if wanted != found:
        raise AssertionError(f"{of}: expected {wanted!r}, found {found!r}")
    _LOG.info("%s: as it should be", of)


def run(*command: str) -> None:
    """Raises CalledProcessError."""
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
