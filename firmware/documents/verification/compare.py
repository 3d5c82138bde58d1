"""A scanned front beside the page drawn from the signed data: laid over it, and where the ink differs.

A help for the eye, not a proof: what is marked differs, what is not marked was not seen to differ.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]

DPI = 300
"""Of the page drawn, and of everything here."""

_MM = DPI / 25.4
_COARSE = 0.4
_FEATURES = 4000
_LEAST_AGREEING = 60
_TILE, _SEARCH, _STRAY = 128, 10, 3.0
_NEAR, _FAR = 5, 9  # pixels: ink this near is the same stroke; edges of square kernels
_LEAST_PIXELS = 16
_CLUSTER_MM = 2.0
_CHARACTER, _NUDGE = 41, 5
_ALIKE = 0.9
_INKED = 0.12
_STROKE = 5
_GROUND = 61
_MOST_DOUBTS = 400
_WHOLLY_OTHER = 150


@dataclass(frozen=True, slots=True)
class Difference:
    """A place where the fronts differ, in millimetres from the page's upper left corner."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """differences: most first; side_by_side: drawn at the left, scanned at the right, both with the marks."""

    differences: tuple[Difference, ...]
    side_by_side: NDArray[np.uint8]


def compare(scanned: Grey, drawn: Grey, ignored: tuple[Difference, ...] = ()) -> Comparison | None:
    """The two fronts, or None if the scan is no picture of this page. drawn: at `DPI`.

    ignored: places that may differ, as that of a seal that the drawn page lacks.
    """
    placed = _laid_over(scanned, drawn)
    if placed is None:
        return None
    wanted = _strokes(_ink(drawn))
    aligned = _aligned(_strokes(_ink(placed)), wanted)
    for place in ignored:
        x, y, width, height = (
            round(length * _MM) for length in (place.left, place.top, place.width, place.height)
        )
        aligned[y : y + height, x : x + width] = wanted[y : y + height, x : x + width] = 0
    differing = _differing(aligned, wanted) | _unlike(aligned, wanted)
    boxes = _boxes(differing)
    if len(boxes) > _WHOLLY_OTHER:
        return None
    pages = [_marked(page, boxes) for page in (drawn, placed)]
    differences = tuple(Difference(*(round(edge / _MM, 1) for edge in box)) for box in boxes)
    return Comparison(differences, np.hstack(pages))


def _laid_over(scanned: Grey, drawn: Grey) -> Grey | None:
    """The scan turned, stretched and cut to the drawn page."""
    factor = max(drawn.shape) / max(scanned.shape)
    scaled = _resized(scanned, factor)
    finder = cv2.SIFT.create(_FEATURES)
    seen_points, seen = finder.detectAndCompute(_resized(scaled, _COARSE), None)
    known_points, known = finder.detectAndCompute(_resized(drawn, _COARSE), None)
    if seen is None or known is None or len(seen_points) < 2 or len(known_points) < 2:
        return None
    pairs = cv2.FlannBasedMatcher().knnMatch(seen, known, k=2)
    good = [pair[0] for pair in pairs if len(pair) == 2 and pair[0].distance < 0.8 * pair[1].distance]
    if len(good) < _LEAST_AGREEING:
        return None
    from_points = np.array([seen_points[match.queryIdx].pt for match in good], np.float32)
    to_points = np.array([known_points[match.trainIdx].pt for match in good], np.float32)
    homography, agreeing = cv2.findHomography(from_points, to_points, cv2.RANSAC, 3.0)
    if homography is None or int(agreeing.sum()) < _LEAST_AGREEING:
        return None
    finer = np.diag([1 / _COARSE, 1 / _COARSE, 1.0]) @ homography @ np.diag([_COARSE, _COARSE, 1.0])
    size = (drawn.shape[1], drawn.shape[0])
    return cv2.warpPerspective(scaled, finer, size, borderMode=cv2.BORDER_REPLICATE).astype(np.uint8)


