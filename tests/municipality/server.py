"""The reference backend of a municipality: HTTPS with mutual TLS 1.3, one process, one SQLite file."""

import asyncio
import logging
import ssl
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any, Literal

import msgspec
from aiohttp import web
from cryptography import x509

from tests.municipality import (
    claims,
    clerk,
    enrolment,
    heartbeats,
    journals,
    orders,
    publications,
    records,
)
from tests.municipality.application import Clock, Service, application, enrolment_desk
from tests.municipality.checking import Checking
from tests.municipality.connections import Connections, thumbprint
from tests.municipality.desk import JST
from tests.municipality.faults import Alter, Change, Delay, Drop, Refuse, Twice
from tests.municipality.jpki import CardVerifier
from tests.municipality.operator import operator_page, standings
from tests.municipality.orders import Order
from tests.municipality.pki import device_authority
from tests.municipality.register import CITY, PEOPLE, load_city, load_people
from tests.municipality.revocation import Ocsp
from tests.municipality.scramble import Office
from tests.municipality.store import Connection, Store

_LOG = logging.getLogger("municipality")
_IDLE_SECONDS = 300.0
"""A kiosk's connection is kept from one heartbeat to the next, and over some that were late."""


def real_time() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)


class MunicipalityServer:
    """Serves the kiosk protocol on localhost until stopped.

    pki: a folder made by scripts/make_test_pki. database: a file, kept between runs, or a new one,
    or postgresql://…. port: 0 takes a free one, see the attribute after start. kiosks: certificates of the
    kiosks that are let in, by default the one in pki/kiosk. now: the clock of the service (hours, dates,
    expiry), not of TLS; tls_now: of certificates on kept connections.
    operator_port: of the operator's page, on this machine alone.
    checking_port: of the page that checks certificates; None leaves it out.
    enrolment_port: where kiosks get their first certificate; None for no such desk.
    upkeep_seconds: how often the register is confirmed and old things end.
    """

    def __init__(
        self,
        *,
        pki: Path,
        database: Path | str,
        port: int = 0,
        now: Clock = real_time,
        tls_now: Clock = real_time,
        city: Path = CITY,
        people: Path = PEOPLE,
        kiosks: tuple[Path, ...] | None = None,
        upkeep_seconds: float = 60.0,
        operator_port: int | None = None,
        enrolment_port: int | None = None,
        checking_port: int | None = None,
    ) -> None:
        self.port = port
        self.checking_port = checking_port
        self._pki = pki
        self._people = people
        self._kiosks = (pki / "kiosk" / "certificate.pem",) if kiosks is None else kiosks
        self._upkeep_seconds = upkeep_seconds
        self.operator_port = operator_port
        self.enrolment_port = enrolment_port
        self._beside: list[web.AppRunner] = []
        rules = load_city(city)
        roots, crl = (pki / "jpki" / "root.pem").read_bytes(), (pki / "jpki" / "crl.der").read_bytes()
        self._service = Service(
            store=Store(database),
            cards=CardVerifier(
                roots,
                (crl,),
                rules.policies,
                revocation=Ocsp(_responder(rules.ocsp_url)) if rules.ocsp_url else None,
                pinned=rules.root_sha256 if rules.production else None,
            ),
            city=rules,
            city_seal_png=(pki / "seals" / "city.png").read_bytes(),
            office=Office.load(pki / "scramble", rules.name),
            devices=device_authority(pki),
            connections=Connections(tls_now),
            now=now,
        )
        self._context: ssl.SSLContext | None = None
        self._read_at: dict[Path, int] = {}
        self._runner: web.AppRunner | None = None
        self._upkeep: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where a kiosk finds the server."""
        return f"https://localhost:{self.port}"

    @property
    def store(self) -> Store:
        """The backend's database."""
        return self._service.store

    @property
    def audience(self) -> str:
        """The backend's own name, which stands in what a card signs."""
        return self._service.city.audience

    async def start(self) -> None:
        """Load the register and listen."""
        service, now = self._service, self._service.now()
        await service.store.open(serving=True)
        people = load_people(now.astimezone(JST).date(), self._people)
        await service.store.transact(lambda c: records.load(c, people, self._pki, service.city, now))
        await asyncio.gather(*(self.admit_kiosk(certificate) for certificate in self._kiosks))
        self._runner = web.AppRunner(
            application(service), access_log=None, shutdown_timeout=1.0, keepalive_timeout=_IDLE_SECONDS
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self._tls())
        await site.start()
        self.port = self._runner.addresses[0][1]
        if self.operator_port is not None:
            page = operator_page(service.store, lambda: service.city, service.now, service.metrics)
            self.operator_port = await self._serve_beside(page, self.operator_port, None)
        if self.enrolment_port is not None:
            desk = enrolment_desk(service)
            self.enrolment_port = await self._serve_beside(desk, self.enrolment_port, self._server_tls())
        if self.checking_port is not None:
            page = Checking(self._pki / "scramble", service.city.name).application()
            # The public page has no TLS: in earnest it stands behind the municipality's own web server.
            self.checking_port = await self._serve_beside(page, self.checking_port, None)
        self._upkeep = asyncio.create_task(self._keep_up(), name="municipality-upkeep")

    async def stop(self) -> None:
        """Stop listening and close the database; may be called twice."""
        if self._upkeep is not None:
            self._upkeep.cancel()
            await asyncio.gather(self._upkeep, return_exceptions=True)
            self._upkeep = None
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        while self._beside:
            await self._beside.pop().cleanup()
        await self._service.store.close()

    async def _serve_beside(self, app: web.Application, port: int, tls: ssl.SSLContext | None) -> int:
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        self._beside.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls).start()
        bound: int = runner.addresses[0][1]
        return bound

    async def orders(self) -> list[Order]:
        """All orders so far, for checks: id, state, yen, number."""
        return await self._service.store.transact(orders.snapshot)

    async def reprints(self, order_id: str) -> list[tuple[int, str | None]]:
        """Every reprint of an order: attempt and outcome, None while it is not told."""
        return await self._service.store.transact(lambda c: orders.reprints(c, order_id))

    async def claims(self) -> list[dict[str, Any]]:
        """All claims so far, oldest first, as the clerk sees them."""
        return await self._service.store.transact(clerk.claims)

    async def settlements(self) -> list[dict[str, Any]]:
        """All business days so far, oldest first, with what differs."""
        return await self._service.store.transact(clerk.days)

    async def pay_claim(self, kiosk: str, claim_no: str) -> bool:
        """The counter pays a claim of this kiosk; False if it is not open."""
        moment = self._service.now().timestamp()
        return await self._service.store.transact(
            lambda c: claims.pay(c, kiosk, claim_no, claims.COUNTER, moment)
        )

    async def forget_journal(self, urn: str) -> bool:
        """The clerk lets this kiosk's journal begin anew; False for an unknown kiosk."""
        return await self._service.store.transact(lambda c: heartbeats.forget_journal(c, urn))

    async def publish(
        self, kind: publications.Kind, content: dict[str, Any], to: str = publications.EVERY_KIOSK
    ) -> int:
        """Sign this and hand it to the kiosks from now on; its serial number."""
        key = publications.PublicationKey.load(self._pki / "publication", self.audience)
        now = self._service.now()

        def published(connection: Connection) -> int:
            serial = publications.last(connection, kind) + 1
            publications.publish(connection, kind, serial, to, key.sign(kind, serial, content, now, to))
            return serial

        return await self._service.store.transact(published)

    async def journal(self, urn: str) -> list[dict[str, Any]]:
        """The lines of a kiosk's journals that are kept here."""
        return await self._service.store.transact(lambda c: journals.lines(c, urn))

    async def admit_kiosk(self, certificate: Path) -> None:
        """Let the kiosk with this certificate in."""
        der = _certificate_der(certificate)
        row = (_kiosk_urn(der), thumbprint(der))
        await self._service.store.transact(
            lambda c: c.execute(
                "INSERT INTO kiosk (urn, thumbprint, active) VALUES (?, ?, 1)"
                " ON CONFLICT (urn) DO UPDATE SET thumbprint = excluded.thumbprint, active = 1",
                row,
            )
        )

    async def invite_kiosk(self, urn: str) -> str:
        """A one-time code for a kiosk's first certificate."""
        now = self._service.now()
        return await self._service.store.transact(lambda c: enrolment.invite(c, urn, now))

    async def expel_kiosk(self, urn: str) -> None:
        """Refuse this kiosk from its next request on, also on an open connection."""
        await self._service.store.transact(
            lambda c: c.execute("UPDATE kiosk SET active = 0 WHERE urn = ?", (urn,))
        )

    def set_hours(self, opens: time, closes: time) -> None:
        """Serve from opens until closes, Japan time."""
        self._service.city = msgspec.structs.replace(self._service.city, opens=opens, closes=closes)

    def command(self, command_id: str, act: str) -> None:
        """Ask the kiosk to do something, with its next heartbeat."""
        self._service.commands[command_id] = act

    def outcome(self, command_id: str) -> str | None:
        """What became of a command: done, refused, or None while nobody knows."""
        return self._service.outcomes.get(command_id)

    async def troubles(self) -> tuple[str, ...]:
        """What the operator's page says of all kiosks together, by the last heartbeats."""
        rules, moment = self._service.city.operator, self._service.now().timestamp()
        known = await self._service.store.transact(lambda c: standings(c, rules, moment))
        return tuple(trouble for kiosk in known for trouble in kiosk.troubles)

    def set_maintenance(self, maintenance: bool) -> None:
        """Begin or end system maintenance."""
        self._service.maintenance = maintenance

    def refuse_next(self, code: str, path: str = "*") -> None:
        """Refuse the next request with this code. path: a shell pattern; * means all of a visit."""
        self._service.faults.add(path, Refuse(code))

    def answer_garbage_next(self, path: str = "*", body: bytes = b'{"state": "GARB') -> None:
        """Act on the next request, and answer this with status 200."""
        self._service.faults.add(path, Alter(lambda _: body))

    def alter_next(self, path: str, change: Change) -> None:
        """Act on the next request, and answer with a changed body and status 200."""
        self._service.faults.add(path, Alter(change))

    def delay_next(self, seconds: float, path: str = "*") -> None:
        """Act on the next request only after a while."""
        self._service.faults.add(path, Delay(seconds))

    def drop_next(self, when: Literal["before", "after"], path: str = "*") -> None:
        """Cut the connection of the next request, before or after acting on it."""
        self._service.faults.add(path, Drop(when))

    def duplicate_next(self, when: Literal["before", "after"], path: str = "*") -> None:
        """Act twice on the next request, the second time before its answer leaves or behind it."""
        self._service.faults.add(path, Twice(when))

    def forget_faults(self) -> None:
        """Forget the faults that met no request yet."""
        self._service.faults.clear()

    def faults_left(self) -> int:
        """Ordered faults that met no request yet."""
        return self._service.faults.left()

    def reload(self) -> bool:
        """Take a new certificate of ours and a newer revocation list, for every connection from now on.

        False if no file has changed. Connections that stand go on with our old certificate, and are held to
        the registry and to this list at each request.
        Raises OSError for a file that cannot be used; what was in use stays.
        """
        if self._context is None or self._read_at == (read_at := self._files()):
            return False
        server = self._pki / "server"
        self._context.load_verify_locations(self._pki / "device_crl.pem")
        self._context.load_cert_chain(server / "certificate.pem", server / "key.pem")
        certificate = _certificate_der(server / "certificate.pem")
        self._service.connections.renew(certificate, self._pki / "device_crl.pem")
        self._read_at = read_at
        return True

    def _tls(self) -> ssl.SSLContext:
        """TLS 1.3 with a client certificate; no tickets: a resumed session would not be checked again."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_verify_locations(self._pki / "device_ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF
        context.num_tickets = 0
        self._service.connections.listen(context)
        self._context = context
        self.reload()
        return context

    def _server_tls(self) -> ssl.SSLContext:
        """For who has no certificate yet."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.num_tickets = 0
        context.load_cert_chain(self._pki / "server" / "certificate.pem", self._pki / "server" / "key.pem")
        return context

    def _files(self) -> dict[Path, int]:
        """When the files that may change were written."""
        names = ("server/certificate.pem", "server/key.pem", "device_crl.pem")
        return {self._pki / name: (self._pki / name).stat().st_mtime_ns for name in names}

    async def _keep_up(self) -> None:
        """Confirm the register, and end what waited too long."""
        while True:
            await self._make_room()
            await asyncio.sleep(self._upkeep_seconds)
            self._reload_or_say()
            await self._service.store.transact(self._keep_up_once)

    async def _make_room(self) -> None:
        """The tables of this month and the next, as the database's own clock counts them."""
        today = real_time()
        for months in (0, 1):
            year, month = divmod(today.year * 12 + today.month - 1 + months, 12)
            await self._service.store.make_room(year, month + 1)

    def _reload_or_say(self) -> None:
        try:
            self.reload()
        except (OSError, ValueError):
            _LOG.exception("certificates and revocation list stay as they are")

    def _keep_up_once(self, connection: Connection) -> None:
        now = self._service.now()
        records.confirm(connection, now)
        orders.expire(connection, now, self._service.city.reprint_seconds)


def _responder(url: str) -> Callable[[bytes], bytes]:
    """An OCSP responder by HTTP (RFC 6960, appendix A.1); 5 seconds, and no second try while one waits."""

    def ask(request: bytes) -> bytes:
        headers = {"Content-Type": "application/ocsp-request"}
        posted = urllib.request.Request(url, data=request, headers=headers)  # noqa: S310 - the city's own
        with urllib.request.urlopen(posted, timeout=5) as answer:  # noqa: S310
            return bytes(answer.read(65_536))

    return ask


def _certificate_der(path: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(path.read_text(encoding="ascii"))


def _kiosk_urn(certificate_der: bytes) -> str:
    certificate = x509.load_der_x509_certificate(certificate_der)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return names.get_values_for_type(x509.UniformResourceIdentifier)[0]
