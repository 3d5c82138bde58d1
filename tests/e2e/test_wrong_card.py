"""Something else on the reader: each gets its sentence, and taking it away ends the visit."""

import pytest

from tests.e2e.clean_log import events
from tests.e2e.visitor import Visitor

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(
    ("card", "reason"),
    [
        ("felica", "felica"),
        ("licence", "driving_licence"),
        ("residence", "residence_card"),
        ("bank", "bank_card"),
        ("juki", "juki_card"),
        ("other", "not_a_my_number_card"),
        ("mute", "unreadable"),
        ("two_cards", "unreadable"),
        ("shiken_taro~with_bank_card", "several_cards"),
        ("shiken_taro~phone", "smartphone"),
        ("shiken_taro~no_certificate", "no_certificate"),
        ("shiken_taro~garbled", "unreadable"),
        ("shiken_taro~dies_reading", "moved"),
        ("kigen_gire", "certificate_expired"),
        ("mada_hayai", "certificate_not_yet_valid"),
    ],
)
async def test_a_wrong_card_gets_its_sentence_and_no_pin_is_asked(
    visitor: Visitor, card: str, reason: str
) -> None:
    refused_before = len(events(visitor.world, "card-refused")) + len(events(visitor.world, "card-gone"))
    pictures_before = len(visitor.world.eyes.pictures)
    await visitor.walk_to("present_card")
    await visitor.world.insert_card(card)
    picture = await visitor.ends_with(reason)
    assert "card" == picture["place"]
    assert "pin" not in {picture["screen"] for picture in visitor.world.eyes.pictures[pictures_before:]}
    refused = len(events(visitor.world, "card-refused")) + len(events(visitor.world, "card-gone"))
    assert refused_before + 1 == refused