def _resized(page: Grey, factor: float) -> Grey:
    size = (round(page.shape[1] * factor), round(page.shape[0] * factor))
    return cv2.resize(page, size, interpolation=cv2.INTER_AREA).astype(np.uint8)


def _ink(page: Grey) -> NDArray[np.float32]:
    """Share of black against the paper around, 0 to 1."""
    paper = cv2.dilate(cv2.medianBlur(page, 5), np.ones((35, 35), np.uint8))
    paper = cv2.GaussianBlur(paper, (0, 0), 15).astype(np.float32)
    return np.clip(1 - page.astype(np.float32) / np.maximum(paper, 32), 0, 1).astype(np.float32)


def _strokes(ink: NDArray[np.float32]) -> NDArray[np.float32]:
    """Ink that goes on for a while in some direction: the dots of the けん制文字 and dust do not."""
    fine = (ink * 255).astype(np.uint8)
    longest = np.zeros_like(fine)
    for stroke in _lines(_STROKE):
        np.maximum(longest, cv2.morphologyEx(fine, cv2.MORPH_OPEN, stroke), out=longest)
    level = cv2.blur(np.minimum(longest, 64), (_GROUND, _GROUND)).astype(np.float32)
    level = np.minimum(level, 48)
    strokes: NDArray[np.float32] = np.clip((longest - level) / (255 - level), 0, 1).astype(np.float32)
    return strokes


def _lines(length: int) -> list[Grey]:
    """Lines of this many pixels in eight directions."""
    middle = length // 2
    lines = []
    for turn in np.arange(8) * np.pi / 8:
        line: Grey = np.zeros((length, length), np.uint8)
        end = np.round(middle * np.array([np.cos(turn), np.sin(turn)])).astype(int)
        start, stop = (middle - end[0], middle - end[1]), (middle + end[0], middle + end[1])
        cv2.line(line, [int(x) for x in start], [int(x) for x in stop], 1)
        lines.append(line)
    return lines


