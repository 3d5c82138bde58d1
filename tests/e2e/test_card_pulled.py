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


@pytest.mark.parametrize(("apdu", "reason", "verifies"), [(1, "unreadable", 0), (2, "pin_uncertain", 1)])
async def test_a_card_torn_off_while_it_signs_is_never_asked_to_verify_twice(
    visitor: Visitor, apdu: int, reason: str, verifies: int
) -> None:
    await visitor.walk_to("pin")
    before = (await visitor.world.cards_stand.state(visitor.card))["verify_count"]
    await visitor.world.cards_stand.set(visitor.card, answers={}, die_at_apdu=apdu, die_after_effect=True)
    await visitor.type_pin("1234")
    await visitor.ends_with(reason)
    assert before + verifies == (await visitor.world.cards_stand.state(visitor.card))["verify_count"]
    await visitor.world.cards_stand.set(visitor.card, die_at_apdu=None)
    await visitor.world.remove_card()
