"""偽造防止検出画像: an image that everybody sees, and in it one (潜像) that shows only under an instrument.

Infrared: on a printer with coloured toner the ground is cyan, magenta and yellow, which infrared light
passes, and the hidden figure is black, which it does not. A copier prints both in one mixture: the figure
is gone. Lines: on a black printer the figure's lines stand half a pitch lower; a film with the same lines
shows it. A good copier keeps the lines, so this one tells nothing of copies: see README.md of this folder.
"""

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from firmware.documents.paper import Paper
from firmware.documents.protection.places import (
    IMAGE_LEFT,
    IMAGE_PIXELS,
    IMAGE_TOP,
    Ink,
    bitmap,
    glyph,
    on_pixels,
)

FIGURE = "証"
LINE_PITCH = 12

_CHARACTER = 300
_PETALS = 5
_DOT_PITCH = 6
_DOT = 4
_BLACK = (0.0, 0.0, 0.0, 1.0)
_COLOURS = (1.0, 1.0, 1.0, 0.0)


def draw_detection_image(paper: Paper) -> None:
    """The image as the printer can have it, at its place on a back."""
    settings = paper.settings
    paper.clear(on_pixels(IMAGE_LEFT - 12, IMAGE_TOP - 12, IMAGE_PIXELS + 24, IMAGE_PIXELS + 24))
    box = on_pixels(IMAGE_LEFT, IMAGE_TOP, IMAGE_PIXELS, IMAGE_PIXELS)
    if settings.detection_image == "infrared":
        black, colours = plates(settings.label_fonts[0])
        paper.ink(bitmap(colours), box, _COLOURS)
        paper.ink(bitmap(black), box, _BLACK)
    else:
        paper.stamp(bitmap(lines(settings.label_fonts[0])), box)


@cache
def lines(font: Path) -> Ink:
    """The blossom in lines, those of the figure half a pitch lower."""
    return (screened(figure(font)) & blossom()) | edge()


def screened(hidden: Ink) -> Ink:
    """Lines all over, those of what is hidden half a pitch lower."""
    row = np.arange(IMAGE_PIXELS)[:, None]
    shifted = np.where(hidden, row + LINE_PITCH // 2, row)
    ink: Ink = shifted % LINE_PITCH < LINE_PITCH // 2
    return ink


@cache
def plates(font: Path) -> tuple[Ink, Ink]:
    """Dots of the black and of the coloured plate: as many in the figure as around it, none on both."""
    row, column = np.mgrid[0:IMAGE_PIXELS, 0:IMAGE_PIXELS]
    dots = (row % _DOT_PITCH < _DOT) & (column % _DOT_PITCH < _DOT) & blossom()
    hidden = figure(font)
    return dots & hidden, (dots & ~hidden) | edge()


def figure(font: Path) -> Ink:
    """Where the hidden figure is."""
    character = glyph(FIGURE, _CHARACTER, font, 4)
    ink = np.zeros((IMAGE_PIXELS, IMAGE_PIXELS), bool)
    top, left = ((IMAGE_PIXELS - length) // 2 for length in character.shape)
    ink[top : top + character.shape[0], left : left + character.shape[1]] = character
    return ink


def blossom() -> Ink:
    """A cherry blossom, the visible image."""
    return _radius() < 1


def edge() -> Ink:
    """The blossom's outline."""
    radius = _radius()
    outline: Ink = (radius >= 1) & (radius < 1.03)
    return outline


@cache
def _radius() -> NDArray[np.float64]:
    """Distance from the middle as a share of the blossom's own radius in that direction."""
    middle = (IMAGE_PIXELS - 1) / 2
    row, column = np.mgrid[0:IMAGE_PIXELS, 0:IMAGE_PIXELS] - middle
    turn = np.arctan2(column, -row) * _PETALS / (2 * np.pi) % 1
    petal = 0.78 + 0.22 * np.sin(np.pi * turn) ** 0.5 - 0.10 * np.exp(-(((turn - 0.5) / 0.06) ** 2))
    radius: NDArray[np.float64] = np.hypot(row, column) / (petal * middle * 0.97)
    return radius
