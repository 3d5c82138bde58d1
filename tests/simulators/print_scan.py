"""What a laser printer, a life in a bag and a scanner do to a page, by seed: each scan is repeatable.

A model, not a measurement: real toner scatter, banding, show-through and paper curl are not in it. It knows
cells and pixels, nothing of how they are read.
"""

from dataclasses import dataclass, replace
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]
Plane = NDArray[np.float32]

PAGE_MM = (210.0, 297.0)
PLACE_MM = (15.0, 30.0)
"""Left and upper edge of the raster on the page."""

CELL_MM = 12 * 25.4 / 600
_MM = 1 / 25.4
_NOISE_SIDE = 1024
_EVERY = 8


@dataclass(frozen=True, slots=True)
class Damage:
    """How much of everything. Degrees, millimetres, shares of full brightness (0 to 1) or counts.

    turns: quarter turns; perspective: how far corners move, as a share of the page; blur_mm: sigma;
    gain_mm: how far ink spreads (below 0: it shrinks); starved: share of toner lost in streaks along the
    page; waver_mm: uneven transport of the paper; light: fall of brightness; fade: contrast lost.
    """

    dpi: int = 300
    turns: int = 0
    degrees: float = 0.0
    scale: float = 1.0
    perspective: float = 0.0
    blur_mm: float = 0.03
    gain_mm: float = 0.0
    dropouts: int = 0
    starved: float = 0.0
    waver_mm: float = 0.0
    light: float = 0.0
    fade: float = 0.1
    noise: float = 0.01
    folds: int = 0
    pens: int = 0
    stains: int = 0
    stamps: int = 0
    specks: int = 0
    quality: int | None = 90


CLEAN = Damage(fade=0.0, quality=None)


def ordinary(rng: np.random.Generator, dpi: int = 300) -> Damage:
    """A page from an office printer on an office scanner, laid down a little askew."""
    return Damage(
        dpi=dpi,
        turns=int(rng.integers(4)),
        degrees=rng.uniform(-1.5, 1.5),
        scale=rng.uniform(0.98, 1.02),
        perspective=rng.uniform(0, 0.003),
        blur_mm=rng.uniform(0.02, 0.06),
        gain_mm=rng.uniform(-0.03, 0.04),
        dropouts=int(rng.integers(0, 120)),
        starved=rng.uniform(0, 0.15),
        waver_mm=rng.uniform(0, 0.06),
        light=rng.uniform(0, 0.15),
        fade=rng.uniform(0, 0.25),
        noise=rng.uniform(0.005, 0.025),
        specks=int(rng.integers(0, 150)),
        quality=int(rng.integers(80, 96)),
    )


def heavy(rng: np.random.Generator, dpi: int = 300) -> Damage:
    """Folded, written on, stained, starved of toner, crooked, unevenly lit and packed with JPEG 70."""
    return replace(
        ordinary(rng, dpi),
        degrees=float(rng.choice((-1, 1)) * rng.uniform(2, 3.5)),
        scale=rng.uniform(0.92, 1.04),
        perspective=rng.uniform(0, 0.012),
        blur_mm=rng.uniform(0.04, 0.1),
        gain_mm=rng.uniform(-0.05, 0.07),
        dropouts=int(rng.integers(100, 600)),
        starved=rng.uniform(0.1, 0.5),
        waver_mm=rng.uniform(0.03, 0.12),
        light=rng.uniform(0.1, 0.4),
        fade=rng.uniform(0.1, 0.5),
        noise=rng.uniform(0.02, 0.05),
        folds=int(rng.integers(1, 3)),
        pens=int(rng.integers(1, 4)),
        stains=int(rng.integers(0, 3)),
        stamps=int(rng.integers(0, 2)),
        specks=int(rng.integers(100, 600)),
        quality=70,
    )


