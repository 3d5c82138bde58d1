"""証明書復号画像表示: a page where anybody sees, from scans, what the front of a certificate must say (R20).

Every check is a process of its own, `madoguchi verify`, with limits of memory and time; the scans reach it as
anonymous memory. Nothing is written to a disk or to a log, and no answer may be kept by a browser.
"""

import asyncio
import json
import os
import resource
import sys
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import BodyPartReader, web

from tests.municipality.checking_page import form_page, report_page

MOST_BYTES = 40 * 1024 * 1024
MOST_FILES = 8

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_CHUNK = 1 << 16
_TOLD = 16 * 1024 * 1024

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Limits:
    """checks_a_minute: of one address; waiting: checks that may wait for the one that runs."""

    checks_a_minute: int = 10
    waiting: int = 4
    seconds: float = 90.0
    memory_bytes: int = 4 * 1024**3


@dataclass(frozen=True, slots=True)
class Scan:
    """An uploaded file, in memory alone."""

    name: str
    content: bytes


class TooMuch(Exception):
    """More than the page takes; status and reason of the answer."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status
        self.words = words


@dataclass(slots=True)
class Checking:
    """The page of one municipality. keys: folder with its public.json and opening.json."""

    keys: Path
    issuer: str
    limits: Limits = Limits()
    clock: Clock = time.monotonic
    _asked: dict[str, deque[float]] = field(default_factory=lambda: defaultdict(deque))
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _waiting: int = 0

    def application(self) -> web.Application:
        """Routes of the page."""
        app = web.Application(middlewares=[_hardened])
        app.add_routes([web.get("/", self._form), web.post("/check", self._check)])
        return app

    async def _form(self, _: web.Request) -> web.Response:
        return _html(form_page(self.issuer))

    async def _check(self, request: web.Request) -> web.Response:
        try:
            self._count(request.remote or "")
            scans = await _uploaded(request)
            async with self._in_turn():
                told = await self._verified(scans)
        except TooMuch as refused:
            return _html(form_page(self.issuer, refused.words), refused.status)
        return _html(report_page(self.issuer, told))

    def _count(self, address: str) -> None:
        """Raises TooMuch for an address that asks too often; addresses that rest are forgotten."""
        now = self.clock()
        for known in [each for each, times in self._asked.items() if times[-1] <= now - 60]:
            del self._asked[known]
        times = self._asked[address]
        while times and times[0] <= now - 60:
            times.popleft()
        if len(times) >= self.limits.checks_a_minute:
            raise TooMuch(429, "確認の回数が多すぎます。1分ほど待ってからお試しください。")
        times.append(now)

    @asynccontextmanager
    async def _in_turn(self) -> AsyncIterator[None]:
        if self._waiting > self.limits.waiting:
            raise TooMuch(503, "ただいま混み合っています。しばらくしてからお試しください。")
        self._waiting += 1
        try:
            async with self._turn:
                yield
        finally:
            self._waiting -= 1

    async def _verified(self, scans: list[Scan]) -> dict[str, Any]:
        """What `madoguchi verify` says of the scans. Raises TooMuch for files that are no scans."""
        files = [_in_memory(scan.content) for scan in scans]
        paths = [f"/proc/self/fd/{file}" for file in files]
        command = [sys.executable, "-m", "firmware", "verify", *paths, "--json", "--pictures"]
        for option, name in (("--keys", "public.json"), ("--opening-keys", "opening.json")):
            command += [option, str(self.keys / name)]
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                pass_fds=files,
                limit=_TOLD,
            )
            resource.prlimit(process.pid, resource.RLIMIT_AS, (self.limits.memory_bytes,) * 2)
            try:
                async with asyncio.timeout(self.limits.seconds):
                    output, fault = await process.communicate()
            except TimeoutError as cause:
                raise TooMuch(422, "時間内に読み取れませんでした。") from cause
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
        finally:
            for file in files:
                os.close(file)
        names = dict(zip(paths, (scan.name for scan in scans), strict=True))
        if not output:
            raise TooMuch(422, f"読み取れないファイルです：{_named(fault.decode('utf-8', 'replace'), names)}")
        told: dict[str, Any] = json.loads(output)
        for each in (*told["findings"], *told["sheets"]):
            each["picture"] = each["picture"] and _named(each["picture"], names)
        return told


@web.middleware
async def _hardened(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        response = await handler(request)
    except web.HTTPException as refused:
        refused.headers.update(_HEADERS)
        raise
    response.headers.update(_HEADERS)
    return response


async def _uploaded(request: web.Request) -> list[Scan]:
    """The files of the form. Raises TooMuch."""
    if not request.content_type.startswith("multipart/"):
        raise TooMuch(415, "ファイルを選んでください。")
    scans: list[Scan] = []
    total = 0
    reader = await request.multipart()
    while (part := await reader.next()) is not None:
        if not isinstance(part, BodyPartReader) or not part.filename:
            continue
        if len(scans) == MOST_FILES:
            raise TooMuch(413, f"ファイルは{MOST_FILES}個までです。")
        content = bytearray()
        while chunk := await part.read_chunk(_CHUNK):
            total += len(chunk)
            if total > MOST_BYTES:
                raise TooMuch(413, f"ファイルは合わせて{MOST_BYTES // 1024**2}MBまでです。")
            content += chunk
        scans.append(Scan(part.filename, bytes(content)))
    if not scans:
        raise TooMuch(400, "ファイルを選んでください。")
    return scans


def _in_memory(content: bytes) -> int:
    """A file that lies in memory and has no name. Its descriptor is the caller's to close."""
    file = os.memfd_create("scan")
    with os.fdopen(os.dup(file), "wb") as writer:
        writer.write(content)
    return file


def _named(text: str, names: dict[str, str]) -> str:
    """With the names that the files had where they came from."""
    for path, name in sorted(names.items(), key=lambda each: -len(each[0])):
        text = text.replace(path, name)
    return text.removeprefix("madoguchi: ").strip()


def _html(text: str, status: int = 200) -> web.Response:
    return web.Response(status=status, text=text, content_type="text/html", charset="utf-8")
