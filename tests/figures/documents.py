"""Rows of the documents: time, memory and size of each certificate, beside reportlab as it comes."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from tests.figures.render import Drawn
from tests.figures.rows import QUICK, Effort, MeasureError, Row, median

KINDS = ("juminhyo", "inkan", "shotoku")
RENDER_SECONDS = 60.0


def rows(effort: Effort) -> Iterator[Row]:
    """Five persons on two sheets, one seal certificate, one tax certificate; a fresh process for each.

    first: fonts opened and all, which is what a visit waits for; again: the same once more.
    """
    _both(KINDS[0], QUICK)  # so that the first one does not pay for reading programs and fonts from disk
    for kind in KINDS:
        ours, stock = _both(kind, effort)
        name = f"document.{kind}"
        characters = sum(len(line) for page in ours.lines for line in page)
        peer = f"stock reportlab and TTFont, the same {characters} characters"
        yield Row.beside(f"{name}.render-first", ours.first_ms, "ms", peer, stock.first_ms)
        yield Row.beside(
            f"{name}.render-again",
            median(name, ours.again_ms),
            "ms",
            peer,
            median(name, stock.again_ms),
        )
        yield Row.beside(f"{name}.peak-memory", ours.peak_mb, "MB", peer, stock.peak_mb)
        yield Row.beside(f"{name}.pdf", ours.pdf_bytes, "bytes", peer, stock.pdf_bytes)
        yield Row.beside(
            f"{name}.read-back", ours.proof_ms, "ms", "drawing it again", median(name, ours.again_ms)
        )


def _both(kind: str, effort: Effort) -> tuple[Drawn, Drawn]:
    """By the kiosk and by reportlab as it comes, each in as many fresh processes as the effort says."""
    repetitions = str(effort.repetitions)
    ours = [_drawn("kiosk", kind, repetitions) for _ in range(effort.starts)]
    text = json.dumps(ours[0].lines)
    stock = [_drawn("stock", repetitions, text=text) for _ in range(effort.starts)]
    return _middle(ours), _middle(stock)


def _middle(drawn: Sequence[Drawn]) -> Drawn:
    """The process whose first drawing took the middle time."""
    return sorted(drawn, key=lambda each: each.first_ms)[len(drawn) // 2]


def _drawn(*arguments: str, text: str | None = None) -> Drawn:
    command = (sys.executable, "-m", "tests.figures.render", *arguments)
    done = subprocess.run(
        command, input=text, capture_output=True, text=True, timeout=RENDER_SECONDS, check=False
    )
    if done.returncode:
        raise MeasureError(f"drawing {' '.join(arguments)}: {done.stderr.strip().splitlines()[-1:]}")
    told: dict[str, Any] = json.loads(done.stdout)
    return Drawn(**told)
