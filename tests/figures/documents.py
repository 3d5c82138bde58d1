"""Rows of the documents: time, memory and size of each certificate, beside reportlab as it comes."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from tests.figures.page import Page
from tests.figures.render import Drawn
from tests.figures.rows import QUICK, Effort, MeasureError, Row, median

KINDS = ("juminhyo", "inkan", "shotoku")
PEERS = ("reportlab", "typst", "weasyprint", "fpdf2")
RENDER_SECONDS = 120.0


def rows(effort: Effort) -> Iterator[Row]:
    """Five persons on two sheets, one seal certificate, one tax certificate; a fresh process for each.

    first: what a visit waits for, fonts and forms ready as the worker has them; again: the same once more.
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


def page_rows(effort: Effort) -> Iterator[Row]:
    """The front of one certificate, operation by operation the same, by us and by each peer.

    scripts/bench installs the peers; one that is not there is said to be missing.
    """
    _page("kiosk", QUICK)
    ours = _page("kiosk", effort)
    operations = json.dumps(ours.operations)
    count = sum(map(len, ours.operations))
    again_ms = median("document.page", ours.again_ms)
    for peer in PEERS:
        if importlib.util.find_spec(peer if peer != "fpdf2" else "fpdf") is None:
            print(f"bench: {peer} is not installed and not measured beside")
            continue
        theirs = _page(peer, effort, operations)
        name, beside = f"document.page.%s.beside-{peer}", f"{peer}, the same {count} operations"
        theirs_again_ms = median(peer, theirs.again_ms)
        yield Row.beside(name % "first", ours.first_ms, "ms", beside, theirs.first_ms)
        yield Row.beside(name % "again", again_ms, "ms", beside, theirs_again_ms)
        yield Row.beside(name % "best", min(ours.again_ms), "ms", beside, min(theirs.again_ms))
        yield Row.beside(name % "peak-memory", ours.peak_mb, "MB", beside, theirs.peak_mb)
        yield Row.beside(name % "pdf", ours.pdf_bytes, "bytes", beside, theirs.pdf_bytes)


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


def _page(maker: str, effort: Effort, operations: str | None = None) -> Page:
    """The middle one of as many fresh processes as the effort says."""
    command = (sys.executable, "-m", "tests.figures.page", maker, str(effort.repetitions))
    pages = []
    for _ in range(effort.starts):
        done = subprocess.run(
            command, input=operations, capture_output=True, text=True, timeout=RENDER_SECONDS, check=False
        )
        if done.returncode:
            raise MeasureError(f"drawing the page by {maker}: {done.stderr.strip().splitlines()[-1:]}")
        told: dict[str, Any] = json.loads(done.stdout)
        pages.append(Page(**told))
    return sorted(pages, key=lambda page: page.first_ms)[len(pages) // 2]
