"""The protection on paper: whole pixels in two renderers, 複写 on every copy, and what each image is worth.

Printer and copier are models (tests/simulators/copier.py): the figures need one run on the real machine.
"""

import io
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pypdfium2
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from firmware.__main__ import main
from firmware.documents.certificate import Certificate, render
from firmware.documents.fonts import ASCENT, typeface
from firmware.documents.paper import PIXEL_MM
from firmware.documents.protection import void
from firmware.documents.protection.copy_pattern import copy_pattern
from firmware.documents.protection.detection import LINE_PITCH, blossom, figure, lines, screened
from firmware.documents.protection.front_code import MODULE_PIXELS, front_code
from firmware.documents.protection.places import (
    COPY_PATTERN_LEFT,
    COPY_PATTERN_PIXELS,
    COPY_PATTERN_TOP,
    IMAGE_LEFT,
    IMAGE_PIXELS,
    IMAGE_TOP,
    RASTER_LEFT,
    RASTER_TOP,
    Ink,
    glyph,
)
from firmware.documents.scramble import raster
from firmware.documents.settings import DocumentSettings
from firmware.documents.verification.scans import rasterised
from firmware.settings import load
from tests.pages import samples
from tests.pages.gallery import PAGES
from tests.simulators.copier import (
    COPIERS,
    PRINTERS,
    Copier,
    Plane,
    Printer,
    contrast,
    copied,
    legibility,
    printed,
)

SETTINGS = DocumentSettings()
FONT = SETTINGS.label_fonts[0]
UNSEEN = 0.005
"""Difference of reflectance below which the eye sees no edge."""

SEEN = 0.05
LAYING = (3, 240)
"""Tiles of the ground begin at the safe edge."""


@cache
def certificate() -> Certificate:
    return render(samples.opened("inkan", samples.inkan()), samples.city_seal(), SETTINGS)


@cache
def drawn(renderer: str, page: int) -> Ink:
    """A page as the pixels of a printer of 600 dpi; every pixel must be black or white."""
    made = certificate()
    if renderer == "poppler":
        command = f"pdftoppm -r 600 -gray -aa no -aaVector no -f {page} -l {page} - -".split()[:-1]
    else:
        command = (
            f"gs -q -dNOPAUSE -dBATCH -dSAFER -sDEVICE=pgmraw -r600 -dTextAlphaBits=1 -dGraphicsAlphaBits=1 "
            f"-dFirstPage={page} -dLastPage={page} -sOutputFile=%stdout -"
        ).split()
    told = subprocess.run(command, input=made.pdf, capture_output=True, check=True).stdout
    with Image.open(io.BytesIO(told)) as picture:
        grey = np.asarray(picture.convert("L"))
    assert (7016, 4960) == grey.shape
    assert {0, 255} == set(np.unique(grey))
    black: Ink = grey == 0
    return black


def part(page: Ink, left: int, top: int, width: int, height: int) -> Ink:
    return page[top : top + height, left : left + width]


@pytest.mark.parametrize("renderer", ["poppler", "ghostscript"])
def test_every_cell_and_dot_of_a_back_is_whole_pixels_of_600_dpi(renderer: str) -> None:
    page = drawn(renderer, 2)
    backs = certificate().backs
    assert backs is not None
    cells = raster.draw(backs.messages[0]).astype(bool)
    seen = part(page, RASTER_LEFT, RASTER_TOP, 12 * cells.shape[1], 12 * cells.shape[0])
    assert np.array_equal(np.kron(cells, np.ones((12, 12), bool)), seen)
    pattern = part(page, COPY_PATTERN_LEFT, COPY_PATTERN_TOP, COPY_PATTERN_PIXELS, COPY_PATTERN_PIXELS)
    assert np.array_equal(copy_pattern(backs.copy_pattern, 1), pattern)
    image = part(page, IMAGE_LEFT, IMAGE_TOP, IMAGE_PIXELS, IMAGE_PIXELS)[blossom()]
    assert np.array_equal(lines(FONT)[blossom()], image)


@pytest.mark.parametrize("name", ["inkan-typical", "juminhyo-typical", "shotoku-typical"])
def test_nothing_lies_within_four_modules_of_the_fronts_code(name: str) -> None:
    made = render(samples.opened(PAGES[name].kind, PAGES[name].document), None, SETTINGS)
    assert made.backs is not None
    assert made.backs.front_code is not None
    _, box = front_code(made.backs.front_code)
    left, top, side = (round(length / PIXEL_MM) for length in (box.left, box.top, box.width))
    quiet = 4 * MODULE_PIXELS
    with pypdfium2.PdfDocument(made.pdf) as document:
        front = rasterised(document[0], 600) < 128
    around = part(front, left - quiet + 1, top - quiet + 1, side + 2 * quiet - 2, side + 2 * quiet - 2).copy()
    assert around.any()
    around[quiet - 2 : 2 - quiet, quiet - 2 : 2 - quiet] = False
    assert not around.any()


