"""Type that fits, or an error: no text of a record is ever cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.documents.fit import fit, wrap
from firmware.documents.refusals import DocumentRefused, Reason

SIZES = (10.5, 6.0)
LETTERS = "渋川市長、。（）「」ーっャ・AZaz09-., 　"


def advance(char: str) -> float:
    """Half an em for Latin, a whole one for everything else."""
    return 500.0 if char.isascii() else 1000.0


def test_text_with_room_keeps_its_size_and_width() -> None:
    fitted = fit("渋川　太郎", 100, 20, advance, SIZES)
    assert (fitted.lines, fitted.points, fitted.percent) == (("渋川　太郎",), 10.5, 100)


def test_letters_get_narrower_before_they_get_smaller() -> None:
    fitted = fit("あ" * 10, 10 * 10.5 * 0.9, 12, advance, SIZES)
    assert (fitted.points, fitted.percent) == (10.5, 90)


def test_type_gets_smaller_when_narrow_letters_are_not_enough() -> None:
    fitted = fit("あ" * 10, 10 * 8.0 * 0.8, 12, advance, SIZES)
    assert (fitted.points, fitted.percent) == (8.0, 80)


def test_a_second_line_needs_its_whole_height() -> None:
    for height, expected in ((10.5 * 2.16, 10.5), (10.5 * 2.14, 10.0)):
        fitted = fit("あ" * 10, 60, height, advance, SIZES)
        assert (2, expected) == (len(fitted.lines), fitted.points)


def test_one_character_too_many_is_an_error_and_not_a_cut() -> None:
    width = 10 * 6.0 * 0.8
    assert fit("あ" * 10, width, 7, advance, SIZES).points == 6.0
    with pytest.raises(DocumentRefused) as refused:
        fit("あ" * 11, width, 7, advance, SIZES)
    assert refused.value.reason == Reason.OVERFLOW
    assert "あ" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "ems", "expected"),
    [
        ("あいうえお", 3, ["あいう", "えお"]),
        ("あいう、え", 3, ["あい", "う、え"]),
        ("あい（うえ", 3, ["あい", "（うえ"]),
        ("あいー・え", 2, ["あ", "いー", "・え"]),
        ("JOHN SMITH", 4, ["JOHN ", "SMITH"]),
        ("JOHNSMITH", 2, ["JOHN", "SMIT", "H"]),
        ("あいう　え", 3, ["あいう　", "え"]),
        ("・・・・・・", 2, ["・・", "・・", "・・"]),
        ("", 3, [""]),
    ],
)
def test_lines_begin_and_end_with_what_may_stand_there(text: str, ems: int, expected: list[str]) -> None:
    assert expected == wrap(text, ems * 1000.0, advance)


@given(st.text(LETTERS, max_size=120), st.floats(20, 300), st.floats(8, 60))
def test_whatever_fits_reads_as_it_was_written_and_stays_in_its_place(
    text: str, width: float, height: float
) -> None:
    try:
        fitted = fit(text, width, height, advance, SIZES)
    except DocumentRefused:
        return
    assert text == "".join(fitted.lines)
    assert fitted.height_points <= height + 1e-6
    for line in fitted.lines:
        used = sum(map(advance, line.rstrip())) * fitted.points / 1000 * fitted.percent / 100
        assert used <= width + 1e-6
