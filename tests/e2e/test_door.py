"""The cabinet's door is opened during a visit: it ends there, with every coin back."""

import asyncio

import pytest

from tests.e2e.clean_log import events
from tests.e2e.visitor import Visitor
from tests.simulators.vt100 import SECONDS

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("screen", ["notice", "present_card", "pin", "choose_items"])
async def test_a_door_opened_before_the_money_ends_the_visit(visitor: Visitor, screen: str) -> None:
    await visitor.walk_to(screen)
    await visitor.world.set_door(True)
    await visitor.ends_with("door_opened")


async def test_a_door_opened_with_coins_in_gives_them_back(visitor: Visitor) -> None:
    await visitor.walk_to("coins", kind="2")
    await visitor.drop([100, 100])
    await visitor.world.set_door(True)
    await visitor.ends_with("door_opened")
    assert 200 == visitor.world.coins.change_cup_yen
    assert not visitor.world.coins.slot_is_open


async def test_an_open_door_at_rest_closes_the_kiosk_and_knows_staff_by_their_code(visitor: Visitor) -> None:
    await visitor.world.set_door(True)
    assert "door" == (await visitor.sees("out_of_service"))["reason"]
    admitted = len(events(visitor.world, "staff-admitted"))
    await visitor.world.type_staff_code()
    async with asyncio.timeout(SECONDS):
        while len(events(visitor.world, "staff-admitted")) == admitted:  # noqa: ASYNC110 - a log tells nobody
            await asyncio.sleep(0.05)
