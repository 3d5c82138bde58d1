"""The card is taken away too soon: the visit ends, and no try is spent in the dark."""

import pytest

from tests.e2e.visitor import Visitor

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_card_pulled_while_the_pin_is_typed_ends_the_visit_without_a_verify(visitor: Visitor) -> None:
    await visitor.walk_to("pin")
    before = (await visitor.world.cards_stand.state(visitor.card))["verify_count"]
    await visitor.world.press("1")
    await visitor.world.press("2")
    await visitor.world.remove_card()
    await visitor.ends_with("unreadable")
    assert before == (await visitor.world.cards_stand.state(visitor.card))["verify_count"]


async def test_a_card_torn_off_during_verify_is_told_as_uncertain_and_never_tried_again(
    visitor: Visitor,
) -> None:
    await visitor.walk_to("pin")
    before = (await visitor.world.cards_stand.state(visitor.card))["verify_count"]
    await visitor.world.cards_stand.set(visitor.card, answers={}, die_at_apdu=1, die_after_effect=False)
    await visitor.type_pin("1234")
    picture = await visitor.sees("ended")
    assert picture["reason"] in {"unreadable", "pin_uncertain"}
    assert (await visitor.world.cards_stand.state(visitor.card))["verify_count"] - before <= 1
    await visitor.world.cards_stand.set(visitor.card, die_at_apdu=None)
    await visitor.world.remove_card()
