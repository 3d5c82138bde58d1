"""How well the scramble image is read: printed, used and scanned by simulation, every scan by its seed.

    python -m tests.figures.scramble [--scans 1000] [--damage ordinary heavy] [--dpi 300] [--bytes 1000]
        [--page]

The whole run of the goal: 1,000 scans of ordinary and as many of heavy damage at 300 dpi. A row counts the
scans read, those not read, and those read wrongly, of which there must be none; times are of the reader.
--page: whole backs from the worker's own PDF, けん制文字 and all, instead of rasters on white paper.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pypdfium2
from numpy.typing import NDArray

from firmware.documents.certificate import render, render_front
from firmware.documents.protection.reread import reread_backs
from firmware.documents.scramble import raster, reader
from firmware.documents.scramble.errors import Unreadable
from firmware.documents.settings import DocumentSettings
from firmware.documents.sheet import Place
from firmware.documents.verification.scans import rasterised
from tests.figures.rows import Effort, MeasureError, Row, median, percentile
from tests.pages import samples
from tests.simulators import print_scan

DAMAGES = {
    "ordinary": print_scan.ordinary,
    "heavy": print_scan.heavy,
    "photograph": print_scan.photograph,
}


@dataclass(frozen=True, slots=True)
class Reading:
    """One run of scans. unread: their seeds; cpu_ms: time on the processor, the same on a busy machine."""

    damage: str
    dpi: int
    payload_bytes: int
    scans: int
    read: int
    wrong: int
    unread: tuple[int, ...]
    median_ms: float
    p99_ms: float
    slowest_ms: float
    median_cpu_ms: float


@dataclass(frozen=True, slots=True)
class Back:
    """A whole back as the worker made it, 600 dpi, and the message on it."""

    page: NDArray[np.uint8]
    message: bytes


def whole_back() -> Back:
    """Of a 住民票の写し of four persons."""
    opened = samples.opened("juminhyo", samples.juminhyo([samples.person()] * 4))
    made = render(opened, samples.city_seal(), DocumentSettings())
    if made.backs is None:
        raise MeasureError("scramble: a certificate without backs")
    with pypdfium2.PdfDocument(made.pdf) as document:
        return Back(rasterised(document[1], 600), made.backs.messages[0])


def reading(
    damage: str, dpi: int, payload_bytes: int, seeds: Sequence[int], back: Back | None = None
) -> Reading:
    """Print, damage, scan and read one raster for every seed, or the same back again and again."""
    wrong, unread, wall_ms, cpu_ms = 0, [], [], []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        body = rng.bytes(payload_bytes) if back is None else back.message
        wear = DAMAGES[damage](rng, dpi)
        if back is None:
            picture = print_scan.scan(raster.draw(body), wear, rng)
        else:
            picture = print_scan.scan_page(back.page, wear, rng)
        began, began_cpu = time.perf_counter(), time.process_time()
        try:
            wrong += reader.read(picture) != body
        except Unreadable:
            unread.append(seed)
        wall_ms.append((time.perf_counter() - began) * 1000)
        cpu_ms.append((time.process_time() - began_cpu) * 1000)
    name = f"scramble.{damage}"
    return Reading(
        damage,
        dpi,
        payload_bytes,
        len(seeds),
        len(seeds) - len(unread) - wrong,
        wrong,
        tuple(unread),
        round(median(name, wall_ms)),
        round(percentile(name, wall_ms, 99)),
        round(max(wall_ms)),
        round(median(name, cpu_ms)),
    )


def rows(effort: Effort) -> Iterator[Row]:
    """A few scans of each damage at 300 dpi, and what a back costs a visit, for the table of all figures."""
    yield from _cost_of_a_back(effort)
    scans = 4 * effort.repetitions
    for damage in ("ordinary", "heavy"):
        told = reading(damage, 300, 1000, range(scans))
        name = f"scramble.{damage}-300dpi"
        yield Row.beside(f"{name}.read", told.read, "scans", "of", scans)
        yield Row.beside(f"{name}.time", told.median_ms, "ms", "goal", 1000.0)


def _cost_of_a_back(effort: Effort) -> Iterator[Row]:
    """Drawing a certificate of one sheet, its protection with it, and reading its back again."""
    opened = samples.opened("juminhyo", samples.juminhyo([samples.person()] * 4))
    seal, settings = samples.city_seal(), DocumentSettings()
    made = render(opened, seal, settings)  # fonts and ground are ready before a visit needs them
    drawing_ms, front_ms, reading_ms = [], [], []
    for _ in range(effort.repetitions):
        drawing_ms.append(_timed(lambda: render(opened, seal, settings)))
        front_ms.append(_timed(lambda: render_front(opened, seal, settings, Place(1, 1))))
        reading_ms.append(_timed(lambda: reread_backs(made)))
    peer = median("scramble.back.draw", front_ms)
    yield Row.beside(
        "scramble.back.draw", median("draw", drawing_ms), "ms", "the front alone, unprotected", peer
    )
    yield Row.beside(
        "scramble.back.read-again",
        median("read", reading_ms),
        "ms",
        "drawing both sides",
        median("draw", drawing_ms),
    )


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def main() -> None:
    """The whole run, a row as soon as it is measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scans", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--damage", nargs="+", choices=sorted(DAMAGES), default=["ordinary", "heavy"])
    parser.add_argument("--dpi", nargs="+", type=int, default=[300])
    parser.add_argument("--bytes", nargs="+", type=int, default=[1000])
    parser.add_argument("--page", action="store_true", help="whole backs instead of rasters")
    parser.add_argument("--json", type=Path)
    wanted = parser.parse_args()
    seeds = range(wanted.first, wanted.first + wanted.scans)
    told = []
    back = whole_back() if wanted.page else None
    for payload_bytes in [len(back.message)] if back is not None else wanted.bytes:
        for dpi in wanted.dpi:
            for damage in wanted.damage:
                told.append(reading(damage, dpi, payload_bytes, seeds, back))
                print(json.dumps(asdict(told[-1])), flush=True)
    if wanted.json is not None:
        wanted.json.write_text(json.dumps([asdict(each) for each in told], indent=2) + "\n", encoding="utf-8")
    sys.exit(any(each.wrong for each in told))


if __name__ == "__main__":
    main()
