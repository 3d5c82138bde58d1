"""Everything the daemon has its hands on, by port."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from firmware import ports
from firmware.core.orders import PrintSlip


@dataclass(frozen=True, slots=True)
class Devices:
    """payouts: the hoppers by their addresses. new_worker makes a fresh document worker; slip_lines words
    a slip for the moment given.
    """

    card: ports.CardReader
    keypad: ports.Keypad
    acceptor: ports.CoinAcceptor
    payouts: Mapping[int, ports.CoinPayout]
    printer: ports.DocumentPrinter
    receipt: ports.ReceiptPrinter
    panel: ports.Panel
    municipality: ports.Municipality
    new_worker: Callable[[], ports.DocumentWorker]
    slip_lines: Callable[[PrintSlip, datetime], Sequence[ports.SlipLine]]
