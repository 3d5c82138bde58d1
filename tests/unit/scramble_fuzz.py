"""Bad scans by seed: whatever somebody hands in ends in a verdict or a named error.

    python -m tests.unit.scramble_fuzz [--first 0] [--scans 1000]

Each seed damages bytes of a file (PNG, JPEG, TIFF, PDF), cells of a raster, or draws something of its own.
"""

import argparse
import io
import sys
from collections import Counter
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from firmware.documents.scramble import raster, reader
from firmware.documents.scramble.errors import NotGenuine, Unreadable
from firmware.documents.scramble.geometry import FORMATS, mark_places, target_places
from firmware.documents.scramble.keys import Keys
from firmware.documents.scramble.sheet import check
from firmware.documents.verification.scans import Picture, ScanInvalid, pictures_of

Grey = NDArray[np.uint8]
BODY = bytes(range(256)) * 3
KINDS = ("PNG", "JPEG", "TIFF", "PDF")


def outcome(seed: int) -> str:
    """What became of the scan of this seed. Raises AssertionError for a wrong one."""
    rng = np.random.default_rng(seed)
    try:
        for picture in _scan(rng):
            body = reader.read(picture.grey)
            if body != BODY:
                raise AssertionError(f"seed {seed}: read what nobody wrote")
            check(body, Keys())
    except (ScanInvalid, Unreadable, NotGenuine) as named:
        return type(named).__name__
    return "no pages"


def _scan(rng: np.random.Generator) -> list[Picture]:
    match int(rng.integers(3)):
        case 0:
            return list(pictures_of("scan", _damaged_file(rng)))
        case 1:
            return [Picture("scan", _damaged_raster(rng))]
        case _:
            return [Picture("scan", _drawing(rng))]


def _damaged_file(rng: np.random.Generator) -> bytes:
    content = bytearray(_file(str(rng.choice(KINDS))))
    for _ in range(int(rng.integers(1, 20))):
        at = int(rng.integers(len(content) if rng.random() < 0.5 else min(len(content), 600)))
        content[at] = int(rng.integers(256))
    if rng.random() < 0.3:
        del content[int(rng.integers(len(content))) :]
    return bytes(content)


def _damaged_raster(rng: np.random.Generator) -> Grey:
    """Cells changed at random: of data, marks and targets; or marks of another format over the data."""
    cells = raster.draw(BODY, FORMATS[int(rng.integers(len(FORMATS)))])
    if rng.random() < 0.3:
        other = raster.draw(rng.bytes(500), FORMATS[int(rng.integers(len(FORMATS)))])
        for column, row in mark_places():
            cells[row - 2 : row + 3, column - 2 : column + 3] = other[
                row - 2 : row + 3, column - 2 : column + 3
            ]
    wrong = rng.random(cells.shape) < rng.choice((0.01, 0.1, 0.3, 0.5))
    cells = np.where(wrong, 1 - cells, cells).astype(np.uint8)
    for column, row in target_places():
        if rng.random() < 0.2:
            cells[row - 8 : row + 9, column - 8 : column + 9] = int(rng.integers(2))
    return _picture(cells)


def _drawing(rng: np.random.Generator) -> Grey:
    """Noise, targets where none belong, or a page of circles."""
    height, width = (int(side) for side in rng.integers(1, 1800, 2))
    page = np.full((height, width), 255, np.uint8)
    if rng.random() < 0.4:
        return rng.integers(0, 256, (height, width), dtype=np.uint8)
    for _ in range(int(rng.integers(0, 60))):
        at, radius = (int(rng.integers(width)), int(rng.integers(height))), int(rng.integers(1, 40))
        for part, ink in ((1.0, 0), (0.66, 255), (0.36, 0)):
            cv2.circle(page, at, max(1, int(radius * part)), ink, -1)
    return page


def _picture(cells: Grey) -> Grey:
    big = cv2.resize(255 - 255 * cells, None, fx=4, fy=4, interpolation=cv2.INTER_NEAREST)
    return np.pad(big, 60, constant_values=255).astype(np.uint8)


@cache
def _file(kind: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(_picture(raster.draw(BODY))).save(file, kind)
    return file.getvalue()


def main() -> None:
    """A long run; the first seed that is not named ends it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--scans", type=int, default=1000)
    wanted = parser.parse_args()
    found: Counter[str] = Counter()
    for seed in range(wanted.first, wanted.first + wanted.scans):
        found[outcome(seed)] += 1
    sys.stdout.write(f"{dict(found)}\n")


if __name__ == "__main__":
    main()
