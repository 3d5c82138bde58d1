"""An A4 duplex page printer: a real ippeveprinter with a paper path and a front panel of ours."""

import asyncio
import contextlib
import json
import math
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tests.simulators.ports import free_port
from tests.simulators.printers.ipp_wire import GET_PRINTER_ATTRIBUTES, PRINT_JOB, ask, integer, submit_form
from tests.simulators.printers.kept import KeptProgram

HERE = Path(__file__).parent
FRONT_PANEL = "front-panel"
START_SECONDS = 60.0

STALLS = {"jam": "media-jam", "empty": "media-empty", "cover": "cover-open", "toner": "toner-empty"}
"""Faults that hold the paper path until cleared, and the keyword the printer shows."""

EMPTY = STALLS["empty"]
TRAY_FORM = "/media?size0=iso_a4_210x297mm&type0=stationery&level0={sheets}"

FAULTS = frozenset({*STALLS, "toner-low", "refuse", "abort", "swallow", "offline", "power_cycle"})
"""refuse: the next job is aborted before a sheet; abort: between sheets; swallow: the printer says
completed and nothing came out. offline lasts until cleared; power_cycle happens at once."""

DBUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path={path}</listen>
<policy context="default"><allow send_destination="*"/><allow receive_sender="*"/>
<allow own="*"/><allow user="*"/></policy></busconfig>
"""


@dataclass(slots=True)
class PrintedJob:
    """A job as the printer received it.

    pdf: the file, byte for byte as it came; pages: printed sides asked for, all copies;
    pages_out: sides that reached the tray; attributes: its IPP attributes (IPP_SIDES, …).
    """

    name: str
    pdf: Path
    pages: int
    sheets: int
    attributes: dict[str, str]
    pages_out: int = 0
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class A4Printer:
    """Start it, print to `uri`, take the sheets; several may run side by side.

    page_ms: time per printed side. job_ms: time before the first sheet moves.
    directory: where jobs are kept, in a new directory of its own below it; the default is temporary.
    """

    def __init__(self, *, page_ms: int = 20, job_ms: int = 0, directory: Path | None = None) -> None:
        self._page_seconds = page_ms / 1000
        self._job_seconds = job_ms / 1000
        self._parent = directory
        self._root = Path()
        self._port = 0
        self._jobs: list[PrintedJob] = []
        self._first_job = 0
        self._paper: list[Callable[[int], object]] = []
        self._fault: str | None = None
        self._fault_after_sheets = 0
        self._changed = asyncio.Event()
        self._shown: set[str] = set()
        self._printing = asyncio.Lock()
        self._engines: set[asyncio.Task[None]] = set()
        self._bus: KeptProgram | None = None
        self._printer: KeptProgram | None = None
        self._brain: asyncio.Server | None = None

    @property
    def port(self) -> int:
        return self._port

    @property
    def uri(self) -> str:
        return f"ipp://localhost:{self._port}/ipp/print"

    @property
    def powered(self) -> bool:
        return self._printer is not None

    def jobs(self) -> list[PrintedJob]:
        """Every job that reached the print engine, in order, since the start or `forget_jobs`."""
        return self._jobs[self._first_job :]

    def forget_jobs(self) -> None:
        """Begin the list of jobs anew; their files stay until the end."""
        self._first_job = len(self._jobs)

    async def until_idle(self) -> None:
        """Return when the printer has no job left. Raises TimeoutError."""
        async with asyncio.timeout(START_SECONDS):
            while self._printing.locked() or await self._jobs_waiting():  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.02)

    def on_paper(self, callback: Callable[[int], object]) -> None:
        """Call callback with the number of sheets whenever sheets reach the tray."""
        self._paper.append(callback)

    def bring_out(self, sheets: int) -> None:
        """Sheets that come of no job anybody knows of any more: of a memory that outlived the power."""
        for callback in self._paper:
            callback(sheets)

    async def start(self) -> Self:
        """Power on; returns when the printer answers."""
        self._root = Path(tempfile.mkdtemp(prefix="a4printer-", dir=self._parent))
        for name in ("jobs", "spool"):
            (self._root / name).mkdir()
        (self._root / "bus.conf").write_text(DBUS_CONFIG.format(path=self._root / "bus"))
        engine = self._root / "engine"
        engine.write_text(
            f'#!/bin/sh\nexec python3 -I -S "{HERE / "engine.py"}" "{self._root / "brain"}" "$1"\n'
        )
        engine.chmod(0o700)
        self._brain = await asyncio.start_unix_server(self._run_engine, self._root / "brain")
        self._bus = await KeptProgram.start(
            ("dbus-daemon", "--nofork", "--nopidfile", "--nosyslog", f"--config-file={self._root}/bus.conf"),
            remove=self._root,
        )
        async with asyncio.timeout(START_SECONDS):
            while not (self._root / "bus").exists():  # noqa: ASYNC110 - a program of others makes it
                await asyncio.sleep(0.01)
        await self.power_on()
        return self

    async def stop(self) -> None:
        """Power off and remove everything, the kept jobs too. May be called twice."""
        await self.power_off()
        if self._brain is not None:
            self._brain.close()
            await self._brain.wait_closed()
            self._brain = None
        if self._bus is not None:
            await self._bus.terminate()
            self._bus = None

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def power_on(self) -> None:
        """Start the printer on the same port as before; what it showed before is still true."""
        async with asyncio.timeout(START_SECONDS):
            while self._printer is None:
                self._port = self._port or free_port()
                await self._boot()
        await self._show()

    async def power_off(self) -> None:
        """Cut the power: what is in the paper path stays there, the printer forgets every job."""
        if self._printer is not None:
            printer, self._printer = self._printer, None
            await printer.kill()
        for engine in tuple(self._engines):
            engine.cancel()
        await asyncio.gather(*self._engines, return_exceptions=True)
        self._shown.clear()
        for kept in (self._root / "spool").glob("*"):
            kept.unlink()

    async def set_fault(self, name: str | None, *, after_sheets: int = 0) -> None:
        """Put one of FAULTS in force, or clear it with None.

        after_sheets: it strikes only when so many sheets of a job are out.
        """
        if name is not None and name not in FAULTS:
            raise ValueError(f"fault {name} is not one of {', '.join(sorted(FAULTS))}")
        if name in ("offline", "power_cycle"):
            # First, or paper held by the fault before would move on in its last moments.
            await self.power_off()
        self._fault, self._fault_after_sheets = name, after_sheets
        self._changed.set()
        if name == "offline":
            return
        if name == "power_cycle":
            self._fault = None
        await (self._show() if self.powered else self.power_on())

    async def load(self, sheets: int) -> None:
        """Put so many sheets into the tray instead of what lies there."""
        await submit_form(self._port, TRAY_FORM.format(sheets=sheets))

    async def _boot(self) -> None:
        name = f"A4 {self._port}"
        printer = await KeptProgram.start(
            (
                *("ippeveprinter", "-n", "localhost", "-r", "off", "-p", str(self._port)),
                *("-d", str(self._root / "spool"), "-K", str(self._root / "keys")),
                *("-P", str(HERE / "a4duplex.ppd"), "-c", str(self._root / "engine"), name),
            ),
            log=self._root / "printer.log",
            environment={"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={self._root / 'bus'}"},
        )
        while printer.running:
            with contextlib.suppress(OSError):
                _, body = await ask(self._port, GET_PRINTER_ATTRIBUTES)
                if name.encode() in body:
                    self._printer = printer
                    return
            await asyncio.sleep(0.01)
        await printer.kill()
        if not self._jobs:
            self._port = 0

    def _wanted(self, sheets_out: int) -> set[str]:
        """The keywords the printer should show when sheets_out sheets of the running job are out."""
        if self._fault == "toner-low":
            return {"toner-low"}
        stall = STALLS.get(self._fault or "")
        return {stall} if stall and sheets_out >= self._fault_after_sheets else set()

    def _strikes(self, fault: str, sheets_out: int) -> bool:
        return self._fault == fault and sheets_out >= self._fault_after_sheets

    async def _show(self) -> None:
        """Bring the printer's state reasons up to date; a running job shows them by itself.

        An idle one learns of paper by its web form, because it starts no job while it has none, and of
        the rest by a job of the panel.
        """
        async with asyncio.timeout(START_SECONDS):
            while self.powered and self._shown != (wanted := self._wanted(0)):
                if not self._printing.locked():
                    with contextlib.suppress(OSError):
                        await self._show_idle(wanted)
                await asyncio.sleep(0.02)

    async def _show_idle(self, wanted: set[str]) -> None:
        if EMPTY in self._shown ^ wanted:
            await submit_form(self._port, TRAY_FORM.format(sheets=0 if EMPTY in wanted else 200))
            self._shown ^= {EMPTY}
        elif (await ask(self._port, PRINT_JOB, job_name=FRONT_PANEL, document=b"%PDF-1.4\n"))[0] == 0:
            await self.until_idle()

    async def _jobs_waiting(self) -> int:
        return integer((await ask(self._port, GET_PRINTER_ATTRIBUTES))[1], "queued-job-count")

    async def _run_engine(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._engines.add(task)
        try:
            async with self._printing:
                ticket = json.loads(await reader.readline())
                code = await self._print(ticket["attributes"], Path(ticket["file"]), writer)
            writer.write(b"EXIT %d\n" % code)
            await writer.drain()
        except (ConnectionError, asyncio.CancelledError):
            """The power was cut."""
        finally:
            self._engines.discard(task)
            writer.close()

    async def _print(self, attributes: dict[str, str], file: Path, writer: asyncio.StreamWriter) -> int:
        if attributes.get("IPP_JOB_NAME") == FRONT_PANEL:
            self._tell_reasons(writer, 0)
            return 0
        job = await self._keep(attributes, file)
        try:
            return await self._move_paper(job, writer)
        finally:
            job.ended.set()

    async def _keep(self, attributes: dict[str, str], file: Path) -> PrintedJob:
        name = attributes.get("IPP_JOB_NAME", "")
        safe = re.sub(r"[^0-9A-Za-z.-]", "_", name)
        pdf = self._root / "jobs" / f"{len(self._jobs) + 1:05d}-{safe}.pdf"
        shutil.copyfile(file, pdf)
        copies = int(attributes.get("IPP_COPIES", "1"))
        pages = await _pages_of(pdf)
        duplex = attributes.get("IPP_SIDES", "one-sided") != "one-sided"
        sheets = math.ceil(pages / 2) if duplex else pages
        job = PrintedJob(name, pdf, pages * copies, sheets * copies, attributes)
        self._jobs.append(job)
        return job

    async def _move_paper(self, job: PrintedJob, writer: asyncio.StreamWriter) -> int:
        """Deliver sheet by sheet; the exit code of the print command."""
        if self._fault == "refuse":
            return 1
        if self._fault == "swallow":
            return 0
        await asyncio.sleep(self._job_seconds)
        sides = math.ceil(job.pages / max(job.sheets, 1))
        for sheets_out in range(job.sheets):
            await self._pass_stalls(writer, sheets_out)
            if self._strikes("abort", sheets_out):
                return 1
            sides_now = min(sides, job.pages - job.pages_out)
            await asyncio.sleep(self._page_seconds * sides_now)
            job.pages_out += sides_now
            writer.write(
                b"ATTR: job-impressions=%d job-impressions-completed=%d\n" % (job.pages, job.pages_out)
            )
            await writer.drain()
            for callback in self._paper:
                callback(1)
        self._tell_reasons(writer, job.sheets)
        return 0

    async def _pass_stalls(self, writer: asyncio.StreamWriter, sheets_out: int) -> None:
        self._tell_reasons(writer, sheets_out)
        while self._wanted(sheets_out) - {"toner-low"}:
            self._changed.clear()
            await self._changed.wait()
            self._tell_reasons(writer, sheets_out)

    def _tell_reasons(self, writer: asyncio.StreamWriter, sheets_out: int) -> None:
        wanted = self._wanted(sheets_out)
        for sign, reasons in (("-", self._shown - wanted), ("+", wanted - self._shown)):
            for reason in sorted(reasons):
                writer.write(f"STATE: {sign}{reason}\n".encode())
        self._shown = wanted


async def _pages_of(pdf: Path) -> int:
    """Pages of the file, 0 if it is none."""
    process = await asyncio.create_subprocess_exec(
        *("pdfinfo", str(pdf)), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    output, _ = await process.communicate()
    found = re.search(rb"^Pages:\s+(\d+)$", output, re.MULTILINE)
    return int(found[1]) if found else 0
