"""The municipality as the kiosk sees it: `firmware.ports.Municipality` over HTTPS."""

import asyncio
import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from firmware.core.facts import Facts
from firmware.core.records import DaySettled
from firmware.core.terms import (
    Certainty,
    CertificateKind,
    Language,
    Member,
    MemberRole,
    Offer,
    OrderId,
    Refusal,
    ServiceHours,
    Yen,
)
from firmware.errors import (
    MunicipalityAnswerInvalid,
    MunicipalityDown,
    MunicipalityError,
    MunicipalityUncertain,
    Refused,
    ReportRefused,
)
from firmware.logbook import EventId, Logbook
from firmware.municipality import journal_copy, messages
from firmware.municipality.challenge import Expected, message_to_sign
from firmware.municipality.exchange import Call, Exchange, Patience, Reply
from firmware.municipality.heartbeat import Heartbeat, Listeners
from firmware.municipality.key_store import TpmKeyStore
from firmware.municipality.messages import b64u, decode, encode, problem_code, unb64u
from firmware.municipality.tls import load_credentials
from firmware.ports import (
    Authenticated,
    CardSignature,
    ClaimState,
    DayAnswer,
    JournalKept,
    JournalLine,
    JournalWitness,
    OpenOrder,
    OrderRequest,
    Refetched,
    Released,
    RemoteControl,
    ReportLevel,
    Reserved,
    Session,
)

A = TypeVar("A", bound=messages.Message)

SURELY_NOT_DONE = frozenset(
    """
    request_invalid kiosk_unknown not_published session_unknown session_used session_expired
    order_unknown order_ended amount_wrong not_offered
    """.split()
)
"""Problem codes after which nothing has changed at the municipality. After any other nobody knows."""


CONTRADICTIONS = frozenset(
    """
    request_invalid order_unknown order_conflict claim_unknown claim_conflict day_conflict
    journal_cut journal_gap
    """.split()
)
"""Problem codes of a report that the municipality cannot take; repeating it changes nothing.

Its order then stands in the differences of the business day, for staff and for the city.
"""


def system_time() -> datetime:
    """Now by the system's clock."""
    return datetime.now(UTC)


