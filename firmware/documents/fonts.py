"""Fonts for reportlab that refuse what they cannot draw.

reportlab's own TrueType fonts draw a box for a missing character and for every variation selector,
and write a wrong ToUnicode entry beyond U+FFFF: printed 𠮷 would be copied as something else.
Source: ISO 32000-1, 9.7 (composite fonts), 9.10.3 (ToUnicode CMaps).
"""

import functools
import itertools
import re
import weakref
import zlib
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.pdfdoc import PDFArray, PDFDictionary, PDFName, PDFStream, PDFString, PDFZCompress

from firmware.documents.characters import (
    characters,
    code_points,
    has_latin,
    is_latin,
    is_private,
    require_printable,
)
from firmware.documents.refusals import DocumentRefused, Reason
from firmware.documents.truetype import TrueTypeFile

ASCENT = 0.88
"""Height of the em square above the base line, of 1; so in all Japanese fonts. 仮想ボディ"""

_BLANKS = frozenset(" \u3000")
_FLAGS_SYMBOLIC = 4
_NUMBERS = itertools.count(1)
_FILES: dict[str, Path] = {}
_MOST_OF_BLOCK = 100  # entries that a CMap allows in one block


class PdfDocument(Protocol):
    """What a font uses of reportlab's document."""

    fontMapping: dict[str, str]  # noqa: N815 - reportlab's names
    delayedFonts: list[object]  # noqa: N815
    idToObject: dict[str, Any]  # noqa: N815

    def Reference(self, thing: object, name: str) -> object: ...  # noqa: N802


class _Face:
    """What reportlab asks of a font's face."""

    def __init__(self, name: str) -> None:
        self.name = name


