"""Every part of a machine answers as its port promises: nothing is paid out, one slip is printed."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import gpiozero
import pytest
import pytest_asyncio
from gpiozero.pins.mock import MockFactory

from firmware.compose.kiosk import Kiosk, journal_medium, open_journal, screen_server
from firmware.compose.telling import Told
from firmware.core.facts import Facts, Level
from firmware.core.terms import Certainty, KeypadKey, VisitId
from firmware.logbook import EventId, FieldValue
from firmware.ports import CoinAccepted, CoinReturned, CoinsSuspect, SlipLine
from firmware.settings import Settings, load
from firmware.shell.devices import Devices
from firmware.shell.event_ring import EventRing
from hw.coin.bus import CcTalkBus
from tests.simulators.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")
SECONDS = 30.0


@dataclass
class Rig:
    """The devices of a machine, watched."""

    settings: Settings
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
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    """The parts as compose builds them from the rig's configuration."""
    said: Path | None = request.config.getoption("--rig", default=None)
    async with AsyncExitStack() as undo:
        if said is None:
            world = await undo.enter_async_context(World())
            await world.stop_kiosk()
            os.environ.update(world.cards_stand.environment)
            pins = gpiozero.devices.Device
            before, pins.pin_factory = pins.pin_factory, MockFactory()  # type: ignore[no-untyped-call]
            undo.callback(setattr, pins, "pin_factory", before)
            said = world.config
        settings = await asyncio.to_thread(load, said)
        yield await _started(settings, said, undo)


async def _started(settings: Settings, config: Path, undo: AsyncExitStack) -> Rig:
    coins = settings.file.coins
    bus = CcTalkBus(silent, path=str(settings.path(coins.device)), baud=coins.baud)
    undo.callback(bus.close)
    screen = screen_server(settings, silent, lambda _key: None)
    journal = open_journal(settings)
    undo.push_async_callback(journal.close)
    told = Told(settings, screen, silent)
    undo.push_async_callback(told.close)
    kiosk = Kiosk(settings, config, EventRing(silent), told)
    devices = kiosk.parts((), journal, journal_medium(settings, silent), bus, screen).devices
    rig = Rig(settings, devices)
    keys: list[KeypadKey] = []
    devices.card.start(rig.report)
    devices.keypad.start(rig.report, keys.append)
    devices.acceptor.start(rig.report, rig.coins.append, None)
    devices.printer.start(rig.report)
    devices.receipt.start(rig.report)
    devices.panel.start(rig.report)
    watched = (
        devices.card,
        devices.keypad,
        devices.acceptor,
        devices.printer,
        devices.receipt,
        devices.panel,
    )
    for device in watched:
        undo.push_async_callback(device.close)
    for payout in devices.payouts.values():
        payout.start(rig.report)
        undo.push_async_callback(payout.close)
    return rig


async def test_the_card_reader_answers(rig: Rig) -> None:
    await rig.until(lambda facts: facts.reader.working)


async def test_the_keypad_and_the_panel_are_watched(rig: Rig) -> None:
    await rig.until(lambda facts: facts.keypad.working)
    for place in ("card", "keypad", "coin", "paper", "change", None):
        rig.devices.panel.light(place)
    rig.devices.panel.buzz("key")


async def test_the_coin_slot_opens_and_shuts_and_tells_no_coin_of_its_own(rig: Rig) -> None:
    await rig.until(lambda facts: facts.acceptor.working)
    await rig.devices.acceptor.accept(rig.settings.rules.denominations_yen)
    await rig.devices.acceptor.stop()
    assert [] == rig.coins
    assert rig.devices.acceptor.mark is not None


async def test_each_hopper_answers_and_knows_that_it_paid_nothing(rig: Rig) -> None:
    for address, payout in rig.devices.payouts.items():
        await rig.until(lambda facts, address=address: facts.hopper(address).working)  # type: ignore[misc]
        level = rig.facts.hopper(address)
        assert Certainty.NOT_DONE == await payout.reconcile(level.life_count)
        assert level.life_count == rig.facts.hopper(address).life_count


async def test_the_a4_printer_can_print(rig: Rig) -> None:
    level = await rig.devices.printer.refresh()
    assert frozenset() == level.reasons


async def test_a_slip_is_printed_and_cut(rig: Rig) -> None:
    await rig.until(lambda facts: facts.receipt.ready)
    certainty = await rig.devices.receipt.print_slip((SlipLine("テスト印字", centred=True), SlipLine("0123")))
    assert Certainty.DONE is certainty
