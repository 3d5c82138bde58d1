"""scripts/install on a bare Debian in an emulated machine: python -m tests.appliance.install COMMAND DIR

    make DIR --wheels DIR    the bare machine's disk and the tape with the release (tests/appliance/bare.py)
    tape DIR --wheels DIR    the tape alone, with the release as it is now
    run DIR [STAGE …]        the stages on a copy of that disk, in this order:

    install      installs, finds nothing different, installs again and changes nothing
    kiosk        starts anew with the rig's peripherals: start screen, what the machine says of itself,
                 what each unit's restrictions refuse, the picture on the display, five things spoilt
                 and named, mended not under the running kiosk but once it is stopped
    uninstall    puts everything back, starts anew, and is that Debian again

Figures and findings are JSON on standard output; the exit status is 0 only if nothing is wrong.
"""

import argparse
import asyncio
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.appliance import bare
from tests.appliance.display import Displayed, display_works
from tests.appliance.machine import Disk, Machine
from tests.appliance.report import Report
from tests.appliance.running import EXPECTED
from tests.appliance.sandbox import ALLOWED, copy_of, said_allowed
from tests.appliance.store import BOOT_SECONDS, write_layer
from tests.simulators.world import REPOSITORY

HERE = Path(__file__).parent
WORDS = ("rootfstype=ext4", "rw")
INSTALL_SECONDS = 3600.0

ON_A_DISK = {"root": "rw", "slot": "--"}
"""Where an installed machine differs from an image."""

SPOIL = {
    "echo x >>/etc/madoguchi/cups/cupsd.conf": "/etc/madoguchi/cups/cupsd.conf: other text",
    "chmod 666 /etc/sysctl.d/90-madoguchi.conf": "/etc/sysctl.d/90-madoguchi.conf: other mode",
    "rm /etc/systemd/system/cups.socket": "/etc/systemd/system/cups.socket: missing",
    "ln -sf /x /etc/systemd/system/cups.path": "/etc/systemd/system/cups.path: other link",
    "swapon /dev/disk/by-id/virtio-swap": "swap: /dev/vdc is in use",
}

KEPT = re.compile(
    r"/var/(cache|log|tmp)(/.*)?|/var/lib/(dpkg|apt|systemd|ucf)(/.*)?|/var/lib/dbus/.*|/boot/.*"
    r"|/etc/(passwd|group|shadow|gshadow|subuid|subgid)-?|/etc/(ld\.so\.cache|machine-id|mtab|\.pwd\.lock)"
    r"|/etc/(xml|sgml)|/usr/share/polkit-1/rules\.d|(/etc|/var)/\.updated|/usr/lib/udev/hwdb\.bin"
    r"|/etc/cups/ppd|.*/__pycache__(/.*)?"
)
"""What dpkg, apt, systemd and Debian's cupsd write for themselves, whatever comes and goes; users of packages
stay."""

WRITTEN_MEANWHILE = ("/var/log/", "/var/lib/systemd/timesync/clock ")
"""By a machine that runs, whoever installs what."""

OWN = re.compile(r"/var/lib/madoguchi[^/]*(/.*)?|/etc/madoguchi(/.*)?")
"""The kiosk's own, which stays until it is erased."""


class Installed(Displayed):
    """A World whose kiosk is a machine with one disk, on which scripts/install was run."""

    slot = None

    def __init__(self, folder: Path, disk: Path, directory: Path) -> None:
        super().__init__(folder, directory=directory)
        self._disk, self._bare = disk, folder
        self.words = (*WORDS, "rig.lay")

    async def _disks(self) -> tuple[Disk, ...]:
        return (
            Disk(self._disk),
            Disk(self.directory / "config.tar", writable=False),
            Disk(self._bare / "swap.img", serial="swap"),
        )

    async def _fill_data_partition(self) -> None:
        await super()._fill_data_partition()
        self.data.write_bytes(b"")
        config = self.directory / "data"
        places = {
            "etc": "etc/madoguchi",
            "madoguchi": "var/lib/madoguchi",
            "cups": "var/lib/madoguchi-cups",
            "console": "var/lib/madoguchi-console",
            "published": "var/lib/madoguchi-published",
            "updates": "var/lib/madoguchi-updates",
        }
        words = [f"--transform=s,^{ours}\\b,{theirs}," for ours, theirs in places.items()]
        packing = ["tar", "-cf", str(self.directory / "config.tar"), *words, "-C", str(config), *places]
        await asyncio.to_thread(subprocess.run, packing, check=True)


