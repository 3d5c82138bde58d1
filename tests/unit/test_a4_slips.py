"""Slips on the A4 printer: as certain as a certificate, whatever their process does."""

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import msgspec
import pytest
from pypdf import PdfReader

from firmware.compose import a4_slips
from firmware.compose.a4_slips import NOT_SUBMITTED, A4SlipPrinter
from firmware.core.facts import DocumentPrinterLevel, Level, ReceiptPrinterLevel
from firmware.core.terms import Certainty, PrinterReason
from firmware.documents.settings import DocumentSettings
from firmware.documents.slip_page import slip_pdf
from firmware.logbook import EventId, FieldValue
from firmware.ports import DocumentPrinter, PrintProgress, PrintResult, SlipLine

LINES = (SlipLine("領収証書", scale=2, centred=True), SlipLine("合計", right="300円"))
JAMMED = DocumentPrinterLevel(frozenset({PrinterReason.MEDIA_JAM}))
LEAVING = DocumentPrinterLevel(frozenset({PrinterReason.JOBS_WAITING}))
READY = DocumentPrinterLevel(frozenset())


@dataclass
class Printer:
    """levels: what it says one time after the other, the last one for ever."""

    levels: list[DocumentPrinterLevel] = field(default_factory=lambda: [READY])
    outcome: Certainty = Certainty.DONE
    expected: list[str] = field(default_factory=list)
    followed: list[tuple[str, int, int]] = field(default_factory=list)
    purged: list[str] = field(default_factory=list)
    in_visit: bool | None = None

    async def refresh(self) -> DocumentPrinterLevel:
        return self.levels.pop(0) if len(self.levels) > 1 else self.levels[0]

    async def expect(self, job_name: str) -> None:
        self.expected.append(job_name)

    async def purge(self, job_name: str) -> bool:
        self.purged.append(job_name)
        return True

    async def follow(
        self,
        job_name: str,
        pages: int,
        _progress: Callable[[PrintProgress], None],
        *,
        sheets: int = 0,
        in_visit: bool = True,
    ) -> PrintResult:
        self.followed.append((job_name, pages, sheets))
        self.in_visit = in_visit
        return PrintResult(self.outcome, pages)


def slips(printer: Printer, process: str, *, seconds: float = 20.0) -> A4SlipPrinter:
    def log(_event: EventId, /, **_fields: FieldValue) -> None:
        """Nobody reads it here."""

    command = (sys.executable, "-c", process)
    return A4SlipPrinter(cast("DocumentPrinter", printer), log, command=command, submit_seconds=seconds)


async def test_a_slip_is_handed_over_under_an_opaque_name_and_followed() -> None:
    printer = Printer()
    took = "import sys, json; assert json.load(sys.stdin)[1]['right'] == '300円'; print(1)"

    assert Certainty.DONE == await slips(printer, took).print_slip(LINES)
    [(name, pages, sheets)] = printer.followed
    assert ([name], 1, 1) == (printer.expected, pages, sheets)
    assert name.startswith("slip-")
    assert len(name) == len("slip-") + 16


@pytest.mark.parametrize(
    ("process", "seconds"),
    [("import time; time.sleep(60)", 0.5), ("raise SystemExit(1)", 20.0), ("print('two')", 20.0)],
)
async def test_a_process_that_hangs_or_dies_leaves_the_answer_to_the_printer(
    process: str, seconds: float
) -> None:
    printer = Printer(outcome=Certainty.UNKNOWN)

    assert Certainty.UNKNOWN == await slips(printer, process, seconds=seconds).print_slip(LINES)
    assert 1 == len(printer.followed)


async def test_a_slip_that_was_surely_not_handed_over_is_not_done() -> None:
    printer = Printer()

    assert Certainty.NOT_DONE == await slips(printer, f"raise SystemExit({NOT_SUBMITTED})").print_slip(LINES)
    assert ([], printer.expected) == (printer.followed, printer.purged)


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        ([JAMMED], Certainty.NOT_DONE),
        ([LEAVING, LEAVING, READY], Certainty.DONE),  # the certificate is just out
        ([LEAVING, JAMMED], Certainty.NOT_DONE),
        ([LEAVING], Certainty.NOT_DONE),  # and never goes
    ],
)
async def test_a_slip_waits_only_for_a_job_on_its_way_out(
    monkeypatch: pytest.MonkeyPatch, levels: list[DocumentPrinterLevel], expected: Certainty
) -> None:
    monkeypatch.setattr(a4_slips, "FREE_SECONDS", 0.05)
    monkeypatch.setattr(a4_slips, "LOOK_SECONDS", 0.01)

    assert expected == await slips(Printer(levels), "print(1)").print_slip(LINES)


def test_it_is_ready_because_the_printer_itself_says_when_it_is_not() -> None:
    seen: list[Level] = []
    slips(Printer(), "").start(seen.append)

    assert [ReceiptPrinterLevel(ready=True)] == seen


def test_the_lines_come_back_from_json_as_they_were() -> None:
    assert list(LINES) == msgspec.json.decode(msgspec.json.encode(list(LINES)), type=list[SlipLine])


def test_every_line_of_a_long_slip_stands_on_a_page() -> None:
    lines = [SlipLine(f"行{number}", right=f"{number}円") for number in range(100)]
    pdf, pages = slip_pdf(lines, DocumentSettings())
    read = ["".join(page.extract_text().split()) for page in PdfReader(io.BytesIO(pdf)).pages]

    assert (pages, 3) == (len(read), pages)
    assert all(f"行{number}" in "".join(read) and f"{number}円" in "".join(read) for number in range(100))
    assert slip_pdf(LINES, DocumentSettings())[1] == 1
