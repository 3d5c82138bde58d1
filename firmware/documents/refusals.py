"""Why a document is refused, as code words that may leave the worker and stand in the log."""

import enum

from firmware.errors import DocumentError


class Reason(enum.Enum):
    """One word per cause; none tells anything of the person."""

    SEALED_INVALID = "sealed-invalid"  # not ours to open, altered, or for another order, session or kiosk
    CONTENTS_INVALID = "contents-invalid"  # opened, but not what the protocol says
    MISMATCH = "mismatch"  # contents or authority of something that was not asked for
    CHARACTER_INVALID = "character-invalid"  # steers text: control, direction, line end, unassigned
    GLYPH_MISSING = "glyph-missing"  # a character that no configured font draws
    OVERFLOW = "overflow"  # a field does not fit its place at the smallest legible size
    DATE_UNWRITABLE = "date-unwritable"  # before the calendar of today
    IMAGE_INVALID = "image-invalid"  # a seal that is not the 1-bit picture agreed upon
    PROOF_FAILED = "proof-failed"  # the finished pages do not read as they should
    PROTECTION_INVALID = "protection-invalid"  # a back that does not say what its front says
    NOT_PREPARED = "not-prepared"  # print before prepare
    FRAME_INVALID = "frame-invalid"  # the two processes do not understand each other
    WORKER_GONE = "worker-gone"  # the process could not start, died, or was silent for too long


class DocumentRefused(DocumentError):
    """The document cannot be made; reason is safe to log.

    detail: what an engineer needs inside the worker: a code point or the name of a field, never a value.
    code_points: of the character that is the reason, e.g. U+908A/U+E0109, safe to log; else empty.
    """

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason.value}: {detail}" if detail else reason.value)
        self.reason = reason
        by_character = reason in {Reason.CHARACTER_INVALID, Reason.GLYPH_MISSING}
        self.code_points = detail if by_character else ""