def _aligned(scanned: NDArray[np.float32], drawn: NDArray[np.float32]) -> NDArray[np.float32]:
    """The scan with every tile moved to where it fits best; tiles without ink follow their neighbours."""
    rows, columns = drawn.shape[0] // _TILE, drawn.shape[1] // _TILE
    moved, weights = np.zeros((rows, columns, 2), np.float32), np.full((rows, columns), 1e-6, np.float32)
    padded = cv2.copyMakeBorder(scanned, _SEARCH, _SEARCH, _SEARCH, _SEARCH, cv2.BORDER_CONSTANT, value=0)
    for row, column in np.ndindex(rows, columns):
        y, x = row * _TILE, column * _TILE
        tile = drawn[y : y + _TILE, x : x + _TILE]
        if tile.sum() < 80:
            continue
        window = padded[y : y + _TILE + 2 * _SEARCH, x : x + _TILE + 2 * _SEARCH]
        fit = cv2.matchTemplate(window, tile, cv2.TM_CCOEFF_NORMED)
        down, right = np.unravel_index(int(fit.argmax()), fit.shape)
        if fit[down, right] > 0.5:
            moved[row, column] = right - _SEARCH, down - _SEARCH
            weights[row, column] = fit[down, right]
    rough = _spread(moved, weights)
    usual = np.dstack([cv2.medianBlur(rough[..., axis].copy(), 5) for axis in (0, 1)])
    weights[np.linalg.norm(moved - usual, axis=2) > _STRAY] = 1e-6
    smooth = _spread(moved, weights)
    y, x = np.mgrid[0 : drawn.shape[0], 0 : drawn.shape[1]].astype(np.float32)
    field = cv2.remap(
        smooth, x / _TILE - 0.5, y / _TILE - 0.5, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return cv2.remap(scanned, x + field[..., 0], y + field[..., 1], cv2.INTER_LINEAR).astype(np.float32)


def _spread(moved: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Weighted means of the surroundings."""
    sums = cv2.GaussianBlur(moved * weights[..., None], (0, 0), 1.2)
    return (sums / cv2.GaussianBlur(weights, (0, 0), 1.2)[..., None]).astype(np.float32)


def _differing(scanned: NDArray[np.float32], drawn: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Pixels of a stroke on one page with no ink near them on the other."""
    near, far = np.ones((_NEAR, _NEAR), np.uint8), np.ones((_FAR, _FAR), np.uint8)
    typical = float(np.percentile(scanned[drawn > 0.8], 50)) if (drawn > 0.8).any() else 1.0
    scanned = np.clip(scanned / max(typical, 0.2), 0, 1)
    missing = (drawn > 0.6) & (cv2.dilate(scanned, near) < 0.35)
    extra = (scanned > 0.6) & (cv2.dilate(drawn, far) < 0.2)
    whole = cv2.morphologyEx((missing | extra).astype(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
    return whole.astype(np.uint8)


def _unlike(scanned: NDArray[np.float32], drawn: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Windows of the size of a character that look unlike, also when moved a little."""
    scanned, drawn = (cv2.GaussianBlur(page, (0, 0), 2.0).astype(np.float32) for page in (scanned, drawn))
    likeness = _likeness(scanned, drawn)
    unlike = np.zeros(drawn.shape, np.uint8)
    half, nudge = _CHARACTER // 2, _NUDGE
    for _ in range(_MOST_DOUBTS):
        y, x = (int(at) for at in np.unravel_index(int(likeness.argmin()), likeness.shape))
        if likeness[y, x] > _ALIKE:
            break
        likeness[max(0, y - half) : y + half, max(0, x - half) : x + half] = 1
        window = scanned[y - half - nudge : y + half + nudge, x - half - nudge : x + half + nudge]
        character = drawn[y - half : y + half, x - half : x + half]
        if window.shape != (2 * (half + nudge),) * 2 or character.std() * window.std() == 0:
            continue
        if cv2.matchTemplate(window, character, cv2.TM_CCOEFF_NORMED).max() < _ALIKE:
            unlike[y - half // 2 : y + half // 2, x - half // 2 : x + half // 2] = 1
    return unlike


def _likeness(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """Correlation in the window around each pixel; 1 where neither page has ink."""

    def mean(page: NDArray[np.float32]) -> NDArray[np.float32]:
        return cv2.blur(page, (_CHARACTER, _CHARACTER)).astype(np.float32)

    varied = [np.maximum(mean(page * page) - mean(page) ** 2, 1e-4) for page in (one, other)]
    together = (mean(one * other) - mean(one) * mean(other)) / np.sqrt(varied[0] * varied[1])
    return np.where(np.maximum(*varied) > _INKED**2, together, 1).astype(np.float32)


def _boxes(differing: NDArray[np.uint8]) -> list[tuple[int, int, int, int]]:
    """Left, top, width and height of every cluster, the one with most pixels first."""
    reach = round(_CLUSTER_MM * _MM)
    joined = cv2.dilate(differing, np.ones((reach, reach), np.uint8))
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(joined)
    pixels = np.bincount(labels[differing > 0], minlength=count)
    order = [label for label in np.argsort(-pixels) if label and pixels[label] >= _LEAST_PIXELS]
    return [(int(boxes[at, 0]), int(boxes[at, 1]), int(boxes[at, 2]), int(boxes[at, 3])) for at in order]


def _marked(page: Grey, boxes: list[tuple[int, int, int, int]]) -> NDArray[np.uint8]:
    """The page in colour, each difference in a red frame."""
    coloured = cv2.cvtColor(page, cv2.COLOR_GRAY2RGB)
    for x, y, width, height in boxes:
        cv2.rectangle(coloured, (x, y), (x + width, y + height), (220, 0, 0), 3)
    return coloured.astype(np.uint8)
