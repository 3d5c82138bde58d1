"""Keeps what the municipality publishes, checked as by a technician's `config check`."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from firmware.compose.checked import READABLE, checked, next_of, refused_of
from firmware.errors import OfficeRefused, PublicationInvalid
from firmware.logbook import EventId, Logbook
from firmware.municipality.publications import Calendar, PublicationKeys, PublicationKind
from firmware.settings import Settings, publication_file, publication_keys
from firmware.shell.clock import Clock
from firmware.shell.publications import Shelf
from firmware.whole_file import write_whole

_FOLDER_MODE = 0o755


def shelves(
    settings: Settings, config: Path, clock: Clock, apply: Callable[[], Awaitable[None]], log: Logbook
) -> dict[str, Shelf]:
    """By kind; empty if nobody may publish for this kiosk. A calendar that is kept is used at once.

    apply: waits for the end of the visit and has the kiosk started anew. Raises ConfigError.
    """
    keys = publication_keys(settings.file, settings.directory)
    if keys is None:
        return {}
    file = partial(publication_file, settings.file, settings.directory)
    configurations = _Configurations(keys, file(PublicationKind.CONFIGURATION), config, apply, log)
    calendars = _Calendars(keys, file(PublicationKind.CALENDAR), clock, log)
    return {
        PublicationKind.CONFIGURATION.value: Shelf(lambda: configurations.serial, configurations.take),
        PublicationKind.CALENDAR.value: Shelf(lambda: calendars.serial, calendars.take),
    }


class _Configurations:
    """serial: of what is kept, and used from the next start on."""

    def __init__(
        self,
        keys: PublicationKeys,
        path: Path,
        config: Path,
        apply: Callable[[], Awaitable[None]],
        log: Logbook,
    ) -> None:
        self._keys, self._path, self._config, self._apply = keys, path, config, apply
        # The settings were read with it: it is good.
        self.serial = keys.configuration(path.read_text(encoding="ascii")).serial if path.exists() else 0
        with suppress(OSError, ValueError, PublicationInvalid):  # that one waits for a start that can take it
            waiting = keys.configuration(next_of(path).read_text(encoding="ascii")).serial
            self.serial = max(self.serial, waiting)
        if refused_of(path).exists():
            log(EventId.PUBLICATION_REFUSED, kind=PublicationKind.CONFIGURATION, reason="kept-file")

    async def take(self, text: str) -> int:
        found = self._keys.configuration(text)
        if found.serial <= self.serial:
            raise PublicationInvalid("older")
        await asyncio.to_thread(checked, self._config, text)
        await asyncio.to_thread(_keep, next_of(self._path), text)
        self.serial = found.serial
        await self._apply()
        return found.serial


class _Calendars:
    """serial: of the one in use."""

    def __init__(self, keys: PublicationKeys, path: Path, clock: Clock, log: Logbook) -> None:
        self._keys, self._path, self._clock = keys, path, clock
        self._used = Calendar(0, ())
        if not path.exists():
            return
        try:
            self._use(keys.calendar(path.read_text(encoding="ascii")))
        except Exception:  # noqa: BLE001 - one bad file would end every start
            # The municipality says at every heartbeat whether it is open; it will be fetched anew.
            self._use(Calendar(0, ()))
            log(EventId.PUBLICATION_REFUSED, kind=PublicationKind.CALENDAR, reason="kept-file")

    async def take(self, text: str) -> int:
        found = self._keys.calendar(text)
        if found.serial <= self.serial:
            raise PublicationInvalid("older")
        before = self._used
        try:
            # Used before it is kept: what cannot be used must not meet the next start.
            self._use(found)
            await asyncio.to_thread(_keep, self._path, text)
        except (OfficeRefused, ArithmeticError, ValueError) as cause:
            self._use(before)
            if isinstance(cause, OfficeRefused):
                raise
            raise PublicationInvalid("closure") from cause
        return found.serial

    @property
    def serial(self) -> int:
        return self._used.serial

    def _use(self, calendar: Calendar) -> None:
        self._clock.close_also(calendar.closures)
        self._used = calendar


def _keep(path: Path, text: str) -> None:
    """Whole or not at all. Raises OfficeRefused."""
    try:
        if not path.parent.exists():
            path.parent.mkdir(parents=True)
            path.parent.chmod(_FOLDER_MODE)
        write_whole(path, text.encode("ascii"), mode=READABLE)
    except (OSError, UnicodeEncodeError) as cause:
        raise OfficeRefused("{path} cannot be written; what was in use stays in use", path=path) from cause
