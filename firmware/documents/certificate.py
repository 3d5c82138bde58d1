"""A whole certificate as one PDF: every sheet front and back, every copy, in the order of printing."""

from dataclasses import dataclass
from typing import assert_never

from firmware.documents import inkan, juminhyo, shotoku
from firmware.documents.bitmap import Bitmap
from firmware.documents.contents import Document, Inkan, Juminhyo, Shotoku
from firmware.documents.form import Form
from firmware.documents.paper import Box, Paper
from firmware.documents.protection.pages import draw_back, draw_under_front
from firmware.documents.protection.signed import SignedBacks, signed_backs
from firmware.documents.sealed import Opened
from firmware.documents.settings import DocumentSettings
from firmware.documents.sheet import SEAL_PLACE, TITLES, Place


@dataclass(frozen=True, slots=True)
class Certificate:
    """pdf: pages for duplex on the long edge; lines: what each page must read, as drawn.

    sheets and pages (sides) count all copies; pages_a_copy: after so many pages the next copy begins.
    backs: what the municipality signed for the backs of a copy; None on a front drawn alone.
    """

    pdf: bytes
    lines: tuple[tuple[str, ...], ...]
    sheets: int
    pages_a_copy: int
    backs: SignedBacks | None

    @property
    def pages(self) -> int:
        return 2 * self.sheets


def render(opened: Opened, seal: Bitmap | None, settings: DocumentSettings) -> Certificate:
    """The certificate; without a seal its place stays empty and the paper is none.

    Raises DocumentRefused: GLYPH_MISSING, OVERFLOW, DATE_UNWRITABLE, IMAGE_INVALID, CONTENTS_INVALID,
    PROTECTION_INVALID.
    """
    contents = opened.contents
    paper = Paper(TITLES[contents.kind], settings)
    sheets = _sheets(opened.document, settings.form)
    backs = signed_backs(opened, sheets)
    for _ in range(contents.copies):
        for sheet in range(1, sheets + 1):
            place = Place(sheet, sheets)
            draw_under_front(paper, contents, backs, _clear_places(opened.document))
            _front(paper, opened, seal, place)
            paper.next_page()
            draw_back(paper, contents, place, backs)
            paper.next_page()
    pdf = paper.finish()
    return Certificate(
        pdf=pdf,
        lines=tuple(map(tuple, paper.drawn)),
        sheets=contents.copies * sheets,
        pages_a_copy=2 * sheets,
        backs=backs,
    )


def render_front(
    opened: Opened, seal: Bitmap | None, settings: DocumentSettings, place: Place
) -> Certificate:
    """The front page of one sheet alone, without protection. Raises DocumentRefused as `render`."""
    paper = Paper(TITLES[opened.contents.kind], settings)
    _front(paper, opened, seal, place)
    paper.next_page()
    pdf = paper.finish()
    return Certificate(pdf=pdf, lines=tuple(map(tuple, paper.drawn)), sheets=1, pages_a_copy=1, backs=None)


def _sheets(document: Document, form: Form) -> int:
    match document:
        case Juminhyo():
            return juminhyo.sheets(document)
        case Inkan():
            return 1
        case Shotoku():
            return shotoku.sheets(document, form)
        case _:
            assert_never(document)


def _clear_places(document: Document) -> tuple[Box, ...]:
    """Where a seal stands: its picture is compared by eye, and nothing else may be in it."""
    return (SEAL_PLACE, inkan.IMPRINT) if isinstance(document, Inkan) else (SEAL_PLACE,)


def _front(paper: Paper, opened: Opened, seal: Bitmap | None, place: Place) -> None:
    contents = opened.contents
    match opened.document:
        case Juminhyo() as document:
            juminhyo.draw(paper, contents, document, seal, place)
        case Inkan() as document:
            inkan.draw(paper, contents, document, seal, place)
        case Shotoku() as document:
            shotoku.draw(paper, contents, document, seal, place)
        case _:
            assert_never(opened.document)
