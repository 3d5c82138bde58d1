"""Fetches what the municipality has published newly, and has it checked and used."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from firmware.errors import ConfigError, MunicipalityError, OfficeRefused, PublicationInvalid
from firmware.logbook import EventId, Logbook
from firmware.rounds import outlived, pause


class Publisher(Protocol):
    """The municipality as it publishes; see `firmware.ports.Municipality`."""

    async def published(self, kind: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where one kind of publication is kept.

    serial: of what is in use, 0 for nothing. take: verify, check, keep and use it; its serial number.
    Raises PublicationInvalid, ConfigError for what it says, OfficeRefused for a file that is not written.
    """

    serial: Callable[[], int]
    take: Callable[[str], Awaitable[int]]


class Publications:
    """One fetch for each new serial number; what was refused is not asked for again, what failed is.

    A failure leaves in use what was in use.
    """

    def __init__(
        self, publisher: Publisher, shelves: Mapping[str, Shelf], log: Logbook, *, retry_seconds: float
    ) -> None:
        self._publisher, self._shelves, self._log = publisher, shelves, log
        self._retry_seconds = retry_seconds
        self._newest: dict[str, int] = {}
        self._refused: dict[str, int] = {}
        self._news = asyncio.Event()

    def told(self, configuration: int, calendar: int) -> None:
        """The newest serial numbers, as the heartbeat has them."""
        self._newest = {"configuration": configuration, "calendar": calendar}
        self._news.set()

    async def run(self) -> None:
        """Fetch until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            for kind, shelf in self._shelves.items():
                wanted = self._newest.get(kind, 0)
                # The heartbeat's number is not signed: it stands in the way of no other.
                if wanted <= shelf.serial() or wanted == self._refused.get(kind):
                    continue
                if not await outlived(self._taken(kind, shelf), False, task="publications", log=self._log):
                    # The next heartbeat asks again; a short pause keeps a broken line from a storm.
                    await pause(self._retry_seconds)

    async def _taken(self, kind: str, shelf: Shelf) -> bool:
        wanted = self._newest[kind]
        try:
            serial = await shelf.take(await self._publisher.published(kind))
        except PublicationInvalid as invalid:
            self._refuse(kind, wanted, invalid.reason)
        except ConfigError:
            self._refuse(kind, wanted, "content")
        except OfficeRefused:
            self._log(EventId.PUBLICATION_REFUSED, kind=kind, reason="not-written")
            return False
        except MunicipalityError:
            return False
        else:
            self._log(EventId.PUBLICATION_TAKEN, kind=kind, version=str(serial))
        return True

    def _refuse(self, kind: str, serial: int, reason: str) -> None:
        self._refused[kind] = serial
        self._log(EventId.PUBLICATION_REFUSED, kind=kind, reason=reason, version=str(serial))