@dataclass(slots=True)
class Shell:
    """Root's shell in a machine without peripherals."""

    socket: Path
    machine: Machine
    said_before: int = 0

    def said(self) -> str:
        """What the machine said on its first serial line since it was switched on."""
        return self.machine.console.read_bytes()[self.said_before :].decode(errors="replace")

    async def __call__(self, command: str, *, seconds: float = BOOT_SECONDS, status: int | None = 0) -> str:
        """What the command says. Raises RuntimeError if it ends otherwise."""
        reader, writer = await asyncio.open_unix_connection(self.socket, limit=1 << 24)
        try:
            async with asyncio.timeout(seconds):
                writer.write(f"{command}\n".encode())
                said = (await reader.readuntil(b"DONE ")).decode(errors="replace").removesuffix("DONE ")
                ended = int(await reader.readline())
        finally:
            writer.close()
        if status is not None and ended != status:
            raise RuntimeError(f"{command}: ended with {ended}: {said[-3000:]}")
        return said

    async def logged(self, command: str, log: str) -> None:
        """Do this, which says much, into a log; its end is in the RuntimeError of one that fails."""
        ending = f"(exit $status) || (tail -n 20 {log}; exit 1)"
        await self(f"({command}) </dev/null >{log} 2>&1; status=$?; {ending}", seconds=INSTALL_SECONDS)

    async def ready(self) -> str:
        """Until the machine has started; how it stands."""
        async with asyncio.timeout(BOOT_SECONDS):
            while "Started rig-shell.service" not in self.said():  # noqa: ASYNC110 - a file
                await asyncio.sleep(0.5)
        said = await self("systemctl is-system-running --wait 2>/dev/null", status=None)
        return said.split()[-1]  # before its first command the line still echoes

    async def off(self) -> None:
        """Shut down, as a person would."""
        assert self.machine.process is not None
        await self.machine.power_button()
        async with asyncio.timeout(BOOT_SECONDS):
            await self.machine.process.wait()


@asynccontextmanager
async def alone(folder: Path, disk: Path, log: Path) -> AsyncIterator[Shell]:
    """The machine with disk, tape and swap, and nothing else plugged in; started."""
    with tempfile.TemporaryDirectory(prefix="bare-") as sockets:
        socket = Path(sockets) / "shell"
        machine = Machine(
            kernel=folder / "vmlinuz",
            initrd=folder / "initrd.img",
            disks=(
                Disk(disk),
                Disk(folder / "tape.tar", writable=False),
                Disk(folder / "swap.img", serial="swap"),
            ),
            console=log,
            monitor_socket=Path(sockets) / "qmp",
            words=WORDS,
            extra=(
                "-chardev",
                f"socket,id=shell,path={socket},server=on,wait=off",
                "-serial",
                "chardev:shell",
            ),
        )
        said_before = log.stat().st_size if log.exists() else 0  # noqa: ASYNC240 - a stat
        await machine.start()
        try:
            yield Shell(socket, machine, said_before)
        finally:
            await machine.kill()


@dataclass(slots=True)
class Work:
    """One run: the bare machine's folder, the disk that is worked on, what was found."""

    folder: Path
    place: Path
    report: Report

    @property
    def disk(self) -> Path:
        return self.place / "disk.ext4"

    @property
    def log(self) -> Path:
        return self.place / "console.log"

    def expect(self, wanted: object, found: object, what: str) -> None:
        if wanted != found:
            self.report.wrong.append(f"{what}: {found!r}, expected {wanted!r}")


INSTALL = f"cd {bare.CARRIED} && scripts/install --wheels wheels"


async def install(work: Work) -> None:
    """A machine with swap, dumps and a print server of its own becomes a kiosk, and stays one."""
    shutil.copy(work.folder / "bare.ext4", work.disk)
    report = work.report
    async with alone(work.folder, work.disk, work.log) as shell:
        with report.timed("bare: boot"):
            report.said["bare"] = await shell.ready()
        await shell(f"mkdir -p {bare.CARRIED} && tar -xf /dev/vdb -C {bare.CARRIED}")
        await shell(f"python3 {bare.CARRIED}/tests/appliance/listing save /root/before")
        work.expect("1", (await shell("tail -n +2 /proc/swaps | wc -l")).strip(), "swap before")
        work.expect(1, len((await shell(f"{INSTALL} --check", status=1)).splitlines()[:1]), "--check before")
        with report.timed("scripts/install"):
            await shell.logged(INSTALL, "/root/install.log")
        with report.timed("--check"):
            found = await shell(f"{INSTALL} --check", status=None)
        work.expect("nothing differs", found.strip(), "--check right after")
        await shell(f"python3 {bare.CARRIED}/tests/appliance/listing save /root/once --times")
        with report.timed("scripts/install again"):
            await shell.logged(INSTALL, "/root/install.log")
        twice = await shell(f"python3 {bare.CARRIED}/tests/appliance/listing compare /root/once --times")
        changed = [line for line in twice.splitlines() if not line.startswith(WRITTEN_MEANWHILE)]
        work.expect([], changed, "changed by installing again")
        await shell(f"cp -a {bare.CARRIED}/layer/. / && systemctl daemon-reload && sync")
        with report.timed("shutdown"):
            await shell.off()


