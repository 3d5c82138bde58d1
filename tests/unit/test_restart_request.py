"""How a service that hangs is asked to be restarted: rarely, never while it answers, and by a file alone."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import islice
from pathlib import Path

import pytest

from firmware.errors import DeviceGone
from firmware.logbook import EventId, FieldValue
from hw.printer.print_server import PrintServer
from hw.restart import MOST_SECONDS, RestartRequest, pauses
from tests.virtual_time import in_virtual_time

LIMIT_SECONDS = 60.0
REQUEST_SECONDS = 0.2
RESTART_SECONDS = 0.05
Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def test_each_pause_is_twice_as_long_up_to_a_ceiling() -> None:
    assert [30, 60, 120, 240, 480, 600, 600, 600] == list(islice(pauses(30.0), 8))
    assert [MOST_SECONDS] * 3 == list(islice(pauses(MOST_SECONDS), 3))


class Asked:
    """When each request was made, in seconds since the service began to hang."""

    def __init__(self, file: Path | None, first_seconds: float) -> None:
        self.file = file
        self.at: list[float] = []
        self.looks = 0
        self.failures = 0
        self.hangs = True
        self._told = asyncio.Event()
        self.request = RestartRequest(
            file, first_seconds, asked=self._asked, failed=self._failed, still_hangs=self._look
        )

    async def until(self, count: int) -> None:
        while len(self.at) + self.failures < count:
            self._told.clear()
            await self._told.wait()

    async def until_looked(self, count: int) -> None:
        while self.looks < count:
            self._told.clear()
            await self._told.wait()

    def _asked(self) -> None:
        assert self.file is not None
        assert b"" == self.file.read_bytes()
        self.file.unlink()
        self.at.append(asyncio.get_running_loop().time())
        self._told.set()

    def _failed(self) -> None:
        self.failures += 1
        self._told.set()

    async def _look(self) -> bool:
        self.looks += 1
        self._told.set()
        return self.hangs


@in_virtual_time
async def test_a_service_that_hangs_is_asked_for_after_each_pause(tmp_path: Path) -> None:
    asked = Asked(tmp_path / "restart", 30.0)
    asked.request.begin()
    asked.request.begin()
    await asked.until(7)
    asked.request.withdraw()
    assert [30, 90, 210, 450, 930, 1530, 2130] == asked.at


@in_virtual_time
async def test_a_service_that_came_back_is_asked_for_no_more_and_its_pauses_begin_anew(
    tmp_path: Path,
) -> None:
    asked = Asked(tmp_path / "restart", 30.0)
    asked.request.begin()
    await asked.until(2)
    asked.request.withdraw()
    asked.request.withdraw()
    await asyncio.sleep(5000.0)
    assert [30, 90] == asked.at
    asked.request.begin()
    await asked.until(3)
    asked.request.withdraw()
    assert [30, 90, 90 + 5000 + 30] == asked.at


@in_virtual_time
async def test_a_service_that_answers_the_last_look_is_not_restarted(tmp_path: Path) -> None:
    asked = Asked(tmp_path / "restart", 30.0)
    asked.hangs = False
    asked.request.begin()
    await asked.until_looked(2)
    assert [] == asked.at
    assert not (tmp_path / "restart").exists()
    asked.hangs = True
    await asked.until(1)
    asked.request.withdraw()
    assert [30 + 60 + 120] == asked.at


@in_virtual_time
async def test_where_nobody_watches_nobody_is_asked() -> None:
    asked = Asked(None, 30.0)
    asked.request.begin()
    await asyncio.sleep(5000.0)
    assert 0 == asked.looks


@in_virtual_time
async def test_a_request_that_cannot_be_written_is_told_and_tried_again(tmp_path: Path) -> None:
    asked = Asked(tmp_path / "no folder" / "restart", 30.0)
    asked.request.begin()
    await asked.until(3)
    asked.request.withdraw()
    assert (3, []) == (asked.failures, asked.at)


class Bench:
    """The print server as the kiosk asks it, at a socket where this test answers."""

    def __init__(
        self,
        folder: Path,
        *,
        request_seconds: float = LIMIT_SECONDS,
        restart_seconds: float = RESTART_SECONDS,
    ) -> None:
        self.file = folder / "restart-cups"
        self.events: list[EventId] = []
        self.questions = 0
        self._told = asyncio.Event()
        self.server = PrintServer(
            str(folder / "cups.sock"),
            "certificates",
            request_seconds=request_seconds,
            log=self._log,
            restart_request=self.file,
            restart_seconds=restart_seconds,
        )

    def _log(self, event: EventId, /, **_fields: FieldValue) -> None:
        self.events.append(event)
        self._told.set()

    async def asks(self) -> None:
        """One question, which has no good answer."""
        self.questions += 1
        with pytest.raises(DeviceGone):
            await self.server.waiting()

    async def until(self, *events: EventId) -> None:
        async with asyncio.timeout(LIMIT_SECONDS):
            while self.events[-len(events) :] != list(events):
                self._told.clear()
                await self._told.wait()


async def _silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def _shuts(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.close()


def _says(*words: bytes) -> Answer:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = b"".join(words[1:])
        writer.write(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (words[0], len(body), body))
        await writer.drain()
        writer.close()

    return answer


@contextlib.asynccontextmanager
async def at_socket(folder: Path, answer: Answer) -> AsyncIterator[None]:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await answer(reader, writer)
        writer.close()

    server = await asyncio.start_unix_server(once, folder / "cups.sock")
    try:
        yield
    finally:
        server.close()


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short path: a socket's is at most 107 bytes."""
    return tmp_path_factory.mktemp("cups")


