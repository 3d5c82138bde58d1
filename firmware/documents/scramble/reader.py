"""From a grey picture to the body of a raster: place, straighten, follow the marks, weigh the cells.

FORMAT.md, section 6. Nothing here trusts the picture: whatever cannot be read is Unreadable.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware.documents.scramble import raster
from firmware.documents.scramble.errors import NoImage, Unreadable
from firmware.documents.scramble.geometry import (
    COLUMNS,
    FORMATS,
    MARK_COLUMNS,
    MARK_ROWS,
    ROWS,
    Format,
    mark,
    mark_places,
    mark_signs,
)
from firmware.documents.scramble.locate import Grey, placements

_PIXELS = 4
"""Pixels of a cell in the straightened picture."""

_MARGIN = 8
_SEARCH_CELLS = (2.5, 1.0)
"""How far a mark is looked for from where it should be, first and second time."""

_MOST_DAMAGED = 4
"""Rasters on one picture that may turn out unreadable before the picture is given up."""

_GOOD_MARK = 0.5
_GOOD_SIGNS = 0.35
_SHORTEST_SIDE, _LONGEST_SIDE = 200, 3600
_WINDOW = 13

_CENTRES = (np.array(mark_places(), float) + 0.5 + _MARGIN) * _PIXELS
_COLUMN_AT = np.array([MARK_COLUMNS.index(column) for column, _ in mark_places()])
_ROW_AT = np.array([MARK_ROWS.index(row) for _, row in mark_places()])


@dataclass(frozen=True, slots=True)
class _Marks:
    """Of every mark: how far off its place in pixels, how sure and with which sign, from -1 to 1."""

    offsets: NDArray[np.float64]
    likeness: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Found:
    """A raster that was read. placement: homography from its cells to pixels, by the targets."""

    body: bytes
    placement: NDArray[np.float64]


def read(picture: Grey) -> bytes:
    """The body of the raster in a grey picture, 0 black. Raises Unreadable, NoImage if there is none."""
    return find(picture).body


def find(picture: Grey) -> Found:
    """The same, and where the raster is. Raises as `read`."""
    fault: Unreadable = NoImage("scramble image: none found")
    if min(picture.shape) < _SHORTEST_SIDE:
        raise NoImage("scramble image: the picture is too small", "画像が小さすぎます。")
    shrunk = _shrunk(picture)
    damaged = 0
    for placement in placements(shrunk):
        straight = _straightened(shrunk, placement)
        marks = _marks(straight, np.zeros((len(_CENTRES), 2)), _SEARCH_CELLS[0])
        form = _format(marks)
        if form is None:
            continue
        field = _field(marks)
        marks = _marks(straight, _at_marks(field), _SEARCH_CELLS[1])
        try:
            body = raster.read(_darkness(straight, _field(marks)), form)
        except Unreadable as unreadable:
            fault = unreadable
            damaged += 1
            if damaged == _MOST_DAMAGED:
                break
            continue
        back = np.diag([picture.shape[1] / shrunk.shape[1], picture.shape[0] / shrunk.shape[0], 1.0])
        return Found(body, back @ placement)
    raise fault


def _shrunk(picture: Grey) -> Grey:
    factor = _LONGEST_SIDE / max(picture.shape)
    if factor >= 1:
        return picture
    size = (round(picture.shape[1] * factor), round(picture.shape[0] * factor))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8)


def _straightened(picture: Grey, placement: NDArray[np.float64]) -> Grey:
    """The raster upright with its margin, `_PIXELS` a cell."""
    to_cells = np.array([[1 / _PIXELS, 0, -_MARGIN], [0, 1 / _PIXELS, -_MARGIN], [0, 0, 1]])
    # cv2 counts from the middle of a pixel, the placement from its corner.
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    whole = np.linalg.inv(half) @ placement @ to_cells @ half
    size = ((COLUMNS + 2 * _MARGIN) * _PIXELS, (ROWS + 2 * _MARGIN) * _PIXELS)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpPerspective(picture, whole, size, flags=flags, borderValue=255).astype(np.uint8)


def _marks(straight: Grey, expected: NDArray[np.float64], search_cells: float) -> _Marks:
    """Every mark near its place moved by what is expected."""
    pattern = 1 - np.kron(mark(), np.ones((_PIXELS, _PIXELS), np.uint8)).astype(np.float32)
    reach, half = round(search_cells * _PIXELS), len(pattern) // 2
    offsets, likeness = np.zeros((len(_CENTRES), 2)), np.zeros(len(_CENTRES))
    picture = straight.astype(np.float32)
    for at, (centre, moved) in enumerate(zip(_CENTRES, expected, strict=True)):
        x, y = np.round(centre + moved).astype(int)
        x = int(np.clip(x, half + reach, picture.shape[1] - half - reach))
        y = int(np.clip(y, half + reach, picture.shape[0] - half - reach))
        window = picture[y - half - reach : y + half + reach, x - half - reach : x + half + reach]
        seen = np.asarray(cv2.matchTemplate(window, pattern, cv2.TM_CCOEFF_NORMED), np.float32)
        row, column = np.unravel_index(np.abs(seen).argmax(), seen.shape)
        sign = 1 if seen[row, column] > 0 else -1
        right = float(column) + _vertex(sign * seen[row], int(column))
        down = float(row) + _vertex(sign * seen[:, column], int(row))
        offsets[at] = (x + right - reach - centre[0], y + down - reach - centre[1])
        likeness[at] = seen[row, column]
    return _Marks(offsets, likeness)


def _vertex(line: NDArray[np.float32], at: int) -> float:
    if not 0 < at < len(line) - 1:
        return 0.0
    left, middle, right = (float(value) for value in line[at - 1 : at + 2])
    bend = left - 2 * middle + right
    return float(np.clip(0.5 * (left - right) / bend, -0.5, 0.5)) if bend < 0 else 0.0


def _format(marks: _Marks) -> Format | None:
    """The format whose signs the marks show, if any."""
    weights = np.abs(marks.likeness)
    agreement = [(marks.likeness * mark_signs(form.number)).sum() / weights.sum() for form in FORMATS]
    best = int(np.argmax(agreement))
    return FORMATS[best] if agreement[best] > _GOOD_SIGNS else None


def _field(marks: _Marks) -> NDArray[np.float32]:
    """How far the raster is off at every mark's row and column: lost and wild marks by their neighbours."""
    weights = np.zeros((len(MARK_ROWS), len(MARK_COLUMNS)), np.float32)
    moved = np.zeros((*weights.shape, 2), np.float32)
    weights[_ROW_AT, _COLUMN_AT] = np.where(np.abs(marks.likeness) > _GOOD_MARK, np.abs(marks.likeness), 0)
    moved[_ROW_AT, _COLUMN_AT] = marks.offsets
    smooth = _smoothed(moved, weights, 1.5)
    wild = np.linalg.norm(moved - smooth, axis=2) > 0.7 * _PIXELS
    weights[wild] = 0
    smooth = _smoothed(moved, weights, 1.2)
    trust = np.where(weights > 0, 0.8, 0.0)[..., None]
    return (trust * moved + (1 - trust) * smooth).astype(np.float32)


