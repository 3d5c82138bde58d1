"""`pytest tests/hil --rig=kiosk.toml --hands` as a technician runs it, on a machine made of simulators.

The machine: every wire's simulator on its pseudo-terminal or socket, gpiozero's mock pins. The technician:
a loop that reads what is asked at the terminal and does it.
"""

import asyncio
import os
import re
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import cast
from xml.etree import ElementTree as ET

import pytest

from tests.contract import (
    test_card_reader,
    test_coin_acceptor_port,
    test_coin_payout_port,
    test_keypad,
    test_panel,
    test_receipt_printer,
)
from tests.hil.conftest import ONLY_SIMULATED
from tests.hil.hands import ASKED_TO_GO_ON
from tests.hil.suite import on_rig
from tests.simulators.bench.world_api import Key
from tests.simulators.printers import roll
from tests.simulators.world import REPOSITORY, World

SUITES = (
    *(test_card_reader, test_coin_acceptor_port, test_coin_payout_port),
    *(test_keypad, test_panel, test_receipt_printer),
)
NO_PART = frozenset(
    {
        *("test_card_by_opensc", "test_card_fitness", "test_card_stand", "test_pin_host"),
        *("test_document_worker", "test_document_worker_unit", "test_norm"),
    }
)
"""Suites of what is no part of a machine, but the simulators themselves, a process or the protocol."""


class RigOfSimulators(World):
    """A world whose kiosk is the tests of its parts, on a terminal of their own. report: their outcome."""

    def __init__(self) -> None:
        super().__init__(
            overrides={
                "coins": {"drain_seconds": 0.3, "poll_seconds": 0.05},
                "kiosk": {"allow_swap": True},
            }
        )
        self.terminal, self._line = os.openpty()
        self._undo.callback(os.close, self.terminal)
        self._slips_read = 0
        self.coins.acceptor.self_inhibit_seconds = 60.0
        """A busy machine may poll late; that it then shuts itself is another test's."""

    @property
    def report(self) -> Path:
        return self.directory / "report.xml"

    async def _start_process(
        self,
        under: Sequence[str],  # noqa: ARG002 - as the world has it
        command: Sequence[str],
    ) -> asyncio.subprocess.Process:
        sockets = list(command[: command.index("--module")])
        wanted = (
            "tests/hil",
            f"--rig={self.config}",
            "--hands",
            "-q",
            "-p",
            "no:cacheprovider",
        )
        process = await asyncio.create_subprocess_exec(
            *("setsid", "--ctty", sys.executable, "-m", "tests.simulators.gpio.host", *sockets),
            *("--module", "pytest", "--", *wanted, f"--junit-xml={self.report}"),
            cwd=REPOSITORY,
            env={**os.environ, **self.cards_stand.environment, "TERM": "dumb"},
            stdin=self._line,
            stdout=self._line,
            stderr=self._line,
        )
        os.close(self._line)
        return process

    async def does(self, question: str) -> str:
        """What is asked; the answer typed."""
        for pattern, act in self._acts().items():
            if found := re.fullmatch(pattern, question):
                return await act(*found.groups())
        raise AssertionError(f"nobody knows what to do: {question}")

    def _acts(self) -> dict[str, Callable[..., Awaitable[str]]]:
        pins = self._pins()

        async def press(how: str, key: str) -> str:
            # Longer than a finger: a starved keypad would miss a short one, and nobody presses again here.
            self.press_ms = 1000 if how.startswith("Hold") else 300
            await pins.until_keypad_sleeps(seconds=30)  # no hand is as quick as this one
            await self.press(cast("Key", key))
            return ""

        def moves(sensor: str, active: bool) -> Callable[[], Awaitable[str]]:
            return lambda: _nothing(pins.set_sensor(sensor, active))

        return {
            r"Drop one coin of (\d+) yen\. Did it fall .*": self._drops,
            r"Empty the cup\. How many yen .*": self._empties,
            "Pull the plug of the coin line .*": lambda: _done(self.coins.vanish),
            "Put the plug of the coin line .*": lambda: _done(self.coins.come_back),
            "Switch the supply of the coin acceptor off and on": lambda: _done(self.coins.power_cycle),
            "Pull the plug of the receipt .*": lambda: _done(self.receipts.unplug),
            "Put the plug of the receipt .*": lambda: _done(self.receipts.plug_in),
            r"Take the slips\. Do they say: (.*), then cut\? .*": self._reads,
            "Lay a My Number Card on the reader": lambda: _nothing(self.insert_card("shiken_taro")),
            "Take the card away": lambda: _nothing(self.remove_card()),
            r"(Press|Hold for 1 s) the key (\w+)": press,
            "Which lamps are lit: .*": self._looks,
            "Open the door": moves("door", active=True),
            "Shut the door": moves("door", active=False),
            "Lay a sheet .*": moves("paper", active=True),
            "Take the sheet .*": moves("paper", active=False),
            "Lay a coin .*": moves("change", active=True),
            "Take the coin .*": moves("change", active=False),
            "Shut the door, and empty tray and cup": self._tidies,
        }

    async def _drops(self, yen: str) -> str:
        return "no" if await self.drop_coin(int(yen)) else "yes"

    async def _empties(self) -> str:
        return str(self.coins.take_change())

    async def _reads(self, expected: str) -> str:
        """Only what came out since the last look."""
        slips = [roll.text(slip) for slip in self.receipts.slips[self._slips_read :]]
        self._slips_read = len(self.receipts.slips)
        wanted = [" ".join(slip.split()) for slip in expected.replace(" / ", " ").split(", then cut; then ")]
        return "yes" if wanted == [" ".join(slip.split()) for slip in slips[-len(wanted) :]] else "no"

    async def _looks(self) -> str:
        """At the pins themselves, as they are now."""
        pins = self._pins()
        lamps = {name: pin for name, pin in self._wiring.outputs.items() if name != "buzzer"}
        return " ".join([name for name, pin in lamps.items() if await pins.level(pin)])

    async def _tidies(self) -> str:
        for sensor in ("door", "paper", "change"):
            await self._pins().set_sensor(sensor, active=False)
        return ""


