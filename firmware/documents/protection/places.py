"""Where the protection stands on a page, and pixels as pictures. Pixels are those of 600 dpi."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ImageFont

from firmware.documents.bitmap import Bitmap
from firmware.documents.paper import PIXEL_MM, Box
from firmware.documents.scramble.geometry import COLUMNS, ROWS

Ink = NDArray[np.bool_]
"""A picture of one bit a pixel, True is ink, indexed [row, column]."""

CELL_PIXELS = 12
RASTER_LEFT, RASTER_TOP = 354, 708
"""Upper left corner of the scramble image, in pixels; both are whole at 200 and 300 dpi, too."""

COPY_PATTERN_PIXELS = 384
COPY_PATTERN_LEFT, COPY_PATTERN_TOP = 960, 5724
IMAGE_PIXELS = 528
IMAGE_LEFT, IMAGE_TOP = 372, 5652

_HAIR = PIXEL_MM / 50


def on_pixels(left: float, top: float, width: float, height: float) -> Box:
    """A box of whole pixels, a hair smaller: no renderer rounds its edges into the next pixel."""
    return Box(
        left * PIXEL_MM + _HAIR,
        top * PIXEL_MM + _HAIR,
        width * PIXEL_MM - 2 * _HAIR,
        height * PIXEL_MM - 2 * _HAIR,
    )


def raster_box() -> Box:
    """The scramble image without its quiet zone."""
    return on_pixels(RASTER_LEFT, RASTER_TOP, COLUMNS * CELL_PIXELS, ROWS * CELL_PIXELS)


def with_margin(box: Box, millimetres: float) -> Box:
    """The box with so much more on each side."""
    return Box(
        box.left - millimetres,
        box.top - millimetres,
        box.width + 2 * millimetres,
        box.height + 2 * millimetres,
    )


def bitmap(ink: Ink) -> Bitmap:
    """As it is put on paper."""
    height, width = ink.shape
    return Bitmap(width, height, np.packbits(~ink, axis=1).tobytes())


def picture(bitmap: Bitmap) -> Ink:
    """What is ink in it."""
    packed = np.frombuffer(bitmap.rows, np.uint8).reshape(bitmap.height, -1)
    ink: Ink = np.unpackbits(packed, axis=1)[:, : bitmap.width] == 0
    return ink


def glyph(text: str, pixels: int, font: Path, thicker: int = 0) -> Ink:
    """Characters side by side, cut at their own edges; pixels: of the em square."""
    mask = ImageFont.truetype(font, pixels).getmask(text, mode="1", stroke_width=thicker)
    width, height = mask.size
    return np.frombuffer(bytes(mask), np.uint8).reshape(height, width) > 0
