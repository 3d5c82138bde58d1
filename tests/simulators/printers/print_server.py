"""A private cupsd with the kiosk's own configuration, everything under one directory."""

import asyncio
import grp
import os
import pwd
import shutil
import signal
import tempfile
from pathlib import Path
from typing import Self

from tests.simulators.printers.kept import KeptProgram

REPOSITORY = Path(__file__).parents[3]
CONFIG = REPOSITORY / "config" / "cups"
UNIT = REPOSITORY / "systemd" / "madoguchi-cups.service"
START_SECONDS = 60.0
_LOOK_SECONDS = 0.05


class PrintServer:
    """Start it once its printer answers; clients reach it by `socket` alone.

    printer_uri: where jobs go. queue: the queue's name.
    connect_seconds: how long a job waits for a printer that does not answer before it is aborted.
    """

    def __init__(self, printer_uri: str, *, queue: str = "certificates", connect_seconds: int = 3) -> None:
        self._printer_uri = printer_uri
        self.queue = queue
        self._connect_seconds = connect_seconds
        self._root = Path()
        self._guard: KeptProgram | None = None
        self._cupsd: KeptProgram | None = None

    @property
    def socket(self) -> str:
        """Path of the Unix socket."""
        return str(self._root / "run" / "cups.sock")

    @property
    def spool(self) -> Path:
        """Where cupsd keeps control files (c…) and, while needed, documents (d…)."""
        return self._root / "run" / "spool"

    @property
    def pid(self) -> int:
        """Of the cupsd that runs."""
        assert self._cupsd is not None
        return self._cupsd.pid

    @property
    def memory(self) -> Path:
        """Everything that is on a RAM disk in production: spool, temporary files, cache."""
        return self._root / "run"

    @property
    def log(self) -> Path:
        """What cupsd writes to its standard error."""
        return self._root / "cupsd.log"

    async def start(self) -> Self:
        """Start cupsd and make the queue; returns when both are ready."""
        # A Unix socket's path is at most 107 bytes: no pytest directory.
        self._root = Path(tempfile.mkdtemp(prefix="cupsd-"))
        self._root.chmod(0o711)
        self._guard = await KeptProgram.start((), remove=self._root)
        (self._root / "lib").mkdir()
        (self._root / "etc").mkdir()
        for name in ("cupsd.conf", "cups-files.conf", "kiosk.convs"):
            (self._root / "etc" / name).write_text(self._private((CONFIG / name).read_text()))
        self.memory.mkdir(mode=0o710)
        if os.geteuid() == 0:
            shutil.chown(self.memory, group="lp")
        await self._boot()
        await self._make_queue()
        return self

    async def stop(self) -> None:
        """End cupsd and remove everything. May be called twice."""
        if self._cupsd is not None:
            await self._cupsd.terminate()
            self._cupsd = None
        if self._guard is not None:
            await self._guard.kill()
            self._guard = None

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def kill(self) -> None:
        """Kill cupsd and its backends, as systemd does with a unit; what it wrote stays on disk."""
        if self._cupsd is not None:
            await self._cupsd.kill()
            self._cupsd = None

    async def restart(self, *, wipe: bool = True) -> None:
        """Kill it and start it again. wipe: with what the unit does before, as systemd does."""
        await self.kill()
        await self._boot(wipe=wipe)

    async def restart_when_asked(self, request: Path, *, wakes: bool = True) -> None:
        """Wait until the kiosk has written this file; then do what systemd does with the unit.

        wakes: systemd has a stopped process continue when it asks it to end, and what had hung does so.
        Otherwise it is killed, as one is that hangs by itself.
        """
        while not _taken_up(request):  # noqa: ASYNC110 - a file wakes nobody
            await asyncio.sleep(_LOOK_SECONDS)
        if wakes:
            self._signal(signal.SIGTERM)
            self.resume()
            assert self._cupsd is not None
            await self._cupsd.terminate()
        await self.restart()

    def hang(self) -> None:
        """Stop the process where it stands; it takes connections and answers nothing."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a hung cupsd go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._cupsd is not None
        os.kill(self._cupsd.pid, number)

    def _private(self, text: str) -> str:
        """What stands in production with every path below our own directory, and ourselves as its user."""
        text = text.replace("/run/madoguchi-cups", str(self.memory))
        text = text.replace("/var/lib/madoguchi-cups", str(self._root / "lib"))
        text = text.replace("/etc/madoguchi/cups", str(self._root / "etc"))
        if os.geteuid() == 0:
            return text
        user, group = pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(os.getegid()).gr_name
        text = text.replace("User lp\n", f"User {user}\n").replace("Group lp\n", f"Group {group}\n")
        text = text.replace("-o lp -g lp", f"-o {user} -g {group}")
        return text.replace("SystemGroup root\n", f"SystemGroup {group}\n")

    async def _boot(self, *, wipe: bool = True) -> None:
        for command in unit_lines("ExecStartPre") if wipe else ():
            process = await asyncio.create_subprocess_exec(*self._private(command).split())
            if await process.wait() != 0:
                raise RuntimeError(f"the unit's {command} failed")
        (self.memory / "cups.sock").unlink(missing_ok=True)
        [command] = unit_lines("ExecStart")
        self._cupsd = await KeptProgram.start(
            self._private(command).split(),
            log=self.log,
            environment={"PATH": f"{os.environ['PATH']}:/usr/sbin"},
        )
        async with asyncio.timeout(START_SECONDS):
            while not await self._answers():
                if not self._cupsd.running:
                    raise RuntimeError(f"cupsd ended: {self.log.read_text(errors='replace')[-500:]}")
                await asyncio.sleep(0.01)

    async def _answers(self) -> bool:
        try:
            _, writer = await asyncio.open_unix_connection(self.socket)
        except OSError:
            return False
        writer.close()
        return True

    async def _make_queue(self) -> None:
        process = await asyncio.create_subprocess_exec(
            str(CONFIG / "make-queue"),
            *(self.socket, str(self._root / "lib"), self.queue),
            *(self._printer_uri, str(self._connect_seconds)),
            env={**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin"},
            stderr=asyncio.subprocess.PIPE,
        )
        _, error = await process.communicate()
        if process.returncode != 0:
            raise RuntimeError(f"no queue: {error.decode(errors='replace')}")


def _taken_up(request: Path) -> bool:
    """Whether the file was there; it is gone now."""
    try:
        request.unlink()
    except FileNotFoundError:
        return False
    return True


def unit_lines(key: str) -> list[str]:
    """The values of a key of the print server's unit, in order."""
    lines = UNIT.read_text().splitlines()
    return [line.removeprefix(f"{key}=") for line in lines if line.startswith(f"{key}=")]
