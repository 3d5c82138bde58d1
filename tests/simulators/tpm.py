"""A TPM 2.0 of software (swtpm) behind a socket: it keeps its secrets over a power cut, and can go."""

import asyncio
import shutil
import signal
import tempfile
from pathlib import Path


class SoftwareTpm:
    """One TPM; tcti: how TSS reaches it. The folder lies directly under /tmp: a socket's path is short."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="tpm-"))
        self._socket = self._folder / "socket"
        self._process: asyncio.subprocess.Process | None = None

    @property
    def tcti(self) -> str:
        return f"swtpm:path={self._socket}"

    async def start(self) -> None:
        """Power on; back when it takes commands."""
        self._process = await asyncio.create_subprocess_exec(
            "swtpm",
            *("socket", "--tpm2", "--tpmstate", f"dir={self._folder}"),
            *("--server", f"type=unixio,path={self._socket}"),
            *("--ctrl", f"type=unixio,path={self._socket}.ctrl"),
            *("--flags", "not-need-init,startup-clear"),
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
        try:
            _, writer = await asyncio.open_unix_connection(self._socket)
        except OSError:
            return False
        writer.close()  # it serves one client at a time
        await writer.wait_closed()
        return True
