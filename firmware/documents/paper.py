"""Pages of A4 to draw on, in millimetres from the upper left corner, and what was drawn on them."""

import enum
import io
from dataclasses import dataclass, replace
from itertools import accumulate, cycle, islice, takewhile

from reportlab import rl_config
from reportlab.pdfbase.pdfdoc import PDFArray, PDFDictionary, PDFDocument, PDFName, PDFStream, PDFZCompress
from reportlab.pdfgen.canvas import Canvas

from firmware.documents.bitmap import Bitmap
from firmware.documents.fit import LINE_SPACING, Fitted, fit, fit_lines
from firmware.documents.fonts import ASCENT, FontChain, Typeface, chain
from firmware.documents.settings import DocumentSettings

PAGE_POINTS = (595.2, 841.92)
"""A4 as 4960 by 7016 whole pixels of 600 dpi, so that no edge falls on a fraction of one."""

PIXEL_MM = 25.4 / 600

_POINTS_PER_MM = 72 / 25.4
_PADDING_MM = 1.1
_LABEL_PADDING_MM = 0.5
_AIR_MM = 0.35  # above and below text at the least
_THIN_POINTS = 0.36
_HEAVY_POINTS = 0.96
_LABEL_POINTS = (8.0, 6.0)
_MICRO_POINTS = 1.9  # letters and digits of 0.5 mm: the least that 600 dpi print legibly
_ONE_LINE_POINTS = 6.5  # labels that fit at this size stay on one line
_OPTICAL_SHIFT = 0.01  # of the size: ink of Japanese type sits a little high in its square


rl_config.useA85 = 0  # text coding of streams: a quarter more bytes, and slow


class Align(enum.Enum):
    """Where text stands between the left and right edges of its box."""

    LEFT = enum.auto()
    CENTRE = enum.auto()
    RIGHT = enum.auto()


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle; millimetres from the page's upper left corner."""

    left: float
    top: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.left + self.width

    @property
    def bottom(self) -> float:
        return self.top + self.height


@dataclass(frozen=True, slots=True)
class _Type:
    """How text is set: fonts, sizes in points (largest, smallest), most lines, room at its sides."""

    chain: FontChain
    sizes_points: tuple[float, float]
    most_lines: int
    padding_mm: float = _PADDING_MM
    breaks: bool = False  # whether a line end in the text is one on paper


@dataclass(frozen=True, slots=True)
class _Remembered:
    """Words of a form as they were drawn: operators, lines, and the typefaces that must be embedded."""

    operators: str
    lines: tuple[str, ...]
    faces: tuple[Typeface, ...]


_REMEMBERED: dict[FontChain, dict[tuple[Box, str, Align, float | None], _Remembered]] = {}


class _Canvas(Canvas):
    _doc: PDFDocument
    _code: list[str]

    def add(self, operators: str) -> None:
        """Operators of a content stream; reportlab's own calls take ten times as long to say the same."""
        self._code.append(operators)

    def font(self, face: Typeface) -> str:
        """The typeface's name on this page, as which it will be embedded."""
        return face.getSubsetInternalName(0, self._doc)

    def codes(self, face: Typeface, text: str) -> str:
        """The text as a hexadecimal string of the typeface's codes."""
        return face.splitString(text, self._doc)[0][1].hex()

    def add_image(self, name: str, image: PDFStream) -> None:
        """Add an image in its own coding; reportlab itself would turn one bit a pixel into eight."""
        self._doc.addForm(name, image)


