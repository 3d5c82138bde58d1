"""One request and its answer over mutual TLS, and patience with a bad line.

A connection is kept for the next request. What failed before one stood was surely not sent; what failed
on one, kept or new, may have been carried out. A kept connection that turns out dead costs nobody
anything: the request goes out again at once on a new one, as the same question has the effect of one.

An answer counts for the request whose name it bears. A municipality that names none is believed as far as
HTTP goes: no request goes out on a connection on which something lies unread.
"""

import asyncio
import random
import secrets
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from types import SimpleNamespace
from typing import Literal

import aiohttp
from cryptography import x509
from yarl import URL, _url

from firmware.errors import (
    MunicipalityAnswerInvalid,
    MunicipalityDown,
    MunicipalityError,
    MunicipalityUncertain,
)
from firmware.municipality.messages import PROTOCOL_HEADER, PROTOCOL_VERSION, REQUEST_HEADER
from firmware.municipality.tls import Credentials

LONGEST_ANSWER_BYTES = 1_048_576
_NAME_BYTES = 12


@dataclass(frozen=True, slots=True)
class Patience:
    """Time limits of the municipality client.

    connect_seconds: TCP and TLS. answer_seconds: one whole attempt. total_seconds: all attempts of a
    request while a person waits. A pause between attempts is drawn from zero to a limit that doubles
    from first_retry_seconds to longest_retry_seconds. heartbeat_seconds: between two heartbeats.
    clock_error_seconds: how far the server's clock may be ahead of ours. kept_seconds: a connection is
    used no longer than this, so that both sides look at certificates and revocation anew. lost_key_seconds:
    how long a process that never had its key waits for a TPM that serves others.
    """

    connect_seconds: float = 5.0
    answer_seconds: float = 10.0
    total_seconds: float = 45.0
    first_retry_seconds: float = 0.2
    longest_retry_seconds: float = 5.0
    heartbeat_seconds: float = 60.0
    clock_error_seconds: float = 5.0
    kept_seconds: float = 3600.0
    lost_key_seconds: float = 180.0

    @property
    def idle_seconds(self) -> float:
        """A connection lives from one heartbeat to the next, and one may be late."""
        return 2 * self.heartbeat_seconds


