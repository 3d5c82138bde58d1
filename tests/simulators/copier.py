"""What a laser printer and a copier make of a page of 600 dpi. A model, not a measurement.

A copier scans with a lens that blurs, cleans what it takes for a grey background, and prints with dots of its
own. How much a printer's dots spread or shrink decides what the eye sees of a ground of dots.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Ink = NDArray[np.bool_]
Plane = NDArray[np.float32]

_PER_MM = 600 / 25.4
_EYE_MM = 0.35


@dataclass(frozen=True, slots=True)
class Printer:
    """spread_pixels: how far every edge of ink moves outwards, below 0 inwards."""

    name: str
    spread_pixels: float


@dataclass(frozen=True, slots=True)
class Copier:
    """dpi, blur_mm: of its scanner; cleaned: share of black that it takes for paper; steep: its contrast.

    halftone: prints greys in dots, as for photographs, instead of black and white.
    """

    name: str
    dpi: int
    blur_mm: float
    cleaned: float
    steep: float
    degrees: float
    halftone: bool = False


PRINTERS = (Printer("shrinking", -0.12), Printer("even", 0.0), Printer("spreading", 0.12))
COPIERS = (
    Copier("sharp text", 600, 0.030, 0.22, 3.0, 0.25),
    Copier("text", 400, 0.040, 0.20, 2.5, 0.5),
    Copier("soft text", 300, 0.055, 0.16, 2.2, 0.8),
    Copier("photograph", 600, 0.035, 0.12, 1.3, 0.4, halftone=True),
)


def printed(ink: Ink, printer: Printer) -> Plane:
    """Reflectance of the paper, 1 white, one pixel for each of the page."""
    seen = cv2.GaussianBlur(ink.astype(np.float32), (0, 0), 0.75)
    # At an edge the blurred picture rises by 0.53 a pixel: so far does the level move the edge.
    level = 0.5 - 0.53 * printer.spread_pixels
    paper: Plane = (1 - np.clip((seen - level) * 2.2 + 0.5, 0, 1)).astype(np.float32)
    return paper


def copied(paper: Plane, copier: Copier, printer: Printer) -> Plane:
    """Reflectance of the copy, as large as the original and laid over it."""
    height, width = paper.shape
    blurred = np.asarray(cv2.GaussianBlur(paper, (0, 0), copier.blur_mm * _PER_MM), np.float32)
    seen = _turned(blurred, copier.degrees)
    size = (round(width * copier.dpi / 600), round(height * copier.dpi / 600))
    scanned = cv2.resize(seen, size, interpolation=cv2.INTER_AREA)
    grey = cv2.resize(scanned, (width, height), interpolation=cv2.INTER_LINEAR)
    black = np.clip((1 - grey - copier.cleaned) / (1 - copier.cleaned), 0, 1) * copier.steep
    limit = _screen(paper.shape) if copier.halftone else np.float32(0.5)
    copy = printed(black > limit, printer)
    return _turned(copy, -copier.degrees)


def scanned(paper: Plane, scanner: Copier, dpi: int) -> NDArray[np.uint8]:
    """A grey picture of the paper, 0 black, as it lies on the glass."""
    blurred = np.asarray(cv2.GaussianBlur(paper, (0, 0), scanner.blur_mm * _PER_MM), np.float32)
    seen = _turned(blurred, scanner.degrees)
    size = (round(paper.shape[1] * dpi / 600), round(paper.shape[0] * dpi / 600))
    return (cv2.resize(seen, size, interpolation=cv2.INTER_AREA) * 255).astype(np.uint8)


def looked_at(paper: Plane) -> Plane:
    """What the eye makes of it at reading distance."""
    return np.asarray(cv2.GaussianBlur(paper, (0, 0), _EYE_MM * _PER_MM), np.float32)


def contrast(paper: Plane, letters: Ink) -> float:
    """Reflectance of the ground less that of the letters, away from their edges."""
    reach = np.ones((15, 15), np.uint8)
    inside = cv2.erode(letters.astype(np.uint8), reach) > 0
    outside = cv2.dilate(letters.astype(np.uint8), reach) == 0
    inner = np.zeros_like(inside)
    inner[40:-40, 40:-40] = True
    return float(paper[outside & inner].mean() - paper[inside & inner].mean())


def legibility(paper: Plane, letters: Ink) -> float:
    """How like the letters what the eye sees is: 0 nothing, 1 the letters in black on white."""
    seen = looked_at(paper)[40:-40, 40:-40]
    wanted = looked_at(letters.astype(np.float32))[40:-40, 40:-40]
    return float(-np.corrcoef(seen.ravel(), wanted.ravel())[0, 1])


def _turned(picture: Plane, degrees: float) -> Plane:
    height, width = picture.shape
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    turned = cv2.warpAffine(picture, turn, (width, height), borderMode=cv2.BORDER_REFLECT)
    return np.asarray(turned, np.float32)


def _screen(shape: tuple[int, ...]) -> Plane:
    """Thresholds of a 106-line screen at 45 degrees."""
    row, column = np.mgrid[0 : shape[0], 0 : shape[1]]
    wave = np.cos((row + column) * np.pi / 4) + np.cos((row - column) * np.pi / 4)
    limits: Plane = (0.5 + wave / 4.2).astype(np.float32)
    return limits
