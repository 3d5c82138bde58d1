"""Writes down that a slot is shut which no visit saw shut."""

import asyncio
from collections.abc import Callable, Iterable

from firmware import ports
from firmware.core import events as e
from firmware.core import records as r


class SlotByJournal:
    """Whether coins could come in when the last record was written, and where the acceptor's counter stood:
    enter every record once, in order.

    A slot of which SlotOpened tells is shut only by SlotShut, or by a doubt told after the visit, for then
    the acceptor was there again. Older journals say only that an order was reserved, and
    what came after the coins.
    """

    def __init__(self) -> None:
        self.is_open = False
        self.mark: ports.CoinMark | None = None
        self._told = False

    def enter(self, record: r.Record) -> None:
        """Take the next record of the journal."""
        match record:
            case r.SlotOpened():
                self.is_open = self._told = True
            case r.SlotShut() | r.CoinsSuspected(visit=""):
                self.is_open = self._told = False
            case r.OrderReserved():
                self.is_open = True
            case r.IssueIntended() | r.PayoutBegan() | r.VisitEnded() if not self._told:
                self.is_open = False
            case _:
                pass
        match record:
            case (
                r.SlotOpened(serial=serial, counter=counter, pairs=pairs)
                | r.CoinTaken(serial=serial, counter=counter, pairs=pairs)
                | r.CoinUnclaimed(serial=serial, counter=counter, pairs=pairs)
                | r.CoinsSuspected(serial=serial, counter=counter, pairs=pairs)
                | r.SlotShut(serial=serial, counter=counter, pairs=pairs)
            ):
                self.mark = ports.CoinMark(serial, counter, pairs)
            case _:
                pass


class SlotKeeper:
    """A visit whose acceptor fell silent, whose kiosk died, or a technician's test leaves the slot open in
    the journal; else it would stand there until the next visit, and the power-off of the night make a doubt.

    is_open: by the journal. may_shut: nobody is asked for coins and the acceptor answers. post: to the
    engine, behind the coins already told.
    """

    def __init__(
        self,
        acceptor: ports.CoinAcceptor,
        *,
        is_open: bool,
        may_shut: Callable[[], bool],
        post: Callable[[e.CoinsClosed], None],
    ) -> None:
        self._acceptor = acceptor
        self._is_open = is_open
        self._may_shut = may_shut
        self._post = post
        self._stirred = asyncio.Event()

    def note(self, records: Iterable[r.Record]) -> None:
        """These are on disk now."""
        for record in records:
            match record:
                case r.SlotOpened():
                    self._is_open = True
                case r.SlotShut() | r.CoinsSuspected(visit=""):
                    self._is_open = False
                case _:
                    pass

    def look(self) -> None:
        """Something may have changed."""
        self._stirred.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._stirred.wait()
            self._stirred.clear()
            if not self._due():
                continue
            await self._acceptor.stop()
            mark = self._acceptor.mark
            if self._due() and mark is not None:
                self._post(e.CoinsClosed(mark.serial, mark.counter, mark.pairs))

    def _due(self) -> bool:
        return self._is_open and self._may_shut()
