"""TrueType font files: which glyph a character has, how wide it is, and subsets for embedding.

The file stays mapped, not loaded: of the 46 MB of a font for personal names a page needs 30 kB.
Source: ISO/IEC 14496-22 (OpenType), tables glyf, loca, hmtx, head, hhea, maxp; for cmap see `cmap`.
"""

import functools
import mmap
import struct
import sys
import unicodedata
from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from firmware.documents.cmap import CharacterMap, composed_glyphs
from firmware.errors import ConfigError

_COMPOSITE_WORDS = 0x0001
_COMPOSITE_SCALE = 0x0008
_COMPOSITE_MORE = 0x0020
_COMPOSITE_XY_SCALE = 0x0040
_COMPOSITE_2X2 = 0x0080
_COMPOSITE_INSTRUCTIONS = 0x0100

WIDE = {0x2985: 0xFF5F, 0x2986: 0xFF60}
"""⦅ and ⦆ of JIS X 0213, 1-2-54 and 1-2-55, whose glyphs Japanese fonts have under the full-width codes."""

_VARIATION_SELECTORS = frozenset(map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))


_TRUE_TYPE = (b"\0\1\0\0", b"true")
_OTHERS = {
    b"OTTO": "it has CFF outlines; take its TrueType edition (.ttf), or convert the outlines to glyf",
    b"ttcf": "it is a collection; take the one font out of it as a file of its own",
    b"wOFF": "it is packed for the web; take the font itself",
    b"wOF2": "it is packed for the web; take the font itself",
}


class _OtherFont(ValueError):
    """A font, but of another make; the message says what to do."""


class TrueTypeFile:
    """One font file with glyf outlines. Advances are in thousandths of an em.

    Raises ConfigError if the file is missing or is not such a font, saying what would be.
    """

    def __init__(self, path: Path) -> None:
        try:
            with path.open("rb") as file:
                self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self._tables = self._directory()
            self._read_header()
        except _OtherFont as cause:
            raise ConfigError(f"{path}: not a TrueType font: {cause}") from cause
        except (OSError, ValueError, KeyError, struct.error) as cause:
            raise ConfigError(f"{path}: not a usable TrueType font") from cause

    def glyph(self, character: str) -> int:
        """The character's glyph, 0 if the font has none; see `characters` for what a character is.

        A variation that the font does not list has none, nor has a letter whose marks it cannot place.
        """
        code = ord(character[0])
        nominal = self._map.glyph(code) or self._map.glyph(WIDE.get(code, code))
        if len(character) == 1:
            return nominal
        if len(character) == 2 and character[1] in _VARIATION_SELECTORS:
            return self._map.variation(ord(character[0]), ord(character[1]))
        composed = unicodedata.normalize("NFC", character)
        if len(composed) == 1:
            return self._map.glyph(ord(composed))
        return self._composed.get(tuple(self._map.glyph(ord(point)) for point in composed), 0)

    def advance(self, glyph: int) -> float:
        (units,) = struct.unpack_from(">H", self._bytes, self._hmtx + 4 * min(glyph, self._metrics - 1))
        return float(units * 1000 / self._units_per_em)

    def has_ink(self, glyph: int) -> bool:
        start, end = self._glyph_span(glyph)
        return start < end

    def bounding_box(self) -> tuple[float, ...]:
        """xMin, yMin, xMax, yMax of all glyphs, in thousandths of an em."""
        units = struct.unpack_from(">4h", self._bytes, self._tables["head"][0] + 36)
        return tuple(unit * 1000 / self._units_per_em for unit in units)

    def subset(self, glyphs: Sequence[int]) -> bytes:
        """A font file whose glyph 0 is .notdef and whose glyph n + 1 is glyphs[n], without hints.

        Glyphs may repeat: two characters that share one keep a code each, so that text can be copied.
        """
        order = [0, *glyphs]
        outlines = [self._outline(glyph, order) for glyph in order]  # composites make order grow meanwhile
        return _file(
            {
                "glyf": b"".join(outlines),
                "head": self._head(),
                "hhea": self._patched("hhea", 34, len(order)),
                "hmtx": b"".join(self._metric(glyph) for glyph in order),
                "loca": struct.pack(f">{len(order) + 1}L", *_running_sum(map(len, outlines))),
                "maxp": self._patched("maxp", 4, len(order)),
            }
        )

    def _directory(self) -> dict[str, tuple[int, int]]:
        (make, count) = struct.unpack_from(">4sH", self._bytes)
        if make in _OTHERS:
            raise _OtherFont(_OTHERS[make])
        if make not in _TRUE_TYPE:
            raise ValueError("no TrueType outlines")
        entries = (struct.unpack_from(">4sLLL", self._bytes, 12 + 16 * at) for at in range(count))
        return {tag.decode("ascii"): (offset, length) for tag, _, offset, length in entries}

    def _read_header(self) -> None:
        head, hhea = self._tables["head"][0], self._tables["hhea"][0]
        (self._units_per_em,) = struct.unpack_from(">H", self._bytes, head + 18)
        (self._long_loca,) = struct.unpack_from(">h", self._bytes, head + 50)
        (self._metrics,) = struct.unpack_from(">H", self._bytes, hhea + 34)
        self._hmtx, self._loca, self._glyf = (self._tables[tag][0] for tag in ("hmtx", "loca", "glyf"))
        self._map = CharacterMap(self._bytes, self._tables["cmap"][0])

    @functools.cached_property
    def _composed(self) -> dict[tuple[int, ...], int]:
        return composed_glyphs(self._bytes, self._tables["GSUB"][0]) if "GSUB" in self._tables else {}

    def _glyph_span(self, glyph: int) -> tuple[int, int]:
        if self._long_loca:
            start, end = struct.unpack_from(">LL", self._bytes, self._loca + 4 * glyph)
        else:
            start, end = (2 * half for half in struct.unpack_from(">HH", self._bytes, self._loca + 2 * glyph))
        return self._glyf + start, self._glyf + end

    def _outline(self, glyph: int, order: list[int]) -> bytes:
        """One glyph without hints, its parts renumbered by their place in order, padded to 4 bytes."""
        start, end = self._glyph_span(glyph)
        outline = bytearray(self._bytes[start:end])
        if outline:
            (contours,) = struct.unpack_from(">h", outline)
            if contours < 0:
                _renumber(outline, order)
            else:
                at = 10 + 2 * contours
                (hints,) = struct.unpack_from(">H", outline, at)
                outline[at : at + 2 + hints] = b"\0\0"
        return bytes(outline) + bytes(-len(outline) % 4)

    def _metric(self, glyph: int) -> bytes:
        (advance,) = struct.unpack_from(">H", self._bytes, self._hmtx + 4 * min(glyph, self._metrics - 1))
        bearing = (
            self._hmtx + 4 * glyph + 2
            if glyph < self._metrics
            else self._hmtx + 4 * self._metrics + 2 * (glyph - self._metrics)
        )
        return struct.pack(">H", advance) + self._bytes[bearing : bearing + 2]

    def _table(self, tag: str) -> bytearray:
        offset, length = self._tables[tag]
        return bytearray(self._bytes[offset : offset + length])

    def _head(self) -> bytes:
        head = self._table("head")
        struct.pack_into(">L", head, 8, 0)  # checkSumAdjustment
        struct.pack_into(">h", head, 50, 1)  # long offsets in loca
        return bytes(head)

    def _patched(self, tag: str, at: int, count: int) -> bytes:
        table = self._table(tag)
        struct.pack_into(">H", table, at, count)
        return bytes(table)


