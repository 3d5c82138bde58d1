"""The receipt printer (レシートプリンター): ESC/POS on a serial line."""

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path

from firmware.core.facts import ReceiptPrinterLevel
from firmware.core.terms import Certainty
from firmware.errors import DeviceGone
from firmware.logbook import EventId, Logbook
from firmware.ports import ReportLevel, SlipLine
from hw.printer import escpos, raster
from hw.pulse import Pulse
from hw.serial_line import SerialLine

BITS_A_BYTE = 10
"""8N1 on the line."""


class EscPosReceiptPrinter:
    """Implements `firmware.ports.ReceiptPrinter`.

    What an unproven slip left goes before anything else: at the first look that finds the printer well its
    buffers are cleared and the paper is cut, and only with the proof of that cut it is ready. A process
    that starts cannot know what the one before left, and no status tells of printed lines that are not
    cut, nor does any command take them back: so each start cuts, for two centimetres of blank paper. A note
    on the disk would save these and be wrong after a power cut between slip and note.

    path, baud: the serial line, best a /dev/serial/by-path name.
    columns: half-width characters on a line, see `escpos.slip`.
    picture_font: of a printer without kanji, which gets pictures of the lines; None for one with.
    poll_seconds: between two looks at a printer that answers.
    answer_seconds: for one status byte; silence beyond is "not ready".
    print_seconds: from the first byte of a slip to the proof after the cut, beside its time on the line.
    retry_first_seconds, retry_most_seconds: wait before looking for a missing printer again.
    """

    def __init__(
        self,
        *,
        path: str,
        baud: int,
        columns: int,
        log: Logbook,
        picture_font: Path | None = None,
        poll_seconds: float = 5.0,
        answer_seconds: float = 0.3,
        print_seconds: float = 15.0,
        retry_first_seconds: float = 0.1,
        retry_most_seconds: float = 5.0,
    ) -> None:
        self._line = SerialLine(path, baud)
        self._baud = baud
        self._columns = columns
        self._picture_font = picture_font
        self._log = log
        self._poll_seconds = poll_seconds
        self._answer_seconds = answer_seconds
        self._print_seconds = print_seconds
        self._retry_first_seconds = retry_first_seconds
        self._retry_most_seconds = retry_most_seconds
        self._one_user = asyncio.Lock()
        self._clean = False
        self._report: ReportLevel | None = None
        self._trouble: str | None = None
        self._level: ReceiptPrinterLevel | None = None
        self._watching: asyncio.Task[None] | None = None
        self._pulse = Pulse()

    def busy_seconds(self) -> float:
        """How long the watcher has not come round; see `firmware.ports.Watched`."""
        return self._pulse.silent_seconds()

    def start(self, report: ReportLevel) -> None:
        """Watch the printer; reports ReceiptPrinterLevel, the first one unasked."""
        self._report = report
        self._watching = asyncio.get_running_loop().create_task(self._watch(), name="receipt-printer")

    async def print_slip(self, lines: Sequence[SlipLine]) -> Certainty:
        """Print and cut.

        NOT_DONE if the printer was not ready before the first byte; DONE when it answered after the cut
        and has paper and no fault; UNKNOWN otherwise, and what it has not printed yet is dropped and what
        it has is cut off, so that neither comes out on the next person's slip.
        """
        slip = await self._drawn(lines)
        async with self._one_user:
            certainty = await self._print(slip)
        self._log(EventId.RECEIPT_ENDED, certainty=certainty)
        return certainty

    async def close(self) -> None:
        """End the watch and give the line back."""
        self._pulse.end()
        watching, self._watching = self._watching, None
        if watching is not None:
            watching.cancel()
            await asyncio.wait([watching])
        self._line.close()

    async def _watch(self) -> None:
        wait_seconds = self._retry_first_seconds
        while True:
            self._pulse.beat()
            async with self._one_user:
                trouble = await self._look()
            if trouble in ("unplugged", "silent"):
                await asyncio.sleep(wait_seconds)
                wait_seconds = min(wait_seconds * 2, self._retry_most_seconds)
            else:
                wait_seconds = self._retry_first_seconds
                await asyncio.sleep(self._poll_seconds)

    async def _drawn(self, lines: Sequence[SlipLine]) -> bytes:
        if self._picture_font is None:
            return escpos.slip(lines, columns=self._columns)
        return await asyncio.to_thread(
            raster.slip, tuple(lines), columns=self._columns, font=self._picture_font
        )

    async def _print(self, slip: bytes) -> Certainty:
        if await self._look() is not None:
            return Certainty.NOT_DONE
        self._clean = False
        try:
            proven = await self._send_and_prove(slip)
        except (DeviceGone, TimeoutError):
            proven = False
        trouble, low = await self._ask()
        if proven and trouble is None:
            self._clean = True
            self._take(trouble, low)
            return Certainty.DONE
        with contextlib.suppress(DeviceGone):
            await self._drop()  # in trouble, too: it would print on as soon as that is mended
        await self._look()
        return Certainty.UNKNOWN

    async def _send_and_prove(self, slip: bytes) -> bool:
        """Whether the answer in order came and says that there is still paper."""
        seconds = self._print_seconds + len(slip) * BITS_A_BYTE / self._baud
        if self._watching is not None:
            self._pulse.beat(within_seconds=seconds)  # the watcher waits for its turn until then
        async with asyncio.timeout(seconds):
            self._line.discard_input()
            await self._line.write(slip, seconds)
            while True:
                [answer] = await self._line.read(1, seconds)
                if escpos.is_paper_answer(answer):
                    return escpos.paper_left(answer)

    async def _look(self) -> str | None:
        """Ask for the status now and report it; the trouble in a word, None if it can print.

        Ready is only a printer of which nothing can come out any more.
        """
        trouble, low = await self._ask()
        if trouble is None and not self._clean:
            trouble, low = await self._clear()
        self._take(trouble, low)
        return trouble

    async def _ask(self) -> tuple[str | None, bool]:
        """The trouble in a word, and whether the paper is low."""
        try:
            self._line.open()
            status = await self._status()
        except DeviceGone:
            return "unplugged", False
        except (TimeoutError, ValueError):
            return "silent", False
        return status.trouble, status.trouble is None and status.paper_low

    async def _clear(self) -> tuple[str | None, bool]:
        """Drop what is not printed, cut off what is, and ask again; without the proof it is not clean."""
        try:
            await self._drop()
            self._clean = await self._send_and_prove(escpos.CUT_OFF)
        except (DeviceGone, TimeoutError):
            pass
        trouble, low = await self._ask()
        self._clean = self._clean and trouble is None
        if trouble is None and not self._clean:
            return "silent", False
        return trouble, low

    async def _drop(self) -> None:
        """Clear the buffers; raises DeviceGone.

        The answer comes before anything else is sent. Printers that do not know the command give none: what
        they hold is printed, and cut off.
        """
        with contextlib.suppress(TimeoutError):
            self._line.discard_input()
            await self._line.write(escpos.CLEAR_BUFFER, self._answer_seconds)
            async with asyncio.timeout(self._answer_seconds):
                answer = b""
                while not answer.endswith(escpos.CLEARED):
                    answer += await self._line.read(1, self._answer_seconds)

    async def _status(self) -> escpos.ReceiptPrinterStatus:
        """Raises DeviceGone, TimeoutError for silence, ValueError for bytes that are no status."""
        answers = bytearray()
        for group in escpos.STATUS_GROUPS:
            self._line.discard_input()
            await self._line.write(escpos.ask_status(group), self._answer_seconds)
            answers += await self._line.read(1, self._answer_seconds)
        return escpos.status(answers)

    def _take(self, trouble: str | None, paper_low: bool) -> None:
        level = ReceiptPrinterLevel(ready=trouble is None, paper_low=paper_low)
        before, self._level = self._level, level
        if trouble != self._trouble or before is None:
            self._trouble = trouble
            if trouble is not None:
                self._log(EventId.RECEIPT_PRINTER_GONE, reason=trouble)
            elif before is not None:
                self._log(EventId.RECEIPT_PRINTER_BACK)
        if paper_low and not (before is not None and before.paper_low):
            self._log(EventId.RECEIPT_PAPER_LOW)
        if self._report is not None and level != before:
            self._report(level)
