"""ESC/POS bytes of a slip, and what the printer's status bytes say. Pure.

Japanese text goes as Shift_JIS to the printer's own kanji font: 267 bytes for a receipt, where its
picture takes half a minute at 9600 baud. Sources: Epson ESC/POS command reference; Epson TM-T88,
Bixolon and Star manuals agree on the status bits used here.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from firmware.ports import SlipLine

INITIALIZE = (
    b"\x1b@"  # ESC @    reset, forget what an earlier slip left
    b"\x1bt\x01"  # ESC t 1  katakana code page
    b"\x1cC\x01"  # FS C 1   Shift_JIS; after power-on it would be JIS
    b"\x1bR\x08"  # ESC R 8  Japan: 5C prints as the yen sign
)
FEED_AND_CUT = b"\x1dVB\x00"  # GS V 66 0
ASK_PAPER_IN_ORDER = b"\x1dr\x01"  # GS r 1: answered when everything before it is done
CLEAR_BUFFER = b"\x10\x14\x08\x01\x03\x14\x01\x06\x02\x08"  # DLE DC4 8: drop what is not printed yet
CLEARED = b"\x37\x25\x00"
"""The answer to CLEAR_BUFFER; of its bytes the last two could be answers to GS r."""
CUT_OFF = INITIALIZE + FEED_AND_CUT + ASK_PAPER_IN_ORDER
"""No text, cut: what was printed before is on no later slip."""
STATUS_GROUPS = (1, 2, 3, 4)

GETA = "〓"
"""What a Japanese printer's trade sets for a character it does not have."""

TO_CP932 = str.maketrans({"〜": "～", "−": "－", "—": "―", "‖": "∥", "¥": "\\"})
"""Characters that Japanese input methods write and cp932 knows under another code point."""


def slip(lines: Iterable[SlipLine], *, columns: int) -> bytes:
    """The whole slip: reset, text, cut, and the question whose answer proves that all was done.

    columns: half-width characters on one line at scale 1 (42 on 80 mm paper with font A, 48 with 576
    dots). A line that is too long goes on below; `right` then gets a line of its own.
    """
    text = b"".join(_line(line, columns // line.scale) for line in lines)
    return INITIALIZE + text + FEED_AND_CUT + ASK_PAPER_IN_ORDER


def encoded(text: str) -> bytes:
    """Text as cp932, one byte a column; 〓 for what it lacks and for every control character."""
    return b"".join(_characters(text))


def ask_status(group: int) -> bytes:
    """DLE EOT n: answered at once, also when the printer is offline. group: one of STATUS_GROUPS."""
    return bytes((0x10, 0x04, group))


def is_status(answer: int) -> bool:
    """Whether a byte can be the answer to DLE EOT: bits 0, 1, 4, 7 are fixed."""
    return answer & 0x93 == 0x12


def is_paper_answer(answer: int) -> bool:
    """Whether a byte can be the answer to GS r 1: bits 4 and 7 are 0."""
    return answer & 0x90 == 0


def paper_left(answer: int) -> bool:
    """Whether the answer to GS r 1 says that there is still paper."""
    return answer & 0x0C == 0


@dataclass(frozen=True, slots=True)
class ReceiptPrinterStatus:
    """The four status bytes in words. paper_low is a warning, the others stop the printer."""

    offline: bool
    cover_open: bool
    error: bool
    paper_out: bool
    paper_low: bool

    @property
    def trouble(self) -> str | None:
        """The first thing that keeps it from printing, as a word for the log."""
        words = {
            "cover-open": self.cover_open,
            "paper-out": self.paper_out,
            "error": self.error,
            "offline": self.offline,
        }
        return next((word for word, true in words.items() if true), None)


def status(answers: Sequence[int]) -> ReceiptPrinterStatus:
    """Read the answers to DLE EOT 1, 2, 3 and 4, in this order.

    Raises ValueError if a byte cannot be such an answer.
    """
    if len(answers) != len(STATUS_GROUPS) or not all(map(is_status, answers)):
        raise ValueError("not four ESC/POS status bytes")
    printer, offline_cause, error_cause, paper = answers
    return ReceiptPrinterStatus(
        offline=bool(printer & 0x08),
        cover_open=bool(offline_cause & 0x04),
        error=bool(offline_cause & 0x40 or error_cause & 0x6C),
        paper_out=bool(offline_cause & 0x20 or paper & 0x60),
        paper_low=bool(paper & 0x0C),
    )


def _line(line: SlipLine, columns: int) -> bytes:
    size = bytes((0x1D, 0x21, 0x11 if line.scale == 2 else 0x00))  # GS !
    place = bytes((0x1B, 0x61, 1 if line.centred else 0))  # ESC a
    rows = list(_rows(line.text, columns))
    right = encoded(line.right)
    if right and len(rows[-1]) + 1 + len(right) > columns:
        rows.append(b"")
    if right:
        rows[-1] += b" " * (columns - len(rows[-1]) - len(right)) + right
    return place + size + b"".join(row + b"\n" for row in rows)


def _rows(text: str, columns: int) -> Iterator[bytes]:
    """Text in rows of at most columns bytes, no character torn; one empty row for no text."""
    row = b""
    for character in _characters(text):
        if len(row) + len(character) > columns:
            yield row
            row = b""
        row += character
    yield row


def _characters(text: str) -> Iterator[bytes]:
    for character in text.translate(TO_CP932):
        try:
            code = character.encode("cp932")
        except UnicodeEncodeError:
            code = b""
        yield code if code and (len(code) == 2 or code >= b" ") and code != b"\x7f" else GETA.encode("cp932")
