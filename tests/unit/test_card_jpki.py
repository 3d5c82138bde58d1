"""The conversation with cards that answer out of line; each plays literal answers."""

import contextlib
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Literal

import pytest

from firmware.core.terms import CardKind, CardRefusal
from firmware.errors import CardGone, CardUnusable
from hw.card import apdu, jpki
from hw.card.certificate import refusal
from hw.card.jpki import Transmit
from hw.card.profile import JPKI, label
from tests.simulators.card.personalise import CardIssuer

LABEL = label("JPKIAPICCTOKEN2") + b"\x90\x00"
OK = b"\x90\x00"
TYPE_B_ATR = bytes.fromhex("3B888001000005E0B381A1007F")
FELICA_ATR = bytes.fromhex("3B8F8001804F0CA00000030611003B0000000042")
NOW = datetime(2026, 6, 1, tzinfo=UTC)
PHONES = frozenset({label("JPKIAPGPSETOKEN"), label("JPKIAPIOSTOKEN")})

Hex = str


class PlayedCard:
    """Gives these answers in turn, whatever it is asked, and remembers what it was asked."""

    def __init__(self, *answers: bytes) -> None:
        self._left = iter(answers)
        self.asked: list[Hex] = []

    def __call__(self, command: list[int]) -> bytes:
        apdu.check_allowed(command)
        self.asked.append(bytes(command).hex().upper())
        return next(self._left)


def card(*answers: bytes) -> PlayedCard:
    return PlayedCard(*answers)


def played(*answers: Hex) -> PlayedCard:
    return PlayedCard(*map(bytes.fromhex, answers))


def kind_of(transmit: Transmit, atr: bytes = TYPE_B_ATR) -> CardKind:
    return jpki.card_kind(transmit, lambda: atr, PHONES)[0]


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        (CardKind.MY_NUMBER_CARD, b"JPKIAPICCTOKEN2".ljust(32)),
        (CardKind.JUKI_CARD, b"JPKIAPICCTOKEN".ljust(32)),
        (CardKind.SMARTPHONE, b"JPKIAPGPSETOKEN".ljust(32)),
        (CardKind.SMARTPHONE, b"JPKIAPIOSTOKEN".ljust(32)),
        (CardKind.OTHER, b"JPKIAPICCTOKEN23".ljust(32)),
        (CardKind.OTHER, b"JPKIAPICCTOKEN2".ljust(32, b"\0")),
    ],
)
def test_a_card_is_told_by_its_whole_label(expected: CardKind, found: bytes) -> None:
    assert expected == kind_of(card(OK, OK, found + OK))


@pytest.mark.parametrize("token", [["9000", "9000"], ["9000", "4A504B499000"], ["9000", "6F00"], ["6985"]])
def test_a_card_of_ours_whose_label_comes_garbled_is_unreadable_and_not_another_card(
    token: list[Hex],
) -> None:
    with pytest.raises(CardUnusable) as raised:
        kind_of(played("9000", *token))
    assert CardRefusal.UNREADABLE == raised.value.refusal


def test_a_card_without_a_token_file_is_another_card() -> None:
    assert CardKind.OTHER == kind_of(played("9000", "6A82"))


def test_which_labels_are_smartphones_is_configuration() -> None:
    answers = (OK, OK, label("JPKIAPNEWPHONE") + OK)
    assert CardKind.OTHER == kind_of(card(*answers))
    newer = frozenset({label("JPKIAPNEWPHONE")})
    assert CardKind.SMARTPHONE == jpki.card_kind(card(*answers), lambda: b"", newer)[0]


@pytest.mark.parametrize("text", ["", "x" * 33, "カード"])
def test_what_is_no_label_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="1 to 32 ASCII"):
        label(text)


@pytest.mark.parametrize("first", [b"\x6f\x00", b""])
def test_a_card_that_is_not_awake_at_its_first_command_is_asked_once_more(first: bytes) -> None:
    assert CardKind.MY_NUMBER_CARD == kind_of(card(first, OK, OK, LABEL))


