"""A wrong PIN: what is left is told, the last try is told louder, and the lock is never forced."""

import pytest

from tests.e2e.clean_log import events
from tests.e2e.visitor import Visitor

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_wrong_pin_shows_two_tries_left_and_the_right_one_goes_on(visitor: Visitor) -> None:
    await visitor.walk_to("pin")
    await visitor.type_pin("9753")
    picture = await visitor.sees("pin_wrong")
    assert "2回" in picture["headline"] + "".join(picture["lines"]) + picture["note"]
    await visitor.touch("confirm")
    await visitor.sees("pin")
    await visitor.type_pin("1234")
    await visitor.sees("take_card")
    assert 3 == (await visitor.world.cards_stand.state("shiken_taro"))["tries_left"]
    await visitor.touch("cancel")
    await visitor.ends_with("cancelled")


async def test_two_wrong_pins_warn_of_the_last_try_and_cancelling_keeps_it(visitor: Visitor) -> None:
    await visitor.walk_to("pin")
    for pin, reason in (("9753", ""), ("8642", "last_try")):
        await visitor.type_pin(pin)
        assert reason == (await visitor.sees("pin_wrong"))["reason"]
        await visitor.touch("confirm")
        assert reason == (await visitor.sees("pin"))["reason"]
    await visitor.touch("cancel")
    await visitor.ends_with("cancelled")
    assert 1 == (await visitor.world.cards_stand.state("shiken_taro"))["tries_left"]


async def test_three_wrong_pins_lock_the_card_and_say_where_to_go(visitor: Visitor) -> None:
    refused_before = len(events(visitor.world, "pin-refused"))
    await visitor.walk_to("pin")
    for pin in ("9753", "8642"):
        await visitor.type_pin(pin)
        await visitor.sees("pin_wrong")
        await visitor.touch("confirm")
        await visitor.sees("pin")
    await visitor.type_pin("7531")
    picture = await visitor.ends_with("pin_locked")
    assert any("市民課" in line for line in picture["lines"])
    assert 0 == (await visitor.world.cards_stand.state("shiken_taro"))["tries_left"]
    told = [entry["tries_left"] for entry in events(visitor.world, "pin-refused")[refused_before:]]
    assert [2, 1] == told[:2]


async def test_a_locked_card_is_told_before_the_pin_and_no_verify_is_sent(visitor: Visitor) -> None:
    visitor.card = "rokku_zumi"
    await visitor.walk_to("present_card")
    await visitor.world.insert_card("rokku_zumi")
    await visitor.ends_with("pin_locked")
    seen = await visitor.world.cards_stand.state("rokku_zumi")
    assert (0, 0, 0) == (seen["verify_count"], seen["signatures"], seen["forbidden"])
    visitor.card = "shiken_taro"
