"""Rows of the municipality's protocol: one request after the other, without a kiosk around them."""

import secrets
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from firmware.core.terms import Certainty, CertificateKind, Language, OrderId, Subjects
from firmware.logbook import EventId, FieldValue
from firmware.municipality.client import HttpsMunicipality
from firmware.municipality.tls import load_credentials
from firmware.ports import CardSignature, JournalHead, OrderRequest
from tests.figures.rows import Effort, MeasureError, Row, median
from tests.municipality.pki import KIOSK
from tests.municipality.server import MunicipalityServer

FEE_YEN = 300
CARD = "shiken_taro"


async def rows(server: MunicipalityServer, pki: Path, effort: Effort) -> tuple[Row, ...]:
    """Each request of an issuance, median, on the connection that the client keeps.

    Beside: a request that the server only turns away, on a kept connection with the same certificates.
    """
    times: dict[str, list[float]] = {}
    bare: list[float] = []
    async with AsyncExitStack() as undo:
        municipality = _client(server, pki)
        undo.push_async_callback(municipality.close)
        http = await undo.enter_async_context(_kept_connection(pki))
        for _ in range(2 * effort.repetitions):
            await _issue(municipality, pki, times)
            bare.append(await _bare_request(http, server))
    peer, peer_ms = "a request turned away on a kept TLS connection", median("bare request", bare)
    return tuple(_rows(times, peer, peer_ms))


def _rows(times: dict[str, list[float]], peer: str, peer_ms: float) -> Iterator[Row]:
    for message, milliseconds in times.items():
        name = f"municipality.{message}"
        yield Row.beside(name, median(name, milliseconds), "ms", peer, peer_ms)


async def _issue(municipality: HttpsMunicipality, pki: Path, times: dict[str, list[float]]) -> None:
    def lap(message: str, began: float) -> float:
        now = time.perf_counter()
        times.setdefault(message, []).append((now - began) * 1000)
        return now

    key = load_pem_private_key((pki / "cards" / CARD / "key.pem").read_bytes(), None)
    if not isinstance(key, RSAPrivateKey):
        raise MeasureError(f"municipality: the key of {CARD} is not RSA")
    certificate = (pki / "cards" / CARD / "certificate.der").read_bytes()
    order_id = OrderId(f"{secrets.token_hex(16)}-1")
    kem = X25519PrivateKey.generate().public_key().public_bytes_raw()

    began = time.perf_counter()
    session = await municipality.open_session(kem, Language.JA)
    lap("open-session", began)
    signed = key.sign(session.message, padding.PKCS1v15(), hashes.SHA256())
    began = time.perf_counter()
    await municipality.authenticate(session.session_id, certificate, CardSignature("RS256", signed))
    began = lap("authenticate", began)
    await municipality.reserve(
        session.session_id,
        OrderRequest(order_id, CertificateKind.INKAN, Subjects.SELF, frozenset(), copies=1),
    )
    began = lap("reserve", began)
    await municipality.release(order_id, FEE_YEN)
    began = lap("release-to-receipt-number", began)
    await municipality.report_result(order_id, Certainty.DONE, 2)
    began = lap("report-result", began)
    await municipality.end_session(session.session_id)
    lap("end-session", began)


def _kept_connection(pki: Path) -> aiohttp.ClientSession:
    credentials = load_credentials(
        ca_file=pki / "server_ca.pem",
        certificate_file=pki / "kiosk" / "certificate.pem",
        key_file=pki / "kiosk" / "key.pem",
        kiosk=KIOSK,
    )
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=credentials.context))


async def _bare_request(http: aiohttp.ClientSession, server: MunicipalityServer) -> float:
    """Milliseconds of a request for an order that is not there."""
    began = time.perf_counter()
    async with http.get(f"{server.url}/v1/orders/{'0' * 32}-1") as answer:
        await answer.read()
    took_ms = (time.perf_counter() - began) * 1000
    if answer.status != 404:
        raise MeasureError(f"municipality: status {answer.status} for an order that is not there")
    return took_ms


def _client(server: MunicipalityServer, pki: Path) -> HttpsMunicipality:
    return HttpsMunicipality(
        url=server.url,
        audience=server.audience,
        ca_file=pki / "server_ca.pem",
        certificate_file=pki / "kiosk" / "certificate.pem",
        key_file=pki / "kiosk" / "key.pem",
        kiosk=KIOSK,
        firmware_version="0",
        log=_no_log,
        server_time=lambda _: None,
        server_hours=lambda _: None,
        journal=_NoJournal(),
    )


class _NoJournal:
    """These kiosks keep none."""

    head = JournalHead(0, bytes(32))

    async def chain_at(self, _seq: int) -> bytes:
        return b""


def _no_log(_event: EventId, /, **_fields: FieldValue) -> None:
    """The figures are all that is told."""
