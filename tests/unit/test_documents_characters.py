"""One character is what the reader sees as one: the rule behind R14, line breaks and glyphs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.documents.characters import characters, code_points, count


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("渋川", ["渋", "川"]),
        ("𠮷田", ["𠮷", "田"]),
        ("渡邊\U000e0109一", ["渡", "邊\U000e0109", "一"]),
        ("か\u309aき\u3099", ["か\u309a", "き\u3099"]),
        ("Nguye\u0302\u0303n", ["N", "g", "u", "y", "e\u0302\u0303", "n"]),
        ("\U000e0109渋", ["\U000e0109", "渋"]),
        ("ｶﾞ", ["ｶ", "ﾞ"]),
        ("渋　 A", ["渋", "　", " ", "A"]),
        ("A\u200dB", ["A", "\u200d", "B"]),
    ],
)
def test_marks_and_selectors_belong_to_the_letter_before_them(text: str, expected: list[str]) -> None:
    assert expected == characters(text)
    assert len(expected) == count(text)


@given(st.text(max_size=60))
def test_no_code_point_is_lost_or_moved(text: str) -> None:
    assert text == "".join(characters(text))


def test_the_log_names_code_points_and_not_the_character() -> None:
    assert code_points("邊\U000e0109") == "U+908A/U+E0109"
