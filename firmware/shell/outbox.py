"""The outbox tells the municipality what the journal says it must know, until it answers."""

import asyncio
import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import assert_never

from firmware.core import records as r
from firmware.core.telling import Subject, Tell, TellDay, Telling
from firmware.core.terms import OrderId, Refusal
from firmware.errors import MunicipalityError, Refused, ReportRefused
from firmware.logbook import EventId, Logbook
from firmware.ports import Municipality
from firmware.rounds import outlived
from firmware.shell.journal import Appender

_Answer = r.MunicipalityTold | r.DayCompared


_FOR_NOW = frozenset({Refusal.MAINTENANCE, Refusal.OUTSIDE_HOURS, Refusal.REPLICA_STALE})
"""Refusals that pass; every other one is the municipality's last word."""


@dataclass(frozen=True, slots=True)
class OutboxState:
    """For staff. waiting: messages without an answer. unheard_seconds: since when none was taken, or 0.

    contradicted: messages of the open business day that the municipality's own books contradict, as
    `ORDER subject`; they are not sent again, and stand in the differences of the day. refusal: why the last
    one was not taken, as one word, empty once one is.
    """

    waiting: int
    unheard_seconds: float
    contradicted: tuple[str, ...]
    refusal: str = ""


class Outbox:
    """Derives its messages from the journal alone, so that a power cut loses none.

    telling: what the journal so far says. noted: told the municipality's answers once they are on disk.
    unheard_seconds: after which a message that nobody takes is an event, once.
    """

    def __init__(
        self,
        *,
        telling: Telling,
        municipality: Municipality,
        journal: Appender,
        log: Logbook,
        noted: Callable[[Sequence[r.Record]], None] = lambda _: None,
        first_pause_seconds: float = 0.5,
        longest_pause_seconds: float = 60.0,
        unheard_seconds: float = 3600.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._telling = telling
        self._municipality = municipality
        self._journal = journal
        self._log = log
        self._noted = noted
        self._first_pause_seconds = first_pause_seconds
        self._longest_pause_seconds = longest_pause_seconds
        self._wake = asyncio.Event()
        self._silence_logged = False
        self._unheard_seconds = unheard_seconds
        self._monotonic = monotonic
        self._unheard_since: float | None = None
        self._unheard_told = False
        self._refusal = ""

    def note(self, records: Iterable[r.Record]) -> None:
        """Records that are on disk now."""
        for record in records:
            self._telling.enter(record)
        self._wake.set()

    @property
    def state(self) -> OutboxState:
        """As it is now."""
        since = self._unheard_since
        unheard_seconds = 0.0 if since is None else self._monotonic() - since
        return OutboxState(len(self.waiting), unheard_seconds, self._telling.contradicted, self._refusal)

    @property
    def waiting(self) -> tuple[Tell | TellDay, ...]:
        """What is still to be told."""
        return self._telling.pending

    async def run(self) -> None:
        """Tell, oldest first, until cancelled; what fails again and again holds up no other order."""
        pause_seconds, failures = self._first_pause_seconds, 0
        while True:
            tells = self.waiting
            if not tells:
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

    async def _told(self, tell: Tell | TellDay) -> bool:
        subject = "day" if isinstance(tell, TellDay) else tell.subject.value
        try:
            record = await outlived(
                self._answered(tell), None, task="outbox", log=self._log, foreseen=MunicipalityError
            )
        except Refused as refused:
            if refused.refusal in _FOR_NOW:
                return self._not_told(subject, refused)
            self._log(EventId.MUNICIPALITY_REFUSED, order=subject)
            record = self._contradicts(tell, subject, refused.refusal.value)
        except ReportRefused as refused:
            record = self._contradicts(tell, subject, refused.code)
        except MunicipalityError as error:
            return self._not_told(subject, error)
        if record is None:
            self._refusal = "unforeseen"
            return self._unheard(subject)
        self._silence_logged, self._refusal = False, ""
        self._unheard_since, self._unheard_told = None, False
        await self._journal.append((record,))
        self._telling.enter(record)
        self._noted((record,))
        accepted = record.matched if isinstance(record, r.DayCompared) else record.accepted
        self._log(EventId.MUNICIPALITY_TOLD, order=subject, outcome=accepted)
        return True

    def _not_told(self, subject: str, error: MunicipalityError) -> bool:
        self._refusal = error.refusal.value if isinstance(error, Refused) else type(error).__name__
        if not self._silence_logged:
            self._silence_logged = True
            self._log(EventId.MUNICIPALITY_GONE, order=subject, error=type(error).__name__)
        return self._unheard(subject)

    def _unheard(self, subject: str) -> bool:
        if self._unheard_since is None:
            self._unheard_since = self._monotonic()
        elif not self._unheard_told and self._monotonic() - self._unheard_since >= self._unheard_seconds:
            self._unheard_told = True
            self._log(EventId.REPORT_UNHEARD, order=subject, count=len(self.waiting))
        return False

    def _contradicts(self, tell: Tell | TellDay, subject: str, code: str) -> _Answer:
        visit = tell.day.business_date if isinstance(tell, TellDay) else tell.order_id[:8]
        self._log(EventId.REPORT_CONTRADICTED, order=subject, code=code, visit=visit)
        return _refused(tell, code)

    async def _answered(self, tell: Tell | TellDay) -> _Answer:
        if isinstance(tell, TellDay):
            answer = await self._municipality.report_day(tell.day)
            return r.DayCompared(tell.day.business_date, answer.matched, answer.differences)
        await self._send(tell)
        return r.MunicipalityTold(tell.order_id, tell.about, accepted=True)

    async def _send(self, tell: Tell) -> None:
        match tell.subject:
            case Subject.RESULT | Subject.DECISION:
                await self._municipality.report_result(tell.order_id, tell.certainty, tell.pages_out)
            case Subject.REFUND:
                await self._municipality.report_refund(
                    tell.order_id, tell.back_yen, tell.owed_yen, defect=tell.defect
                )
            case Subject.REPRINT:
                await self._municipality.report_reprint(
                    tell.order_id, tell.attempt, tell.certainty, tell.pages_out
                )
            case Subject.CLAIM:
                await self._municipality.report_claim(tell.order_id, tell.claim_no, tell.owed_yen)
            case _:
                assert_never(tell.subject)


def _in_turn(tells: tuple[Tell | TellDay, ...], failures: int) -> Tell | TellDay:
    """The first message of one order; after each failure it is another order's turn.

    A business day has its turn only when everything before it has been told.
    """
    first_of_each: dict[OrderId, Tell] = {}
    for tell in tells:
        if isinstance(tell, Tell):
            first_of_each.setdefault(tell.order_id, tell)
    day = tells[:1] if isinstance(tells[0], TellDay) else ()
    turns = (*day, *first_of_each.values())
    return turns[failures % len(turns)]


def _refused(tell: Tell | TellDay, code: str) -> _Answer:
    if isinstance(tell, TellDay):
        return r.DayCompared(tell.day.business_date, matched=False, differences=(f"refused:{code}",))
    return r.MunicipalityTold(tell.order_id, tell.about, accepted=False)
