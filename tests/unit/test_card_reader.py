"""The reader above a library that hangs or fails as no virtual reader does; it is played here."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from firmware.core.facts import Level, ReaderLevel
from firmware.errors import CardGone, PinUncertain
from firmware.logbook import EventId, FieldValue, line
from firmware.ports import CardReading
from firmware.settings import Timeouts, load
from hw.card import PcscCardReader, pcsc
from tests.unit.card_fuzz import ACCEPTANCE, MESSAGE, NOW, PlayedCard, good_answers

CONFIG = Path(__file__).parents[2] / "config"
NAME = "played"
PRESENT_STATE = 0x10020
APDU_TIMEOUT_SECONDS = 1.0
"""Longer than a busy machine keeps a thread from its work; a command that hangs takes it whole."""

RECONNECT_SECONDS = 0.01
RESTART_SECONDS = 0.02
LIMIT_SECONDS = 20.0
SLOWEST_APDU_SECONDS = 2.47
"""FWI 13, the longest frame waiting time that My Number Cards announce. Source: ISO/IEC 14443-4, 7.2."""

TIMEOUT, CANCELLED = 0x8010000A, 0x80100002


class Service(PlayedCard):
    """smartcard.scard with one reader and the card of `PlayedCard` on it.

    hangs: this call does not come back until `let_go`; "VERIFY" is one too. odd_looks: so many looks at
    the reader, from the second on, give what the library never gives. called: in order.
    """

    def __init__(self) -> None:
        super().__init__([(0, answer) for answer in good_answers()])
        self.hangs = ""
        self.odd_looks = 0
        self.looked_oddly = 0
        self.hanging = threading.Event()
        self.called: list[str] = []
        self.let_go = threading.Event()
        self._cancelled = threading.Event()

    def lay_again(self) -> None:
        """The same card, played from its beginning."""
        self._answers = [(0, answer) for answer in good_answers()]

    def SCardConnect(self, *given: object) -> tuple[int, int, int]:  # noqa: N802
        self._call("SCardConnect")
        return super().SCardConnect(*given)

    def SCardReconnect(self, *given: object) -> tuple[int, int]:  # noqa: N802
        self._call("SCardReconnect")
        return super().SCardReconnect(*given)

    def SCardDisconnect(self, *given: object) -> int:  # noqa: N802
        self._call("SCardDisconnect")
        return super().SCardDisconnect(*given)

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
        if command[1] == 0x20 and len(command) > 4:
            self._call("VERIFY")
        return super().SCardTransmit(card, protocol, command)

    def _call(self, name: str) -> None:
        self.called.append(name)
        if name == self.hangs:
            self.hanging.set()
            self.let_go.wait(LIMIT_SECONDS)


class Bench:
    """A reader on the played service, and what it said."""

    def __init__(self, restart_request: Path | None = None) -> None:
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
            restart_request=restart_request,
            restart_seconds=RESTART_SECONDS,
        )
        self.reader.start(self._report)

    async def logs(self, *events: EventId) -> None:
        async with asyncio.timeout(LIMIT_SECONDS):
            while self.log[-len(events) :] != list(events):
                self._changed.clear()
                await self._changed.wait()

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
        self._changed.set()

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


async def test_a_stuck_command_that_was_given_up_is_no_reason_to_restart_the_kiosk_as_well(
    bench: Bench, service: Service
) -> None:
    service.hangs = "VERIFY"
    await bench.reader.read()
    signing = asyncio.create_task(bench.reader.sign(bytearray(b"1234"), MESSAGE))
    with pytest.raises(PinUncertain):
        await signing
    await bench.becomes(ABSENT)
    assert 0.0 == bench.reader.busy_seconds()
    service.let_go.set()
    await bench.becomes(PRESENT)


async def test_the_slowest_card_is_read_before_its_screen_gives_it_up(bench: Bench, service: Service) -> None:
    await bench.reader.read()
    assert service.apdus * SLOWEST_APDU_SECONDS < min(
        Timeouts().reading_card_seconds,
        load(CONFIG / "kiosk.toml").file.timeouts.reading_card_seconds,
    )


async def test_a_command_under_way_is_seen_until_it_is_given_up(bench: Bench, service: Service) -> None:
    service.hangs = "VERIFY"
    reading = await bench.reader.read()
    bench.reader._apdu_timeout_seconds = LIMIT_SECONDS
    signing = asyncio.create_task(bench.reader.sign(bytearray(b"1234"), MESSAGE))
    assert await asyncio.to_thread(service.hanging.wait, LIMIT_SECONDS)
    assert bench.reader.busy_seconds() > 0
    service.let_go.set()
    assert await signing
    await bench.reader.release(reading)


async def test_a_release_that_comes_late_leaves_the_session_of_the_next_reading_open(
    bench: Bench, service: Service
) -> None:
    before = await bench.reader.read()
    service.lay_again()
    reading = await bench.reader.read()
    assert before == reading
    await bench.reader.release(before)
    assert await bench.reader.sign(bytearray(b"1234"), MESSAGE)


async def test_a_release_that_waits_behind_the_next_visits_slow_card_gives_it_up_for_nobody(
    bench: Bench, service: Service
) -> None:
    """A command may take as long as the time-out and a bit; who waits behind it has waited for less."""
    before = await bench.reader.read()
    service.lay_again()
    service.hangs = "SCardConnect"
    reading = asyncio.create_task(bench.reader.read())
    assert await asyncio.to_thread(service.hanging.wait, LIMIT_SECONDS)
    bench.reader._apdu_timeout_seconds = RECONNECT_SECONDS
    late = asyncio.create_task(bench.reader.release(before))
    await asyncio.wait([late], timeout=20 * RECONNECT_SECONDS)
    assert [ReaderLevel(working=True, card_present=True)] == bench.levels[-1:]
    service.let_go.set()
    await late
    read = await reading
    assert await bench.reader.sign(bytearray(b"1234"), MESSAGE)
    assert read is not before


async def threads_left(bench: Bench, *expected: str) -> None:
    """Returns once of the reader's own threads only these run."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while set(expected) != bench.threads():  # noqa: ASYNC110 - the end of a thread wakes nobody
            await asyncio.sleep(0.01)


