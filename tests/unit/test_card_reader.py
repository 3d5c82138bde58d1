"""The reader above a library that hangs or fails as no virtual reader does; it is played here."""

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from firmware.core.facts import Level, ReaderLevel
from firmware.logbook import EventId, FieldValue, line
from hw.card import PcscCardReader, pcsc
from tests.unit.card_fuzz import ACCEPTANCE, MESSAGE, NOW, PlayedCard, good_answers

NAME = "played"
PRESENT_STATE = 0x10020
APDU_TIMEOUT_SECONDS = 0.1
RECONNECT_SECONDS = 0.01
LIMIT_SECONDS = 20.0
TIMEOUT, CANCELLED = 0x8010000A, 0x80100002


class Service(PlayedCard):
    """smartcard.scard with one reader and the card of `PlayedCard` on it.

    verify_hangs: VERIFY does not come back until `let_go`. odd_looks: so many looks at the reader, from
    the second on, give what the library never gives.
    """

    def __init__(self) -> None:
        super().__init__([(0, answer) for answer in good_answers()])
        self.verify_hangs = False
        self.odd_looks = 0
        self.looked_oddly = 0
        self.in_verify = threading.Event()
        self.let_go = threading.Event()
        self._cancelled = threading.Event()

    def SCardListReaders(self, *_: object) -> tuple[int, list[str]]:  # noqa: N802
        return 0, [NAME]

    def SCardGetStatusChange(  # noqa: N802
        self, _: int, wait_ms: int, known: list[tuple[str, int]]
    ) -> tuple[int, list[tuple[str, int, list[int]]]]:
        if (NAME, PRESENT_STATE) in known:
            if self.looked_oddly < self.odd_looks:
                self.looked_oddly += 1
                return 0, []
            return (CANCELLED if self._cancelled.wait(wait_ms / 1000) else TIMEOUT), []
        return 0, [(name, PRESENT_STATE if name == NAME else 0, []) for name, _ in known]

    def SCardCancel(self, _: int) -> int:  # noqa: N802
        self._cancelled.set()
        return 0

    def SCardTransmit(self, card: int, protocol: int, command: list[int]) -> tuple[int, list[int]]:  # noqa: N802
        if self.verify_hangs and command[1] == 0x20 and len(command) > 4:
            self.in_verify.set()
            self.let_go.wait(LIMIT_SECONDS)
        return super().SCardTransmit(card, protocol, command)


class Bench:
    """A reader on the played service, and what it said."""

    def __init__(self) -> None:
        self.log: list[EventId] = []
        self.levels: list[ReaderLevel] = []
        self._changed = asyncio.Event()
        self._others = set(threading.enumerate())
        self.reader = PcscCardReader(
            log=self._write,
            reader_name=NAME,
            apdu_timeout_seconds=APDU_TIMEOUT_SECONDS,
            reconnect_seconds=RECONNECT_SECONDS,
            now=lambda: NOW,
            acceptance=ACCEPTANCE,
            domain=MESSAGE[:22],
        )
        self.reader.start(self._report)

    async def becomes(self, *levels: ReaderLevel) -> None:
        async with asyncio.timeout(LIMIT_SECONDS):
            while self.levels[-len(levels) :] != list(levels):
                self._changed.clear()
                await self._changed.wait()

    def threads(self) -> set[str]:
        running = set(threading.enumerate()) - self._others
        return {thread.name for thread in running if thread.name.startswith("card-")}

    def _write(self, event: EventId, /, **fields: FieldValue) -> None:
        line(event, NOW, fields)
        self.log.append(event)

    def _report(self, level: Level) -> None:
        assert isinstance(level, ReaderLevel)
        self.levels.append(level)
        self._changed.set()


ABSENT = ReaderLevel()
PRESENT = ReaderLevel(working=True, card_present=True)


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    service = Service()
    monkeypatch.setattr(pcsc, "scard", service)
    return service


@pytest.fixture
async def bench(service: Service) -> AsyncIterator[Bench]:
    bench = Bench()
    await bench.becomes(PRESENT)
    yield bench
    service.let_go.set()
    await bench.reader.close()


async def threads_left(bench: Bench, *expected: str) -> None:
    """Returns once of the reader's own threads only these run."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while set(expected) != bench.threads():  # noqa: ASYNC110 - the end of a thread wakes nobody
            await asyncio.sleep(0.01)


async def test_a_kiosk_told_to_stop_while_a_card_is_stuck_in_verify_stops_and_ends_both_threads(
    bench: Bench, service: Service
) -> None:
    service.verify_hangs = True
    await bench.reader.read()
    entry = bytearray(b"1234")
    signing = asyncio.create_task(bench.reader.sign(entry, MESSAGE))
    assert await asyncio.to_thread(service.in_verify.wait, LIMIT_SECONDS)
    signing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await signing
    await bench.reader.close()
    assert bytearray(4) == entry
    await threads_left(bench, "card-worker")  # the stuck command alone goes on
    service.let_go.set()
    await threads_left(bench)
    assert not service.powered
    assert 1 == len(service.pins)


async def test_a_watch_that_fails_as_nobody_foresaw_is_told_and_begins_again(service: Service) -> None:
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["exception"]))
    service.odd_looks = 2
    bench = Bench()
    await bench.becomes(PRESENT, ABSENT, PRESENT, ABSENT, PRESENT)
    assert [ValueError, ValueError] == [type(error) for error in told]
    assert await bench.reader.read()
    await bench.reader.close()
    await threads_left(bench)
    gone_and_back = [EventId.CARD_READER_GONE, EventId.CARD_READER_BACK]
    assert [*gone_and_back, *gone_and_back, EventId.CARD_READ] == bench.log


async def test_a_watch_that_failed_does_not_begin_again_once_the_reader_is_closed(service: Service) -> None:
    told, failed = list[object](), asyncio.Event()

    def tell(_: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        told.append(context["exception"])
        failed.set()

    asyncio.get_running_loop().set_exception_handler(tell)
    service.odd_looks = 1
    bench = Bench()
    async with asyncio.timeout(LIMIT_SECONDS):
        await failed.wait()
    await bench.reader.close()
    await threads_left(bench)
    later = asyncio.Event()
    asyncio.get_running_loop().call_later(2 * RECONNECT_SECONDS, later.set)
    await later.wait()
    assert [ValueError] == [type(error) for error in told]
