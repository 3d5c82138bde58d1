"""A copy of the journal for the municipality: what a thief, a fire or a broken disk cannot take any more."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from firmware.errors import ConfigError, JournalError, MunicipalityError, ReportRefused
from firmware.logbook import EventId, Logbook
from firmware.ports import JournalHead, JournalKept, JournalLine
from firmware.rounds import outlived, pause

_MOST_LINES = 256
_MOST_CHARACTERS = 262_144
_NO_LINK = bytes(32)


class Copied(Protocol):
    """The journal as it is read for the copy."""

    @property
    def head(self) -> JournalHead: ...

    async def lines(self, first_seq: int, most: int, most_characters: int) -> Sequence[JournalLine]: ...


class Keeper(Protocol):
    """The municipality as it is told lines; see `firmware.ports.Municipality`."""

    async def journal_kept(self) -> JournalKept: ...

    async def keep_journal(self, kept: JournalKept, lines: Sequence[JournalLine]) -> JournalKept: ...

    def journal_link(self, link: bytes, lines: Sequence[JournalLine]) -> bytes: ...


class JournalCopy:
    """Sends what is new every so often, each time from the last line that is kept there.

    What is signed is the link of every line from the first on, computed here: of what the municipality keeps
    only its number is believed. A failure changes nothing here and is tried again after as long. The pauses
    are drawn from half to one and a half of every_seconds, so that the kiosks of a city do not come all at
    once.
    """

    def __init__(self, keeper: Keeper, journal: Copied, log: Logbook, *, every_seconds: float) -> None:
        self._keeper, self._journal, self._log = keeper, journal, log
        self._every_seconds = every_seconds
        self._kept: JournalKept | None = None
        self._failing = False
        self._linked_seq, self._link = 0, _NO_LINK
        self._desk = asyncio.Lock()

    @property
    def kept_seq(self) -> int | None:
        """The last entry that is kept there; None while nobody has said."""
        return None if self._kept is None else self._kept.seq

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            await pause(self._every_seconds)
            await outlived(self.send(), None, task="journal-copy", log=self._log)

    async def send(self) -> None:
        """Everything that is not kept there yet."""
        async with self._desk:
            await self._send()

    async def _send(self) -> None:
        try:
            if self._kept is None:
                self._kept = await self._keeper.journal_kept()
            while self._kept.seq < self._journal.head.seq:
                first_seq = max(1, self._kept.seq)
                lines = await self._journal.lines(first_seq, _MOST_LINES, _MOST_CHARACTERS)
                if lines[-1].seq == self._kept.seq:  # the next line alone is longer than all that is allowed
                    lines = await self._journal.lines(first_seq, 2, 2**31)
                ours = JournalKept(self._kept.seq, self._kept.chain, await self._link_of(self._kept.seq))
                self._kept = await self._keeper.keep_journal(ours, lines)
        except (MunicipalityError, JournalError, ConfigError) as error:
            self._kept = None
            self._fail(error.code if isinstance(error, ReportRefused) else type(error).__name__)
            return
        if self._failing:
            self._failing = False
            self._log(EventId.JOURNAL_COPY_BACK)

    async def _link_of(self, seq: int) -> bytes:
        """The link of our own line of this number, from the last one computed, else from the first."""
        if seq < self._linked_seq:
            self._linked_seq, self._link = 0, _NO_LINK
        while self._linked_seq < seq:
            most = min(_MOST_LINES, seq - self._linked_seq)
            lines = await self._journal.lines(self._linked_seq + 1, most, _MOST_CHARACTERS)
            self._link = self._keeper.journal_link(self._link, lines)
            self._linked_seq = lines[-1].seq
        return self._link

    def _fail(self, reason: str) -> None:
        """Once gone, once back."""
        if not self._failing:
            self._failing = True
            self._log(EventId.JOURNAL_COPY_GONE, reason=reason)
