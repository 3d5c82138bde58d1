"""The finished pages as an eye sees them, held against what must be seen.

A page's text says what it means, not what lies on the paper: a glyph may be drawn as another, a 印影 be
somebody else's, a field be covered. Here PDFium, which knows nothing of how the pages were made, draws each
page of a copy; its pixels are compared with the municipality's pictures and codes, and each character with
the one that FreeType draws from the font's own file. Every other copy has the same bytes (see `proof`).
"""

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import pypdfium2
import pypdfium2.raw
import segno
from numpy.typing import NDArray
from PIL import ImageFont, features

from firmware.documents.bitmap import Bitmap, read_seal
from firmware.documents.certificate import Certificate
from firmware.documents.contents import Inkan
from firmware.documents.fonts import font_file
from firmware.documents.inkan import IMPRINT_CELL
from firmware.documents.paper import PIXEL_MM, Box
from firmware.documents.protection import detection
from firmware.documents.protection.copy_pattern import copy_pattern, copy_pattern_box
from firmware.documents.protection.front_code import CODE_LEFT, CODE_SIDE, CODE_TOP, MODULE_PIXELS
from firmware.documents.protection.places import (
    IMAGE_LEFT,
    IMAGE_PIXELS,
    IMAGE_TOP,
    Ink,
    on_pixels,
    picture,
    with_margin,
)
from firmware.documents.protection.void import SAFE_EDGE, SCREENS, ground
from firmware.documents.refusals import DocumentRefused, Reason
from firmware.documents.sealed import Opened, from_base64url
from firmware.documents.settings import DocumentSettings
from firmware.documents.sheet import SEAL_PLACE
from firmware.documents.truetype import WIDE

_FINE_DPI, _TEXT_DPI = 600, 400
_INK = 128
"""Grey below which a pixel is ink."""

_MARGINS = (on_pixels(132, 132, 198, 450), on_pixels(132, 6200, 198, 620))
"""Ends of the left margin, where nothing but the ground lies on fronts and backs."""

_CODE = on_pixels(CODE_LEFT + 8, CODE_TOP + 8, CODE_SIDE - 16, CODE_SIDE - 16)
_SEAL = with_margin(SEAL_PLACE, -0.05)
_MOST_WRONG_OF_GROUND = 0.001
_MOST_WRONG_OF_PATTERN = 0.35
"""PDFium may set a picture's columns half a pixel aside, which spoils a quarter of a pattern at random; in
another pattern half of all pixels differ."""
_MOST_WRONG_OF_IMAGE = 0.15
_HAIR_PIXELS = 2
"""By so much an edge may lie elsewhere than expected."""

_SIDE = 24
_FAINTEST, _FLAT = 55, 20
_SMALLEST_PIXELS = 12
"""Lower or narrower characters (dots, dashes, microtext) are only looked for, not compared."""

_LEAST_LIKENESS = 0.45
"""Of all printing characters of JIS X 0213 the least like itself has 0.6; two kanji at random have 0.03."""

_LEAST_MEAN_LIKENESS = 0.75


