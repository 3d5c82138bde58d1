"""Which glyph a character has: the cmap and GSUB tables of a font file, read where they lie.

Source: ISO/IEC 14496-22 (OpenType), cmap formats 4 (the basic plane alone), 12 (full repertoire) and 14
(variation sequences), GSUB lookup types 4 (ligatures) and 7 (extension) of the feature ccmp.
"""

import struct
import sys
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from mmap import mmap

_FULL, _BASIC_PLANE = ((3, 10), (0, 6), (0, 4)), ((3, 1), (0, 3), (0, 2), (0, 1), (0, 0))
"""Platform and encoding of maps from Unicode, the better first."""

_LIGATURE = 4
_EXTENSION = 7


class CharacterMap:
    """Glyphs of code points, and of code points with a variation selector. 0: the font has none."""

    def __init__(self, font: mmap, cmap: int) -> None:
        """cmap: where the table begins. Raises ValueError without a map of format 4 or 12."""
        self._font = font
        (count,) = struct.unpack_from(">H", font, cmap + 2)
        records = (struct.unpack_from(">HHL", font, cmap + 4 + 8 * at) for at in range(count))
        offsets = {(platform, encoding): cmap + offset for platform, encoding, offset in records}
        maps = [offsets[place] for place in (*_FULL, *_BASIC_PLANE) if place in offsets]
        formats = [struct.unpack_from(">H", font, table)[0] for table in maps]
        if 12 in formats:
            self._read_groups(maps[formats.index(12)])
        elif 4 in formats:
            self._read_segments(maps[formats.index(4)])
        else:
            raise ValueError("no cmap of Unicode in format 4 or 12")
        variations = offsets.get((0, 5))
        self._selectors = {} if variations is None else dict(self._read_selectors(variations))

    def glyph(self, code: int) -> int:
        at = bisect_right(self._starts, code) - 1
        if at < 0 or code > self._ends[at]:
            return 0
        return int(self._glyphs[at] + code - self._starts[at])

    def variation(self, code: int, selector: int) -> int:
        """The glyph of a sequence that the font lists; a sequence it does not list has none."""
        defaults, others = self._selectors.get(selector, (0, 0))
        if others:
            (mappings,) = struct.unpack_from(">L", self._font, others)
            at = bisect_left(range(mappings), code, key=lambda at: self._uint24(others + 4 + 5 * at))
            if at < mappings and self._uint24(others + 4 + 5 * at) == code:
                (glyph,) = struct.unpack_from(">H", self._font, others + 4 + 5 * at + 3)
                return int(glyph)
        if defaults:
            (ranges,) = struct.unpack_from(">L", self._font, defaults)
            at = bisect_right(range(ranges), code, key=lambda at: self._uint24(defaults + 4 + 4 * at)) - 1
            if (
                at >= 0
                and code <= self._uint24(defaults + 4 + 4 * at) + self._font[defaults + 4 + 4 * at + 3]
            ):
                return self.glyph(code)
        return 0

    def _read_groups(self, table: int) -> None:
        (groups,) = struct.unpack_from(">12xL", self._font, table)
        words = array("I", self._font[table + 16 : table + 16 + 12 * groups])
        if sys.byteorder == "little":
            words.byteswap()
        self._starts, self._ends, self._glyphs = words[0::3], words[1::3], words[2::3]

    def _read_segments(self, table: int) -> None:
        """Format 4 as groups of following codes with following glyphs."""
        starts, ends, glyphs = array("I"), array("I"), array("I")
        for code, glyph in self._codes_of_segments(table):
            if starts and ends[-1] == code - 1 and glyphs[-1] + code - starts[-1] == glyph:
                ends[-1] = code
            else:
                starts.append(code)
                ends.append(code)
                glyphs.append(glyph)
        self._starts, self._ends, self._glyphs = starts, ends, glyphs

    def _codes_of_segments(self, table: int) -> Iterator[tuple[int, int]]:
        """Every code that has a glyph, and the glyph."""
        (twice,) = struct.unpack_from(">6xH", self._font, table)
        columns = (table + 14, table + 16 + twice, table + 16 + 2 * twice, table + 16 + 3 * twice)
        for at in range(0, twice, 2):
            end, start, delta, offset = (
                struct.unpack_from(">H", self._font, column + at)[0] for column in columns
            )
            for code in range(start, min(end, 0xFFFE) + 1):
                glyph = code
                if offset:
                    place = columns[3] + at + offset + 2 * (code - start)
                    (glyph,) = struct.unpack_from(">H", self._font, place)
                    if not glyph:
                        continue
                if glyph := (glyph + delta) & 0xFFFF:
                    yield code, glyph

    def _read_selectors(self, table: int) -> Iterator[tuple[int, tuple[int, int]]]:
        """Selector, and where its default and its other sequences are listed; 0: nowhere."""
        table_format, records = struct.unpack_from(">HxxxxL", self._font, table)
        if table_format != 14:
            raise ValueError("cmap of variation sequences is not of format 14")
        for at in range(records):
            record = table + 10 + 11 * at
            defaults, others = struct.unpack_from(">LL", self._font, record + 3)
            yield self._uint24(record), (defaults and table + defaults, others and table + others)

    def _uint24(self, at: int) -> int:
        return int.from_bytes(self._font[at : at + 3], "big")


