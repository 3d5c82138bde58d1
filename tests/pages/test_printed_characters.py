"""What a name looks like on paper, and what its text says to whoever reads the file."""

import io
import re
import subprocess
from itertools import product

import pytest
from fontTools.ttLib import TTFont
from PIL import Image, ImageChops, ImageDraw, ImageFont, features
from pypdf import PdfReader

from firmware.documents.certificate import Certificate, render, render_front
from firmware.documents.proof import proofread
from firmware.documents.settings import DocumentSettings
from firmware.documents.sheet import Place
from firmware.documents.truetype import TrueTypeFile
from tests.pages import samples
from tests.pages.gallery import PAGES

SETTINGS = DocumentSettings()
MINCHO = SETTINGS.value_fonts[0]
NAME_PLACE = (2560, 1320, 4480, 1610)  # of the seal certificate, at 600 dpi
PIXELS_PER_EM = 10.5 * 600 / 72
VARIANTS = ["邊\U000e0109", "邊\U000e010f", "葛\U000e0104", "辻\U000e0102", "か\u309a", "æ\u0300"]


def certificate(name: str) -> Certificate:
    made = render(samples.opened("inkan", samples.inkan(name=name)), None, SETTINGS)
    proofread(made)
    return made


def ink(picture: Image.Image) -> Image.Image:
    """The black of a picture, cropped to its edges."""
    black = ImageChops.invert(picture.convert("L"))
    return black.crop(black.getbbox())


def printed(name: str) -> Image.Image:
    """The name as a printer of 600 dpi sees it, on a page without ground."""
    front = render_front(samples.opened("inkan", samples.inkan(name=name)), None, SETTINGS, Place(1, 1))
    arguments = ["pdftoppm", *"-r 600 -gray -aa no -aaVector no -f 1 -l 1 -".split()]
    page = subprocess.run(arguments, input=front.pdf, capture_output=True, check=True).stdout
    return ink(Image.open(io.BytesIO(page)).crop(NAME_PLACE))


def shaped(name: str) -> Image.Image:
    """The same by HarfBuzz and FreeType, which know nothing of our reading of the font."""
    font = ImageFont.truetype(MINCHO, PIXELS_PER_EM, layout_engine=ImageFont.Layout.RAQM)
    picture = Image.new("L", (900, 300), 255)
    ImageDraw.Draw(picture).text((50, 50), name, font=font, fill=0)
    return ink(picture.point(lambda grey: 255 * (grey > 127)))


def alike(first: Image.Image, second: Image.Image) -> float:
    """Share of the ink that both have, the second laid over the first as well as can be."""
    best = 0.0
    for across, down in product(range(-2, 3), repeat=2):
        size = (max(first.width, second.width) + 4, max(first.height, second.height) + 4)
        one, other = Image.new("1", size), Image.new("1", size)
        one.paste(first.convert("1"), (2, 2))
        other.paste(second.convert("1"), (2 + across, 2 + down))
        both = ImageChops.logical_and(one, other).convert("L").histogram()[255]
        either = ImageChops.logical_or(one, other).convert("L").histogram()[255]
        best = max(best, both / either)
    return best


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_is_drawn_as_the_font_means_it_and_not_as_its_base(variant: str) -> None:
    assert features.check("raqm")
    ours = printed(variant)
    as_meant, as_base = (alike(ours, shaped(text)) for text in (variant, variant[0]))
    assert as_meant > 0.78  # two renderers differ by a row of pixels along each stroke
    assert as_meant > as_base + 0.1


def test_every_variant_of_the_font_has_the_glyph_that_the_font_says() -> None:
    """All sequences of 文字情報基盤, against another reader of the same tables."""
    ours = TrueTypeFile(MINCHO)
    with TTFont(MINCHO, lazy=True) as theirs:
        sequences = next(table for table in theirs["cmap"].tables if table.format == 14).uvsDict
        wrong = [
            (code, selector)
            for selector, pairs in sequences.items()
            for code, name in pairs
            if ours.glyph(chr(code) + chr(selector))
            != (ours.glyph(chr(code)) if name is None else theirs.getGlyphID(name))
        ]
    assert [] == wrong
    assert sum(map(len, sequences.values())) > 11_000


@pytest.mark.parametrize(
    "name", ["渡邊\U000e0109　𠮷𠮟髙﨑", "か\u309a　𛀁𩸽", "⦅渋川⦆", "NGUYỄN THỊ", "Nguye\u0302\u0303n"]
)
def test_both_readers_give_back_the_very_characters_selectors_and_marks_included(name: str) -> None:
    made = certificate(name)
    [first, *_] = PdfReader(io.BytesIO(made.pdf)).pages
    assert name in first.extract_text()
    arguments = ["pdftotext", "-raw", "-f", "1", "-l", "1", "-", "-"]
    text = subprocess.run(arguments, input=made.pdf, capture_output=True, check=True).stdout.decode()
    assert "".join(name.split()) in "".join(text.split())


@pytest.mark.parametrize("name", PAGES)
def test_no_value_is_smaller_than_7_points_and_no_word_smaller_than_6(name: str) -> None:
    page = PAGES[name]
    opened = samples.opened(page.kind, page.document)
    made = render_front(opened, samples.city_seal(), SETTINGS, page.place)
    reader = PdfReader(io.BytesIO(made.pdf))
    smallest: dict[str, float] = {}
    narrowest = 100.0
    for side in reader.pages:
        contents = side.get_contents()
        assert contents is not None
        fonts = side["/Resources"]["/Font"]  # type: ignore[index]
        operators = contents.get_data().decode("latin-1")
        for font, points in re.findall(r"(/F\d+) ([0-9.]+) Tf", operators):
            family = fonts[font]["/BaseFont"].partition("+")[2]
            smallest[family] = min(float(points), smallest.get(family, 99.0))
        narrowest = min([narrowest, *map(float, re.findall(r"([0-9.]+) Tz", operators))])
    assert smallest.pop("ipaexg") >= 6.0
    assert min(smallest.values()) >= SETTINGS.smallest_points == 7.0
    assert narrowest >= 80.0


@pytest.mark.parametrize("name", PAGES)
def test_the_file_is_sound_and_all_its_fonts_are_in_it(
    name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    page = PAGES[name]
    made = render(samples.opened(page.kind, page.document), samples.city_seal(), SETTINGS)
    path = tmp_path_factory.mktemp("sound") / "page.pdf"
    path.write_bytes(made.pdf)
    done = subprocess.run(["qpdf", "--check", path], capture_output=True, text=True, check=False)
    assert (0, "") == (done.returncode, done.stderr)
    rows = subprocess.run(["pdffonts", path], capture_output=True, text=True, check=True).stdout.splitlines()[
        2:
    ]
    assert len(rows) >= 3
    for row in rows:
        assert row.split()[-5:-2] == ["yes", "yes", "yes"]
