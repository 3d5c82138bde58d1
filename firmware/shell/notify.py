"""Talks to the service manager: ready, watchdog, stopping. sd_notify(3)"""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Final

LOOK_SECONDS: Final = 1.0
LONGEST_START_SECONDS: Final = 900.0
"""Years of a journal on a slow processor; a disk that answers nothing for so long will not."""
_ASK_SECONDS: Final = 10.0


class ServiceManager:
    """Does nothing when not started by systemd (no NOTIFY_SOCKET)."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        watchdog_us = environment.get("WATCHDOG_USEC", "")
        watchdog_seconds = int(watchdog_us) / 1_000_000 if watchdog_us.isdigit() else 0.0
        self._look_seconds = min(watchdog_seconds / 10, LOOK_SECONDS)

    @contextlib.asynccontextmanager
    async def takes_long(self) -> AsyncIterator[None]:
        """What is done here may take longer than the unit gives a start, at most LONGEST_START_SECONDS.

        Source: sd_notify(3), EXTEND_TIMEOUT_USEC.
        """
        asking = asyncio.create_task(self._ask_for_time(), name="start")
        try:
            yield
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)

    async def _ask_for_time(self) -> None:
        for _ in range(int(LONGEST_START_SECONDS / _ASK_SECONDS)):
            self._send(f"EXTEND_TIMEOUT_USEC={round(2 * _ASK_SECONDS * 1_000_000)}")
            await asyncio.sleep(_ASK_SECONDS)

    def ready(self) -> None:
        """The engine runs."""
        self._send("READY=1")

    def stopping(self) -> None:
        """The daemon is on its way out."""
        self._send("STOPPING=1")

    async def keep_alive(self, well: Callable[[], bool] = lambda: True) -> None:
        """Feed the watchdog from the loop it watches, as long as all is well, until cancelled.

        Looks far more often than the watchdog must be fed: an illness that passed has starved nobody.
        """
        while self._look_seconds:
            if well():
                self._send("WATCHDOG=1")
            await asyncio.sleep(self._look_seconds)

    def _send(self, message: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as link,
        ):
            link.connect(address)
            link.sendall(message.encode())