def composed_glyphs(font: mmap, gsub: int) -> dict[tuple[int, ...], int]:
    """Glyphs of letters with marks, by the glyphs of the parts: か with 半濁点, æ with accents.

    gsub: where the table begins. Source: feature ccmp, which every text engine applies unasked.
    """
    features, lookups = (gsub + offset for offset in struct.unpack_from(">HH", font, gsub + 6))
    found: dict[tuple[int, ...], int] = {}
    for number in sorted(_lookups_of(font, features, b"ccmp")):
        (offset,) = struct.unpack_from(">H", font, lookups + 2 + 2 * number)
        for subtable in _subtables(font, lookups + offset):
            for parts, glyph in _ligatures(font, subtable):
                found.setdefault(parts, glyph)
    return found


def _lookups_of(font: mmap, features: int, tag: bytes) -> set[int]:
    (count,) = struct.unpack_from(">H", font, features)
    numbers: set[int] = set()
    for at in range(count):
        name, offset = struct.unpack_from(">4sH", font, features + 2 + 6 * at)
        if name == tag:
            (lookups,) = struct.unpack_from(">H", font, features + offset + 2)
            numbers.update(struct.unpack_from(f">{lookups}H", font, features + offset + 4))
    return numbers


def _subtables(font: mmap, lookup: int) -> Iterator[int]:
    """Where the subtables of a lookup of ligatures begin; none of another type."""
    kind, count = struct.unpack_from(">HxxH", font, lookup)
    for offset in struct.unpack_from(f">{count}H", font, lookup + 6):
        subtable = lookup + offset
        if kind == _EXTENSION:
            wrapped, away = struct.unpack_from(">xxHL", font, subtable)
            if wrapped == _LIGATURE:
                yield subtable + away
        elif kind == _LIGATURE:
            yield subtable


def _ligatures(font: mmap, subtable: int) -> Iterator[tuple[tuple[int, ...], int]]:
    coverage, sets = struct.unpack_from(">xxHH", font, subtable)
    firsts = _covered(font, subtable + coverage)
    for first, offset in zip(firsts, struct.unpack_from(f">{sets}H", font, subtable + 6), strict=True):
        ligature_set = subtable + offset
        (count,) = struct.unpack_from(">H", font, ligature_set)
        for away in struct.unpack_from(f">{count}H", font, ligature_set + 2):
            glyph, parts = struct.unpack_from(">HH", font, ligature_set + away)
            rest = struct.unpack_from(f">{parts - 1}H", font, ligature_set + away + 4)
            yield (first, *rest), glyph


def _covered(font: mmap, coverage: int) -> list[int]:
    kind, count = struct.unpack_from(">HH", font, coverage)
    if kind == 1:
        return list(struct.unpack_from(f">{count}H", font, coverage + 4))
    ranges = (struct.unpack_from(">HH", font, coverage + 4 + 6 * at) for at in range(count))
    return [glyph for start, end in ranges for glyph in range(start, end + 1)]
