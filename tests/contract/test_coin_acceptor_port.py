"""What every CoinAcceptor promises, on each wire that one speaks."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import pytest

from firmware.core.facts import AcceptorLevel
from firmware.core.terms import Yen
from firmware.errors import DeviceGone
from firmware.ports import CoinAcceptor, CoinMark
from tests.contract.coin_rig import Ear, acceptor_on
from tests.contract.pulse_rig import pulse_acceptor_on, pulse_rig
from tests.simulators.coin import CoinMachine

COINS = frozenset({100, 500})


@dataclass
class Stand:
    """One wire's outside, in the words of all of them."""

    serial: int
    drop: Callable[..., bool]
    is_open: Callable[[], bool]
    cut: Callable[[], None]
    restore: Callable[[], None]
    power_cut: Callable[[], None]
    kiosk: Callable[..., AbstractAsyncContextManager[CoinAcceptor]]


@asynccontextmanager
async def cctalk_stand() -> AsyncIterator[Stand]:
    async with CoinMachine() as machine:
        yield Stand(
            123456,
            machine.drop_coin,
            lambda: machine.slot_is_open,
            machine.vanish,
            machine.come_back,
            machine.power_cycle,
            lambda ear, **how: acceptor_on(machine, ear, **how),
        )


@asynccontextmanager
async def pulse_stand() -> AsyncIterator[Stand]:
    with pulse_rig() as rig:
        yield Stand(
            0,
            rig.drop_coin,
            lambda: rig.slot_is_open,
            rig.board.cut_power,
            rig.board.restore_power,
            lambda: None,  # it has no memory to lose
            lambda ear, **how: pulse_acceptor_on(rig, ear, **how),
        )


@pytest.fixture(params=[cctalk_stand, pulse_stand], ids=["cctalk", "pulse"])
async def stand(request: pytest.FixtureRequest) -> AsyncIterator[Stand]:
    async with request.param() as made:
        yield made


@pytest.fixture
def ear() -> Ear:
    return Ear()


async def test_the_slot_is_closed_until_accept_and_after_stop(stand: Stand, ear: Ear) -> None:
    async with stand.kiosk(ear) as acceptor:
        await ear.until(lambda: ear.acceptor_works)
        before = stand.drop(500)
        await acceptor.accept(COINS)
        between = stand.drop(500)
        await acceptor.stop()
        after = stand.drop(500)
        assert (False, True, False) == (before, between, after)
        assert [500] == ear.yen
    assert not stand.is_open()


async def test_each_coin_is_told_once_in_order_with_marks_that_go_on(stand: Stand, ear: Ear) -> None:
    async with stand.kiosk(ear) as acceptor:
        await ear.until(lambda: ear.acceptor_works)
        await acceptor.accept(COINS)
        for yen in (100, 500, 100, 500):
            assert stand.drop(yen)
        await acceptor.stop()
        assert [100, 500, 100, 500] == ear.yen
        assert [CoinMark(stand.serial, count) for count in (1, 2, 3, 4)] == [coin.mark for coin in ear.coins]
        assert acceptor.mark == ear.coins[-1].mark


async def test_a_coin_in_flight_at_stop_is_told_before_stop_returns(stand: Stand, ear: Ear) -> None:
    async with stand.kiosk(ear, drain_seconds=0.4) as acceptor:
        await ear.until(lambda: ear.acceptor_works)
        await acceptor.accept(COINS)
        assert stand.drop(500, flight_seconds=0.1)
        await acceptor.stop()
        assert [500] == ear.yen


async def test_a_coin_that_was_journaled_is_not_told_again_and_the_marks_go_on(
    stand: Stand, ear: Ear
) -> None:
    async with stand.kiosk(ear) as acceptor:
        await ear.until(lambda: ear.acceptor_works)
        await acceptor.accept(COINS)
        assert stand.drop(500)
        await acceptor.stop()
    after = Ear()
    async with stand.kiosk(after, seen=ear.coins[-1].mark) as acceptor:
        await after.until(lambda: after.acceptor_works)
        await acceptor.accept(COINS)
        assert stand.drop(100)
        await acceptor.stop()
    assert [100] == after.yen
    assert CoinMark(stand.serial, 2) == after.coins[0].mark


async def test_a_device_lost_while_accepting_is_told_and_comes_back_with_the_slot_closed(
    stand: Stand, ear: Ear
) -> None:
    async with stand.kiosk(ear) as acceptor:
        await ear.until(lambda: ear.acceptor_works)
        await acceptor.accept(COINS)
        stand.cut()
        await ear.until(lambda: not ear.acceptor_works)
        with pytest.raises(DeviceGone):
            await acceptor.accept(COINS)
        stand.restore()
        await ear.until(lambda: ear.acceptor_works)
        await acceptor.stop()
        assert not stand.is_open()
        await acceptor.accept(COINS)
        assert stand.drop(500)
        await acceptor.stop()
        assert [500] == ear.yen


async def test_stop_does_not_wait_without_end_for_a_device_that_is_gone(stand: Stand, ear: Ear) -> None:
    async with stand.kiosk(ear) as acceptor:
        await ear.until(lambda: ear.acceptor_works)
        await acceptor.accept(COINS)
        stand.cut()
        await ear.until(lambda: not ear.acceptor_works)
        await acceptor.stop()
        stand.restore()


async def test_an_absent_device_is_reported_and_found_when_it_comes(stand: Stand, ear: Ear) -> None:
    stand.cut()
    async with stand.kiosk(ear) as acceptor:
        await ear.until(lambda: [AcceptorLevel(working=False)] == ear.levels)
        assert acceptor.mark is None
        with pytest.raises(DeviceGone):
            await acceptor.accept(COINS)
        stand.restore()
        await ear.until(lambda: ear.acceptor_works)


async def test_the_slot_of_a_kiosk_that_ends_is_closed(stand: Stand, ear: Ear) -> None:
    async with stand.kiosk(ear) as acceptor:
        await ear.until(lambda: ear.acceptor_works)
        await acceptor.accept(COINS)
        assert stand.is_open()
    assert not stand.is_open()


async def test_coins_that_the_acceptor_cannot_take_are_refused_and_nothing_is_opened(
    stand: Stand, ear: Ear
) -> None:
    async with stand.kiosk(ear) as acceptor:
        await ear.until(lambda: ear.acceptor_works)
        denominations: frozenset[Yen] = frozenset({1})
        with pytest.raises(DeviceGone):
            await acceptor.accept(denominations)
        assert not stand.is_open()


@pytest.mark.parametrize("was_open", [True, False])
async def test_what_came_in_the_moment_all_power_went_is_a_doubt_if_the_slot_was_open(
    stand: Stand, ear: Ear, was_open: bool
) -> None:
    async with stand.kiosk(ear) as acceptor:
        await ear.until(lambda: ear.acceptor_works)
        await acceptor.accept(COINS)
        assert stand.drop(100)
        await acceptor.stop()
    stand.power_cut()
    after = Ear()
    async with stand.kiosk(after, seen=ear.coins[-1].mark, was_open=was_open) as acceptor:
        await after.until(lambda: after.acceptor_works)
        await acceptor.stop()
    assert [] == after.yen
    assert ([(0, 0)] if was_open else []) == [(doubt.lost, doubt.code) for doubt in after.suspects]
