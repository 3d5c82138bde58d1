"""The coin line garbles, loses and vanishes: no coin is lost and none is counted twice."""

import pytest

from tests.e2e.books import read_books
from tests.e2e.clean_log import events
from tests.e2e.visitor import Visitor, kiosk

CREDIT = 229
"""Header of the acceptor's event poll."""


async def _three_coins(visitor: Visitor) -> None:
    await visitor.drop([100, 100, 100])
    await visitor.touch("confirm")
    await visitor.sees("take_all", "thanks")
    await visitor.leave()
    books = await read_books(visitor.world)
    assert (300, 300, 0) == (books.last.taken, books.last.earned, books.unclaimed)


async def test_garbled_credit_frames_while_paying_count_each_coin_once() -> None:
    async with kiosk() as visitor:
        await visitor.walk_to("coins", kind="2")
        visitor.world.coins.garble_next(2, header=CREDIT)
        await _three_coins(visitor)
        assert events(visitor.world, "cctalk-garbled")


async def test_lost_replies_and_noise_while_paying_count_each_coin_once() -> None:
    async with kiosk() as visitor:
        await visitor.walk_to("coins", kind="2")
        visitor.world.coins.drop_replies(2, header=CREDIT)
        visitor.world.coins.noise(b"\x00\xff\x55")
        await _three_coins(visitor)


@pytest.mark.parametrize("back", [True, False])
async def test_a_line_that_vanishes_with_coins_in_ends_the_visit_and_owes_or_pays_them(back: bool) -> None:
    async with kiosk() as visitor:
        world = visitor.world
        await visitor.walk_to("coins", kind="2")
        await visitor.drop([100, 100])
        world.coins.vanish()
        if back:
            await visitor.sees("closing_coins", "paying_out", "ended", seconds=20.0)
            world.coins.come_back()
        picture = await visitor.ends_with("coin_fault", seconds=40.0)
        rows = dict(map(tuple, picture["rows"]))
        assert "200円" == rows["もどしたお金" if back else "もどせなかったお金"]
        if not back:
            world.coins.come_back()
        await visitor.leave()
        await visitor.rests(seconds=30.0)


async def test_a_garbled_hopper_reply_pays_no_coin_twice() -> None:
    async with kiosk() as visitor:
        await visitor.walk_to("coins", kind="2")
        await visitor.drop([500])
        visitor.world.coins.garble_next(1, header=167)
        await visitor.stops()
        await visitor.ends_with("cancelled", seconds=30.0)
        await visitor.leave()
        books = await read_books(visitor.world)
        assert 500 == books.last.paid_out + books.last.owed
