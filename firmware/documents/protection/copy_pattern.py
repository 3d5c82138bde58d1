"""複写検出パターン: pixels at random, which a copy has less sharp than the original.

A printer smears pixels once, a copy twice. What was printed is known to the municipality alone, which derives
the pattern from the certificate's id with a key that no kiosk has. Seen with at least 600 dpi; see README.md.
"""

import hashlib

import numpy as np

from firmware.documents.paper import Box
from firmware.documents.protection.places import (
    COPY_PATTERN_LEFT,
    COPY_PATTERN_PIXELS,
    COPY_PATTERN_TOP,
    Ink,
    on_pixels,
)

_PURPOSE = b"madoguchi copy pattern"


def copy_pattern(seed: bytes, sheet: int) -> Ink:
    """The pattern of one sheet of the certificate with this seed."""
    count = COPY_PATTERN_PIXELS**2
    stream = hashlib.shake_256(_PURPOSE + seed + bytes([sheet])).digest(count // 8)
    bits = np.unpackbits(np.frombuffer(stream, np.uint8))
    return bits.reshape(COPY_PATTERN_PIXELS, COPY_PATTERN_PIXELS).astype(bool)


def copy_pattern_box() -> Box:
    """Its place on a back."""
    return on_pixels(COPY_PATTERN_LEFT, COPY_PATTERN_TOP, COPY_PATTERN_PIXELS, COPY_PATTERN_PIXELS)
