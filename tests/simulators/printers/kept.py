"""Programs on a leash: what the simulators start ends with them. See keeper.py."""

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

KEEPER = Path(__file__).with_name("keeper.py")


class KeptProgram:
    """One running program and everything it started."""

    def __init__(self, keeper: asyncio.subprocess.Process, pid: int) -> None:
        self._keeper = keeper
        self.pid = pid

    @classmethod
    async def start(
        cls,
        program: Sequence[str],
        *,
        log: Path | None = None,
        environment: Mapping[str, str] | None = None,
        remove: Path | None = None,
    ) -> Self:
        """Start program; an empty one only holds the directory remove until the end."""
        keeper = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-I", "-S", str(KEEPER), str(log or "/dev/null"), str(remove or "-"), *program),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=_without_tmpdir() | dict(environment or {}),
        )
        assert keeper.stdout is not None
        return cls(keeper, int(await keeper.stdout.readline() or b"0"))

    @property
    def running(self) -> bool:
        return self._keeper.returncode is None

    async def terminate(self) -> None:
        """Ask the program to end, then end what is left of it."""
        assert self._keeper.stdin is not None
        if self.running:
            self._keeper.stdin.write(b"t")
        await self.kill()

    async def kill(self) -> None:
        """End it and all it started at once, as a power cut does. Harmless when it has ended."""
        assert self._keeper.stdin is not None
        self._keeper.stdin.close()
        await self._keeper.wait()


def _without_tmpdir() -> dict[str, str]:
    """Our environment, without a private TMPDIR that cupsd's filters, another user, could not enter."""
    return {name: value for name, value in os.environ.items() if name != "TMPDIR"}
