"""Draw the same front page of a certificate by the kiosk or by a peer, in a process of its own.

    python -m tests.figures.page kiosk REPETITIONS
    python -m tests.figures.page fpdf2|weasyprint|typst|reportlab REPETITIONS < OPERATIONS

kiosk: 住民票の写し of a family of four with variants in their names, opened contents to PDF; what it draws is
told as a list of operations, each text with its place, size and width of letters, each frame and each seal.
A peer draws these operations, in the same typefaces. Printed: one JSON object, see `Page`.
"""

import base64
import html
import io
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.figures.render import peak_mb, timed

MINCHO = Path("/usr/share/fonts/truetype/ipamj/ipamjm.ttf")
GOTHIC = Path("/usr/share/fonts/opentype/ipaexfont-gothic/ipaexg.ttf")
WIDTH, HEIGHT = 595.2, 841.92
ASCENT = 0.88

Operation = list[Any]
"""["text", x, base line, points, percent, "mincho" or "gothic", words], ["frame", x, y, width, height, line],
["line", x, y, x, y, line] or ["seal", x, y, width, height]; points from the lower left corner."""


Draw = Callable[[int], bytes]
"""Draws the certificate of this number."""


@dataclass(frozen=True, slots=True)
class Page:
    """first_ms: with the fonts opened; again_ms: each later time; operations: by page, of the kiosk alone."""

    first_ms: float
    again_ms: list[float]
    peak_mb: float
    pdf_bytes: int
    operations: list[list[Operation]]


def main() -> None:
    """Draw and tell."""
    maker, repetitions = sys.argv[1:]
    operations: list[list[Operation]] = []
    if maker == "kiosk":
        draw, operations = _kiosk()
    else:
        draw = {"fpdf2": _fpdf2, "weasyprint": _weasyprint, "typst": _typst, "reportlab": _reportlab}[maker](
            json.load(sys.stdin)
        )
    first_ms, made = timed(lambda: draw(0))
    again_ms = [timed(lambda: draw(number))[0] for number in range(1, int(repetitions) + 1)]  # noqa: B023
    json.dump(asdict(Page(first_ms, again_ms, peak_mb(), len(made), operations)), sys.stdout)


def _varied(pages: list[list[Operation]], number: int) -> list[list[Operation]]:
    """The values turned by so many characters: no two certificates are alike, and nothing is to be cached."""
    return [[_turned(each, number) for each in page] for page in pages]


def _turned(operation: Operation, number: int) -> Operation:
    if operation[0] != "text" or operation[5] != "mincho":
        return operation
    words = operation[6]
    at = number % len(words)
    return [*operation[:6], words[at:] + words[:at]]


def _kiosk() -> tuple[Draw, list[list[Operation]]]:
    from firmware.documents.certificate import render_front
    from firmware.documents.settings import DocumentSettings
    from firmware.documents.sheet import Place
    from firmware.documents.specimen import check_forms
    from tests.pages import samples

    document = samples.household_with_variants()
    opened, seal = samples.opened("juminhyo", document), samples.city_seal()
    settings, place = DocumentSettings(), Place(1, 1)
    operations = _recorded(lambda: render_front(opened, seal, settings, place))
    check_forms(settings)  # as the worker does while the resident reads the screen
    entries = [
        samples.opened("juminhyo", document, number=f"{samples.NUMBER}{number}") for number in range(10)
    ]
    return lambda number: render_front(entries[number % 10], seal, settings, place).pdf, operations


