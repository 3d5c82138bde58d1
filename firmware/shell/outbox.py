"""The outbox tells the municipality what the journal says it must know, until it answers."""

import asyncio
import random
from collections.abc import Iterable
from typing import assert_never

from firmware.core import records as r
from firmware.core.telling import Subject, Tell, pending
from firmware.core.terms import Refusal
from firmware.errors import MunicipalityError, Refused
from firmware.logbook import EventId, Logbook
from firmware.ports import Municipality
from firmware.shell.journal import Appender

_About = r.IssueIntended | r.IssueFailed | r.PrintEnded | r.StaffDecided | r.PayoutEnded | r.MunicipalityTold


_FOR_NOW = frozenset({Refusal.MAINTENANCE, Refusal.OUTSIDE_HOURS, Refusal.REPLICA_STALE})
"""Refusals that pass; every other one is the municipality's last word."""


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
        self._records: list[_About] = []
        self._wake = asyncio.Event()
        self._silence_logged = False

    def note(self, records: Iterable[r.Record]) -> None:
        """Records that are on disk now."""
        self._records.extend(record for record in records if isinstance(record, _About))
        self._wake.set()

    @property
    def waiting(self) -> tuple[Tell, ...]:
        """What is still to be told."""
        return pending(self._records)

    async def run(self) -> None:
        """Tell, oldest first, until cancelled; what fails again and again holds up no other order."""
        pause_seconds, failures = self._first_pause_seconds, 0
        while True:
            tells = self.waiting
            if not tells:
                self._forget_settled()
                self._wake.clear()
                await self._wake.wait()
                pause_seconds, failures = self._first_pause_seconds, 0
                continue
            if await self._told(_in_turn(tells, failures)):
                pause_seconds, failures = self._first_pause_seconds, 0
                continue
            failures += 1
            await asyncio.sleep(pause_seconds * random.uniform(0.5, 1.0))  # noqa: S311 - spreads load
            pause_seconds = min(2 * pause_seconds, self._longest_pause_seconds)

    def _forget_settled(self) -> None:
        """Only the newest order can have more to tell, and its earlier records say what that is."""
        own = (record.order_id for record in self._records if not isinstance(record, r.MunicipalityTold))
        newest = next(reversed(list(own)), None)
        self._records = [record for record in self._records if record.order_id == newest]

    async def _told(self, tell: Tell) -> bool:
        try:
            await self._send(tell)
        except Refused as refused:
            if refused.refusal in _FOR_NOW:
                return self._not_told(tell, refused)
            self._log(EventId.MUNICIPALITY_REFUSED, order=tell.subject)
            accepted = False
        except MunicipalityError as error:
            return self._not_told(tell, error)
        else:
            accepted = True
        self._silence_logged = False
        record = r.MunicipalityTold(tell.order_id, tell.subject.value, accepted)
        await self._journal.append((record,))
        self._records.append(record)
        self._log(EventId.MUNICIPALITY_TOLD, order=tell.subject, outcome=accepted)
        return True

    def _not_told(self, tell: Tell, error: MunicipalityError) -> bool:
        if not self._silence_logged:
            self._silence_logged = True
            self._log(EventId.MUNICIPALITY_GONE, order=tell.subject, error=type(error).__name__)
        return False

    async def _send(self, tell: Tell) -> None:
        match tell.subject:
            case Subject.RESULT | Subject.DECISION:
                await self._municipality.report_result(tell.order_id, tell.certainty, tell.pages_out)
            case Subject.REFUND:
                await self._municipality.report_refund(tell.order_id, tell.back_yen, tell.owed_yen)
            case _:
                assert_never(tell.subject)


def _in_turn(tells: tuple[Tell, ...], failures: int) -> Tell:
    """The first message of one order; after each failure it is another order's turn."""
    first_of_each = {tell.order_id: tell for tell in reversed(tells)}
    orders = list(reversed(first_of_each.values()))
    return orders[failures % len(orders)]
