"""What one character is, for counting (R14), for breaking lines and for drawing.

A character is what the reader sees as one: a code point that is no mark, with all marks that follow it. Marks
are the code points of the general categories Mn, Mc and Me, and with them every variation selector: 邊 and
its selector are one character, か and its small circle too. A surrogate pair is one code point, hence one
character; a half-width voiced mark (ﾞ) has a place of its own on paper and counts by itself. Text that begins
with a mark begins with a character of its own, which no font draws. 書記素
Source: UAX #29, legacy grapheme clusters, without Hangul jamo, which cannot be drawn here anyway.
"""

import functools
import re
import unicodedata
from collections.abc import Iterator

from firmware.documents.refusals import DocumentRefused, Reason

_PLAIN = re.compile(r"[ -~\u3000-\u3029\u3030-\u3098\u309b-\u30ff\u3400-\u9fff\uff01-\uff9f]*\Z")
_LEFT_TO_RIGHT = frozenset({"L", "EN", "ES", "ET", "CS", "ON", "WS", "NSM"})
_MOST_NAMED = 4
_LATIN = re.compile(r"[A-Za-z\u00aa\u00ba\u00c0-\u024f\u1e00-\u1eff]")


def characters(text: str) -> list[str]:
    """The text cut into characters; joined they are the text again."""
    if _PLAIN.match(text):
        return list(text)
    return list(_clusters(text))


def count(text: str) -> int:
    """Length of the text as the limits of R14 mean it."""
    return len(characters(text))


def code_points(character: str) -> str:
    """The character's name in the log: U+908A/U+E0109; of a long one its beginning."""
    return "/".join(f"U+{ord(point):04X}" for point in character[:_MOST_NAMED])


def require_printable(character: str) -> None:
    """Raises DocumentRefused for what steers text instead of standing in it.

    Control and format characters, halves of surrogates, unassigned code points, line ends, marks without a
    letter, and all that runs from right to left, which would stand in another order than in the record.
    """
    if not _stands_in_text(character[0]):
        raise DocumentRefused(Reason.CHARACTER_INVALID, code_points(character))


def is_private(character: str) -> bool:
    """Whether its meaning is an agreement between a font and a municipality (外字)."""
    return unicodedata.category(character[0]) == "Co"


def is_latin(character: str) -> bool:
    """Whether it is a Latin letter, whatever marks it carries."""
    return _LATIN.match(character) is not None


def has_latin(text: str) -> bool:
    return _LATIN.search(text) is not None


@functools.lru_cache(maxsize=4096)
def _stands_in_text(point: str) -> bool:
    if unicodedata.category(point) in {"Cc", "Cf", "Cs", "Cn", "Zl", "Zp", "Mn", "Mc", "Me"}:
        return False
    return unicodedata.bidirectional(point) in _LEFT_TO_RIGHT


def _clusters(text: str) -> Iterator[str]:
    begin = 0
    for at in range(1, len(text)):
        if unicodedata.category(text[at])[0] != "M":
            yield text[begin:at]
            begin = at
    if text:
        yield text[begin:]
