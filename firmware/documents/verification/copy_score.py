"""How sharp the copy-detection pattern of a back still is: 1 as printed by nobody, 0 another pattern.

A score, no verdict: what an original reaches must be measured for each model of printer and scanner.
"""

import cv2
import numpy as np
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from numpy.typing import NDArray

from firmware.documents.protection.copy_pattern import copy_pattern
from firmware.documents.protection.places import (
    CELL_PIXELS,
    COPY_PATTERN_LEFT,
    COPY_PATTERN_PIXELS,
    COPY_PATTERN_TOP,
    RASTER_LEFT,
    RASTER_TOP,
)
from firmware.documents.scramble import cose
from firmware.documents.scramble.keys import Keys
from firmware.documents.scramble.sheet import Sheet

LEAST_DPI = 550
"""Below, originals and copies are alike."""

_BLOCK, _SEARCH = 64, 14
_PURPOSE = b"madoguchi-copy-pattern-1"


def copy_score(
    picture: NDArray[np.uint8], placement: NDArray[np.float64], sheet: Sheet, keys: Keys
) -> float | None:
    """The likeness of the scanned pattern to the one that was printed, -1 to 1.

    placement: homography from cells of the raster to pixels. None without the municipality's opening key, or
    from a picture of fewer than `LEAST_DPI`. Raises NotGenuine for a message that is none.
    """
    key_ids = [key_id for key_id, _ in cose.recipients(sheet.sealed)]
    opener = next((keys.opening[each] for each in key_ids if each in keys.opening), None)
    pixels_a_cell = float(np.sqrt(abs(np.linalg.det(placement[:2, :2]))))
    if opener is None or pixels_a_cell < CELL_PIXELS * LEAST_DPI / 600:
        return None
    seed = HKDF(hashes.SHA256(), 32, sheet.claims.certificate_id, _PURPOSE).derive(opener)
    wanted = 1 - copy_pattern(seed, sheet.claims.sheet).astype(np.float32)
    seen = _straightened(picture, placement)
    scores = [
        _best(
            seen[top : top + _BLOCK + 2 * _SEARCH, left : left + _BLOCK + 2 * _SEARCH],
            wanted[top : top + _BLOCK, left : left + _BLOCK],
        )
        for top in range(0, COPY_PATTERN_PIXELS, _BLOCK)
        for left in range(0, COPY_PATTERN_PIXELS, _BLOCK)
    ]
    return float(np.median(scores))


def _straightened(picture: NDArray[np.uint8], placement: NDArray[np.float64]) -> NDArray[np.float32]:
    """The pattern upright in pixels of 600 dpi, with the margin of the search."""
    left, top = COPY_PATTERN_LEFT - RASTER_LEFT - _SEARCH, COPY_PATTERN_TOP - RASTER_TOP - _SEARCH
    to_cells = np.array([[1, 0, left], [0, 1, top], [0, 0, CELL_PIXELS]], float) / CELL_PIXELS
    # cv2 counts from the middle of a pixel, the placement from its corner.
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    whole = np.linalg.inv(half) @ placement @ to_cells @ half
    side = COPY_PATTERN_PIXELS + 2 * _SEARCH
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpPerspective(picture, whole, (side, side), flags=flags, borderValue=255).astype(np.float32)


def _best(window: NDArray[np.float32], block: NDArray[np.float32]) -> float:
    return float(cv2.matchTemplate(window, block, cv2.TM_CCOEFF_NORMED).max())
