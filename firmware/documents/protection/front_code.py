"""The small code on a front: the secret that opens its back. scramble/FORMAT.md, section 5."""

from functools import lru_cache

import numpy as np
import segno

from firmware.documents.bitmap import Bitmap
from firmware.documents.paper import Box
from firmware.documents.protection.places import bitmap, on_pixels

MODULE_PIXELS = 10
CODE_LEFT, CODE_TOP, CODE_SIDE = 342, 133, 330
"""Upper left corner and side of its square of 14 mm, in pixels: 25 modules and four clear ones at each side.

Source: ISO/IEC 18004, quiet zone. It ends above the tables of all forms.
"""


@lru_cache(maxsize=4)
def front_code(text: str) -> tuple[Bitmap, Box]:
    """The code, one pixel a module, and its place without the quiet zone."""
    modules = np.array([list(row) for row in segno.make_qr(text, error="m", boost_error=False).matrix], bool)
    side = len(modules) * MODULE_PIXELS
    margin = (CODE_SIDE - side) // 2
    return bitmap(modules), on_pixels(CODE_LEFT + margin, CODE_TOP + margin, side, side)


def front_code_place() -> Box:
    """The whole square, which stays clear."""
    return on_pixels(CODE_LEFT, CODE_TOP, CODE_SIDE, CODE_SIDE)
