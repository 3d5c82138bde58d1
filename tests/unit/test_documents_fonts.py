"""Characters: drawn by a font that has them, or refused; never as a box, a base form or nothing."""

import contextlib
import unicodedata
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.t2CharStringPen import T2CharStringPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTFont

from firmware.documents.certificate import render
from firmware.documents.fonts import FontChain
from firmware.documents.proof import proofread
from firmware.documents.refusals import DocumentRefused, Reason
from firmware.documents.settings import DocumentSettings
from firmware.documents.specimen import check_forms
from firmware.documents.truetype import TrueTypeFile
from firmware.errors import ConfigError
from tests.pages import samples

SETTINGS = DocumentSettings()
VARIANTS = ["邊\U000e0109", "葛\U000e0104", "辻\U000e0102"]
GOTHIC_WITH_PRIVATE = Path("/usr/share/fonts/truetype/gentiumplus/GentiumPlus-Regular.ttf")


def jis_x_0213() -> set[str]:
    """Every character of the two planes by Python's own table of EUC-JIS-2004, without marks alone."""
    found = set()
    for plane, row, cell in product((b"", b"\x8f"), range(0xA1, 0xFF), range(0xA1, 0xFF)):
        with contextlib.suppress(UnicodeDecodeError):
            found.add((plane + bytes((row, cell))).decode("euc_jis_2004"))
    assert len(found) > 11_000
    return {character for character in found if unicodedata.category(character[0])[0] != "M"}


@pytest.fixture(scope="module")
def names() -> FontChain:
    return FontChain(SETTINGS.value_fonts)


DRAWN = [
    *"渋𠮷𠮟髙﨑邊⦅⦆A１－　 ー〇𛀁ăřłđÅñőŞİỗữạ’",
    *VARIANTS,
    "か\u309a",
    "が",
    "か\u3099",
    "e\u0301",
    "æ\u0300",
]


@pytest.mark.parametrize("character", DRAWN)
def test_characters_of_names_are_drawn(names: FontChain, character: str) -> None:
    assert names.of(character).draws(character)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_has_a_glyph_of_its_own(names: FontChain, variant: str) -> None:
    font = TrueTypeFile(SETTINGS.value_fonts[0])
    assert font.glyph(variant) not in {0, font.glyph(variant[0])}


@pytest.mark.parametrize(
    ("hazard", "character"),
    [
        ("variant of another collection", "邊\U000e0100"),
        ("variant that does not exist", "邊\U000e01ef"),
        ("variant of a character without variants", "あ\U000e0100"),
        ("two selectors", "邊\U000e0109\U000e0109"),
        ("standardised variant", "A\ufe00"),
        ("mark that no font places", "渋\u0301"),
        ("second mark that would be lost", "か\u309a\u0301"),
        ("Hangul", "김"),
        ("Hangul in parts", "\u1100"),
        ("simplified Chinese", "们"),
        ("private use without a font for it", "\ue000"),
        ("no-break space", "\u00a0"),
    ],
)
def test_a_character_that_no_font_has_is_refused_by_its_code_points(
    names: FontChain, hazard: str, character: str
) -> None:
    with pytest.raises(DocumentRefused) as refused:
        names.of(character)
    assert refused.value.reason == Reason.GLYPH_MISSING
    expected = "/".join(f"U+{ord(point):04X}" for point in character)
    assert (f"glyph-missing: {expected}", expected) == (str(refused.value), refused.value.code_points)


@pytest.mark.parametrize(
    ("hazard", "character"),
    [
        ("selector without a letter", "\U000e0109"),
        ("voiced mark without a letter", "\u3099"),
        ("accent without a letter", "\u0301"),
        ("line feed", "\n"),
        ("null", "\0"),
        ("escape", "\x1b"),
        ("zero width space", "\u200b"),
        ("zero width joiner", "\u200d"),
        ("soft hyphen", "\u00ad"),
        ("byte order mark", "\ufeff"),
        ("right-to-left override", "\u202e"),
        ("right-to-left isolate", "\u2067"),
        ("Hebrew", "א"),
        ("Arabic", "م"),
        ("language tag", "\U000e0041"),
        ("line separator", "\u2028"),
        ("unassigned plane", "\U0010ffff"),
        ("lone surrogate", "\ud842"),
    ],
)
def test_a_character_that_steers_text_is_refused_by_its_code_point(
    names: FontChain, hazard: str, character: str
) -> None:
    with pytest.raises(DocumentRefused) as refused:
        names.of(character)
    assert refused.value.reason == Reason.CHARACTER_INVALID
    assert f"character-invalid: U+{ord(character):04X}" == str(refused.value)


def test_the_whole_of_jis_x_0213_is_drawn_but_for_a_blank_and_a_hyphen_that_print_nothing(
    names: FontChain,
) -> None:
    refused = set()
    for character in jis_x_0213():
        try:
            names.of(character)
        except DocumentRefused:
            refused.add(character)
    assert {"\u00a0", "\u00ad"} == refused