def _renumber(outline: bytearray, order: list[int]) -> None:
    """Give the parts of a composite their new numbers, adding them to order, and drop its hints."""
    at, more = 10, True
    while more:
        flags, part = struct.unpack_from(">HH", outline, at)
        struct.pack_into(">HH", outline, at, flags & ~_COMPOSITE_INSTRUCTIONS, len(order))
        order.append(part)
        at += 4 + (4 if flags & _COMPOSITE_WORDS else 2)
        if flags & _COMPOSITE_SCALE:
            at += 2
        elif flags & _COMPOSITE_XY_SCALE:
            at += 4
        elif flags & _COMPOSITE_2X2:
            at += 8
        more = bool(flags & _COMPOSITE_MORE)
    del outline[at:]


def _running_sum(lengths: Iterable[int]) -> Iterator[int]:
    total = 0
    yield total
    for length in lengths:
        total += length
        yield total


def _file(tables: dict[str, bytes]) -> bytes:
    """The tables as a font file (sfnt); names in ascending order."""
    count = len(tables)
    power = count.bit_length() - 1
    directory = struct.pack(">LHHHH", 0x00010000, count, 16 << power, power, 16 * count - (16 << power))
    offset = 12 + 16 * count
    body = b""
    for tag, table in tables.items():
        directory += struct.pack(
            ">4sLLL", tag.encode("ascii"), _checksum(table), offset + len(body), len(table)
        )
        body += table + bytes(-len(table) % 4)
    return directory + body


def _checksum(table: bytes) -> int:
    words = array("I", table + bytes(-len(table) % 4))
    if sys.byteorder == "little":
        words.byteswap()
    return sum(words) & 0xFFFFFFFF