def photograph(rng: np.random.Generator, dpi: int = 200) -> Damage:
    """Of the page on a table by hand: perspective, blur, shade. dpi: where the page fills the picture."""
    return replace(
        ordinary(rng, dpi),
        degrees=rng.uniform(-8, 8),
        scale=rng.uniform(0.75, 0.92),
        perspective=rng.uniform(0.01, 0.05),
        blur_mm=rng.uniform(0.05, 0.12),
        light=rng.uniform(0.1, 0.45),
        fade=rng.uniform(0.2, 0.45),
        noise=rng.uniform(0.02, 0.04),
        quality=int(rng.integers(70, 90)),
    )


def scan(cells: Grey, damage: Damage, rng: np.random.Generator) -> Grey:
    """The page with these cells (1 is ink) on it as a grey picture, 0 black, after all that."""
    size = (cells.shape[1] * 12, cells.shape[0] * 12)
    fine = cv2.resize(255 - 255 * cells, size, interpolation=cv2.INTER_NEAREST).astype(np.uint8)
    return _seen(_on_page(_printed(fine, damage, rng), damage.dpi), damage, rng)


def scan_page(page: Grey, damage: Damage, rng: np.random.Generator) -> Grey:
    """The same of a whole A4 page of 600 dpi, 0 black."""
    return _seen(_printed(page, damage, rng), damage, rng)


def _seen(paper: Plane, damage: Damage, rng: np.random.Generator) -> Grey:
    _use(paper, damage, rng)
    seen = _transported(paper, damage, rng)
    seen = _lit(seen, damage, rng)
    picture = np.clip(seen * 255, 0, 255).astype(np.uint8)
    picture = np.rot90(picture, damage.turns).copy()
    if damage.quality is not None:
        _, packed = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, damage.quality])
        picture = np.asarray(cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE), np.uint8)
    return picture


