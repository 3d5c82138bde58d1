"""The coin acceptor of a machine keeps what every CoinAcceptor promises."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from firmware.ports import CoinAcceptor, CoinMark
from tests.contract import test_coin_acceptor_port as suite
from tests.contract.coin_rig import Ear
from tests.hil.hands import PersonsHands
from tests.hil.machine import Machine
from tests.hil.suite import on_rig

globals().update(on_rig(suite))


@pytest.fixture
def ear() -> Ear:
    return Ear()


@asynccontextmanager
async def started(
    machine: Machine, ear: Ear, *, seen: CoinMark | None, was_open: bool = False
) -> AsyncIterator[CoinAcceptor]:
    async with machine.devices(ear.log) as devices:
        devices.acceptor.start(ear.level, ear.coin, seen, was_open=was_open)
        try:
            yield devices.acceptor
        finally:
            await devices.acceptor.close()


@pytest.fixture
async def stand(machine: Machine, hands: PersonsHands) -> suite.Stand:
    """What the unit did before this test is told to nobody."""
    coins, before = machine.settings.rules.denominations_yen, Ear()
    async with started(machine, before, seen=None) as acceptor:
        await before.until(lambda: before.acceptor_works)
        mark = acceptor.mark

    def kiosk(
        ear: Ear, *, seen: CoinMark | None = mark, was_open: bool = False
    ) -> AbstractAsyncContextManager[CoinAcceptor]:
        return started(machine, ear, seen=seen, was_open=was_open)

    async def is_open() -> bool:
        return await hands.drop_coin(min(coins))

    return suite.Stand(
        drop=hands.drop_coin,
        is_open=is_open,
        cut=lambda: hands.do("Pull the plug of the coin line out of the Pi"),
        restore=lambda: hands.do("Put the plug of the coin line in again"),
        power_cut=lambda: hands.do("Switch the supply of the coin acceptor off and on"),
        kiosk=kiosk,
        small=min(coins),
        large=max(coins),
        mark=mark,
    )