def look_over(
    certificate: Certificate, opened: Opened, seal: Bitmap | None, settings: DocumentSettings
) -> None:
    """Check what is seen on the pages of the first copy. seal: the 公印; without it its place must be empty.

    Characters are compared before the seal is there: they are what takes time, and the seal changes none.

    Raises DocumentRefused: PROOF_FAILED naming what is not seen as it must be.
    """
    try:
        with pypdfium2.PdfDocument(certificate.pdf) as document:
            for at in range(certificate.pages_a_copy):
                page = document[at]
                _see_ground(page, settings)
                if at % 2:
                    _see_back(page, certificate, at // 2 + 1, settings)
                else:
                    _see_front(page, certificate, opened, seal, settings)
                if seal is None:
                    _see_text(page, settings)
    except pypdfium2.PdfiumError as cause:
        raise DocumentRefused(Reason.PROOF_FAILED, "unreadable") from cause


def _see_front(
    page: pypdfium2.PdfPage,
    certificate: Certificate,
    opened: Opened,
    seal: Bitmap | None,
    settings: DocumentSettings,
) -> None:
    if seal is None:
        _require(not _ink(page, _SEAL).any(), "something in the place of the city's seal")
    else:
        scale = settings.form.city_seal_mm / PIXEL_MM / max(seal.width, seal.height)
        _require(_alike(_ink(page, _SEAL), picture(seal), scale), "the city's seal")
    if isinstance(opened.document, Inkan):
        imprint = read_seal(from_base64url(opened.document.seal))
        _require(_alike(_ink(page, IMPRINT_CELL), picture(imprint), 1.0), "the registered seal")
    if certificate.backs is not None and certificate.backs.front_code is not None:
        code = segno.make_qr(certificate.backs.front_code, error="m", boost_error=False)
        modules = np.array([list(row) for row in code.matrix], bool)
        _require(_alike(_ink(page, _CODE), modules, MODULE_PIXELS), "the code of the front")


def _see_back(
    page: pypdfium2.PdfPage, certificate: Certificate, sheet: int, settings: DocumentSettings
) -> None:
    backs = certificate.backs
    expected = copy_pattern(b"" if backs is None else backs.copy_pattern, sheet)
    _require(
        _agree(_ink(page, copy_pattern_box()), expected, _MOST_WRONG_OF_PATTERN), "the copy-detection pattern"
    )
    font = settings.label_fonts[0]
    infrared = settings.detection_image == "infrared"
    image = np.logical_or(*detection.plates(font)) if infrared else detection.lines(font)
    place = on_pixels(IMAGE_LEFT, IMAGE_TOP, IMAGE_PIXELS, IMAGE_PIXELS)
    _require(_agree(_ink(page, place), image, _MOST_WRONG_OF_IMAGE), "the detection image")


def _see_ground(page: pypdfium2.PdfPage, settings: DocumentSettings) -> None:
    """けん制文字 in the margin, dot by dot."""
    tile = picture(ground(SCREENS[settings.void_screen], settings.label_fonts[0]).tile)
    for margin in _MARGINS:
        left, top, width, height = _pixels(margin)
        rows = (np.arange(height) + top - SAFE_EDGE) % tile.shape[0]
        columns = (np.arange(width) + left - SAFE_EDGE) % tile.shape[1]
        _require(_agree(_ink(page, margin), tile[np.ix_(rows, columns)], _MOST_WRONG_OF_GROUND), "the ground")


@dataclass(frozen=True, slots=True)
class _Seen:
    """A character of the page's text: where its ink is, in points from the lower left. font: its tag."""

    character: str
    font: str
    box: tuple[float, float, float, float]


def _see_text(page: pypdfium2.PdfPage, settings: DocumentSettings) -> None:
    """Every character has the shape that its font gives it, on the page without its ground."""
    for thing in list(page.get_objects(filter=[pypdfium2.raw.FPDF_PAGEOBJ_FORM], max_depth=1)):
        page.remove_obj(thing)
    bitmap = page.render(scale=_TEXT_DPI / 72, grayscale=True)
    try:
        grey = np.asarray(bitmap.to_numpy()).reshape(bitmap.height, bitmap.width)
        known: dict[tuple[str, str], float | None] = {}
        for seen in _characters(page):
            drawn = _drawn(grey, seen)
            if (seen.character, seen.font) not in known:
                known[seen.character, seen.font] = _likeness(drawn, seen, settings)
    finally:
        bitmap.close()
    compared = [likeness for likeness in known.values() if likeness is not None]
    _require(sum(compared) >= _LEAST_MEAN_LIKENESS * len(compared), "the characters of a page")


def _drawn(grey: NDArray[np.uint8], seen: _Seen) -> NDArray[np.uint8]:
    """The darkness at its place. Raises DocumentRefused if there is no ink."""
    left, bottom, right, top = (edge * _TEXT_DPI / 72 for edge in seen.box)
    height = grey.shape[0]
    rows = slice(max(0, int(height - top)), int(height - bottom) + 1)
    place = 255 - grey[rows, max(0, int(left)) : int(right) + 1]
    _require(bool((place > _FLAT).any()), "a character that is to be read")
    return place


def _likeness(place: NDArray[np.uint8], seen: _Seen, settings: DocumentSettings) -> float | None:
    """How alike the shapes are, at most 1; None for one too small to compare. Raises DocumentRefused."""
    if min(place.shape) < _SMALLEST_PIXELS or not (place > _FAINTEST).any():
        return None
    drawn = place[_inked(place > _FAINTEST)]
    expected = _expected(seen.character, _path(seen.font, settings))
    if expected is None:
        return None
    likeness = float((expected * _standard(drawn)).mean())
    _require(likeness >= _LEAST_LIKENESS, "a character")
    return likeness


def _characters(page: pypdfium2.PdfPage) -> Iterator[_Seen]:
    """Variation selectors and marks belong to the character before them, whose box they share."""
    text = page.get_textpage()
    try:
        units: list[int] = []
        box: tuple[float, float, float, float] | None = None
        font = ""
        for at in range(text.count_chars()):
            unit = pypdfium2.raw.FPDFText_GetUnicode(text, at)
            here = text.get_charbox(at)
            if here != box:
                yield from _whole(units, font, box)
                units, box, font = [], here, _font_tag(text, at)
            units.append(unit)
        yield from _whole(units, font, box)
    finally:
        text.close()


def _whole(units: list[int], font: str, box: tuple[float, float, float, float] | None) -> Iterator[_Seen]:
    character = np.array(units, "<u4").astype("<u2").tobytes().decode("utf-16-le", "replace").strip()
    if character and box is not None:
        yield _Seen(character, font, box)


def _font_tag(text: pypdfium2.PdfTextPage, at: int) -> str:
    name, flags = ctypes.create_string_buffer(128), ctypes.c_int()
    pypdfium2.raw.FPDFText_GetFontInfo(text, at, name, len(name), flags)
    return name.value.decode("ascii", "replace").partition("+")[0]


def _path(tag: str, settings: DocumentSettings) -> Path:
    path = font_file(tag)
    if path is None or path not in (*settings.value_fonts, *settings.label_fonts, *settings.gaiji_fonts):
        raise DocumentRefused(Reason.PROOF_FAILED, "a font that nobody named")
    return path


@lru_cache(maxsize=2048)
def _expected(character: str, font: Path) -> NDArray[np.float32] | None:
    """The character as FreeType draws it, in the standard square.

    None for one that has no shape (■), and for several code points that no HarfBuzz is there to join.
    """
    if len(character) == 1:
        shaper, character = ImageFont.Layout.BASIC, chr(WIDE.get(ord(character), ord(character)))
    elif features.check_feature("raqm"):
        shaper = ImageFont.Layout.RAQM
    else:
        return None
    mask = _font(font, shaper).getmask(character, mode="L")
    width, height = mask.size
    drawn = np.frombuffer(bytes(mask), np.uint8).reshape(height, width)
    drawn = drawn[_inked(drawn > _FAINTEST)]
    return None if drawn.std() < _FLAT else _standard(drawn)


@lru_cache(maxsize=8)
def _font(path: Path, shaper: ImageFont.Layout) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, 4 * _SIDE, layout_engine=shaper)


