"""What the daemon and the document worker say to each other over two pipes.

A frame is four bytes of length, big-endian, and that many bytes of JSON; binary fields are base64.
The daemon asks, the worker answers once to each; `Ready` comes unasked at the start.
"""

import struct
from typing import Annotated

import msgspec

from firmware.core.terms import CertificateKind, RecordItem, Subjects
from firmware.documents.refusals import DocumentRefused, Reason

HEADER_BYTES = 4
_HEADER = struct.Struct(">L")
_MOST_BYTES = 16 * 1024 * 1024


CodePoints = Annotated[str, msgspec.Meta(pattern=r"\A(U\+[0-9A-F]{4,6}(/U\+[0-9A-F]{4,6}){0,3})?\Z")]
"""What may leave the worker of a person's text: the name of one character."""


class _Frame(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="frame"):
    pass


class Prepare(_Frame, frozen=True, tag="prepare"):
    """Open, compare, lay out and proof-read; nothing is printed."""

    sealed: bytes
    order_id: str
    kind: CertificateKind
    subjects: Subjects
    items: frozenset[RecordItem]
    copies: int
    session_id: str
    kiosk: str
    person_ref: str
    members: tuple[int, ...] = ()


class Print(_Frame, frozen=True, tag="print"):
    """Complete the prepared pages with the authority and submit them under job_name."""

    authority: bytes
    job_name: str


class End(_Frame, frozen=True, tag="end"):
    """Leave; closing the pipe says the same."""


class Ready(_Frame, frozen=True, tag="ready"):
    """public_key: X25519, 32 bytes."""

    public_key: bytes


class Laid(_Frame, frozen=True, tag="laid"):
    """Prepared: sheets and pages (sides) of all copies. fingerprint: hex SHA-256 of the opened contents."""

    sheets: int
    pages: int
    fingerprint: str


class Declined(_Frame, frozen=True, tag="declined"):
    """Not prepared, and why. code_points: of the one character that cannot be printed; else empty."""

    reason: Reason
    code_points: CodePoints = ""


class Submitted(_Frame, frozen=True, tag="submitted"):
    """The print queue has the job."""


class NotSubmitted(_Frame, frozen=True, tag="not_submitted"):
    """The job was certainly not handed over; reason: None if the print queue did not take it."""

    reason: Reason | None


class Uncertain(_Frame, frozen=True, tag="uncertain"):
    """The job may have been handed over."""


Request = Prepare | Print | End
Answer = Ready | Laid | Declined | Submitted | NotSubmitted | Uncertain

_REQUESTS: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)
_ANSWERS: msgspec.json.Decoder[Answer] = msgspec.json.Decoder(Answer)


def to_frame(message: Request | Answer) -> bytes:
    body = msgspec.json.encode(message)
    return _HEADER.pack(len(body)) + body


def body_bytes(header: bytes) -> int:
    """Length of the body after this header. Raises DocumentRefused if no frame is that long."""
    (length,) = _HEADER.unpack(header)
    if length > _MOST_BYTES:
        raise DocumentRefused(Reason.FRAME_INVALID, "length")
    return int(length)


def to_request(body: bytes) -> Request:
    """Raises DocumentRefused for anything but a request."""
    try:
        return _REQUESTS.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise DocumentRefused(Reason.FRAME_INVALID, "request") from None


def to_answer(body: bytes) -> Answer:
    """Raises DocumentRefused for anything but an answer."""
    try:
        return _ANSWERS.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise DocumentRefused(Reason.FRAME_INVALID, "answer") from None
