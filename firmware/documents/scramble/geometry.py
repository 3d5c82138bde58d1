"""Where everything stands in the raster: targets, marks, the cells that carry bytes. FORMAT.md, section 2.

A cell is named by column and row from the upper left corner; 1 is ink. Arrays are indexed [row, column].
"""

import hashlib
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

Cells = NDArray[np.uint8]
"""A raster of cells, one byte each: 1 ink, 0 paper."""

COLUMNS, ROWS = 355, 403
MARK_COLUMNS = tuple(range(9, COLUMNS, 24))
MARK_ROWS = tuple(range(9, ROWS, 24))
TARGET_COLUMNS = MARK_COLUMNS[::7]
TARGET_ROWS = MARK_ROWS[::8]
TARGET_REACH, MARK_REACH = 8, 2
"""Cells from the middle of a target (標的) or mark to its edge."""

CODEWORD = 255

_TARGET_DISC, _TARGET_RING = 5, range(20, 44)


@dataclass(frozen=True, slots=True)
class Format:
    """One way to fill the raster. number: as the marks tell it; data_bytes: of each codeword of 255."""

    number: int
    data_bytes: int

    @property
    def parity_bytes(self) -> int:
        return CODEWORD - self.data_bytes

    @property
    def capacity(self) -> int:
        """Bytes of a frame."""
        return codewords() * self.data_bytes


FORMATS = (Format(1, 31), Format(2, 63), Format(3, 95), Format(4, 127))
"""The formats that exist, the most robust first."""


def target() -> Cells:
    """The target's 17 by 17 cells: a disc in a ring, alike from every direction."""
    reach = np.arange(-TARGET_REACH, TARGET_REACH + 1)
    squares = reach[:, None] ** 2 + reach[None, :] ** 2
    return ((squares <= _TARGET_DISC) | np.isin(squares, _TARGET_RING)).astype(np.uint8)


def mark() -> Cells:
    """The mark's 5 by 5 cells: a dot in a square. Its negative is the other value of a sign."""
    cells = np.ones((5, 5), np.uint8)
    cells[1:4, 1:4] = 0
    cells[2, 2] = 1
    return cells


def target_places() -> list[tuple[int, int]]:
    """Column and row of the middle of every target, row by row."""
    return [(column, row) for row in TARGET_ROWS for column in TARGET_COLUMNS]


def mark_places() -> list[tuple[int, int]]:
    """Column and row of the middle of every mark, row by row."""
    targets = set(target_places())
    return [(column, row) for row in MARK_ROWS for column in MARK_COLUMNS if (column, row) not in targets]


@cache
def mark_signs(number: int) -> NDArray[np.int8]:
    """+1 or -1 of every mark for a format of this number, in the order of `mark_places`."""
    count = len(mark_places())
    stream = _stream(b"madoguchi scramble marks", number, -(-count // 8))
    return np.where(np.unpackbits(stream)[:count] == 1, 1, -1).astype(np.int8)


@cache
def data_cells() -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the cells that carry bits, in the order of the bits.

    Strips of two rows from the top; in a strip, columns from the left; in a column, the upper cell first.
    """
    reserved = np.zeros((ROWS, COLUMNS), bool)
    for places, reach in ((target_places(), TARGET_REACH), (mark_places(), MARK_REACH)):
        for column, row in places:
            reserved[row - reach : row + reach + 1, column - reach : column + reach + 1] = True
    rows, columns = np.nonzero(~reserved)
    order = np.lexsort((rows, columns, rows // 2))
    return rows[order], columns[order]


def slots() -> int:
    """Whole bytes that the data cells hold."""
    return len(data_cells()[0]) // 8


def codewords() -> int:
    return slots() // CODEWORD


@cache
def slot_order() -> NDArray[np.intp]:
    """The slot of each byte sent: byte t is place t // `codewords()` of codeword t mod `codewords()`."""
    words = _stream(b"madoguchi scramble order", 0, 4 * slots()).view(">u4")
    return np.argsort(words, kind="stable")[: codewords() * CODEWORD]


@cache
def whitening(number: int) -> Cells:
    """The bits laid over those of the data cells, so that ink and paper are even."""
    count = len(data_cells()[0])
    return np.unpackbits(_stream(b"madoguchi scramble cells", number, -(-count // 8)))[:count]


def _stream(purpose: bytes, number: int, length: int) -> NDArray[np.uint8]:
    return np.frombuffer(hashlib.shake_256(purpose + bytes([number])).digest(length), np.uint8)
