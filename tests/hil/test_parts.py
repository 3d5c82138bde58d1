"""Every part of a machine answers as its port promises, and one slip is printed.

With hands at the machine also what a part does when something happens to it: a coin, a card, a payout.
"""

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
from tests.hil.hands import Hands, PersonsHands, SimulatedHands
from tests.simulators.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")
SECONDS = 30.0


@dataclass
class Rig:
    """The devices of a machine, watched."""

    settings: Settings
    devices: Devices
    hands: Hands | None
    facts: Facts = field(default_factory=lambda: Facts(next_visit=VisitId("0" * 32)))
    coins: list[CoinAccepted | CoinsSuspect | CoinReturned] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def report(self, level: Level) -> None:
        self.facts = self.facts.with_level(level)
        self.changed.set()

    def coin(self, coin: CoinAccepted | CoinsSuspect | CoinReturned) -> None:
        self.coins.append(coin)
        self.changed.set()

    def need_hands(self) -> Hands:
        if self.hands is None:
            pytest.skip("nobody at the machine: --hands")
        return self.hands

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
    hands: Hands | None = PersonsHands() if request.config.getoption("--hands", default=False) else None
    async with AsyncExitStack() as undo:
        if said is None:
            world = await undo.enter_async_context(World())
            await world.stop_kiosk()
            os.environ.update(world.cards_stand.environment)
            pins = gpiozero.devices.Device
            before, pins.pin_factory = pins.pin_factory, MockFactory()  # type: ignore[no-untyped-call]
            undo.callback(setattr, pins, "pin_factory", before)
            said, hands = world.config, SimulatedHands(world)
        settings = await asyncio.to_thread(load, said)
        yield await _started(settings, said, hands, undo)


async def _started(settings: Settings, config: Path, hands: Hands | None, undo: AsyncExitStack) -> Rig:
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
    rig = Rig(settings, devices, hands)
    keys: list[KeypadKey] = []
    devices.card.start(rig.report)
    devices.keypad.start(rig.report, keys.append)
    devices.acceptor.start(rig.report, rig.coin, None)
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
        assert Certainty.NOT_DONE == await payout.reconcile(level.life_count, level.serial)
        assert level.life_count == rig.facts.hopper(address).life_count


async def test_the_a4_printer_can_print(rig: Rig) -> None:
    level = await rig.devices.printer.refresh()
    assert frozenset() == level.reasons


async def test_a_slip_is_printed_and_cut(rig: Rig) -> None:
    await rig.until(lambda facts: facts.receipt.ready)
    certainty = await rig.devices.receipt.print_slip((SlipLine("テスト印字", centred=True), SlipLine("0123")))
    assert Certainty.DONE is certainty


async def test_a_card_laid_down_is_read_without_its_pin_and_its_going_is_told(rig: Rig) -> None:
    hands = rig.need_hands()
    await rig.until(lambda facts: facts.reader.working and not facts.reader.card_present)
    await hands.lay_card()
    await rig.until(lambda facts: facts.reader.card_present)
    reading = await rig.devices.card.read()
    await rig.devices.card.release()
    assert 0 <= reading.tries_left <= 3
    assert reading.certificate_der
    await hands.take_card()
    await rig.until(lambda facts: not facts.reader.card_present)


async def test_a_coin_is_told_once_with_a_mark_that_goes_on_and_none_after_stop(rig: Rig) -> None:
    hands, acceptor = rig.need_hands(), rig.devices.acceptor
    yen = min(rig.settings.rules.denominations_yen)
    await rig.until(lambda facts: facts.acceptor.working)
    before = acceptor.mark
    await acceptor.accept(rig.settings.rules.denominations_yen)
    await hands.drop_coin(yen)
    await rig.until(lambda _facts: bool(rig.coins))
    await acceptor.stop()
    (coin,) = rig.coins
    assert isinstance(coin, CoinAccepted)
    assert (yen, acceptor.mark) == (coin.yen, coin.mark)
    assert before != coin.mark


async def test_each_hopper_pays_one_coin_and_not_a_second_one_for_the_same_intent(rig: Rig) -> None:
    hands = rig.need_hands()
    for address, payout in rig.devices.payouts.items():
        await rig.until(lambda facts, address=address: facts.hopper(address).working)  # type: ignore[misc]
        before = rig.facts.hopper(address)
        assert Certainty.DONE is await payout.pay_one(before.life_count)
        paid = rig.facts.hopper(address)
        assert (before.coins - 1, before.life_count + 1) == (paid.coins, paid.life_count)
        assert Certainty.DONE is await payout.pay_one(before.life_count), "it was paid"
        assert paid.life_count == rig.facts.hopper(address).life_count, "a second coin"
        await hands.take_change(before.coin_yen)
