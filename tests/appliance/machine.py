"""One emulated machine: QEMU without hardware help, its disks, wires and power switch."""

import asyncio
import shutil
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from firmware.core.updates import Slot
from tests.appliance.monitor import Monitor
from tests.simulators.world import REPOSITORY


@dataclass(frozen=True, slots=True)
class Board:
    """What QEMU makes of an architecture; line: the kernel's name of the first serial line."""

    program: str
    model: str
    processor: str
    line: str


BOARDS = {
    "amd64": Board("qemu-system-x86_64", "q35", "Nehalem", "ttyS0"),
    "arm64": Board("qemu-system-aarch64", "virt", "cortex-a72", "ttyAMA0"),
}
"""Nehalem: a 64-bit processor of 2008, what Debian needs and TCG does quickly. Cortex-A72: a Pi 4's."""

SUPERBLOCK = REPOSITORY / "scripts/image/files/usr/lib/madoguchi-image/superblock"
_CHECKSUM_AT = 1024 + 0x3FC

KERNEL = (
    "rootfstype=squashfs ro panic=10 quiet systemd.gpt_auto=0 "
    "systemd.show_status=0 systemd.journald.forward_to_console=1 systemd.default_timeout_start_sec=900 "
    "mitigations=off watchdog_thresh=30 softlockup_panic=1"
)
"""The log on the serial line, and time for a processor that is some twenty times slower.

No mitigations: what they guard against is not in this processor, and each change of the page tables, of which
they make two a system call, has TCG translate its addresses anew.

A panic, and with it another start, when a processor does nothing else for a minute: QEMU 7.2 with two of them
goes on, once in some hundred starts, with what it translated of an instruction that the kernel has rewritten
meanwhile. Both stood at a jump of the kernel's that was still a breakpoint for them, for ever.
"""

STOOD_STILL = "Kernel panic - not syncing: softlockup"
"""What the console says of that."""


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk, /dev/vda and so on in the order given; in the guest also /dev/disk/by-id/virtio-SERIAL.

    log: where every write and flush is noted in its order (tests.appliance.write_log); empty at the start.
    """

    file: Path
    writable: bool = True
    log: Path | None = None
    serial: str = ""


@dataclass(frozen=True, slots=True)
class Peripheral:
    """A USB device in a socket of the machine that can be unplugged: QEMU's driver and its properties.

    wire: QEMU's chardev behind it, without its id. card: the reader holds a slot whose card is at the wire.
    """

    driver: str
    wire: str
    card: bool = False


@dataclass(slots=True)
class Machine:
    """kernel, initrd: files on this side. disks: the first holds the root unless `root` says another.

    peripherals: by USB socket, from 1 on. forwarded: ports of this side by the guest's. reached: addresses
    that the guest may reach ("10.0.2.100:443") and ports of this side behind them. words: more of the
    kernel's command line. architecture: of BOARDS. clock: of the machine at the start, "utc" or as
    2031-05-06T07:08:09. extra, chip: more of QEMU's words, the latter for its TPM.
    """

    kernel: Path
    initrd: Path
    disks: Sequence[Disk]
    console: Path
    monitor_socket: Path
    peripherals: Sequence[Peripheral] = ()
    forwarded: Mapping[int, int] = field(default_factory=dict)
    reached: Mapping[str, int] = field(default_factory=dict)
    root: str = "/dev/vda"
    architecture: str = "amd64"
    words: Sequence[str] = ()
    clock: str = "utc"
    memory_mib: int = 1536
    processors: int = 2
    extra: Sequence[str] = ()
    chip: Sequence[str] = ()
    pulled: set[int] = field(default_factory=set, init=False)
    process: Process | None = field(default=None, init=False)
    monitor: Monitor = field(default_factory=Monitor, init=False)

    async def start(self) -> Process:
        """Switch it on. What it says on its first serial line is added to `console`."""
        self.monitor_socket.unlink(missing_ok=True)
        self.process = await asyncio.create_subprocess_exec(
            *self._command(), stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE, start_new_session=True
        )
        self.monitor = Monitor()
        try:
            await self.monitor.open(self.monitor_socket, self.process)
        except BaseException:
            await self.kill()
            raise
        return self.process

    async def kill(self) -> None:
        """The power is gone; may be called twice."""
        await self.monitor.close()
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    async def ask(self, command: str, **arguments: Any) -> Any:
        """One command of QEMU's monitor (QMP). Raises RuntimeError with its refusal."""
        return await self.monitor.ask(command, **arguments)

    async def power_button(self) -> None:
        """The short press: the guest shuts down by itself."""
        await self.ask("system_powerdown")

    async def unplug(self, socket: int) -> None:
        """Pull the device out of this USB socket; returns when it is gone. It stays out over power cuts."""
        self.pulled.add(socket)
        if self.process is None or self.process.returncode is not None:
            return
        gone = self.monitor.expect("DEVICE_DELETED", device=f"usb{socket}")
        await self.ask("device_del", id=f"usb{socket}")
        await gone

    async def plug(self, socket: int) -> None:
        """Put it in again."""
        self.pulled.discard(socket)
        for device in self._devices(socket):
            await self.ask("device_add", **device)

    async def set_cable(self, *, plugged: bool) -> None:
        """The network's cable."""
        await self.ask("set_link", name="line", up=plugged)

    def _command(self) -> list[str]:
        board = BOARDS[self.architecture]
        forwards = [f"hostfwd=tcp:127.0.0.1:{ours}-:{guests}" for guests, ours in self.forwarded.items()]
        socat = shutil.which("socat") or "socat"
        reaches = [
            f"guestfwd=tcp:{address}-cmd:{socat} STDIO TCP4:127.0.0.1:{port}"
            for address, port in self.reached.items()
        ]
        command = [
            *("setpriv", "--pdeathsig", "KILL"),  # a test that is killed leaves no machine behind
            *(board.program, "-machine", board.model, "-accel", "tcg,thread=multi", "-cpu", board.processor),
            *("-smp", str(self.processors), "-m", str(self.memory_mib), "-nodefaults", "-display", "none"),
            *("-kernel", str(self.kernel), "-initrd", str(self.initrd)),
            *("-append", " ".join([f"root={self.root}", f"console={board.line}", KERNEL, *self.words])),
            *("-netdev", ",".join(["user", "id=net", "restrict=on", *forwards, *reaches])),
            *("-device", "virtio-net-pci,id=line,netdev=net", "-device", "virtio-rng-pci"),
            *("-device", "i6300esb", "-action", "watchdog=reset", "-rtc", f"base={self.clock},clock=vm"),
            *("-chardev", f"file,id=console,path={self.console},append=on", "-serial", "chardev:console"),
            *("-qmp", f"unix:{self.monitor_socket},server=on,wait=off", "-device", "qemu-xhci,id=usb"),
        ]
        for number, disk in enumerate(self.disks):
            command += _disk(number, disk)
        for socket, peripheral in enumerate(self.peripherals, start=1):
            kind, _, rest = peripheral.wire.partition(",")
            command += ["-chardev", f"{kind},id=wire{socket},{rest}"]
            for device in () if socket in self.pulled else self._devices(socket):
                command += ["-device", ",".join([device.pop("driver"), *map("=".join, device.items())])]
        return [*command, *self.extra, *self.chip]

    def _devices(self, socket: int) -> list[dict[str, str]]:
        peripheral = self.peripherals[socket - 1]
        name, wire = f"usb{socket}", {"chardev": f"wire{socket}"}
        plug = {"driver": peripheral.driver, "id": name, "bus": "usb.0", "port": str(socket)}
        if not peripheral.card:
            return [plug | wire]
        return [plug, {"driver": "ccid-card-passthru", "id": f"card{socket}", "bus": f"{name}.0"} | wire]


