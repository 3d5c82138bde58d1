"""The card is taken away too soon: the visit ends, and no try is spent in the dark."""

import pytest

from tests.e2e.visitor import Visitor

READ_APDUS = 10
"""Commands before the PIN: application, token (2), certificate (1 and 4 reads of this one), PIN, tries."""

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_card_pulled_while_the_pin_is_typed_ends_the_visit_without_a_verify(visitor: Visitor) -> None:
    await visitor.walk_to("pin")
    before = (await visitor.world.cards_stand.state(visitor.card))["verify_count"]
    await visitor.world.press("1")
    await visitor.world.press("2")
    await visitor.world.remove_card()
    await visitor.ends_with("moved")
    assert before == (await visitor.world.cards_stand.state(visitor.card))["verify_count"]


@pytest.mark.parametrize("index", range(1, READ_APDUS + 1))
async def test_a_card_pulled_at_any_command_before_the_pin_ends_the_visit_and_no_pin_is_asked(
    visitor: Visitor, index: int
) -> None:
    stand = visitor.world.cards_stand
    pictures_before = len(visitor.world.eyes.pictures)
    before = (await stand.state(visitor.card))["verify_count"]
    await visitor.walk_to("present_card")
    await stand.set(visitor.card, die_at_apdu=index)
    await visitor.world.insert_card(visitor.card)
    await visitor.ends_with("moved")
    assert "pin" not in {picture["screen"] for picture in visitor.world.eyes.pictures[pictures_before:]}
    assert before == (await stand.state(visitor.card))["verify_count"]
    await stand.set(visitor.card, die_at_apdu=None)
    await visitor.world.remove_card()


@pytest.mark.parametrize(
    ("apdu", "reason", "verifies"),
    [(1, "moved", 0), (2, "pin_uncertain", 1), (3, "moved", 1), (4, "moved", 1)],
)
async def test_a_card_torn_off_while_it_signs_is_never_asked_to_verify_twice(
    visitor: Visitor, apdu: int, reason: str, verifies: int
) -> None:
    stand = visitor.world.cards_stand
    await visitor.walk_to("pin")
    before = (await stand.state(visitor.card))["verify_count"]
    await stand.set(visitor.card, answers={}, die_at_apdu=apdu, die_after_effect=True)
    await visitor.type_pin("1234")
    await visitor.ends_with(reason)
    assert before + verifies == (await stand.state(visitor.card))["verify_count"]
    await stand.set(visitor.card, die_at_apdu=None, die_after_effect=False)
    await visitor.world.remove_card()