@pytest.mark.parametrize("answer", [_silent, _shuts, None], ids=["silent", "shuts", "not there"])
async def test_a_print_server_that_answers_nothing_is_asked_for(folder: Path, answer: Answer | None) -> None:
    bench = Bench(folder, request_seconds=REQUEST_SECONDS if answer is _silent else LIMIT_SECONDS)
    async with at_socket(folder, answer) if answer else contextlib.AsyncExitStack():
        await bench.asks()
        await bench.until(EventId.CUPS_RESTART_ASKED)
        assert b"" == bench.file.read_bytes()
        await bench.server.close()


@pytest.mark.parametrize(
    "answer",
    [
        _says(b"200 OK", b"not IPP"),
        _says(b"200 OK", b"\x01\x01\x04\x06\x00\x00\x00\x01\x03"),
        _says(b"403 Forbidden"),
        _says(b"426 Upgrade Required"),
        _says(b"503 Service Unavailable", b"\xff\xfe"),
    ],
    ids=["garbage", "IPP: not found", "forbidden", "upgrade", "no text"],
)
async def test_a_print_server_that_answers_anything_is_never_asked_for(folder: Path, answer: Answer) -> None:
    bench = Bench(folder)
    loop = asyncio.get_running_loop()
    async with at_socket(folder, answer):
        began = loop.time()
        while loop.time() - began < 5 * RESTART_SECONDS or bench.questions < 3:
            await bench.asks()
        await bench.server.close()
    assert [] == bench.events
    assert not bench.file.exists()


def _in_turn(*answers: Answer) -> Answer:
    waiting = iter(answers)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await next(waiting)(reader, writer)

    return answer


async def test_any_later_answer_of_a_print_server_ends_the_asking(folder: Path) -> None:
    bench = Bench(folder, restart_seconds=LIMIT_SECONDS)
    async with at_socket(folder, _in_turn(_shuts, _says(b"403 Forbidden"))):
        await bench.asks()
        [asking] = [task for task in asyncio.all_tasks() if task.get_name() == "restart-request"]
        await bench.asks()
        await asyncio.wait([asking], timeout=LIMIT_SECONDS)  # it needs no more than a turn of the loop
    assert asking.cancelled()
    await bench.server.close()


async def test_the_last_look_at_a_print_server_that_is_there_again_ends_the_asking(folder: Path) -> None:
    bench = Bench(folder)
    before = asyncio.all_tasks()
    answer = _in_turn(_shuts, _says(b"403 Forbidden"))
    async with at_socket(folder, answer), asyncio.timeout(LIMIT_SECONDS):
        await bench.asks()
        while asking := asyncio.all_tasks() - before:
            await asyncio.wait(asking)
    assert [] == bench.events
    assert not bench.file.exists()
    await bench.server.close()


async def test_a_kiosk_that_stops_asks_for_no_print_server(folder: Path) -> None:
    bench = Bench(folder)
    await bench.asks()
    await bench.server.close()
    later = asyncio.Event()
    asyncio.get_running_loop().call_later(5 * RESTART_SECONDS, later.set)
    await later.wait()
    assert [] == bench.events
