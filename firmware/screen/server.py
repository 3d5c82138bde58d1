"""The local web server behind the screen: whole pictures out by SSE, touches in by POST.

GET  /         the page; GET /kiosk.css, /kiosk.js, /icon.svg
GET  /events   `screen` events, each a whole snapshot, and a `beat` event whenever nothing else
               was sent for keepalive_seconds (a named event, as a page cannot see SSE comments)
POST /intent   {"seq", "boot", "action"}: a touch; action is the value of a KeypadKey
POST /alive    {"seq"}: the page has drawn this picture
GET  /drawn    204 if a page has said so lately, 503 if not: for the watchdog of the browser

Answers to a POST: 204 taken, 400 not understood, 403 foreign origin or a PIN digit, 409 meant for
another picture or another run of this program, 415 not JSON.
"""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec
from aiohttp import web

from firmware.core.screens import Screen, ScreenId
from firmware.core.terms import Aid, KeypadKey, Language
from firmware.errors import ConfigError
from firmware.logbook import EventId, Logbook
from firmware.screen.texts import Snapshot, Texts

PAGE = Path(__file__).with_name("page")
FILES = {
    "/": ("index.html", "text/html"),
    "/kiosk.css": ("kiosk.css", "text/css"),
    "/kiosk.js": ("kiosk.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), hid=(), microphone=(), serial=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
LARGEST_POST_BYTES = 1024
LATELY_SECONDS = 15.0
"""A page that draws says so every 5 seconds."""


def headers(framed_by: Sequence[str]) -> dict[str, str]:
    """The headers of every answer; only these origins may frame the page."""
    if not framed_by:
        return HEADERS
    policy = HEADERS["Content-Security-Policy"]
    return HEADERS | {
        "Content-Security-Policy": policy.replace(
            "frame-ancestors 'none'", f"frame-ancestors {' '.join(framed_by)}"
        )
    }


class Intent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A touch on the picture seq of the run boot; the same as pressing that key."""

    seq: int
    boot: str
    action: KeypadKey


class Alive(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The page has drawn the picture seq."""

    seq: int


Body = TypeVar("Body", Intent, Alive)


class ScreenServer:
    """Serves the page to the one browser of this machine and tells touches as keys. Started once.

    pressed: called on the loop for each touch that was meant for the picture now shown, with what tells
    whether that picture still stands.
    keepalive_seconds: longest silence of the event stream.
    silence_seconds: silence after which the page says by itself that the machine is out of order.
    framed_by: origins whose pages may show the screen in a frame, such as a trainer's bench; none in a store.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        texts: Texts,
        pressed: Callable[[KeypadKey, Callable[[], bool]], None],
        log: Logbook,
        keepalive_seconds: float,
        silence_seconds: float,
        framed_by: Sequence[str] = (),
    ) -> None:
        if host not in LOOPBACK:
            raise ConfigError(f"screen host {host}: only a loopback address may show the screen")
        if not 0 < keepalive_seconds * 2 <= silence_seconds:
            raise ConfigError(
                f"screen silence_seconds {silence_seconds}: expected at least twice keepalive_seconds"
            )
        self._host = host
        self._port = port
        self._texts = texts
        self._pressed = pressed
        self._log = log
        self._keepalive_seconds = keepalive_seconds
        self._silence_seconds = silence_seconds
        self._headers = headers(framed_by)
        self._boot = secrets.token_hex(16)
        self._seq = 0
        self._screen: Screen | None = None
        self._picture: Snapshot | None = None
        self._deadline: float | None = None
        self._ready_at: float | None = None
        self._alive_at: float | None = None
        self._listeners: set[asyncio.Event] = set()
        self._closing = False
        self._runner: web.AppRunner | None = None
        self._origins: frozenset[str] = frozenset()

    @property
    def url(self) -> str:
        """Where the browser finds the page, once started; with port 0 the port that was free."""
        return f"http://{self._authority(self._host)}/"

    @property
    def seq(self) -> int:
        """Number of the picture now shown; 0 before the first."""
        return self._seq

    def shows(self, seq: int) -> bool:
        """Whether the picture of this number is shown now."""
        return seq == self._seq and self._screen is not None

    def page_silent_seconds(self) -> float | None:
        """Seconds since the page last said that it draws; None if it never did."""
        return None if self._alive_at is None else asyncio.get_running_loop().time() - self._alive_at

    async def _add_headers(self, _request: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(self._headers)

    async def start(self) -> None:
        """Listen. Raises ConfigError if the port cannot be opened."""
        app = web.Application(client_max_size=LARGEST_POST_BYTES, middlewares=[self._guard])
        app.on_response_prepare.append(self._add_headers)
        for path, (name, content_type) in FILES.items():
            app.router.add_get(path, _file(PAGE / name, content_type))
        app.router.add_get("/events", self._events)
        app.router.add_post("/intent", self._intent)
        app.router.add_post("/alive", self._alive)
        app.router.add_get("/drawn", self._drawn)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=2.0)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError as cause:
            await self.close()
            raise ConfigError(
                f"screen port {self._host}:{self._port} cannot be opened: {cause.strerror}"
            ) from cause
        self._port = self._runner.addresses[0][1]
        self._origins = frozenset(f"http://{self._authority(host)}" for host in LOOPBACK)

    def show(
        self,
        screen: Screen,
        language: Language,
        aids: frozenset[Aid] = frozenset(),
        *,
        remaining_seconds: float | None = None,
    ) -> None:
        """Show this screen on every page, now and on those that come later.

        aids: the person's.
        remaining_seconds: what is left of the screen's time-out, screen.seconds if not given.
        A picture that looks the same keeps its number, so that a touch on it still counts; the screen
        already shown, in another language or with another aid, keeps its times, as its timer runs on.
        Raises ConfigError naming file and key for an id or a number without text; then the
        picture stays as it was.
        """
        picture = self._texts.snapshot(screen, language, aids)
        if picture != self._picture:
            self._seq += 1
        if screen != self._screen or remaining_seconds is not None:
            self._deadline = _at(screen.seconds if remaining_seconds is None else remaining_seconds)
            self._ready_at = _at(screen.ready_seconds)
        self._screen, self._picture = screen, picture
        self._wake()

    async def close(self) -> None:
        """End every connection and free the port; harmless when closed."""
        self._closing = True
        self._wake()
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    def _wake(self) -> None:
        for listener in self._listeners:
            listener.set()

    def _authority(self, host: str) -> str:
        return f"[{host}]:{self._port}" if ":" in host else f"{host}:{self._port}"

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Only pages of this server may speak to it: neither other sites nor rebound names."""
        origin = request.headers.get("Origin", "")
        if f"http://{request.host}" not in self._origins:
            raise self._refusal(web.HTTPForbidden(), "host")
        if (origin or request.method == "POST") and origin not in self._origins:
            raise self._refusal(web.HTTPForbidden(), "origin")
        return await handler(request)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        news = asyncio.Event()
        news.set()
        self._listeners.add(news)
        try:
            await response.write(f"retry: {int(self._keepalive_seconds * 1000)}\n\n".encode())
            while not self._closing:
                await response.write(await self._next_event(news))
        except ConnectionError:
            return response  # the page went away: a reload, or the browser was restarted
        finally:
            self._listeners.discard(news)
        return response

    async def _next_event(self, news: asyncio.Event) -> bytes:
        try:
            async with asyncio.timeout(self._keepalive_seconds):
                await news.wait()
        except TimeoutError:
            return b"event: beat\ndata: %d\n\n" % self._seq
        news.clear()
        if self._picture is None:
            return b"event: beat\ndata: 0\n\n"
        snapshot = self._picture | {
            "seq": self._seq,
            "boot": self._boot,
            "remaining_ms": _left_ms(self._deadline),
            "ready_ms": _left_ms(self._ready_at),
            "silence_ms": int(self._silence_seconds * 1000),
        }
        return f"id: {self._seq}\nevent: screen\ndata: {json.dumps(snapshot)}\n\n".encode()

    async def _intent(self, request: web.Request) -> web.Response:
        intent = await self._body(request, Intent)
        if not secrets.compare_digest(intent.boot.encode(), self._boot.encode()):
            raise self._refusal(web.HTTPConflict(), "other-boot")
        if self._screen is None or not self.shows(intent.seq):
            raise self._refusal(web.HTTPConflict(), "stale")
        if intent.action.digit is not None and _asks_for_pin(self._screen):
            raise self._refusal(web.HTTPForbidden(), "pin-digit")
        self._pressed(intent.action, partial(self.shows, intent.seq))
        return web.Response(status=204)

    async def _alive(self, request: web.Request) -> web.Response:
        await self._body(request, Alive)
        self._alive_at = asyncio.get_running_loop().time()
        return web.Response(status=204)

    async def _drawn(self, _request: web.Request) -> web.Response:
        silent = self.page_silent_seconds()
        return web.Response(status=503 if silent is None or silent > LATELY_SECONDS else 204)

    async def _body(self, request: web.Request, shape: type[Body]) -> Body:
        if request.content_type != "application/json":
            raise self._refusal(web.HTTPUnsupportedMediaType(), "content-type")
        try:
            return msgspec.json.decode(await request.read(), type=shape)
        except (msgspec.DecodeError, UnicodeDecodeError, web.RequestPayloadError) as cause:
            raise self._refusal(web.HTTPBadRequest(), "not-understood") from cause

    def _refusal(self, answer: web.HTTPException, reason: str) -> web.HTTPException:
        self._log(EventId.SCREEN_INTENT_REFUSED, reason=reason, code=answer.status)
        return answer


def _now() -> float:
    return asyncio.get_running_loop().time()


def _at(seconds: float | None) -> float | None:
    return None if seconds is None else _now() + seconds


def _left_ms(until: float | None) -> int | None:
    return None if until is None else max(0, round(1000 * (until - _now())))


def _asks_for_pin(screen: Screen) -> bool:
    return screen.id in {ScreenId.PIN, ScreenId.PIN_WRONG} or screen.pin_digits is not None


def _file(path: Path, content_type: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    content = path.read_bytes()

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=content, content_type=content_type, charset="utf-8")

    return answer
