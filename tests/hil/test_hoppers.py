"""Each hopper of a machine keeps what every CoinPayout promises; coins must lie in it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from firmware.ports import CoinPayout
from firmware.settings import load
from tests.contract import test_coin_payout_port as suite
from tests.contract.coin_rig import Ear
from tests.hil.hands import PersonsHands
from tests.hil.machine import Machine
from tests.hil.suite import on_rig

globals().update(on_rig(suite))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    hoppers = [hopper.address for hopper in load(metafunc.config.getoption("--rig")).file.hoppers]
    metafunc.parametrize("address", hoppers, ids=lambda address: f"hopper-{address}")


@pytest.fixture
def stand(machine: Machine, hands: PersonsHands, address: int) -> suite.Stand:
    @asynccontextmanager
    async def kiosk(ear: Ear) -> AsyncIterator[CoinPayout]:
        async with machine.devices(ear.log) as devices:
            hopper = devices.payouts[address]
            hopper.start(ear.level)
            try:
                yield hopper
            finally:
                await hopper.close()

    return suite.Stand(
        cut=lambda: hands.do("Pull the plug of the coin line out of the Pi"),
        restore=lambda: hands.do("Put the plug of the coin line in again"),
        take=hands.take_change,
        kiosk=kiosk,
    )
