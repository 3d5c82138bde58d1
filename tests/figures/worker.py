"""Rows of the document worker: the kiosk's own command, alone, with the world's print queue."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from firmware.core.terms import CertificateKind, OrderId, Subjects
from firmware.documents.worker_client import WorkerProcess
from firmware.logbook import EventId, FieldValue
from firmware.ports import OrderRequest
from tests.figures.processes import BarePython, peak_mb
from tests.figures.rows import Effort, MeasureError, Row, median
from tests.pages import samples
from tests.pages.sealing import KIOSK, ORDER, PERSON, SESSION, sealed_authority, sealed_contents

REQUEST = OrderRequest(OrderId(ORDER), CertificateKind.JUMINHYO, Subjects.HOUSEHOLD, frozenset(), 1)
LIMIT_SECONDS = 30.0


@dataclass(slots=True)
class _Laps:
    start_ms: list[float] = field(default_factory=list)
    prepare_ms: list[float] = field(default_factory=list)
    print_ms: list[float] = field(default_factory=list)
    peak_mb: list[float] = field(default_factory=list)


async def rows(
    command: tuple[str, ...], effort: Effort, bare: BarePython, limits: Mapping[str, float]
) -> tuple[Row, ...]:
    """A certificate of five persons on two sheets; prepare follows the start at once, print at once too.

    prepare: open, lay out, draw, read back (with what of reportlab is not loaded yet); print: draw again with
    the city's seal, read back, hand over to cupsd. bare: measured in the same run.
    limits: section [documents] of kiosk.toml.
    """
    laps = _Laps()
    for number in range(effort.repetitions):
        await _one(command, f"bench-{number}", laps)
    whole = median("worker.prepare", laps.prepare_ms)
    return (
        Row.beside(
            "worker.start-to-key", median("start", laps.start_ms), "ms", "python -c pass", bare.start_ms
        ),
        Row.beside("worker.prepare", whole, "ms", "its limit", limits["prepare_seconds"] * 1000),
        Row.beside(
            "worker.print-to-handed-over", median("print", laps.print_ms), "ms", "worker.prepare", whole
        ),
        Row.beside("worker.peak-memory", max(laps.peak_mb), "MB", "python -c pass", bare.peak_mb),
    )


async def _one(command: tuple[str, ...], job_name: str, laps: _Laps) -> None:
    worker = WorkerProcess(
        command=command,
        log=_no_log,
        kiosk=KIOSK,
        start_seconds=LIMIT_SECONDS,
        prepare_seconds=LIMIT_SECONDS,
        print_seconds=LIMIT_SECONDS,
    )
    try:
        began = time.perf_counter()
        key = await worker.start()
        laps.start_ms.append(_since(began))
        document = samples.juminhyo([samples.person()] * 5)
        contents = sealed_contents(key, "juminhyo", document, kiosk=KIOSK)
        authority = sealed_authority(key)
        began = time.perf_counter()
        await worker.prepare(contents, REQUEST, SESSION, PERSON)
        laps.prepare_ms.append(_since(began))
        began = time.perf_counter()
        await worker.print(authority, job_name)
        laps.print_ms.append(_since(began))
        laps.peak_mb.append(_peak_mb())
    finally:
        await worker.end()


def _since(began: float) -> float:
    return (time.perf_counter() - began) * 1000


def _peak_mb() -> float:
    """Of the one worker that runs; the kernel shows this also of a process that hides its memory."""
    workers = [child for child in psutil.Process().children() if "document-worker" in child.cmdline()]
    if len(workers) != 1:
        raise MeasureError(f"worker.peak-memory: {len(workers)} workers run")
    return peak_mb(workers[0].pid)


def _no_log(_event: EventId, /, **_fields: FieldValue) -> None:
    """The figures are all that is told."""


def command(python: str, config: Path) -> tuple[str, ...]:
    """As the kiosk starts it."""
    return (python, "-m", "firmware", "document-worker", "--config", str(config))
