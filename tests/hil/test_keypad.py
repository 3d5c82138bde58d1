"""The keypad of a machine keeps what every Keypad promises."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from firmware.core.facts import KeypadLevel, Level
from firmware.core.terms import KeypadKey
from firmware.logbook import EventId, FieldValue
from tests.contract import test_keypad as suite
from tests.hil.hands import PersonsHands
from tests.hil.machine import Machine
from tests.hil.suite import on_rig

globals().update(on_rig(suite))

SECONDS = 30.0


@dataclass
class Rig:
    """As the suite's, with fingers."""

    hands: PersonsHands
    heard: list[str] = field(default_factory=list)
    presses: int = 0
    came: asyncio.Event = field(default_factory=asyncio.Event)
    watched: asyncio.Event = field(default_factory=asyncio.Event)

    def report(self, level: Level) -> None:
        assert isinstance(level, KeypadLevel)
        if level.working:
            self.watched.set()

    def pressed(self, key: KeypadKey) -> None:
        self.heard.append(key.value)
        self.came.set()

    async def press(self, key: str, seconds: float = suite.HOLD_SECONDS) -> None:
        self.presses += 1
        how = "Press" if seconds == suite.HOLD_SECONDS else f"Hold for {seconds:g} s"
        await self.hands.do(f"{how} the key {key}")

    async def quiet(self) -> None:
        """Every press was heard, or none comes any more."""
        async with asyncio.timeout(SECONDS):
            while len(self.heard) < self.presses:
                self.came.clear()
                await self.came.wait()


def silent(_event: EventId, /, **_fields: FieldValue) -> None:
    """Keys are not logged."""


@pytest.fixture
async def rig(machine: Machine, hands: PersonsHands) -> AsyncIterator[Rig]:
    rig = Rig(hands)
    async with machine.devices(silent) as devices:
        devices.keypad.start(rig.report, rig.pressed)
        async with asyncio.timeout(SECONDS):
            await rig.watched.wait()
        yield rig
        await devices.keypad.close()
