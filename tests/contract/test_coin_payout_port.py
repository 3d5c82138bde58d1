"""What every CoinPayout promises; `tests/hil` runs the same on each hopper of a real machine."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace

import pytest

from firmware.core.facts import HopperLevel
from firmware.core.terms import Certainty, Yen
from firmware.logbook import EventId
from firmware.ports import CoinPayout
from tests.contract.coin_rig import Ear, hopper_on
from tests.contract.test_coin_acceptor_port import soon
from tests.simulators.coin import CoinMachine


@dataclass
class Stand:
    """A hopper's outside. cut, restore: its line. take: what lies in the cup, in yen."""

    cut: Callable[[], Awaitable[None]]
    restore: Callable[[], Awaitable[None]]
    take: Callable[[Yen], Awaitable[Yen]]
    kiosk: Callable[[Ear], AbstractAsyncContextManager[CoinPayout]]


@pytest.fixture(params=[True, False], ids=["echo", "no-echo"])
async def stand(request: pytest.FixtureRequest) -> AsyncIterator[Stand]:
    async with CoinMachine(echo=request.param) as machine:
        yield Stand(
            soon(machine.vanish),
            soon(machine.come_back),
            soon(lambda _expected: machine.take_change()),
            lambda ear: hopper_on(machine, ear, answer_seconds=0.1),
        )


async def working(ear: Ear) -> HopperLevel:
    await ear.until(lambda: ear.hopper.working)
    return ear.hopper


@pytest.mark.on_rig
async def test_a_coin_is_paid_and_the_level_is_true_before_the_answer(stand: Stand) -> None:
    ear = Ear()
    async with stand.kiosk(ear) as hopper:
        before = await working(ear)
        for paid in (1, 2):
            assert Certainty.DONE is await hopper.pay_one(before.life_count + paid - 1)
            now = replace(before, coins=before.coins - paid, life_count=before.life_count + paid)
            assert now == ear.hopper
        assert 2 * before.coin_yen == await stand.take(2 * before.coin_yen)


@pytest.mark.on_rig
async def test_an_intent_whose_coin_is_paid_already_pays_no_second_one(stand: Stand) -> None:
    ear = Ear()
    async with stand.kiosk(ear) as hopper:
        before = await working(ear)
        assert Certainty.DONE is await hopper.pay_one(before.life_count)
        assert Certainty.DONE is await hopper.pay_one(before.life_count)
        assert before.life_count + 1 == ear.hopper.life_count
        assert before.coin_yen == await stand.take(before.coin_yen)


@pytest.mark.on_rig
async def test_an_intent_that_never_reached_the_hopper_is_surely_not_paid(stand: Stand) -> None:
    ear = Ear()
    async with stand.kiosk(ear) as hopper:
        before = await working(ear)
        assert Certainty.DONE is await hopper.pay_one(before.life_count)
    again = Ear()
    async with stand.kiosk(again) as hopper:
        after = await working(again)
        assert Certainty.NOT_DONE is await hopper.reconcile(after.life_count, after.serial)
        assert Certainty.DONE is await hopper.reconcile(before.life_count, before.serial)
        assert after.life_count == again.hopper.life_count
    await stand.take(before.coin_yen)


@pytest.mark.on_rig
@pytest.mark.parametrize("contradiction", [-2, 1])
async def test_a_life_counter_that_contradicts_the_intent_is_unknown_and_pays_nothing(
    stand: Stand, contradiction: int
) -> None:
    ear = Ear()
    async with stand.kiosk(ear) as hopper:
        before = await working(ear)
        assert Certainty.UNKNOWN is await hopper.pay_one(before.life_count + contradiction)
        assert before.life_count == ear.hopper.life_count
        assert 0 == await stand.take(0)


@pytest.mark.on_rig
async def test_an_absent_hopper_pays_nothing_and_is_found_when_it_comes(stand: Stand) -> None:
    ear = Ear()
    await stand.cut()
    async with stand.kiosk(ear) as hopper:
        await ear.until(lambda: EventId.HOPPER_GONE in ear.logged)
        assert Certainty.NOT_DONE is await hopper.pay_one(1000)
        assert Certainty.UNKNOWN is await hopper.reconcile(1000, None)
        await stand.restore()
        before = await working(ear)
        assert Certainty.DONE is await hopper.pay_one(before.life_count)
        assert ear.logged.count(EventId.HOPPER_GONE) == ear.logged.count(EventId.HOPPER_BACK) == 1
        await stand.take(before.coin_yen)


@pytest.mark.on_rig
async def test_close_may_be_called_twice(stand: Stand) -> None:
    ear = Ear()
    async with stand.kiosk(ear) as hopper:
        await working(ear)
        await hopper.close()