def _printed(fine: Grey, damage: Damage, rng: np.random.Generator) -> Plane:
    """A picture of 600 dpi as toner on paper, 1 white, in pixels of the scanner."""
    softened = cv2.GaussianBlur(fine, (0, 0), 1.6)
    ragged = cv2.add(softened, _noise(softened.shape, rng, 24).astype(np.int16), dtype=cv2.CV_8U)
    # Where the edge is taken decides how far the ink spreads; the slope of the blur is 0.4 / 1.6 a pixel.
    edge = 0.5 + damage.gain_mm * 600 * _MM * 0.4 / 1.6
    level = float(np.clip(edge, 0.15, 0.85)) * 255
    table = np.clip((np.arange(256) - level) * 4 + 127.5, 0, 255).astype(np.uint8)
    toner = cv2.LUT(ragged, table)
    for _ in range(damage.dropouts):
        at = (int(rng.integers(toner.shape[1])), int(rng.integers(toner.shape[0])))
        cv2.circle(toner, at, int(rng.integers(2, 14)), 255, -1)
    pixel = damage.dpi / 600
    size = (round(toner.shape[1] * pixel), round(toner.shape[0] * pixel))
    paper = cv2.resize(toner, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    if damage.starved:
        streaks = np.clip(rng.normal(0, damage.starved / 2, paper.shape[1] // 6 + 2), 0, damage.starved)
        lost = cv2.resize(
            streaks[None].astype(np.float32), (paper.shape[1], 1), interpolation=cv2.INTER_CUBIC
        )
        paper = 1 - (1 - paper) * (1 - np.clip(lost, 0, 1))
    return paper.astype(np.float32, copy=False)


def _on_page(paper: Plane, dpi: int) -> Plane:
    """The raster at its place on an A4 page with lines of text above it."""
    page = np.ones((round(PAGE_MM[1] * dpi * _MM), round(PAGE_MM[0] * dpi * _MM)), np.float32)
    left, top = (round(millimetres * dpi * _MM) for millimetres in PLACE_MM)
    page[top : top + paper.shape[0], left : left + paper.shape[1]] = paper
    for line, text in enumerate(("10208-20261122-00000001  1/1", "This is the reverse of a certificate.")):
        at = (left, round((12 + 8 * line) * dpi * _MM))
        cv2.putText(page, text, at, cv2.FONT_HERSHEY_SIMPLEX, dpi / 300, 0.05, max(1, dpi // 150))
    return page


def _use(page: Plane, damage: Damage, rng: np.random.Generator) -> None:
    """Folds, pens, stamps, stains and dust, drawn into the page."""
    dpi = damage.dpi
    height, width = page.shape

    def anywhere() -> tuple[int, int]:
        return int(rng.uniform(0.05, 0.95) * width), int(rng.uniform(0.08, 0.85) * height)

    for _ in range(damage.stains):
        mask = np.zeros_like(page)
        axes = (int(rng.uniform(8, 25) * dpi * _MM), int(rng.uniform(8, 25) * dpi * _MM))
        cv2.ellipse(mask, anywhere(), axes, rng.uniform(0, 180), 0, 360, 1.0, -1)
        soft = np.asarray(cv2.GaussianBlur(mask, (0, 0), 1.0 * dpi * _MM), np.float32)
        page *= 1 - np.float32(rng.uniform(0.2, 0.45)) * soft
    for _ in range(damage.stamps):
        radius = rng.uniform(6, 12) * dpi * _MM
        cv2.circle(page, anywhere(), int(radius), float(rng.uniform(0.3, 0.5)), max(1, int(0.8 * dpi * _MM)))
    for _ in range(damage.pens):
        points = np.array([anywhere(), anywhere(), anywhere()], float)
        curve = np.array([_on_curve(points, t) for t in np.linspace(0, 1, 40)]).round().astype(np.int32)
        thickness = max(1, round(rng.uniform(0.5, 1.5) * dpi * _MM))
        cv2.polylines(
            page, [curve], isClosed=False, color=float(rng.uniform(0.05, 0.35)), thickness=thickness
        )
    for _ in range(damage.specks):
        radius = max(1, round(rng.uniform(0.05, 0.35) * dpi * _MM))
        cv2.circle(page, anywhere(), radius, float(rng.uniform(0, 1)), -1)


def _on_curve(points: NDArray[np.float64], t: float) -> NDArray[np.float64]:
    first, middle, last = points
    place: NDArray[np.float64] = (1 - t) ** 2 * first + 2 * t * (1 - t) * middle + t**2 * last
    return place


def _transported(page: Plane, damage: Damage, rng: np.random.Generator) -> Plane:
    """The page as it lies: turned, scaled, in perspective, wavering, with its folds.

    The paths of the paper are smooth: they are reckoned at every eighth pixel.
    """
    height, width = page.shape
    pixel_mm = damage.dpi * _MM
    y, x = np.mgrid[0 : height + _EVERY : _EVERY, 0 : width + _EVERY : _EVERY].astype(np.float32)
    homography = _homography(width, height, damage, rng).astype(np.float32)
    scaled = homography[2, 0] * x + homography[2, 1] * y + homography[2, 2]
    from_x = (homography[0, 0] * x + homography[0, 1] * y + homography[0, 2]) / scaled
    from_y = (homography[1, 0] * x + homography[1, 1] * y + homography[1, 2]) / scaled
    waver = np.float32(damage.waver_mm / 1.5 * pixel_mm)
    for plane, along, length in ((from_x, y, height), (from_y, y, height), (from_x, x, width)) * 2:
        waves, phase = np.float32(rng.uniform(1, 5) * 2 * np.pi / length), np.float32(rng.uniform(0, 6))
        np.add(plane, waver * np.sin(waves * along + phase), out=plane)
    folds = [_fold(from_x, from_y, (height, width), pixel_mm, rng) for _ in range(damage.folds)]
    whole_x, whole_y = _filled(from_x, page.shape), _filled(from_y, page.shape)
    seen: Plane = cv2.remap(
        page, whole_x, whole_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0.8
    ).astype(np.float32, copy=False)
    for distance in folds:
        shade = 1 - np.float32(rng.uniform(0.02, 0.12)) * np.tanh(distance / 3)
        _break(seen, _filled(distance, page.shape), rng)
        seen *= _filled(shade, page.shape)
    return seen


def _filled(plane: Plane, shape: tuple[int, ...]) -> Plane:
    """The plane at every pixel."""
    size = (plane.shape[1] * _EVERY, plane.shape[0] * _EVERY)
    return cv2.warpAffine(
        plane,
        np.array([[_EVERY, 0, 0], [0, _EVERY, 0]], np.float32),
        (min(size[0], shape[1]), min(size[1], shape[0])),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    ).astype(np.float32, copy=False)


def _fold(
    from_x: Plane, from_y: Plane, size: tuple[int, int], pixel_mm: float, rng: np.random.Generator
) -> Plane:
    """Lift the paper on both sides of a line across the page; the distance from the line in millimetres."""
    height, width = size
    angle = rng.uniform(-0.05, 0.05) + rng.choice((0, np.pi / 2))
    across, along = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    x, y = np.float32(rng.uniform(0.25, 0.75) * width), np.float32(rng.uniform(0.2, 0.7) * height)
    distance = ((from_x - x) * across + (from_y - y) * along) / np.float32(pixel_mm)
    lift = np.exp(-np.abs(distance) / 6) * np.sign(distance) * np.float32(rng.uniform(-0.15, 0.15) * pixel_mm)
    from_x += lift * across
    from_y += lift * along
    return distance.astype(np.float32)


def _break(seen: Plane, distance: Plane, rng: np.random.Generator) -> None:
    """Toner comes off along the line of a fold."""
    line = np.nonzero(np.abs(distance) < 1)
    worn = np.exp(-((distance[line] / np.float32(rng.uniform(0.15, 0.4))) ** 2))
    worn *= (1 + 0.5 * rng.standard_normal(len(line[0]), np.float32)) * np.float32(rng.uniform(0.4, 1))
    seen[line] += np.clip(worn, 0, 1) * (1 - seen[line])


def _homography(width: int, height: int, damage: Damage, rng: np.random.Generator) -> NDArray[np.float64]:
    """From a pixel of the scan to one of the page."""
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    middle = corners.mean(axis=0)
    angle = np.radians(damage.degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = (corners - middle) @ turn.T * damage.scale + middle
    moved += rng.uniform(-1, 1, (4, 2)) * damage.perspective * width
    return np.asarray(cv2.getPerspectiveTransform(moved.astype(np.float32), corners), float)


def _lit(page: Plane, damage: Damage, rng: np.random.Generator) -> Plane:
    """Optics and sensor: blur, light, contrast, noise."""
    sigma = damage.blur_mm * damage.dpi * _MM
    if sigma > 0.2:
        page = np.asarray(cv2.GaussianBlur(page, (0, 0), sigma), np.float32)
    page = damage.fade * rng.uniform(0.4, 0.9) + (1 - damage.fade) * page
    if damage.light:
        corners = 1 - damage.light * rng.uniform(0, 1, (3, 3)).astype(np.float32)
        page = page * cv2.resize(corners, (page.shape[1], page.shape[0]), interpolation=cv2.INTER_CUBIC)
    if damage.noise:
        page = page + _noise(page.shape, rng, damage.noise)
    lit: Plane = page.astype(np.float32)
    return lit


def _noise(shape: tuple[int, ...], rng: np.random.Generator, sigma: float) -> Plane:
    """Noise with this standard deviation, cut from one square at a random place and repeated."""
    square = np.roll(_square(), tuple(rng.integers(_NOISE_SIDE, size=2)), axis=(0, 1)) * np.float32(sigma)
    times = (-(-shape[0] // _NOISE_SIDE), -(-shape[1] // _NOISE_SIDE))
    noise: Plane = cv2.repeat(square, *times)[: shape[0], : shape[1]].astype(np.float32, copy=False)
    return noise


@cache
def _square() -> Plane:
    return np.random.default_rng(0).standard_normal((_NOISE_SIDE, _NOISE_SIDE)).astype(np.float32)