async def test_a_kiosk_told_to_stop_while_a_card_is_stuck_in_verify_stops_and_ends_both_threads(
    bench: Bench, service: Service
) -> None:
    service.hangs = "VERIFY"
    await bench.reader.read()
    entry = bytearray(b"1234")
    signing = asyncio.create_task(bench.reader.sign(entry, MESSAGE))
    assert await asyncio.to_thread(service.hanging.wait, LIMIT_SECONDS)
    assert bytearray(4) == entry, "it is wiped before its command goes out"
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


@pytest.mark.parametrize("how", ["cancelled", "given up"])
@pytest.mark.parametrize(
    ("hangs", "follows"), [("SCardConnect", ["SCardDisconnect"]), ("SCardReconnect", ["SCardDisconnect"])]
)
async def test_a_read_that_nobody_waits_for_any_more_ends_before_its_first_command(
    bench: Bench, service: Service, hangs: str, follows: list[str], how: str
) -> None:
    await bench.reader.release(
        CardReading(b"", 3)
    )  # behind the shutting of the card that lay there at the start
    service.hangs = hangs
    reading = asyncio.create_task(bench.reader.read())
    assert await asyncio.to_thread(service.hanging.wait, LIMIT_SECONDS)
    if how == "cancelled":
        reading.cancel()
    with pytest.raises(asyncio.CancelledError if how == "cancelled" else CardGone):
        await reading
    at = len(service.called)
    service.let_go.set()
    await bench.reader.close()
    await threads_left(bench)
    assert (follows, 0, False) == (service.called[at:], service.apdus, service.powered)


