"""The A4 printer behind a real cupsd and a real IPP printer: what it says against what came out."""

import asyncio
import contextlib
import functools
import io
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import cups
import pytest
import pytest_asyncio
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from firmware.core.facts import DocumentPrinterLevel, Level
from firmware.core.terms import Certainty, PrinterReason, PrinterSupply
from firmware.errors import PrintNotSubmitted
from firmware.logbook import EventId, FieldValue, line
from firmware.ports import PrintProgress, PrintResult
from hw.printer.exit_sensor import ExitSensor
from hw.printer.ipp import IppDocumentPrinter
from hw.printer.ipp_partner import IppPartner, JobState
from hw.printer.queue import A4_DUPLEX, blank, submit
from tests.erasure import in_files, in_memory
from tests.simulators.printers import A4Printer, LossyWire, PrintServer

READY = DocumentPrinterLevel(frozenset())
PATIENCE_SECONDS = 60.0
"""Ends a test that is stuck; a busy machine needs some of it."""
DEAD_SECONDS = 1.0
RESTART_SECONDS = 0.5
CANARY = "CANARY-7f3a"
ROOT = Path(__file__).parents[2]


def not_ready(*reasons: PrinterReason) -> DocumentPrinterLevel:
    return DocumentPrinterLevel(frozenset(reasons))


def certificate(pages: int) -> bytes:
    """A PDF of A4 pages with random content, so that no two are alike."""
    file = io.BytesIO()
    canvas = Canvas(file, pagesize=A4)
    for number in range(pages):
        canvas.drawString(72, 700, f"{CANARY} {number + 1} {secrets.token_hex(8)}")
        canvas.showPage()
    canvas.save()
    return file.getvalue()


class Watcher:
    """Collects levels, log events and progress, and lets a test wait for a level."""

    def __init__(self) -> None:
        self.levels: list[Level] = []
        self.events: list[tuple[EventId, dict[str, FieldValue]]] = []
        self.progress: list[PrintProgress] = []
        self._changed = asyncio.Event()

    def report(self, level: Level) -> None:
        self.levels.append(level)
        self._changed.set()

    def log(self, event: EventId, /, **fields: FieldValue) -> None:
        line(event, datetime.now(UTC), fields)
        self.events.append((event, fields))

    def pages(self, progress: PrintProgress) -> None:
        self.progress.append(progress)
        self._changed.set()

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def until_level(self, level: DocumentPrinterLevel) -> None:
        await self.until(lambda: self.levels and self.levels[-1] == level)

    def logged(self, event: EventId) -> list[dict[str, FieldValue]]:
        return [fields for found, fields in self.events if found is event]


module_fixture = functools.partial(pytest_asyncio.fixture, loop_scope="module")
pytestmark = pytest.mark.asyncio(loop_scope="module")


@module_fixture(scope="module")
async def machines() -> AsyncIterator[tuple[A4Printer, PrintServer]]:
    """One printer and one print server for all tests: they start in half a second."""
    async with A4Printer(page_ms=10) as paper, PrintServer(paper.uri, connect_seconds=1) as server:
        await warm_up(paper, server)
        yield paper, server


async def warm_up(paper: A4Printer, server: PrintServer) -> None:
    """The first job of a machine loads cupsd's backend from disk, which no test's patience is for."""
    await send(server, certificate(2), f"cert-{secrets.token_hex(8)}")
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not paper.jobs():  # noqa: ASYNC110 - the printer tells nobody
            await asyncio.sleep(0.02)
        await paper.jobs()[0].ended.wait()
    await paper.until_idle()


@module_fixture()
async def paper(machines: tuple[A4Printer, PrintServer]) -> AsyncIterator[A4Printer]:
    paper, server = machines
    paper.forget_jobs()
    yield paper
    await paper.set_fault(None)
    await asyncio.to_thread(cups.Connection(host=server.socket).cancelAllJobs, server.queue)
    await paper.until_idle()


@pytest.fixture
def server(machines: tuple[A4Printer, PrintServer]) -> PrintServer:
    return machines[1]


@pytest.fixture
def watcher() -> Watcher:
    return Watcher()


