"""The file system under the journal: has it room for more visits, and does it take writes at all."""

import asyncio
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from firmware.core.facts import JournalLevel
from firmware.logbook import EventId, Logbook
from firmware.ports import ReportLevel

_PROBE = bytes(64 * 1024)
_MIB = 1024 * 1024


class Medium:
    """Looks at the journal's folder from a thread of its own; a disk that hangs holds up nothing else.

    minimum_free_mib: less room counts as none. check_seconds: between looks at the room; retry_seconds:
    between looks whether it takes writes again.
    """

    def __init__(
        self,
        folder: Path,
        *,
        minimum_free_mib: int,
        check_seconds: float,
        retry_seconds: float,
        log: Logbook,
    ) -> None:
        self._folder = folder
        self._minimum_free_bytes = minimum_free_mib * _MIB
        self._check_seconds = check_seconds
        self._retry_seconds = retry_seconds
        self._log = log
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="medium")
        self._task: asyncio.Task[None] | None = None
        self._level = JournalLevel()

    def start(self, report: ReportLevel) -> None:
        """Watch the room; reports JournalLevel."""
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
            level = await asyncio.get_running_loop().run_in_executor(self._thread, self._look)
            if level != self._level:
                self._level = level
                self._log(EventId.JOURNAL_ROOM if level.room else EventId.JOURNAL_FULL)
                report(level)
            await asyncio.sleep(self._check_seconds)

    def _look(self) -> JournalLevel:
        try:
            found = os.statvfs(self._folder)
        except OSError:
            return JournalLevel(room=False)
        free_bytes = found.f_bavail * found.f_frsize
        read_only = bool(found.f_flag & os.ST_RDONLY)
        return JournalLevel(room=free_bytes >= self._minimum_free_bytes and not read_only)


def _takes_writes(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(prefix="journal-probe-", dir=folder) as probe:
            probe.write(_PROBE)
            probe.flush()
            os.fsync(probe.fileno())
    except OSError:
        return False
    return True
