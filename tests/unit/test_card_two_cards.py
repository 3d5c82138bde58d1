"""Two cards on the reader: PC/SC names neither, so a card that is none of ours is looked at again."""

import pytest

from firmware.core.terms import CardRefusal
from firmware.errors import CardUnusable
from firmware.ports import CardReading
from hw.card.profile import label
from tests.unit.card_fuzz import OK, PlayedCard, good_answers, visit

NONE_OF_OURS = b"\x6a\x82"
UNRESPONSIVE = 0x80100066 - (1 << 32)
BANK_CARD = (NONE_OF_OURS, NONE_OF_OURS, NONE_OF_OURS, OK)
LICENCE = (NONE_OF_OURS, OK)
MEMBERSHIP_CARD = (NONE_OF_OURS,) * 4
JUKI_CARD = (OK, OK, label("JPKIAPICCTOKEN") + OK)
IPHONE = (OK, OK, label("JPKIAPIOSTOKEN") + OK)
GARBLED = (b"\x65\x81",)
TORN = (b"",) * 2

FELICA_ATR = bytes.fromhex("3B8F8001804F0CA00000030611003B0000000042")
TYPE_B_ATR = bytes.fromhex("3B888001000005E0B381A1007F")

Told = tuple[bytes, ...]


class ChoosingReader(PlayedCard):
    """At each power-up it chooses the next card; each is its ATR and its answers, None is mute."""

    def __init__(self, *cards: tuple[bytes, Told] | None) -> None:
        super().__init__([])
        self._cards = list(cards)
        self.power_ups = 0

    def SCardReconnect(self, *_: object) -> tuple[int, int]:  # noqa: N802
        chosen = self._cards[self.power_ups]
        self.power_ups += 1
        if chosen is None:
            return UNRESPONSIVE, 0
        self._atr, answers = chosen
        self._answers = [(0, answer) for answer in answers]
        return 0, 2


def refusal(reader: ChoosingReader) -> CardRefusal:
    (refused,) = visit(reader)
    assert isinstance(refused, CardUnusable)
    assert not reader.powered
    assert [] == reader.pins
    return refused.refusal


@pytest.mark.parametrize("first", [BANK_CARD, LICENCE, MEMBERSHIP_CARD, JUKI_CARD, IPHONE])
def test_a_my_number_card_that_shows_at_the_second_look_was_hidden_by_another_card(first: Told) -> None:
    two = ChoosingReader((TYPE_B_ATR, first), (TYPE_B_ATR, good_answers()))
    assert CardRefusal.SEVERAL_CARDS == refusal(two)


def test_a_transit_card_that_hides_a_my_number_card_is_one_of_two() -> None:
    two = ChoosingReader((FELICA_ATR, ()), (TYPE_B_ATR, good_answers()))
    assert CardRefusal.SEVERAL_CARDS == refusal(two)


def test_two_cards_of_which_none_is_ours_are_two_cards() -> None:
    two = ChoosingReader((TYPE_B_ATR, BANK_CARD), (FELICA_ATR, ()))
    assert CardRefusal.SEVERAL_CARDS == refusal(two)


@pytest.mark.parametrize(
    ("expected", "card"),
    [
        (CardRefusal.BANK_CARD, BANK_CARD),
        (CardRefusal.DRIVING_LICENCE, LICENCE),
        (CardRefusal.NOT_A_MY_NUMBER_CARD, MEMBERSHIP_CARD),
        (CardRefusal.JUKI_CARD, JUKI_CARD),
    ],
)
def test_one_card_that_is_not_ours_is_named_as_before(expected: CardRefusal, card: Told) -> None:
    alone = ChoosingReader((TYPE_B_ATR, card), (TYPE_B_ATR, card))
    assert (expected, 2) == (refusal(alone), alone.power_ups)


@pytest.mark.parametrize("second", [None, (TYPE_B_ATR, ()), (TYPE_B_ATR, GARBLED), (TYPE_B_ATR, TORN)])
def test_a_card_that_says_nothing_at_the_second_look_is_named_after_the_first(
    second: tuple[bytes, Told] | None,
) -> None:
    """It was taken away, or woke badly: one look that told something counts."""
    assert CardRefusal.BANK_CARD == refusal(ChoosingReader((TYPE_B_ATR, BANK_CARD), second))


def test_two_that_collide_so_that_neither_wakes_are_unreadable_and_told_to_come_alone() -> None:
    with pytest.raises(CardUnusable) as raised:
        visit(ChoosingReader(None))
    assert CardRefusal.UNREADABLE == raised.value.refusal


def test_a_my_number_card_chosen_first_is_used_and_not_looked_at_again() -> None:
    first = ChoosingReader((TYPE_B_ATR, good_answers()), (TYPE_B_ATR, BANK_CARD))
    assert isinstance(visit(first)[0], CardReading)
    assert 1 == first.power_ups
