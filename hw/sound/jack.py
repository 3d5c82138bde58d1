"""The switch in the earphone's socket, read from the kernel's input event device."""

import array
import asyncio
import contextlib
import fcntl
import os
import struct
from collections.abc import Callable
from pathlib import Path

from firmware.logbook import EventId, Logbook

_EVENT = struct.Struct("@llHHi")
_EV_SW, _SW_HEADPHONE_INSERT = 0x05, 0x02
_EVIOCGSW = 0x8008451B
"""_IOR('E', 0x1b, 8 bytes). Source: linux/input.h, linux/input-event-codes.h."""

_RETRY_SECONDS = 2.0


class EarphoneJack:
    """Tells when an earphone is plugged in or pulled out, and when nobody knows.

    path: such as /dev/madoguchi/earphone. plugged is called on the loop, only with a change: None is a device
    that is missing or tells of no switch, as it is taken to be until it was read.
    """

    def __init__(self, path: Path, *, plugged: Callable[[bool | None], None], log: Logbook) -> None:
        self._path = path
        self._tell = plugged
        self._log = log
        self._is_in: bool | None = None
        self._fault = ""
        self._descriptor: int | None = None
        self._retry: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Watch it from now on."""
        self._open()

    async def close(self) -> None:
        """Watch no more; may be called twice."""
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        self._let_go()

    def _open(self) -> None:
        try:
            self._descriptor = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK)
        except OSError as error:
            self._gone(type(error).__name__)
            return
        if self._fault:
            self._log(EventId.SOUND_BACK)
        self._fault = ""
        asyncio.get_running_loop().add_reader(self._descriptor, self._read, self._descriptor)
        with contextlib.suppress(OSError):  # a device without switches tells nothing
            switches = array.array("B", bytes(8))
            fcntl.ioctl(self._descriptor, _EVIOCGSW, switches)
            self._set(bool(switches[0] & 1 << _SW_HEADPHONE_INSERT))

    def _read(self, descriptor: int) -> None:
        try:
            told = os.read(descriptor, 64 * _EVENT.size)
        except BlockingIOError:
            return
        except OSError as error:
            self._gone(type(error).__name__)
            return
        if not told:
            self._gone("end-of-file")
            return
        for _, _, kind, code, value in _EVENT.iter_unpack(told[: len(told) // _EVENT.size * _EVENT.size]):
            if (kind, code) == (_EV_SW, _SW_HEADPHONE_INSERT):
                self._set(bool(value))

    def _set(self, is_in: bool | None) -> None:
        before, self._is_in = self._is_in, is_in
        if is_in is not before:
            self._tell(is_in)

    def _gone(self, fault: str) -> None:
        self._let_go()
        if not self._fault:
            self._log(EventId.SOUND_GONE, error=fault)
        self._fault = fault
        self._set(None)
        self._retry = asyncio.get_running_loop().call_later(_RETRY_SECONDS, self._open)

    def _let_go(self) -> None:
        if self._descriptor is not None:
            asyncio.get_running_loop().remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = None
