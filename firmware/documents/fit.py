"""Setting text into a place of fixed size: the largest type that fits, or an error, never a cut.

A certificate with half a name is worth less than none, so overflow is refused before any money.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from firmware.documents.refusals import DocumentRefused, Reason

Advance = Callable[[str], float]
"""Width of one character in thousandths of an em; raises DocumentRefused without a glyph."""

LINE_SPACING = 1.15
"""Distance of baselines, in sizes of type."""

_SIZE_STEP_POINTS = 0.5
_CONDENSED_PERCENT = (100, 95, 90, 85, 80)
_NOT_FIRST = frozenset(
    "、。，．・：；？！ー゛゜ヽヾゝゞ々）〕］｝〉》」』】ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶ"
)
_NOT_LAST = frozenset("（〔［｛〈《「『【")
_WORD_OR_CHARACTER = re.compile(r"[!-~\u00c0-\u024f]+|.", re.DOTALL)
_MOST_CARRIED = 3


@dataclass(frozen=True, slots=True)
class Fitted:
    """Lines of one field. points: size of type; percent: width of the letters (長体), 80–100."""

    lines: tuple[str, ...]
    points: float
    percent: int

    @property
    def height_points(self) -> float:
        return self.points * (1 + LINE_SPACING * (len(self.lines) - 1))


def fit(
    text: str,
    width_points: float,
    height_points: float,
    advance: Advance,
    sizes_points: tuple[float, float],
    *,
    most_lines: int = 9,
) -> Fitted:
    """The first that fits: each size down by half a point, and at each size letters 100 % to 80 % wide.

    sizes_points: the largest and the smallest size of type. The lines joined are the text again, to the
    character. Raises DocumentRefused if even the smallest and narrowest does not fit.
    """
    points, smallest = sizes_points
    while points >= smallest:
        room = min(most_lines, int((height_points / points - 1) / LINE_SPACING + 1))
        for percent in _CONDENSED_PERCENT:
            limit = width_points / points * 1000 / (percent / 100)
            lines = wrap(text, limit, advance)
            if len(lines) <= room and all(_width(line.rstrip(), advance) <= limit for line in lines):
                return Fitted(tuple(lines), points, percent)
        points -= _SIZE_STEP_POINTS
    raise DocumentRefused(Reason.OVERFLOW)


def wrap(text: str, limit: float, advance: Advance) -> list[str]:
    """Greedy lines of at most limit thousandths of an em; spaces hang over the end of a line.

    Latin words stay whole where they can; no line begins with a mark of _NOT_FIRST or ends with one
    of _NOT_LAST, unless more than a few characters would have to move. 行頭・行末禁則
    """
    lines: list[str] = []
    line: list[str] = []
    used = 0.0
    for token in _tokens(text, limit, advance):
        width = _width(token, advance)
        if line and used + width > limit and not token.isspace():
            carried = _carried(line, token)
            lines.append("".join(line[: len(line) - len(carried)]))
            line = carried
            used = sum(_width(part, advance) for part in line)
        line.append(token)
        used += width
    return [*lines, "".join(line)]


def _tokens(text: str, limit: float, advance: Advance) -> Iterator[str]:
    for match in _WORD_OR_CHARACTER.finditer(text):
        token = match.group()
        if _width(token, advance) > limit:
            yield from token
        else:
            yield token


def _carried(line: list[str], token: str) -> list[str]:
    """The end of line that must move down together with token; empty if it would be too much."""
    carried: list[str] = []
    kept = list(line)
    while (carried[0] if carried else token)[0] in _NOT_FIRST or kept[-1] in _NOT_LAST:
        if len(kept) == 1 or len(carried) == _MOST_CARRIED:
            return []
        carried.insert(0, kept.pop())
    return carried


def _width(text: str, advance: Advance) -> float:
    return sum(map(advance, text))
