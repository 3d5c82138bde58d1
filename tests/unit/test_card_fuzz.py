"""Whatever card and reader answer, a visit ends in a named outcome and no PIN goes to the card twice."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from firmware.errors import CardGone, CardUnusable, PinBlocked, PinUncertain, PinWrong
from firmware.ports import CardReading, CardSignature
from hw.card.profile import label
from tests.unit.card_fuzz import (
    DAMAGED,
    FAILS,
    GOOD,
    NEXT_CARD,
    OK,
    Answer,
    PlayedCard,
    answers_told_by,
    check,
    fuzzed,
    good_answers,
    visit,
)

GONE = (0x80100069 - (1 << 32), b"")
PINS = (b"1234", b"5678", b"9012")

word = st.one_of(
    st.sampled_from(
        "9000 63C3 63C2 63C1 63C0 63CF 6983 6984 6300 6A82 6A81 6A86 6982 6985 6986 6B00 6700 6D00 6F00 6100"
        " 6110 61FF 6C00 6C10 6CFF 6282".split()
    ).map(bytes.fromhex),
    st.binary(min_size=2, max_size=2),
)
body = st.one_of(
    st.just(b""),
    st.just(label("JPKIAPICCTOKEN2")),
    st.just(b"\x8f\x8f\x00"),
    st.integers(0, 0xFFFF).map(lambda length: b"\x30\x82" + length.to_bytes(2, "big") + bytes(252)),
    st.binary(max_size=300),
)
answer: st.SearchStrategy[Answer] = st.one_of(
    st.tuples(st.just(0), st.tuples(body, word).map(b"".join)),
    st.tuples(st.just(0), st.binary(max_size=3)),
    st.sampled_from((0x80100016, 0x80100069, 0x80100068, 0x8010002F, 0x8010001D)).map(
        lambda code: (code - (1 << 32), b"")
    ),
)


@pytest.fixture(scope="module")
def good() -> list[bytes]:
    return list(good_answers())


def ended(answers: list[Answer]) -> list[object]:
    card = PlayedCard(answers)
    outcomes = visit(card, PINS)
    check(card, PINS, outcomes)
    return outcomes


def test_the_answers_of_a_good_card_make_a_signature(good: list[bytes]) -> None:
    reading, signature = ended([(0, answer) for answer in good])
    assert isinstance(reading, CardReading)
    assert isinstance(signature, CardSignature)


@given(st.lists(answer, max_size=60))
@settings(max_examples=400, deadline=None)
def test_any_answers_at_all_end_in_a_named_outcome(answers: list[Answer]) -> None:
    ended(answers)


@given(st.data())
@settings(max_examples=600, deadline=None)
def test_a_good_card_that_goes_wrong_anywhere_ends_in_a_named_outcome(
    good: list[bytes], data: st.DataObject
) -> None:
    """One answer is replaced, one is put in between, or one bit is turned, and anything may follow."""
    answers: list[Answer] = [(0, one) for one in good]
    at = data.draw(st.integers(0, len(answers) - 1))
    match data.draw(st.sampled_from(("replace", "insert", "bit", "cut"))):
        case "replace":
            answers[at] = data.draw(answer)
        case "insert":
            answers.insert(at, data.draw(answer))
        case "bit":
            octets = bytearray(good[at])
            octets[data.draw(st.integers(0, len(octets) - 1))] ^= 1 << data.draw(st.integers(0, 7))
            answers[at] = (0, bytes(octets))
        case _:
            answers[at] = (0, good[at][: data.draw(st.integers(0, len(good[at])))])
    answers += data.draw(st.lists(answer, max_size=8))
    outcomes = ended(answers)
    if isinstance(outcomes[-1], CardSignature):
        assert any(one == (0, good[-1]) for one in answers), "only the card's own signature is handed on"


@given(st.lists(answer, min_size=1, max_size=6))
@settings(max_examples=300, deadline=None)
@example([(0, b"\x90\x00"), (0, b"\x63\xc2")])
def test_a_pin_goes_to_the_card_once_whatever_it_says_to_it(good: list[bytes], answers: list[Answer]) -> None:
    card = PlayedCard([*((0, one) for one in good[:-4]), *answers])
    outcomes = visit(card, PINS[:1])
    check(card, PINS[:1], outcomes)
    assert len(card.pins) <= 1


@pytest.mark.parametrize(
    ("expected", "answers"),
    [
        (PinUncertain, [(0, OK), GONE]),
        (PinUncertain, [(0, OK), (0, b"")]),
        (PinUncertain, [(0, OK), (0, b"\x63\xc3")]),
        (PinUncertain, [(0, OK), (0, b"\x63\xc1")]),
        (PinBlocked, [(0, OK), (0, b"\x63\xc0")]),
        (PinBlocked, [(0, OK), (0, b"\x69\x84")]),
        (CardGone, [(0, OK), (0, b"\x69\x85")]),
        (CardGone, [(0, b"\x6a\x82")]),
        (CardGone, [(0, OK), (0, OK), GONE]),
        (CardGone, [(0, OK), (0, OK), (0, OK), (0, b"\x6c\x00")]),
        (CardGone, [(0, OK), (0, OK), (0, OK), (0, bytes(256) + OK)]),
    ],
)
def test_each_failure_after_the_pin_has_its_name(
    good: list[bytes], expected: type[Exception], answers: list[Answer]
) -> None:
    outcomes = ended([*((0, one) for one in good[:-4]), *answers])
    assert expected is type(outcomes[-1])


def test_a_locked_card_gets_no_pin(good: list[bytes]) -> None:
    for word in (b"\x63\xc0", b"\x69\x83", b"\x69\x84"):
        card = PlayedCard([(0, one) for one in (*good[:-5], word, *good[-4:])])
        outcomes = visit(card, PINS[:1])
        check(card, PINS[:1], outcomes)
        assert ([], PinBlocked) == (card.pins, type(outcomes[-1]))


def test_a_signature_in_parts_is_put_together(good: list[bytes]) -> None:
    first, rest = good[-1][:100] + b"\x61\x9c", good[-1][100:]
    assert isinstance(ended([(0, one) for one in [*good[:-1], first, rest]])[-1], CardSignature)


def test_wrong_pins_count_down_and_the_right_one_signs(good: list[bytes]) -> None:
    wrong = [(0, OK), (0, b"\x63\xc2"), (0, OK), (0, b"\x63\xc1")]
    outcomes = ended([*((0, one) for one in good[:-4]), *wrong, *((0, one) for one in good[-4:])])
    assert [CardReading, PinWrong, PinWrong, CardSignature] == [type(outcome) for outcome in outcomes]


octet = st.integers(0, 255)
said = st.one_of(
    st.tuples(st.just(DAMAGED), octet, octet, octet),
    st.tuples(st.just(GOOD), st.integers(0, 16)),
    st.tuples(st.just(FAILS)),
    st.binary(max_size=40).map(lambda raw: (len(raw), *raw)),
)
to_the_end = st.sampled_from(((), (GOOD, 255)))


@pytest.mark.parametrize("first", [0, NEXT_CARD], ids=["rsa", "p384"])
@given(count=st.integers(0, 16), told=st.lists(said, max_size=12), rest=to_the_end)
@settings(max_examples=500, deadline=None)
def test_the_target_of_the_long_fuzzing_runs_here_too(
    first: int, count: int, told: list[tuple[int, ...]], rest: tuple[int, ...]
) -> None:
    octets = bytes((first | count, *(one for words in told for one in words), *rest))
    outcomes = fuzzed(octets)
    if isinstance(outcomes[-1], CardSignature):
        signature = good_answers(next_card=bool(first))[-1]
        assert (0, signature) in answers_told_by(octets), "only the card's own signature is handed on"


@given(st.binary(max_size=2000))
@settings(max_examples=200, deadline=None)
def test_any_octets_are_an_input_of_the_long_fuzzing(octets: bytes) -> None:
    fuzzed(octets)


@pytest.mark.parametrize(("first", "name"), [(0, "RS256"), (NEXT_CARD, "ES384")])
def test_the_fuzzed_card_signs_when_it_is_told_to_be_good(first: int, name: str) -> None:
    """Were it not so, no fuzzing would come as far as the signature."""
    for octets in ((first | 100,), (first, GOOD, 255), (first, *(DAMAGED, 0, 0, 0) * 20)):
        signature = fuzzed(bytes(octets))[-1]
        assert isinstance(signature, CardSignature)
        assert name == signature.algorithm


@pytest.mark.parametrize("first", [0, NEXT_CARD], ids=["rsa", "p384"])
def test_the_fuzzer_can_turn_every_byte_of_every_good_answer(first: int) -> None:
    good = good_answers(next_card=bool(first))
    for at, answer in enumerate(good):
        for place in range(len(answer)):
            told = answers_told_by(bytes((first | at, DAMAGED, *place.to_bytes(2, "big"), 0x5A, GOOD, 255)))
            differ = [i for i, (_, one) in enumerate(told) if one != good[i]]
            assert ([at], len(good)) == (differ, len(told))
            assert answer[place] ^ 0x5A == told[at][1][place]


@pytest.mark.parametrize("first", [0, NEXT_CARD], ids=["rsa", "p384"])
def test_a_signature_with_any_byte_turned_is_never_handed_on(first: int) -> None:
    good = good_answers(next_card=bool(first))
    for place in range(len(good[-1])):
        octets = bytes((first | len(good) - 1, DAMAGED, *place.to_bytes(2, "big"), 1))
        assert type(fuzzed(octets)[-1]) is CardGone


def test_every_reading_without_a_pin_has_its_outcome(good: list[bytes]) -> None:
    for cut in range(len(good) - 4):
        outcomes = ended([*((0, one) for one in good[:cut]), GONE])
        assert type(outcomes[-1]) in (CardGone, CardUnusable)
