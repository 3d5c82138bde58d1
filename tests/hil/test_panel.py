"""The panel of a machine keeps what every Panel promises."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import pytest

from firmware.ports import Panel
from tests.contract import test_panel as suite
from tests.hil.hands import PersonsHands
from tests.hil.machine import Machine
from tests.hil.suite import on_rig

globals().update(on_rig(suite))

MOVES: Final = {
    ("door", True): "Open the door",
    ("door", False): "Shut the door",
    ("paper", True): "Lay a sheet into the exit tray",
    ("paper", False): "Take the sheet out of the exit tray",
    ("change", True): "Lay a coin into the change cup",
    ("change", False): "Take the coin out of the change cup",
}


@dataclass
class Rig(suite.Told):
    """As the suite's, with hands."""

    machine: Machine | None = None
    hands: PersonsHands | None = None

    @asynccontextmanager
    async def panel(self) -> AsyncIterator[Panel]:
        assert self.machine is not None
        async with self.machine.devices(self.note) as devices:
            devices.panel.start(self.told.put_nowait)
            try:
                yield devices.panel
            finally:
                await devices.panel.close()

    async def move(self, sensor: str, *, active: bool) -> None:
        assert self.hands is not None
        await self.hands.do(MOVES[sensor, active])

    async def lamps(self) -> set[str]:
        assert self.hands is not None
        return await self.hands.lit_lamps()


@pytest.fixture
async def rig(machine: Machine, hands: PersonsHands) -> AsyncIterator[Rig]:
    yield Rig(machine=machine, hands=hands)
    await hands.do("Shut the door, and empty tray and cup")