async def kiosk(work: Work) -> None:
    """It serves under its restrictions, and shows what it should."""
    report = work.report
    directory = work.place / "store"
    shutil.rmtree(directory, ignore_errors=True)
    store = Installed(work.folder, work.disk, directory)
    try:
        with report.timed("kiosk: boot to start screen"):
            await store.__aenter__()
            await store.eyes.until_screen("idle", seconds=BOOT_SECONDS)
        await probed(work, store)
        await sandboxes(work, store)
        await display_works(store, report, work.place)
        for spoil in SPOIL:
            await store.shell(spoil)
        _, found = await store.shell(f"{INSTALL} --check")
        report.said["spoilt"] = found.splitlines()
        for line in SPOIL.values():
            work.expect(True, line in found.splitlines(), f"--check says {line}")
        status, refused = await store.shell(f"{INSTALL} 2>&1")
        told = (status, "`maintenance on`" in refused)
        work.expect((1, True), told, f"installing under the running kiosk: {refused}")
        await store.shell("systemctl stop madoguchi-screen madoguchi")
        # What the rig itself has laid into the release goes by this.
        await store.shell(INSTALL)
        work.expect("nothing differs", (await store.shell(f"{INSTALL} --check"))[1].strip(), "mended")
        with report.timed("kiosk: shutdown"):
            await store.stop_kiosk()
    except BaseException as error:
        error.add_note(store.said()[-4000:])
        raise
    finally:
        await store.kill_kiosk()
        await store.stop()


async def probed(work: Work, store: Installed) -> None:
    """What the machine says of itself."""
    _, said = await store.shell("/usr/lib/madoguchi/tests/appliance/probe")
    facts = dict(re.findall(r"PROBE (\S+) (\S+)", said))
    work.report.said["facts"] = facts
    if facts.get("failed") != "0":
        work.report.said["failed"] = (await store.shell("systemctl --failed --plain --no-legend"))[1]
    for name, value in {**EXPECTED, **ON_A_DISK}.items():
        work.expect(value, facts.get(name), name)
    _, active = await store.shell(
        "systemctl is-active madoguchi madoguchi-cups madoguchi-worker.socket pcscd.socket madoguchi-screen "
        "madoguchi-pcscd-restart.path madoguchi-cups-restart.path madoguchi-screen-restart.timer tmp.mount "
        "var-log.mount"
    )
    work.expect(["active"] * 10, active.split(), "units")
    _, masked = await store.shell("systemctl is-active cups.service cups.socket swap.target apt-daily.timer")
    work.expect(["inactive"] * 4, masked.split(), "masked units")


async def sandboxes(work: Work, store: Installed) -> None:
    """The attempts under each unit's own restrictions."""
    table = work.report.said.setdefault("allowed", {})
    for number, (unit, allowed) in enumerate(ALLOWED.items()):
        with work.report.timed(f"attempts under {unit}"):
            name = f"rig-attempts-{number}.service"
            text = copy_of(unit, "/usr/bin/python3 /usr/local/lib/rig/attempts --in-the-machine")
            lines = " ".join(f"'{line}'" for line in text.splitlines())
            await store.shell(
                f"printf '%s\\n' {lines} >/run/systemd/system/{name} && systemctl daemon-reload"
            )
            status, _ = await store.shell(f"rm -f /run/rig-attempts; systemctl start {name}")
            _, said = await store.shell("cat /run/rig-attempts /run/rig-complaints")
            try:
                found = said_allowed(said)
            except ValueError as error:
                _, why = await store.shell(f"journalctl -b -u {name} --no-pager -o cat | tail -5")
                work.report.wrong.append(f"{unit}: {status}: {error} {why}")
                continue
            table[unit] = sorted(found)
            work.expect(sorted(allowed), sorted(found), f"allowed under {unit}")