def adapter(
    paper: A4Printer,
    server: PrintServer,
    watcher: Watcher,
    *,
    appear_seconds: float = 10.0,
    sensor: ExitSensor | None = None,
    uri: str = "",
    dead_seconds: float = 120.0,
    restart_request: Path | None = None,
) -> IppDocumentPrinter:
    return IppDocumentPrinter(
        printer_uri=uri or paper.uri,
        cups_socket=server.socket,
        queue=server.queue,
        log=watcher.log,
        poll_seconds=0.1,
        follow_seconds=0.03,
        request_seconds=1.5,
        appear_seconds=appear_seconds,
        stall_seconds=4.0,
        exit_sensor=sensor,
        silent_seconds=4.0,
        purge_seconds=1.5,
        dead_seconds=dead_seconds,
        restart_request=restart_request,
        restart_seconds=RESTART_SECONDS,
    )


@module_fixture()
async def printer(
    paper: A4Printer, server: PrintServer, watcher: Watcher
) -> AsyncIterator[IppDocumentPrinter]:
    printer = adapter(paper, server, watcher)
    printer.start(watcher.report)
    yield printer
    await printer.close()
    await printer.close()


@module_fixture()
async def impatient(
    paper: A4Printer, server: PrintServer, watcher: Watcher
) -> AsyncIterator[IppDocumentPrinter]:
    """One that takes a job for lost soon; not started."""
    printer = adapter(paper, server, watcher, appear_seconds=0.5)
    yield printer
    await printer.close()


@pytest.fixture
def job_name() -> str:
    return f"cert-{secrets.token_hex(8)}"


async def send(
    server: PrintServer, pdf: bytes | memoryview, job_name: str, options: Mapping[str, str] = A4_DUPLEX
) -> int:
    return await asyncio.to_thread(
        submit, pdf, job_name=job_name, cups_socket=server.socket, queue=server.queue, options=options
    )


async def test_a_certificate_is_printed_and_proven_page_by_page(
    printer: IppDocumentPrinter, paper: A4Printer, server: PrintServer, watcher: Watcher, job_name: str
) -> None:
    pdf = certificate(4)
    sheets: list[int] = []
    paper.on_paper(sheets.append)
    await watcher.until_level(READY)

    await send(server, pdf, job_name)
    result = await printer.follow(job_name, 4, watcher.pages)

    assert PrintResult(Certainty.DONE, 4) == result
    assert 2 == sum(sheets)
    assert PrintProgress(4, 4) == watcher.progress[-1]
    [job] = paper.jobs()
    assert pdf == job.pdf.read_bytes()
    assert "two-sided-long-edge" == job.attributes["IPP_SIDES"]
    assert "monochrome" == job.attributes["IPP_PRINT_COLOR_MODE"]
    assert "x-dimension=21000 y-dimension=29700" in job.attributes["IPP_MEDIA_COL"]
    assert [{"job": job_name, "certainty": Certainty.DONE, "pages": 4, "count": 4}] == watcher.logged(
        EventId.PRINT_ENDED
    )


async def test_the_printer_and_the_print_server_learn_an_opaque_name_and_no_person(
    printer: IppDocumentPrinter, paper: A4Printer, server: PrintServer, watcher: Watcher, job_name: str
) -> None:
    await send(server, memoryview(certificate(2)), job_name)
    await printer.follow(job_name, 2, watcher.pages)

    [job] = paper.jobs()
    assert job_name == job.name
    assert "kiosk" == job.attributes["IPP_JOB_ORIGINATING_USER_NAME"]
    assert CANARY not in str(job.attributes)
    assert CANARY not in server.log.read_text()


async def test_nothing_of_the_document_stays_at_the_print_server(
    printer: IppDocumentPrinter, paper: A4Printer, server: PrintServer, watcher: Watcher, job_name: str
) -> None:
    await send(server, certificate(2), job_name)
    await printer.follow(job_name, 2, watcher.pages)
    await watcher.until_level(READY)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while list(server.spool.glob("d*")):  # noqa: ASYNC110 - cupsd tells nobody
            await asyncio.sleep(0.02)

    kept = [file for file in server.memory.rglob("*") if file.is_file()]
    assert [] == [file for file in kept if b"%PDF" in file.read_bytes()]


class Torn(bytes):
    """A document that can be read only half."""

    def __getitem__(self, part: Any) -> Any:
        if part.stop > len(self) // 2:
            raise RuntimeError("torn")
        return bytes(self)[part]


