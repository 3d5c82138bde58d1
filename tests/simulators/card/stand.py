"""The outside of the card simulator: a reader with cards to lay on it, for tests, demo and bench.

    stand = CardStand(tmp_path, cards=Path("cards"))
    await stand.start()
    os.environ |= stand.environment          # before the first use of PC/SC in this process
    await stand.insert("taro")
    ...
    await stand.stop()

A card folder `cards/NAME/` holds certificate.der, ca.der, key.pem (PKCS#8, RSA or P-384, not encrypted),
signing_certificate.der and signing_key.pem if it has them and, if wanted, card.json: {"pin": "1234",
"tries_left": 3, "kind": "my_number_card", "certificate": "present", "extended": true, "die_at_apdu": null}
and the other fields of `card.Faults`. Other cards and how each can misbehave: `characters`.
"""

import asyncio
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[3]
ADMINISTRATORS_FOLDERS = ":/usr/sbin:/sbin"
"""Where pcscd and ip are; not on the path of an ordinary user."""

START_SECONDS = 60.0
STOP_SECONDS = 5.0


class CardStand:
    """A real pcscd with a virtual reader, in network and mount namespaces of its own.

    directory: where the log card-stand.log is written. cards: the folder of card folders.
    environment: what a process needs in its environment to find this reader.

    Needs root, or a kernel that gives ordinary users namespaces. libpcsclite reads the environment once
    per process, so the stands that one process starts one after the other share the same socket path.
    Not tied to an event loop. Everything ends with `stop`, and also when this process ends.
    """

    def __init__(self, directory: Path, cards: Path) -> None:
        self._log = directory / "card-stand.log"
        self._cards = cards.resolve()
        self._folder = Path()
        self._process: subprocess.Popen[bytes] | None = None
        self.environment: dict[str, str] = {}

    async def start(self) -> None:
        """Start pcscd and wait until it takes connections. Raises RuntimeError with the log's place."""
        self._folder = _make_short_folder()
        self.environment = {"PCSCLITE_CSOCK_NAME": str(self._folder / "pcscd.comm")}
        self._process = self._spawn()
        try:
            await asyncio.wait_for(asyncio.to_thread(self._wait_until_ready), START_SECONDS)
        except (TimeoutError, RuntimeError):
            await self.stop()
            raise

    async def insert(self, character: str) -> None:
        """Lay down a card of the cards folder, as `NAME` or `NAME~VARIANT`, or one that is built in."""
        await self._ask("insert", name=character)

    async def remove(self) -> None:
        """Take the card away."""
        await self._ask("remove")

    async def insert_in_other(self, character: str) -> None:
        """Lay a card into the second reader."""
        await self._ask("insert_in_other", name=character)

    async def remove_from_other(self) -> None:
        """Take the card out of the second reader."""
        await self._ask("remove_from_other")

    async def unplug(self) -> None:
        """pcscd runs and has no reader."""
        await self._ask("unplug")

    async def plug(self) -> None:
        """pcscd has its readers again."""
        await self._ask("plug")

    async def state(self, character: str = "") -> dict[str, Any]:
        """What the named card, or the one laid down last, has seen.

        card: name of the card that lies there, or None; tries_left, password_tries_left, verified,
        verify_count, signatures, apdus, bytes_to_card, bytes_from_card, power_ons, power_offs, resets,
        forbidden (signature files touched), headers (CLA INS P1 P2).
        """
        return await self._ask("state", name=character)

    async def set(self, character: str, **settings: Any) -> None:
        """Change tries_left, or any field of `card.Faults`, of this card."""
        await self._ask("set", name=character, **settings)

    async def kill_pcscd(self) -> None:
        """End pcscd as a crash does; the card stays where it is."""
        await self._ask("kill_pcscd")

    async def pcscd_pid(self) -> int:
        """Of the pcscd that runs."""
        return int((await self._ask("pcscd_pid"))["pid"])

    async def freeze_pcscd(self) -> None:
        """pcscd hangs: it takes connections and answers nothing."""
        await self._ask("freeze_pcscd")

    async def thaw_pcscd(self) -> None:
        """pcscd goes on."""
        await self._ask("thaw_pcscd")

    async def restart_pcscd(self) -> None:
        """Start pcscd again; returns when it takes connections."""
        await self._ask("restart_pcscd")

    async def stop(self) -> None:
        """End everything; harmless without start and when called twice."""
        if self._process is not None:
            await asyncio.to_thread(self._end, self._process)
            self._process = None
            shutil.rmtree(self._folder, ignore_errors=True)

    async def _ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        reader, writer = await asyncio.open_unix_connection(self._folder / "control")
        try:
            writer.write(json.dumps({"command": command, **arguments}).encode() + b"\n")
            answer: dict[str, Any] = json.loads(await reader.readline())
        finally:
            writer.close()
            await writer.wait_closed()
        if "error" in answer:
            raise ValueError(f"{command}: {answer['error']}")
        return answer

    def _spawn(self) -> subprocess.Popen[bytes]:
        namespaces = ["--net", "--mount"]
        if os.geteuid() != 0:
            namespaces += ["--user", "--map-root-user"]
        inside = [sys.executable, "-m", "tests.simulators.card", str(self._folder), str(self._cards)]
        with self._log.open("ab") as log:
            return subprocess.Popen(
                ["unshare", *namespaces, *inside],
                cwd=REPOSITORY,
                env=os.environ | {"PATH": os.environ.get("PATH", os.defpath) + ADMINISTRATORS_FOLDERS},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )

    def _wait_until_ready(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        if self._process.stdout.readline() != b"ready\n":
            raise RuntimeError(f"the card simulator did not start, see {self._log}")

    @staticmethod
    def _end(process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def _make_short_folder() -> Path:
    """A private folder whose sockets stay below the 107 bytes of a unix address, the same when free."""
    for number in itertools.count():
        folder = Path(tempfile.gettempdir()) / f"card-{os.getpid()}-{number}"
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            continue
        return folder
    raise AssertionError
