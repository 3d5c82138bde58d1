"""What every CoinAcceptor promises, on each wire that one speaks; `tests/hil` runs them on a real one."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

import pytest

from firmware.core.facts import AcceptorLevel
from firmware.core.terms import Yen
from firmware.errors import DeviceGone
from firmware.ports import CoinAcceptor, CoinMark
from tests.contract.coin_rig import Ear, acceptor_on
from tests.contract.pulse_rig import pulse_acceptor_on, pulse_rig
from tests.simulators.coin import CoinMachine


@dataclass
class Stand:
    """One wire's outside, in the words of all of them. small, large: two coins that it takes.

    drop: a coin falls in; whether it was taken. mark: where its counter stood before, None for a new unit.
    """

    drop: Callable[..., Awaitable[bool]]
    is_open: Callable[[], Awaitable[bool]]
    cut: Callable[[], Awaitable[None]]
    restore: Callable[[], Awaitable[None]]
    power_cut: Callable[[], Awaitable[None]]
    kiosk: Callable[..., AbstractAsyncContextManager[CoinAcceptor]]
    small: Yen = 100
    large: Yen = 500
    mark: CoinMark | None = None

    @property
    def coins(self) -> frozenset[Yen]:
        return frozenset({self.small, self.large})


P = ParamSpec("P")
T = TypeVar("T")


def soon(act: Callable[P, T]) -> Callable[P, Awaitable[T]]:
    """As hands do it: one has to wait for them."""

    async def done(*words: P.args, **how: P.kwargs) -> T:
        return act(*words, **how)

    return done


def marks_after(mark: CoinMark | None, coins: int) -> list[CoinMark]:
    """Where an acceptor's counter stands after each of so many coins: 255 is followed by 1."""
    assert mark is not None
    return [CoinMark(mark.serial, (mark.counter + n - 1) % 255 + 1) for n in range(1, coins + 1)]


@asynccontextmanager
async def cctalk_stand() -> AsyncIterator[Stand]:
    async with CoinMachine() as machine:
        yield Stand(
            soon(machine.drop_coin),
            soon(lambda: machine.slot_is_open),
            soon(machine.vanish),
            soon(machine.come_back),
            soon(machine.power_cycle),
            lambda ear, **how: acceptor_on(machine, ear, **how),
        )


@asynccontextmanager
async def pulse_stand() -> AsyncIterator[Stand]:
    with pulse_rig() as rig:
        yield Stand(
            soon(rig.drop_coin),
            soon(lambda: rig.slot_is_open),
            soon(rig.board.cut_power),
            soon(rig.board.restore_power),
            soon(lambda: None),  # it has no memory to lose
            lambda ear, **how: pulse_acceptor_on(rig, ear, **how),
        )


@pytest.fixture(params=[cctalk_stand, pulse_stand], ids=["cctalk", "pulse"])
async def stand(request: pytest.FixtureRequest) -> AsyncIterator[Stand]:
    async with request.param() as made:
        yield made


@pytest.fixture
def ear() -> Ear:
    return Ear()


@pytest.mark.on_rig
async def test_the_slot_is_closed_until_accept_and_after_stop(stand: Stand, ear: Ear) -> None:
    async with stand.kiosk(ear) as acceptor:
        await ear.until(lambda: ear.acceptor_works)
        before = await stand.drop(stand.large)
        await acceptor.accept(stand.coins)
        between = await stand.drop(stand.large)
        await acceptor.stop()
        after = await stand.drop(stand.large)
        assert (False, True, False) == (before, between, after)
        assert [stand.large] == ear.yen
    assert not await stand.is_open()


@pytest.mark.on_rig
async def test_each_coin_is_told_once_in_order_with_marks_that_go_on(stand: Stand, ear: Ear) -> None:
    async with stand.kiosk(ear) as acceptor:
        await ear.until(lambda: ear.acceptor_works)
        await acceptor.accept(stand.coins)
        coins, before = [stand.small, stand.large] * 2, acceptor.mark
        for yen in coins:
            assert await stand.drop(yen)
        await acceptor.stop()
        assert coins == ear.yen
        assert marks_after(before, 4) == [coin.mark for coin in ear.coins]
        assert acceptor.mark == ear.coins[-1].mark


async def test_a_coin_in_flight_at_stop_is_told_before_stop_returns(stand: Stand, ear: Ear) -> None:
    async with stand.kiosk(ear, drain_seconds=0.4) as acceptor:
        await ear.until(lambda: ear.acceptor_works)
        await acceptor.accept(stand.coins)
        assert await stand.drop(stand.large, flight_seconds=0.1)
        await acceptor.stop()
        assert [stand.large] == ear.yen


