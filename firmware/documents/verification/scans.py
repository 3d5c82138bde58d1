"""Pictures of sheets from files that anybody may have made: PNG, JPEG, TIFF, PDF.

What a file says of its size is checked before a pixel is decoded: a small file cannot ask for all memory.
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pypdfium2
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from firmware.errors import DocumentError

MOST_BYTES = 64 * 1024 * 1024
MOST_PIXELS = 80_000_000
"""A4 at 600 dpi has 35 million."""

MOST_PAGES = 100
_FORMATS = ("PNG", "JPEG", "TIFF")
_PDF_DPI = 300
_PDF_IMAGE = 3  # FPDF_PAGEOBJ_IMAGE


class ScanInvalid(DocumentError):
    """A file is no scan that can be looked at; the message names it and says why, in both languages."""

    def __init__(self, name: str, ja: str, en: str) -> None:
        super().__init__(f"{name}: {ja} ({en})")


@dataclass(frozen=True, slots=True)
class Picture:
    """One page of a file. grey: 0 is black."""

    name: str
    grey: NDArray[np.uint8]


def pictures(path: Path) -> Iterator[Picture]:
    """Every page of a scan. Raises ScanInvalid."""
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise ScanInvalid(
                str(path), "ファイルが大きすぎます", f"{size} bytes; expected at most {MOST_BYTES}"
            )
        content = path.read_bytes()
    except OSError as cause:
        raise ScanInvalid(str(path), "ファイルを読めません", "cannot be read") from cause
    yield from pictures_of(str(path), content)


def pictures_of(name: str, content: bytes) -> Iterator[Picture]:
    """Every page of a scan that is in memory. Raises ScanInvalid."""
    yield from (_pdf_pages if content.startswith(b"%PDF") else _image_pages)(name, content)


def _image_pages(name: str, content: bytes) -> Iterator[Picture]:
    try:
        with _opened(content) as image:
            with _quiet():
                many = getattr(image, "n_frames", 1)
            if many > MOST_PAGES:
                raise ScanInvalid(name, "ページが多すぎます", f"{many} pages; expected at most {MOST_PAGES}")
            for number in range(1, many + 1):
                with _quiet():
                    image.seek(number - 1)
                    _check_pixels(name, *image.size)
                    grey = _grey(image)
                yield Picture(name if many == 1 else f"{name} page {number}", grey)
    except Image.DecompressionBombError as cause:
        raise ScanInvalid(name, "画素が多すぎます", f"more than {MOST_PIXELS} pixels") from cause
    except UnidentifiedImageError as cause:
        raise ScanInvalid(
            name, "PNG・JPEG・TIFF・PDFのどれでもありません", "not a PNG, JPEG, TIFF or PDF"
        ) from cause
    except (
        OSError,
        SyntaxError,
        ValueError,
        TypeError,
        KeyError,
        EOFError,
        MemoryError,
        OverflowError,
    ) as cause:
        if isinstance(cause, ScanInvalid):
            raise
        raise ScanInvalid(name, "壊れたファイルです", "damaged file") from cause


def _opened(content: bytes) -> Image.Image:
    with _quiet():
        return Image.open(io.BytesIO(content), formats=_FORMATS)


@contextmanager
def _quiet() -> Iterator[None]:
    """What Pillow only warns of is either harmless here or ends in an error of ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _grey(frame: Image.Image) -> NDArray[np.uint8]:
    upright: Image.Image = ImageOps.exif_transpose(frame)
    if upright.mode.startswith("I") or upright.mode == "F":
        wide = np.asarray(upright, dtype=np.float64)
        scaled: NDArray[np.float64] = np.clip(wide / max(1.0, wide.max()) * 255, 0, 255)
        return scaled.astype(np.uint8)
    if upright.has_transparency_data:
        paper = Image.new("RGBA", upright.size, "white")
        upright = Image.alpha_composite(paper, upright.convert("RGBA"))
    grey: NDArray[np.uint8] = np.array(upright.convert("L"), np.uint8)
    return grey


def _pdf_pages(name: str, content: bytes) -> Iterator[Picture]:
    try:
        with pypdfium2.PdfDocument(content) as document:
            if not 1 <= len(document) <= MOST_PAGES:
                raise ScanInvalid(
                    name,
                    "ページが多すぎるか、ありません",
                    f"{len(document)} pages; expected 1 to {MOST_PAGES}",
                )
            for number in range(len(document)):
                yield Picture(
                    f"{name} page {number + 1}", _drawn(f"{name} page {number + 1}", document[number])
                )
    except pypdfium2.PdfiumError as cause:
        raise ScanInvalid(
            name, "壊れたPDFか、パスワードのあるPDFです", "damaged PDF, or one with a password"
        ) from cause


def _drawn(name: str, page: Any) -> NDArray[np.uint8]:
    width, height = page.get_size()
    _check_pixels(name, round(width * _PDF_DPI / 72), round(height * _PDF_DPI / 72))
    for item in page.get_objects(filter=[_PDF_IMAGE]):
        _check_pixels(name, *item.get_px_size())
    return rasterised(page, _PDF_DPI)


def rasterised(page: Any, dpi: int) -> NDArray[np.uint8]:
    """A page of a `pypdfium2.PdfDocument` in grey."""
    width, height = (max(1, round(side * dpi / 72)) for side in page.get_size())
    bitmap = page.render(scale=dpi / 72, grayscale=True)
    try:
        pixels = np.array(bitmap.to_numpy(), np.uint8).reshape(bitmap.height, bitmap.width)
        return pixels[:height, :width].copy()  # pypdfium2 rounds up what is a whole number but for 1e-13
    finally:
        bitmap.close()


def _check_pixels(name: str, width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise ScanInvalid(
            name, "画素が多すぎます", f"{width} by {height} pixels; expected at most {MOST_PIXELS} in all"
        )