@dataclass(frozen=True, slots=True)
class Call:
    """A request; twice has the effect of once. message: its name in errors and log.

    report: it tells what has happened here and is not given up for want of an answer.
    """

    message: str
    method: Literal["GET", "POST", "DELETE"]
    path: tuple[str, ...]
    body: bytes | None = None
    report: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of the protocol, still undecoded.

    server_der: the server's certificate on this connection. device: the thumbprint of ours on it.
    """

    status: int
    body: bytes
    is_problem: bool
    server_der: bytes
    device: bytes


class Exchange:
    """Sends calls to one server. Made on the loop; close ends it. now: the trusted clock."""

    def __init__(
        self, url: str, credentials: Credentials, patience: Patience, now: Callable[[], datetime]
    ) -> None:
        self._url = URL(url)
        self._credentials, self._patience, self._now = credentials, patience, now
        self._lines: list[_Line] = []
        self._is_closed = False

    async def patiently(self, call: Call) -> Reply:
        """Repeat the call until it is answered or total_seconds are over.

        Raises MunicipalityDown if surely no attempt was carried out, MunicipalityUncertain if one may
        have been, MunicipalityAnswerInvalid.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience.total_seconds
        uncertain: MunicipalityUncertain | None = None
        limit = self._patience.first_retry_seconds
        while True:
            try:
                return await self.once(call, deadline - loop.time())
            except MunicipalityAnswerInvalid:
                raise
            except MunicipalityUncertain as error:
                uncertain = error
                failure: MunicipalityError = error
            except MunicipalityDown as error:
                failure = uncertain or error
            pause = random.SystemRandom().uniform(0, limit)
            if loop.time() + pause >= deadline:
                raise failure
            await asyncio.sleep(pause)
            limit = min(2 * limit, self._patience.longest_retry_seconds)

    async def once(self, call: Call, seconds: float | None = None) -> Reply:
        """One attempt, with at most these seconds. Raises as patiently does."""
        limit = (
            self._patience.answer_seconds if seconds is None else min(seconds, self._patience.answer_seconds)
        )
        attempt = _Attempt()
        try:
            async with asyncio.timeout(limit):
                try:
                    return await self._send(call, attempt)
                except MunicipalityError:  # is an OSError too
                    raise
                except (aiohttp.ClientError, OSError):
                    if not attempt.kept:
                        raise
                return await self._send(call, attempt)
        except MunicipalityError:
            raise
        except (aiohttp.ClientError, OSError) as cause:
            if attempt.connected:
                raise MunicipalityUncertain(f"{call.message}: no answer") from cause
            raise MunicipalityDown(f"{call.message}: no connection") from cause
        finally:
            _forget_addresses()

    async def close(self) -> None:
        """End all connections, and begin none; may be called twice."""
        self._is_closed = True
        while self._lines:
            await self._lines.pop().session.close()

    async def _send(self, call: Call, attempt: "_Attempt") -> Reply:
        name = secrets.token_urlsafe(_NAME_BYTES)
        headers = {REQUEST_HEADER: name}
        if call.body is not None:
            headers["Content-Type"] = "application/json"
        async with (
            self._line() as line,
            line.session.request(
                call.method,
                self._url.joinpath(*call.path),
                data=call.body,
                headers=headers,
                allow_redirects=False,
                trace_request_ctx=attempt,
            ) as response,
        ):
            if not isinstance(response, _Response):
                raise TypeError("the session makes another class of responses")
            if attempt.kept and response.was_beaten:
                raise aiohttp.ClientPayloadError("an answer that came before its request")
            line.has_seen(response.server_der)
            is_problem = response.content_type == "application/problem+json"
            if response.status >= 500 and not is_problem:
                raise MunicipalityUncertain(f"{call.message}: status {response.status}")
            if response.headers.get(PROTOCOL_HEADER) != PROTOCOL_VERSION:
                if attempt.kept:
                    # A proxy that gave the idle connection up may have said so before our request came.
                    raise aiohttp.ClientPayloadError("an answer that nobody waited for")
                raise MunicipalityAnswerInvalid(f"{call.message}: {PROTOCOL_HEADER}")
            if not line.takes(name, response.headers.get(REQUEST_HEADER)):
                if attempt.kept:
                    raise aiohttp.ClientPayloadError("an answer to another request")
                raise MunicipalityAnswerInvalid(f"{call.message}: {REQUEST_HEADER}")
            body = await whole_body(response, call.message)
            return Reply(response.status, body, is_problem, response.server_der, line.device)

    @asynccontextmanager
    async def _line(self) -> AsyncIterator["_Line"]:
        """The line in use, or a new one; an old one ends with its last request. Raises ClientError."""
        if self._is_closed:
            raise aiohttp.ClientConnectionError("closed")
        if not self._lines or not self._lines[-1].is_good(self._credentials, self._now()):
            if self._lines:
                self._lines[-1].is_retired = True
            self._lines.append(_Line(self._credentials, self._patience))
        line = self._lines[-1]
        line.requests += 1
        try:
            yield line
        except (aiohttp.ClientError, OSError, asyncio.CancelledError):
            line.is_retired = True  # whatever failed: no request begins on a connection made with that one
            raise
        finally:
            line.requests -= 1
            ended = [one for one in self._lines if one.is_retired and not one.requests]
            self._lines = [one for one in self._lines if one not in ended]
            for old in ended:
                await old.session.close()


