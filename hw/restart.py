"""How a service is restarted for a kiosk that may restart nothing.

pcscd or the print server can hang for good, and what waits for it ends with its process alone. The kiosk
writes an empty file, and whoever watches it restarts that service (`systemd/madoguchi-pcscd-restart.path`,
`systemd/madoguchi-cups-restart.path`).
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

MOST_SECONDS = 600.0
"""A service that is dead for good is asked for this rarely in the end."""


async def _always() -> bool:
    return True


class RestartRequest:
    """Asks as long as it is not withdrawn.

    file: written anew with each request; None: nobody watches, none is made. first_seconds: how long a
    service that hangs may still come back by itself; each further pause is twice as long, up to MOST_SECONDS.
    asked, failed: told of each request, and of each that could not be written. still_hangs: the last look
    before each request; none is made without its yes.
    """

    def __init__(
        self,
        file: Path | None,
        first_seconds: float,
        *,
        asked: Callable[[], None],
        failed: Callable[[], None],
        still_hangs: Callable[[], Awaitable[bool]] = _always,
    ) -> None:
        self._file = file
        self._first_seconds = first_seconds
        self._asked = asked
        self._failed = failed
        self._still_hangs = still_hangs
        self._asking: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """The service hangs; harmless if that is known."""
        if self._asking is None and self._file is not None:
            self._asking = asyncio.create_task(self._ask(self._file), name="restart-request")

    def withdraw(self) -> None:
        """It came back, or nobody waits for it any more."""
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None

    async def _ask(self, file: Path) -> None:
        for pause_seconds in pauses(self._first_seconds):
            await asyncio.sleep(pause_seconds)
            if not await self._still_hangs():
                continue
            try:
                await asyncio.to_thread(file.write_bytes, b"")
            except OSError:
                self._failed()
            else:
                self._asked()


def pauses(first_seconds: float) -> Iterator[float]:
    """Before each request, without an end."""
    seconds = first_seconds
    while True:
        yield seconds
        seconds = min(seconds * 2, MOST_SECONDS)
