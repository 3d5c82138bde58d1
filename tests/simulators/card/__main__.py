"""What runs inside the namespaces: pcscd, the card, and the control socket.

    python -m tests.simulators.card FOLDER CARDS

FOLDER is bind-mounted to /run/pcscd, so that pcscd's socket is FOLDER/pcscd.comm outside. Control is one
JSON object per line on FOLDER/control. Ends when standard input does, that is when whoever started it ends.
"""

import asyncio
import contextlib
import ctypes
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.simulators.card.card import Faults, VirtualCard
from tests.simulators.card.characters import BUILT_IN, load
from tests.simulators.card.reader_slot import OTHER_SLOT_ADDRESS, Lying, ReaderSlot
from tests.simulators.card.two_cards import TwoCards

VPCD_CONFIGURATION = Path("/etc/reader.conf.d/vpcd")
PR_SET_PDEATHSIG = 1
START_SECONDS = 40.0

Command = Callable[..., Awaitable[dict[str, Any]]]


class Inside:
    """pcscd with one virtual reader, the cards by name, and the commands of the control socket."""

    def __init__(self, folder: Path, cards: Path) -> None:
        self._folder = folder
        self._cards_folder = cards
        self._configuration = folder / "readers" / "vpcd"
        self._cards: dict[str, VirtualCard] = {}
        self._last = ""
        self._slot = ReaderSlot(self._torn)
        self._other_slot = ReaderSlot(self._torn, OTHER_SLOT_ADDRESS)
        self._pcscd: asyncio.subprocess.Process | None = None
        self._commands: dict[str, Command] = {
            "insert": self.insert,
            "remove": self.remove,
            "insert_in_other": self.insert_in_other,
            "remove_from_other": self.remove_from_other,
            "pcscd_pid": self.pcscd_pid,
            "freeze_pcscd": self.freeze_pcscd,
            "thaw_pcscd": self.thaw_pcscd,
            "unplug": self.unplug,
            "plug": self.plug,
            "state": self.state,
            "set": self.set,
            "kill_pcscd": self.kill_pcscd,
            "restart_pcscd": self.restart_pcscd,
        }

    async def run(self) -> None:
        """Serve until standard input ends."""
        prepare_namespaces(self._folder)
        await self.restart_pcscd()
        control = await asyncio.start_unix_server(self._serve, self._folder / "control")
        print("ready", flush=True)
        await standard_input_ended()
        control.close()
        await self._slot.remove()
        await self._other_slot.remove()
        await self.kill_pcscd()

    async def insert(self, name: str) -> dict[str, Any]:
        """Lay the card of this name down; its tries are those it had when it was taken away."""
        card = self._card(name)
        beside = card.faults.beside
        await self._slot.insert(card if beside is None else TwoCards(self._card(beside), card))
        self._last = name
        return {}

    async def remove(self) -> dict[str, Any]:
        """Take the card away."""
        await self._slot.remove()
        return {}

    async def insert_in_other(self, name: str) -> dict[str, Any]:
        """Lay the card of this name into the second reader."""
        await self._other_slot.insert(self._card(name))
        return {}

    async def remove_from_other(self) -> dict[str, Any]:
        """Take the card out of the second reader."""
        await self._other_slot.remove()
        return {}

    async def unplug(self) -> dict[str, Any]:
        """pcscd goes on without any reader; it must start anew for that, for it cannot lose a virtual one."""
        self._configuration.unlink()
        return await self.restart_pcscd()

    async def plug(self) -> dict[str, Any]:
        """The readers are there again."""
        shutil.copy(VPCD_CONFIGURATION, self._configuration)
        return await self.restart_pcscd()

    async def state(self, name: str = "") -> dict[str, Any]:
        """What the named card, or the one laid down last, remembers; card is None if none lies there."""
        name = name or self._last
        lying = self._last if self._slot.card is not None else None
        answer: dict[str, Any] = {"card": lying, "pcscd": self._pcscd is not None}
        if name:
            card = self._card(name)
            answer |= {
                "tries_left": card.tries_left,
                "password_tries_left": card.password_tries_left,
                "verified": card.verified,
            } | asdict(card.counts)
        return answer

    async def set(self, name: str, **settings: Any) -> dict[str, Any]:
        """Change tries_left or any of the faults of the named card."""
        card = self._card(name)
        if "tries_left" in settings:
            card.tries_left = settings.pop("tries_left")
        card.plant(Faults(**(asdict(card.faults) | settings)))
        return {}

    async def kill_pcscd(self) -> dict[str, Any]:
        """End pcscd as a crash does."""
        if self._pcscd is not None:
            with contextlib.suppress(ProcessLookupError):
                self._pcscd.kill()
            await self._pcscd.wait()
            self._pcscd = None
        return {}

    async def pcscd_pid(self) -> dict[str, Any]:
        """Of the pcscd that runs."""
        if self._pcscd is None:
            raise ValueError("pcscd does not run")
        return {"pid": self._pcscd.pid}

    async def freeze_pcscd(self) -> dict[str, Any]:
        """pcscd hangs: it takes connections and answers nothing."""
        if self._pcscd is not None:
            self._pcscd.send_signal(signal.SIGSTOP)
        return {}

    async def thaw_pcscd(self) -> dict[str, Any]:
        """pcscd goes on."""
        if self._pcscd is not None:
            self._pcscd.send_signal(signal.SIGCONT)
        return {}

    async def restart_pcscd(self) -> dict[str, Any]:
        """Start pcscd, after ending one that runs; returns when it takes connections."""
        await self.kill_pcscd()
        self._pcscd = await asyncio.create_subprocess_exec(
            "pcscd", "--foreground", "--config", self._folder / "readers", preexec_fn=die_with_parent
        )
        async with asyncio.timeout(START_SECONDS):
            await connectable(self._folder / "pcscd.comm")
        return {}

    def _torn(self, card: Lying) -> Lying | None:
        """A card left the field by itself; the one that lies there now."""
        name = card.faults.swap_for
        if name is None:
            return None
        self._last = name
        return self._card(name)

    def _card(self, name: str) -> VirtualCard:
        if name not in self._cards:
            if name in BUILT_IN:
                self._cards[name] = VirtualCard(BUILT_IN[name], Faults())
            else:
                folder, _, variant = name.partition("~")
                character, settings = load(self._cards_folder / folder, variant)
                tries_left = settings.pop("tries_left", None)
                self._cards[name] = VirtualCard(character, Faults(**settings), tries_left)
        return self._cards[name]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async for line in reader:
            request = json.loads(line)
            try:
                answer = await self._commands[request.pop("command")](**request)
            except (LookupError, OSError, TypeError, ValueError) as error:
                answer = {"error": f"{type(error).__name__}: {error}"}
            writer.write(json.dumps(answer).encode() + b"\n")
        writer.close()


