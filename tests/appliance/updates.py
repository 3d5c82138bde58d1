"""Updates in an emulated machine: python -m tests.appliance.updates image DIR | run DIR [STAGE …]

image: makes three systems (0.2.0, 0.3.0, and 0.4.0 which never gets fit), their signed bundles, one by a
foreign signer, one with damaged bytes, and the disk with 0.2.0 in slot A. run: the stages on that disk:

    refused   a foreign signer, damaged bytes, an older version: nothing changes
    good      0.3.0 is installed, tried, marked good, and stays
    rollback  0.4.0 is installed, tried as often as a new system is, and 0.3.0 runs again
    cuts      the power goes at each tenth of an installation; the former system starts (--cuts 1 5 9)

The systems are Debian with RAUC, the kiosk's own units and its side of updates, without its devices. The
firmware that selects the slot is played here (`Firmware`). A cut ends the emulator: what the guest
has not written back is lost.
"""

import argparse
import asyncio
import contextlib
import hashlib
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from firmware.compose.boot_sector import SECTOR_BYTES, newest, sectors_after
from firmware.core.updates import TRIES, Slot, started

REPOSITORY = Path(__file__).resolve().parents[2]
LAYER = Path(__file__).with_name("updates_layer")
PACKAGES = (
    "systemd-sysv,dbus,polkitd,udev,kmod,python3,rauc,rauc-service,linux-image-amd64,initramfs-tools,"
    "zstd,e2fsprogs"
)
FIRST, SECOND, UNFIT = "0.2.0", "0.3.0", "0.4.0"
BOOT_SECONDS = 600.0
INSTALL_SECONDS = 900.0
MIB = 1024 * 1024
_LOG = logging.getLogger("updates")

KERNEL = (
    "rootfstype=squashfs ro console=ttyS0 panic=10 quiet systemd.gpt_auto=0 systemd.show_status=0 "
    "systemd.journald.forward_to_console=1 systemd.default_timeout_start_sec=900 mitigations=off"
)


@dataclass(frozen=True, slots=True)
class Layout:
    """The disk's partitions, in MiB from the start: the boot choice, the two slots, the data."""

    slot_mib: int
    data_mib: int = 64

    def starts(self) -> dict[str, int]:
        return {
            "madoguchi-choice": 1,
            "root-a": 2,
            "root-b": 2 + self.slot_mib,
            "data": 2 + 2 * self.slot_mib,
        }

    def script(self) -> str:
        """For sfdisk."""
        sizes = {
            "madoguchi-choice": 1,
            "root-a": self.slot_mib,
            "root-b": self.slot_mib,
            "data": self.data_mib,
        }
        lines = [f"start={at}MiB, size={sizes[name]}MiB, name={name}" for name, at in self.starts().items()]
        return "\n".join(["label: gpt", *lines]) + "\n"

    @property
    def total_mib(self) -> int:
        return self.starts()["data"] + self.data_mib + 1


@dataclass(slots=True)
class Firmware:
    """What firmware does before any system runs: chooses a slot, notes the try, loads the kernel."""

    disk: Path
    layout: Layout
    loaded: Path

    def select(self) -> Slot:
        """Reads the choice as documented in firmware/compose/boot_sector.py."""
        at = self.layout.starts()["madoguchi-choice"] * MIB
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
        offset = self.layout.starts()[f"root-{slot.value.lower()}"] * MIB
        shutil.rmtree(self.loaded, ignore_errors=True)
        run("unsquashfs", "-q", "-n", "-o", str(offset), "-d", str(self.loaded), str(self.disk), "boot")
        [kernel], [initrd] = self.loaded.glob("boot/vmlinuz*"), self.loaded.glob("boot/initrd*")
        return kernel, initrd


