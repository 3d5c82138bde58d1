"""No character that may stand in a name keeps a certificate from being printed, however small it is set."""

from collections.abc import Iterator

import pypdfium2

from firmware.documents import sight
from firmware.documents.paper import Box, Paper
from firmware.documents.settings import DocumentSettings
from tests.unit.test_documents_fonts import jis_x_0213

SETTINGS = DocumentSettings()
BLANK = {"\u00a0", "\u00ad"}
"""A blank and a hyphen that print nothing, which no font here draws."""

PRINTING = sorted(jis_x_0213() - BLANK)
A_LINE, LINES = 34, 30
CELL_MM = (5.4, 9.0)
SIZES = (SETTINGS.largest_points, SETTINGS.smallest_points)


def pages() -> Iterator[pypdfium2.PdfPage]:
    """Pages of a thousand characters, each in a place of its own as a value of a form, in both sizes."""
    a_page = A_LINE * LINES
    paper = Paper("", SETTINGS)
    for first in range(0, len(PRINTING), a_page):
        for points in SIZES:
            for at, character in enumerate(PRINTING[first : first + a_page]):
                row, column = divmod(at, A_LINE)
                box = Box(12 + column * CELL_MM[0], 12 + row * CELL_MM[1], *CELL_MM)
                paper.value(box, character, largest_points=points)
            paper.next_page()
    with pypdfium2.PdfDocument(paper.finish()) as document:
        yield from document


def test_every_printing_character_of_jis_x_0213_is_seen_as_itself_in_the_largest_and_smallest_type() -> None:
    assert len(PRINTING) > 11_000
    seen = 0
    for page in pages():
        sight._see_text(page, SETTINGS)
        seen += 1
    assert seen == len(SIZES) * -(-len(PRINTING) // (A_LINE * LINES))