async def test_a_document_torn_on_its_way_leaves_no_piece_in_the_print_servers_memory(
    paper: A4Printer, server: PrintServer, job_name: str
) -> None:
    pdf = b"%PDF-1.4\n" + secrets.token_bytes(1 << 19)
    pieces = {"document": tuple(pdf[at : at + 32] for at in range(0, len(pdf), 4096))}
    with pytest.raises(PrintNotSubmitted):
        await send(server, Torn(pdf), job_name)

    assert [] == await asyncio.to_thread(in_memory, server.pid, pieces, deep=False)
    assert [] == in_files([server.memory], pieces)
    assert [] == paper.jobs()


async def test_what_a_killed_worker_left_with_the_print_server_the_next_one_blanks(
    paper: A4Printer, server: PrintServer, job_name: str, tmp_path: Path
) -> None:
    (tmp_path / "certificate").write_bytes(pdf := secrets.token_bytes(1 << 19))
    pieces = {"document": tuple(pdf[at : at + 32] for at in range(0, len(pdf), 4096))}
    killed = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", KILLED, server.socket, server.queue, job_name, tmp_path / "certificate"),
    )
    assert -signal.SIGKILL == await killed.wait()
    assert await asyncio.to_thread(in_memory, server.pid, pieces, deep=False), "nothing to blank"

    await asyncio.to_thread(blank, server.socket)
    assert [] == await asyncio.to_thread(in_memory, server.pid, pieces, deep=False)
    assert [] == in_files([server.memory], pieces)


KILLED = """
import os, signal, sys
import cups
socket, queue, name, file = sys.argv[1:]
pdf = open(file, "rb").read()
server = cups.Connection(host=socket)
job = server.createJob(queue, name, {})
server.startDocument(queue, job, name, "application/pdf", 1)
server.writeRequestData(pdf[: len(pdf) // 2], len(pdf) // 2)
os.kill(os.getpid(), signal.SIGKILL)
"""


async def test_a_job_the_printer_refuses_is_surely_not_done(
    printer: IppDocumentPrinter, paper: A4Printer, server: PrintServer, watcher: Watcher, job_name: str
) -> None:
    await paper.set_fault("refuse")
    await send(server, certificate(2), job_name)

    assert PrintResult(Certainty.NOT_DONE, 0) == await printer.follow(job_name, 2, watcher.pages)
    assert 0 == sum(job.pages_out for job in paper.jobs())


async def test_a_job_aborted_after_a_sheet_is_unknown_with_its_pages(
    printer: IppDocumentPrinter, paper: A4Printer, server: PrintServer, watcher: Watcher, job_name: str
) -> None:
    await paper.set_fault("abort", after_sheets=1)
    await send(server, certificate(4), job_name)

    assert PrintResult(Certainty.UNKNOWN, 2) == await printer.follow(job_name, 4, watcher.pages)
    assert [PrintProgress(2, 4)] == watcher.progress


async def test_a_printer_that_says_completed_and_printed_nothing_is_not_believed(
    printer: IppDocumentPrinter, paper: A4Printer, server: PrintServer, watcher: Watcher, job_name: str
) -> None:
    await paper.set_fault("swallow")
    await send(server, certificate(2), job_name)

    assert PrintResult(Certainty.UNKNOWN, 0) == await printer.follow(job_name, 2, watcher.pages)


async def test_power_cut_at_the_printer_in_the_middle_is_unknown(
    printer: IppDocumentPrinter, paper: A4Printer, server: PrintServer, watcher: Watcher, job_name: str
) -> None:
    await paper.set_fault("jam", after_sheets=1)
    await send(server, certificate(4), job_name)
    following = asyncio.create_task(printer.follow(job_name, 4, watcher.pages))
    await watcher.until(lambda: watcher.progress)
    await paper.set_fault("power_cycle")

    assert PrintResult(Certainty.UNKNOWN, 2) == await following


