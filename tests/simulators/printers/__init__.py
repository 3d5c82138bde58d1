"""Simulated printers on real wires: IPP by ippeveprinter and cupsd, ESC/POS on a pseudo-terminal."""

from tests.simulators.printers.a4_printer import A4Printer, PrintedJob
from tests.simulators.printers.lossy_wire import LossyWire
from tests.simulators.printers.print_server import PrintServer
from tests.simulators.printers.receipt_sink import ReceiptSink

__all__ = ["A4Printer", "LossyWire", "PrintServer", "PrintedJob", "ReceiptSink"]