class HttpsMunicipality:
    """The backend at url, reached with mutual TLS 1.3.

    url: https://host[:port]. audience: the backend's name in what a card signs. kiosk: our URN, as in
    our certificate. server_time: told the server's clock after each heartbeat; server_hours: told
    OPEN, CLOSED or MAINTENANCE likewise. remote: asked what the
    municipality wants done. published: told the newest serial numbers of configuration and calendar.
    journal: whose head is told with each. now: the trusted clock. store: the TPM that keeps the key; the
    first heartbeat asks it. key_store_lost: told when only a new process could use it.
    Raises ConfigError if a file cannot be used.
    """

    def __init__(
        self,
        *,
        url: str,
        audience: str,
        ca_file: Path,
        certificate_file: Path,
        key_file: Path,
        kiosk: str,
        firmware_version: str,
        log: Logbook,
        server_time: Callable[[datetime], None],
        server_hours: Callable[[ServiceHours], None],
        journal: JournalWitness,
        remote: RemoteControl | None = None,
        published: Callable[[int, int], None] | None = None,
        now: Callable[[], datetime] = system_time,
        patience: Patience | None = None,
        store: TpmKeyStore | None = None,
        key_store_lost: Callable[[], None] = lambda: None,
    ) -> None:
        self._url, self._audience, self._kiosk, self._firmware = url, audience, kiosk, firmware_version
        self._credentials = load_credentials(
            ca_file=ca_file,
            certificate_file=certificate_file,
            key_file=key_file,
            kiosk=kiosk,
            store=store,
            patient=True,
        )
        self._key_store_lost = key_store_lost
        self._log = log
        self._server_time, self._server_hours = server_time, server_hours
        self._journal, self._remote, self._published = journal, remote, published
        self._now = now
        self._patience = Patience() if patience is None else patience
        self._open_exchange: Exchange | None = None
        self._beating: asyncio.Task[None] | None = None
        self._heartbeat: Heartbeat | None = None

    def start(self, report: ReportLevel, facts: Callable[[], Facts] | None = None) -> None:
        """Keep a heartbeat; reports MunicipalityLevel, and tells facts if there are any."""
        self._heartbeat = Heartbeat(
            exchange=self._exchange,
            credentials=self._credentials,
            patience=self._patience,
            firmware_version=self._firmware,
            log=self._log,
            now=self._now,
            listeners=Listeners(
                report,
                self._server_time,
                self._server_hours,
                self._remote,
                self._published,
                self._key_store_lost,
            ),
            journal=self._journal,
            facts=facts,
        )
        self._beating = asyncio.create_task(self._heartbeat.run(), name="municipality-heartbeat")

    async def open_session(self, kem_public_key: bytes, language: Language) -> Session:
        """Begin a visit; kem_public_key: 32 bytes of X25519, new for each. Every field to be signed is
        checked; a lost answer is asked for again and opens no second session."""
        kem = self._credentials.bound_to = b64u(kem_public_key)
        try:
            session = await self._opened(kem, language)
        except BaseException:
            self._credentials.release(kem)
            raise
        self._credentials.bound_to = session.session_id
        return session

    async def _opened(self, kem: str, language: Language) -> Session:
        body = encode(messages.OpenSessionRequest(kem, language))
        reply, answer = await self._ask(
            Call("open_session", "POST", ("v1", "sessions"), body),
            messages.OpenSessionAnswer,
        )
        expected = Expected(
            audience=self._audience,
            session_id=answer.session_id,
            kiosk=self._kiosk,
            device=b64u(reply.device),
            server=b64u(hashlib.sha256(reply.server_der).digest()),
            kem=kem,
        )
        with self._naming_what_is_invalid():
            tbs = unb64u("open_session", "tbs", answer.tbs)
            message, sign_until = message_to_sign(
                tbs, expected, self._now(), self._patience.clock_error_seconds
            )
        return Session(answer.session_id, message, sign_until)

    async def authenticate(
        self, session_id: str, certificate_der: bytes, signature: CardSignature
    ) -> Authenticated:
        """Prove the card. A lost answer is asked for again with the same signature: no second PIN."""
        body = encode(
            messages.AuthenticateRequest(
                b64u(certificate_der), signature.algorithm, b64u(signature.signature)
            )
        )
        _, answer = await self._ask(
            Call("authenticate", "POST", ("v1", "sessions", session_id, "authenticate"), body),
            messages.AuthenticateAnswer,
        )
        self._require(answer.session_id == session_id, "authenticate", "session_id")
        kinds = [o.kind for o in answer.offers] + [r.kind for r in answer.refusals]
        self._require(len(kinds) == len(set(kinds)), "authenticate", "offers")
        for offer in answer.offers:
            self._require(_members_fit(offer), "authenticate", "members")
        return Authenticated(
            answer.person_ref,
            tuple(
                Offer(o.kind, o.fee_yen, o.max_copies, o.household, tuple(map(_member, o.members)))
                for o in answer.offers
            ),
            tuple((r.kind, r.code) for r in answer.refusals),
        )

    async def reserve(self, session_id: str, request: OrderRequest) -> Reserved:
        """Reserve an issuance; nothing is due yet."""
        body = encode(
            messages.ReserveRequest(
                order_id=request.order_id,
                session_id=session_id,
                kind=request.kind,
                subjects=request.subjects,
                items=tuple(sorted(request.items, key=lambda item: item.value)),
                copies=request.copies,
                members=request.members,
            )
        )
        _, answer = await self._ask(Call("reserve", "POST", ("v1", "orders"), body), messages.ReserveAnswer)
        self._require(answer.order_id == request.order_id, "reserve", "order_id")
        return Reserved(request.order_id, answer.total_yen, self._octets("reserve", "sealed", answer.sealed))

    async def release(self, order_id: OrderId, paid_yen: Yen) -> Released:
        """Commit the issuance against the fee; safe to repeat with the same order_id."""
        body = encode(messages.ReleaseRequest(paid_yen))
        _, answer = await self._ask(_order_call(order_id, "release", body), messages.ReleaseAnswer)
        self._require(answer.order_id == order_id, "release", "order_id")
        return Released(answer.receipt_no, self._octets("release", "authority", answer.authority))

    async def report_result(self, order_id: OrderId, outcome: Certainty, pages_out: int) -> None:
        """Tell how the print ended; safe to repeat."""
        body = encode(messages.ResultRequest(outcome, pages_out))
        call = _order_call(order_id, "result", body, report=True)
        _, answer = await self._ask(call, messages.OrderAnswer)
        self._require(answer.order_id == order_id, "result", "order_id")

    async def reprint(self, order_id: OrderId, attempt: int, kem_public_key: bytes) -> Refetched:
        """The same issuance again, sealed to this key; safe to repeat with the same key."""
        body = encode(messages.ReprintRequest(attempt, b64u(kem_public_key)))
        call = Call("reprint", "POST", ("v1", "orders", order_id, "reprints"), body)
        _, answer = await self._ask(call, messages.ReprintAnswer)
        self._require(answer.order_id == order_id, "reprint", "order_id")
        self._require(answer.attempt == attempt, "reprint", "attempt")
        request = OrderRequest(
            order_id,
            answer.kind,
            answer.subjects,
            frozenset(answer.items),
            answer.copies,
            answer.members,
        )
        return Refetched(
            request,
            answer.session_id,
            answer.person_ref,
            answer.total_yen,
            self._octets("reprint", "sealed", answer.sealed),
            self._octets("reprint", "authority", answer.authority),
        )

    async def report_reprint(
        self, order_id: OrderId, attempt: int, outcome: Certainty, pages_out: int
    ) -> None:
        """Tell how a reprint ended; safe to repeat."""
        body = encode(messages.ResultRequest(outcome, pages_out))
        path = ("v1", "orders", order_id, "reprints", str(attempt), "result")
        _, answer = await self._ask(
            Call("reprint_result", "POST", path, body, report=True), messages.OrderAnswer
        )
        self._require(answer.order_id == order_id, "reprint_result", "order_id")

    async def report_refund(
        self, order_id: OrderId, yen: Yen, owed_yen: Yen, *, defect: bool = False
    ) -> None:
        """Tell what was paid back and what is owed by a claim slip; safe to repeat."""
        body = encode(messages.RefundRequest(yen, owed_yen, defect))
        call = _order_call(order_id, "refund", body, report=True)
        _, answer = await self._ask(call, messages.OrderAnswer)
        self._require(answer.order_id == order_id, "refund", "order_id")

    async def report_claim(self, order_id: OrderId, claim_no: str, yen: Yen) -> None:
        """Tell what is owed to the person by a claim slip (返金引換券); safe to repeat."""
        body = encode(messages.ClaimRequest(claim_no, order_id, yen))
        call = Call("claim", "POST", ("v1", "claims"), body, report=True)
        _, answer = await self._ask(call, messages.ClaimAnswer)
        self._require(answer.claim_no == claim_no, "claim", "claim_no")

    async def report_day(self, day: DaySettled) -> DayAnswer:
        """Tell the totals of a closed business day, to be compared; safe to repeat."""
        date = day.business_date
        body = encode(messages.day_request(day))
        call = Call("day", "POST", ("v1", "settlements", date), body, report=True)
        _, answer = await self._ask(call, messages.DayAnswer)
        self._require(answer.business_date == date, "day", "business_date")
        self._require(answer.matched is not bool(answer.differences), "day", "differences")
        return DayAnswer(answer.matched, answer.differences)

    async def ask_claim(self, claim_no: str) -> ClaimState:
        """The claim as the municipality keeps it. Raises ReportRefused for an unknown number."""
        return await self._claim(Call("ask_claim", "GET", ("v1", "claims", claim_no), report=True), claim_no)

    async def settle_claim(self, claim_no: str, yen: Yen) -> ClaimState:
        """Mark the claim as paid at this kiosk's store, once; safe to repeat."""
        body = encode(messages.SettleClaimRequest(yen))
        path = ("v1", "claims", claim_no, "settle")
        return await self._claim(Call("settle_claim", "POST", path, body, report=True), claim_no)

    async def open_orders(self) -> tuple[OpenOrder, ...]:
        """What was released to us and has no end there yet, to be compared after a power cut."""
        _, answer = await self._ask(
            Call("open_orders", "GET", ("v1", "open-orders")), messages.OpenOrdersAnswer
        )
        return tuple(OpenOrder(OrderId(one.order_id), one.state) for one in answer.orders)

    async def journal_kept(self) -> JournalKept:
        """How far our journal is kept there."""
        _, answer = await self._ask(
            Call("journal_kept", "GET", ("v1", "journal"), report=True), messages.JournalAnswer
        )
        return self._kept("journal_kept", answer)

    async def keep_journal(self, kept: JournalKept, lines: Sequence[JournalLine]) -> JournalKept:
        """Send lines in a row, the first of them the last one kept; safe to repeat. Raises ConfigError.

        kept.link: as we have computed it ourselves, see `journal_link`: the device signs nothing else.
        """
        told = journal_copy.message_lines(lines)
        link = self.journal_link(kept.link, [one for one in lines if one.seq > kept.seq])
        part = journal_copy.signed_part(self._kiosk, told[-1].seq, link)
        signature = await asyncio.to_thread(self._credentials.sign, part)
        body = encode(messages.JournalRequest(told, b64u(signature)))
        _, answer = await self._ask(
            Call("journal", "POST", ("v1", "journal"), body, report=True), messages.JournalAnswer
        )
        now_kept = self._kept("journal", answer)
        self._require(now_kept.seq >= told[-1].seq, "journal", "acked_seq")
        self._require(now_kept.seq > told[-1].seq or now_kept.link == link, "journal", "link")
        return now_kept

    def journal_link(self, link: bytes, lines: Sequence[JournalLine]) -> bytes:
        """The link of the last of these lines; link: of the line before them, 32 zero octets for none."""
        return journal_copy.linked(link, journal_copy.message_lines(lines))

    async def published(self, kind: str) -> str:
        """The newest publication of this kind, signed, not verified."""
        call = Call("publication", "GET", ("v1", "publications", kind))
        _, answer = await self._ask(call, messages.PublicationAnswer)
        return answer.signed

    async def end_session(self, session_id: str) -> None:
        """Forget the session; reservations without release end with it."""
        self._credentials.release(session_id)
        reply = await self._reply_to(Call("end_session", "DELETE", ("v1", "sessions", session_id)))
        self._require(reply.status == 204, "end_session", "status")

    async def close(self) -> None:
        """End the heartbeat and all connections; may be called twice."""
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.wait({self._beating})
            self._beating = None
        if self._open_exchange is not None:
            await self._open_exchange.close()
            self._open_exchange = None

    @property
    def _exchange(self) -> Exchange:
        if self._open_exchange is None:
            self._open_exchange = Exchange(self._url, self._credentials, self._patience, self._now)
        return self._open_exchange

    async def _ask(self, call: Call, answer: type[A]) -> tuple[Reply, A]:
        """The decoded answer to a call that a person waits for."""
        reply = await self._reply_to(call)
        with self._naming_what_is_invalid():
            return reply, decode(call.message, reply.body, answer)

    def _kept(self, message: str, answer: messages.JournalAnswer) -> JournalKept:
        chain, link = (self._octets(message, name, getattr(answer, name)) for name in ("chain", "link"))
        self._require(bool(chain) is bool(answer.acked_seq), message, "chain")
        return JournalKept(answer.acked_seq, chain, link)

    async def _claim(self, call: Call, claim_no: str) -> ClaimState:
        _, answer = await self._ask(call, messages.ClaimAnswer)
        self._require(answer.claim_no == claim_no, call.message, "claim_no")
        return ClaimState(claim_no, OrderId(answer.order_id), answer.yen, answer.settled_by)

    async def _reply_to(self, call: Call) -> Reply:
        try:
            with self._naming_what_is_invalid():
                reply = await self._exchange.patiently(call)
        except MunicipalityError:
            if self._heartbeat is not None:
                self._heartbeat.doubt()
            raise
        if not 200 <= reply.status < 300:
            raise self._refusal(call, reply)
        return reply

    def _refusal(self, call: Call, reply: Reply) -> MunicipalityError:
        """What an answer other than success means: Refused, surely not done, or nobody knows."""
        with self._naming_what_is_invalid():
            code = problem_code(call.message, reply.is_problem, reply.body)
        if code in _REFUSALS:
            return Refused(Refusal(code))
        self._log(EventId.MUNICIPALITY_REFUSED, order=call.message, code=code)
        if call.report and code in CONTRADICTIONS:
            return ReportRefused(code)
        if code in SURELY_NOT_DONE:
            return MunicipalityDown(f"{call.message}: {code}")
        return MunicipalityUncertain(f"{call.message}: {code}")

    def _require(self, fits: bool, message: str, field: str) -> None:
        with self._naming_what_is_invalid():
            if not fits:
                raise MunicipalityAnswerInvalid(f"{message}: {field}")

    def _octets(self, message: str, field: str, text: str) -> bytes:
        with self._naming_what_is_invalid():
            return unb64u(message, field, text)

    @contextmanager
    def _naming_what_is_invalid(self) -> Iterator[None]:
        """Log an answer that is not in the protocol: its message and field, never a value."""
        try:
            yield
        except MunicipalityAnswerInvalid as invalid:
            message, _, field = str(invalid).partition(": ")
            self._log(EventId.MUNICIPALITY_ANSWER_INVALID, order=message, reason=field.replace("#", "."))
            raise


def _member(answer: messages.MemberAnswer) -> Member:
    return Member(answer.number, answer.role, answer.position)


def _members_fit(offer: messages.OfferAnswer) -> bool:
    """Nobody twice, the person once, and only where all of them can be had together."""
    if not offer.members:
        return True
    numbers = [member.number for member in offer.members]
    called = [(member.role, member.position) for member in offer.members]
    return (
        offer.kind is CertificateKind.JUMINHYO
        and offer.household
        and len(numbers) > 1
        and sorted(set(numbers)) == numbers
        and len(set(called)) == len(called)
        and called.count((MemberRole.SELF, 0)) == 1
    )


_REFUSALS = frozenset(refusal.value for refusal in Refusal)


def _order_call(order_id: OrderId, act: str, body: bytes, *, report: bool = False) -> Call:
    return Call(act, "POST", ("v1", "orders", order_id, act), body, report=report)