def prepare_namespaces(folder: Path) -> None:
    """Loopback up, folder as /run/pcscd, and no USB reader of the machine in sight."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    Path("/run/pcscd").mkdir()
    subprocess.run(["mount", "--bind", folder, "/run/pcscd"], check=True)
    if Path("/dev/bus/usb").exists():
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/dev/bus/usb"], check=True)
    (folder / "readers").mkdir()
    shutil.copy(VPCD_CONFIGURATION, folder / "readers" / "vpcd")


def die_with_parent() -> None:
    """Runs in the child: it is killed when the process that started it ends in any way."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


async def connectable(path: Path) -> None:
    """Wait until somebody listens on this unix socket; pcscd has no other sign of being ready."""
    for pause_seconds in itertools.repeat(0.01):
        try:
            _, writer = await asyncio.open_unix_connection(path)
        except (FileNotFoundError, ConnectionRefusedError):
            await asyncio.sleep(pause_seconds)
        else:
            writer.close()
            return


async def standard_input_ended() -> None:
    """Wait for the end of file on standard input."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    await reader.read()


def main() -> None:
    """Run, and leave nothing in the file system."""
    folder = Path(sys.argv[1])
    os.umask(0o077)
    try:
        asyncio.run(Inside(folder, Path(sys.argv[2])).run())
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