async def test_a_printer_unplugged_in_the_middle_is_unknown(
    printer: IppDocumentPrinter, paper: A4Printer, server: PrintServer, watcher: Watcher, job_name: str
) -> None:
    await paper.set_fault("jam", after_sheets=1)
    await send(server, certificate(4), job_name)
    following = asyncio.create_task(printer.follow(job_name, 4, watcher.pages))
    await watcher.until(lambda: watcher.progress)
    await paper.set_fault("offline")

    assert PrintResult(Certainty.UNKNOWN, 2) == await following
    # It may still hold the job.
    await watcher.until_level(not_ready(PrinterReason.UNREACHABLE, PrinterReason.JOBS_WAITING))


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("empty", PrinterReason.MEDIA_EMPTY),
        ("cover", PrinterReason.COVER_OPEN),
        ("toner", PrinterReason.TONER_EMPTY),
        ("offline", PrinterReason.UNREACHABLE),
    ],
)
async def test_trouble_of_an_idle_printer_is_seen_before_anybody_pays(
    printer: IppDocumentPrinter, paper: A4Printer, watcher: Watcher, fault: str, reason: PrinterReason
) -> None:
    await watcher.until_level(READY)
    await paper.set_fault(fault)
    assert not_ready(reason) == await printer.refresh()
    await watcher.until_level(not_ready(reason))
    await paper.set_fault(None)

    await watcher.until_level(READY)
    assert reason in [fields["reason"] for fields in watcher.logged(EventId.PRINTER_NOT_READY)]


async def test_low_toner_still_prints_a_few_sheets_and_staff_are_told_once(
    printer: IppDocumentPrinter, paper: A4Printer, watcher: Watcher
) -> None:
    await watcher.until_level(READY)
    await paper.set_fault("toner-low")

    low = DocumentPrinterLevel(frozenset(), frozenset({PrinterSupply.TONER_LOW}), most_sheets=5)
    assert low == await printer.refresh()
    await paper.set_fault(None)
    await watcher.until_level(READY)
    assert [{"reason": PrinterSupply.TONER_LOW}] == watcher.logged(EventId.PRINTER_LOW)
    assert 1 == len(watcher.logged(EventId.PRINTER_REFILLED))


async def test_few_sheets_in_the_tray_are_counted_before_they_run_out(
    printer: IppDocumentPrinter, paper: A4Printer, watcher: Watcher
) -> None:
    await watcher.until_level(READY)
    await paper.load(12)

    low = DocumentPrinterLevel(frozenset(), frozenset({PrinterSupply.MEDIA_LOW}), most_sheets=12)
    assert low == await printer.refresh()
    await paper.load(200)
    await watcher.until_level(READY)


async def test_a_job_that_could_not_be_cancelled_keeps_the_kiosk_closed_and_is_cancelled_until_it_is_gone(
    printer: IppDocumentPrinter, paper: A4Printer, server: PrintServer, watcher: Watcher, job_name: str
) -> None:
    await paper.set_fault("jam", after_sheets=1)
    await send(server, certificate(4), job_name)
    await watcher.until_level(not_ready(PrinterReason.MEDIA_JAM, PrinterReason.JOBS_WAITING))
    server.hang()

    assert not await printer.purge(job_name)
    assert PrinterReason.JOBS_WAITING in (await printer.refresh()).reasons
    server.resume()
    await paper.set_fault(None)
    await watcher.until_level(READY)
    assert [job_name] == [job.name for job in paper.jobs()]


async def test_after_a_restart_what_no_visit_follows_is_cancelled_before_the_kiosk_may_serve(
    paper: A4Printer, server: PrintServer, watcher: Watcher, job_name: str
) -> None:
    await paper.set_fault("jam", after_sheets=1)
    await send(server, certificate(4), job_name)
    held = await send(server, certificate(2), "slip-0123456789abcdef")
    await watcher_of_a_run_before(paper, server, job_name)
    printer = adapter(paper, server, watcher)
    printer.hunt_strays(None)
    printer.start(watcher.report)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while job_state(server, held) != cups.IPP_JOB_CANCELED:  # noqa: ASYNC110 - cupsd tells nobody
            await asyncio.sleep(0.02)
    assert PrinterReason.JOBS_WAITING in (await printer.refresh()).reasons
    await paper.set_fault(None)
    await watcher.until_level(READY)

    partner = IppPartner(paper.uri, request_seconds=5.0)
    assert [JobState.CANCELED] == [job.state for job in await partner.jobs(job_name)]
    assert [job_name] == [job.name for job in paper.jobs()], "the slip came out, too"
    await partner.close()
    await printer.close()


async def watcher_of_a_run_before(paper: A4Printer, server: PrintServer, job_name: str) -> None:
    """Stop at the jam as a kiosk that is killed there does."""
    before = Watcher()
    printer = adapter(paper, server, before)
    following = asyncio.create_task(printer.follow(job_name, 4, before.pages))
    await before.until(lambda: before.progress)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    await printer.close()


