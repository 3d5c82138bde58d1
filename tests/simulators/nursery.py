"""Loads the kiosk once and forks one as often as it is asked: a start costs no imports.

Each kiosk is a process of its own that ran nothing before; it can be killed like any other.

    python -m tests.simulators.nursery          (by Nursery)
"""

import asyncio
import importlib
import json
import os
import select
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Self

LOADED = ("firmware.compose.kiosk", "firmware.__main__", "tests.simulators.gpio.host")


class Kiosk:
    """One forked kiosk, used like asyncio.subprocess.Process."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._ended = asyncio.Event()

    async def wait(self) -> int:
        """Its exit status, negative for a signal. Raises RuntimeError if the nursery itself is gone."""
        await self._ended.wait()
        if self.returncode is None:
            raise RuntimeError("the nursery ended")
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Raises ProcessLookupError if it is gone."""
        if self.returncode is not None:
            raise ProcessLookupError
        os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL. Raises ProcessLookupError if it is gone."""
        self.send_signal(signal.SIGKILL)

    def ended(self, status: int | None) -> None:
        """Told by the nursery; None: it is gone itself."""
        self.returncode = status
        self._ended.set()


class Nursery:
    """Use as an async context manager; its kiosks die with it."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process
        self._kiosks: dict[int, Kiosk] = {}
        self._born: asyncio.Queue[Kiosk] = asyncio.Queue()
        self._listening: asyncio.Task[None]

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", __name__),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        self._listening = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()
        await self._listening

    async def start(self, arguments: Sequence[str], log: str, environment: Mapping[str, str]) -> Kiosk:
        """Run `tests.simulators.gpio.host` with these arguments in a new process."""
        assert self._process.stdin is not None
        wanted = {"arguments": list(arguments), "log": log, "environment": dict(environment)}
        self._process.stdin.write(json.dumps(wanted).encode() + b"\n")
        return await self._born.get()

    async def _listen(self) -> None:
        assert self._process.stdout is not None
        try:
            async for line in self._process.stdout:
                said = json.loads(line)
                if "born" in said:
                    kiosk = self._kiosks[said["born"]] = Kiosk(said["born"])
                    self._born.put_nowait(kiosk)
                else:
                    self._kiosks.pop(said["ended"]).ended(said["status"])
        finally:
            for kiosk in self._kiosks.values():
                kiosk.ended(None)


def main() -> int:
    """Serve until standard input ends; in a child, the kiosk's exit status."""
    for name in LOADED:
        importlib.import_module(name)
    sleeping, waking = os.pipe()
    os.set_blocking(waking, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waking)
    asked = b""
    while True:
        ready, _, _ = select.select([0, sleeping], [], [])
        if sleeping in ready:
            os.read(sleeping, 4096)
            _bury()
            continue
        # Not readline: what it holds back of two requests at once, select does not tell of.
        if not (said := os.read(0, 65536)):
            return 0
        *lines, asked = (asked + said).split(b"\n")
        for line in lines:
            if pid := os.fork():
                _say(born=pid)
                continue
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.close(sleeping)
            os.close(waking)
            return _live(json.loads(line))


def _bury() -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        _say(ended=pid, status=os.waitstatus_to_exitcode(status))


def _say(**words: int) -> None:
    os.write(1, json.dumps(words).encode() + b"\n")


def _live(wanted: dict[str, Any]) -> int:
    os.setsid()
    os.environ.update(wanted["environment"])
    log = os.open(wanted["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC)
    nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    os.dup2(nothing, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    host: Any = importlib.import_module("tests.simulators.gpio.host")
    return int(host.main(wanted["arguments"]))


if __name__ == "__main__":
    sys.exit(main())
