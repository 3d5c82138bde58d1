"""The comparison that ends a visit in the tests: doubt of one visit excuses nothing in the next."""

from typing import cast

from tests.e2e import books
from tests.simulators.coin import CoinMachine
from tests.simulators.world import World


class Counted:
    """A world of which only the coins are looked at."""

    def __init__(self) -> None:
        self.coins = CoinMachine()

    def differs(self, kept: books.Books) -> list[str]:
        return list(books._coins(cast("World", self), kept))

    def agree(self, kept: books.Books) -> None:
        assert [] == self.differs(kept)
        books._agreed[cast("World", self)] = books._counted(cast("World", self), kept)


def swallow(world: Counted) -> None:
    """A coin drops into the cash box without credit."""
    world.coins.acceptor.cash_box[100] += 1
    world.coins.acceptor.uncredited_yen += 100


async def test_a_coin_without_credit_needs_an_entry_of_its_own_visit() -> None:
    world = Counted()
    kept = books.Books()
    swallow(world)
    assert ["coins without credit are in no book"] == world.differs(kept)
    kept.suspected = 1
    world.agree(kept)
    swallow(world)
    assert ["coins without credit are in no book"] == world.differs(kept)
    kept.suspected = 2
    world.agree(kept)
    await world.coins.stop()


async def test_a_payout_that_nobody_is_sure_of_lets_no_later_coin_go_unseen() -> None:
    world = Counted()
    kept = books.Books(unsure_payouts=1)
    world.agree(kept)
    world.coins.hopper.paid_coins += 1
    assert ["the journal paid 0 to 0 coins, the hopper 1"] == world.differs(kept)
    kept.visits["a"].paid_out += 100
    kept.visits["a"].taken += 100
    world.coins.acceptor.cash_box[100] += 1
    world.agree(kept)
    await world.coins.stop()


async def test_a_coin_still_on_its_way_out_is_waited_for() -> None:
    world = Counted()
    world.coins.hopper.remaining = 1
    assert ["the hopper still turns"] == world.differs(books.Books())
    await world.coins.stop()
