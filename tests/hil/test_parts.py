"""Every part of a machine answers as its port promises; nobody need stand there."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import pytest
import pytest_asyncio

from firmware.core.facts import Facts, Level
from firmware.core.terms import Certainty, KeypadKey, VisitId
from firmware.logbook import EventId, FieldValue
from firmware.ports import CoinAccepted, CoinReturned, CoinsSuspect, SlipLine
from firmware.shell.devices import Devices
from tests.hil.machine import Machine

pytestmark = pytest.mark.asyncio(loop_scope="module")
SECONDS = 30.0
LINES = (SlipLine("テスト印字", centred=True), SlipLine("0123"))


@dataclass
class Rig:
    """The devices of a machine, watched."""

    machine: Machine
    devices: Devices
    facts: Facts = field(default_factory=lambda: Facts(next_visit=VisitId("0" * 32)))
    coins: list[CoinAccepted | CoinsSuspect | CoinReturned] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def report(self, level: Level) -> None:
        self.facts = self.facts.with_level(level)
        self.changed.set()

    async def until(self, holds: Callable[[Facts], bool]) -> None:
        """Wait until the levels say so."""
        async with asyncio.timeout(SECONDS):
            while not holds(self.facts):
                self.changed.clear()
                await self.changed.wait()


def silent(_event: EventId, /, **_fields: FieldValue) -> None:
    """A log that nobody reads."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(machine: Machine) -> AsyncIterator[Rig]:
    """All of them at once, as in the kiosk."""
    async with AsyncExitStack() as undo:
        devices = await undo.enter_async_context(machine.devices(silent))
        rig = Rig(machine, devices)
        keys: list[KeypadKey] = []
        devices.card.start(rig.report)
        devices.keypad.start(rig.report, keys.append)
        devices.acceptor.start(rig.report, rig.coins.append, None)
        devices.printer.start(rig.report)
        devices.receipt.start(rig.report)
        devices.panel.start(rig.report)
        for payout in devices.payouts.values():
            payout.start(rig.report)
            undo.push_async_callback(payout.close)
        for device in (
            *(devices.card, devices.keypad, devices.acceptor),
            *(devices.printer, devices.receipt, devices.panel),
        ):
            undo.push_async_callback(device.close)
        yield rig


async def test_the_card_reader_answers(rig: Rig) -> None:
    await rig.until(lambda facts: facts.reader.working)


async def test_the_keypad_and_the_panel_are_watched(rig: Rig) -> None:
    await rig.until(lambda facts: facts.keypad.working)
    for place in ("card", "keypad", "coin", "paper", "change", None):
        rig.devices.panel.light(place)
    rig.devices.panel.buzz("key")


async def test_the_coin_slot_opens_and_shuts_and_tells_no_coin_of_its_own(rig: Rig) -> None:
    await rig.until(lambda facts: facts.acceptor.working)
    await rig.devices.acceptor.accept(rig.machine.settings.rules.denominations_yen)
    await rig.devices.acceptor.stop()
    assert [] == rig.coins
    assert rig.devices.acceptor.mark is not None


async def test_each_hopper_answers_and_knows_that_it_paid_nothing(rig: Rig) -> None:
    for address, payout in rig.devices.payouts.items():
        await rig.until(lambda facts, address=address: facts.hopper(address).working)  # type: ignore[misc]
        level = rig.facts.hopper(address)
        assert Certainty.NOT_DONE == await payout.reconcile(level.life_count, level.serial)
        assert level.life_count == rig.facts.hopper(address).life_count


async def test_the_a4_printer_can_print_and_proves_the_page_that_came_out(rig: Rig) -> None:
    level = await rig.devices.printer.refresh()
    assert frozenset() == level.reasons
    assert Certainty.DONE is await rig.machine.print_page(rig.devices, silent, LINES)


async def test_a_slip_is_printed_and_cut(rig: Rig) -> None:
    await rig.until(lambda facts: facts.receipt.ready)
    assert Certainty.DONE is await rig.devices.receipt.print_slip(LINES)