def _recorded(draw: Callable[[], object]) -> list[list[Operation]]:
    """What a drawing consists of, listened to where the pages are made."""
    from firmware.documents import paper as module
    from firmware.documents.paper import Paper

    pages: list[list[Operation]] = [[]]
    line, frame, rule, stamp, next_page = Paper._line, Paper.frame, Paper.rule, Paper.stamp, Paper.next_page
    scale = 72 / 25.4

    def listen_line(self: Any, words: str, *how: Any) -> str:
        x, base_line, fitted, fonts = how
        face = "mincho" if "ipamj" in fonts.first.fontName else "gothic"
        pages[-1].append(["text", x, base_line, fitted.points, fitted.percent, face, words])
        return line(self, words, *how)

    def listen_frame(self: Any, box: Any, *, heavy: bool = False) -> None:
        place = [box.left * scale, HEIGHT - box.bottom * scale, box.width * scale, box.height * scale]
        pages[-1].append(["frame", *place, 0.96 if heavy else 0.36])
        frame(self, box, heavy=heavy)

    def listen_rule(
        self: Any, left: float, top: float, right: float, bottom: float, *, heavy: bool = False
    ) -> None:
        ends = [left * scale, HEIGHT - top * scale, right * scale, HEIGHT - bottom * scale]
        pages[-1].append(["line", *ends, 0.96 if heavy else 0.36])
        rule(self, left, top, right, bottom, heavy=heavy)

    def listen_stamp(self: Any, bitmap: Any, box: Any) -> None:
        place = [box.left * scale, HEIGHT - box.bottom * scale, box.width * scale, box.height * scale]
        pages[-1].append(["seal", *place])
        stamp(self, bitmap, box)

    def listen_next(self: Any) -> None:
        pages.append([])
        next_page(self)

    with (
        patch.object(Paper, "_line", listen_line),
        patch.object(Paper, "frame", listen_frame),
        patch.object(Paper, "rule", listen_rule),
        patch.object(Paper, "stamp", listen_stamp),
        patch.object(Paper, "next_page", listen_next),
    ):
        draw()
    module._REMEMBERED.clear()
    return pages[:-1]


def _reportlab(pages: list[list[Operation]]) -> Draw:
    from reportlab.lib.utils import ImageReader
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont
    from reportlab.pdfgen.canvas import Canvas

    def draw(number: int) -> bytes:
        for name, path in (("mincho", MINCHO), ("gothic", GOTHIC)):
            if name not in pdfmetrics.getRegisteredFontNames():
                pdfmetrics.registerFont(TTFont(name, path))
        pdf = io.BytesIO()
        canvas = Canvas(pdf, pagesize=(WIDTH, HEIGHT), pageCompression=1)
        seal = ImageReader(io.BytesIO(_seal_png()))
        for operations in _varied(pages, number):
            for kind, *rest in operations:
                match kind:
                    case "text":
                        x, base_line, points, percent, face, words = rest
                        text = canvas.beginText(x, base_line)
                        text.setFont(face, points)
                        text.setHorizScale(percent)
                        text.textOut(words)
                        canvas.drawText(text)
                    case "frame":
                        canvas.setLineWidth(rest[4])
                        canvas.rect(*rest[:4])
                    case "line":
                        canvas.setLineWidth(rest[4])
                        canvas.line(*rest[:4])
                    case "seal":
                        canvas.drawImage(seal, *rest)
            canvas.showPage()
        canvas.save()
        return pdf.getvalue()

    return draw


def _fpdf2(pages: list[list[Operation]]) -> Draw:
    from fpdf import FPDF

    def draw(number: int) -> bytes:
        pdf = FPDF(unit="pt", format=(WIDTH, HEIGHT))
        pdf.add_font("mincho", fname=MINCHO)
        pdf.add_font("gothic", fname=GOTHIC)
        for operations in _varied(pages, number):
            pdf.add_page()
            for kind, *rest in operations:
                match kind:
                    case "text":
                        x, base_line, points, percent, face, words = rest
                        pdf.set_font(face, size=points)
                        pdf.set_stretching(percent)
                        pdf.text(x, HEIGHT - base_line, words)
                    case "frame":
                        x, y, width, height, weight = rest
                        pdf.set_line_width(weight)
                        pdf.rect(x, HEIGHT - y - height, width, height)
                    case "line":
                        pdf.set_line_width(rest[4])
                        pdf.line(rest[0], HEIGHT - rest[1], rest[2], HEIGHT - rest[3])
                    case "seal":
                        x, y, width, height = rest
                        pdf.image(io.BytesIO(_seal_png()), x, HEIGHT - y - height, width, height)
        return bytes(pdf.output())

    return draw


