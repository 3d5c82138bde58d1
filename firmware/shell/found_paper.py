"""Writes down paper that comes out after its print was settled with a dead printer (拾得用紙).

The printer was said to be switched off, so that nothing could come any more. If a page lies there all the
same, its order was paid back or is complete: the page is nobody's, no visit begins before staff have taken it
away, and the journal says of which order it is.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

from firmware.core import records as r
from firmware.logbook import EventId, Logbook

_TEST_PAGES = frozenset({"test printer", "test receipt"})
"""Commands at the console that bring a page into the tray; the second on a machine with one printer."""


class SaidOff:
    """The order whose printer was said to be switched off: enter every record once, in order.

    settled: its visit has ended, and nothing was printed since.
    """

    def __init__(self) -> None:
        self.settled: r.PrinterOff | None = None
        self._said: r.PrinterOff | None = None

    def enter(self, record: r.Record, *, may_print: bool = True) -> bool:
        """Take the next record of the journal; whether it has settled such an order.

        may_print: a technician's test page came out, if one was asked for.
        """
        match record:
            case r.PrinterOff():
                self._said = record
            case r.VisitEnded(visit=visit) if self._said is not None:
                said, self._said = self._said, None
                self.settled = said if said.visit == visit else self.settled
                return said.visit == visit
            case r.PrintIntended() | r.PaperFound():
                self.settled = None
            case r.CommandGiven(command=command) if command in _TEST_PAGES and may_print:
                self.settled = None
            case _:
                pass
        return False


class FoundPaper:
    """Watches the tray from such a visit's end to the next print, through every restart.

    said_off: by the journal so far. write: commits records that no step of the engine writes.
    """

    def __init__(
        self,
        said_off: SaidOff,
        *,
        write: Callable[[Sequence[r.Record]], Awaitable[None]],
        log: Logbook,
    ) -> None:
        self._write, self._log = write, log
        self._said_off = said_off
        self._due = asyncio.Event()
        self._may_print = True
        # Nobody stands there any more who could have left it after the start.
        self._tray_was_empty = True

    def note(self, records: Iterable[r.Record]) -> None:
        """These are on disk now."""
        for record in records:
            if self._said_off.enter(record, may_print=self._may_print):
                self._tray_was_empty = False

    def look(self, *, resting: bool, paper: bool, may_print: bool) -> None:
        """How it is now. What nobody has taken yet at the visit's end has not come later.

        may_print: the printer is proven empty and prints again, a technician's test page, too.
        """
        self._may_print = may_print
        if self._said_off.settled is None:
            return
        if not paper:
            self._tray_was_empty = True
        elif resting and self._tray_was_empty:
            self._due.set()

    async def run(self) -> None:
        """Until cancelled. Raises JournalError."""
        while True:
            await self._due.wait()
            self._due.clear()
            settled = self._said_off.settled
            if settled is not None:
                await self._write((r.PaperFound(settled.visit, settled.order_id),))
                self._log(EventId.PAPER_FOUND, visit=settled.visit[:8])
