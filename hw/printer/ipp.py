"""The A4 printer, asked directly by IPP what it can do and what really came out."""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

from firmware.core.facts import DocumentPrinterLevel
from firmware.core.terms import Certainty, PrinterReason
from firmware.errors import DeviceGone
from firmware.logbook import EventId, Logbook
from firmware.ports import PrintProgress, PrintResult, ReportLevel
from hw.printer.absence import Absence
from hw.printer.canceller import Canceller
from hw.printer.exit_sensor import ExitSensor
from hw.printer.ipp_partner import Condition, IppPartner
from hw.printer.print_server import PrintServer
from hw.printer.proof import (
    Finding,
    JobWatch,
    Limits,
    Look,
    Witness,
    confirmed,
    judge,
    pages_out,
    uncounted,
)
from hw.printer.readiness import Reserves, most_sheets, reasons_of_printer, reasons_of_queue, supplies_low
from hw.printer.silence import Silence
from hw.pulse import Pulse

GONE = frozenset({PrinterReason.UNREACHABLE})
SHIPPED_RESERVES = Reserves()
ALL_OUT = frozenset({Finding.ALL_OUT, Finding.UNCOUNTED})


class IppDocumentPrinter:
    """Implements `firmware.ports.DocumentPrinter`.

    printer_uri: the printer itself, ipp://host:port/path. One that does not count
    job-impressions-completed proves nothing without an exit sensor or a meter.
    cups_socket, queue: our cupsd and the queue the document worker submits to.
    poll_seconds: between looks at an idle printer; follow_seconds: while a job is followed.
    request_seconds: for one answer of printer or cupsd.
    appear_seconds, stall_seconds, silent_seconds: see `Limits`.
    purge_seconds: for printer and cupsd to let a cancelled job go. dead_seconds: see `Silence`.
    history_seconds: how long the printer at least remembers an ended job.
    reserves: when supplies are low. exit_sensor: the second witness, if one is fitted.
    exit_seconds: from the printer's last count until that sheet has passed the sensor.
    restart_request, restart_seconds: see `PrintServer`.
    """

    def __init__(
        self,
        *,
        printer_uri: str,
        cups_socket: str,
        queue: str,
        log: Logbook,
        poll_seconds: float = 5.0,
        follow_seconds: float = 0.25,
        request_seconds: float = 3.0,
        appear_seconds: float = 40.0,
        stall_seconds: float = 300.0,
        silent_seconds: float = 20.0,
        dead_seconds: float = 120.0,
        purge_seconds: float = 15.0,
        history_seconds: float = 60.0,
        reserves: Reserves = SHIPPED_RESERVES,
        exit_sensor: ExitSensor | None = None,
        exit_seconds: float = 5.0,
        restart_request: Path | None = None,
        restart_seconds: float = 30.0,
    ) -> None:
        self._log = log
        self._printer = IppPartner(printer_uri, request_seconds=request_seconds)
        self._server = PrintServer(
            cups_socket,
            queue,
            request_seconds=request_seconds,
            log=log,
            restart_request=restart_request,
            restart_seconds=restart_seconds,
        )
        self._poll_seconds = poll_seconds
        self._follow_seconds = follow_seconds
        self._purge_seconds = purge_seconds
        self._limits = Limits(appear_seconds, stall_seconds, silent_seconds)
        self._absence = Absence(self._printer, self._server, history_seconds=history_seconds)
        self._canceller = Canceller(self._printer, self._server, look_seconds=follow_seconds)
        self._silence = Silence(dead_seconds)
        self._reserves = reserves
        self._exit_sensor = exit_sensor
        self._exit_seconds = exit_seconds
        self._before: dict[str, Witness] = {}
        self._report: ReportLevel | None = None
        self._level: DocumentPrinterLevel | None = None
        self._queue_reasons = GONE
        self._following = self._outside_visits = 0
        self._followed = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None
        self._pulse = Pulse()

    def busy_seconds(self) -> float:
        """How long the watcher has not come round; see `firmware.ports.Watched`."""
        return self._pulse.silent_seconds()

    def start(self, report: ReportLevel) -> None:
        """Watch printer and queue; reports DocumentPrinterLevel, the first one unasked."""
        self._report = report
        if self._exit_sensor is not None:
            self._exit_sensor.start()
        self._watching = asyncio.get_running_loop().create_task(self._watch(), name="document-printer")

    def hunt_strays(self, kept: str | None) -> None:
        """Cancel every job of the kiosk but kept, at cupsd and at the printer; to be called before the start.

        A run before this may have given up jobs that still print. Until both are proven empty of them the
        printer is not ready.
        """
        self._canceller.hunt_strays()
        if kept is not None:
            self._canceller.spare(kept)

    async def refresh(self) -> DocumentPrinterLevel:
        """Look at printer and queue right now; the level, reported too if it changed.

        For the moment before money is asked for.
        """
        queue, printer = await asyncio.gather(_condition_of(self._server), _condition_of(self._printer))
        self._queue_reasons = GONE if queue is None else reasons_of_queue(queue)
        self._silence.see(asyncio.get_running_loop().time(), server=queue, printer=printer)
        return self._take(printer)

    async def expect(self, job_name: str) -> None:
        """Say that the job is about to be submitted, and by this process.

        Only then can it later prove something that neither cupsd nor the printer knows the job.
        """
        self._canceller.spare(job_name)
        await self._absence.expect(job_name, asyncio.get_running_loop().time())
        condition = await _condition_of(self._printer)
        self._before[job_name] = self._counts(condition)

    async def follow(
        self,
        job_name: str,
        pages: int,
        progress: Callable[[PrintProgress], None],
        *,
        sheets: int = 0,
        in_visit: bool = True,
    ) -> PrintResult:
        """Follow the job of this name at the printer to its proven end.

        pages: printed sides of all copies; sheets: they are printed on. Whatever is not DONE is also
        cancelled everywhere, and is NOT_DONE only when the printer is proven empty of a job it counted no
        page of. in_visit: a visit waits for it; while any other job is followed the printer is not ready.
        """
        self._canceller.spare(job_name)
        self._following += 1
        self._outside_visits += not in_visit
        try:
            finding, result = await self._follow(job_name, pages, sheets, progress)
            result = await self._witnessed(job_name, finding, result, pages, sheets)
        finally:
            self._following -= 1
            self._outside_visits -= not in_visit
            self._before.pop(job_name, None)
        self._log(
            EventId.PRINT_ENDED, job=job_name, certainty=result.certainty, pages=result.pages_out, count=pages
        )
        await self.refresh()
        self._followed.set()
        return result

    async def purge(self, job_name: str) -> bool:
        """Cancel the job at cupsd and at the printer; True when both are proven empty of it.

        Otherwise the printer is not ready, and the job is cancelled again, until they are.
        """
        self._before.pop(job_name, None)
        return await self._canceller.purge(job_name, self._purge_seconds)

    async def close(self) -> None:
        """End the watch and every connection."""
        self._pulse.end()
        watching, self._watching = self._watching, None
        if watching is not None:
            watching.cancel()
            await asyncio.wait([watching])
        if self._exit_sensor is not None:
            await self._exit_sensor.close()
        await self._printer.close()
        await self._server.close()

    async def _watch(self) -> None:
        """Looks soon again while nothing but a job on its way out keeps the printer from being ready."""
        while True:
            self._pulse.beat()
            await self._canceller.hunt()
            level = await self.refresh()
            leaving = level.reasons == {PrinterReason.JOBS_WAITING}
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._follow_seconds if leaving else self._poll_seconds):
                    await self._followed.wait()
            self._followed.clear()

    def _take(self, printer: Condition | None) -> DocumentPrinterLevel:
        """The level by this look at the printer and the last one at the queue, reported if new."""
        reasons = self._queue_reasons | (GONE if printer is None else reasons_of_printer(printer))
        if self._canceller.leftovers or self._outside_visits:
            reasons |= {PrinterReason.JOBS_WAITING}
        elif self._following:
            reasons -= {PrinterReason.JOBS_WAITING}
        level = DocumentPrinterLevel(
            reasons, dead=self._silence.is_dead(asyncio.get_running_loop().time()) and not self._following
        )
        if printer is not None:
            self._silence.broken()
            low = supplies_low(printer, self._reserves)
            level = DocumentPrinterLevel(reasons, low, most_sheets(printer, self._reserves))
        if level != self._level:
            before, self._level = self._level, level
            self._tell(level, before)
        return level

    def _tell(self, level: DocumentPrinterLevel, before: DocumentPrinterLevel | None) -> None:
        if level.dead and not (before is not None and before.dead):
            self._log(EventId.PRINTER_DEAD)
        if before is None or level.reasons != before.reasons:
            if level.reasons:
                first = min(level.reasons, key=lambda reason: reason.value)
                self._log(EventId.PRINTER_NOT_READY, reason=first, count=len(level.reasons))
            else:
                self._log(EventId.PRINTER_READY)
        if level.low != (frozenset() if before is None else before.low):
            for supply in sorted(level.low, key=lambda supply: supply.value):
                self._log(EventId.PRINTER_LOW, reason=supply)
            if not level.low:
                self._log(EventId.PRINTER_REFILLED)
        if self._report is not None:
            self._report(level)

    def _sides_at_exit(self, job_name: str, pages: int, sheets: int) -> int:
        """Printed sides that the sensor saw of this job, for a printer that does not count them."""
        before = self._before.get(job_name)
        if before is None or not sheets:
            return 0
        return (_moved(before.sheets, self._counts(None).sheets) or 0) * pages // sheets

    def _counts(self, printer: Condition | None) -> Witness:
        sheets = None if self._exit_sensor is None else self._exit_sensor.sheets
        return Witness(sheets, None if printer is None else printer.meter)

    async def _witnessed(
        self, job_name: str, finding: Finding, result: PrintResult, pages: int, sheets: int
    ) -> PrintResult:
        """What the sensor at the exit and the printer's meter make of a result."""
        before = self._before.get(job_name, Witness())
        all_out = result.certainty is Certainty.DONE or finding is Finding.UNCOUNTED
        if all_out and self._exit_sensor is not None and before.sheets is not None:
            await self._exit_sensor.until(before.sheets + sheets, self._exit_seconds)
        after = self._counts(await _condition_of(self._printer))
        witness = Witness(_moved(before.sheets, after.sheets), _moved(before.sides, after.sides))
        judged = uncounted(pages, sheets, witness) if finding is Finding.UNCOUNTED else result
        judged = confirmed(judged, sheets, witness)
        if witness.sheets is not None:
            self._log(
                EventId.PRINT_WITNESSED, job=job_name, sheets=witness.sheets, certainty=judged.certainty
            )
        return judged

    async def _follow(
        self, job_name: str, pages: int, sheets: int, progress: Callable[[PrintProgress], None]
    ) -> tuple[Finding, PrintResult]:
        loop = asyncio.get_running_loop()
        began = loop.time()
        watch = JobWatch(pages, self._limits, began)
        told = 0
        server_ended = False
        while True:
            look = await self._look(job_name)
            finding = watch.see(loop.time(), look)
            out = min(max(watch.pages_out, self._sides_at_exit(job_name, pages, sheets)), pages)
            if out != told:
                told = out
                progress(PrintProgress(told, pages))
            if finding is None and look is not None and not watch.seen:
                # cupsd lets go of a job after the printer took it: one more look decides.
                if server_ended:
                    finding = Finding.NEVER_SEEN
                server_ended = await self._absence.server_ended(job_name)
            if finding in ALL_OUT and await self._came_again(job_name, pages):
                finding = Finding.PART_OUT
            if finding is not None:
                return finding, await self._settle(job_name, pages, finding, watch.pages_out, began)
            await asyncio.sleep(self._follow_seconds)

    async def _came_again(self, job_name: str, pages: int) -> bool:
        """Whether a second job of the name is at the printer, after nothing can send one any more.

        A backend of cupsd that lost the printer's answer to the document hands it over once more, by itself.
        """
        await self._canceller.end(job_name, self._purge_seconds)
        look = await self._look(job_name)
        return look is not None and bool(look.jobs) and judge(pages, look.jobs) not in ALL_OUT

    async def _look(self, job_name: str) -> Look | None:
        """One look at the printer, which also renews the level; None if it was silent."""
        loop = asyncio.get_running_loop()
        asked = loop.time()
        try:
            condition, jobs = await self._printer.condition(), await self._printer.jobs(job_name)
            look = Look(condition, jobs, loop.time() - asked)
        except DeviceGone:
            look = None
        self._take(None if look is None else look.condition)
        return look

    async def _settle(
        self, job_name: str, pages: int, finding: Finding, seen_out: int, began: float
    ) -> PrintResult:
        """Turn a finding into a result; whatever is not all out is purged and looked at once more."""
        if finding is Finding.ALL_OUT:
            return PrintResult(Certainty.DONE, pages)
        if finding is Finding.UNCOUNTED:
            return PrintResult(Certainty.UNKNOWN, 0)
        empty = await self._canceller.purge(job_name, self._purge_seconds)
        look = await self._look(job_name)
        if look is None or finding is Finding.LOST:
            return PrintResult(Certainty.UNKNOWN, seen_out)
        out = max(seen_out, pages_out(look.jobs))
        if not look.jobs:
            now = asyncio.get_running_loop().time()
            never = empty and not out and await self._absence.proven(job_name, began=began, now=now)
            return PrintResult(Certainty.NOT_DONE if never else Certainty.UNKNOWN, out)
        match judge(pages, look.jobs):
            case Finding.ALL_OUT:
                return PrintResult(Certainty.DONE, pages)
            case Finding.NOTHING_OUT if empty and not out:
                return PrintResult(Certainty.NOT_DONE, 0)
            case _:
                return PrintResult(Certainty.UNKNOWN, out)


def _moved(before: int | None, after: int | None) -> int | None:
    """A counter that began anew has seen nothing."""
    return None if before is None or after is None or after < before else after - before


async def _condition_of(partner: IppPartner) -> Condition | None:
    try:
        return await partner.condition()
    except DeviceGone:
        return None