@dataclass(slots=True)
class Guest:
    """A running machine and what it has said on its second serial line."""

    process: Process
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    slot: Slot
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
                        self.said.append(said)
                        if wanted(said):
                            return dict(said)
        except TimeoutError:
            raise TimeoutError(f"said last: {self.said[-5:]}") from None

    async def stands(self, standing: str, seconds: float = BOOT_SECONDS) -> dict[str, Any]:
        """Until root says so."""
        said = await self.hears(lambda one: _standing(one) == standing, seconds)
        return dict(said.get("state", said))

    async def goes_off(self, seconds: float = BOOT_SECONDS) -> None:
        """It starts anew by itself, which ends the emulator."""
        async with asyncio.timeout(seconds):
            await self.process.wait()

    def cut_power(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()


@dataclass(slots=True)
class Rig:
    """The machine, off until `on`. figures: what was measured."""

    folder: Path
    layout: Layout
    figures: dict[str, Any]

    @property
    def disk(self) -> Path:
        return self.folder / "disk.img"

    def firmware(self) -> Firmware:
        """Of this machine."""
        return Firmware(self.disk, self.layout, self.folder / "loaded")

    @contextlib.asynccontextmanager
    async def on(self) -> AsyncIterator[Guest]:
        """From the firmware to the first word of the system. Off at the end, by its power."""
        firmware = self.firmware()
        slot = firmware.select()
        kernel, initrd = firmware.load(slot)
        with tempfile.TemporaryDirectory(prefix="madoguchi-vm-") as sockets:
            line = Path(sockets) / "line"
            began = time.monotonic()
            process = await asyncio.create_subprocess_exec(
                *_command(self, slot, kernel, initrd, line), stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE
            )
            self.figures["boots"] = self.figures.get("boots", 0) + 1
            try:
                reader, writer = await _connected(process, line)
                guest = Guest(process, reader, writer, slot)
                await guest.hears(lambda said: "ready" in said)
                seconds = round(time.monotonic() - began, 1)
                self.figures.setdefault("boot_seconds", []).append(seconds)
                _LOG.info("slot %s says %s after %.0f s", slot.value, guest.said[-1], seconds)
                yield guest
            finally:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()

    def slot_bytes(self, slot: Slot) -> bytes:
        """SHA-256 of what lies in a slot."""
        digest = hashlib.sha256()
        with self.disk.open("rb") as disk:
            disk.seek(self.layout.starts()[f"root-{slot.value.lower()}"] * MIB)
            for _ in range(self.layout.slot_mib):
                digest.update(disk.read(MIB))
        return digest.digest()


async def refused(rig: Rig) -> None:
    """Nothing that is not signed, whole and newer is ever started."""
    async with rig.on() as guest:
        before = rig.slot_bytes(guest.slot)
        for file, reason in (("foreign", "signature"), ("older", "older"), ("damaged", "write")):
            guest.tell(f"install /media/{file}.raucb")
            told = await guest.hears(lambda said: said.get("event") == "update-refused", INSTALL_SECONDS)
            expect(reason, told["reason"], f"why {file} was refused")
            said = await guest.hears(lambda said: said.get("state", {}).get("held") is False)
            expect("steady", said["state"]["standing"], "how it stands then")
            expect(before, rig.slot_bytes(guest.slot), "the running slot")
    expect(guest.slot, rig.firmware().select(), "the slot that starts")


async def good(rig: Rig) -> None:
    """The new version is tried, marked, and stays; what was on disk is still there."""
    async with rig.on() as guest:
        expect("A", guest.slot.value, "the first slot")
        guest.tell("write before the update")
        await guest.hears(lambda said: "written" in said)
        began = time.monotonic()
        guest.tell("install /media/good.raucb")
        await guest.stands("installing", INSTALL_SECONDS)
        await guest.goes_off(INSTALL_SECONDS)
        rig.figures["install_seconds"] = round(time.monotonic() - began, 1)
    async with rig.on() as guest:
        expect("B", guest.slot.value, "the slot on trial")
        expect("trial", _standing(guest.said[-1]), "how it stands")
        began = time.monotonic()
        state = await guest.stands("confirmed")
        rig.figures["fit_seconds"] = round(time.monotonic() - began, 1)
        expect(SECOND, state["version"], "the version that was confirmed")
        guest.tell("read")
        kept = await guest.hears(lambda said: "kept" in said)
        expect("before the update", kept["kept"][0], "the data partition")
    async with rig.on() as guest:
        expect("B", guest.slot.value, "the slot that stays")
        expect("steady", _standing(guest.said[-1]), "how it stands")
        guest.tell("install /media/older.raucb")
        told = await guest.hears(lambda said: said.get("event") == "update-refused", INSTALL_SECONDS)
        expect("older", told["reason"], "why the first version is refused now")


async def rollback(rig: Rig) -> None:
    """A version that never gets fit is tried as often as it may be, and the former one runs again."""
    async with rig.on() as guest:
        former = guest.slot
        guest.tell("install /media/unfit.raucb")
        await guest.stands("installing", INSTALL_SECONDS)
        await guest.goes_off(INSTALL_SECONDS)
    for attempt in range(TRIES):
        async with rig.on() as guest:
            expect(former.other, guest.slot, f"the slot of try {attempt + 1}")
            expect("trial", _standing(guest.said[-1]), "how it stands")
            await guest.goes_off()
    async with rig.on() as guest:
        expect(former, guest.slot, "the slot after the last try")
        expect("rolled-back", _standing(guest.said[-1]), "how it stands")


async def cuts(rig: Rig, tenths: Sequence[int]) -> None:
    """Killed at each tenth of an installation: the former system starts, its bytes as they were."""
    whole = rig.figures.get("install_seconds", 30.0)
    for tenth in tenths:
        async with rig.on() as guest:
            running, before = guest.slot, rig.slot_bytes(guest.slot)
            standing = _standing(guest.said[-1])
            expect(
                True, standing in {"steady", "rolled-back"}, f"how it stands before cut {tenth}: {standing}"
            )
            guest.tell("install /media/unfit.raucb")
            # The moment is a tenth of a whole installation's time: any moment must do.
            await asyncio.sleep(whole * tenth / 10)
            guest.cut_power()
            await guest.process.wait()
        expect(before, rig.slot_bytes(running), f"the running slot after cut {tenth}")
        chosen = rig.firmware().select()
        rig.figures.setdefault("cuts", []).append({"tenth": tenth, "starts": chosen.value})
        if chosen is not running:
            # Written whole just before: on trial it is started, never fit, and given up like any other.
            for _ in range(TRIES):
                rig.firmware().select()
    async with rig.on() as guest:
        expect(running, guest.slot, "the slot after all cuts")


def expect(wanted: object, found: object, of: str) -> None:
    """Raises AssertionError that names it."""
    if wanted != found:
        raise AssertionError(f"{of}: expected {wanted!r}, found {found!r}")
    _LOG.info("%s: as it should be", of)


_PROGRAMS = (
    "mmdebstrap",
    "mksquashfs",
    "mke2fs",
    "sfdisk",
    "rauc",
    "openssl",
    "depmod",
    "qemu-system-x86_64",
)
_FROM = "mmdebstrap squashfs-tools e2fsprogs fdisk rauc openssl kmod qemu-system-x86"


def make_images(folder: Path) -> None:
    """Everything that `run` needs. Raises RuntimeError naming the programs that are missing."""
    if missing := [program for program in _PROGRAMS if shutil.which(program) is None]:
        raise RuntimeError(f"install what brings {', '.join(missing)}: {_FROM}")
    folder.mkdir(parents=True, exist_ok=True)
    base = folder / "small-base.tar"
    if not base.exists():
        _make_base(base)
    _make_signers(folder)
    roots = {version: _make_root(folder, base, version) for version in (FIRST, SECOND, UNFIT)}
    media = folder / "media"
    shutil.rmtree(media, ignore_errors=True)
    media.mkdir()
    _bundle(folder, roots[SECOND], media / "good.raucb", SECOND)
    _bundle(folder, roots[UNFIT], media / "unfit.raucb", UNFIT)
    _bundle(folder, roots[SECOND], media / "foreign.raucb", SECOND, signer="foreign")
    # The same content under a lower number: the version is the manifest's, which is signed.
    _bundle(folder, roots[FIRST], media / "older.raucb", "0.1.9")
    damaged = bytearray((media / "good.raucb").read_bytes())
    middle = len(damaged) // 2
    damaged[middle : middle + 8] = bytes(byte ^ 0xFF for byte in damaged[middle : middle + 8])
    (media / "damaged.raucb").write_bytes(damaged)
    run(
        "truncate",
        "-s",
        f"{sum(f.stat().st_size for f in media.iterdir()) // MIB + 64}M",
        str(folder / "media.img"),
    )
    run("mke2fs", "-q", "-F", "-t", "ext4", "-L", "media", "-d", str(media), str(folder / "media.img"))
    slot_mib = max(root.stat().st_size for root in roots.values()) // MIB + 8
    (folder / "layout.json").write_text(json.dumps({"slot_mib": slot_mib}))
    _make_disk(folder, Layout(slot_mib), roots[FIRST])


def _make_base(to: Path) -> None:
    hook = (
        'mkdir -p "$1/usr/share/initramfs-tools/modules.d"'
        ' && printf "squashfs\\next4\\n" >"$1/usr/share/initramfs-tools/modules.d/madoguchi"'
    )
    run(
        *("mmdebstrap", "--quiet", "--format=tar", "--variant=minbase", f"--include={PACKAGES}"),
        *('--aptopt=APT::Install-Recommends "false"', "--dpkgopt=path-exclude=/usr/share/man/*"),
        *("--dpkgopt=path-exclude=/usr/share/locale/*", "--dpkgopt=path-exclude=/usr/share/doc/*"),
        *(f"--essential-hook={hook}", "bookworm", f"{to}.new"),
    )
    Path(f"{to}.new").replace(to)


def _make_signers(folder: Path) -> None:
    for name in ("signer", "foreign"):
        if not (folder / f"{name}.pem").exists():
            run(
                *(
                    "openssl",
                    "req",
                    "-x509",
                    "-newkey",
                    "ec",
                    "-pkeyopt",
                    "ec_paramgen_curve:P-256",
                    "-nodes",
                ),
                *("-keyout", str(folder / f"{name}.key"), "-out", str(folder / f"{name}.pem")),
                *("-days", "3650", "-subj", f"/CN={name} of updates, for tests alone"),
            )


def _make_root(folder: Path, base: Path, version: str) -> Path:
    root = folder / f"root-{version}.squashfs"
    with tempfile.TemporaryDirectory(prefix="tree-", dir=folder) as made:
        tree = Path(made)
        tree.chmod(0o755)
        run("tar", "-C", str(tree), "-xf", str(base))
        without = [word for part in ("packages", "python", "display") for word in ("--without", part)]
        run(str(REPOSITORY / "scripts/install"), "--root", str(tree), *without)
        for found in (tree / "etc/systemd/system").rglob("madoguchi*"):
            if re.match(
                r"madoguchi(-(worker|cups|sound|screen|console|first|pcscd).*)?\.|madoguchi-.*@", found.name
            ):
                found.unlink() if not found.is_dir() else shutil.rmtree(found)
        shutil.copytree(LAYER, tree, symlinks=True, dirs_exist_ok=True)
        init = tree / "usr/lib/madoguchi/firmware/__init__.py"
        init.write_text(re.sub(r'__version__ = ".*"', f'__version__ = "{version}"', init.read_text()))
        if version == UNFIT:
            (tree / "usr/lib/rig/unfit").touch()
            quick = tree / "etc/systemd/system/madoguchi-trial.timer.d"
            quick.mkdir()
            (quick / "rig.conf").write_text("[Timer]\nOnBootSec=\nOnActiveSec=45\n")
        shutil.copy(folder / "signer.pem", tree / "etc/rauc/keyring.pem")
        (tree / "etc/fstab").write_text(
            "LABEL=madoguchi-data /data ext4 rw,nosuid,nodev,noexec,noatime 0 0\n"
            "LABEL=media /media ext4 ro,nofail 0 0\n"
            "/data/madoguchi /var/lib/madoguchi none bind,x-systemd.requires-mounts-for=/data 0 0\n"
            "/data/updates /var/lib/madoguchi-updates none bind,x-systemd.requires-mounts-for=/data 0 0\n"
            # As in the image: what asks logind to start the machine anew waits for one that can start.
            "tmpfs /var/lib/systemd tmpfs mode=0755,nosuid,nodev,noexec,size=4M 0 0\n"
        )
        for place in ("data", "media", "var/lib/madoguchi", "var/lib/madoguchi-updates"):
            (tree / place).mkdir(parents=True, exist_ok=True)
        (tree / "etc/machine-id").write_text("")
        for unit in ("getty@tty1.service", "serial-getty@.service", "systemd-binfmt.service"):
            (tree / "etc/systemd/system" / unit).symlink_to("/dev/null")
        _prune(tree)
        root.unlink(missing_ok=True)
        run(
            "mksquashfs",
            str(tree),
            str(root),
            "-quiet",
            "-no-progress",
            "-comp",
            "zstd",
            "-Xcompression-level",
            "1",
        )
    return root


def _prune(tree: Path) -> None:
    """Drivers of a machine that nobody emulates here."""
    shutil.rmtree(tree / "usr/share/mime", ignore_errors=True)
    for modules in (tree / "usr/lib/modules").glob("*"):
        for name in ("sound", "net/wireless", *(f"drivers/{kind}" for kind in _DRIVERS)):
            shutil.rmtree(modules / "kernel" / name, ignore_errors=True)
        run("depmod", "-b", str(tree), modules.name)


_DRIVERS = (
    "gpu",
    "net",
    "media",
    "infiniband",
    "scsi",
    "usb",
    "iio",
    "staging",
    "isdn",
    "hwmon",
    "input",
    "thunderbolt",
)


def _make_disk(folder: Path, layout: Layout, root: Path) -> None:
    disk, data = folder / "disk.img", folder / "data.img"
    disk.unlink(missing_ok=True)
    run("truncate", "-s", f"{layout.total_mib}M", str(disk))
    subprocess.run(["sfdisk", "-q", str(disk)], input=layout.script(), text=True, check=True)
    with tempfile.TemporaryDirectory(dir=folder) as made:
        content = Path(made)
        (content / "updates").mkdir()
        (content / "madoguchi").mkdir(mode=0o700)
        os.chown(content / "madoguchi", 880, 880)
        data.unlink(missing_ok=True)
        run("truncate", "-s", f"{layout.data_mib}M", str(data))
        run("mke2fs", "-q", "-t", "ext4", "-L", "madoguchi-data", "-d", str(content), str(data))
    for file, name in ((root, "root-a"), (data, "data")):
        place = ("bs=1M", f"seek={layout.starts()[name]}", "conv=notrunc,sparse", "status=none")
        run("dd", f"if={file}", f"of={disk}", *place)


def _bundle(folder: Path, root: Path, to: Path, version: str, signer: str = "signer") -> None:
    keys = ("--key", str(folder / f"{signer}.key"), "--certificate", str(folder / f"{signer}.pem"))
    run(str(REPOSITORY / "scripts/image/bundle"), str(root), str(to), *keys, "--version", version)


def _command(rig: Rig, slot: Slot, kernel: Path, initrd: Path, line: Path) -> list[str]:
    words = f"{KERNEL} root=PARTLABEL=root-{slot.value.lower()} rauc.slot={slot.value}"
    return [
        *("qemu-system-x86_64", "-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "Nehalem"),
        *("-smp", "2", "-m", "768", "-nodefaults", "-display", "none", "-no-reboot"),
        *("-kernel", str(kernel), "-initrd", str(initrd), "-append", words),
        # Every flush of the guest reaches this side's disk cache; the power goes with the emulator.
        *("-drive", f"file={rig.disk},format=raw,if=virtio,cache=writeback"),
        *("-drive", f"file={rig.folder / 'media.img'},format=raw,if=virtio,readonly=on"),
        *("-device", "virtio-rng-pci", "-rtc", "base=utc"),
        *(
            "-chardev",
            f"file,id=console,path={rig.folder / 'console.log'},append=on",
            "-serial",
            "chardev:console",
        ),
        *("-chardev", f"socket,id=line,path={line},server=on,wait=off", "-serial", "chardev:line"),
    ]


async def _connected(process: Process, line: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    async with asyncio.timeout(60):
        while True:
            try:
                return await asyncio.open_unix_connection(line)
            except (FileNotFoundError, ConnectionRefusedError):
                if process.returncode is not None and process.stderr is not None:
                    raise RuntimeError((await process.stderr.read()).decode()) from None
                await asyncio.sleep(0.1)


def _standing(said: dict[str, Any]) -> str:
    return str(said.get("state", said).get("standing", ""))


def run(*command: str) -> None:
    """Raises CalledProcessError."""
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


STAGES = {"refused": refused, "good": good, "rollback": rollback}


async def perform(rig: Rig, stages: Sequence[str], tenths: Sequence[int]) -> None:
    """The stages in this order."""
    for stage in stages:
        began = time.monotonic()
        if stage == "cuts":
            await cuts(rig, tenths)
        else:
            await STAGES[stage](rig)
        rig.figures.setdefault("stage_seconds", {})[stage] = round(time.monotonic() - began, 1)


def main(arguments: Sequence[str]) -> int:
    """The command line; figures as JSON on standard output and in DIR/figures.json."""
    parser = argparse.ArgumentParser(prog="updates", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("act", choices=("image", "run"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("stages", nargs="*", default=[])
    parser.add_argument("--cuts", type=int, nargs="*", default=list(range(1, 11)), metavar="TENTH")
    said = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    if said.act == "image":
        make_images(said.folder)
        return 0
    kept = said.folder / "figures.json"
    figures = json.loads(kept.read_text()) if kept.exists() else {}
    rig = Rig(said.folder, Layout(**json.loads((said.folder / "layout.json").read_text())), figures)
    try:
        asyncio.run(perform(rig, said.stages or [*STAGES, "cuts"], said.cuts))
    finally:
        kept.write_text(json.dumps(figures, indent=1))
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