def _weasyprint(pages: list[list[Operation]]) -> Draw:
    from weasyprint import CSS, HTML
    from weasyprint.text.fonts import FontConfiguration

    faces = "".join(
        f"@font-face {{font-family: {name}; src: url('file://{path}')}}"
        for name, path in (("mincho", MINCHO), ("gothic", GOTHIC))
    )
    style = faces + (
        f"@page {{size: {WIDTH}pt {HEIGHT}pt; margin: 0}} "
        f"section {{position: relative; width: {WIDTH}pt; height: {HEIGHT}pt; page-break-after: always}} "
        "section > * {position: absolute; white-space: pre; line-height: 1; transform-origin: left}"
    )
    seal = base64.b64encode(_seal_png()).decode()
    fonts = FontConfiguration()

    def element(kind: str, *rest: Any) -> str:
        if kind == "text":
            x, base_line, points, percent, face, words = rest
            top = HEIGHT - base_line - ASCENT * points
            return (
                f'<span style="left:{x}pt;top:{top}pt;font:{points}pt {face};'
                f'transform:scaleX({percent / 100})">{html.escape(words)}</span>'
            )
        x, y, width, height = rest[:4]
        if kind == "seal":
            box = f"left:{x}pt;top:{HEIGHT - y - height}pt;width:{width}pt;height:{height}pt"
            return f'<img src="data:image/png;base64,{seal}" style="{box}">'
        if kind == "line":
            y, width, height = min(y, height), abs(width - x), abs(height - y)
        box = f"left:{x}pt;top:{HEIGHT - y - height}pt;width:{width}pt;height:{height}pt"
        return f'<div style="{box};border:{rest[4]}pt solid"></div>'

    def draw(number: int) -> bytes:
        body = "".join(
            f"<section>{''.join(element(*each) for each in page)}</section>"
            for page in _varied(pages, number)
        )
        css = CSS(string=style, font_config=fonts)
        return bytes(HTML(string=body).write_pdf(stylesheets=[css], font_config=fonts))

    return draw


def _typst(pages: list[list[Operation]]) -> Draw:
    import typst

    folder = Path(tempfile.mkdtemp(prefix="page-"))
    (folder / "seal.png").write_bytes(_seal_png())
    families = {"mincho": "IPAmjMincho", "gothic": "IPAexGothic"}

    def element(kind: str, *rest: Any) -> str:
        if kind == "text":
            x, base_line, points, percent, face, words = rest
            said = json.dumps(words, ensure_ascii=False)
            text = f'#text(font: "{families[face]}", size: {points}pt, {said})'
            if percent != 100:
                text = f"#scale(x: {percent}%, origin: left, reflow: false)[{text}]"
            return f"#place(dx: {x}pt, dy: {HEIGHT - base_line}pt)[{text}]"
        if kind == "line":
            ends = f"start: ({rest[0]}pt, {HEIGHT - rest[1]}pt), end: ({rest[2]}pt, {HEIGHT - rest[3]}pt)"
            return f"#place(line({ends}, stroke: {rest[4]}pt))"
        x, y, width, height = rest[:4]
        size = f"width: {width}pt, height: {height}pt"
        what = f'image("seal.png", {size})' if kind == "seal" else f"rect({size}, stroke: {rest[4]}pt)"
        return f"#place(dx: {x}pt, dy: {HEIGHT - y - height}pt, {what})"

    head = (
        f"#set page(width: {WIDTH}pt, height: {HEIGHT}pt, margin: 0pt)\n"
        '#set text(top-edge: "baseline", bottom-edge: "baseline")\n'
    )
    compilers: list[Any] = []

    def draw(number: int) -> bytes:
        source = head + "\n#pagebreak()\n".join(
            "\n".join(element(*each) for each in page) for page in _varied(pages, number)
        )
        (folder / "page.typ").write_text(source, encoding="utf-8")
        if not compilers:
            fonts = [str(path.parent) for path in (MINCHO, GOTHIC)]
            compilers.append(
                typst.Compiler(str(folder / "page.typ"), font_paths=fonts, ignore_system_fonts=True)
            )
        return bytes(compilers[0].compile(format="pdf"))

    return draw


def _seal_png() -> bytes:
    from tests.pages.samples import png

    return png(567)


if __name__ == "__main__":
    main()
