"""The journal as a process of its own reads it: a long one must neither keep a coin's record waiting nor fill
the kiosk's memory."""

import asyncio
import os
import sys
from pathlib import Path
from typing import IO

from firmware.compose.bundle import writing
from firmware.core.terms import Language
from firmware.errors import OfficeRefused
from firmware.whole_file import take_name


class JournalProcess:
    """config: path of kiosk.toml. What it is asked raises OfficeRefused for a journal that is not whole, or
    was not read in so many seconds."""

    def __init__(self, config: Path, seconds: float) -> None:
        self._config, self._seconds = config, seconds

    async def says(self, what: str, last: int, language: Language = Language.EN) -> str:
        """The answer of `madoguchi journal show|verify|balance`. last: entries to show."""
        options = {"show": ("--last", str(last)), "verify": ("--language", language.value)}
        return await self._run(what, *options.get(what, ()))

    async def export(self, path: Path) -> int:
        """The number of lines in this file then, on disk, whole or not at all. A year of them is 100 MB,
        which never pass through this process."""
        part = path.with_name(f"{path.name}.part")
        with writing(path):
            file = await asyncio.to_thread(_begun, part)
            try:
                await self._run("export", out=file)
                return await asyncio.to_thread(_ended, file, part, path)
            finally:
                await asyncio.to_thread(_let_go, file, part)

    async def _run(self, *words: str, out: int | IO[bytes] = asyncio.subprocess.PIPE) -> str:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "firmware", "journal", *words, "--config", str(self._config)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(self._seconds):
                said, complaint = await process.communicate()
        except TimeoutError:
            raise OfficeRefused(
                "the journal was not read within {seconds:g} s", seconds=self._seconds
            ) from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        complained = complaint.decode(errors="replace").strip()[-500:] or f"status {process.returncode}"
        if (
            process.returncode == 1 and out is not asyncio.subprocess.PIPE
        ):  # not by the journal, but a full disk
            raise OSError(complained.splitlines()[-1])
        if process.returncode:
            raise OfficeRefused("the journal cannot be relied on: {complaint}", complaint=complained)
        return (said or b"").decode()


def _begun(part: Path) -> IO[bytes]:
    part.parent.mkdir(parents=True, exist_ok=True)
    part.unlink(missing_ok=True)
    return os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _ended(file: IO[bytes], part: Path, path: Path) -> int:
    with part.open("rb") as written:
        lines = sum(1 for _ in written)
    take_name(file.fileno(), part, path)
    return lines


def _let_go(file: IO[bytes], part: Path) -> None:
    file.close()
    part.unlink(missing_ok=True)
