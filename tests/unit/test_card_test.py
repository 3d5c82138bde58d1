"""`madoguchi card-test` with a card that no virtual reader has."""

from firmware.compose.card_test import report
from firmware.core.terms import CardRefusal
from hw.card.fitness import measure
from tests.unit.card_fuzz import ACCEPTANCE, NOW, Answer, PlayedCard, good_answers, played

VERSION_AT = 12
"""In the DER of the certificate: four bytes each of two sequences, then A0 03 02 01."""


def test_a_card_with_a_damaged_certificate_is_named_unreadable_and_not_the_readers_fault() -> None:
    answers: list[Answer] = [(0, answer) for answer in good_answers()]
    first = next(at for at, (_, answer) in enumerate(answers) if answer.startswith(b"\x30\x82"))
    damaged = bytearray(answers[first][1])
    assert 2 == damaged[VERSION_AT]
    damaged[VERSION_AT] ^= 1
    answers[first] = (0, bytes(damaged))
    with played(PlayedCard(answers)):
        found = measure("played", ACCEPTANCE, NOW)
    assert CardRefusal.UNREADABLE == found.refusal
    said = list(report(found))
    assert "card             cannot be used: unreadable" in said
    assert said[-1].startswith("verdict          not tested")