async def whole_body(response: aiohttp.ClientResponse, message: str) -> bytes:
    """Every piece of an answer's body. Raises MunicipalityAnswerInvalid for one that is too long."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > LONGEST_ANSWER_BYTES:
            raise MunicipalityAnswerInvalid(f"{message}: length")
    return bytes(body)


@dataclass(slots=True)
class _Attempt:
    """connected: from now on the request may be on its way. kept: on a connection that was used before."""

    connected: bool = False
    kept: bool = False


class _Line:
    """Connections with one certificate of ours, kept until one of the two certificates or their time ends.

    Also until its key was loaded anew: each that is kept has one of the process's three places in a TPM.
    """

    def __init__(self, credentials: Credentials, patience: Patience) -> None:
        self.device = credentials.thumbprint
        self._context = credentials.context
        self.requests = 0
        self.is_retired = False
        self._names_requests = False
        self._good_until = credentials.not_after
        self._server_der = b""
        self._loop = asyncio.get_running_loop()
        self._ends_at = self._loop.time() + patience.kept_seconds
        tracing = aiohttp.TraceConfig()
        tracing.on_connection_create_start.append(_note_beginning)
        tracing.on_connection_create_end.append(_note_connection)
        tracing.on_connection_reuseconn.append(_note_reuse)
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                ssl=self._context,
                keepalive_timeout=patience.idle_seconds,
                socket_factory=_socket_that_gives_up(patience.connect_seconds),
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            response_class=_Response,
            auto_decompress=False,
            headers={"Accept-Encoding": "identity", PROTOCOL_HEADER: PROTOCOL_VERSION},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=patience.connect_seconds),
            trace_configs=[tracing],
        )

    def is_good(self, credentials: Credentials, now: datetime) -> bool:
        """Whether a request may begin on these connections; TLS itself looks at dates only once."""
        in_time = now <= self._good_until and self._loop.time() < self._ends_at
        return in_time and not self.is_retired and self._context is credentials.context

    def takes(self, name: str, answered: str | None) -> bool:
        """Whether this answers the request of this name. One who named a request before names each."""
        self._names_requests = self._names_requests or answered == name
        return answered == name or (answered is None and not self._names_requests)

    def has_seen(self, server_der: bytes) -> None:
        """The server's certificate ends, too."""
        if server_der != self._server_der:
            ends = x509.load_der_x509_certificate(server_der).not_valid_after_utc
            self._good_until, self._server_der = min(self._good_until, ends), server_der


def _socket_that_gives_up(seconds: float) -> Callable[[aiohttp.AddrInfoType], socket.socket]:
    """On a line that swallows everything a kept connection is dead after so long without an answer of TCP
    (RFC 5482)."""

    def make(address: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, _, _ = address
        made = socket.socket(family, kind, protocol)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(1000 * seconds))
        return made

    return make


async def _note_beginning(
    _session: aiohttp.ClientSession,
    context: SimpleNamespace,
    _parameters: aiohttp.TraceConnectionCreateStartParams,
) -> None:
    context.trace_request_ctx.kept = False


async def _note_connection(
    _session: aiohttp.ClientSession,
    context: SimpleNamespace,
    _parameters: aiohttp.TraceConnectionCreateEndParams,
) -> None:
    context.trace_request_ctx.connected = True


async def _note_reuse(
    _session: aiohttp.ClientSession,
    context: SimpleNamespace,
    _parameters: aiohttp.TraceConnectionReuseconnParams,
) -> None:
    context.trace_request_ctx.connected = context.trace_request_ctx.kept = True


def _forget_addresses() -> None:
    """yarl keeps the last URLs of the process, the session's name in them; it has no word to clear these."""
    for made in vars(_url).values():
        if (clear := getattr(made, "cache_clear", None)) is not None:
            clear()


class _Response(aiohttp.ClientResponse):
    """Remembers the server's certificate, which is out of reach once the body is read.

    was_beaten: something had come on this connection before the request was out.
    """

    server_der: bytes = b""
    was_beaten = False

    async def start(self, connection: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        self.was_beaten = connection.protocol is not None and connection.protocol.should_close
        tls = None if connection.transport is None else connection.transport.get_extra_info("ssl_object")
        if tls is not None:
            self.server_der = tls.getpeercert(binary_form=True)
        return await super().start(connection)
