"""取消 at every screen that offers it: the visit ends, nothing is issued, every coin comes back."""

import pytest

from tests.e2e.books import read_books
from tests.e2e.visitor import Visitor

pytestmark = pytest.mark.asyncio(loop_scope="module")

ASKED = {"choose_kind", "choose_subjects", "choose_items", "choose_copies", "confirm", "coins"}
"""Where 取消 asks first: card and PIN would be needed anew."""


@pytest.mark.parametrize(
    "screen",
    [
        "notice",
        "present_card",
        "pin",
        "take_card",
        "choose_kind",
        "choose_subjects",
        "choose_items",
        "choose_copies",
        "confirm",
        "coins",
    ],
)
async def test_cancel_ends_the_visit_here(visitor: Visitor, screen: str) -> None:
    picture = await visitor.walk_to(screen)
    assert picture["keys"]["cancel"]["enabled"]
    await visitor.world.press("cancel")
    if screen in ASKED:
        await visitor.sees("stop")
        await visitor.world.press("cancel")
        await visitor.sees(screen)
        await visitor.world.press("cancel")
        await visitor.sees("stop")
        await visitor.world.press("confirm")
    await visitor.ends_with("cancelled")
    assert not visitor.world.coins.slot_is_open


async def test_cancel_after_a_wrong_pin_spends_no_further_try(visitor: Visitor) -> None:
    await visitor.walk_to("pin")
    await visitor.type_pin("9753")
    await visitor.sees("pin_wrong")
    await visitor.world.press("cancel")
    await visitor.ends_with("cancelled")
    assert 2 == (await visitor.world.cards_stand.state("shiken_taro"))["tries_left"]


@pytest.mark.parametrize(
    ("path", "before", "waiting"),
    [
        ("/v1/sessions", "present_card", "reading_card"),
        ("/v1/sessions/*/authenticate", "pin", "checking"),
        ("/v1/orders", "confirm", "preparing"),
    ],
)
async def test_cancel_while_the_municipality_is_slow_ends_the_visit_at_once(
    visitor: Visitor, path: str, before: str, waiting: str
) -> None:
    visitor.world.municipality.delay_next(8.0, path)
    await visitor.walk_to(before)
    match before:
        case "present_card":
            await visitor.world.insert_card(visitor.card)
        case "pin":
            await visitor.type_pin("1234")
        case _:
            await visitor.touch("confirm")
    await visitor.world.eyes.until(
        lambda picture: picture["screen"] == waiting and picture["keys"]["cancel"]["enabled"], 10.0
    )
    await visitor.touch("cancel")
    await visitor.ends_with("cancelled", seconds=2.0)


@pytest.mark.parametrize("coins", [(100, 100), (500,), (100, 100, 100)])
async def test_cancel_with_coins_in_gives_every_coin_back(visitor: Visitor, coins: tuple[int, ...]) -> None:
    await visitor.walk_to("coins", kind="2")
    await visitor.drop(coins)
    await visitor.stops()
    picture = await visitor.ends_with("cancelled")
    assert ["もどしたお金", f"{sum(coins)}円"] in picture["rows"]
    assert sum(coins) == visitor.world.coins.change_cup_yen
    books = await read_books(visitor.world)
    assert (sum(coins), 0, sum(coins)) == (books.last.taken, books.last.earned, books.last.paid_out)
