"""One request and its answer over mutual TLS, and patience with a bad line.

Each attempt has a connection of its own, so that what failed before it stood was surely not sent,
and what failed after it may have been carried out.
"""

import asyncio
import random
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Literal

import aiohttp
from yarl import URL

from firmware.errors import (
    MunicipalityAnswerInvalid,
    MunicipalityDown,
    MunicipalityError,
    MunicipalityUncertain,
)
from firmware.municipality.messages import PROTOCOL_HEADER, PROTOCOL_VERSION
from firmware.municipality.tls import Credentials

LONGEST_ANSWER_BYTES = 1_048_576


@dataclass(frozen=True, slots=True)
class Patience:
    """Time limits of the municipality client.

    connect_seconds: TCP and TLS. answer_seconds: one whole attempt. total_seconds: all attempts of a
    request while a person waits. A pause between attempts is drawn from zero to a limit that doubles
    from first_retry_seconds to longest_retry_seconds. heartbeat_seconds: between two heartbeats.
    clock_error_seconds: how far the server's clock may be ahead of ours.
    """

    connect_seconds: float = 5.0
    answer_seconds: float = 10.0
    total_seconds: float = 45.0
    first_retry_seconds: float = 0.2
    longest_retry_seconds: float = 5.0
    heartbeat_seconds: float = 60.0
    clock_error_seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class Call:
    """A request. message: its name in errors and log; repeatable: twice has the effect of once.

    report: it tells what has happened here and is not given up for want of an answer.
    """

    message: str
    method: Literal["GET", "POST", "DELETE"]
    path: tuple[str, ...]
    body: bytes | None = None
    repeatable: bool = True
    report: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of the protocol, still undecoded. server_der: the certificate of this connection."""

    status: int
    body: bytes
    is_problem: bool
    server_der: bytes


class Exchange:
    """Sends calls to one server. Made on the loop; close ends it."""

    def __init__(self, url: str, credentials: Credentials, patience: Patience) -> None:
        self._url = URL(url)
        self._patience = patience
        tracing = aiohttp.TraceConfig()
        tracing.on_connection_create_end.append(_note_connection)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=credentials.context, force_close=True),
            cookie_jar=aiohttp.DummyCookieJar(),
            response_class=_Response,
            auto_decompress=False,
            headers={"Accept-Encoding": "identity", PROTOCOL_HEADER: PROTOCOL_VERSION},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=patience.connect_seconds),
            trace_configs=[tracing],
        )

    async def patiently(self, call: Call) -> Reply:
        """Repeat the call, if it may be repeated, until it is answered or total_seconds are over.

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
                if not call.repeatable:
                    raise
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
        attempt = _Attempt()
        limit = (
            self._patience.answer_seconds if seconds is None else min(seconds, self._patience.answer_seconds)
        )
        try:
            async with asyncio.timeout(limit):
                return await self._send(call, attempt)
        except MunicipalityError:  # is an OSError too
            raise
        except (aiohttp.ClientError, OSError) as cause:
            if attempt.connected:
                raise MunicipalityUncertain(f"{call.message}: no answer") from cause
            raise MunicipalityDown(f"{call.message}: no connection") from cause

    async def close(self) -> None:
        """End all connections; may be called twice."""
        await self._session.close()

    async def _send(self, call: Call, attempt: "_Attempt") -> Reply:
        headers = {} if call.body is None else {"Content-Type": "application/json"}
        async with self._session.request(
            call.method,
            self._url.joinpath(*call.path),
            data=call.body,
            headers=headers,
            allow_redirects=False,
            trace_request_ctx=attempt,
        ) as response:
            if not isinstance(response, _Response):
                raise TypeError("the session makes another class of responses")
            is_problem = response.content_type == "application/problem+json"
            if response.status >= 500 and not is_problem:
                raise MunicipalityUncertain(f"{call.message}: status {response.status}")
            if response.headers.get(PROTOCOL_HEADER) != PROTOCOL_VERSION:
                raise MunicipalityAnswerInvalid(f"{call.message}: {PROTOCOL_HEADER}")
            body = await whole_body(response, call.message)
            return Reply(response.status, body, is_problem, response.server_der)


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
    """connected: from now on the request may be on its way."""

    connected: bool = False


async def _note_connection(
    _session: aiohttp.ClientSession,
    context: SimpleNamespace,
    _parameters: aiohttp.TraceConnectionCreateEndParams,
) -> None:
    context.trace_request_ctx.connected = True


class _Response(aiohttp.ClientResponse):
    """Remembers the server's certificate, which is out of reach once the body is read."""

    server_der: bytes = b""

    async def start(self, connection: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        tls = None if connection.transport is None else connection.transport.get_extra_info("ssl_object")
        if tls is not None:
            self.server_der = tls.getpeercert(binary_form=True)
        return await super().start(connection)
