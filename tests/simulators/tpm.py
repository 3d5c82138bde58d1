"""A TPM 2.0 of software (swtpm) behind a socket: it keeps its secrets over a power cut, and can go."""

import asyncio
import shutil
import signal
import tempfile
from pathlib import Path


class SoftwareTpm:
    """One TPM; tcti: how TSS reaches it. The folder lies directly under /tmp: a socket's path is short.

    soldered: into an emulated machine, which reaches it by `chip` and hands it a line for commands itself.
    """

    def __init__(self, *, soldered: bool = False) -> None:
        self._soldered = soldered
        self._folder = Path(tempfile.mkdtemp(prefix="tpm-"))
        self._socket = self._folder / "socket"
        self._process: asyncio.subprocess.Process | None = None

    @property
    def tcti(self) -> str:
        return f"swtpm:path={self._socket}"

    @property
    def chip(self) -> tuple[str, ...]:
        """QEMU's words for it. Source: QEMU 7.2, docs/specs/tpm.rst."""
        wire = f"socket,id=tpm-wire,path={self._socket}.ctrl"
        return (
            "-chardev",
            wire,
            "-tpmdev",
            "emulator,id=tpm,chardev=tpm-wire",
            "-device",
            "tpm-crb,tpmdev=tpm",
        )

    async def start(self) -> None:
        """Power on; back when it takes commands."""
        served = ("--server", f"type=unixio,path={self._socket}", "--flags", "not-need-init,startup-clear")
        self._process = await asyncio.create_subprocess_exec(
            "swtpm",
            *("socket", "--tpm2", "--tpmstate", f"dir={self._folder}"),
            *("--ctrl", f"type=unixio,path={self._socket}.ctrl"),
            *(() if self._soldered else served),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(60):
            while not await self._answers():  # noqa: ASYNC110 - another program says nothing when it listens
                await asyncio.sleep(0.02)

    async def cut(self) -> None:
        """Power off, without a word before."""
        if self._process is not None:
            process, self._process = self._process, None
            if process.returncode is None:
                process.send_signal(signal.SIGKILL)
            await process.wait()
        for left in self._folder.glob("socket*"):
            left.unlink()

    async def clear(self) -> None:
        """Forget its owner: what was sealed before is worthless."""
        clearing = await asyncio.create_subprocess_exec("tpm2_clear", "-T", self.tcti, "-c", "platform")
        assert 0 == await clearing.wait()

    def hang(self) -> None:
        """Take what is sent, and answer nothing."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Answer all that came meanwhile."""
        self._signal(signal.SIGCONT)

    async def close(self) -> None:
        await self.cut()
        shutil.rmtree(self._folder)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    async def _answers(self) -> bool:
        if self._soldered:
            return Path(f"{self._socket}.ctrl").exists()  # noqa: ASYNC240 - a stat
        try:
            _, writer = await asyncio.open_unix_connection(self._socket)
        except OSError:
            return False
        writer.close()  # it serves one client at a time
        await writer.wait_closed()
        return True