async def test_a_read_given_up_while_an_older_session_ends_does_not_begin(
    bench: Bench, service: Service
) -> None:
    await bench.reader.read()
    apdus = service.apdus
    service.hangs = "SCardDisconnect"
    reading = asyncio.create_task(bench.reader.read())
    assert await asyncio.to_thread(service.hanging.wait, LIMIT_SECONDS)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    service.let_go.set()
    await bench.reader.close()
    await threads_left(bench)
    assert (["SCardDisconnect"], apdus) == (service.called[-1:], service.apdus)


async def test_a_message_of_another_domain_costs_no_command_and_wipes_the_pin(
    bench: Bench, service: Service
) -> None:
    await bench.reader.read()
    apdus = service.apdus
    for message in (b"", MESSAGE[1:], b"pay 1,000,000 yen"):
        entry = bytearray(b"1234")
        with pytest.raises(ValueError, match="not of this kiosk's domain"):
            await bench.reader.sign(entry, message)
        assert bytearray(4) == entry
    assert apdus == service.apdus


async def test_a_sign_cancelled_before_it_began_wipes_the_pin_and_sends_nothing(
    bench: Bench, service: Service
) -> None:
    service.hangs = "SCardConnect"
    reading = asyncio.create_task(bench.reader.read())
    assert await asyncio.to_thread(service.hanging.wait, LIMIT_SECONDS)
    entry = bytearray(b"1234")
    signing = asyncio.create_task(bench.reader.sign(entry, MESSAGE))
    await asyncio.sleep(0)
    signing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await signing
    assert bytearray(4) == entry
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    service.let_go.set()
    await bench.reader.close()
    assert ([], 0) == (service.pins, service.apdus)


async def is_stuck(bench: Bench, service: Service) -> None:
    service.hangs = "VERIFY"
    await bench.becomes(PRESENT)
    await bench.reader.read()
    with pytest.raises(PinUncertain):
        await bench.reader.sign(bytearray(b"1234"), MESSAGE)


async def test_pcscd_is_asked_for_again_and_again_until_the_command_comes_back_and_then_no_more(
    service: Service, tmp_path: Path
) -> None:
    request = tmp_path / "restart-pcscd"
    bench = Bench(request)
    await is_stuck(bench, service)
    assert not request.exists()
    for _ in range(3):
        await bench.logs(EventId.PCSCD_RESTART_ASKED)
        assert b"" == request.read_bytes()
        request.unlink()
        bench.log.clear()
    service.let_go.set()
    await bench.becomes(PRESENT)
    asked = bench.log.count(EventId.PCSCD_RESTART_ASKED)
    later = asyncio.Event()
    asyncio.get_running_loop().call_later(20 * RESTART_SECONDS, later.set)
    await later.wait()
    assert asked == bench.log.count(EventId.PCSCD_RESTART_ASKED)
    assert 1 == len(service.pins)
    await bench.reader.close()


async def test_a_request_that_cannot_be_written_is_told_and_ends_nothing(
    service: Service, tmp_path: Path
) -> None:
    bench = Bench(tmp_path / "no folder" / "restart-pcscd")
    await is_stuck(bench, service)
    await bench.logs(EventId.CARD_READER_FAILED)
    service.let_go.set()
    await bench.becomes(PRESENT)
    await bench.reader.close()


async def test_a_kiosk_that_stops_asks_for_no_restart(service: Service, tmp_path: Path) -> None:
    request = tmp_path / "restart-pcscd"
    bench = Bench(request)
    await is_stuck(bench, service)
    await bench.reader.close()
    later = asyncio.Event()
    asyncio.get_running_loop().call_later(10 * RESTART_SECONDS, later.set)
    await later.wait()
    assert EventId.PCSCD_RESTART_ASKED not in bench.log
    service.let_go.set()
    await threads_left(bench)