async def test_an_answer_lost_on_the_wire_makes_the_print_server_send_no_second_copy(
    paper: A4Printer, watcher: Watcher, job_name: str
) -> None:
    async with (
        LossyWire(paper.port) as wire,
        PrintServer(wire.uri, connect_seconds=PATIENT_SECONDS) as server,
    ):
        printer = adapter(paper, server, watcher)
        printer.start(watcher.report)
        wire.lose_answer()
        job_id = await send(server, certificate(4), job_name)
        result = await printer.follow(job_name, 4, watcher.pages, sheets=2)

        assert wire.lost.is_set()
        assert PrintResult(Certainty.DONE, 4) == result
        assert cups.IPP_JOB_CANCELED == job_state(server, job_id), "it would be handed over once more"
        await watcher.until_level(READY)
        assert [4] == [job.pages_out for job in paper.jobs()]
        await printer.close()


PATIENT_SECONDS = 20
"""A print server that tries again, as the kiosk's own does."""


async def test_a_jam_that_is_cleared_ends_done_and_is_shown_meanwhile(
    printer: IppDocumentPrinter, paper: A4Printer, server: PrintServer, watcher: Watcher, job_name: str
) -> None:
    await paper.set_fault("jam", after_sheets=1)
    await send(server, certificate(4), job_name)
    following = asyncio.create_task(printer.follow(job_name, 4, watcher.pages))
    await watcher.until_level(not_ready(PrinterReason.MEDIA_JAM))
    await paper.set_fault(None)

    assert PrintResult(Certainty.DONE, 4) == await following
    assert [PrintProgress(2, 4), PrintProgress(4, 4)] == watcher.progress


async def test_a_jam_nobody_clears_is_unknown_and_keeps_the_kiosk_closed(
    printer: IppDocumentPrinter, paper: A4Printer, server: PrintServer, watcher: Watcher, job_name: str
) -> None:
    await paper.set_fault("jam", after_sheets=1)
    await send(server, certificate(4), job_name)

    assert PrintResult(Certainty.UNKNOWN, 2) == await printer.follow(job_name, 4, watcher.pages)
    # The printer lets a cancelled job go only when its paper path moves: until then nobody may order.
    assert not await printer.purge(job_name)
    await watcher.until_level(not_ready(PrinterReason.MEDIA_JAM, PrinterReason.JOBS_WAITING))
    await paper.set_fault(None)
    await watcher.until_level(READY)
    assert await printer.purge(job_name)


async def test_cancel_leaves_print_server_and_printer_empty(
    printer: IppDocumentPrinter, paper: A4Printer, server: PrintServer, watcher: Watcher, job_name: str
) -> None:
    await paper.set_fault("jam", after_sheets=1)
    job_id = await send(server, certificate(4), job_name)
    await watcher.until_level(not_ready(PrinterReason.MEDIA_JAM, PrinterReason.JOBS_WAITING))
    purging = asyncio.create_task(printer.purge(job_name))
    await paper.set_fault(None)

    assert await purging
    assert job_state(server, job_id) > cups.IPP_JOB_STOPPED
    assert READY == await printer.refresh()


async def test_a_print_server_killed_while_the_printer_works_ends_done_and_never_prints_twice(
    printer: IppDocumentPrinter, paper: A4Printer, server: PrintServer, watcher: Watcher, job_name: str
) -> None:
    await paper.set_fault("jam", after_sheets=1)
    await send(server, certificate(4), job_name)
    following = asyncio.create_task(printer.follow(job_name, 4, watcher.pages))
    await watcher.until(lambda: watcher.progress)
    await server.restart()
    await paper.set_fault(None)

    assert PrintResult(Certainty.DONE, 4) == await following
    await watcher.until_level(READY)
    assert [4] == [job.pages_out for job in paper.jobs()]


async def test_without_a_print_server_the_printer_is_not_ready_and_nothing_is_submitted(
    printer: IppDocumentPrinter, server: PrintServer, watcher: Watcher, job_name: str
) -> None:
    await watcher.until_level(READY)
    await server.kill()
    await watcher.until_level(not_ready(PrinterReason.UNREACHABLE))

    with pytest.raises(PrintNotSubmitted):
        await send(server, certificate(2), job_name)
    await server.restart()
    await watcher.until_level(READY)