def _disk(number: int, disk: Disk) -> list[str]:
    """No flush reaches this side's disk: the emulator is killed, not this side, and the log has the flush."""
    read_only = "off" if disk.writable else "on"
    held = f"driver=file,filename={disk.file},cache.no-flush=on".split(",")
    if disk.log is None:
        node = ",".join(["driver=raw", *(f"file.{word}" for word in held), f"read-only={read_only}"])
    else:
        log = f"driver=file,filename={disk.log},cache.no-flush=on".split(",")
        below = [*(f"file.file.{word}" for word in held), *(f"log.{word}" for word in log)]
        node = ",".join(["driver=blklogwrites", "file.driver=raw", *below])
    named = f",serial={disk.serial}" if disk.serial else ""
    return [
        *("-blockdev", f"{node},node-name=disk{number}"),
        *("-device", f"virtio-blk-pci,drive=disk{number}{named}"),
    ]


def root_name(slot: Slot) -> str:
    """Of the partition of a disk by scripts/image/disk."""
    return f"root-{slot.value.lower()}"


async def make_slots(image: Path, to: Path) -> None:
    """A disk with this system in slot A, as a machine has it, but without the data partition, its last."""
    await _do(str(REPOSITORY / "scripts/image/disk"), str(image), str(to))
    await _do("sfdisk", "-q", "--delete", str(to), "4")


async def make_data_partition(content: Path, to: Path, *, mib: int = 64) -> None:
    """An ext4 labelled madoguchi-data with this content, owners as they are."""
    await _do("rm", "-f", str(to))
    await _do("truncate", "-s", f"{mib}M", str(to))
    await _do("mke2fs", "-q", "-t", "ext4", "-L", "madoguchi-data", "-d", str(content), str(to))


async def _do(*command: str) -> None:
    process = await asyncio.create_subprocess_exec(*command, stdout=DEVNULL, stderr=PIPE)
    _, complaint = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{command[0]}: {complaint.decode()}")


def tear_superblock(data: Path) -> None:
    """What a power cut leaves that ends the superblock's write behind the first of its two sectors.

    Its checksum, the last four bytes, is that of the moment before. Linux, ext4/super.rst.
    """
    with data.open("r+b") as file:
        file.seek(_CHECKSUM_AT)
        before = bytes(byte ^ 0xFF for byte in file.read(4))
        file.seek(_CHECKSUM_AT)
        file.write(before)


async def mended(data: Path) -> bool:
    """Whether the data partition of a machine that is off opens as at its start: without a question."""
    status = 0
    for command in ([str(SUPERBLOCK), str(data)], ["e2fsck", "-fp", str(data)]):
        process = await asyncio.create_subprocess_exec(*command, stdout=DEVNULL, stderr=DEVNULL)
        status = await process.wait()
    return status <= 1


async def copy_out(data: Path, folder: str, to: Path) -> None:
    """A folder of the data partition of a machine that is off, by debugfs: nothing is mounted."""
    # The journal of the file system first, as a mount would; on a disk that lies whatever is left of it.
    await mended(data)
    for command in (
        ["mkdir", "-p", str(to)],
        ["e2fsck", "-fy", str(data)],
        ["debugfs", "-R", f"rdump {folder} {to}", str(data)],
    ):
        process = await asyncio.create_subprocess_exec(*command, stdout=DEVNULL, stderr=DEVNULL)
        await process.wait()
