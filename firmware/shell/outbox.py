"""The outbox tells the municipality what the journal says it must know, until it answers."""

import asyncio
import random
from collections.abc import Iterable, Sequence
from typing import Protocol, assert_never

from firmware.core import records as r
from firmware.core.telling import Subject, Tell, pending
from firmware.errors import MunicipalityError, Refused
from firmware.logbook import EventId, Logbook
from firmware.ports import Municipality

_ABOUT = (
    r.IssueIntended,
    r.IssueFailed,
    r.PrintEnded,
    r.StaffDecided,
    r.PayoutEnded,
    r.MunicipalityTold,
)


class Appender(Protocol):
    """The journal as the outbox needs it."""

    async def append(self, records: Sequence[r.Record]) -> None: ...


class Outbox:
    """Derives its messages from the journal alone, so that a power cut loses none."""

    def __init__(
        self,
        *,
        municipality: Municipality,
        journal: Appender,
        log: Logbook,
        first_pause_seconds: float = 0.5,
        longest_pause_seconds: float = 60.0,
    ) -> None:
        self._municipality = municipality
        self._journal = journal
        self._log = log
        self._first_pause_seconds = first_pause_seconds
        self._longest_pause_seconds = longest_pause_seconds
        self._records: list[r.Record] = []
        self._wake = asyncio.Event()

    def note(self, records: Iterable[r.Record]) -> None:
        """Records that are on disk now."""
        self._records.extend(record for record in records if isinstance(record, _ABOUT))
        self._wake.set()

    @property
    def waiting(self) -> tuple[Tell, ...]:
        """What is still to be told."""
        return pending(self._records)

    async def run(self) -> None:
        """Tell, oldest first, until cancelled."""
        pause_seconds = self._first_pause_seconds
        while True:
            tells = self.waiting
            if not tells:
                self._records.clear()
                self._wake.clear()
                await self._wake.wait()
                pause_seconds = self._first_pause_seconds
                continue
            if await self._told(tells[0]):
                pause_seconds = self._first_pause_seconds
                continue
            await asyncio.sleep(pause_seconds * random.uniform(0.5, 1.0))  # noqa: S311 - spreads load
            pause_seconds = min(2 * pause_seconds, self._longest_pause_seconds)

    async def _told(self, tell: Tell) -> bool:
        try:
            await self._send(tell)
        except Refused:
            self._log(EventId.MUNICIPALITY_REFUSED, order=tell.subject)
            accepted = False
        except MunicipalityError as error:
            self._log(EventId.MUNICIPALITY_GONE, order=tell.subject, error=type(error).__name__)
            return False
        else:
            accepted = True
        record = r.MunicipalityTold(tell.order_id, tell.subject.value, accepted)
        await self._journal.append((record,))
        self._records.append(record)
        self._log(EventId.MUNICIPALITY_TOLD, order=tell.subject, outcome=accepted)
        return True

    async def _send(self, tell: Tell) -> None:
        match tell.subject:
            case Subject.RESULT | Subject.DECISION:
                await self._municipality.report_result(tell.order_id, tell.certainty, tell.pages_out)
            case Subject.REFUND:
                await self._municipality.report_refund(tell.order_id, tell.back_yen, tell.owed_yen)
            case _:
                assert_never(tell.subject)
