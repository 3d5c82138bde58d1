"""A slip as a picture, for printers without a kanji font: the same lines, a hundred times the bytes. Pure."""

import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from firmware.ports import SlipLine
from hw.printer.escpos import ASK_PAPER_IN_ORDER, FEED_AND_CUT

DOTS_PER_COLUMN = 12
DOTS_PER_LINE = 30
RESET = b"\x1b@"
INK = 1


def slip(lines: Sequence[SlipLine], *, columns: int, font: Path) -> bytes:
    """The whole slip as one `GS v 0` a line, cut, and the question whose answer proves that all was done.

    columns: half-width characters on a line, 12 dots each (32 on 384 dots, 48 on 576). font: a Japanese
    font file; each character stands in its cell, so that proportional ones keep the columns too.
    Raises OSError if the font cannot be read.
    """
    faces = {scale: ImageFont.truetype(font, 2 * DOTS_PER_COLUMN * scale) for scale in (1, 2)}
    bands = (_band(row, columns, faces[row.scale]) for line in lines for row in _rows(line, columns))
    return RESET + b"".join(bands) + FEED_AND_CUT + ASK_PAPER_IN_ORDER


def _rows(line: SlipLine, columns: int) -> Iterator[SlipLine]:
    """The line in rows that fit; `right` then gets a row of its own."""
    room = columns // line.scale
    texts = [""]
    for character in line.text:
        if _cells(texts[-1] + character) > room:
            texts.append("")
        texts[-1] += character
    right = line.right
    if right and _cells(texts[-1]) + 1 + _cells(right) > room:
        texts.append("")
    for text in texts[:-1]:
        yield SlipLine(text, "", line.scale, line.centred)
    yield SlipLine(texts[-1], right, line.scale, line.centred)


def _band(row: SlipLine, columns: int, face: ImageFont.FreeTypeFont) -> bytes:
    """GS v 0: bytes across, dots down, then one bit a dot. Source: Epson ESC/POS command reference."""
    height = DOTS_PER_LINE * row.scale
    picture = Image.new("1", (columns * DOTS_PER_COLUMN, height), 0)
    draw = ImageDraw.Draw(picture)
    cell = DOTS_PER_COLUMN * row.scale
    room = columns // row.scale
    _write(draw, row.text, (room - _cells(row.text)) // 2 if row.centred else 0, cell, face)
    if row.right:
        _write(draw, row.right, room - _cells(row.right), cell, face)
    across = -(-picture.width // 8)
    return b"\x1dv0\x00" + across.to_bytes(2, "little") + height.to_bytes(2, "little") + picture.tobytes()


def _write(
    draw: ImageDraw.ImageDraw, text: str, column: int, cell: int, face: ImageFont.FreeTypeFont
) -> None:
    for character in text:
        cells = _cells(character)
        middle = (column * cell + cells * cell / 2, cell + DOTS_PER_LINE // 10)
        wide = face.getlength(character) > cells * cell
        draw.text(middle, character, font=_narrower(face) if wide else face, fill=INK, anchor="mm")
        column += cells


def _narrower(face: ImageFont.FreeTypeFont) -> ImageFont.FreeTypeFont:
    """For half-width characters of a proportional font, which are wider than half a square."""
    return face.font_variant(size=face.size * 3 // 4)


def _cells(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "FWA" else 1 for character in text)
