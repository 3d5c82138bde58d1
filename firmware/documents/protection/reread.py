"""Every back of the finished PDF read again as paper would show it, and compared with what was signed.

The pages are drawn by PDFium, which knows nothing of how they were made, with four pixels a cell; no error is
corrected away: each cell must be what the municipality's message makes it.
"""

import numpy as np
import pypdfium2
from numpy.typing import NDArray

from firmware.documents.certificate import Certificate
from firmware.documents.protection.places import CELL_PIXELS, RASTER_LEFT, RASTER_TOP
from firmware.documents.refusals import DocumentRefused, Reason
from firmware.documents.scramble import raster
from firmware.documents.scramble.errors import Unreadable
from firmware.documents.scramble.geometry import COLUMNS, FORMATS, ROWS, mark_places, mark_signs

_DPI = 200
_SHRINK = 600 // _DPI
_CELL = CELL_PIXELS // _SHRINK
_DARKEST_PAPER, _LIGHTEST_INK = 192, 64


def reread_backs(certificate: Certificate) -> None:
    """Check that each back bears the message of its sheet. Raises DocumentRefused: PROOF_FAILED."""
    try:
        with pypdfium2.PdfDocument(certificate.pdf) as document:
            seen = [_message(document[page]) for page in range(1, len(document), 2)]
    except pypdfium2.PdfiumError as cause:
        raise DocumentRefused(Reason.PROOF_FAILED, "unreadable") from cause
    signed = certificate.backs.messages if certificate.backs is not None else ()
    if not signed or seen != list(signed) * (certificate.sheets // len(signed)):
        raise DocumentRefused(Reason.PROOF_FAILED, "back")


def _message(page: pypdfium2.PdfPage) -> bytes:
    """The message on a back whose every cell is plainly ink or paper."""
    cells = _cells(page)
    if ((cells > _LIGHTEST_INK) & (cells < _DARKEST_PAPER)).any():
        raise DocumentRefused(Reason.PROOF_FAILED, "cells of a back are neither ink nor paper")
    darkness = np.where(cells <= _LIGHTEST_INK, 1, -1).astype(np.float32)
    columns, rows = np.array(mark_places()).T
    signs = darkness[rows, columns]
    form = next((each for each in FORMATS if (signs == mark_signs(each.number)).all()), None)
    if form is None:
        raise DocumentRefused(Reason.PROOF_FAILED, "marks of a back")
    try:
        message = raster.read(darkness, form)
    except Unreadable as cause:
        raise DocumentRefused(Reason.PROOF_FAILED, "code of a back") from cause
    if ((raster.draw(message, form) == 1) != (darkness > 0)).any():
        raise DocumentRefused(Reason.PROOF_FAILED, "a cell of a back")
    return message


def _cells(page: pypdfium2.PdfPage) -> NDArray[np.float64]:
    """Mean grey of the middle of every cell."""
    width, height = (round(side * _DPI / 72) for side in page.get_size())
    left, top = RASTER_LEFT // _SHRINK, RASTER_TOP // _SHRINK
    right, bottom = width - left - COLUMNS * _CELL, height - top - ROWS * _CELL
    crop = tuple(edge * 72 / _DPI for edge in (left, bottom, right, top))
    bitmap = page.render(scale=_DPI / 72, grayscale=True, crop=crop)
    try:
        place = np.asarray(bitmap.to_numpy()).reshape(bitmap.height, bitmap.width)
        place = place[: ROWS * _CELL, : COLUMNS * _CELL]
        middles = place.reshape(ROWS, _CELL, COLUMNS, _CELL)[:, 1:-1, :, 1:-1]
        cells: NDArray[np.float64] = middles.mean(axis=(1, 3))
        return cells
    finally:
        bitmap.close()
