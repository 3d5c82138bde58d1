"""Finding the raster on a scan or photograph, in any direction. FORMAT.md, section 6.

Lengths are in cells of the raster or in pixels of the picture, as the names say; points are x, y. The middle
of the cell (column, row) is at (column + 0.5, row + 0.5).
"""

from collections.abc import Iterator
from itertools import combinations

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware.documents.scramble.geometry import target_places

Grey = NDArray[np.uint8]
Points = NDArray[np.float64]

_LOOKS = ((1170, 2.0), (1170, 2.45), (1170, 1.65), (1170, 3.0), (1170, 1.4), (2000, 2.0))
"""Pixels of the long side when looking for targets, and of a cell: 1170 and 2.0 are a whole A4 page at
100 dpi; then the raster alone, and pages that fill only a part of the picture."""

_LEAST_LIKENESS = 0.45
_MOST_CANDIDATES = 16
_SLACK_CELLS = (30.0, 40.0, 25.0, 8.0, 5.0)
"""How far a target may be from where the others say, step by step; targets are 168 and 192 cells apart."""

_TELL_APART_CELLS = 90.0
_MOST_PAIRS = 4000
_MOST_PLACEMENTS = 12

_TARGETS: Points = np.array(target_places(), float) + 0.5


def placements(picture: Grey) -> Iterator[NDArray[np.float64]]:
    """Homographies from cells to pixels that the targets suggest, the likeliest first for every size."""
    for long_side, cell in _LOOKS:
        factor = long_side / max(picture.shape)
        size = (max(1, round(picture.shape[1] * factor)), max(1, round(picture.shape[0] * factor)))
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)
        back = np.diag([picture.shape[1] / size[0], picture.shape[0] / size[1], 1.0])
        points, likeness = _candidates(small.astype(np.uint8), cell)
        for rough in _similarities(points, likeness, cell):
            fine = _refined(rough, points)
            if fine is not None:
                yield back @ fine


def project(homography: NDArray[np.float64], points: Points) -> Points:
    """Where a homography puts points."""
    homogeneous = np.hstack([points, np.ones((len(points), 1))]) @ homography.T
    projected: Points = homogeneous[:, :2] / homogeneous[:, 2:]
    return projected


def _pattern(cell: float) -> NDArray[np.float32]:
    """A target seen with cells of this many pixels, paper white, without its outermost margin."""
    fine = 4
    half = int(7.5 * cell)
    steps = (np.arange(-half * fine, (half + 1) * fine) + 0.5 - fine / 2) / (fine * cell)
    radius = np.hypot(steps[:, None], steps[None, :])
    ink = (radius < 2.45) | ((radius > 4.35) & (radius < 6.65))
    share = ink.reshape(2 * half + 1, fine, 2 * half + 1, fine).astype(np.float32).mean(axis=(1, 3))
    seen: NDArray[np.float32] = 1 - share
    return seen


def _candidates(small: Grey, cell: float) -> tuple[Points, NDArray[np.float64]]:
    """Places that look like a target, the likest first."""
    pattern = _pattern(cell)
    half = len(pattern) // 2
    padded = cv2.copyMakeBorder(small, half, half, half, half, cv2.BORDER_REPLICATE)
    likeness = np.asarray(
        cv2.matchTemplate(padded.astype(np.float32), pattern, cv2.TM_CCOEFF_NORMED), np.float32
    )
    reach = 2 * half + 1
    highest = cv2.dilate(likeness, np.ones((reach, reach), np.uint8))
    ys, xs = np.nonzero((likeness == highest) & (likeness > _LEAST_LIKENESS))
    best = np.argsort(-likeness[ys, xs])[:_MOST_CANDIDATES]
    ys, xs = ys[best], xs[best]
    points: Points = np.zeros((len(ys), 2))
    for at, (x, y) in enumerate(zip(xs, ys, strict=True)):
        points[at] = _peak(likeness, int(x), int(y))
    return points + 0.5, likeness[ys, xs].astype(float)


def _peak(likeness: NDArray[np.float32], x: int, y: int) -> tuple[float, float]:
    return x + _vertex(likeness[y, x - 1 : x + 2]), y + _vertex(likeness[y - 1 : y + 2, x])


