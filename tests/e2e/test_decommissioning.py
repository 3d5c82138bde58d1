"""A kiosk's last day: by a technician's order nothing of it stays, and not before all is done and copied."""

import asyncio
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from firmware.compose.erase_root import ERASED, Machine, erase
from tests.e2e.books import agreed_books, read_books
from tests.e2e.clean_log import events
from tests.e2e.hasty_kiosk import FastClock
from tests.e2e.visitor import kiosk
from tests.municipality.maintenance import new_issuer
from tests.municipality.pki import make_test_pki
from tests.municipality.register import PEOPLE
from tests.simulators.vt100 import Vt100, vt100
from tests.simulators.world import PKI, REPOSITORY, World

URN = "urn:kiosk:demo-0001"
DECOMMISSION = f"decommission {URN}"


@dataclass
class Root:
    """Runs the erasure as its unit would. tree: the machine's. kept: what lay there, for the last look."""

    tree: Path
    kept: Path
    world: World
    commands: list[Sequence[str]] = field(default_factory=list)

    @property
    def machine(self) -> Machine:
        loop = asyncio.get_running_loop()

        def run(words: Sequence[str]) -> int:
            self.commands.append(words)
            if words[:3] == ("systemctl", "stop", "madoguchi.service") and self.world.kiosk is not None:
                asyncio.run_coroutine_threadsafe(self.world.stop_kiosk(), loop).result()
                shutil.copytree(self.tree, self.kept)
            if words[:2] == ("systemctl", "is-active"):
                return 0 if self.world.kiosk is not None else 3
            return 0

        return Machine(self.tree, run)

    async def sees_wish(self) -> dict[str, object]:
        """What the kiosk asks for; systemd watches the file."""
        async with asyncio.timeout(60):
            while not self.machine.wish.exists():  # noqa: ASYNC110 - files tell nobody
                await asyncio.sleep(0.05)
        said: dict[str, object] = json.loads(await asyncio.to_thread(self.machine.wish.read_text))
        return said

    def left(self) -> list[str]:
        return [str(found) for folder in ERASED for found in (self.tree / folder).rglob("*")]


def laid_out(tree: Path) -> dict[str, dict[str, object]]:
    """The kiosk's journal and keys where a machine has them, and what its configuration says of that."""
    for folder in (*ERASED, "run/madoguchi"):
        (tree / folder).mkdir(parents=True)
    data, own = tree / "var/lib/madoguchi", tree / "var/lib/madoguchi/own"
    own.mkdir(mode=0o700)
    for name in ("certificate.pem", "key.pem"):
        shutil.copy(PKI / "kiosk" / name, own)
    key = tree / "etc/madoguchi/journal.key"
    key.write_bytes(bytes(range(32)))
    key.chmod(0o400)
    return {
        "journal": {"path": str(data / "journal.db"), "key_file": str(key)},
        "municipality": {
            "certificate_file": str(own / "certificate.pem"),
            "key_file": str(own / "key.pem"),
        },
        "console": {
            "order_keys": str(tree / "etc/madoguchi/orders.jwks"),
            "order_always": True,
            "erase_request": str(tree / "run/madoguchi/erase-wanted"),
            "support_folder": str(data / "support"),
        },
    }


async def said_by(line: Vt100, command: str) -> str:
    """What a command says, on one line, nothing asked."""
    return " ".join((await line.answers(f"{command} --yes")).split())


async def does(line: Vt100, *commands: tuple[str, str]) -> None:
    for command, said in commands:
        assert said in await said_by(line, command), command


async def compared(world: World) -> None:
    """Wait for the municipality's word on the closed day."""
    async with asyncio.timeout(60):
        while not (await read_books(world)).compared:
            pass


@pytest.mark.timeout(600)
async def test_nothing_of_a_kiosk_stays_after_its_last_day_and_all_of_it_before(tmp_path: Path) -> None:
    tree, issuer, clock = tmp_path / "tree", new_issuer(), FastClock.from_noon()
    await asyncio.to_thread(make_test_pki, PKI, PEOPLE)
    overrides = laid_out(tree)
    (tree / "etc/madoguchi/orders.jwks").write_text(issuer.jwks, encoding="utf-8")
    async with kiosk(overrides=overrides, clock=clock) as visitor:
        world = visitor.world
        root = Root(tree, tmp_path / "kept", world)
        shutil.copy(world.config, tree / "etc/madoguchi/kiosk.toml")
        await visitor.rests()
        order = issuer.order(URN, now=clock.seconds())
        terminal = (sys.executable, "-m", "firmware", "console", "--config", str(world.config))
        async with vt100(terminal, REPOSITORY) as line:
            await line.sees("Paste a maintenance order")
            line.says(order)
            await line.sees("tech-17 may")
            await does(line, ("decommission urn:kiosk:demo-0002", "this kiosk is not urn:kiosk:demo-0002"))
            await visitor.walk_to("coins", kind="2")
            await does(line, (DECOMMISSION, "a visit is under way"))
            await visitor.pays(500)
            await visitor.sees("take_all", "thanks", seconds=40.0)
            await visitor.leave()
            await visitor.rests()
            await does(
                line,
                (DECOMMISSION, "1 coins of 500 yen lie in the cash box: cash collect"),
                ("maintenance on", "the kiosk serves nobody"),
            )
            await world.set_door(True)
            async with asyncio.timeout(60):
                while "BAD door" not in await line.answers("status"):
                    pass
            await does(
                line,
                ("cash collect box 500 1", "1 coins of 500 yen out of the cash box"),
                (DECOMMISSION, "lie in the hopper 3"),
                (f"cash collect 3 100 {world.coins.hopper_coins}", "coins of 100 yen out of the hopper 3"),
                (DECOMMISSION, "since the last closing: settle"),
                ("settle", "is closed"),
            )
            await compared(world)
            await agreed_books(world)
            assert not root.machine.wish.exists()
            assert [] == events(world, "erase-wanted")
            async with asyncio.timeout(120):
                while "is being erased: leave the machine on" not in await said_by(line, DECOMMISSION):
                    pass  # a copy that failed is tried again by the technician
            wish = await root.sees_wish()
            await visitor.sees("closed", "out_of_service")
            assert 0 == await asyncio.to_thread(erase, root.machine)
        assert [] == root.left()
        assert ("systemctl", "poweroff") == root.commands[-1]
        last = (await world.municipality.journal(URN))[-1]
        assert (wish["seq"], "CommandGiven") == (last["seq"], last["record"]), "an entry nobody has a copy of"
        assert "decommission" == json.loads(last["fields"])["command"]
        # The books' last look is at what lay there.
        for folder in ("var/lib/madoguchi", "etc/madoguchi"):
            shutil.copytree(root.kept / folder, tree / folder, dirs_exist_ok=True)
