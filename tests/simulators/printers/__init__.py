"""Simulated printers behind their real wires: IPP by ippeveprinter and cupsd, ESC/POS on a pseudo-terminal."""

from tests.simulators.printers.a4_printer import A4Printer, PrintedJob
from tests.simulators.printers.print_server import PrintServer

__all__ = ["A4Printer", "PrintServer", "PrintedJob"]
