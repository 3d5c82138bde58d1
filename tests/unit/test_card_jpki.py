"""The conversation with cards that answer out of line; each plays literal answers."""

from collections.abc import Callable

import pytest

from firmware.core.terms import CardKind, CardRefusal
from firmware.errors import CardGone, CardUnusable
from hw.card import jpki
from hw.card.jpki import Transmit

MY_NUMBER_CARD = b"JPKIAPICCTOKEN2".ljust(32) + b"\x90\x00"
OK = b"\x90\x00"


def card(*answers: bytes) -> Transmit:
    """A card that gives these answers, whatever it is asked."""
    left = iter(answers)
    return lambda _: next(left)


@pytest.mark.parametrize(
    ("expected", "label"),
    [
        (CardKind.MY_NUMBER_CARD, b"JPKIAPICCTOKEN2".ljust(32)),
        (CardKind.JUKI_CARD, b"JPKIAPICCTOKEN".ljust(32)),
        (CardKind.SMARTPHONE, b"JPKIAPGPSETOKEN".ljust(32)),
        (CardKind.SMARTPHONE, b"JPKIAPIOSTOKEN".ljust(32)),
        (CardKind.OTHER, b"JPKIAPICCTOKEN23".ljust(32)),
        (CardKind.OTHER, b"JPKIAPICCTOKEN2".ljust(32, b"\0")),
        (CardKind.OTHER, b"JPKIAPICCTOKEN2"),
    ],
)
def test_a_card_is_told_by_its_whole_label(expected: CardKind, label: bytes) -> None:
    assert expected == jpki.card_kind(card(OK, OK, label + OK))


@pytest.mark.parametrize("first", [b"\x6f\x00", b""])
def test_a_card_that_is_not_awake_at_its_first_command_is_asked_once_more(first: bytes) -> None:
    assert jpki.card_kind(card(first, OK, OK, MY_NUMBER_CARD)) == CardKind.MY_NUMBER_CARD


@pytest.mark.parametrize("first", [b"\x6f\x00", b""])
def test_a_card_that_never_wakes_is_unreadable(first: bytes) -> None:
    with pytest.raises(CardUnusable) as raised:
        jpki.card_kind(card(first, first))
    assert raised.value.refusal == CardRefusal.UNREADABLE


@pytest.mark.parametrize("word", ["6A82", "6A81", "6D00", "6E00", "6999"])
def test_a_card_without_the_application_is_another_card(word: str) -> None:
    assert jpki.card_kind(card(bytes.fromhex(word))) == CardKind.OTHER


@pytest.mark.parametrize(
    ("expected", "answers"),
    [
        (CardRefusal.NO_CERTIFICATE, ["9000", "8F00009000"]),
        (CardRefusal.NO_CERTIFICATE, ["9000", "8F8F009000", "6A82"]),
        (CardRefusal.NO_CERTIFICATE, ["9000", "8F8F009000", "9000", "6986"]),
        (CardRefusal.NO_CERTIFICATE, ["9000", "8F8F009000", "9000", "FFFFFFFF9000"]),
        (CardRefusal.NO_CERTIFICATE, ["6A82", "9000", "000000009000"]),
        (CardRefusal.UNREADABLE, ["9000", "8F8F009000", "9000", "6F00"]),
        (CardRefusal.UNREADABLE, ["9000", "8F8F009000", "9000", "308202009000", "6B00"]),
        (CardRefusal.UNREADABLE, ["9000", "8F8F009000", "9000", "308202009000", "9000"]),
    ],
)
def test_what_is_no_certificate_is_refused_with_its_reason(expected: CardRefusal, answers: list[str]) -> None:
    with pytest.raises(CardUnusable) as raised:
        jpki.read_certificate(card(*map(bytes.fromhex, answers)))
    assert expected == raised.value.refusal


def test_the_certificate_ends_where_its_der_says_and_not_where_the_file_does() -> None:
    content = bytes.fromhex("30820200") + bytes(range(256)) * 2 + b"\xff" * 500
    file = content

    def transmit(command: list[int]) -> bytes:
        match command:
            case [0x00, 0xB0, high, low, length]:
                offset = high << 8 | low
                return file[offset : offset + (length or 256)] + OK
            case _:
                return OK

    assert content[:0x204] == jpki.read_certificate(transmit)


@pytest.mark.parametrize(("expected", "word"), [(3, "63C3"), (0, "63C0"), (0, "6984"), (0, "6983")])
def test_tries_are_asked_for_without_a_pin(expected: int, word: str) -> None:
    assert expected == jpki.read_tries(card(OK, bytes.fromhex(word)))


def test_a_card_that_calls_its_pin_verified_right_after_power_up_is_not_trusted() -> None:
    with pytest.raises(CardUnusable):
        jpki.read_tries(card(OK, OK))


@pytest.mark.parametrize("step", [jpki.read_certificate, jpki.read_tries])
def test_a_card_torn_off_answers_nothing_and_is_gone(step: Callable[[Transmit], object]) -> None:
    with pytest.raises(CardGone):
        step(card(b""))


def test_bytes_that_are_no_certificate_are_unreadable() -> None:
    with pytest.raises(CardUnusable):
        jpki.parse_certificate(bytes.fromhex("3082000101"))
