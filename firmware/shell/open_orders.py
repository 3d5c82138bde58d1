"""After a start: does the municipality wait for the end of an order that nobody here will tell it?"""

from collections.abc import Callable, Iterable
from typing import Protocol

from firmware.errors import MunicipalityError
from firmware.logbook import EventId, Logbook
from firmware.ports import OpenOrder
from firmware.rounds import outlived, pause


class OrderBook(Protocol):
    """The municipality's list; see `firmware.ports.Municipality`."""

    async def open_orders(self) -> tuple[OpenOrder, ...]: ...


class OpenOrders:
    """Compares once, and decides nothing: what neither books nor outbox know is for staff and the city.

    mine: ids of orders of which this kiosk still has to tell, or a person to decide.
    """

    def __init__(
        self, book: OrderBook, mine: Callable[[], Iterable[str]], log: Logbook, *, pause_seconds: float
    ) -> None:
        self._book, self._mine, self._log = book, mine, log
        self._pause_seconds = pause_seconds
        self.strays: tuple[OpenOrder, ...] | None = None

    async def run(self) -> None:
        """Ask until there is an answer, then compare."""
        while self.strays is None:
            # Known before the question is asked: what is told meanwhile is no stray.
            before = set(self._mine())
            answered = await outlived(self._answered(), None, task="open-orders", log=self._log)
            if answered is None:
                await pause(self._pause_seconds)
                continue
            mine = before | set(self._mine())
            self.strays = tuple(order for order in answered if order.order_id not in mine)
        for order in self.strays:
            self._log(EventId.ORDER_STRAY, visit=order.order_id[:8], outcome=order.state.lower())

    async def _answered(self) -> tuple[OpenOrder, ...] | None:
        try:
            return await self._book.open_orders()
        except MunicipalityError:
            return None