async def _done(act: Callable[[], None]) -> str:
    act()
    return ""


async def _nothing(doing: Awaitable[object]) -> str:
    await doing
    return ""


async def whole_run(world: RigOfSimulators) -> str:
    """Do whatever is asked until the tests have ended; all that stood on the terminal."""
    loop, came, shown = asyncio.get_running_loop(), asyncio.Event(), bytearray()
    ended = False

    def read() -> None:
        nonlocal ended
        try:
            octets = os.read(world.terminal, 65_536)
        except OSError:
            octets = b""
        if not octets:
            ended = True
            loop.remove_reader(world.terminal)
        shown.extend(octets)
        came.set()

    loop.add_reader(world.terminal, read)
    answered = 0
    while not ended:
        await came.wait()
        came.clear()
        text = shown.decode(errors="replace")
        if text.endswith(ASKED_TO_GO_ON) and len(text) > answered:
            answered = len(text)
            question = text.removesuffix(ASKED_TO_GO_ON).rpartition("\n")[2]
            os.write(world.terminal, f"{await world.does(question)}\n".encode())
    return shown.decode(errors="replace")


@pytest.mark.timeout(400)
async def test_the_contract_suites_run_on_a_machine_that_its_configuration_describes() -> None:
    async with RigOfSimulators() as world:
        said = await whole_run(world)
        assert world.kiosk is not None
        assert 0 == await world.kiosk.wait(), said
        world.kiosk = None
        cases = list(ET.parse(world.report).iter("testcase"))  # noqa: S314 - our own file
    assert [] == [case.get("name") for case in cases if len(case)], said
    ran = {case.get("name", "").partition("[")[0] for case in cases}
    for suite in SUITES:
        assert set() == on_rig(suite).keys() - ran


def test_every_suite_of_a_part_runs_on_a_rig_or_says_why_it_cannot() -> None:
    suites = {path.stem for path in (REPOSITORY / "tests" / "contract").glob("test_*.py")}
    suites = {name for name in suites if not name.startswith("test_municipality")}
    on_rigs = {suite.__name__.rpartition(".")[2] for suite in SUITES}
    assert suites == NO_PART | ONLY_SIMULATED.keys() | on_rigs
    assert set() == NO_PART & (ONLY_SIMULATED.keys() | on_rigs)
