"""The HTTP side: routes, who may ask, and the form of every answer."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from aiohttp import web

from tests.municipality import (
    breaker,
    calendar,
    claims,
    enrolment,
    heartbeats,
    journals,
    orders,
    publications,
    sessions,
    settlement,
)
from tests.municipality.connections import Connections, Peer
from tests.municipality.desk import Desk, Kiosk, utc
from tests.municipality.faults import Alter, Delay, Drop, Faults, Refuse, Twice
from tests.municipality.jpki import CardIdentity, CardRefused, CardVerifier
from tests.municipality.operator import Metrics
from tests.municipality.pki import Authority
from tests.municipality.register import City
from tests.municipality.scramble import Office
from tests.municipality.sessions import Answer, Challenge
from tests.municipality.store import Connection, Store
from tests.municipality.wire import (
    PROTOCOL,
    REQUEST,
    REQUEST_NAME,
    AuthenticateRequest,
    ClaimRequest,
    DayRequest,
    HeartbeatRequest,
    JournalRequest,
    OpenSessionRequest,
    Problem,
    R,
    RefundRequest,
    ReleaseRequest,
    ReprintRequest,
    ReserveRequest,
    ResultRequest,
    SettleClaimRequest,
    decode,
    encode,
    unb64u,
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Clock = Callable[[], datetime]
T = TypeVar("T")

_LOG = logging.getLogger("municipality")
_PROOF = "/.well-known/est/cacerts"
_MOST_BYTES = 65_536
_MOST_DAY_BYTES = 4 * 1024 * 1024
"""A business day names each of its orders."""

_PEER = web.RequestKey("peer", Peer)
_KIOSK = web.RequestKey("kiosk", Kiosk)


@dataclass(slots=True)
class Service:
    """What the service knows; city, maintenance and commands may change while it runs.

    commands: what kiosks are asked to do, by id. outcomes: what became of it.
    """

    store: Store
    cards: CardVerifier
    city: City
    city_seal_png: bytes
    office: Office
    devices: Authority
    connections: Connections
    now: Clock
    maintenance: bool = False
    commands: dict[str, str] = field(default_factory=dict)
    outcomes: dict[str, str] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)
    metrics: Metrics = field(default_factory=Metrics)

    def closed_because(self) -> str | None:
        """Why no visit may begin now, or None (R3)."""
        return "maintenance" if self.maintenance else calendar.closed_because(self.city, self.now())


def application(service: Service) -> web.Application:
    """The protocol over this service."""
    window = _Window(service)
    app = web.Application(
        middlewares=[service.metrics.timed, _with_protocol, window.with_faults, window.with_kiosk],
        client_max_size=_MOST_DAY_BYTES,
    )
    app.add_routes(
        [
            web.post("/v1/heartbeat", window.heartbeat),
            web.post("/v1/sessions", window.open_session),
            web.post("/v1/sessions/{session_id}/authenticate", window.authenticate),
            web.delete("/v1/sessions/{session_id}", window.end_session),
            web.post("/v1/orders", window.reserve),
            web.get("/v1/open-orders", window.open_orders),
            web.get("/v1/orders/{order_id}", window.view),
            web.post("/v1/orders/{order_id}/release", window.release),
            web.post("/v1/orders/{order_id}/result", window.result),
            web.post("/v1/orders/{order_id}/refund", window.refund),
            web.post("/v1/orders/{order_id}/reprints", window.reprint),
            web.post(r"/v1/orders/{order_id}/reprints/{attempt:\d{1,2}}/result", window.reprint_result),
            web.post("/v1/claims", window.open_claim),
            web.get("/v1/claims/{claim_no}", window.view_claim),
            web.post("/v1/claims/{claim_no}/settle", window.settle_claim),
            web.post("/v1/settlements/{business_date}", window.settle_day),
            web.get("/v1/journal", window.view_journal),
            web.post("/v1/journal", window.take_journal),
            web.get("/v1/publications/{kind}", window.publication),
            web.post("/.well-known/est/simplereenroll", window.renew_certificate),
            web.get(_PROOF, window.authorities),
        ]
    )
    return app


def enrolment_desk(service: Service) -> web.Application:
    """Where a kiosk without a certificate gets its first: TLS with the server's certificate alone."""

    async def enrol(request: web.Request) -> web.Response:
        authorization, body = request.headers.get("Authorization", ""), await request.read()
        return enrolment.certificates(
            await service.store.transact(
                lambda c: enrolment.enrol(c, service.devices, authorization, body, service.now())
            )
        )

    app = web.Application(middlewares=[_with_protocol], client_max_size=_MOST_BYTES)
    app.add_routes([web.post("/.well-known/est/simpleenroll", enrol)])
    return app