@pytest.mark.on_rig
async def test_a_coin_that_was_journaled_is_not_told_again_and_the_marks_go_on(
    stand: Stand, ear: Ear
) -> None:
    async with stand.kiosk(ear) as acceptor:
        await ear.until(lambda: ear.acceptor_works)
        await acceptor.accept(stand.coins)
        assert await stand.drop(stand.large)
        await acceptor.stop()
    after = Ear()
    async with stand.kiosk(after, seen=ear.coins[-1].mark) as acceptor:
        await after.until(lambda: after.acceptor_works)
        await acceptor.accept(stand.coins)
        assert await stand.drop(stand.small)
        await acceptor.stop()
    assert [stand.small] == after.yen
    assert marks_after(ear.coins[-1].mark, 1) == [after.coins[0].mark]


@pytest.mark.on_rig
async def test_a_device_lost_while_accepting_is_told_and_comes_back_with_the_slot_closed(
    stand: Stand, ear: Ear
) -> None:
    async with stand.kiosk(ear) as acceptor:
        await ear.until(lambda: ear.acceptor_works)
        await acceptor.accept(stand.coins)
        await stand.cut()
        await ear.until(lambda: not ear.acceptor_works)
        with pytest.raises(DeviceGone):
            await acceptor.accept(stand.coins)
        await stand.restore()
        await ear.until(lambda: ear.acceptor_works)
        await acceptor.stop()
        assert not await stand.is_open()
        await acceptor.accept(stand.coins)
        assert await stand.drop(stand.large)
        await acceptor.stop()
        assert [stand.large] == ear.yen


@pytest.mark.on_rig
async def test_stop_does_not_wait_without_end_for_a_device_that_is_gone(stand: Stand, ear: Ear) -> None:
    async with stand.kiosk(ear) as acceptor:
        await ear.until(lambda: ear.acceptor_works)
        await acceptor.accept(stand.coins)
        await stand.cut()
        await ear.until(lambda: not ear.acceptor_works)
        await acceptor.stop()
        await stand.restore()


@pytest.mark.on_rig
async def test_an_absent_device_is_reported_and_found_when_it_comes(stand: Stand, ear: Ear) -> None:
    await stand.cut()
    async with stand.kiosk(ear) as acceptor:
        await ear.until(lambda: [AcceptorLevel(working=False)] == ear.levels)
        assert stand.mark == acceptor.mark
        with pytest.raises(DeviceGone):
            await acceptor.accept(stand.coins)
        await stand.restore()
        await ear.until(lambda: ear.acceptor_works)


@pytest.mark.on_rig
async def test_the_slot_of_a_kiosk_that_ends_is_closed(stand: Stand, ear: Ear) -> None:
    async with stand.kiosk(ear) as acceptor:
        await ear.until(lambda: ear.acceptor_works)
        await acceptor.accept(stand.coins)
        assert await stand.is_open()
    assert not await stand.is_open()


@pytest.mark.on_rig
async def test_coins_that_the_acceptor_cannot_take_are_refused_and_nothing_is_opened(
    stand: Stand, ear: Ear
) -> None:
    async with stand.kiosk(ear) as acceptor:
        await ear.until(lambda: ear.acceptor_works)
        denominations: frozenset[Yen] = frozenset({1})
        with pytest.raises(DeviceGone):
            await acceptor.accept(denominations)
        assert not await stand.is_open()


@pytest.mark.on_rig
@pytest.mark.parametrize("was_open", [True, False])
async def test_what_came_in_the_moment_all_power_went_is_a_doubt_if_the_slot_was_open(
    stand: Stand, ear: Ear, was_open: bool
) -> None:
    async with stand.kiosk(ear) as acceptor:
        await ear.until(lambda: ear.acceptor_works)
        await acceptor.accept(stand.coins)
        assert await stand.drop(stand.small)
        await acceptor.stop()
    await stand.power_cut()
    after = Ear()
    async with stand.kiosk(after, seen=ear.coins[-1].mark, was_open=was_open) as acceptor:
        await after.until(lambda: after.acceptor_works)
        await acceptor.stop()
    assert [] == after.yen
    assert ([(0, 0)] if was_open else []) == [(doubt.lost, doubt.code) for doubt in after.suspects]