def test_only_a_font_of_the_municipality_draws_private_characters(names: FontChain) -> None:
    font = TrueTypeFile(GOTHIC_WITH_PRIVATE)
    assert font.has_ink(font.glyph("\uf130"))
    with pytest.raises(DocumentRefused, match=r"U\+F130"):
        FontChain((*SETTINGS.value_fonts, GOTHIC_WITH_PRIVATE)).of("\uf130")
    chain = FontChain(SETTINGS.value_fonts, gaiji=(GOTHIC_WITH_PRIVATE,))
    assert chain.of("\uf130").fontName == str(GOTHIC_WITH_PRIVATE)
    assert chain.of("渋").fontName == str(SETTINGS.value_fonts[0])


def operator_font(path: Path, codes: dict[int, str], formats: Sequence[int], *, cff: bool = False) -> Path:
    """A font of black squares as a municipality might hand out, with cmaps of these formats alone."""
    names = [".notdef", *dict.fromkeys(codes.values())]
    font = FontBuilder(1000, isTTF=not cff)
    font.setupGlyphOrder(names)
    font.setupCharacterMap(codes)
    square = T2CharStringPen(1000, None) if cff else TTGlyphPen(None)
    for draw, point in ((square.moveTo, (50, 0)), (square.lineTo, (50, 800)), (square.lineTo, (900, 800))):
        draw(point)
    square.closePath()
    if cff:
        font.setupCFF("Gaiji", {}, dict.fromkeys(names, square.getCharString()), {})
    else:
        font.setupGlyf(dict.fromkeys(names, square.glyph()))
    font.setupHorizontalMetrics(dict.fromkeys(names, (1000, 50)))
    font.setupHorizontalHeader(ascent=880, descent=-120)
    font.setupOS2()
    font.setupPost()
    cmap = font.font["cmap"]
    cmap.tables = [table for table in cmap.tables if table.format in formats]
    font.save(path)
    return path


GAIJI = {0xE000 + at: f"g{at}" for at in range(40)} | {0xE100: "g7", 0xE101: "g5", 0xF8FF: "g1", 0x6E0B: "g2"}


@pytest.mark.parametrize(
    ("formats", "codes"),
    [((4,), GAIJI), ((12,), GAIJI | {0xF0001: "g3"}), ((4, 12), GAIJI | {0xF0001: "g3"})],
)
def test_a_font_of_the_municipality_joins_the_chain_whatever_map_of_its_characters_it_has(
    tmp_path: Path, formats: Sequence[int], codes: dict[int, str]
) -> None:
    path = operator_font(tmp_path / "gaiji.ttf", codes, formats)
    ours = TrueTypeFile(path)
    with TTFont(path) as theirs:
        for code, name in codes.items():
            assert theirs.getGlyphID(name) == ours.glyph(chr(code))
    assert 0 == ours.glyph("\ue0ff") == ours.glyph("\uffff") == ours.glyph("\udfff")
    chain = FontChain(SETTINGS.value_fonts, gaiji=(path,))
    assert {str(path)} == {chain.of(chr(code)).fontName for code in codes if code != 0x6E0B}
    name = "渋川\ue003\ue005"
    front = render(
        samples.opened("inkan", samples.inkan(name=name)), None, DocumentSettings(gaiji_fonts=(path,))
    )
    assert name in proofread(front)[0]


def test_a_map_of_the_basic_plane_is_read_as_another_reader_reads_it(tmp_path: Path) -> None:
    """IPAexGothic's own map, without the one of the full repertoire: segments with deltas and with arrays."""
    with TTFont(SETTINGS.label_fonts[0]) as font:
        font["cmap"].tables = [table for table in font["cmap"].tables if table.format == 4]
        expected = {code: font.getGlyphID(name) for code, name in font.getBestCmap().items()}
        font.save(tmp_path / "plane.ttf")
    ours = TrueTypeFile(tmp_path / "plane.ttf")
    codes = set(range(0x10000)) - {0x2985, 0x2986}  # drawn as their full-width twins
    assert expected == {code: ours.glyph(chr(code)) for code in codes if ours.glyph(chr(code))}
    assert len(expected) > 10_000


@pytest.mark.parametrize(
    ("file", "complaint"),
    [
        ("gaiji.otf", "CFF outlines; take its TrueType edition"),
        ("gaiji.ttc", "collection"),
        ("a.woff2", "web"),
    ],
)
def test_a_font_of_another_make_is_refused_at_the_start_with_what_to_do(
    tmp_path: Path, file: str, complaint: str
) -> None:
    path = operator_font(tmp_path / file, GAIJI, (4,), cff=file.endswith("otf"))
    if not file.endswith("otf"):
        path.write_bytes({"gaiji.ttc": b"ttcf", "a.woff2": b"wOF2"}[file] + bytes(100))
    with pytest.raises(ConfigError, match=rf"{file}: not a TrueType font: .*{complaint}"):
        check_forms(DocumentSettings(gaiji_fonts=(path,)))


def test_a_latin_name_is_set_in_one_typeface(names: FontChain) -> None:
    mincho, latin = map(str, SETTINGS.value_fonts)
    runs = [(face.fontName, run) for face, run in names.suited("NGUYỄN　渋川").runs("NGUYỄN　渋川")]
    assert [(latin, "NGUYỄN"), (mincho, "　渋川")] == runs
    assert [(mincho, "NGUYEN")] == [
        (face.fontName, run) for face, run in names.suited("NGUYEN").runs("NGUYEN")
    ]


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