class Paper:
    """A document in the making; `finish` gives the PDF.

    Every line of text is kept by page in `drawn`, for the proof-reader.
    """

    def __init__(self, title: str, settings: DocumentSettings) -> None:
        self.settings = settings
        self.drawn: list[list[str]] = [[]]
        labels = (*settings.label_fonts, *settings.value_fonts)
        self._values = chain(settings.value_fonts, settings.gaiji_fonts)
        self._labels = chain(labels, settings.gaiji_fonts)
        self._form = chain(labels, settings.gaiji_fonts, lasting=True)
        self._stamps: dict[Bitmap, str] = {}
        self._tilings: dict[Bitmap, str] = {}
        self._fits: dict[tuple[str, float, float, _Type], Fitted] = {}
        self._bytes = io.BytesIO()
        # Without initialFontName every page would refer to a Helvetica that is not embedded.
        self._canvas = _Canvas(
            self._bytes,
            pagesize=PAGE_POINTS,
            pageCompression=1,
            pdfVersion=(1, 7),
            invariant=1,
            initialFontName=self._labels.first.fontName,  # type: ignore[arg-type]  # stub says float
            lang="ja",
        )
        self._canvas.setTitle(title)
        self._canvas.setAuthor("")
        self._canvas.setSubject("")
        self._canvas.setCreator("")
        self._canvas.setProducer("")

    def next_page(self) -> None:
        """End this page; the next drawing begins another."""
        self._canvas.showPage()
        self.drawn.append([])

    def finish(self) -> bytes:
        """The PDF of all pages ended with `next_page`."""
        self.drawn.pop()
        self._canvas.save()
        return self._bytes.getvalue()

    def rule(self, left: float, top: float, right: float, bottom: float, *, heavy: bool = False) -> None:
        """A straight line."""
        width = _HEAVY_POINTS if heavy else _THIN_POINTS
        self._canvas.add(f"{width} w {_x(left):.2f} {_y(top):.2f} m {_x(right):.2f} {_y(bottom):.2f} l S")

    def frame(self, box: Box, *, heavy: bool = False) -> None:
        """The outline of a box."""
        width = _HEAVY_POINTS if heavy else _THIN_POINTS
        across, up = box.width * _POINTS_PER_MM, box.height * _POINTS_PER_MM
        self._canvas.add(f"{width} w {_x(box.left):.2f} {_y(box.bottom):.2f} {across:.2f} {up:.2f} re S")

    def value(
        self,
        box: Box,
        text: str,
        align: Align = Align.LEFT,
        *,
        largest_points: float | None = None,
        most_lines: int = 9,
    ) -> None:
        """Text of the record, as large as fits into the box, in the middle of its height.

        Raises DocumentRefused: GLYPH_MISSING or OVERFLOW.
        """
        largest = self.settings.largest_points if largest_points is None else largest_points
        sizes = (largest, self.settings.smallest_points)
        self._set(box, text, _Type(self._values, sizes, most_lines), align)

    def label(self, box: Box, text: str, align: Align = Align.CENTRE, *, points: float | None = None) -> None:
        """Small text in the typeface of the form. points: the largest size; smaller only if it must be."""
        self._set(box, text, self._small(self._labels, box, text, align, points), align)

    def form_label(
        self, box: Box, text: str, align: Align = Align.CENTRE, *, points: float | None = None
    ) -> None:
        """As `label`, for words of the form itself; the process remembers how they are drawn.

        A line end in the text is one on paper.
        """
        key = (box, text, align, points)
        known = _REMEMBERED.get(self._form, {}).get(key)
        if known is None:
            style = replace(self._small(self._form, box, text, align, points), breaks=True)
            operators, lines = self._text(box, text, style, align)
            faces = tuple(face for line in lines for face, _ in self._form.runs(line))
            known = _Remembered(operators, lines, faces)
            _REMEMBERED.setdefault(self._form, {})[key] = known
        for face in known.faces:
            self._canvas.font(face)
        self.drawn[-1].extend(known.lines)
        self._canvas.add(known.operators)

    def field(
        self,
        box: Box,
        label_width: float,
        label: str,
        value: str,
        align: Align = Align.LEFT,
        *,
        most_lines: int = 9,
        lasting: bool = True,
    ) -> None:
        """A field of a form: a label cell at the left and its value at the right, both framed."""
        label_box = Box(box.left, box.top, label_width, box.height)
        value_box = Box(label_box.right, box.top, box.width - label_width, box.height)
        self.frame(label_box)
        self.frame(value_box)
        (self.form_label if lasting else self.label)(label_box, label)
        self.value(value_box, value, align, most_lines=most_lines)

    def stamp(self, bitmap: Bitmap, box: Box) -> None:
        """Black where the picture has ink, stretched over the box."""
        name = self._stamps.get(bitmap)
        if name is None:
            name = self._stamps[bitmap] = f"stamp{len(self._stamps) + 1}"
            self._canvas.add_image(name, _mask(bitmap))
        self._canvas.saveState()
        self._canvas.translate(_x(box.left), _y(box.bottom))
        self._canvas.scale(box.width * _POINTS_PER_MM, box.height * _POINTS_PER_MM)
        self._canvas.doForm(name)
        self._canvas.restoreState()

    def tiled(self, tile: Bitmap, boxes: tuple[Box, ...], within: Box) -> None:
        """The same picture into each box, cut at an edge; a page that has it again costs next to nothing."""
        name = self._tilings.get(tile)
        if name is None:
            name = self._tilings[tile] = f"tiling{len(self._tilings) + 1}"
            self._canvas.beginForm(name, 0, 0, *PAGE_POINTS)
            edge = self._canvas.beginPath()
            edge.rect(
                _x(within.left),
                _y(within.bottom),
                within.width * _POINTS_PER_MM,
                within.height * _POINTS_PER_MM,
            )
            self._canvas.clipPath(edge, stroke=0, fill=0)
            for box in boxes:
                self.stamp(tile, box)
            self._canvas.endForm()
        self._canvas.doForm(name)

    def clear(self, box: Box) -> None:
        """Paper again, whatever was drawn there."""
        self._canvas.saveState()
        self._canvas.setFillGray(1)
        self._canvas.rect(
            _x(box.left),
            _y(box.bottom),
            box.width * _POINTS_PER_MM,
            box.height * _POINTS_PER_MM,
            stroke=0,
            fill=1,
        )
        self._canvas.restoreState()

    def ink(self, bitmap: Bitmap, box: Box, colour: tuple[float, float, float, float]) -> None:
        """As `stamp`, in cyan, magenta, yellow and black from 0 to 1, over what other inks are there."""
        self._canvas.saveState()
        self._canvas.setFillColorCMYK(*colour)
        self._canvas.setFillOverprint(True)
        self._canvas.setOverprintMask(1)
        self.stamp(bitmap, box)
        self._canvas.restoreState()

    def microtext(self, left: float, top: float, right: float, text: str) -> None:
        """The text again and again in one line of letters that no copier holds. Raises GLYPH_MISSING."""
        room = (right - left) * _POINTS_PER_MM
        widths = accumulate(self._labels.advance(char) * _MICRO_POINTS / 1000 for char in cycle(text + " "))
        fitting = sum(1 for _ in takewhile(lambda used: used <= room, widths))
        line = "".join(islice(cycle(text + " "), fitting))
        self.drawn[-1].append(line)
        base_line = _y(top) - _MICRO_POINTS * ASCENT
        self._draw(line, _x(left), base_line, Fitted((line,), _MICRO_POINTS, 100), self._labels)

    def _small(self, fonts: FontChain, box: Box, text: str, align: Align, points: float | None) -> _Type:
        largest, smallest = _LABEL_POINTS
        sizes = (largest if points is None else points, smallest)
        padding = _LABEL_PADDING_MM if align is Align.CENTRE else 0.0
        if "\n" in text:
            return _Type(fonts, sizes, 2, padding)
        width = (box.width - 2 * padding) * _POINTS_PER_MM
        one_line = fonts.width(text) * _ONE_LINE_POINTS / 1000 <= width
        return _Type(fonts, sizes, 1 if one_line else 2, padding)

    def _set(self, box: Box, text: str, style: _Type, align: Align) -> None:
        suited = style.chain.suited(text)
        if suited is not style.chain:
            style = replace(style, chain=suited)
        operators, lines = self._text(box, text, style, align)
        self.drawn[-1].extend(lines)
        self._canvas.add(operators)

    def _text(self, box: Box, text: str, style: _Type, align: Align) -> tuple[str, tuple[str, ...]]:
        """Operators and lines of text in the middle of a box's height."""
        width = (box.width - 2 * style.padding_mm) * _POINTS_PER_MM
        height = box.height * _POINTS_PER_MM
        fitted = self._fit(text, width, height - 2 * _AIR_MM * _POINTS_PER_MM, style)
        top = _y(box.top) - (height - fitted.height_points) / 2 - _OPTICAL_SHIFT * fitted.points
        left = _x(box.left + style.padding_mm)
        operators = []
        for at, line in enumerate(fitted.lines):
            indent = 0.0
            if align is not Align.LEFT:
                spare = width - style.chain.width(line.rstrip()) * fitted.points / 1000 * fitted.percent / 100
                indent = spare / 2 if align is Align.CENTRE else spare
            base_line = top - fitted.points * (ASCENT + at * LINE_SPACING)
            operators.append(self._line(line, left + indent, base_line, fitted, style.chain))
        return " ".join(operators), fitted.lines

    def _fit(self, text: str, width: float, height: float, style: _Type) -> Fitted:
        """The fit, found once for all sheets and copies that repeat the field."""
        key = (text, width, height, style)
        known = self._fits.get(key)
        if known is None:
            advance, sizes = style.chain.advance, style.sizes_points
            if style.breaks and "\n" in text:
                known = fit_lines(text.split("\n"), width, height, advance, sizes)
            else:
                known = fit(text, width, height, advance, sizes, most_lines=style.most_lines)
            self._fits[key] = known
        return known

    def _draw(self, line: str, x: float, base_line: float, fitted: Fitted, fonts: FontChain) -> None:
        self._canvas.add(self._line(line, x, base_line, fitted, fonts))

    def _line(self, line: str, x: float, base_line: float, fitted: Fitted, fonts: FontChain) -> str:
        narrow = fitted.percent != 100
        runs = " ".join(
            f"{self._canvas.font(face)} {fitted.points:g} Tf <{self._canvas.codes(face, run)}> Tj"
            for face, run in fonts.runs(line)
        )
        scaled = f"{fitted.percent} Tz {runs} 100 Tz" if narrow else runs  # the scale outlives the text
        return f"BT 1 0 0 1 {x:.2f} {base_line:.2f} Tm {scaled} ET"


def _x(left_mm: float) -> float:
    return left_mm * _POINTS_PER_MM


def _y(top_mm: float) -> float:
    return PAGE_POINTS[1] - top_mm * _POINTS_PER_MM


def _mask(bitmap: Bitmap) -> PDFStream:
    dictionary = PDFDictionary(
        {
            "Type": PDFName("XObject"),
            "Subtype": PDFName("Image"),
            "Width": bitmap.width,
            "Height": bitmap.height,
            "BitsPerComponent": 1,
            "ImageMask": "true",
            "Decode": PDFArray([0, 1]),
            "Interpolate": "false",
        }
    )
    return PDFStream(dictionary=dictionary, content=bitmap.rows, filters=[PDFZCompress])
