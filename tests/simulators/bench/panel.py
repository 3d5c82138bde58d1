"""The bench panel's web server: a page, the state as a stream, actions by POST, printed pictures."""

import asyncio
import contextlib
import errno
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
from aiohttp import web

from tests.simulators.bench.actions import BadWords, act
from tests.simulators.bench.feed import StateFeed
from tests.simulators.bench.framing import origin_of, screen_may_be_framed
from tests.simulators.bench.world_api import OutsideWorld, WorldRefusal

PAGE = Path(__file__).parent / "page"
FILES = {
    "/": "index.html",
    **{f"/{name}": name for name in ("bench.css", "bench.js", "bench.svg", "drag.js", "scenarios.js")},
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class BenchPanel:
    """Plays the outside world for a person at a browser on this machine.

    kiosk_url: the kiosk's own screen, shown beside it. port 0 takes any free port, see `url`.
    poll_seconds: how often the world is looked at while a page is open.
    """

    def __init__(
        self,
        world: OutsideWorld,
        host: str = "127.0.0.1",
        port: int = 8090,
        *,
        kiosk_url: str | None = None,
        poll_seconds: float = 0.25,
    ) -> None:
        self._world = world
        self._host = host
        self._port = port
        self._kiosk_url = kiosk_url
        self._poll_seconds = poll_seconds
        self._feed = StateFeed(world, poll_seconds=poll_seconds)
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{self._host}:{self._port}/"

    async def start(self) -> None:
        """Serve. Raises OSError if the port is taken."""
        app = web.Application(middlewares=[self._only_this_page, _say_what_failed], client_max_size=4096)
        app.add_routes([web.get(path, self._file) for path in FILES])
        app.add_routes(
            [
                web.get("/cards", self._cards),
                web.get("/screen", self._screen),
                web.get("/state", self._state),
                web.post("/act/{action}", self._act),
                web.get("/jobs/{job}/{page:[1-9][0-9]*}.png", self._job_page),
                web.get("/receipts/{receipt}.png", self._receipt),
            ]
        )
        app.on_response_prepare.append(self._guard)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=10.0)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError as cause:
            await self.close()
            if cause.errno != errno.EADDRINUSE:
                raise
            raise OSError(
                errno.EADDRINUSE, f"bench panel: port {self._port} on {self._host} is taken, choose another"
            ) from cause
        self._port = self._runner.addresses[0][1]

    async def close(self) -> None:
        """End all streams and give the port back; may be called twice."""
        runner, self._runner = self._runner, None
        await self._feed.close()
        if runner is not None:
            await runner.cleanup()

    async def _file(self, request: web.Request) -> web.StreamResponse:
        return web.FileResponse(PAGE / FILES[request.path])

    async def _cards(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response(await self._world.cards())

    async def _screen(self, _request: web.Request) -> web.StreamResponse:
        """The kiosk's screen: its URL or null, and whether it may stand in a frame."""
        framed = False
        if self._kiosk_url is not None:
            try:
                framed = await screen_may_be_framed(self._kiosk_url, origin_of(self.url))
            except (aiohttp.ClientError, TimeoutError):
                framed = False
        return web.json_response({"url": self._kiosk_url, "framed": framed})

    async def _state(self, request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await stream.prepare(request)
        async with self._feed.watched() as pictures:
            while request.transport is not None:  # None once the page is closed
                with contextlib.suppress(TimeoutError, ConnectionResetError):
                    async with asyncio.timeout(self._poll_seconds):
                        picture = await pictures.get()
                    if picture is None:
                        break
                    await stream.write(f"data: {picture}\n\n".encode())
        return stream

    async def _act(self, request: web.Request) -> web.StreamResponse:
        if request.content_type != "application/json":
            raise BadWords("an action is told in JSON")
        try:
            words = json.loads(await request.read() or b"{}")
        except ValueError as cause:
            raise BadWords("this is not JSON") from cause
        if not isinstance(words, dict):
            raise BadWords("an action is told as a JSON object")
        try:
            return web.json_response(await act(self._world, request.match_info["action"], words))
        finally:
            self._feed.nudge()

    async def _job_page(self, request: web.Request) -> web.StreamResponse:
        job, page = request.match_info["job"], int(request.match_info["page"])
        return web.Response(body=await self._world.job_page_png(job, page), content_type="image/png")

    async def _receipt(self, request: web.Request) -> web.StreamResponse:
        receipt = request.match_info["receipt"]
        return web.Response(body=await self._world.receipt_png(receipt), content_type="image/png")

    @web.middleware
    async def _only_this_page(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Other sites in the same browser, or names that resolve to this machine, get nothing."""
        if request.host not in (f"{self._host}:{self._port}", f"localhost:{self._port}"):
            return _error(403, "the bench panel answers only on its own address")
        if request.method != "GET" and request.headers.get("Origin") != f"http://{request.host}":
            return _error(403, "only the bench panel's own page may act")
        return await handler(request)

    async def _guard(self, _request: web.Request, response: web.StreamResponse) -> None:
        frames = "'none'" if self._kiosk_url is None else origin_of(self._kiosk_url)
        response.headers["Content-Security-Policy"] = (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
            f"frame-src {frames}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Content-Type-Options"] = "nosniff"


@web.middleware
async def _say_what_failed(request: web.Request, handler: Handler) -> web.StreamResponse:
    """What could not be done, as text for the person."""
    try:
        return await handler(request)
    except BadWords as error:
        return _error(400, str(error))
    except WorldRefusal as error:
        return _error(409, str(error))
    except OSError as error:
        return _error(503, str(error) or type(error).__name__)


def _error(status: int, text: str) -> web.Response:
    return web.json_response({"error": text}, status=status)