async def uninstall(work: Work) -> None:
    """Nothing of it is left but what it has written itself."""
    report = work.report
    async with alone(work.folder, work.disk, work.log) as shell:
        await shell.ready()
        laid = {
            line.removeprefix(".")
            for line in (await shell(f"cd {bare.CARRIED}/layer && find . ! -type d")).splitlines()
        }
        with report.timed("--uninstall"):
            await shell.logged(f"{INSTALL} --uninstall", "/root/uninstall.log")
        report.said["uninstall said"] = (
            await shell("grep ^install: /root/uninstall.log", status=None)
        ).splitlines()
        left = await shell(f"python3 {bare.CARRIED}/tests/appliance/listing compare /root/before")
        differing = [line.rsplit(" ", 1)[0] for line in left.splitlines()]
        differing = [at for at in differing if not any(one == at or one.startswith(f"{at}/") for one in laid)]
        report.said["kiosk's own"] = len([at for at in differing if OWN.fullmatch(at)])
        report.said["dpkg's own"] = len([at for at in differing if KEPT.fullmatch(at)])
        left_over = [at for at in differing if not OWN.fullmatch(at) and not KEPT.fullmatch(at)]
        work.expect([], left_over, "left")
        users = await shell("grep -c madoguchi /etc/passwd /etc/group /etc/shadow /etc/gshadow", status=1)
        work.expect([":0"] * 4, re.findall(r":\d+", users), "users left")
        await shell("rm -f " + " ".join(sorted(laid)))
        await shell("rm -rf /etc/systemd/system/*.wants/rig-lay.service; sync")
        await shell.off()
    async with alone(work.folder, work.disk, work.log) as shell:
        with report.timed("plain again: boot"):
            report.said["plain again"] = await shell.ready()
        work.expect(report.said.get("bare", "running"), report.said["plain again"], "state after")
        work.expect("1", (await shell("tail -n +2 /proc/swaps | wc -l")).strip(), "swap after")
        work.expect(
            "active", (await shell("systemctl is-active cups.service", status=None)).strip(), "its own cupsd"
        )
        pattern = (await shell("cat /proc/sys/kernel/core_pattern")).strip()
        work.expect(True, "systemd-coredump" in pattern, f"dumps after: {pattern}")
        await shell.off()


STAGES: dict[str, Callable[[Work], Coroutine[None, None, None]]] = {
    "install": install,
    "kiosk": kiosk,
    "uninstall": uninstall,
}


def record(folder: Path, wheels: Path) -> None:
    """The tape, with the layer of the tests on it."""
    bare.record(folder, wheels)
    with tempfile.TemporaryDirectory() as scratch:
        layer = Path(scratch) / "layer"
        write_layer(layer)
        shutil.copytree(HERE / "install_layer", layer, symlinks=True, dirs_exist_ok=True)
        # The bare machine has one of its own, which stays.
        for unit in layer.rglob("*"):  # by the whole name it passes over links that lead nowhere yet
            if unit.name == "rig-shell.service":
                unit.unlink()
        (layer / "usr/local/lib/rig").mkdir(parents=True, exist_ok=True)
        shutil.copy(HERE / "attempts", layer / "usr/local/lib/rig")
        listing = Path(scratch) / "tests/appliance"
        listing.mkdir(parents=True)
        shutil.copy(HERE / "listing", listing)
        adding = [
            "tar",
            "--owner=0",
            "--group=0",
            "-rf",
            str(folder / "tape.tar"),
            "-C",
            scratch,
            "layer",
            "tests",
        ]
        subprocess.run(adding, check=True)


async def run(work: Work, stages: list[str]) -> None:
    for name in stages:
        await STAGES[name](work)


def main() -> int:
    parser = argparse.ArgumentParser(description="scripts/install on a bare Debian in an emulated machine")
    parser.add_argument("doing", choices=("make", "tape", "run"))
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("stages", nargs="*", metavar="STAGE", help=f"{', '.join(STAGES)} (default: all)")
    parser.add_argument("--wheels", type=Path, default=REPOSITORY / "wheels", metavar="DIR")
    said = parser.parse_args()
    if unknown := set(said.stages) - set(STAGES):
        parser.error(f"no such stage: {' '.join(sorted(unknown))}")
    if said.doing != "run":
        if said.doing == "make":
            bare.make(said.folder.resolve(), said.wheels)
        record(said.folder.resolve(), said.wheels)
        return 0
    work = Work(said.folder.resolve(), said.folder.resolve() / "run", Report())
    work.place.mkdir(exist_ok=True)
    return work.report.run(run(work, said.stages or list(STAGES)))


if __name__ == "__main__":
    sys.exit(main())
