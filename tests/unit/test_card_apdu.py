"""Literal bytes of commands, status words and the allow-list."""

import contextlib

import pytest

from hw.card import apdu
from hw.card.apdu import ForbiddenCommand, PinVerdict
from hw.card.certificate import der_bytes
from hw.card.profile import JPKI, File


@pytest.mark.parametrize(
    ("expected", "command"),
    [
        ("00A4040C0AD392F000260100000001", apdu.select_application(JPKI.aid)),
        ("00A4020C02000A", apdu.select_file(JPKI, File.CERTIFICATE)),
        ("00B0000020", apdu.read_binary(0, 32)),
        ("00B0010000", apdu.read_binary(256, 256)),
        ("00200080", apdu.query_tries(JPKI)),
        ("002000800431323334", apdu.verify(JPKI, bytearray(b"1234"))),
        ("802A00800361626300", apdu.sign(JPKI, b"abc")),
        ("00B00000000200", apdu.read_binary_extended(0, 512)),
        ("00C0000010", apdu.get_response(16)),
        ("00C0000000", apdu.get_response(256)),
        ("00A4040C10A0000002310100000000000000000000", [*apdu.OTHER_APPLICATIONS["driving_licence"]]),
        ("00A4040C10D392F0004F0200000000000000000000", [*apdu.OTHER_APPLICATIONS["residence_card"]]),
        ("00A404000E325041592E5359532E444446303100", [*apdu.OTHER_APPLICATIONS["bank_card"]]),
    ],
)
def test_commands_are_the_bytes_of_the_card_and_pass_the_allow_list(
    expected: str, command: list[int]
) -> None:
    apdu.check_allowed(command)
    assert expected == bytes(command).hex().upper()


@pytest.mark.parametrize(
    "forbidden",
    [
        "00A4020C020001",  # signature certificate
        "00A4020C020002",
        "00A4020C02001A",  # signature key
        "00A4020C02001B",  # signature password
        "00A4040C0AD3921000310001010408",  # 券面事項入力補助AP, holds the My Number
        "00A4040C0AD3921000310001010402",  # 券面事項確認AP
        "00A4040C05D392F00026",  # a prefix of the JPKI application's id
        "00A40000",
        "00A4000C",
        "00B0810000",  # READ BINARY by short file id
        "00B08A0000",
        "002000980431323334",  # VERIFY by short file id
        "00200081",
        "00200080053132333435",
        "00200080033132 33",
        "802A009703616263 00",
        "802A020003616263 00",
        "802A00800461626300",  # length does not fit
        "00A4040C10A0000002310200000000000000000000",  # the photograph of a driving licence
        "00A4040C10D392F0004F0300000000000000000000",
        "00A404000AD392F000260100000001",
        "00C0000100",
        "00B08A000000FF",  # by short file id, extended length
        "0020008004313233343500",
        "0020008000",
        "00200080043132",
        "0024008008",  # CHANGE REFERENCE DATA
        "002C0080",  # RESET RETRY COUNTER
        "80FC0000",
        "",
    ],
)
def test_a_command_off_the_list_is_refused(forbidden: str) -> None:
    with pytest.raises(ForbiddenCommand):
        apdu.check_allowed(list(bytes.fromhex(forbidden)))


@pytest.mark.parametrize(
    ("expected", "word"),
    [(3, 0x63C3), (1, 0x63C1), (0, 0x63C0), (0, 0x6983), (0, 0x6984), (None, 0x9000), (None, 0x6300)],
)
def test_tries_left_come_from_the_status_word(expected: int | None, word: int) -> None:
    assert expected == apdu.tries_left(word)


