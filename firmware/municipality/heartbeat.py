"""The heartbeat: is the municipality reachable with our certificate, what time is it, is it open."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import count

from firmware.core.facts import Facts, MunicipalityLevel
from firmware.core.terms import ServiceHours
from firmware.errors import (
    ConfigError,
    JournalError,
    KeyStoreFault,
    MunicipalityAnswerInvalid,
    MunicipalityError,
)
from firmware.logbook import EventId, Logbook
from firmware.municipality.exchange import Call, Exchange, Patience
from firmware.municipality.key_store import LOST
from firmware.municipality.messages import (
    HeartbeatAnswer,
    HeartbeatRequest,
    HopperLine,
    JournalMark,
    Levels,
    RemoteOutcome,
    b64u,
    decode,
    encode,
    problem_code,
)
from firmware.municipality.tls import Credentials, is_of_own_key, word_for
from firmware.ports import JournalWitness, RemoteControl, ReportLevel
from firmware.rounds import outlived

_CLOSED = {"outside_hours": ServiceHours.CLOSED, "maintenance": ServiceHours.MAINTENANCE}


@dataclass(frozen=True, slots=True)
class Listeners:
    """Who is told what the heartbeat learns.

    level: MunicipalityLevel whenever it changes. server_time: the server's clock after each beat.
    server_hours: OPEN, CLOSED or MAINTENANCE after each beat. remote: asked with each beat what the
    municipality wants done. published: told the newest serial numbers of configuration and calendar.
    key_store_lost: told with each beat that this process cannot use the TPM any more, and a new one could.
    """

    level: ReportLevel
    server_time: Callable[[datetime], None]
    server_hours: Callable[[ServiceHours], None]
    remote: RemoteControl | None = None
    published: Callable[[int, int], None] | None = None
    key_store_lost: Callable[[], None] = lambda: None


class Heartbeat:
    """Beats every heartbeat_seconds, with back-off while unreachable, and at once after `doubt`.

    Each beat says how far the journal goes and what it says at the entry that the municipality knows: a
    journal whose tail was cut off, or written anew, is refused there and serves nobody.
    """

    def __init__(
        self,
        *,
        exchange: Exchange,
        credentials: Credentials,
        patience: Patience,
        firmware_version: str,
        log: Logbook,
        now: Callable[[], datetime],
        listeners: Listeners,
        journal: JournalWitness,
        facts: Callable[[], Facts] | None = None,
    ) -> None:
        self._exchange, self._credentials, self._patience = exchange, credentials, patience
        self._firmware = firmware_version
        self._log, self._now, self._listeners = log, now, listeners
        self._journal = journal
        self._facts = facts
        self._since_seq = 0
        self._doubted = asyncio.Event()
        self._reachable: bool | None = None
        self._failure: str | None = None
        self._lost_at: float | None = None

    def doubt(self) -> None:
        """A request failed: look now."""
        self._doubted.set()

    async def run(self) -> None:
        """Beat until cancelled."""
        pause = self._patience.first_retry_seconds
        for seq in count(1):
            self._doubted.clear()
            failure = await outlived(
                self._beat(seq), "unforeseen", task="municipality-heartbeat", log=self._log
            )
            self._tell(failure)
            if failure is None:
                pause = self._patience.first_retry_seconds
                await self._rest()
            else:
                await asyncio.sleep(random.SystemRandom().uniform(pause / 2, pause))
                pause = min(2 * pause, self._patience.longest_retry_seconds)

    async def _beat(self, seq: int, *, proving: bool = False, overtaken: bool = False) -> str | None:
        """One heartbeat; why it failed, as one word for the log, or None.

        proving, overtaken: it is another one, for what is known there, or because the journal's copy may
        have come before the last.
        """
        is_first = not proving and not overtaken
        if is_first and (unusable := await self._unusable()) is not None:
            return unusable
        try:
            mark = await self._mark()
            body = encode(
                HeartbeatRequest(seq, self._firmware, mark, self._levels(), remote=self._outcomes())
            )
            reply = await self._exchange.once(Call("heartbeat", "POST", ("v1", "heartbeat"), body))
            if reply.status != 200:
                code = problem_code("heartbeat", reply.is_problem, reply.body)
                if code == "journal_cut" and self._journal.head.seq > mark.seq and not overtaken:
                    return await self._beat(seq, proving=proving, overtaken=True)
                return code
            answer = decode("heartbeat", reply.body, HeartbeatAnswer)
        except MunicipalityAnswerInvalid:
            return "answer-invalid"
        except MunicipalityError as error:
            if is_of_own_key(error):
                self._credentials.doubt()
            return self._credentials.fault(self._now()) or word_for(error)
        except JournalError:
            return "journal-unreadable"
        known_before, self._since_seq = self._since_seq, answer.journal_seq
        if answer.journal_seq not in (known_before, mark.seq):
            # What it knows of our journal is not proven yet: say it before anybody is served.
            if not proving:
                return await self._beat(seq, proving=True, overtaken=overtaken)
            if answer.journal_seq > known_before and not overtaken:
                return await self._beat(seq, proving=True, overtaken=True)
            return "answer-invalid"
        self._learn(answer)
        return None

    async def _unusable(self) -> str | None:
        """Why our own certificate or its key cannot be used, after a look at whether there is a newer one."""
        try:
            if await self._credentials.renewed():
                self._log(EventId.CERTIFICATE_RENEWED)
        except KeyStoreFault as fault:
            if fault.reason == LOST:
                return self._lost()
            self._lost_at = None
            return fault.reason
        except ConfigError:
            return self._credentials.fault(self._now()) or "own-certificate-unusable"
        self._lost_at = None
        return None

    def _lost(self) -> str | None:
        """What to say of a TPM that serves others and not us: nothing yet after a good beat, as one that is
        busy looks the same. At the second, who had the key needs a new process, and who never had it after
        a while."""
        now, worked = asyncio.get_running_loop().time(), self._credentials.worked
        if self._lost_at is None:
            self._lost_at = now
            return None if worked and self._reachable else LOST
        if worked or now - self._lost_at >= self._patience.lost_key_seconds:
            self._listeners.key_store_lost()
        return LOST

    def _learn(self, answer: HeartbeatAnswer) -> None:
        self._listeners.server_time(answer.server_time)
        self._listeners.server_hours(
            ServiceHours.OPEN if answer.open else _CLOSED.get(answer.reason or "", ServiceHours.CLOSED)
        )
        if self._listeners.remote is not None:
            self._listeners.remote.asked([(command.id, command.act) for command in answer.commands])
        if self._listeners.published is not None:
            self._listeners.published(answer.published.configuration, answer.published.calendar)

    def _outcomes(self) -> tuple[RemoteOutcome, ...]:
        remote = self._listeners.remote
        said = () if remote is None else remote.outcomes()
        return tuple(
            RemoteOutcome(command, "done" if outcome == "done" else "refused") for command, outcome in said
        )

    async def _mark(self) -> JournalMark:
        head, since_seq = self._journal.head, self._since_seq
        since = await self._journal.chain_at(since_seq) if since_seq else b""
        return JournalMark(head.seq, b64u(head.chain), since_seq, b64u(since))

    def _levels(self) -> Levels | None:
        """The devices as they are now, for the operator's page: nothing of a visit or a person."""
        if self._facts is None:
            return None
        facts = self._facts()
        return Levels(
            printer=tuple(sorted(reason.value for reason in facts.printer.reasons)),
            receipt_printer=facts.receipt.ready,
            card_reader=facts.reader.working,
            keypad=facts.keypad.working,
            coin_acceptor=facts.acceptor.working,
            hoppers=tuple(
                HopperLine(level.hopper, level.coin_yen, level.coins, level.working)
                for level in facts.hoppers
            ),
            door_open=facts.panel.door_open,
            journal_has_room=facts.journal.room,
            printer_low=tuple(sorted(supply.value for supply in facts.printer.low)),
            receipt_paper_low=facts.receipt.paper_low,
            paper_left=facts.panel.paper_left,
            screen_dark=facts.screen.dark,
        )

    def _tell(self, failure: str | None) -> None:
        """Once gone, once back."""
        reachable = failure is None
        if reachable == self._reachable:
            if failure != self._failure:
                self._failure = failure
                self._listeners.level(MunicipalityLevel(reachable, failure or ""))
            return
        if failure is not None:
            self._log(EventId.MUNICIPALITY_GONE, reason=failure)
        elif self._reachable is not None:
            self._log(EventId.MUNICIPALITY_BACK)
        self._reachable = reachable
        self._failure = failure
        self._listeners.level(MunicipalityLevel(reachable, failure or ""))

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(self._patience.heartbeat_seconds):
                await self._doubted.wait()
        except TimeoutError:
            return
