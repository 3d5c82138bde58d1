"""Coins by pulses: a whole visit, a disturbance, and a power cut with the slot open."""

import asyncio

from tests.e2e.books import read_books
from tests.e2e.clean_log import events
from tests.e2e.visitor import kiosk


async def test_a_visit_is_paid_by_pulses_and_its_change_comes_from_the_hopper_on_the_bus() -> None:
    async with kiosk(pulse_acceptor=True) as visitor:
        await visitor.walk_to("coins", kind="2")
        assert 500 == await visitor.drop([500])
        await visitor.touch("confirm")
        await visitor.sees("take_all", "thanks", seconds=30.0)
        await visitor.leave()
        books = await read_books(visitor.world)
        assert (500, 300, 200) == (books.last.taken, books.last.earned, books.last.paid_out)


async def test_a_disturbance_while_paying_gives_back_what_is_known_and_is_never_money() -> None:
    async with kiosk(pulse_acceptor=True) as visitor:
        world = visitor.world
        await visitor.walk_to("coins", kind="2")
        await visitor.drop([100, 100])
        assert world.pulse_slot is not None
        assert world.pins is not None
        await world.pulse_slot.disturb(world.pins)
        await visitor.ends_with("coin_fault", seconds=30.0)
        await visitor.leave()
        books = await read_books(world)
        assert (200, 200) == (books.last.taken, books.last.paid_out)
        assert events(world, "coin-suspect")
        await visitor.rests(seconds=30.0)


async def test_a_power_cut_with_coins_in_gives_them_back_and_lets_no_coin_in_meanwhile() -> None:
    async with kiosk(pulse_acceptor=True) as visitor:
        world = visitor.world
        await visitor.walk_to("coins", kind="2")
        await visitor.drop([100, 100])
        await world.kill_kiosk()
        assert not await world.drop_coin(100)
        await world.start_kiosk()
        await asyncio.wait_for(visitor.ends_with("power_cut", seconds=40.0), 60)
        await visitor.leave()
        books = await read_books(world)
        assert (200, 200) == (books.last.taken, books.last.paid_out)
        await visitor.rests(seconds=30.0)
