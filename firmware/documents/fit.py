"""Setting text into a place of fixed size: the largest type that fits, or an error, never a cut.

A certificate with half a name is worth less than none, so overflow is refused before any money.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from firmware.documents.characters import characters, is_latin
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
    parts = characters(text)
    if sum(map(advance, parts)) * points <= width_points * 1000 and points <= height_points:
        return Fitted((text,), points, 100)
    tokens = list(_tokens(text, advance))
    ink = sum(token.width for token in tokens if not token.blank)
    while points >= smallest:
        room = min(most_lines, int((height_points / points - 1) / LINE_SPACING + 1))
        for percent in _CONDENSED_PERCENT:
            limit = width_points / points * 1000 / (percent / 100)
            if ink > room * limit:
                continue
            lines = _wrapped(tokens, limit)
            if len(lines) <= room and all(_ink_width(line) <= limit for line in lines):
                return Fitted(tuple(map(_joined, lines)), points, percent)
        points -= _SIZE_STEP_POINTS
    raise DocumentRefused(Reason.OVERFLOW)


def fit_lines(
    lines: Sequence[str],
    width_points: float,
    height_points: float,
    advance: Advance,
    sizes_points: tuple[float, float],
) -> Fitted:
    """The same for lines whose breaks are given. Raises DocumentRefused if they do not fit."""
    points, smallest = sizes_points
    widest = max(sum(map(advance, characters(line))) for line in lines)
    while points >= smallest:
        for percent in _CONDENSED_PERCENT:
            fitted = Fitted(tuple(lines), points, percent)
            if (
                widest * points / 1000 * percent / 100 <= width_points
                and fitted.height_points <= height_points
            ):
                return fitted
        points -= _SIZE_STEP_POINTS
    raise DocumentRefused(Reason.OVERFLOW)


def wrap(text: str, limit: float, advance: Advance) -> list[str]:
    """Greedy lines of at most limit thousandths of an em; spaces hang over the end of a line.

    Latin words stay whole where they can; no line begins with a mark of _NOT_FIRST or ends with one
    of _NOT_LAST, unless more than a few characters would have to move. 行頭・行末禁則
    """
    return list(map(_joined, _wrapped(list(_tokens(text, advance)), limit)))


@dataclass(frozen=True, slots=True)
class _Token:
    """A Latin word or any other character, never a part of one. parts: its characters with their widths."""

    text: str
    width: float
    parts: tuple[tuple[str, float], ...]

    @property
    def blank(self) -> bool:
        return self.text.isspace()


_Line = Sequence[_Token]


def _wrapped(tokens: Sequence[_Token], limit: float) -> list[_Line]:
    lines: list[_Line] = []
    line: list[_Token] = []
    used = 0.0
    for token in _no_wider(tokens, limit):
        if line and used + token.width > limit and not token.blank:
            carried = _carried(line, token)
            lines.append(line[: len(line) - len(carried)])
            line = carried
            used = sum(part.width for part in line)
        line.append(token)
        used += token.width
    return [*lines, line]


def _tokens(text: str, advance: Advance) -> Iterator[_Token]:
    word: list[tuple[str, float]] = []
    for character in characters(text):
        part = (character, advance(character))
        if "!" <= character[0] <= "~" or is_latin(character):
            word.append(part)
            continue
        if word:
            yield _token(word)
            word = []
        yield _token([part])
    if word:
        yield _token(word)


def _token(parts: Sequence[tuple[str, float]]) -> _Token:
    return _Token("".join(text for text, _ in parts), sum(width for _, width in parts), tuple(parts))


def _no_wider(tokens: Sequence[_Token], limit: float) -> Iterator[_Token]:
    for token in tokens:
        if token.width > limit:
            yield from (_token([part]) for part in token.parts)
        else:
            yield token


def _carried(line: Sequence[_Token], token: _Token) -> list[_Token]:
    """The end of line that must move down together with token; empty if it would be too much."""
    carried: list[_Token] = []
    kept = list(line)
    while (carried[0] if carried else token).text[0] in _NOT_FIRST or kept[-1].text in _NOT_LAST:
        if len(kept) == 1 or len(carried) == _MOST_CARRIED:
            return []
        carried.insert(0, kept.pop())
    return carried


def _joined(line: _Line) -> str:
    return "".join(token.text for token in line)


def _ink_width(line: _Line) -> float:
    """Width without the spaces that hang over the end."""
    end = len(line)
    while end and line[end - 1].blank:
        end -= 1
    return sum(token.width for token in line[:end])
