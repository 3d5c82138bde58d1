"""What the pseudo-terminals of this process still carry: written at one end, not yet arrived at the other."""

import array
import contextlib
import fcntl
import os
import termios
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from unittest import mock

LOST_SECONDS = 60.0
"""The kernel carries a byte in microseconds; on the busiest machine not in a minute."""

_read, _write, _close, _flush = os.read, os.write, os.close, termios.tcflush


@dataclass(slots=True)
class _Terminal:
    """One pseudo-terminal. written, read: bytes by the end that did it, True at its master."""

    master: int
    slave: int
    device: int
    written: Counter[bool] = field(default_factory=Counter)
    read: Counter[bool] = field(default_factory=Counter)

    def under_way(self, *, to_master: bool) -> bool:
        """Bytes are on their way to an end at which none waits to be read."""
        unread = self.written[not to_master] - self.read[to_master]
        return unread > 0 and not _waiting(self.master if to_master else self.slave)


class PtyTraffic:
    """Counts the bytes of every pseudo-terminal made with os.openpty while it is in force.

    Both ends must be this process's, and nobody else may read or write them.
    """

    def __init__(self) -> None:
        self._terminals: list[_Terminal] = []

    @contextlib.contextmanager
    def counted(self) -> Iterator[None]:
        """Count from now on; for one thread."""
        openpty = os.openpty

        def made() -> tuple[int, int]:
            master, slave = openpty()
            self._terminals.append(_Terminal(master, slave, os.fstat(slave).st_rdev))
            return master, slave

        with (
            mock.patch.object(os, "openpty", made),
            mock.patch.object(os, "read", self._counted_read),
            mock.patch.object(os, "write", self._counted_write),
            mock.patch.object(os, "close", self._noted_close),
            mock.patch.object(termios, "tcflush", self._certain_flush),
        ):
            yield

    def settle(self) -> None:
        """Return when every byte has arrived where somebody may read it."""
        for terminal in self._terminals:
            for to_master in (True, False):
                self._settle_way(terminal, to_master=to_master)

    def _settle_way(self, terminal: _Terminal, *, to_master: bool) -> None:
        deadline = time.monotonic() + LOST_SECONDS
        while terminal.under_way(to_master=to_master):
            assert time.monotonic() < deadline, f"bytes were lost on their way: {terminal}"
            time.sleep(0.0001)

    def _found(self, fd: int) -> tuple[_Terminal, bool] | None:
        """The terminal and whether this is its master; the host opens the slave anew by its name."""
        if not self._terminals:
            return None
        device = os.fstat(fd).st_rdev
        for terminal in self._terminals:
            if fd == terminal.master or device == terminal.device:
                return terminal, fd == terminal.master
        return None

    def _counted_read(self, fd: int, length: int, /) -> bytes:
        octets = _read(fd, length)
        if (found := self._found(fd)) is not None:
            terminal, at_master = found
            terminal.read[at_master] += len(octets)
        return octets

    def _counted_write(self, fd: int, octets: bytes, /) -> int:
        count = _write(fd, octets)
        if (found := self._found(fd)) is not None:
            terminal, at_master = found
            terminal.written[at_master] += count
        return count

    def _noted_close(self, fd: int, /) -> None:
        self._terminals = [line for line in self._terminals if fd not in (line.master, line.slave)]
        _close(fd)

    def _certain_flush(self, fd: int, queue: int, /) -> None:
        """Drop what was written to this end so far, whether the kernel has carried it yet or not."""
        found = self._found(fd)
        if found is None or queue != termios.TCIFLUSH:
            _flush(fd, queue)
            return
        terminal, at_master = found
        while terminal.written[not at_master] > terminal.read[at_master]:
            self._settle_way(terminal, to_master=at_master)
            terminal.read[at_master] += len(_read(fd, _waiting(fd)))


def _waiting(fd: int) -> int:
    """Bytes that a read would give now."""
    count = array.array("i", [0])
    fcntl.ioctl(fd, termios.FIONREAD, count)
    return count[0]
