"""The card reader of a machine keeps what every CardReader promises, without a PIN."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from firmware.core.facts import Level, ReaderLevel
from firmware.logbook import EventId, FieldValue
from firmware.ports import CardReader
from tests.contract import test_card_reader as suite
from tests.hil.hands import PersonsHands
from tests.hil.machine import Machine
from tests.hil.suite import on_rig

globals().update(on_rig(suite))

SECONDS = 30.0


@dataclass
class Bench:
    """As the suite's, with a hand and a My Number Card of its own."""

    reader: CardReader
    hands: PersonsHands
    level: ReaderLevel = field(default_factory=ReaderLevel)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def report(self, level: Level) -> None:
        assert isinstance(level, ReaderLevel)
        self.level = level
        self.changed.set()

    async def becomes(self, *, present: bool) -> None:
        async with asyncio.timeout(SECONDS):
            while not self.level.working or self.level.card_present is not present:
                self.changed.clear()
                await self.changed.wait()

    async def lay_down(self, _name: str) -> None:
        await self.hands.do("Lay a My Number Card on the reader")
        await self.becomes(present=True)

    async def take_away(self) -> None:
        await self.hands.do("Take the card away")
        await self.becomes(present=False)


def silent(_event: EventId, /, **_fields: FieldValue) -> None:
    """A log that nobody reads."""


@pytest.fixture
async def bench(machine: Machine, hands: PersonsHands) -> AsyncIterator[Bench]:
    async with machine.devices(silent) as devices:
        bench = Bench(devices.card, hands)
        devices.card.start(bench.report)
        yield bench
        await devices.card.close()
