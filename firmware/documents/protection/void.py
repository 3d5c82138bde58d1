"""けん制文字: 「複写」 in dots that a copier keeps, on a ground of dots that it loses, alike to the eye.

The ground's dots are finer than a copier resolves; the word's are coarse, with as much ink on the area. How
much ink a dot leaves is the printer's own: `madoguchi calibration-sheet` prints every screen, and the one
whose word is seen least goes into the configuration. It deters; it proves nothing.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import lcm
from pathlib import Path

import numpy as np

from firmware.documents.bitmap import Bitmap
from firmware.documents.paper import Box
from firmware.documents.protection.places import Ink, bitmap, glyph, on_pixels

WORD = "複写"
SAFE_EDGE = 120
"""Pixels at each edge of the page that a printer may not reach."""

_PAGE = (4960, 7016)
_TILE = (1620, 1560)
_CHARACTER = 690
_THICKER = 11
WITHIN = on_pixels(SAFE_EDGE, SAFE_EDGE, _PAGE[0] - 2 * SAFE_EDGE, _PAGE[1] - 2 * SAFE_EDGE)
"""The part of the page that bears the ground."""

_FINE_DOT, _COARSE_DOT = 2, 5
_COARSE_PITCH = 18
_FINE_PITCHES = {"A": 5, "B": 6, "C": 7}
_COARSE_ROWS = {"1": 17, "2": 16, "3": 15, "4": 14, "5": 13}


@dataclass(frozen=True, slots=True)
class Screen:
    """Both dots' lattices in pixels of 600 dpi. name: as on the calibration sheet."""

    name: str
    fine_pitch: int
    coarse_rows: int

    @property
    def period(self) -> tuple[int, int]:
        """Width and height after which both lattices begin anew."""
        return lcm(self.fine_pitch, _COARSE_PITCH), lcm(self.fine_pitch, 2 * self.coarse_rows)


SCREENS = {
    letter + digit: Screen(letter + digit, pitch, rows)
    for letter, pitch in _FINE_PITCHES.items()
    for digit, rows in _COARSE_ROWS.items()
}
"""All screens of the calibration sheet."""


@dataclass(frozen=True, slots=True)
class Ground:
    """One tile, the boxes that it is put into, and the part of the page that they fill."""

    tile: Bitmap
    boxes: tuple[Box, ...]
    within: Box


@lru_cache(maxsize=2)
def ground(screen: Screen, font: Path) -> Ground:
    """The ground of a whole page."""
    width, height = (_whole(length, period) for length, period in zip(_TILE, screen.period, strict=True))
    word = glyph(WORD, _CHARACTER, font, _THICKER)
    letters = np.zeros((height, width), bool)
    for row, shift in ((0, 0), (1, width // 2)):
        _lay(letters, word, (height // 2 * row + (height // 2 - word.shape[0]) // 2, shift))
    return Ground(bitmap(dots(screen, letters)), tuple(_boxes(width, height)), WITHIN)


def dots(screen: Screen, letters: Ink) -> Ink:
    """Coarse dots where the letters are, fine ones elsewhere; a coarse dot is whole or not there."""
    height, width = letters.shape
    # Half the page in 64-bit numbers would be all the memory that the worker ever needs.
    row, column = np.arange(height, dtype=np.int16)[:, None], np.arange(width, dtype=np.int16)[None, :]
    pitch = screen.fine_pitch
    fine = (row % pitch < _FINE_DOT) & (column % pitch < _FINE_DOT)
    shift = (row // screen.coarse_rows % 2 * (_COARSE_PITCH // 2)).astype(np.int16)
    from_left = (column + shift) % _COARSE_PITCH
    from_top = row % screen.coarse_rows
    middle_row = np.clip(row - from_top + screen.coarse_rows // 2, 0, height - 1)
    middle_column = (column - from_left + _COARSE_PITCH // 2) % width
    lettered = letters[middle_row, middle_column]
    left, top = (_COARSE_PITCH - _COARSE_DOT) // 2, (screen.coarse_rows - _COARSE_DOT) // 2
    coarse = (from_left - left) % _COARSE_PITCH < _COARSE_DOT
    coarse &= (from_top - top) % screen.coarse_rows < _COARSE_DOT
    whole: Ink = np.where(lettered, coarse, fine)
    return whole


def _whole(length: int, period: int) -> int:
    return max(1, round(length / period)) * period


def _lay(letters: Ink, word: Ink, place: tuple[int, int]) -> None:
    """The word into the tile, around its edges if need be."""
    rows = (np.arange(word.shape[0]) + place[0]) % letters.shape[0]
    columns = (np.arange(word.shape[1]) + place[1]) % letters.shape[1]
    letters[np.ix_(rows, columns)] |= word


def _boxes(width: int, height: int) -> list[Box]:
    return [
        on_pixels(left, top, width, height)
        for top in range(SAFE_EDGE, _PAGE[1] - SAFE_EDGE, height)
        for left in range(SAFE_EDGE, _PAGE[0] - SAFE_EDGE, width)
    ]
