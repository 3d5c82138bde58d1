"""Fonts for reportlab that refuse what they cannot draw.

reportlab's own TrueType fonts draw a box for a missing character and for every variation selector,
and write a wrong ToUnicode entry beyond U+FFFF: printed 𠮷 would be copied as something else.
Source: ISO 32000-1, 9.7 (composite fonts), 9.10.3 (ToUnicode CMaps).
"""

import functools
import unicodedata
import weakref
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.pdfdoc import PDFArray, PDFDictionary, PDFName, PDFStream, PDFString, PDFZCompress

from firmware.documents.refusals import DocumentRefused, Reason
from firmware.documents.truetype import TrueTypeFile

ASCENT = 0.88
"""Height of the em square above the base line, of 1; so in all Japanese fonts. 仮想ボディ"""

_BLANKS = frozenset(" \u3000")
_FLAGS_SYMBOLIC = 4
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

    def __init__(self, path: Path) -> None:
        self.fontName = str(path)
        self.face = _Face(str(path))
        self._base_name = f"MADOGU+{path.stem}"
        self._file = TrueTypeFile(path)
        self._codes: weakref.WeakKeyDictionary[PdfDocument, dict[str, int]] = weakref.WeakKeyDictionary()

    def draws(self, char: str) -> bool:
        """Whether the character shows ink, or is one of the two spaces that must not."""
        glyph = self._file.glyph(char)
        return glyph != 0 and (self._file.has_ink(glyph) or char in _BLANKS)

    def advance(self, char: str) -> float:
        """Width in thousandths of an em."""
        return self._file.advance(self._file.glyph(char))

    def stringWidth(self, text: str, size: float, encoding: str = "utf-8") -> float:  # noqa: ARG002, N802
        return sum(map(self.advance, text)) * size / 1000

    def splitString(self, text: str, doc: PdfDocument) -> list[tuple[int, bytes]]:  # noqa: N802
        codes = self._codes.setdefault(doc, {})
        return [(0, b"".join(codes.setdefault(char, len(codes) + 1).to_bytes(2, "big") for char in text))]

    def getSubsetInternalName(self, _subset: int, doc: PdfDocument) -> str:  # noqa: N802
        if self.fontName not in doc.fontMapping:
            doc.fontMapping[self.fontName] = f"/F{len(doc.fontMapping) + 1}"
            doc.delayedFonts.append(self)
        return doc.fontMapping[self.fontName]

    def addObjects(self, doc: PdfDocument) -> None:  # noqa: N802
        """Embed the characters that this document uses."""
        chars = list(self._codes.pop(doc, {}))
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
                "W": PDFArray([code for entry in self._narrow(chars) for code in entry]),
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
        program = self._file.subset([self._file.glyph(char) for char in chars])
        stream = PDFStream(content=program, filters=[PDFZCompress])
        stream.dictionary["Length1"] = len(program)
        return doc.Reference(stream, f"file:{name}")

    def _narrow(self, chars: Sequence[str]) -> Iterator[tuple[int, PDFArray]]:
        """Code and width of all that is not full-width, for the font's W array."""
        for code, char in enumerate(chars, start=1):
            advance = self.advance(char)
            if advance != 1000:
                yield code, PDFArray([round(advance, 2)])


class FontChain:
    """Fonts in order of preference; each character is drawn by the first that has it."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """Raises ConfigError for a file that is not a usable font."""
        self._typefaces = [typeface(path) for path in paths]
        self._of: dict[str, Typeface] = {}
        self._advances: dict[str, float] = {}

    @property
    def first(self) -> Typeface:
        return self._typefaces[0]

    def of(self, char: str) -> Typeface:
        """The typeface that draws char.

        Raises DocumentRefused with the code point if none does: also for variation selectors, combining
        marks, control and private characters, which would be drawn as something else or not at all.
        """
        known = self._of.get(char)
        if known is None:
            drawable = unicodedata.category(char)[0] not in "MC" and char not in "\u2028\u2029"
            known = next((face for face in self._typefaces if drawable and face.draws(char)), None)
            if known is None:
                raise DocumentRefused(Reason.GLYPH_MISSING, f"U+{ord(char):04X}")
            self._of[char] = known
        return known

    def advance(self, char: str) -> float:
        """Width in thousandths of an em. Raises DocumentRefused as `of`."""
        known = self._advances.get(char)
        if known is None:
            known = self._advances[char] = self.of(char).advance(char)
        return known

    def width(self, text: str) -> float:
        """Width in thousandths of an em. Raises DocumentRefused as `of`."""
        return sum(map(self.advance, text))

    def runs(self, text: str) -> Iterator[tuple[Typeface, str]]:
        """The text cut where the typeface changes."""
        for face, chars in groupby(text, self.of):
            yield face, "".join(chars)


@functools.cache
def typeface(path: Path) -> Typeface:
    """The font file, opened and made known to reportlab once in a process. Raises ConfigError."""
    face = Typeface(path)
    pdfmetrics.registerFont(face)
    return face


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
