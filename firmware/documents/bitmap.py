"""Seals: pictures of one bit a pixel, printed black and nothing else.

reportlab would embed them as 8-bit grey, which a printer halftones; as an image mask each pixel
is ink or paper. Source: ISO 32000-1, 8.9.6.2 (stencil masking).
"""

import io
from dataclasses import dataclass

from PIL import Image, UnidentifiedImageError

from firmware.documents.refusals import DocumentRefused, Reason

_PNG = b"\x89PNG\r\n\x1a\n"
_MOST_PIXELS = 1500


@dataclass(frozen=True, slots=True)
class Bitmap:
    """A 1-bit picture. rows: packed, highest bit left, 1 is paper and 0 is ink."""

    width: int
    height: int
    rows: bytes


def read_seal(png: bytes) -> Bitmap:
    """A seal's picture.

    Raises DocumentRefused unless it is a PNG of one bit a pixel, at most 1500 pixels a side, and has
    both ink and paper.
    """
    if not png.startswith(_PNG):
        raise DocumentRefused(Reason.IMAGE_INVALID, "format")
    try:
        with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
            if max(image.size) > _MOST_PIXELS or image.mode != "1":
                raise DocumentRefused(Reason.IMAGE_INVALID, "size or depth")
            image.load()
            darkest, lightest = image.convert("L").getextrema()
            rows = image.tobytes()
            width, height = image.size
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as cause:
        if isinstance(cause, DocumentRefused):
            raise
        raise DocumentRefused(Reason.IMAGE_INVALID, "unreadable") from cause
    if darkest == lightest:
        raise DocumentRefused(Reason.IMAGE_INVALID, "blank")
    return Bitmap(width, height, rows)
