"""Characters: drawn by a font that has them, or refused; never as a box, a base form or nothing."""

from pathlib import Path

import pytest

from firmware.documents.fonts import FontChain
from firmware.documents.refusals import DocumentRefused, Reason
from firmware.documents.settings import DocumentSettings
from firmware.documents.truetype import TrueTypeFile
from firmware.errors import ConfigError

SETTINGS = DocumentSettings()


@pytest.fixture(scope="module")
def names() -> FontChain:
    return FontChain(SETTINGS.value_fonts)


@pytest.mark.parametrize("char", "渋𠮷𠮟髙﨑邊A１－　 ー〇𛀁")
def test_characters_of_names_are_drawn(names: FontChain, char: str) -> None:
    assert names.of(char).draws(char)


@pytest.mark.parametrize(
    ("hazard", "char"),
    [
        ("variation selector of a name", "\U000e0109"),
        ("standardised variation selector", "\ufe00"),
        ("Hangul", "김"),
        ("simplified Chinese", "们"),
        ("Vietnamese", "ỗ"),
        ("combining voiced mark", "\u3099"),
        ("combining acute", "\u0301"),
        ("line feed", "\n"),
        ("zero width space", "\u200b"),
        ("right-to-left override", "\u202e"),
        ("line separator", "\u2028"),
        ("private use", "\ue000"),
        ("unassigned plane", "\U0010ffff"),
        ("lone surrogate", "\ud842"),
        ("no-break space", "\u00a0"),
    ],
)
def test_a_character_that_would_not_print_as_itself_is_refused_by_code_point(
    names: FontChain, hazard: str, char: str
) -> None:
    with pytest.raises(DocumentRefused) as refused:
        names.of(char)
    assert refused.value.reason == Reason.GLYPH_MISSING
    assert f"glyph-missing: U+{ord(char):04X}" == str(refused.value)


def test_a_second_font_draws_what_the_first_has_not() -> None:
    gothic, mincho = SETTINGS.label_fonts[0], SETTINGS.value_fonts[0]
    chain = FontChain((gothic, mincho))
    assert [(str(gothic), "土"), (str(mincho), "𠮷"), (str(gothic), "田")] == [
        (face.fontName, run) for face, run in chain.runs("土𠮷田")
    ]


def test_a_subset_keeps_one_glyph_for_each_character_in_order(tmp_path: Path) -> None:
    font = TrueTypeFile(SETTINGS.value_fonts[0])
    glyphs = [font.glyph(char) for char in "渋𠮷A渋"]
    subset = font.subset(glyphs)
    assert len(subset) < 10_000
    assert 0x00010000.to_bytes(4, "big") == subset[:4]


@pytest.mark.parametrize(
    "content", [b"", b"OTTO" + bytes(200), b"\0\1\0\0" + bytes(200), b"plain text, no font"]
)
def test_a_file_that_is_no_font_is_named_when_the_worker_starts(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.ttf"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"broken\.ttf"):
        TrueTypeFile(path)
    with pytest.raises(ConfigError, match="absent"):
        TrueTypeFile(tmp_path / "absent.ttf")
