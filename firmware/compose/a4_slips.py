"""Slips on the A4 printer, for a machine that has no receipt printer."""

import asyncio
import contextlib
import math
import secrets
import sys
from asyncio.subprocess import PIPE
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from firmware.compose.worker import document_settings, submit_to
from firmware.core.facts import ReceiptPrinterLevel
from firmware.core.terms import Certainty, PrinterReason
from firmware.documents.refusals import DocumentRefused
from firmware.documents.slip_page import slip_pdf
from firmware.errors import PrintNotSubmitted
from firmware.logbook import EventId, Logbook
from firmware.ports import DocumentPrinter, PrintProgress, ReportLevel, SlipLine
from firmware.settings import load

FREE_SECONDS = 10.0
LOOK_SECONDS = 0.2
NOT_SUBMITTED = 3
"""Exit status of the slip's process when it surely handed nothing over."""


class A4SlipPrinter:
    """Implements `firmware.ports.ReceiptPrinter` on the document printer.

    The slip is drawn and handed over in a process of its own, which may hang or crash. Whether the printer
    can print is said by its own level; this one is always ready. submit_seconds: after that the process is
    killed. in_visit: its slips are a visit's; while any other is followed the printer is not ready.
    """

    def __init__(
        self,
        printer: DocumentPrinter,
        log: Logbook,
        *,
        command: Sequence[str],
        submit_seconds: float,
        in_visit: bool = True,
    ) -> None:
        self._printer = printer
        self._log = log
        self._command = tuple(command)
        self._submit_seconds = submit_seconds
        self._in_visit = in_visit
        self._one_user = asyncio.Lock()

    @staticmethod
    def busy_seconds() -> float:
        """Nothing of its own is watched: the document printer is."""
        return 0.0

    def start(self, report: ReportLevel) -> None:
        """Reports ReceiptPrinterLevel once."""
        report(ReceiptPrinterLevel(ready=True))

    async def print_slip(self, lines: Sequence[SlipLine]) -> Certainty:
        """Print on a sheet of its own; as certain as a certificate."""
        async with self._one_user:
            certainty = await self._print(lines)
        self._log(EventId.RECEIPT_ENDED, certainty=certainty)
        return certainty

    async def close(self) -> None:
        """Nothing to give back: the printer belongs to another."""

    async def _print(self, lines: Sequence[SlipLine]) -> Certainty:
        if not await self._free():
            return Certainty.NOT_DONE
        job_name = f"slip-{secrets.token_hex(8)}"
        await self._printer.expect(job_name)
        pages = await self._submit(lines, job_name)
        if pages == 0:
            # An empty job may stand at the print server, which would wait minutes for its document.
            await self._printer.purge(job_name)
            return Certainty.NOT_DONE
        result = await self._printer.follow(
            job_name, pages, _nobody_watches, sheets=math.ceil(pages / 2), in_visit=self._in_visit
        )
        return result.certainty

    async def _free(self) -> bool:
        """Whether it can print: the print server lets go of a certificate a moment after it is out."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + FREE_SECONDS
        while (reasons := (await self._printer.refresh()).reasons) == {PrinterReason.JOBS_WAITING}:
            if loop.time() > deadline:
                break
            await asyncio.sleep(LOOK_SECONDS)
        return not reasons

    async def _submit(self, lines: Sequence[SlipLine], job_name: str) -> int:
        """Pages handed over; 0 if surely none; 1 if nobody knows, since most slips have one."""
        process = await asyncio.create_subprocess_exec(
            *self._command, job_name, stdin=PIPE, stdout=PIPE, start_new_session=True
        )
        try:
            async with asyncio.timeout(self._submit_seconds):
                said, _ = await process.communicate(msgspec.json.encode(list(lines)))
        except TimeoutError:
            return 1
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.returncode == NOT_SUBMITTED:
            return 0
        return int(said) if process.returncode == 0 and said.strip().isdigit() else 1


def slip_command(config: Path) -> tuple[str, ...]:
    """Starts `slip_worker`; the job's name comes last."""
    return (sys.executable, "-m", "firmware", "slip-worker", "--config", str(config))


def slip_worker(config: Path, job_name: str, lines: BinaryIO) -> int:
    """The process: lines as JSON from standard input, pages to standard output; its exit status."""
    settings = load(config)
    try:
        pdf, pages = slip_pdf(
            msgspec.json.decode(lines.read(), type=list[SlipLine]), document_settings(settings)
        )
        submit_to(settings)(pdf, job_name)
    except (DocumentRefused, PrintNotSubmitted):
        return NOT_SUBMITTED
    print(pages)  # noqa: T201 - the answer to the kiosk
    return 0


def _nobody_watches(_progress: PrintProgress) -> None:
    """A slip's pages are on no screen."""