@pytest.mark.parametrize("renderer", ["poppler", "ghostscript"])
def test_the_ground_joins_without_a_seam_up_to_the_safe_edge(renderer: str) -> None:
    page = drawn(renderer, 2)
    tile = void.ground(void.SCREENS[SETTINGS.void_screen], FONT).tile
    rows = np.frombuffer(tile.rows, np.uint8).reshape(tile.height, -1)
    one = ~np.unpackbits(rows, axis=1)[:, : tile.width].astype(bool)
    edge = void.SAFE_EDGE
    wanted = np.tile(one, (6, 4))[: 7016 - 2 * edge, : 4960 - 2 * edge]
    bare = slice(6500 - edge, 7016 - 2 * edge)
    assert np.array_equal(wanted[bare], page[edge:-edge, edge:-edge][bare])
    assert not page[:edge].any()
    assert not page[:, -edge:].any()


def halves(screen: void.Screen) -> tuple[Ink, Ink]:
    """Ground at the left, as in a letter at the right: the dots, and where the letter is."""
    letters = np.zeros((2 * screen.coarse_rows * 12, 18 * 40), bool)
    letters[:, 360:] = True
    return void.dots(screen, letters), letters


def unseen(printer: Printer) -> dict[str, float]:
    """How far every screen of the calibration sheet can be seen on an original of this printer."""
    return {
        screen.name: abs(contrast(printed(dots, printer), letters))
        for screen in void.SCREENS.values()
        for dots, letters in [halves(screen)]
    }


@pytest.mark.parametrize("printer", PRINTERS, ids=lambda printer: printer.name)
def test_the_calibration_sheet_has_a_screen_that_hides_the_word_on_this_printer(printer: Printer) -> None:
    assert min(unseen(printer).values()) < UNSEEN


def test_the_screen_as_delivered_is_the_one_whose_worst_printer_shows_the_word_least() -> None:
    seen = [unseen(printer) for printer in PRINTERS]
    worst = {name: max(each[name] for each in seen) for name in void.SCREENS}
    delivered = load(Path(__file__).parents[2] / "config" / "kiosk.toml").file.documents.void_screen
    assert min(worst, key=lambda name: worst[name]) == delivered == SETTINGS.void_screen
    assert worst[delivered] < 0.02  # far more than the eye needs: README.md and check-config say so


@pytest.mark.parametrize("printer", PRINTERS, ids=lambda printer: printer.name)
@pytest.mark.parametrize("copier", COPIERS, ids=lambda copier: copier.name)
def test_the_word_that_no_eye_sees_on_the_original_is_read_on_every_copy(
    printer: Printer, copier: Copier
) -> None:
    seen = unseen(printer)
    screen = void.SCREENS[min(seen, key=lambda name: seen[name])]
    letters = word(void.WORD, (900, 1500))
    original = printed(void.dots(screen, letters), printer)
    copy = copied(original, copier, PRINTERS[1])
    dots, half = halves(screen)
    assert contrast(copied(printed(dots, printer), copier, PRINTERS[1]), half) > SEEN
    assert legibility(copy, letters) > 0.7


def word(text: str, shape: tuple[int, int]) -> Ink:
    letters = np.zeros(shape, bool)
    ink = glyph(text, 690, FONT, 11)
    letters[100 : 100 + ink.shape[0], 60 : 60 + ink.shape[1]] = ink
    return letters


