"""The journal as a process of its own reads it: a long one must neither keep a coin's record waiting nor fill
the kiosk's memory."""

import asyncio
import sys
from pathlib import Path
from typing import IO

from firmware.core.terms import Language
from firmware.errors import OfficeRefused

_MOST_SECONDS = 60.0


class JournalProcess:
    """config: path of kiosk.toml. What it is asked raises OfficeRefused for a journal that is not whole, or
    was not read in time."""

    def __init__(self, config: Path) -> None:
        self._config = config

    async def says(self, what: str, last: int, language: Language = Language.EN) -> str:
        """The answer of `madoguchi journal show|verify|balance`. last: entries to show."""
        options = {"show": ("--last", str(last)), "verify": ("--language", language.value)}
        return await self._run(what, *options.get(what, ()))

    async def export(self, path: Path) -> int:
        """The number of lines in this file then, whole or not at all. A year of them is 100 MB, which never
        pass through this process."""
        part = path.with_suffix(".part")
        file = await asyncio.to_thread(_begun, part)
        try:
            await self._run("export", out=file)
            return await asyncio.to_thread(_ended, part, path)
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
            async with asyncio.timeout(_MOST_SECONDS):
                said, complaint = await process.communicate()
        except TimeoutError:
            raise OfficeRefused(
                "the journal was not read within {seconds:g} s", seconds=_MOST_SECONDS
            ) from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            complained = complaint.decode(errors="replace").strip()[-500:]
            raise OfficeRefused("the journal cannot be relied on: {complaint}", complaint=complained)
        return (said or b"").decode()


def _begun(path: Path) -> IO[bytes]:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("wb")


def _ended(part: Path, path: Path) -> int:
    with part.open("rb") as file:
        lines = sum(1 for _ in file)
    part.replace(path)
    return lines


def _let_go(file: IO[bytes], part: Path) -> None:
    file.close()
    part.unlink(missing_ok=True)