def _smoothed(moved: NDArray[np.float32], weights: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Weighted means of the surroundings; the faint wide part reaches over places without any mark."""
    total, sums = np.full(weights.shape, 1e-9, np.float32), np.zeros_like(moved)
    for width, share in ((sigma, 1.0), (4 * sigma, 1e-3)):
        total += share * cv2.GaussianBlur(weights, (0, 0), width, borderType=cv2.BORDER_CONSTANT)
        weighed = moved * weights[..., None]
        sums += share * cv2.GaussianBlur(weighed, (0, 0), width, borderType=cv2.BORDER_CONSTANT)
    return (sums / total[..., None]).astype(np.float32)


def _at_marks(field: NDArray[np.float32]) -> NDArray[np.float64]:
    moved: NDArray[np.float64] = field[_ROW_AT, _COLUMN_AT].astype(float)
    return moved


def _darkness(straight: Grey, field: NDArray[np.float32]) -> NDArray[np.float32]:
    """Every cell's darkness against its surroundings, about -1 to 1."""
    columns, rows = np.meshgrid(np.arange(COLUMNS, dtype=np.float32), np.arange(ROWS, dtype=np.float32))
    between = (columns - MARK_COLUMNS[0]) / 24, (rows - MARK_ROWS[0]) / 24
    moved = cv2.remap(field, *between, interpolation=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    x = (columns + 0.5 + _MARGIN) * _PIXELS - 0.5 + moved[..., 0]
    y = (rows + 0.5 + _MARGIN) * _PIXELS - 0.5 + moved[..., 1]
    blurred = cv2.blur(straight, (3, 3)).astype(np.float32)
    cells = cv2.remap(blurred, x, y, interpolation=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    around = cv2.filter2D(cells, -1, np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], np.float32) / 4)
    sharp = cells + 0.4 * (cells - around)
    mean = cv2.blur(sharp, (_WINDOW, _WINDOW))
    spread = cv2.blur(np.abs(sharp - mean), (_WINDOW, _WINDOW))
    return ((mean - sharp) / (spread + 4.0)).astype(np.float32)