class Typeface:
    """One font file, in the protocol that reportlab expects of a dynamic font.

    Every character of a document gets a two-byte code of its own, also where two share a glyph, so
    that the text of the page reads back as it was written.
    """

    _multiByte = 1  # noqa: N815 - reportlab's names
    _dynamicFont = 1  # noqa: N815
    shapable = False

    def __init__(self, path: Path, *, lasting: bool = False) -> None:
        """lasting: codes stay the same in all documents of the process; for the words of forms alone."""
        self.fontName = f"{path}#form" if lasting else str(path)
        self.face = _Face(self.fontName)
        number = next(_NUMBERS)
        self._resource = f"/F{number}"
        tag = _tag(number)
        _FILES[tag] = path
        self._base_name = f"{tag}+{re.sub('[^A-Za-z0-9]', '', path.stem)}"
        self._file = TrueTypeFile(path)
        self._codes: weakref.WeakKeyDictionary[PdfDocument, dict[str, int]] = weakref.WeakKeyDictionary()
        self._lasting: dict[str, int] | None = {} if lasting else None
        self._packed = (0, b"", 0)  # characters, compressed font program, its length before

    def draws(self, character: str) -> bool:
        """Whether the character shows ink, or is one of the two spaces that must not."""
        glyph = self._file.glyph(character)
        return glyph != 0 and (self._file.has_ink(glyph) or character in _BLANKS)

    def advance(self, character: str) -> float:
        """Width in thousandths of an em."""
        return self._file.advance(self._file.glyph(character))

    def stringWidth(self, text: str, size: float, encoding: str = "utf-8") -> float:  # noqa: ARG002, N802
        return sum(map(self.advance, characters(text))) * size / 1000

    def splitString(self, text: str, doc: PdfDocument) -> list[tuple[int, bytes]]:  # noqa: N802
        codes = self._codes.setdefault(doc, {}) if self._lasting is None else self._lasting
        each = (codes.setdefault(one, len(codes) + 1) for one in characters(text))
        return [(0, b"".join(code.to_bytes(2, "big") for code in each))]

    def getSubsetInternalName(self, _subset: int, doc: PdfDocument) -> str:  # noqa: N802
        if self.fontName not in doc.fontMapping:
            doc.fontMapping[self.fontName] = self._resource
            doc.delayedFonts.append(self)
        return doc.fontMapping[self.fontName]

    def addObjects(self, doc: PdfDocument) -> None:  # noqa: N802
        """Embed the characters that this document uses."""
        chars = list(self._codes.pop(doc, {}) if self._lasting is None else self._lasting)
        name = self.getSubsetInternalName(0, doc)[1:]
        descriptor = PDFDictionary(
            {
                "Type": PDFName("FontDescriptor"),
                "FontName": PDFName(self._base_name),
                "Flags": _FLAGS_SYMBOLIC,
                "FontBBox": PDFArray([round(edge) for edge in self._file.bounding_box()]),
                "ItalicAngle": 0,
                "Ascent": round(ASCENT * 1000),
                "Descent": round((ASCENT - 1) * 1000),
                "CapHeight": 700,
                "StemV": 80,
                "FontFile2": self._embedded(doc, name, chars),
            }
        )
        descendant = PDFDictionary(
            {
                "Type": PDFName("Font"),
                "Subtype": PDFName("CIDFontType2"),
                "BaseFont": PDFName(self._base_name),
                "CIDSystemInfo": PDFDictionary(
                    {"Registry": PDFString("Adobe"), "Ordering": PDFString("Identity"), "Supplement": 0}
                ),
                "CIDToGIDMap": PDFName("Identity"),
                "DW": 1000,
                "W": f"[{self._narrow(chars)}]",
                "FontDescriptor": doc.Reference(descriptor, f"descriptor:{name}"),
            }
        )
        to_unicode = PDFStream(content=_to_unicode(chars), filters=[PDFZCompress])
        font = PDFDictionary(
            {
                "Type": PDFName("Font"),
                "Subtype": PDFName("Type0"),
                "BaseFont": PDFName(self._base_name),
                "Encoding": PDFName("Identity-H"),
                "DescendantFonts": PDFArray([doc.Reference(descendant, f"descendant:{name}")]),
                "ToUnicode": doc.Reference(to_unicode, f"toUnicode:{name}"),
            }
        )
        doc.idToObject["BasicFonts"].dict[name] = doc.Reference(font, f"font:{name}")

    def _embedded(self, doc: PdfDocument, name: str, chars: Sequence[str]) -> object:
        known, packed, length = self._packed
        if self._lasting is None or known != len(chars):
            program = self._file.subset([self._file.glyph(char) for char in chars])
            packed, length = zlib.compress(program), len(program)
            if self._lasting is not None:
                self._packed = (len(chars), packed, length)
        stream = PDFStream(content=packed)
        stream.dictionary["Filter"] = PDFName("FlateDecode")
        stream.dictionary["Length1"] = length
        return doc.Reference(stream, f"file:{name}")

    def _narrow(self, chars: Sequence[str]) -> str:
        """Code and width of all that is not full-width, for the font's W array."""
        advances = enumerate(map(self.advance, chars), start=1)
        return " ".join(f"{code} [{advance:.2f}]" for code, advance in advances if advance != 1000)


