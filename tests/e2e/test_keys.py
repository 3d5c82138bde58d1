"""Keys bounce and ghosts appear: a PIN digit is typed once, and no digit is typed by touch."""

import asyncio

import pytest

from tests.e2e.visitor import Visitor

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_each_bouncing_key_types_one_digit_of_the_pin(visitor: Visitor) -> None:
    await visitor.walk_to("pin")
    for typed, digit in enumerate("9081", start=1):
        await visitor.world.press(digit)  # type: ignore[arg-type]
        picture = await visitor.world.eyes.until(lambda now, n=typed: now["pin_digits"] >= n, 20.0)  # type: ignore[misc]
        assert typed == picture["pin_digits"]
    await visitor.world.press("correct")
    picture = await visitor.world.eyes.until(lambda now: now["pin_digits"] < 4, 20.0)
    assert 3 == picture["pin_digits"]
    await visitor.touch("cancel")
    await visitor.ends_with("cancelled")
    assert 0 == (await visitor.world.cards_stand.state(visitor.card))["verify_count"]


async def test_three_keys_of_a_rectangle_type_no_ghost(visitor: Visitor) -> None:
    pins = visitor.world.pins
    assert pins is not None
    await visitor.walk_to("pin")
    for key in ("1", "2", "4"):
        await pins.hold(key)
    for key in ("1", "2", "4"):
        await pins.release(key)
    for _ in range(2):
        await visitor.world.press("7")
    picture = await visitor.world.eyes.until(lambda now: now["pin_digits"] > 0, 20.0)
    assert picture["pin_digits"] <= 2
    await visitor.touch("cancel")
    await visitor.ends_with("cancelled")


async def test_a_digit_touched_on_the_pin_screen_is_refused(visitor: Visitor) -> None:
    await visitor.walk_to("pin")
    assert 403 == await visitor.world.eyes.touch("5")
    await asyncio.sleep(0)
    assert visitor.world.eyes.now is not None
    assert 0 == visitor.world.eyes.now["pin_digits"]
    await visitor.touch("cancel")
    await visitor.ends_with("cancelled")
