"""A frame as cells and back. FORMAT.md, sections 3 and 4.

A frame is head, length, checksum and body, filled with zeros to the capacity of its format. The checksum
tells damage, which is nobody's fault, from forgery.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray

from firmware.documents.scramble import reed_solomon
from firmware.documents.scramble.errors import TooLong, Unreadable
from firmware.documents.scramble.geometry import (
    CODEWORD,
    COLUMNS,
    FORMATS,
    MARK_REACH,
    ROWS,
    TARGET_REACH,
    Cells,
    Format,
    codewords,
    data_cells,
    mark,
    mark_places,
    mark_signs,
    slot_order,
    slots,
    target,
    target_places,
    whitening,
)

HEAD = b"MSC\x01"
_CHECKSUM_BYTES = 8
_OVERHEAD = len(HEAD) + 2 + _CHECKSUM_BYTES
_DOUBTS = (0.0, 0.5, 0.8)
"""Shares of the parity that the least certain bytes may use as erasures, tried in this order."""


def most_bytes(form: Format = FORMATS[-1]) -> int:
    """The longest body that a raster of this format holds."""
    return form.capacity - _OVERHEAD


def draw(body: bytes, form: Format | None = None) -> Cells:
    """The raster of a body, in the most robust format that holds it unless one is given.

    Raises TooLong.
    """
    if form is None:
        form = next((each for each in FORMATS if len(body) <= most_bytes(each)), FORMATS[-1])
    if len(body) > most_bytes(form):
        raise TooLong(f"scramble image: {len(body)} bytes, at most {most_bytes(form)}")
    frame = _frame(body).ljust(form.capacity, b"\0")
    data = np.frombuffer(frame, np.uint8).reshape(codewords(), form.data_bytes)
    sent = reed_solomon.encode(data, form.parity_bytes).T.reshape(-1)
    in_slots = np.zeros(slots(), np.uint8)
    in_slots[slot_order()] = sent
    bits = whitening(form.number).copy()
    bits[: 8 * slots()] ^= np.unpackbits(in_slots)
    cells = np.zeros((ROWS, COLUMNS), np.uint8)
    cells[data_cells()] = bits
    _draw_targets(cells)
    _draw_marks(cells, form)
    return cells


def read(darkness: NDArray[np.float32], form: Format) -> bytes:
    """The body in a raster as seen: above 0 is ink, and the further from 0 the surer. Raises Unreadable."""
    seen = darkness[data_cells()]
    bits = (seen > 0).astype(np.uint8) ^ whitening(form.number)
    order = slot_order()
    received = np.packbits(bits[: 8 * slots()])[order].reshape(CODEWORD, codewords()).T
    sureness = np.abs(seen[: 8 * slots()]).reshape(-1, 8).min(axis=1)[order].reshape(CODEWORD, codewords()).T
    words, good = reed_solomon.decode(received, form.parity_bytes)
    for share in _DOUBTS[1:]:
        if good.all():
            break
        bad = ~good
        erased = _least_sure(sureness[bad], int(share * form.parity_bytes))
        words[bad], good[bad] = reed_solomon.decode(received[bad], form.parity_bytes, erased)
    if not good.all():
        raise Unreadable(f"scramble image: {int((~good).sum())} of {codewords()} codewords are lost")
    return _body(words[:, : form.data_bytes].tobytes())


def _frame(body: bytes) -> bytes:
    length = len(body).to_bytes(2, "big")
    return HEAD + length + _checksum(length, body) + body


def _body(frame: bytes) -> bytes:
    if not frame.startswith(HEAD):
        raise Unreadable("scramble image: not a frame of version 1")
    length = frame[len(HEAD) : len(HEAD) + 2]
    body = frame[_OVERHEAD : _OVERHEAD + int.from_bytes(length, "big")]
    checksum = frame[len(HEAD) + 2 : _OVERHEAD]
    if len(body) != int.from_bytes(length, "big") or checksum != _checksum(length, body):
        raise Unreadable("scramble image: the checksum does not agree")
    return body


def _checksum(length: bytes, body: bytes) -> bytes:
    return hashlib.sha256(HEAD + length + body).digest()[:_CHECKSUM_BYTES]


def _least_sure(sureness: NDArray[np.float32], count: int) -> NDArray[np.bool_]:
    erased = np.zeros(sureness.shape, bool)
    np.put_along_axis(erased, np.argsort(sureness, axis=1)[:, :count], values=True, axis=1)
    return erased


def _draw_targets(cells: Cells) -> None:
    reach = TARGET_REACH
    for column, row in target_places():
        cells[row - reach : row + reach + 1, column - reach : column + reach + 1] = target()


def _draw_marks(cells: Cells, form: Format) -> None:
    reach = MARK_REACH
    for (column, row), sign in zip(mark_places(), mark_signs(form.number), strict=True):
        pattern = mark() if sign > 0 else 1 - mark()
        cells[row - reach : row + reach + 1, column - reach : column + reach + 1] = pattern