@pytest.mark.parametrize("first", [b"\x6f\x00", b""])
def test_a_card_that_never_wakes_is_unreadable(first: bytes) -> None:
    with pytest.raises(CardUnusable) as raised:
        kind_of(card(first, first))
    assert raised.value.refusal == CardRefusal.UNREADABLE


@pytest.mark.parametrize("word", ["6A82", "6A81", "6D00", "6E00", "6999"])
@pytest.mark.parametrize(
    ("expected", "others"),
    [
        (CardKind.DRIVING_LICENCE, ["9000"]),
        (CardKind.RESIDENCE_CARD, ["6A82", "9000"]),
        (CardKind.BANK_CARD, ["6A82", "6A82", "6F208407A00000000310109000"]),
        (CardKind.BANK_CARD, ["6A82", "6A82", "6122"]),
        (CardKind.OTHER, ["6A82", "6A82", "6A82"]),
        (CardKind.OTHER, ["6F00", "6F00", "6F00"]),
    ],
)
def test_a_card_without_the_application_is_told_by_the_one_it_has(
    word: str, expected: CardKind, others: list[str]
) -> None:
    found = played(word, *others)
    assert expected == kind_of(found)
    assert 1 + len(others) == len(found.asked)


@pytest.mark.parametrize(
    "answer",
    ["6581", "6400", "6985", "6300", "6999FF", "6E01", "6112", "0102036A82", "FF"],
)
def test_a_card_that_does_not_say_whether_it_has_the_application_is_unreadable_and_no_wrong_card(
    answer: Hex,
) -> None:
    found = played(answer, answer)
    with pytest.raises(CardUnusable) as raised:
        kind_of(found)
    assert CardRefusal.UNREADABLE == raised.value.refusal


def test_felica_is_told_by_what_the_reader_says_of_it_and_gets_no_command() -> None:
    found = played()
    assert CardKind.FELICA == kind_of(found, FELICA_ATR)
    assert [] == found.asked


def test_another_storage_card_is_no_felica() -> None:
    mifare = bytes.fromhex("3B8F8001804F0CA000000306030001000000006A")
    assert CardKind.OTHER == kind_of(played("6A81", "6A81", "6A81", "6A81"), mifare)


@pytest.mark.parametrize("kind", [kind for kind in CardKind if kind is not CardKind.MY_NUMBER_CARD])
def test_every_other_kind_has_its_own_refusal(kind: CardKind) -> None:
    assert jpki.REFUSALS[kind] in CardRefusal
    assert len(jpki.REFUSALS) == len(set(jpki.REFUSALS.values()))


@pytest.mark.parametrize(
    ("expected", "answers"),
    [
        (CardRefusal.NO_CERTIFICATE, ["6A82"]),
        (CardRefusal.NO_CERTIFICATE, ["9000", "6982", "9000", "8F00009000"]),
        (CardRefusal.NO_CERTIFICATE, ["9000", "00000000009000", "9000", "8F00009000"]),
        (CardRefusal.NO_CERTIFICATE, ["9000", "FFFFFFFF9000", "6A82"]),
        (CardRefusal.NO_CERTIFICATE, ["9000", "6986", "6A82"]),
        (CardRefusal.UNREADABLE, ["9000", "6982", "9000", "8F8F009000"]),
        (CardRefusal.UNREADABLE, ["9000", "FFFFFFFF9000", "9000", "8F8F009000"]),
        (CardRefusal.UNREADABLE, ["9000", "0102039000", "6A82"]),
        (CardRefusal.UNREADABLE, ["9000", "9000", "9000", "8F009000"]),
        (CardRefusal.UNREADABLE, ["9000", "6F00", "6A82"]),
        (CardRefusal.UNREADABLE, ["9000", "308202009000", "6B00"]),
        (CardRefusal.UNREADABLE, ["9000", "308202009000", "9000"]),
        (CardRefusal.UNREADABLE, ["9000", "3082FFFF9000"]),
        (CardRefusal.UNREADABLE, ["9000", "308202009000", "6C10"]),
        (CardRefusal.UNREADABLE, ["9000", "308202009000", "00" * 257 + "9000"]),
    ],
)
def test_what_is_no_certificate_is_refused_with_its_reason(expected: CardRefusal, answers: list[str]) -> None:
    with pytest.raises(CardUnusable) as raised:
        jpki.read_certificate(played(*answers, "6A82"), JPKI)
    assert expected == raised.value.refusal


