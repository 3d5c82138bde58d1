"""The file system under the journal: has it room for more visits, is it well, does it take writes at all."""

import asyncio
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from firmware.core.facts import JournalLevel
from firmware.logbook import EventId, Logbook
from firmware.ports import ReportLevel
from firmware.shell.wear import Wear, wear_under

_PROBE = bytes(64 * 1024)
_MIB = 1024 * 1024


class Medium:
    """Looks at the journal's folder from a thread of its own; a disk that hangs holds up nothing else.

    minimum_free_mib: less room counts as none. worn_percent: a disk more used up than that counts as full,
    and so does one whose file system has met errors. check_seconds: between looks at it; retry_seconds:
    between looks whether it takes writes again. sysfs: where the kernel tells of its disks.
    """

    def __init__(
        self,
        folder: Path,
        *,
        minimum_free_mib: int,
        worn_percent: int = 100,
        check_seconds: float,
        retry_seconds: float,
        log: Logbook,
        sysfs: Path = Path("/sys"),
    ) -> None:
        self._folder = folder
        self._minimum_free_bytes = minimum_free_mib * _MIB
        self._worn_percent = worn_percent
        self._sysfs = sysfs
        self._check_seconds = check_seconds
        self._retry_seconds = retry_seconds
        self._log = log
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="medium")
        self._task: asyncio.Task[None] | None = None
        self._level = JournalLevel()
        self._wear = Wear()

    def start(self, report: ReportLevel) -> None:
        """Watch room and wear; reports JournalLevel."""
        self._task = asyncio.create_task(self._watch(report), name="medium")

    async def close(self) -> None:
        """Stop watching; may be called twice."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def until_it_takes_writes(self) -> None:
        """Pause first, so that the screen can be read, then look again and again."""
        while True:
            await asyncio.sleep(self._retry_seconds)
            if await self.takes_writes():
                return

    async def takes_writes(self) -> bool:
        """A file beside the journal could be written and synced."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, _takes_writes, self._folder)

    async def _watch(self, report: ReportLevel) -> None:
        while True:
            room, wear = await asyncio.get_running_loop().run_in_executor(self._thread, self._look)
            failing = wear.failing(worn_percent=self._worn_percent)
            if failing and wear != self._wear:
                self._log(
                    EventId.JOURNAL_DISK_FAILING,
                    errors=wear.errors,
                    used_percent=wear.used_percent or 0,
                    reserve_gone=wear.reserve_gone,
                )
            self._wear = wear
            level = JournalLevel(room=room and not failing)
            if level != self._level:
                self._level = level
                if level.room:
                    self._log(EventId.JOURNAL_ROOM)
                elif not room:
                    self._log(EventId.JOURNAL_FULL)
                report(level)
            await asyncio.sleep(self._check_seconds)

    def _look(self) -> tuple[bool, Wear]:
        try:
            found = os.statvfs(self._folder)
            wear = wear_under(self._folder, sysfs=self._sysfs)
        except OSError:
            return False, Wear()
        free_bytes = found.f_bavail * found.f_frsize
        read_only = bool(found.f_flag & os.ST_RDONLY)
        return free_bytes >= self._minimum_free_bytes and not read_only, wear


def _takes_writes(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(prefix="journal-probe-", dir=folder) as probe:
            probe.write(_PROBE)
            probe.flush()
            os.fsync(probe.fileno())
    except OSError:
        return False
    return True
