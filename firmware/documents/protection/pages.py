"""The protection on the pages: under the front, and all of the back."""

from functools import lru_cache

from firmware.documents.bitmap import Bitmap
from firmware.documents.contents import Contents
from firmware.documents.paper import Align, Box, Paper
from firmware.documents.protection.copy_pattern import copy_pattern, copy_pattern_box
from firmware.documents.protection.detection import draw_detection_image
from firmware.documents.protection.front_code import front_code, front_code_place
from firmware.documents.protection.places import bitmap, raster_box, with_margin
from firmware.documents.protection.signed import SignedBacks
from firmware.documents.protection.void import SCREENS, ground
from firmware.documents.refusals import DocumentRefused, Reason
from firmware.documents.scramble import raster
from firmware.documents.scramble.errors import TooLong
from firmware.documents.settings import DocumentSettings
from firmware.documents.sheet import LEFT, TITLES, WIDTH, Place

_FRONT_MICROTEXT_TOP = 291.0
_BACK_MICROTEXT_TOP = (26.4, 237.6)
_NOTES_LEFT = 60.0
_NOTES_TOP = 239.5
_NOTE_HEIGHT = 8.4


def draw_under_front(paper: Paper, contents: Contents, backs: SignedBacks, clear: tuple[Box, ...]) -> None:
    """Before the form is drawn. clear: where nothing may lie under the form. Raises DocumentRefused."""
    _lay_ground(paper)
    for box in clear:
        paper.clear(box)
    _microtext(paper, _FRONT_MICROTEXT_TOP, contents.number)
    if backs.front_code is not None:
        paper.clear(front_code_place())
        paper.stamp(*front_code(backs.front_code))


def draw_back(paper: Paper, contents: Contents, place: Place, backs: SignedBacks) -> None:
    """The whole back of one sheet. Raises DocumentRefused."""
    _lay_ground(paper)
    line = Box(LEFT, 10, WIDTH, 5)
    paper.label(line, f"発行番号　{contents.number}", Align.LEFT)
    paper.label(line, f"うら面　{place}", Align.RIGHT)
    paper.rule(LEFT, line.bottom + 1, LEFT + WIDTH, line.bottom + 1)
    title = TITLES[contents.kind]
    paper.label(
        Box(LEFT, 18, WIDTH, 6),
        f"この面は、{contents.municipality.name}が発行した{title}のうら面です。",
        points=10,
    )
    for top in _BACK_MICROTEXT_TOP:
        _microtext(paper, top, contents.number)
    paper.clear(with_margin(raster_box(), 2.0))
    paper.stamp(scramble_image(backs.messages[place.sheet - 1]), raster_box())
    draw_detection_image(paper)
    paper.clear(with_margin(copy_pattern_box(), 0.5))
    paper.stamp(bitmap(copy_pattern(backs.copy_pattern, place.sheet)), copy_pattern_box())
    for at, note in enumerate(paper.settings.form.wording.back_notes):
        box = Box(_NOTES_LEFT, _NOTES_TOP + at * _NOTE_HEIGHT, LEFT + WIDTH - _NOTES_LEFT, _NOTE_HEIGHT)
        paper.label(box, note, Align.LEFT, points=7)


def make_ready(settings: DocumentSettings) -> None:
    """What is alike on all certificates, computed before anybody waits for it: ground and detection image."""
    paper = Paper("", settings)
    _lay_ground(paper)
    draw_detection_image(paper)
    paper.next_page()
    paper.finish()


@lru_cache(maxsize=16)
def scramble_image(message: bytes) -> Bitmap:
    """The raster of a signed message. Raises DocumentRefused for one that no raster holds."""
    try:
        return bitmap(raster.draw(message).astype(bool))
    except TooLong as cause:
        raise DocumentRefused(Reason.PROTECTION_INVALID, "too long") from cause


def _microtext(paper: Paper, top: float, text: str) -> None:
    """One line of it on bare paper: a dot of the ground is as wide as a stroke."""
    paper.clear(Box(LEFT - 0.4, top - 0.25, WIDTH + 0.8, 1.1))
    paper.microtext(LEFT, top, LEFT + WIDTH, text)


def _lay_ground(paper: Paper) -> None:
    laid = ground(SCREENS[paper.settings.void_screen], paper.settings.label_fonts[0])
    paper.tiled(laid.tile, laid.boxes, laid.within)