def _standard(drawn: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A square of mean 0 and variance 1, whatever the size and width were."""
    square = cv2.resize(drawn, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    standard: NDArray[np.float32] = (square - square.mean()) / max(float(square.std()), 1.0)
    return standard


def _ink(page: pypdfium2.PdfPage, box: Box) -> Ink:
    """What is ink in the box, one pixel of 600 dpi each."""
    left, top, width, height = _pixels(box)
    across, down = (round(side * _FINE_DPI / 72) for side in page.get_size())
    edges = (left, down - top - height, across - left - width, top)
    # Every length is rounded up to whole pixels: a hair less, or the page were one wider and all shifted.
    bitmap = page.render(
        scale=_FINE_DPI / 72 * (1 - 1e-9),
        grayscale=True,
        crop=tuple((edge - 0.5) * 72 / _FINE_DPI for edge in edges),
    )
    try:
        grey = np.asarray(bitmap.to_numpy()).reshape(bitmap.height, bitmap.width)
        ink: Ink = grey[:height, :width] < _INK
        return ink
    finally:
        bitmap.close()


def _pixels(box: Box) -> tuple[int, int, int, int]:
    """Left, top, width and height."""
    left, top, width, height = (
        round(length / PIXEL_MM) for length in (box.left, box.top, box.width, box.height)
    )
    return left, top, width, height


def _alike(seen: Ink, expected: Ink, scale: float) -> bool:
    """Whether both pictures, cut at the edges of their strokes, are one but for a hair at the edges.

    Single pixels, as a scanned seal has them, may be lost or not between one grid and another.
    """
    height, width = (round(length * scale) for length in expected.shape)
    grown = cv2.resize(expected.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0
    strokes = [_opened(each) for each in (seen, grown)]
    if not all(each.any() for each in strokes):
        return False
    edges = [_inked(each) for each in strokes]
    sizes = zip(
        *((rows.stop - rows.start, columns.stop - columns.start) for rows, columns in edges), strict=True
    )
    if max(abs(one - other) for one, other in sizes) > _HAIR_PIXELS:
        return False
    first, second = (_cut(each, place) for each, place in zip((seen, grown), edges, strict=True))
    first_strokes, second_strokes = (_cut(each, place) for each, place in zip(strokes, edges, strict=True))
    return not (_beyond(first_strokes, second) or _beyond(second_strokes, first))


def _opened(ink: Ink) -> Ink:
    """What is at least three pixels wide, on the same grid."""
    inked: Ink = (
        cv2.morphologyEx(np.pad(ink, 1).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)) > 0
    )
    return inked[1:-1, 1:-1]


def _cut(ink: Ink, place: tuple[slice, slice]) -> Ink:
    return np.pad(ink[place], 2 * _HAIR_PIXELS)


def _beyond(strokes: Ink, others: Ink) -> bool:
    """Whether some of the strokes lies further than a hair from any ink of the others."""
    rows, columns = (min(each.shape[axis] for each in (strokes, others)) for axis in (0, 1))
    around = np.ones((2 * _HAIR_PIXELS + 1,) * 2, np.uint8)
    near = cv2.dilate(others[:rows, :columns].astype(np.uint8), around) > 0
    return bool((strokes[:rows, :columns] & ~near).any())


def _agree(seen: Ink, expected: Ink, most_wrong: float) -> bool:
    """Whether the pictures are one, but for this share of their pixels."""
    return seen.shape == expected.shape and float((seen != expected).mean()) < most_wrong


def _inked(ink: Ink) -> tuple[slice, slice]:
    """Rows and columns from the first with ink to the last."""
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise DocumentRefused(Reason.PROOF_FAILED, what)