@web.middleware
async def _with_protocol(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        response = await handler(request)
    except Problem as problem:
        response = _problem(problem.status, problem.code)
        if problem.code == "kiosk_unknown":
            response.force_close()  # the next connection is TLS's to judge
    except ConnectionResetError:  # the kiosk went away before its request was whole
        response = _cut(request)
    except web.HTTPException as refused:
        response = _problem(refused.status, "request_invalid")
    except Exception:  # noqa: BLE001 - logged; the kiosk asks again
        _LOG.exception("%s %s", request.method, request.match_info.route.resource)
        response = _problem(500, "internal")
    response.headers.update(PROTOCOL)
    if REQUEST_NAME.match(name := request.headers.get(REQUEST, "")):
        response.headers[REQUEST] = name
    return response


class _Window:
    """One method for each message."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._late: set[asyncio.Future[web.StreamResponse]] = set()

    @web.middleware
    async def with_faults(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        match self._service.faults.take(request.path):
            case None:
                return await handler(request)
            case Refuse(code):
                raise Problem(403, code)
            case Delay(seconds):
                await asyncio.sleep(seconds)
                return await handler(request)
            case Alter(change):
                answer = await handler(request)
                body = answer.body if isinstance(answer, web.Response) else None
                return _json(200, change(body if isinstance(body, bytes) else b""))
            case Twice("before"):
                await handler(request)
                return await handler(request)
            case Twice():
                answer = await handler(request)
                again = asyncio.ensure_future(handler(request))
                self._late.add(again)
                again.add_done_callback(self._late.discard)
                return answer
            case Drop("before"):
                return _cut(request)
            case Drop():
                await handler(request)
                return _cut(request)

    @web.middleware
    async def with_kiosk(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Ask the registry on every request: to TLS alone an expelled kiosk's open connection stays good.

        It is asked in the transaction of the request's work, or before an answer for which there was none.
        """
        request[_PEER] = self._service.connections.peer(request.get_extra_info("ssl_object"))
        try:
            response = await handler(request)
        except Problem:
            await self._known(request)
            raise
        await self._known(request)
        return response

    async def heartbeat(self, request: web.Request) -> web.Response:
        beat = await _body(request, HeartbeatRequest)
        taken = await self._at_desk(request, lambda desk: heartbeats.take(desk, beat))
        if isinstance(taken.journal_seq, Problem):
            raise taken.journal_seq
        reason = "maintenance" if taken.is_tripped else self._service.closed_because()
        answer: dict[str, Any] = {
            "server_time": utc(self._service.now()),
            "open": reason is None,
            "reason": reason,
            "journal_seq": taken.journal_seq,
        }
        commands, outcomes = self._service.commands, self._service.outcomes
        outcomes |= {one.id: one.outcome for one in beat.remote if one.id in commands}
        if any(taken.published.values()):
            answer["published"] = taken.published
        if wanted := [{"id": one, "act": act} for one, act in commands.items() if one not in outcomes]:
            answer["commands"] = wanted
        return _ok(answer)

    async def open_session(self, request: web.Request) -> web.Response:
        message = await _body(request, OpenSessionRequest)
        if (reason := self._service.closed_because()) is not None:
            raise Problem(503, reason)
        server = self._service.connections.own_thumbprint(request.get_extra_info("ssl_object"))
        opened = await self._at_desk(request, lambda desk: sessions.open_session(desk, message, server))
        return _ok(opened, status=201)

    async def authenticate(self, request: web.Request) -> web.Response:
        message = await _body(request, AuthenticateRequest)
        card = (unb64u(message.cert), message.alg, unb64u(message.signature))
        session_id, waits = request.match_info["session_id"], self._service.cards.waits

        def consumed_and_judged(desk: Desk) -> Answer | Challenge:
            """One transaction, unless the verdict takes its time."""
            consumed = sessions.consume(desk, session_id, message)
            if waits or isinstance(consumed, Answer):
                return consumed
            return _judged(desk, consumed, self._verdict(consumed, *card))

        answer = await self._at_desk(request, consumed_and_judged)
        if isinstance(answer, Answer):
            return _given(answer)
        challenge, verdict = answer, await asyncio.to_thread(self._verdict, answer, *card)
        return _given(await self._at_desk(request, lambda desk: _judged(desk, challenge, verdict)))

    async def end_session(self, request: web.Request) -> web.Response:
        session_id = request.match_info["session_id"]
        await self._at_desk(request, lambda desk: sessions.end(desk, session_id))
        return web.Response(status=204)

    async def reserve(self, request: web.Request) -> web.Response:
        message = await _body(request, ReserveRequest)
        if self._service.maintenance:
            raise Problem(503, "maintenance")
        office, seal = self._service.office, self._service.city_seal_png
        try:
            reserved = await self._at_desk(request, lambda desk: orders.reserve(desk, message, office, seal))
        except breaker.Mismatch as mismatch:
            tripped, moment = mismatch, self._service.now().timestamp()
            await self._service.store.transact(lambda c: breaker.trip(c, tripped, moment))
            raise Problem(503, "maintenance") from mismatch
        return _ok(reserved, status=201)

    async def view(self, request: web.Request) -> web.Response:
        order_id = request.match_info["order_id"]
        return _ok(await self._at_desk(request, lambda desk: orders.view(desk, order_id)))

    async def release(self, request: web.Request) -> web.Response:
        message = await _body(request, ReleaseRequest)
        order_id, seal = request.match_info["order_id"], self._service.city_seal_png
        return _ok(await self._at_desk(request, lambda desk: orders.release(desk, order_id, message, seal)))

    async def result(self, request: web.Request) -> web.Response:
        message = await _body(request, ResultRequest)
        order_id = request.match_info["order_id"]
        return _ok(await self._at_desk(request, lambda desk: orders.result(desk, order_id, message)))

    async def refund(self, request: web.Request) -> web.Response:
        message = await _body(request, RefundRequest)
        order_id = request.match_info["order_id"]
        return _ok(await self._at_desk(request, lambda desk: orders.refund(desk, order_id, message)))

    async def reprint(self, request: web.Request) -> web.Response:
        message = await _body(request, ReprintRequest)
        order_id, seal = request.match_info["order_id"], self._service.city_seal_png
        return _ok(await self._at_desk(request, lambda desk: orders.reprint(desk, order_id, message, seal)))

    async def reprint_result(self, request: web.Request) -> web.Response:
        message = await _body(request, ResultRequest)
        order_id, attempt = request.match_info["order_id"], int(request.match_info["attempt"])
        return _ok(
            await self._at_desk(request, lambda desk: orders.reprint_result(desk, order_id, attempt, message))
        )

    async def open_claim(self, request: web.Request) -> web.Response:
        message = await _body(request, ClaimRequest)
        return _ok(await self._at_desk(request, lambda desk: claims.open_claim(desk, message)))

    async def view_claim(self, request: web.Request) -> web.Response:
        claim_no = request.match_info["claim_no"]
        return _ok(await self._at_desk(request, lambda desk: claims.view(desk, claim_no)))

    async def settle_claim(self, request: web.Request) -> web.Response:
        message = await _body(request, SettleClaimRequest)
        claim_no = request.match_info["claim_no"]
        return _ok(await self._at_desk(request, lambda desk: claims.settle(desk, claim_no, message)))

    async def settle_day(self, request: web.Request) -> web.Response:
        message = await _body(request, DayRequest, most_bytes=_MOST_DAY_BYTES)
        business_date = request.match_info["business_date"]
        return _ok(await self._at_desk(request, lambda desk: settlement.settle(desk, business_date, message)))

    async def open_orders(self, request: web.Request) -> web.Response:
        return _ok(await self._at_desk(request, orders.open_orders))

    async def view_journal(self, request: web.Request) -> web.Response:
        return _ok(await self._at_desk(request, journals.known))

    async def take_journal(self, request: web.Request) -> web.Response:
        message = await _body(request, JournalRequest, most_bytes=_MOST_DAY_BYTES)
        peer = request[_PEER].certificate_der
        return _ok(await self._at_desk(request, lambda desk: journals.take(desk, message, peer)))

    async def publication(self, request: web.Request) -> web.Response:
        kind = request.match_info["kind"]
        return _ok(await self._at_desk(request, lambda desk: publications.view(desk, kind)))

    async def renew_certificate(self, request: web.Request) -> web.Response:
        authority, body = self._service.devices, await request.read()
        return enrolment.certificates(
            await self._at_desk(request, lambda desk: enrolment.renew(desk, authority, body))
        )

    async def authorities(self, _request: web.Request) -> web.Response:
        return enrolment.certificates(enrolment.authorities(self._service.devices))

    def _verdict(
        self, challenge: Challenge, certificate: bytes, alg: str, signature: bytes
    ) -> CardIdentity | CardRefused:
        try:
            return self._service.cards.verify(certificate, signature, challenge.tbs, self._service.now(), alg)
        except CardRefused as refused:
            return refused

    async def _at_desk(self, request: web.Request, work: Callable[[Desk], T]) -> T:
        """One transaction for the kiosk that asks. Raises Problem 403 kiosk_unknown."""
        city, now, peer = self._service.city, self._service.now(), request[_PEER]

        def done(connection: Connection) -> tuple[Kiosk, T]:
            urn = enrolment.admitted(connection, peer.thumbprint, proving=request.path == _PROOF)
            if urn is None:
                raise Problem(403, "kiosk_unknown")
            kiosk = Kiosk(urn, peer.thumbprint)
            return kiosk, work(Desk(connection, kiosk, city, now))

        kiosk, result = await self._service.store.transact(done)
        request[_KIOSK] = kiosk
        return result

    async def _known(self, request: web.Request) -> None:
        if _KIOSK not in request:
            await self._at_desk(request, lambda _: None)


def _judged(desk: Desk, challenge: Challenge, verdict: CardIdentity | CardRefused) -> Answer:
    """Admit or refuse; a refusal is kept too, so that a repeat gets it again."""
    try:
        if isinstance(verdict, CardRefused):
            raise verdict
        return sessions.admit(desk, challenge, verdict)
    except (CardRefused, Problem) as refusal:
        refused = Answer(403, _problem_body(403, refusal.code))
    return sessions.refuse(desk, challenge, refused)


async def _body(request: web.Request, message: type[R], most_bytes: int = _MOST_BYTES) -> R:
    if request.content_type != "application/json":
        raise Problem(415, "request_invalid")
    if (request.content_length or 0) > most_bytes or len(body := await request.read()) > most_bytes:
        raise Problem(413, "request_invalid")
    return decode(body, message)


def _ok(message: dict[str, Any], status: int = 200) -> web.Response:
    return _json(status, encode(message))


def _json(status: int, body: bytes) -> web.Response:
    return web.Response(status=status, body=body, content_type="application/json")


def _given(answer: Answer) -> web.Response:
    kind = "application/json" if answer.status == 200 else "application/problem+json"
    return web.Response(status=answer.status, body=answer.body, content_type=kind)


def _problem(status: int, code: str) -> web.Response:
    return _given(Answer(status, _problem_body(status, code)))


def _problem_body(status: int, code: str) -> bytes:
    return encode({"type": f"urn:madoguchi:problem:{code}", "status": status, "code": code})


def _cut(request: web.Request) -> web.Response:
    """End the connection at once; the response goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
