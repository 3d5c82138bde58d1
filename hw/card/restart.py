"""How pcscd is restarted by a kiosk that may restart nothing.

A command that a reader swallowed never comes back while pcscd lives: libpcsclite waits without limit, and no
call of another thread ends it. The kiosk writes a file, and whoever watches it restarts pcscd
(`systemd/madoguchi-pcscd-restart.path`); the command ends with it, as after a crash of pcscd.
"""

import asyncio
from pathlib import Path

from firmware.logbook import EventId, Logbook

MOST_SECONDS = 600.0
"""A reader that is dead for good is asked for this rarely in the end."""


class RestartRequest:
    """Asks as long as it is not withdrawn.

    file: written anew with each request; None: nobody watches, none is made. first_seconds: how long a
    command that was given up may still come back by itself; each further pause is twice as long.
    """

    def __init__(self, file: Path | None, first_seconds: float, log: Logbook) -> None:
        self._file = file
        self._first_seconds = first_seconds
        self._log = log
        self._asking: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """A command has been given up; harmless if that is known."""
        if self._asking is None and self._file is not None:
            self._asking = asyncio.create_task(self._ask(self._file))

    def withdraw(self) -> None:
        """It came back, or nobody waits for it any more."""
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None

    async def _ask(self, file: Path) -> None:
        pause_seconds = self._first_seconds
        while True:
            await asyncio.sleep(pause_seconds)
            try:
                await asyncio.to_thread(file.write_bytes, b"")
            except OSError:
                self._log(EventId.CARD_READER_FAILED, step="restart-request")
            else:
                self._log(EventId.PCSCD_RESTART_ASKED)
            pause_seconds = min(pause_seconds * 2, MOST_SECONDS)
