"""The change hopper fails: what it cannot pay is owed on paper, with a number, and stands in the books."""

import pytest

from tests.e2e.books import read_books
from tests.e2e.visitor import kiosk


@pytest.mark.parametrize(("coins", "owed_yen"), [((500,), 200), ((100, 100), 200)])
async def test_a_jam_at_payout_prints_a_claim_slip_and_shows_its_number(
    coins: tuple[int, ...], owed_yen: int
) -> None:
    async with kiosk() as visitor:
        world = visitor.world
        await visitor.walk_to("coins", kind="2")
        await visitor.drop(coins)
        await world.jam_hopper(True)
        sold = sum(coins) >= 300
        await (visitor.touch("confirm") if sold else visitor.stops())
        picture = await visitor.sees("take_all" if sold else "ended", seconds=40.0)
        rows = dict(map(tuple, picture["rows"]))
        assert f"{owed_yen}円" == rows["もどせなかったお金"]
        claim = rows["受付番号"]
        slips = [world.receipts.text(slip) for slip in world.receipts.slips]
        assert claim in slips[0]
        assert f"{owed_yen}" in slips[0]
        assert (2 if sold else 1) == len(slips)
        await visitor.leave()
        books = await read_books(world)
        assert (owed_yen, 0) == (books.last.owed, books.last.paid_out)


async def test_a_hopper_that_runs_empty_owes_only_the_rest() -> None:
    async with kiosk() as visitor:
        world = visitor.world
        await visitor.walk_to("coins", kind="2")
        await visitor.drop([100, 100, 100])
        world.coins.hopper.coins = 1
        await visitor.stops()
        await visitor.ends_with("cancelled", seconds=40.0)
        assert 100 == world.coins.change_cup_yen
        await visitor.leave()
        books = await read_books(world)
        assert (100, 200) == (books.last.paid_out, books.last.owed)


async def test_change_for_the_worst_case_takes_any_coin() -> None:
    async with kiosk(hopper_coins=7, overrides={"hoppers": {"minimum_coins": 3}}) as visitor:
        assert not (await visitor.walk_to("coins", kind="2"))["exact_money_only"]
        assert 700 == await visitor.drop([100, 100, 500])
        await visitor.stops()
        await visitor.ends_with("cancelled")
        assert 700 == await visitor.leave()


async def test_one_coin_less_asks_for_the_exact_money_and_takes_no_500_yen_coin() -> None:
    async with kiosk(hopper_coins=6, overrides={"hoppers": {"minimum_coins": 3}}) as visitor:
        assert (await visitor.walk_to("coins", kind="2"))["exact_money_only"]
        assert 0 == await visitor.drop([500])
        await visitor.pays(100, 100, 100)
        await visitor.sees("take_all", "thanks")
        assert 500 == await visitor.leave()
