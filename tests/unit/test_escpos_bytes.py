"""The bytes of a slip, literally, and the widths that keep amounts in their column."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from firmware.ports import SlipLine
from hw.printer import escpos
from tests.simulators.printers import roll

START = bytes.fromhex("1b40 1b7401 1c4301 1b5208")
END = bytes.fromhex("1d564200 1d7201")


def test_a_receipt_is_shift_jis_chosen_anew_in_every_slip() -> None:
    lines = [SlipLine("領収書", scale=2, centred=True), SlipLine("合計", right="600円")]

    title = bytes.fromhex("1b6101 1d2111 97cc8efb8f91 0a")
    total = (
        bytes.fromhex("1b6100 1d2100 8d878c76") + b" " * 33 + bytes.fromhex("3630308 97e 0a".replace(" ", ""))
    )
    assert START + title + total + END == escpos.slip(lines, columns=42)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("¥300", b"\x5c300"),  # 5C is the yen sign in the Japanese character set
        ("10時〜17時", "10時～17時".encode("cp932")),  # wave dash, as a Mac types it
        ("髙﨑①", bytes.fromhex("eee0 ed95 8740")),  # NEC and IBM extensions
        ("𠮷野", bytes.fromhex("81ac 96ec")),  # not in Shift_JIS: 〓
        ("ｶﾅ", bytes.fromhex("b6c5")),
    ],
)
def test_characters_a_printer_knows_and_those_it_does_not(text: str, expected: bytes) -> None:
    assert expected == escpos.encoded(text)


def test_control_characters_in_a_text_cannot_command_the_printer() -> None:
    assert "〓p〓 〓〓V".encode("cp932") == escpos.encoded("\x1bp\x00 \x7f\x1dV")


def test_a_long_text_goes_on_below_and_no_kanji_is_torn() -> None:
    printed = roll.text(escpos.slip([SlipLine("証明書" * 10, right="300円")], columns=21))

    assert printed.split("\n") == [
        "証明書証明書証明書証",
        "明書証明書証明書証明",
        "書証明書証明書証明書",
        " " * 16 + "300円",
    ]


def test_an_amount_that_does_not_fit_beside_its_text_gets_its_own_line_flush_right() -> None:
    printed = roll.text(escpos.slip([SlipLine("あ" * 10, right="300円")], columns=24))

    assert printed.split("\n") == ["あ" * 10, " " * 19 + "300円"]


def test_double_size_counts_double_width() -> None:
    [line] = roll.lines(escpos.slip([SlipLine("合計", right="600円", scale=2)], columns=42))

    assert roll.RollLine("合計" + " " * 12 + "600円", 2, centred=False) == line


@given(
    st.lists(
        st.builds(
            SlipLine,
            text=st.text(max_size=60),
            right=st.text(alphabet="0123456789円¥,-", max_size=12),
            scale=st.sampled_from([1, 2]),
            centred=st.booleans(),
        ),
        max_size=8,
    ),
    st.sampled_from([42, 48]),
)
def test_no_text_breaks_out_of_its_line_or_of_the_paper(lines: list[SlipLine], columns: int) -> None:
    slip = escpos.slip(lines, columns=columns)

    printed = list(roll.lines(slip))
    assert slip.startswith(START)
    assert slip.endswith(END)
    assert len(printed) >= len(lines)
    for line in printed:
        assert len(line.text.replace("¥", "\\").encode("cp932")) * line.scale <= columns


@pytest.mark.parametrize(
    ("answers", "trouble"),
    [
        ("12 12 12 12", None),
        ("12 12 12 1e", None),  # near end: still prints
        ("1a 16 12 12", "cover-open"),
        ("1a 32 12 7e", "paper-out"),
        ("12 12 12 72", "paper-out"),
        ("1a 52 1a 12", "error"),
        ("1a 12 12 12", "offline"),
        ("12 12 16 12", "error"),
    ],
)
def test_status_bytes_of_the_manuals(answers: str, trouble: str | None) -> None:
    assert trouble == escpos.status(bytes.fromhex(answers)).trouble


@pytest.mark.parametrize("answers", ["12 12 12", "12 12 12 00", "92 12 12 12", "12 12 12 13"])
def test_line_noise_is_no_status(answers: str) -> None:
    with pytest.raises(ValueError, match="status"):
        escpos.status(bytes.fromhex(answers))


def test_the_answer_in_order_is_never_mistaken_for_a_status_byte() -> None:
    assert not [byte for byte in range(256) if escpos.is_status(byte) and escpos.is_paper_answer(byte)]


@pytest.mark.parametrize(("answer", "expected"), [(0x00, True), (0x03, True), (0x0C, False), (0x0F, False)])
def test_the_answer_in_order_tells_whether_paper_is_left(answer: int, expected: bool) -> None:
    assert escpos.is_paper_answer(answer)
    assert expected == escpos.paper_left(answer)
