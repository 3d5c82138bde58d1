"""An ESC/POS slip printer on a pseudo-terminal: takes the bytes, answers, cuts, and shows the roll."""

import asyncio
import contextlib
import os
import tempfile
import termios
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Self

from tests.simulators.printers import roll

FAULTS = frozenset({"paper_out", "near_end", "cover_open", "offline", "cutter", "silent", "stuck"})
"""stuck: it says that it is well and works nothing off, as in the middle of a picture's dots."""
STOPS = FAULTS - {"near_end"}

DLE_EOT = b"\x10\x04"
DLE_DC4_CLEAR = b"\x10\x14\x08\x01\x03\x14\x01\x06\x02\x08"
CLEARED = b"\x37\x25\x00"
INITIALIZE = b"\x1b@"
CUT = b"\x1dV"
TRANSMIT_STATUS = b"\x1dr"


class ReceiptSink:
    """Start it, open `path` as the serial line, print.

    columns: half-width characters on a line of the roll.
    slips: the raw bytes of each piece of paper with something on it, up to its cut. blanks: how many pieces
    were cut with nothing on them. received: every byte that came.
    complaints: what a real printer would have printed as garbage.
    """

    def __init__(self, *, columns: int = 42) -> None:
        self._columns = columns
        self._directory = tempfile.TemporaryDirectory(prefix="receipt-")
        self._path = Path(self._directory.name) / "tty"
        self._master = -1
        self._slave = -1
        self._fault: str | None = None
        self._fault_after_bytes = 0
        self._bytes_to_contact_loss: int | None = None
        self._held = b""
        self._pending = bytearray()
        self._current = bytearray()
        self._on_paper = 0
        self._on_slip: list[Callable[[bytes], object]] = []
        self.slips: list[bytes] = []
        self.blanks = 0
        self.received = bytearray()
        self.complaints: list[str] = []

    @property
    def path(self) -> str:
        """The tty; the same name through every vanish and return."""
        return str(self._path)

    async def start(self) -> Self:
        """Plug it in."""
        self.plug_in()
        return self

    async def stop(self) -> None:
        """Unplug and remove the tty. May be called twice."""
        self.unplug()
        self._directory.cleanup()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def on_slip(self, callback: Callable[[bytes], object]) -> None:
        """Call callback with the raw bytes of each slip when it is cut."""
        self._on_slip.append(callback)

    def plug_in(self) -> None:
        """Appear under `path`; harmless when there."""
        if self._master >= 0:
            return
        self._master, self._slave = os.openpty()
        for end in (self._master, self._slave):
            tty.setraw(end, termios.TCSANOW)
        os.set_blocking(self._master, False)
        self._path.symlink_to(os.ttyname(self._slave))
        asyncio.get_running_loop().add_reader(self._master, self._on_readable)

    def unplug(self) -> None:
        """Vanish as a pulled USB cable does; what has come is printed all the same. Harmless when gone."""
        if self._master < 0:
            return
        asyncio.get_running_loop().remove_reader(self._master)
        self._path.unlink()
        os.close(self._master)
        os.close(self._slave)
        self._master = self._slave = -1

    def lose_contact(self, *, after_bytes: int) -> None:
        """Unplug when so many more bytes are processed; what follows them is lost on its way."""
        self._bytes_to_contact_loss = after_bytes

    def set_fault(self, name: str | None, *, after_bytes: int = 0) -> None:
        """Put one of FAULTS in force, or clear it with None: what is held then goes on printing.

        after_bytes: it strikes when so many bytes of the slip are processed.
        """
        if name is not None and name not in FAULTS:
            raise ValueError(f"fault {name} is not one of {', '.join(sorted(FAULTS))}")
        self._fault, self._fault_after_bytes = name, after_bytes
        self._process()

    def text(self, slip: bytes) -> str:
        """What stands on the slip, line by line."""
        return roll.text(slip)

    def render_png(self, slip: bytes) -> bytes:
        """The slip as a picture of the paper roll."""
        return roll.picture(slip, columns=self._columns)

    @property
    def _fault_now(self) -> str | None:
        return self._fault if len(self._current) >= self._fault_after_bytes else None

    def _on_readable(self) -> None:
        arrived = os.read(self._master, 4096)
        self.received += arrived
        self._pending += self._answer_real_time(self._held + arrived)
        self._process()

    def _answer_real_time(self, arrived: bytes) -> bytes:
        """Answer DLE EOT and obey DLE DC4 wherever they stand; the rest is for the buffer."""
        if DLE_DC4_CLEAR in arrived:
            arrived = arrived.replace(DLE_DC4_CLEAR, b"")
            self._pending.clear()
            del self._current[self._on_paper :]
            self._answer_bytes(CLEARED)
        arrived, self._held = _split_unfinished(arrived)
        while DLE_EOT in arrived:
            before, _, after = arrived.partition(DLE_EOT)
            self._answer(self._status(after[0]))
            arrived = before + after[1:]
        return arrived

    def _status(self, group: int) -> int:
        fault = self._fault_now
        match group:
            case 1:
                return 0x12 | (0x08 if fault in STOPS - {"stuck"} else 0)
            case 2:
                bits = {"cover_open": 0x04, "paper_out": 0x20, "cutter": 0x40}
            case 3:
                bits = {"cutter": 0x08}
            case _:
                bits = {"near_end": 0x0C, "paper_out": 0x60 | 0x0C}
        return 0x12 | bits.get(fault or "", 0)

    def _process(self) -> None:
        """Work through the buffer in order until it is empty or a fault stops the printer."""
        while self._pending and self._fault_now not in STOPS:
            try:
                taken = roll.first_command(bytes(self._pending))
            except ValueError as complaint:
                self.complaints.append(str(complaint))
                taken = bytes(self._pending[:1])
            if not taken:
                return
            del self._pending[: len(taken)]
            self._wear_contact(len(taken))
            if taken.startswith(TRANSMIT_STATUS):
                self._answer(0x03 if self._fault_now == "near_end" else 0x00)
                continue
            if taken == INITIALIZE:
                del self._current[self._on_paper :]
            self._current += taken
            if roll.prints(taken):
                self._on_paper = len(self._current)
            if self._fault and len(self._current) >= self._fault_after_bytes:
                self._fault_after_bytes = 0
            if taken.startswith(CUT):
                self._cut()

    def _wear_contact(self, count: int) -> None:
        if self._bytes_to_contact_loss is None:
            return
        self._bytes_to_contact_loss -= count
        if self._bytes_to_contact_loss <= 0:
            self._bytes_to_contact_loss = None
            self._pending.clear()
            self.unplug()

    def _cut(self) -> None:
        slip = bytes(self._current)
        self._current.clear()
        self._on_paper = 0
        if roll.is_blank(slip):
            self.blanks += 1
            return
        self.slips.append(slip)
        for callback in self._on_slip:
            callback(slip)

    def _answer(self, answer: int) -> None:
        self._answer_bytes(bytes((answer,)))

    def _answer_bytes(self, answer: bytes) -> None:
        if self._master >= 0 and self._fault_now != "silent":
            with contextlib.suppress(BlockingIOError):
                os.write(self._master, answer)


def _split_unfinished(arrived: bytes) -> tuple[bytes, bytes]:
    """What can be read now, and the beginning of a real-time command whose end is still to come."""
    start = arrived.rfind(b"\x10", max(0, len(arrived) - len(DLE_DC4_CLEAR) + 1))
    tail = arrived[start:] if start >= 0 else b""
    if tail and (tail == DLE_EOT or DLE_DC4_CLEAR.startswith(tail) or tail == DLE_EOT[:1]):
        return arrived[:start], tail
    return arrived, b""
