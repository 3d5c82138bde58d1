"""One emulated machine: QEMU without hardware help, its disks, wires and power switch."""

import asyncio
import json
import shutil
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROCESSOR = "Nehalem"
"""A 64-bit processor of 2008: what Debian needs and TCG does quickly."""

KERNEL = (
    "root=/dev/vda rootfstype=squashfs ro console=ttyS0 panic=10 quiet systemd.gpt_auto=0 "
    "systemd.show_status=0 systemd.journald.forward_to_console=1 systemd.default_timeout_start_sec=900"
)
"""The log on the serial line, and time for a processor that is some twenty times slower."""


@dataclass(slots=True)
class Machine:
    """image: what scripts/image/build made. data: this machine's own data partition.

    serial_lines: terminals on this side, by USB port. forwarded: ports of this side by the guest's.
    reached: addresses that the guest may reach ("10.0.2.100:443") and ports of this side behind them.
    """

    image: Path
    data: Path
    console: Path
    monitor: Path
    serial_lines: Sequence[str]
    forwarded: Mapping[int, int]
    reached: Mapping[str, int]
    memory_mib: int = 1536
    processors: int = 1
    extra: Sequence[str] = ()
    process: Process | None = field(default=None, init=False)

    async def start(self) -> Process:
        """Switch it on. What it says on its first serial line is added to `console`."""
        self.process = await asyncio.create_subprocess_exec(
            *self._command(), stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE, start_new_session=True
        )
        return self.process

    async def ask(self, command: str, **arguments: Any) -> Any:
        """One command of QEMU's monitor (QMP). Raises RuntimeError with its refusal."""
        reader, writer = await asyncio.open_unix_connection(self.monitor)
        try:
            await reader.readline()
            for said in ({"execute": "qmp_capabilities"}, {"execute": command, "arguments": arguments}):
                writer.write(json.dumps(said).encode() + b"\n")
                while "event" in (answer := json.loads(await reader.readline())):
                    pass
        finally:
            writer.close()
        if "error" in answer:
            raise RuntimeError(f"{command}: {answer['error']['desc']}")
        return answer["return"]

    async def power_button(self) -> None:
        """The short press: the guest shuts down by itself."""
        await self.ask("system_powerdown")

    def _command(self) -> list[str]:
        forwards = [f"hostfwd=tcp:127.0.0.1:{ours}-:{guests}" for guests, ours in self.forwarded.items()]
        socat = shutil.which("socat") or "socat"
        reaches = [
            f"guestfwd=tcp:{address}-cmd:{socat} STDIO TCP4:127.0.0.1:{port}"
            for address, port in self.reached.items()
        ]
        command = [
            *("qemu-system-x86_64", "-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", PROCESSOR),
            *("-smp", str(self.processors), "-m", str(self.memory_mib), "-nodefaults", "-display", "none"),
            *("-kernel", str(self.image / "vmlinuz"), "-initrd", str(self.image / "initrd.img")),
            *("-append", KERNEL),
            *("-drive", f"file={self.image / 'root.squashfs'},format=raw,if=virtio,readonly=on"),
            *("-drive", f"file={self.data},format=raw,if=virtio,cache=writeback"),
            *("-netdev", ",".join(["user", "id=line", "restrict=on", *forwards, *reaches])),
            *("-device", "virtio-net-pci,netdev=line", "-device", "virtio-rng-pci"),
            *("-device", "i6300esb", "-action", "watchdog=reset", "-rtc", "base=utc"),
            *("-chardev", f"file,id=console,path={self.console},append=on", "-serial", "chardev:console"),
            *("-qmp", f"unix:{self.monitor},server=on,wait=off", "-device", "qemu-xhci,id=usb"),
        ]
        for port, path in enumerate(self.serial_lines, start=1):
            command += ["-chardev", f"serial,id=line{port},path={path}"]
            command += ["-device", f"usb-serial,id=usb{port},chardev=line{port},bus=usb.0,port={port}"]
        return [*command, *self.extra]


async def make_data_partition(content: Path, to: Path, *, mib: int = 256) -> None:
    """An ext4 labelled madoguchi-data with this content, owners as they are."""
    for command in (
        ["rm", "-f", str(to)],
        ["truncate", "-s", f"{mib}M", str(to)],
        ["mke2fs", "-q", "-t", "ext4", "-L", "madoguchi-data", "-d", str(content), str(to)],
    ):
        process = await asyncio.create_subprocess_exec(*command, stderr=PIPE)
        _, complaint = await process.communicate()
        if process.returncode:
            raise RuntimeError(f"{command[0]}: {complaint.decode()}")


async def copy_out(data: Path, folder: str, to: Path) -> None:
    """A folder of the data partition of a machine that is off, by debugfs: nothing is mounted."""
    # The journal of the file system first, as a mount would.
    for command in (
        ["mkdir", "-p", str(to)],
        ["e2fsck", "-fy", str(data)],
        ["debugfs", "-R", f"rdump {folder} {to}", str(data)],
    ):
        process = await asyncio.create_subprocess_exec(*command, stdout=DEVNULL, stderr=DEVNULL)
        await process.wait()
