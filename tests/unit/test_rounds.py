"""No answer of the municipality ends what beats or asks again and again, nor the daemon with it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from firmware.core.facts import Level, MunicipalityLevel
from firmware.core.terms import OrderId
from firmware.errors import JournalError, MunicipalityDown, PublicationInvalid
from firmware.logbook import EventId, FieldValue, line
from firmware.municipality.exchange import Call, Exchange, Patience, Reply
from firmware.municipality.heartbeat import Heartbeat, Listeners
from firmware.municipality.tls import Credentials
from firmware.ports import JournalHead, JournalKept, OpenOrder
from firmware.rounds import outlived
from firmware.shell.journal_copy import JournalCopy
from firmware.shell.open_orders import OpenOrders
from firmware.shell.publications import Publications, Shelf
from firmware.shell.renewal import Renewal
from tests.virtual_time import run

NOON = datetime(2026, 11, 26, 3, tzinfo=UTC)


class Unforeseen(Exception):
    """Nobody catches it by its name."""


def failed(task: str) -> tuple[EventId, dict[str, FieldValue]]:
    return EventId.TASK_FAILED, {"order": task, "error": "Unforeseen"}


@dataclass
class Asked:
    """What is asked, each time answered by the next of these, the last one for ever."""

    answers: list[Any]
    times: int = 0
    log: list[tuple[EventId, dict[str, FieldValue]]] = field(default_factory=list)

    async def __call__(self, *_: object) -> Any:
        answer = self.answers[min(self.times, len(self.answers) - 1)]
        self.times += 1
        if isinstance(answer, Exception):
            raise answer
        return answer() if callable(answer) else answer

    def write(self, event: EventId, /, **fields: FieldValue) -> None:
        line(event, NOON, fields)
        self.log.append((event, fields))


async def for_a_while(errand: Callable[[], Awaitable[None]], seconds: float = 1000) -> None:
    """Raises what ended the errand before its time."""
    try:
        async with asyncio.timeout(seconds):
            await errand()
    except TimeoutError:
        return


async def test_a_round_gives_what_it_gives_and_after_an_unforeseen_error_what_was_said() -> None:
    asked = Asked([7, Unforeseen("見本　一人"), JournalError("full"), MunicipalityDown("gone")])

    async def one(**more: Any) -> object:
        return await outlived(asked(), "else", task="t", log=asked.write, **more)

    assert [7, "else"] == [await one(), await one()]
    assert [failed("t")] == asked.log
    with pytest.raises(JournalError):
        await one(foreseen=MunicipalityDown)
    with pytest.raises(MunicipalityDown):
        await one(foreseen=MunicipalityDown)


def test_the_journals_copy_goes_on_after_an_unforeseen_error() -> None:
    asked = Asked([Unforeseen(), JournalKept(0, b"", bytes(32))])

    journal: Any = SimpleNamespace(head=JournalHead(0, b""))
    keeper: Any = SimpleNamespace(journal_kept=asked)
    copy = JournalCopy(keeper, journal, asked.write, every_seconds=60)
    run(lambda: for_a_while(copy.run))
    assert (0, [failed("journal-copy")]) == (copy.kept_seq, asked.log)


def test_the_open_orders_are_asked_for_again_after_an_unforeseen_error() -> None:
    asked = Asked([Unforeseen(), (OpenOrder(OrderId("a" * 32), "RELEASED"),)])
    book: Any = SimpleNamespace(open_orders=asked)
    orders = OpenOrders(book, list, asked.write, pause_seconds=60)
    run(lambda: for_a_while(orders.run))
    assert 1 == len(orders.strays or ())
    assert failed("open-orders") == asked.log[0]


def test_a_renewal_is_tried_again_after_an_unforeseen_error() -> None:
    asked = Asked([Unforeseen(), MunicipalityDown("certificate: time-out"), None])
    renewal = Renewal(
        renewed=asked, resting=lambda: True, every_seconds=400, retry_seconds=10, log=asked.write
    )
    run(lambda: for_a_while(renewal.run, 2000))
    assert asked.times >= 3
    assert [EventId.TASK_FAILED, EventId.CERTIFICATE_NOT_RENEWED] == [event for event, _ in asked.log]


@dataclass
class Shelves:
    """One shelf; what was taken last is in use."""

    asked: Asked
    serial: int = 0

    async def take(self, text: str) -> int:
        if text == "forged":
            raise PublicationInvalid("signature")
        self.serial = int(text)
        return self.serial

    def publications(self) -> Publications:
        shelf = Shelf(lambda: self.serial, self.take)
        publisher: Any = SimpleNamespace(published=self.asked)
        return Publications(publisher, {"calendar": shelf}, self.asked.write, retry_seconds=10)

    async def told(self, *serials: int) -> None:
        news = self.publications()
        task = asyncio.create_task(news.run())
        for serial in serials:
            news.told(configuration=0, calendar=serial)
            await asyncio.wait([task], timeout=100)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()


def test_a_publication_is_fetched_again_after_an_unforeseen_error() -> None:
    shelves = Shelves(Asked([Unforeseen(), "1"]))
    run(lambda: shelves.told(1, 1))
    assert 1 == shelves.serial
    assert failed("publications") == shelves.asked.log[0]


def test_a_number_that_nothing_proves_keeps_no_real_publication_out() -> None:
    shelves = Shelves(Asked(["forged", "2"]))
    run(lambda: shelves.told(10**9, 10**9, 2))
    assert (2, 2) == (shelves.serial, shelves.asked.times)


# --- the heartbeat --------------------------------------------------------------------------------


@dataclass
class Journal:
    """A journal that only grows; chain values by entry."""

    chains: list[bytes]

    @property
    def head(self) -> JournalHead:
        return JournalHead(len(self.chains), self.chains[-1])

    async def chain_at(self, seq: int) -> bytes:
        return self.chains[seq - 1] if seq <= len(self.chains) else b""


@dataclass
class Backend:
    """A heartbeat over a journal, answered by hand; keeps each mark that was told."""

    answers: list[Callable[[], Reply]]
    journal: Journal = field(default_factory=lambda: Journal([bytes([1]) * 32]))
    marks: list[tuple[int, int]] = field(default_factory=list)
    levels: list[Level] = field(default_factory=list)
    asked: Asked = field(default_factory=lambda: Asked([None]))

    async def once(self, call: Call) -> Reply:
        mark = msgspec.json.decode(call.body or b"")["journal"]
        self.marks.append((mark["seq"], mark["since_seq"]))
        return self.answers[min(len(self.marks), len(self.answers)) - 1]()

    async def beat(self) -> None:
        async def renewed() -> bool:
            return False

        credentials: Any = SimpleNamespace(renewed=renewed, fault=lambda _: None)
        heart = Heartbeat(
            exchange=cast("Exchange", self),
            credentials=cast("Credentials", credentials),
            patience=Patience(),
            firmware_version="1",
            log=self.asked.write,
            now=lambda: NOON,
            listeners=Listeners(self.levels.append, lambda _: None, lambda _: None),
            journal=self.journal,
        )
        await for_a_while(heart.run, 30)

    def grow(self) -> None:
        self.journal.chains.append(bytes([len(self.journal.chains) + 1]) * 32)


def knows(seq: int) -> Reply:
    body = {"server_time": NOON, "open": True, "reason": None, "journal_seq": seq}
    return Reply(200, msgspec.json.encode(body), is_problem=False, server_der=b"", device=b"")


def cut() -> Reply:
    return Reply(409, b'{"code": "journal_cut"}', is_problem=True, server_der=b"", device=b"")


UP = MunicipalityLevel(reachable=True)


def test_the_heart_beats_on_after_an_unforeseen_error() -> None:
    def breaks() -> Reply:
        raise Unforeseen

    backend = Backend([breaks, lambda: knows(1)])
    run(backend.beat)
    assert [MunicipalityLevel(reachable=False, fault="unforeseen"), UP] == backend.levels
    assert failed("municipality-heartbeat") == backend.asked.log[0]


def test_a_journals_mark_that_no_journal_can_have_is_an_invalid_answer() -> None:
    backend = Backend([lambda: knows(2**63)])
    run(backend.beat)
    assert [MunicipalityLevel(reachable=False, fault="answer-invalid")] == backend.levels
    assert {EventId.MUNICIPALITY_GONE} == {event for event, _ in backend.asked.log}


def test_a_copy_that_overtakes_a_heartbeat_is_no_cut_journal() -> None:
    backend = Backend([])

    def overtaken() -> Reply:
        backend.grow()  # and its copy is there before the heartbeat
        return cut()

    backend.answers = [overtaken, lambda: knows(2)]
    run(backend.beat)
    assert [UP] == backend.levels
    assert [(1, 0), (2, 0)] == backend.marks


def test_a_copy_that_overtakes_a_proof_is_no_invalid_answer() -> None:
    backend = Backend([])
    backend.grow()

    def overtaken() -> Reply:
        backend.grow()
        backend.grow()
        return knows(3)

    backend.answers = [lambda: knows(1), overtaken, lambda: knows(4)]
    run(backend.beat)
    assert [UP] == backend.levels
    assert [(2, 0), (2, 1), (4, 3)] == backend.marks[:3]


@pytest.mark.parametrize("grows", [True, False])
def test_a_cut_journal_is_told_whether_it_grows_or_not(grows: bool) -> None:
    backend = Backend([])

    def refused() -> Reply:
        if grows:
            backend.grow()
        return cut()

    backend.answers = [refused]
    run(backend.beat)
    assert [MunicipalityLevel(reachable=False, fault="journal_cut")] == backend.levels
