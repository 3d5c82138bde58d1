"""A technician's test ends fit or unfit with a reason, leaves the slot shut, and never disturbs a visit."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from firmware.core import events as e
from firmware.core import records as r
from firmware.core.facts import (
    AcceptorLevel,
    DocumentPrinterLevel,
    Facts,
    HopperLevel,
    KeypadLevel,
    MaintenanceLevel,
    PanelLevel,
    ReaderLevel,
)
from firmware.core.states import EnteringStaffCode, Idle, NotServing
from firmware.core.terms import CardRefusal, Certainty, KeypadKey, PrinterReason, VisitId
from firmware.core.wording import Sentence
from firmware.errors import CardUnusable, DeviceGone, OfficeRefused
from firmware.ports import CardReading, CoinMark
from firmware.shell.fitness import Fitness

WELL = Facts(
    next_visit=VisitId("0" * 32),
    reader=ReaderLevel(working=True, card_present=True),
    keypad=KeypadLevel(working=True),
    acceptor=AcceptorLevel(working=True),
    hoppers=(HopperLevel(3, working=True, coins=50),),
    printer=DocumentPrinterLevel(frozenset()),
    maintenance=MaintenanceLevel(on=True),
)


@dataclass
class Bench:
    """Runner and devices at once. slot: what was asked of the coin slot."""

    facts: Facts = WELL
    state: Any = field(default_factory=NotServing)
    overheard: Callable[[Any], None] | None = None
    slot: list[str] = field(default_factory=list)
    card_error: Exception | None = None
    accept_error: Exception | None = None
    certainty: Certainty = Certainty.DONE
    coin: e.Event | None = None
    voice_fault: Sentence | None = None
    paid: list[tuple[int, str]] = field(default_factory=list)
    reaches_cup: bool = True
    released: int = 0
    wait_seconds: float = 0.05
    hoppers: tuple[int, ...] = (3,)
    booked: int = 50
    serves_after: int = 99
    keeps_on: int = 0
    mark: CoinMark | None = None

    @property
    def fitness(self) -> Fitness:
        me = cast("Any", self)
        return Fitness(
            devices=me,
            runner=me,
            denominations=frozenset({100}),
            now=lambda: datetime(2026, 11, 25, tzinfo=UTC),
            wait_seconds=self.wait_seconds,
            print_page=self.print_slip,
            speak=self.speak,
            keep_on=self.keep_on,
            coins=lambda _hopper, _yen: self.booked,
            pay=self.pay,
            write=self.write,
        )

    @property
    def card(self) -> "Bench":
        return self

    acceptor = receipt = printer = panel = card

    @property
    def payouts(self) -> dict[int, None]:
        return dict.fromkeys(self.hoppers)

    @contextmanager
    def keep_on(self) -> Iterator[None]:
        self.keeps_on += 1
        yield
        self.keeps_on -= 1

    async def pay(self, hopper: int, by: str) -> Certainty:
        assert self.keeps_on == 1, "a plan that ends now would let a visit begin"
        self.paid.append((hopper, by))
        if len(self.paid) >= self.serves_after:
            self.state = EnteringStaffCode(cast("Any", None))
        if self.reaches_cup:
            self.facts = replace(self.facts, panel=PanelLevel(change_in_cup=True))
        return self.certainty

    async def caught_up(self) -> None: ...

    async def write(self, records: Sequence[r.Record]) -> None:
        self.slot.extend(repr(record) for record in records)

    async def speak(self) -> Sentence | None:
        return self.voice_fault

    async def read(self) -> CardReading:
        if self.card_error is not None:
            raise self.card_error
        return CardReading(b"", 3)

    async def release(self, _reading: CardReading) -> None:
        self.released += 1

    async def accept(self, _denominations: frozenset[int]) -> None:
        if self.accept_error is not None:
            raise self.accept_error
        self.slot.append("open")
        if self.coin is not None and self.overheard is not None:
            self.overheard(KeypadKey.CONFIRM)
            self.overheard(self.coin)

    async def stop(self) -> None:
        self.slot.append("shut")

    async def refresh(self) -> DocumentPrinterLevel:
        return self.facts.printer

    async def print_slip(self, _lines: object) -> Certainty:
        return self.certainty

    def light(self, _place: str | None) -> None: ...

    def buzz(self, _pattern: str) -> None: ...


class Watched(Bench):
    """Counts how often somebody looked at the levels."""

    looked = 0

    def __getattribute__(self, name: str) -> Any:
        if name == "facts":
            self.looked += 1
        return super().__getattribute__(name)


async def verdict(bench: Bench, part: str, seen: bool | None = None) -> tuple[bool | None, str]:
    said = await bench.fitness.test(part, seen)
    return said.fit, str(said.reason)


@pytest.mark.parametrize(
    ("part", "bench", "fit", "reason"),
    [
        ("card", Bench(), True, "a My Number Card was read, 3 tries left"),
        (
            "card",
            Bench(card_error=CardUnusable(CardRefusal.NOT_A_MY_NUMBER_CARD)),
            True,
            "cannot be used here",
        ),
        ("card", Bench(card_error=DeviceGone("unplugged")), False, "could not be read: DeviceGone"),
        ("card", Bench(replace(WELL, reader=ReaderLevel())), False, "no card reader answers"),
        ("card", Bench(replace(WELL, reader=ReaderLevel(working=True))), False, "no card was seen within"),
        (
            "keypad",
            Bench(),
            False,
            "these keys were not felt: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, cancel, confirm, correct",
        ),
        ("keypad", Bench(replace(WELL, keypad=KeypadLevel())), False, "the keypad is not watched"),
        ("coin", Bench(), False, "no coin was felt within"),
        ("coin", Bench(coin=e.CoinInserted(100, 1, 1)), True, "a coin of 100 yen was taken"),
        ("coin", Bench(coin=e.CoinTrouble(1, 0, 1, 1)), False, "not sure about the coin"),
        ("coin", Bench(accept_error=DeviceGone("bus")), False, "the coin acceptor went away"),
        ("coin", Bench(replace(WELL, acceptor=AcceptorLevel())), False, "does not answer"),
        ("hopper", Bench(), True, "each hopper paid one coin, booked as taken out by you"),
        ("hopper", Bench(reaches_cup=False), False, "the sensor of the cup does not see it"),
        ("hopper", Bench(certainty=Certainty.NOT_DONE), False, "hopper 3: no coin came; empty or jammed"),
        ("hopper", Bench(certainty=Certainty.UNKNOWN), False, "nobody knows whether a coin came; count it"),
        ("hopper", Bench(replace(WELL, hoppers=())), False, "hopper 3 does not answer or is faulty"),
        ("printer", Bench(), True, "a test page came out, proven"),
        ("printer", Bench(certainty=Certainty.UNKNOWN), False, "that it came out is unknown: look"),
        (
            "printer",
            Bench(replace(WELL, printer=DocumentPrinterLevel(frozenset({PrinterReason.TONER_EMPTY})))),
            False,
            "toner-empty",
        ),
        (
            "printer",
            Bench(replace(WELL, printer=DocumentPrinterLevel(frozenset({PrinterReason.JOBS_WAITING})))),
            True,
            "a test page came out, proven",
        ),
        ("receipt", Bench(), True, "a test slip was printed and cut"),
        ("receipt", Bench(certainty=Certainty.UNKNOWN), False, "did not print"),
        ("door", Bench(), False, "the door's contact did not move within"),
        ("voice", Bench(voice_fault=Sentence("not configured", {})), False, "not configured"),
        ("network", Bench(), False, "the municipality does not answer"),
    ],
)
async def test_each_part_ends_fit_or_unfit_with_a_reason(
    part: str, bench: Bench, fit: bool, reason: str
) -> None:
    said, why = await verdict(bench, part)
    assert (fit, True) == (said, reason in why), why
    assert bench.slot[-1:] in ([], ["shut"]), "the slot is left open"
    was_read = bench.facts.reader.card_present and bench.card_error is None
    assert part != "card" or "open" in why or bench.released == bool(was_read)
    assert bench.overheard is None


@pytest.mark.parametrize(
    ("part", "seen"),
    [("buzzer", True), ("buzzer", False), ("lamp", True), ("lamp", False), ("voice", True), ("voice", False)],
)
async def test_what_only_eyes_and_ears_can_tell_is_asked(part: str, seen: bool) -> None:
    bench = Bench()
    if part == "buzzer":
        asked = await bench.fitness.test(part, None)
        assert (None, "Did the buzzer sound?") == (asked.fit, str(asked.question))
    if part == "voice":
        asked = await bench.fitness.test(part, None)
        assert (None, "Did you hear the voice?") == (asked.fit, str(asked.question))
    assert seen is (await verdict(bench, part, seen))[0]


async def test_every_key_pressed_makes_a_fit_keypad() -> None:
    bench = Bench()
    testing = asyncio.create_task(verdict(bench, "keypad"))
    while bench.overheard is None:  # noqa: ASYNC110 - the loop's own turns are waited for
        await asyncio.sleep(0)
    for key in (*KeypadKey, KeypadKey.CONFIRM):
        bench.overheard(key)
    assert (True, "all 13 keys were felt") == await testing


async def test_a_door_that_moves_and_comes_back_is_fit() -> None:
    bench = Watched(wait_seconds=20.0)
    testing = asyncio.create_task(bench.fitness.test("door", None))
    await asyncio.sleep(0)
    for door_open in (True, False):
        bench.facts = replace(WELL, panel=PanelLevel(door_open=door_open))
        bench.looked = 0
        while bench.looked < 2 and not testing.done():  # noqa: ASYNC110 - its looks are waited for
            await asyncio.sleep(0)
    assert (True, "the contact opened and closed") == ((await testing).fit, str((await testing).reason))


async def test_a_cancelled_test_shuts_the_slot() -> None:
    bench = Bench()
    testing = asyncio.create_task(verdict(bench, "coin"))
    while not bench.slot:  # noqa: ASYNC110 - the loop's own turns are waited for
        await asyncio.sleep(0)
    testing.cancel()
    await asyncio.gather(testing, return_exceptions=True)
    assert ["open", "shut"] == bench.slot


@pytest.mark.parametrize(
    "bench",
    [Bench(state=Idle()), Bench(replace(WELL, maintenance=MaintenanceLevel()))],
    ids=["serves", "off"],
)
async def test_while_it_serves_nothing_is_tested(bench: Bench) -> None:
    with pytest.raises(OfficeRefused, match="maintenance is off or a visit is under way"):
        await verdict(bench, "coin")
    assert [] == bench.slot


async def test_a_visit_that_has_begun_meanwhile_keeps_the_next_coin_in_its_hopper() -> None:
    both = (*WELL.hoppers, HopperLevel(4, working=True, coins=50))
    bench = Bench(replace(WELL, hoppers=both), hoppers=(3, 4), serves_after=1)
    with pytest.raises(OfficeRefused, match="a visit is under way"):
        await verdict(bench, "hopper")
    assert [(3, "")] == bench.paid


async def test_a_hopper_without_a_coin_by_the_books_pays_none_and_the_others_do_not_begin() -> None:
    bench = Bench(booked=0)
    with pytest.raises(OfficeRefused, match="by the books no coin lies in hopper 3: enter the coins first"):
        await verdict(bench, "hopper")
    assert [] == bench.paid


async def test_one_test_at_a_time() -> None:
    bench = Bench()
    fitness = bench.fitness
    testing = asyncio.create_task(fitness.test("keypad", None))
    await asyncio.sleep(0)
    assert fitness.busy
    with pytest.raises(OfficeRefused, match="another test is running"):
        await fitness.test("coin", None)
    await testing
    assert not fitness.busy


async def test_where_the_acceptor_stands_is_written_down_before_a_tested_slot_opens() -> None:
    bench = Bench(coin=e.CoinInserted(100, 7, 10), mark=CoinMark(7, 9, "0301"))
    await verdict(bench, "coin")
    assert [repr(r.SlotOpened(VisitId(""), 7, 9, "0301")), "open", "shut"] == bench.slot