def through_film(paper: Plane, hidden: Ink) -> float:
    """Contrast of what is hidden under a film with the same lines."""
    film = (np.arange(IMAGE_PIXELS) % LINE_PITCH < LINE_PITCH // 2)[:, None]
    passed = paper[60:-60, 60:-60] * ~film[60:-60]
    inside = hidden[60:-60, 60:-60]
    return float(abs(passed[inside].mean() - passed[~inside].mean()) * 2)


def test_the_lines_hide_what_is_in_them_show_it_through_a_film_and_tell_nothing_of_copies() -> None:
    hidden = np.zeros((IMAGE_PIXELS, IMAGE_PIXELS), bool)
    hidden[:, IMAGE_PIXELS // 2 :] = True
    original = printed(screened(hidden), PRINTERS[1])
    assert abs(contrast(original, hidden)) < UNSEEN
    assert through_film(original, hidden) > 0.4
    sharp = copied(original, COPIERS[0], PRINTERS[1])
    assert through_film(sharp, hidden) > 0.3  # a copier keeps it: README.md says so


MICROTEXT = {"front": (1, 291.0), "above the raster": (2, 26.4), "below it": (2, 237.6)}
MICRO_EM = 1.9 * 600 / 72


@cache
def digit(character: str, place: float) -> NDArray[np.float32]:
    """A digit of microtext as a magnifier shows it, 14 by 24 pixels; place: of its left edge in a pixel."""
    fine = 8
    picture = Image.new("L", (14 * fine, 24 * fine), 0)
    font = ImageFont.truetype(FONT, MICRO_EM * fine)
    at = ((2 + place) * fine, 18 * fine)
    ImageDraw.Draw(picture).text(at, character, font=font, fill=255, anchor="ls")
    return under_magnifier(np.asarray(picture.resize((14, 24), Image.Resampling.BOX)) / 255)


def under_magnifier(ink: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(ink.astype(np.float32), (0, 0), 0.8), np.float32)


def digits_read(paper: Plane, left: float, base_line: int) -> float:
    """Share of the first issue number's digits that are told from the nine others. paper: 1 white."""
    seen = under_magnifier(1 - paper)
    right = 0
    for character in samples.NUMBER:
        if character.isdigit():
            place = round(left % 1 * 4) / 4
            likest = max("0123456789", key=lambda each: likeness(seen, left, base_line, digit(each, place)))
            right += likest == character
        left += typeface(FONT).advance(character) * MICRO_EM / 1000
    return right / sum(map(str.isdigit, samples.NUMBER))


def likeness(seen: NDArray[np.float32], left: float, base_line: int, wanted: NDArray[np.float32]) -> float:
    """Correlation of a place with a digit, moved by a pixel at most."""
    x, y = int(left), base_line
    return float(cv2.matchTemplate(seen[y - 19 : y + 7, x - 3 : x + 13], wanted, cv2.TM_CCOEFF_NORMED).max())


@pytest.mark.parametrize("line", MICROTEXT)
@pytest.mark.parametrize("renderer", ["poppler", "ghostscript"])
def test_microtext_is_read_under_a_magnifier_and_on_no_ordinary_copy(renderer: str, line: str) -> None:
    page, top_mm = MICROTEXT[line]
    top = round(top_mm * 600 / 25.4)
    ink = part(drawn(renderer, page), 300, top - 60, 700, 150)
    letters = (354.33 - 300, round(60 + MICRO_EM * ASCENT))
    for printer in PRINTERS:
        assert 1.0 == digits_read(printed(ink, printer), *letters)
    original = printed(ink, PRINTERS[1])
    for copier in COPIERS[1:]:  # the sharpest keeps it: README.md says so
        assert digits_read(copied(original, copier, PRINTERS[1]), *letters) < 0.75


def test_the_copy_pattern_is_sharper_on_an_original_than_on_any_copy() -> None:
    pattern = copy_pattern(bytes(32), 1)

    def score(paper: Plane) -> float:
        return float(-np.corrcoef(paper[20:-20, 20:-20].ravel(), pattern[20:-20, 20:-20].ravel())[0, 1])

    for printer in PRINTERS:
        original = printed(pattern, printer)
        copies = [score(copied(original, copier, printer)) for copier in COPIERS]
        assert score(original) > max(copies) + 0.1


@pytest.fixture(scope="module")
def separations(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """Coverage of every ink on a back for a colour engine, from Ghostscript's separations."""
    folder = tmp_path_factory.mktemp("separations")
    settings = DocumentSettings(detection_image="infrared")
    made = render(samples.opened("inkan", samples.inkan()), samples.city_seal(), settings)
    (folder / "page.pdf").write_bytes(made.pdf)
    command = (
        "gs -q -dNOPAUSE -dBATCH -dSAFER -sDEVICE=tiffsep -r600 -dTextAlphaBits=1 -dGraphicsAlphaBits=1 "
        "-dFirstPage=2 -dLastPage=2 -dOverprint=/enable -sOutputFile=out.tif page.pdf"
    )
    subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    inks = {}
    for ink in ("Cyan", "Magenta", "Yellow", "Black"):
        with Image.open(folder / f"out({ink}).tif") as plate:
            inks[ink] = part(255 - np.asarray(plate), IMAGE_LEFT, IMAGE_TOP, IMAGE_PIXELS, IMAGE_PIXELS) / 255
    return inks


def test_under_infrared_only_the_figure_is_left_and_to_the_eye_there_is_none(
    separations: dict[str, np.ndarray],
) -> None:
    hidden = figure(FONT)
    around = blossom() & ~hidden
    assert 0.0 == separations["Black"][around].mean()
    assert 0.4 < separations["Black"][hidden].mean() < 0.5
    for ink in ("Cyan", "Magenta", "Yellow"):
        assert 0.0 == separations[ink][hidden].mean()
        assert separations["Black"][hidden].mean() == pytest.approx(separations[ink][around].mean(), abs=0.02)


def test_the_calibration_sheet_is_written_for_this_kiosk(tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.pdf"
    config = Path(__file__).parents[2] / "config" / "kiosk.toml"
    assert 0 == main(["calibration-sheet", "--config", str(config), "--out", str(sheet)])
    text = subprocess.run(["pdftotext", sheet, "-"], capture_output=True, check=True, text=True).stdout
    assert set(void.SCREENS) <= set(text.split())
    assert 78 == main(["calibration-sheet", "--config", str(config), "--out", str(tmp_path / "no" / "x.pdf")])