CERTIFICATE = bytes.fromhex("30820200") + bytes(range(256)) * 2


class FileCard:
    """A certificate's file with filler behind it. most: bytes it gives at once; exact: it insists on them."""

    def __init__(self, *, most: int = 256, exact: bool = False, in_parts: bool = False) -> None:
        self._content = CERTIFICATE + b"\xff" * 500
        self._most = most
        self._exact = exact
        self._in_parts = in_parts
        self._waiting = b""

    def __call__(self, command: list[int]) -> bytes:
        match command:
            case [0x00, 0xB0, high, low, length]:
                wanted = length or 256
                if self._exact and wanted > self._most:
                    return bytes([0x6C, self._most])
                answer = self._content[high << 8 | low :][: min(wanted, self._most)]
                return self._part(answer) if self._in_parts else answer + OK
            case [0x00, 0xC0, 0x00, 0x00, length]:
                return self._part(self._waiting)
            case _:
                return OK

    def _part(self, answer: bytes) -> bytes:
        part, self._waiting = answer[:100], answer[100:]
        return part + (bytes([0x61, min(len(self._waiting), 255)]) if self._waiting else OK)


@pytest.mark.parametrize(
    "asked",
    [FileCard(), FileCard(most=100), FileCard(most=128, exact=True), FileCard(in_parts=True)],
    ids=["full", "short-reads", "6C80", "61XX"],
)
def test_the_certificate_ends_where_its_der_says_however_the_card_hands_it_out(asked: Transmit) -> None:
    assert CERTIFICATE[:0x204] == jpki.read_certificate(asked, JPKI)


@pytest.mark.parametrize("asked", [FileCard(most=1), lambda _: b"\x61\x00", lambda _: b"\x6c\x00"])
def test_a_card_that_goes_on_for_ever_is_given_up(asked: Transmit) -> None:
    commands = 0

    def counted(command: list[int]) -> bytes:
        nonlocal commands
        commands += 1
        return asked(command)

    with pytest.raises(CardUnusable) as raised:
        jpki.read_certificate(counted, JPKI)
    assert CardRefusal.UNREADABLE == raised.value.refusal
    assert commands < 100


def test_a_signature_is_never_asked_for_twice() -> None:
    asked = played("6C00")
    assert 0x6C00 == jpki.collect(asked, apdu.sign(JPKI, b"x")).status_word
    assert 1 == len(asked.asked)


@pytest.mark.parametrize(("expected", "word"), [(3, "63C3"), (0, "63C0"), (0, "6984"), (0, "6983")])
def test_tries_are_asked_for_without_a_pin(expected: int, word: str) -> None:
    assert expected == jpki.read_tries(card(OK, bytes.fromhex(word)), JPKI)


@pytest.mark.parametrize("answer", ["9000", "6F00", "6103", "6C03", "6300"])
def test_a_card_that_does_not_tell_its_tries_is_not_trusted(answer: Hex) -> None:
    """9000 would call the PIN verified, right after the card was powered up."""
    with pytest.raises(CardUnusable):
        jpki.read_tries(played("9000", answer), JPKI)


@pytest.mark.parametrize(
    "ask", [partial(jpki.read_certificate, profile=JPKI), partial(jpki.read_tries, profile=JPKI)]
)
def test_a_card_torn_off_answers_nothing_and_is_gone(ask: Callable[[Transmit], object]) -> None:
    with pytest.raises(CardGone):
        ask(card(b""))