class FontChain:
    """Fonts in order of preference; each character is drawn by the first that has it.

    gaiji: fonts whose private-use characters are what the municipality means by them; such a character of
    any other font may be anything. They draw what the other fonts lack, too. 外字
    """

    def __init__(self, paths: Sequence[Path], gaiji: Sequence[Path] = (), *, lasting: bool = False) -> None:
        """lasting: as of `Typeface`. Raises ConfigError for a file that is not a usable font."""
        self._private = [typeface(path, lasting=lasting) for path in gaiji]
        self._typefaces = [*(typeface(path, lasting=lasting) for path in paths), *self._private]
        self._of: dict[str, Typeface] = {}
        self._advances: dict[str, float] = {}
        self._by_latin: dict[Typeface, FontChain] = {}

    @property
    def first(self) -> Typeface:
        return self._typefaces[0]

    def of(self, character: str) -> Typeface:
        """The typeface that draws the character.

        Raises DocumentRefused with its code points: CHARACTER_INVALID for what steers text, GLYPH_MISSING
        for what no font has, also for a variation or a mark that would be drawn as something else.
        """
        known = self._of.get(character)
        if known is None:
            known = self._of[character] = self._first_with(character)
        return known

    def advance(self, character: str) -> float:
        """Width in thousandths of an em. Raises DocumentRefused as `of`."""
        known = self._advances.get(character)
        if known is None:
            known = self._advances[character] = self.of(character).advance(character)
        return known

    def width(self, text: str) -> float:
        """Width in thousandths of an em. Raises DocumentRefused as `of`."""
        return sum(map(self.advance, characters(text)))

    def runs(self, text: str) -> Iterator[tuple[Typeface, str]]:
        """The text cut where the typeface changes."""
        for face, run in groupby(characters(text), self.of):
            yield face, "".join(run)

    def suited(self, text: str) -> "FontChain":
        """The chain to set this text with: all its Latin letters from one typeface if one has them all.

        One letter from another typeface looks like a misprint in a name. Raises DocumentRefused as `of`.
        """
        if not has_latin(text):
            return self
        letters = {character for character in characters(text) if is_latin(character)}
        if len({self.of(letter) for letter in letters}) < 2:
            return self
        face = next((face for face in self._typefaces if all(map(face.draws, letters))), None)
        if face is None:
            return self
        if face not in self._by_latin:
            self._by_latin[face] = _LatinFirst(self, face)
        return self._by_latin[face]

    def _first_with(self, character: str) -> Typeface:
        require_printable(character)
        faces = self._private if is_private(character) else self._typefaces
        for face in faces:
            if face.draws(character):
                return face
        raise DocumentRefused(Reason.GLYPH_MISSING, code_points(character))


class _LatinFirst(FontChain):
    """Another chain, but Latin letters from one typeface where it has them."""

    def __init__(self, chain: FontChain, latin: Typeface) -> None:
        super().__init__(())
        self._chain = chain
        self._latin = latin

    def _first_with(self, character: str) -> Typeface:
        if is_latin(character) and self._latin.draws(character):
            return self._latin
        return self._chain.of(character)


@functools.cache
def chain(paths: tuple[Path, ...], gaiji: tuple[Path, ...] = (), *, lasting: bool = False) -> FontChain:
    """The chain of these fonts, prepared once in a process. Raises ConfigError."""
    return FontChain(paths, gaiji, lasting=lasting)


@functools.cache
def typeface(path: Path, *, lasting: bool = False) -> Typeface:
    """The font file, opened and made known to reportlab once in a process. Raises ConfigError."""
    face = Typeface(path, lasting=lasting)
    pdfmetrics.registerFont(face)
    return face


def font_file(tag: str) -> Path | None:
    """The file whose subset is embedded under this tag; None for no font of ours."""
    return _FILES.get(tag)


def _tag(number: int) -> str:
    """Six capitals before the name of an embedded subset. Source: ISO 32000-1, 9.6.4."""
    return "MADO" + chr(ord("A") + number // 26 % 26) + chr(ord("A") + number % 26)


def _to_unicode(chars: Sequence[str]) -> bytes:
    entries = [
        f"<{code:04X}> <{char.encode('utf-16-be').hex().upper()}>" for code, char in enumerate(chars, start=1)
    ]
    blocks = [entries[at : at + _MOST_OF_BLOCK] for at in range(0, len(entries), _MOST_OF_BLOCK)]
    return "\n".join(
        [
            "/CIDInit /ProcSet findresource begin 12 dict begin begincmap",
            "/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def",
            "/CMapName /Adobe-Identity-UCS def /CMapType 2 def",
            "1 begincodespacerange <0000> <FFFF> endcodespacerange",
            *("\n".join([f"{len(block)} beginbfchar", *block, "endbfchar"]) for block in blocks),
            "endcmap CMapName currentdict /CMap defineresource pop end end",
        ]
    ).encode("ascii")