def _vertex(three: NDArray[np.float32]) -> float:
    """Where the parabola through three neighbours is highest, from the middle one."""
    if len(three) < 3:
        return 0.0
    left, middle, right = map(float, three)
    bend = left - 2 * middle + right
    return float(np.clip(0.5 * (left - right) / bend, -0.5, 0.5)) if bend < 0 else 0.0


def _similarities(
    points: Points, likeness: NDArray[np.float64], cell: float
) -> Iterator[NDArray[np.float64]]:
    """Rough placements by pairs of candidates on pairs of targets: each direction, each shift by a target."""
    if len(points) < 3:
        return
    seen = points[:, 0] + 1j * points[:, 1]
    known = _TARGETS[:, 0] + 1j * _TARGETS[:, 1]
    first, second = (np.array(each) for each in zip(*_ordered_pairs(len(seen)), strict=True))
    one, other = (np.array(each) for each in zip(*combinations(range(len(known)), 2), strict=True))
    turn = ((seen[second] - seen[first])[:, None] / (known[other] - known[one])[None, :]).ravel()
    shift = (seen[first][:, None] - turn.reshape(len(first), -1) * known[one][None, :]).ravel()
    fitting = (np.abs(turn) > 0.75 * cell) & (np.abs(turn) < 1.3 * cell)
    turn, shift = turn[fitting], shift[fitting]
    if not len(turn):
        return
    foreseen = turn[:, None] * known[None, :] + shift[:, None]
    misses = np.abs(foreseen[:, :, None] - seen[None, None, :])
    nearest = misses.min(axis=2) / np.abs(turn)[:, None]
    weight = likeness[misses.argmin(axis=2)] * (1 - nearest / _SLACK_CELLS[0])
    score = np.where(nearest < _SLACK_CELLS[0], weight, 0).sum(axis=1)
    quarter = np.round(np.angle(turn) / (np.pi / 2)) % 4
    middle = foreseen[:, len(known) // 2] / (np.abs(turn) * _TELL_APART_CELLS)
    tried: set[tuple[int, int, int]] = set()
    for at in np.argsort(-score)[:_MOST_PAIRS]:
        kind = (int(quarter[at]), round(middle[at].real), round(middle[at].imag))
        if kind in tried or score[at] < 1.0 or len(tried) == _MOST_PLACEMENTS:
            continue
        tried.add(kind)
        a, b = turn[at].real, turn[at].imag
        yield np.array([[a, -b, shift[at].real], [b, a, shift[at].imag], [0, 0, 1]])


def _ordered_pairs(count: int) -> list[tuple[int, int]]:
    return [(a, b) for a in range(count) for b in range(count) if a != b]


def _refined(rough: NDArray[np.float64], points: Points) -> NDArray[np.float64] | None:
    """A placement by all targets that agree: affine from three, with perspective from five."""
    placement = rough
    for step, slack in enumerate((*_SLACK_CELLS, _SLACK_CELLS[-1])):
        foreseen = project(placement, _TARGETS)
        cell = np.sqrt(abs(np.linalg.det(placement[:2, :2])))
        misses = np.linalg.norm(foreseen[:, None] - points[None], axis=2)
        chosen = misses.min(axis=1) < slack * cell
        known, seen = _TARGETS[chosen], points[misses.argmin(axis=1)[chosen]]
        fitted = _affine(known, seen) if step == 0 else _fitted(known, seen, tolerance=4 * cell)
        if fitted is None:
            return None
        placement = fitted
    return placement


def _fitted(known: Points, seen: Points, tolerance: float) -> NDArray[np.float64] | None:
    """With perspective if there are enough targets; strangers among them are outvoted."""
    if len(known) < 5:
        return _affine(known, seen)
    homography, _ = cv2.findHomography(known, seen, cv2.RANSAC, tolerance)
    return None if homography is None else np.asarray(homography, float)


def _affine(known: Points, seen: Points) -> NDArray[np.float64] | None:
    if len(known) < 3 or np.linalg.matrix_rank(known - known.mean(axis=0), tol=1.0) < 2:
        return None
    columns, *_ = np.linalg.lstsq(np.hstack([known, np.ones((len(known), 1))]), seen, rcond=None)
    return np.vstack([columns.T, [0.0, 0.0, 1.0]])