@pytest.fixture(scope="module")
def der(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("cards") / "card"
    CardIssuer().personalise(folder)
    return (folder / "certificate.der").read_bytes()


def test_bytes_that_are_no_certificate_are_unreadable() -> None:
    with pytest.raises(CardUnusable):
        jpki.parse_certificate(bytes.fromhex("3082000101"))


@pytest.mark.parametrize(
    ("whole", "damaged"),
    [
        (b"\x06\x03U\x04\x0a\x0c", b"\x06\x03U\x04\x0a\x0d"),  # the issuer's organization
        (b"\x17\x0d", b"\x17\x0c"),  # the first date
        (
            b"\x06\x09*\x86H\x86\xf7\x0d\x01\x01\x01\x05\x00",
            b"\x06\x09*\x86H\x86\xf7\x0d\x01\x01\x7f\x05\x00",
        ),
        (b"\x02\x03\x01\x00\x01", b"\x02\x03\x80\x00\x01"),  # the key's exponent
    ],
)
def test_damage_anywhere_in_what_is_read_of_a_certificate_is_found_when_it_is_read(
    der: bytes, whole: bytes, damaged: bytes
) -> None:
    assert whole in der
    with pytest.raises(CardUnusable) as raised:
        jpki.parse_certificate(der.replace(whole, damaged, 1))
    assert CardRefusal.UNREADABLE == raised.value.refusal


def with_one_bit_turned(whole: bytes) -> Iterator[bytes]:
    for at in range(8 * len(whole)):
        turned = bytearray(whole)
        turned[at // 8] ^= 1 << at % 8
        yield bytes(turned)


@pytest.mark.parametrize("of_warnings", ["error", "ignore"])
def test_any_bit_of_a_certificate_turned_gives_a_certificate_or_is_unreadable(
    der: bytes, of_warnings: Literal["error", "ignore"]
) -> None:
    """Of version, serial number and names the library raises and warns what it likes."""
    refusals, usable = Counter[CardRefusal](), 0
    with warnings.catch_warnings():
        warnings.simplefilter(of_warnings)
        for damaged in with_one_bit_turned(der):
            try:
                certificate = jpki.parse_certificate(damaged)
                refusal(certificate, NOW, frozenset({"JPKI-DEVSIM"}))
                jpki.algorithm_of(certificate)
            except CardUnusable as error:
                refusals[error.refusal] += 1
            else:
                usable += 1
    assert {CardRefusal.UNREADABLE} == refusals.keys()
    assert min(refusals.total(), usable) > 1000, "both are met"


MOST_COMMANDS = 200
BODIES = (b"", b"\x30\x82\x10\x00" + bytes(252), LABEL[:-2], b"\x8f\x8f\x00", b"\x30", bytes(256))


@pytest.mark.parametrize("body", BODIES, ids=["empty", "certificate", "label", "present", "byte", "zeros"])
def test_every_conversation_with_a_card_that_never_tires_ends(body: bytes) -> None:
    """It opens like a good card, and then one answer is all it gives."""
    for opening in ((), (OK, OK, LABEL), (OK, OK, LABEL, OK)):
        for word in ("9000", "6100", "6101", "61FF", "6C00", "6C01", "6CFF", "6F00", "63C3", "6A82"):
            asked = 0

            def endless(command: list[int]) -> bytes:
                nonlocal asked
                apdu.check_allowed(command)
                asked += 1
                assert asked <= MOST_COMMANDS
                return opening[asked - 1] if asked <= len(opening) else body + bytes.fromhex(word)  # noqa: B023

            for step in (
                lambda told: jpki.open_my_number_card(told, lambda: TYPE_B_ATR, PHONES),
                lambda told: jpki.read_certificate(told, JPKI),
                lambda told: jpki.read_tries(told, JPKI),
                lambda told: jpki.collect(told, apdu.sign(JPKI, bytes(51))),
            ):
                with contextlib.suppress(CardGone, CardUnusable):
                    step(endless)