async def test_a_print_server_that_hangs_blocks_nobody(
    printer: IppDocumentPrinter, server: PrintServer, watcher: Watcher, job_name: str
) -> None:
    await watcher.until_level(READY)
    server.hang()
    await watcher.until_level(not_ready(PrinterReason.UNREACHABLE))

    assert not await printer.purge(job_name)
    server.resume()
    await watcher.until_level(READY)


@dataclass(frozen=True, slots=True)
class Hanging:
    """A print server that may hang for good beside a kiosk that asks for a new one.

    wakes: see `PrintServer.restart_when_asked`.
    """

    printer: IppDocumentPrinter
    server: PrintServer
    watcher: Watcher
    request: Path
    wakes: bool

    async def restarted(self) -> None:
        """What systemd does once the kiosk asks, which it must have said."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self.server.restart_when_asked(self.request, wakes=self.wakes)
        await self.watcher.until(lambda: self.watcher.logged(EventId.CUPS_RESTART_ASKED))

    def documents(self) -> list[str]:
        """What the print server has of any, wherever it writes."""
        return in_files([self.server.memory], {"document": (b"%PDF-",)})


@module_fixture(params=[True, False], ids=["woken", "killed"])
async def hanging(
    request: pytest.FixtureRequest, paper: A4Printer, server: PrintServer, watcher: Watcher, tmp_path: Path
) -> AsyncIterator[Hanging]:
    file = tmp_path / "restart-cups"
    printer = adapter(paper, server, watcher, appear_seconds=0.5, restart_request=file)
    printer.start(watcher.report)
    await watcher.until_level(READY)
    yield Hanging(printer, server, watcher, file, wakes=request.param)
    await printer.close()


async def test_a_job_in_a_print_server_that_hangs_for_good_goes_with_it_and_is_surely_not_done(
    hanging: Hanging, paper: A4Printer, server: PrintServer, watcher: Watcher, job_name: str
) -> None:
    await hanging.printer.expect(job_name)
    await send(server, certificate(2), job_name, options={**A4_DUPLEX, "job-hold-until": "indefinite"})
    server.hang()
    assert hanging.documents(), "nothing that could stay behind"
    await hanging.restarted()
    await watcher.until_level(READY)

    assert [] == hanging.documents()
    assert PrintResult(Certainty.NOT_DONE, 0) == await hanging.printer.follow(job_name, 2, watcher.pages)
    assert [] == paper.jobs()


async def test_a_print_whose_print_server_hangs_for_good_between_two_sheets_is_unknown_and_never_sent_again(
    hanging: Hanging, paper: A4Printer, server: PrintServer, watcher: Watcher, job_name: str
) -> None:
    await paper.set_fault("jam", after_sheets=1)
    await hanging.printer.expect(job_name)
    await send(server, certificate(4), job_name)
    following = asyncio.create_task(hanging.printer.follow(job_name, 4, watcher.pages))
    await watcher.until(lambda: watcher.progress)
    server.hang()
    await hanging.restarted()

    assert PrintResult(Certainty.UNKNOWN, 2) == await following
    assert [] == hanging.documents()
    await paper.set_fault(None)
    await watcher.until_level(READY)
    assert [job_name] == [job.name for job in paper.jobs()]


async def test_a_print_server_that_refuses_every_question_is_not_restarted(
    paper: A4Printer, server: PrintServer, watcher: Watcher, tmp_path: Path
) -> None:
    """It knows no such queue, as before commissioning; and it answers."""
    printer = IppDocumentPrinter(
        printer_uri=paper.uri,
        cups_socket=server.socket,
        queue="nobodys",
        log=watcher.log,
        request_seconds=PATIENCE_SECONDS,
        restart_request=tmp_path / "restart-cups",
        restart_seconds=0.05,
    )
    loop = asyncio.get_running_loop()
    began = loop.time()
    while loop.time() - began < 0.5:
        assert not_ready(PrinterReason.UNREACHABLE) == await printer.refresh()
    await printer.close()
    assert not watcher.logged(EventId.CUPS_RESTART_ASKED)
    assert not (tmp_path / "restart-cups").exists()


async def test_a_printer_off_from_the_start_gives_up_and_the_job_never_comes_out_later(
    printer: IppDocumentPrinter, paper: A4Printer, server: PrintServer, watcher: Watcher, job_name: str
) -> None:
    await paper.set_fault("offline")
    await send(server, certificate(2), job_name)

    assert PrintResult(Certainty.UNKNOWN, 0) == await printer.follow(job_name, 2, watcher.pages)
    await paper.set_fault(None)
    assert await printer.purge(job_name)
    await watcher.until_level(READY)
    assert [] == paper.jobs()


@module_fixture()
async def soon_dead(
    paper: A4Printer, server: PrintServer, watcher: Watcher
) -> AsyncIterator[IppDocumentPrinter]:
    """One that takes a silent printer for dead soon."""
    printer = adapter(paper, server, watcher, dead_seconds=DEAD_SECONDS)
    printer.start(watcher.report)
    await watcher.until_level(READY)
    yield printer
    await printer.close()


def is_dead(levels: list[Level]) -> bool:
    return bool(levels) and isinstance(levels[-1], DocumentPrinterLevel) and levels[-1].dead


async def test_a_printer_is_not_dead_while_the_print_server_could_still_send_it_something(
    soon_dead: IppDocumentPrinter, paper: A4Printer, server: PrintServer, watcher: Watcher, job_name: str
) -> None:
    held = await send(server, certificate(2), job_name, options={**A4_DUPLEX, "job-hold-until": "indefinite"})
    await paper.set_fault("offline")
    await watcher.until_level(not_ready(PrinterReason.UNREACHABLE, PrinterReason.JOBS_WAITING))
    loop = asyncio.get_running_loop()
    silent_since = loop.time()
    while loop.time() - silent_since < 2 * DEAD_SECONDS:
        assert not (await soon_dead.refresh()).dead
        await asyncio.sleep(0.1)

    assert not await soon_dead.purge(job_name)
    assert cups.IPP_JOB_CANCELED == job_state(server, held)
    await watcher.until(lambda: is_dead(watcher.levels))
    assert [{}] == watcher.logged(EventId.PRINTER_DEAD)
    await paper.set_fault(None)
    await watcher.until_level(READY)
    assert [] == paper.jobs()


async def test_a_printer_is_not_dead_while_nobody_knows_what_the_print_server_has(
    soon_dead: IppDocumentPrinter, paper: A4Printer, server: PrintServer, watcher: Watcher
) -> None:
    await paper.set_fault("offline")
    await watcher.until(lambda: is_dead(watcher.levels))
    server.hang()
    await watcher.until(lambda: not is_dead(watcher.levels))
    server.resume()
    await watcher.until(lambda: is_dead(watcher.levels))


@pytest.mark.parametrize("switched_off", [True, False])
async def test_only_a_printer_that_was_switched_off_forgets_what_the_network_cannot_take_back(
    paper: A4Printer, watcher: Watcher, job_name: str, switched_off: bool
) -> None:
    """The print server lets go of the job in both cases, and sends nothing when the network is back."""
    async with (
        LossyWire(paper.port) as wire,
        PrintServer(wire.uri, connect_seconds=PATIENT_SECONDS) as server,
    ):
        printer = adapter(paper, server, watcher, uri=wire.uri, dead_seconds=DEAD_SECONDS)
        printer.start(watcher.report)
        await paper.set_fault("jam", after_sheets=1)
        sent = await send(server, certificate(4), job_name)
        following = asyncio.create_task(printer.follow(job_name, 4, watcher.pages))
        await watcher.until(lambda: watcher.progress)
        wire.cut()
        assert PrintResult(Certainty.UNKNOWN, 2) == await following
        await watcher.until(lambda: is_dead(watcher.levels))
        assert job_state(server, sent) >= cups.IPP_JOB_CANCELED, "nothing of it is left to be sent"

        if switched_off:
            await paper.set_fault("power_cycle")
        else:
            await paper.set_fault(None)
            await paper.jobs()[0].ended.wait()
        wire.mend()
        await watcher.until_level(READY)
        assert [2 if switched_off else 4] == [job.pages_out for job in paper.jobs()]
        await printer.close()


async def test_a_job_the_print_server_never_passed_on_is_cancelled_and_surely_not_done(
    impatient: IppDocumentPrinter, paper: A4Printer, server: PrintServer, watcher: Watcher, job_name: str
) -> None:
    await asyncio.sleep(2.0)  # seconds are whole on both clocks: the printer was surely on before the job
    await send(server, certificate(2), job_name, options={**A4_DUPLEX, "job-hold-until": "indefinite"})

    assert PrintResult(Certainty.NOT_DONE, 0) == await impatient.follow(job_name, 2, watcher.pages)
    assert [] == paper.jobs()


async def test_a_name_nobody_knows_is_unknown_because_it_may_be_older_than_both_memories(
    impatient: IppDocumentPrinter, watcher: Watcher, job_name: str
) -> None:
    assert PrintResult(Certainty.UNKNOWN, 0) == await impatient.follow(job_name, 2, watcher.pages)


async def test_a_name_nobody_knows_is_not_done_if_this_process_was_about_to_submit_it(
    impatient: IppDocumentPrinter, watcher: Watcher, job_name: str
) -> None:
    await impatient.expect(job_name)

    assert PrintResult(Certainty.NOT_DONE, 0) == await impatient.follow(job_name, 2, watcher.pages)


class Barrier:
    """An exit sensor that began to watch when it was made."""

    def __init__(self, paper: A4Printer) -> None:
        self.sheets = 0
        paper.on_paper(self._passed)

    def _passed(self, sheets: int) -> None:
        self.sheets += sheets

    def start(self) -> None: ...

    async def until(self, sheets: int, seconds: float) -> None: ...

    async def close(self) -> None: ...


@pytest.mark.parametrize(
    ("fault", "expected"),
    [("jam", PrintResult(Certainty.DONE, 4)), ("swallow", PrintResult(Certainty.UNKNOWN, 0))],
)
async def test_after_a_restart_a_sensor_that_did_not_watch_from_the_start_is_no_witness_of_no_page(
    paper: A4Printer,
    server: PrintServer,
    watcher: Watcher,
    fault: str,
    expected: PrintResult,
) -> None:
    job_name = f"cert-{secrets.token_hex(8)}"
    sheets: list[int] = []
    paper.on_paper(sheets.append)
    await paper.set_fault(fault, after_sheets=1)
    await send(server, certificate(4), job_name)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not (sheets or fault == "swallow"):  # noqa: ASYNC110 - the printer tells nobody
            await asyncio.sleep(0.01)
    barrier = Barrier(paper)
    printer = adapter(paper, server, watcher, sensor=cast("ExitSensor", barrier))
    printer.start(watcher.report)
    await paper.set_fault(None if fault == "jam" else fault)

    assert expected == await printer.follow(job_name, 4, watcher.pages, sheets=2)
    assert len(sheets) == barrier.sheets + (fault == "jam")
    assert [] == watcher.logged(EventId.PRINT_WITNESSED)
    await printer.close()


async def test_a_queue_that_does_not_exist_takes_nothing(server: PrintServer, job_name: str) -> None:
    with pytest.raises(PrintNotSubmitted):
        await asyncio.to_thread(
            submit, certificate(1), job_name=job_name, cups_socket=server.socket, queue="nowhere"
        )


async def test_two_certificates_one_after_the_other_are_told_apart(
    printer: IppDocumentPrinter, paper: A4Printer, server: PrintServer, watcher: Watcher
) -> None:
    for pages, name in ((2, "cert-a"), (4, "cert-b")):
        await send(server, certificate(pages), name)
        assert PrintResult(Certainty.DONE, pages) == await printer.follow(name, pages, watcher.pages)

    assert ["cert-a", "cert-b"] == [job.name for job in paper.jobs()]


async def test_simulators_leave_no_process_and_no_file_when_their_owner_is_killed(tmp_path: Path) -> None:
    owner = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", OWNER),
        stdout=asyncio.subprocess.PIPE,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)},
    )
    assert owner.stdout is not None
    assert b"ready\n" == await owner.stdout.readline()
    assert 2 == len(files_in(tmp_path))
    owner.kill()
    await owner.wait()

    async with asyncio.timeout(PATIENCE_SECONDS):
        while files_in(tmp_path) or processes_that_name(tmp_path):  # noqa: ASYNC110 - not our child
            await asyncio.sleep(0.02)


OWNER = """
import asyncio
from tests.simulators.printers import A4Printer, PrintServer
async def main():
    async with A4Printer() as printer, PrintServer(printer.uri):
        print("ready", flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""


def files_in(directory: Path) -> list[Path]:
    return list(directory.iterdir())


def processes_that_name(directory: Path) -> list[str]:
    found = []
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if str(directory).encode() in command.read_bytes():
                found.append(command.parent.name)
    return found


def job_state(server: PrintServer, job_id: int) -> int:
    connection = cups.Connection(host=server.socket)
    return int(connection.getJobAttributes(job_id)["job-state"])
