"""Draw one certificate in a process of its own, so that its memory can be told.

    python -m tests.figures.render kiosk KIND REPETITIONS
    python -m tests.figures.render stock REPETITIONS < LINES

kiosk: a certificate of this kind by the kiosk's own layout, opened contents to PDF. stock: reportlab as it
comes, with its TTFont and the same typeface, draws the same lines of text and a seal a sheet, without frames
and fitting. Printed: one JSON object, see `Drawn`; LINES is its `lines`.
"""

import io
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

FONT = Path("/usr/share/fonts/truetype/ipamj/ipamjm.ttf")


@dataclass(frozen=True, slots=True)
class Drawn:
    """first_ms: with the fonts opened; again_ms: each later time; proof_ms: reading it back, or 0.

    peak_mb: most memory the process ever had. lines: text as drawn, by page.
    """

    first_ms: float
    again_ms: list[float]
    proof_ms: float
    peak_mb: float
    pdf_bytes: int
    lines: list[list[str]]


def main() -> None:
    """Draw and tell."""
    maker, *arguments = sys.argv[1:]
    drawn = _kiosk(*arguments) if maker == "kiosk" else _stock(*arguments)
    json.dump(asdict(drawn), sys.stdout)


def _kiosk(kind: str, repetitions: str) -> Drawn:
    from firmware.documents.certificate import render
    from firmware.documents.proof import proofread
    from firmware.documents.protection.pages import make_ready
    from firmware.documents.settings import DocumentSettings
    from firmware.documents.specimen import check_forms
    from tests.pages import samples

    documents = {
        "juminhyo": samples.juminhyo([samples.person()] * 5),
        "inkan": samples.inkan(),
        "shotoku": samples.shotoku(),
    }
    opened, seal = samples.opened(kind, documents[kind]), samples.city_seal()
    settings = DocumentSettings()
    check_forms(settings)  # as the worker does while the resident reads the screen
    make_ready(settings)
    first_ms, certificate = timed(lambda: render(opened, seal, settings))
    most_mb = peak_mb()
    again_ms = [timed(lambda: render(opened, seal, settings))[0] for _ in range(int(repetitions))]
    proof_ms, _ = timed(lambda: proofread(certificate))
    lines = [list(page) for page in certificate.lines]
    return Drawn(first_ms, again_ms, proof_ms, most_mb, len(certificate.pdf), lines)


def _stock(repetitions: str) -> Drawn:
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.utils import ImageReader
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont
    from reportlab.pdfgen.canvas import Canvas

    lines: list[list[str]] = json.load(sys.stdin)
    seal = ImageReader(io.BytesIO(_seal_png()))

    def draw() -> bytes:
        if FONT.stem not in pdfmetrics.getRegisteredFontNames():
            pdfmetrics.registerFont(TTFont(FONT.stem, FONT))
        pdf = io.BytesIO()
        canvas = Canvas(pdf, pagesize=A4, pageCompression=1)
        for number, page in enumerate(lines):
            canvas.setFont(FONT.stem, 8)
            for row, line in enumerate(page):
                canvas.drawString(40, 800 - 6 * row, line)
            if number % 2 == 0:
                canvas.drawImage(seal, 460, 40, 68, 68)
            canvas.showPage()
        canvas.save()
        return pdf.getvalue()

    first_ms, made = timed(draw)
    most_mb = peak_mb()
    again_ms = [timed(draw)[0] for _ in range(int(repetitions))]
    return Drawn(first_ms, again_ms, 0.0, most_mb, len(made), lines)


def _seal_png() -> bytes:
    from PIL import Image, ImageDraw

    image = Image.new("1", (567, 567), 1)
    ImageDraw.Draw(image).ellipse((8, 8, 558, 558), outline=0, width=12)
    png = io.BytesIO()
    image.save(png, "PNG")
    return png.getvalue()


def timed(draw: Callable[[], T]) -> tuple[float, T]:
    began = time.perf_counter()
    made = draw()
    return (time.perf_counter() - began) * 1000, made


def peak_mb() -> float:
    """From the process's own pages: ru_maxrss would begin with those of whoever started it."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("the kernel does not tell VmHWM")


if __name__ == "__main__":
    main()
