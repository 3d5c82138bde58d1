"""A slip on A4, for machines whose one printer prints the receipts too."""

from collections.abc import Sequence

from firmware.documents.paper import Align, Box, Paper
from firmware.documents.settings import DocumentSettings
from firmware.ports import SlipLine

LEFT_MM, WIDTH_MM = 50.0, 110.0
TOP_MM, BOTTOM_MM = 20.0, 277.0
ROW_MM = 6.0
POINTS = 11.0


def slip_pdf(lines: Sequence[SlipLine], settings: DocumentSettings) -> tuple[bytes, int]:
    """The PDF and its number of pages. Raises DocumentRefused for a text that no font has or no row holds."""
    paper = Paper("", settings)
    top, pages = TOP_MM, 1
    for line in lines:
        height = ROW_MM * line.scale
        if top + height > BOTTOM_MM:
            paper.next_page()
            top, pages = TOP_MM, pages + 1
        box = Box(LEFT_MM, top, WIDTH_MM, height)
        if line.text.strip("-"):
            side = Align.CENTRE if line.centred else Align.LEFT
            paper.label(box, line.text, side, points=POINTS * line.scale)
        elif line.text:
            paper.rule(LEFT_MM, top + height / 2, LEFT_MM + WIDTH_MM, top + height / 2)
        if line.right:
            paper.label(box, line.right, Align.RIGHT, points=POINTS * line.scale)
        top += height
    paper.next_page()
    return paper.finish(), pages