@pytest.mark.parametrize(
    ("expected", "answer"),
    [
        (PinVerdict.ACCEPTED, "9000"),
        (PinVerdict.WRONG, "63C2"),
        (PinVerdict.WRONG, "63C1"),
        (PinVerdict.BLOCKED, "63C0"),
        (PinVerdict.BLOCKED, "6983"),
        (PinVerdict.BLOCKED, "6984"),
        (PinVerdict.NOT_TRIED, "6700"),
        (PinVerdict.NOT_TRIED, "6982"),
        (PinVerdict.NOT_TRIED, "6985"),
        (PinVerdict.NOT_TRIED, "6A86"),
        (PinVerdict.UNCERTAIN, ""),
        (PinVerdict.UNCERTAIN, "90"),
        (PinVerdict.UNCERTAIN, "009000"),
        (PinVerdict.UNCERTAIN, "9001"),
        (PinVerdict.UNCERTAIN, "6300"),
        (PinVerdict.UNCERTAIN, "6F00"),
        (PinVerdict.UNCERTAIN, "6102"),
        (PinVerdict.UNCERTAIN, "6C00"),
        (PinVerdict.UNCERTAIN, "0063C2"),
    ],
)
def test_only_a_known_word_alone_proves_what_became_of_a_pin(expected: PinVerdict, answer: str) -> None:
    assert expected == apdu.pin_verdict(bytes.fromhex(answer))


@pytest.mark.parametrize("digits", [b"", b"123", b"12345", b"12a4", b"\0\0\0\0", b"\xb1234", b"12 4"])
def test_a_pin_that_is_not_four_digits_never_becomes_a_command(digits: bytes) -> None:
    with pytest.raises(ValueError, match=r"\Anot a PIN of this card\Z"):
        apdu.verify(JPKI, bytearray(digits))


@pytest.mark.parametrize(("offset", "length"), [(-1, 1), (0, 0), (0, 257), (0x8000, 1)])
def test_read_binary_refuses_what_would_address_another_file(offset: int, length: int) -> None:
    with pytest.raises(ValueError, match="cannot read"):
        apdu.read_binary(offset, length)


class NoBytes(list[int]):
    """A command that refuses to be copied into bytes, which nobody can overwrite."""

    def __bytes__(self) -> bytes:
        raise AssertionError("an immutable copy of a PIN")


@pytest.mark.parametrize("reference", [JPKI.pin_reference, JPKI.pin_reference + 1])
def test_the_allow_list_makes_no_copy_of_a_pin_that_cannot_be_overwritten(reference: int) -> None:
    """Whether the command is on the list or not."""
    command = NoBytes([0x00, 0x20, 0x00, reference, 4, *b"1234"])
    with contextlib.nullcontext() if reference == JPKI.pin_reference else pytest.raises(ForbiddenCommand):
        apdu.check_allowed(command)


def test_wipe_overwrites_the_command_in_place() -> None:
    command = apdu.verify(JPKI, bytearray(b"1234"))
    apdu.wipe(command)
    assert command == [0] * 9


@pytest.mark.parametrize(
    ("expected", "answer"),
    [((b"", 0), ""), ((b"", 0), "90"), ((b"", 0x9000), "9000"), ((b"\x8f", 0x6282), "8f6282")],
)
def test_an_answer_is_split_or_counts_as_none(expected: tuple[bytes, int], answer: str) -> None:
    reply = apdu.parse_reply(bytes.fromhex(answer))
    assert expected == (reply.body, reply.status_word)


@pytest.mark.parametrize(
    ("expected", "head"),
    [(0x58A + 4, "3082058A30"), (260, "30820100"), (None, "3082"), (None, "FFFFFFFF"), (None, "30030201")],
)
def test_the_certificates_length_comes_from_its_der_and_not_from_the_file(
    expected: int | None, head: str
) -> None:
    assert expected == der_bytes(bytes.fromhex(head))


@pytest.mark.parametrize(
    ("waiting", "right", "word"),
    [(16, None, 0x6110), (256, None, 0x6100), (None, 16, 0x6C10), (None, 256, 0x6C00), (None, None, 0x9000)],
)
def test_the_words_about_length_say_how_much(waiting: int | None, right: int | None, word: int) -> None:
    assert (waiting, right) == (apdu.Reply(b"", word).bytes_waiting, apdu.Reply(b"", word).right_length)


def test_no_command_of_a_visit_is_longer_than_a_short_apdu() -> None:
    commands = [
        apdu.select_application(JPKI.aid),
        *(apdu.select_file(JPKI, file) for file in File),
        apdu.read_binary(0x7FFF, 256),
        apdu.sign(JPKI, bytes(255)),
        *map(list, apdu.OTHER_APPLICATIONS.values()),
    ]
    assert all(len(command) <= 5 + 255 + 1 for command in commands)
    assert all(0 <= octet <= 255 for command in commands for octet in command)
