"""What the kiosk does by itself for the municipality, besides serving: copies, renewals, news."""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Iterable, Mapping
from pathlib import Path
from typing import Any

from firmware.compose.published import shelves
from firmware.compose.renewing import renewed
from firmware.logbook import EventId, Logbook
from firmware.ports import Municipality, OpenOrder
from firmware.settings import Settings
from firmware.shell.clock import Clock, now_utc
from firmware.shell.journal import Journal
from firmware.shell.journal_copy import JournalCopy
from firmware.shell.open_orders import OpenOrders
from firmware.shell.publications import Publications
from firmware.shell.renewal import Renewal

_LOOK_SECONDS = 0.5

Errand = Callable[[], Coroutine[Any, Any, None]]


class Errands:
    """The errands of one run. restart: ends the daemon, so that its service manager starts it anew."""

    def __init__(
        self,
        settings: Settings,
        config: Path,
        *,
        clock: Clock,
        journal: Journal,
        log: Logbook,
        restart: Callable[[], None] = lambda: os.kill(os.getpid(), signal.SIGTERM),
    ) -> None:
        self._settings, self._config = settings, config
        self._clock, self._journal, self._log = clock, journal, log
        self._restart = restart
        self._publications: Publications | None = None
        self._open_orders: OpenOrders | None = None
        self._copy: JournalCopy | None = None
        self._lost = asyncio.Event()

    def strays(self) -> tuple[OpenOrder, ...]:
        """Orders that the municipality waits for and nobody here knows of, as far as has been asked."""
        return () if self._open_orders is None else self._open_orders.strays or ()

    async def copy_journal(self) -> int | None:
        """Send what the municipality lacks of the journal; the last entry that it keeps, None if unsaid."""
        if self._copy is None:
            return None
        await self._copy.send()
        return self._copy.kept_seq

    def told(self, configuration: int, calendar: int) -> None:
        """The newest serial numbers, as the heartbeat has them."""
        if self._publications is not None:
            self._publications.told(configuration, calendar)

    def key_store_lost(self) -> None:
        """The TPM is back, and only a new process can use it: end between two visits."""
        self._lost.set()

    def begin(
        self, municipality: Municipality, resting: Callable[[], bool], mine: Callable[[], Iterable[str]]
    ) -> Mapping[str, Errand]:
        """Each by its name, to be run until cancelled. mine: see OpenOrders. Raises ConfigError."""
        said, settings, log = self._settings.file.municipality, self._settings, self._log

        async def apply() -> None:
            while not resting():  # noqa: ASYNC110 - a state has no event of its own
                await asyncio.sleep(_LOOK_SECONDS)
            self._restart()

        async def begin_anew() -> None:
            await self._lost.wait()
            self._log(EventId.KEY_STORE_BACK)
            await apply()

        self._publications = Publications(
            municipality,
            shelves(settings, self._config, self._clock, apply, log),
            log,
            retry_seconds=said.heartbeat_seconds,
        )
        self._copy = JournalCopy(municipality, self._journal, log, every_seconds=said.journal_copy_seconds)
        renewal = Renewal(
            renewed=lambda: renewed(settings, self._config, now_utc()),
            resting=resting,
            every_seconds=said.renewal_check_seconds,
            retry_seconds=said.renewal_retry_seconds,
            log=log,
        )
        self._open_orders = OpenOrders(municipality, mine, log, pause_seconds=said.heartbeat_seconds)
        return {
            "publications": self._publications.run,
            "journal-copy": self._copy.run,
            "certificate-renewal": renewal.run,
            "open-orders": self._open_orders.run,
            "key-store": begin_anew,
        }
