"""The receipt printer over a pseudo-terminal: done only with an answer after the cut.

Tests that take a Stand run on a real printer too: `tests/hil`.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from firmware.core.facts import Level, ReceiptPrinterLevel
from firmware.core.terms import Certainty
from firmware.logbook import EventId, FieldValue, line
from firmware.ports import ReceiptPrinter, SlipLine
from hw.printer import escpos
from hw.printer.receipt import EscPosReceiptPrinter
from tests.contract.test_coin_acceptor_port import soon
from tests.simulators.printers import ReceiptSink, roll

SLIP = [SlipLine("領収書", scale=2, centred=True), SlipLine("住民票の写し 2通", right="600円")]
READY = ReceiptPrinterLevel(ready=True)
FONT = Path("/usr/share/fonts/opentype/ipaexfont-gothic/ipaexg.ttf")
NOT_READY = ReceiptPrinterLevel(ready=False)
TORN_AFTER = len(
    escpos.slip(SLIP[:1], columns=42).removesuffix(escpos.FEED_AND_CUT + escpos.ASK_PAPER_IN_ORDER)
)
"""Bytes of SLIP, of which the first line is printed and nothing is cut."""
NEXT = [SlipLine("次の方")]


class Levels:
    """Collects the levels reported and lets a test wait for one."""

    def __init__(self) -> None:
        self.seen: list[Level] = []
        self._more = asyncio.Condition()

    def __call__(self, level: Level) -> None:
        self.seen.append(level)
        self._task = asyncio.get_running_loop().create_task(self._notify())

    async def _notify(self) -> None:
        async with self._more:
            self._more.notify_all()

    async def until(self, level: ReceiptPrinterLevel) -> None:
        async with asyncio.timeout(60), self._more:
            await self._more.wait_for(lambda: self.seen and self.seen[-1] == level)


class Log:
    """Keeps the events; checks each field as the real log does."""

    def __init__(self) -> None:
        self.events: list[tuple[EventId, dict[str, FieldValue]]] = []

    def __call__(self, event: EventId, /, **fields: FieldValue) -> None:

        line(event, datetime.now(UTC), fields)
        self.events.append((event, fields))

    def of(self, event: EventId) -> list[dict[str, FieldValue]]:
        return [fields for found, fields in self.events if found is event]


@pytest.fixture
async def sink() -> AsyncIterator[ReceiptSink]:
    async with ReceiptSink() as sink:
        yield sink


@pytest.fixture
def log() -> Log:
    return Log()


def made(sink: ReceiptSink, log: Log) -> EscPosReceiptPrinter:
    return EscPosReceiptPrinter(
        path=sink.path,
        baud=115200,
        columns=42,
        log=log,
        poll_seconds=0.05,
        answer_seconds=2.0,
        print_seconds=3.0,
        retry_first_seconds=0.02,
        retry_most_seconds=0.1,
    )


@pytest.fixture
async def printer(sink: ReceiptSink, log: Log) -> AsyncIterator[EscPosReceiptPrinter]:
    printer = made(sink, log)
    yield printer
    await printer.close()
    await printer.close()


@dataclass
class Stand:
    """A printer with hands at it. read: what stands on the slips so far; expected: what a test thinks."""

    printer: ReceiptPrinter
    unplug: Callable[[], Awaitable[None]]
    plug_in: Callable[[], Awaitable[None]]
    read: Callable[[list[str]], Awaitable[list[str]]]


@pytest.fixture
def stand(printer: EscPosReceiptPrinter, sink: ReceiptSink) -> Stand:
    def read(_expected: list[str]) -> list[str]:
        assert [] == sink.complaints
        return [roll.text(slip) for slip in sink.slips]

    return Stand(printer, soon(sink.unplug), soon(sink.plug_in), soon(read))


@pytest.fixture
async def levels(printer: EscPosReceiptPrinter) -> Levels:
    levels = Levels()
    printer.start(levels)
    return levels


@pytest.mark.on_rig
async def test_a_slip_is_cut_and_done(stand: Stand, levels: Levels, log: Log) -> None:
    await levels.until(READY)

    assert Certainty.DONE == await stand.printer.print_slip(SLIP)
    slips = ["領収書\n住民票の写し 2通" + " " * 21 + "600円"]
    assert slips == await stand.read(slips)
    assert [{"certainty": Certainty.DONE}] == log.of(EventId.RECEIPT_ENDED)


async def test_on_the_wire_a_slip_is_these_bytes(printer: EscPosReceiptPrinter, sink: ReceiptSink) -> None:
    await printer.print_slip([SlipLine("領収書")])

    assert [bytes.fromhex("1b40 1b7401 1c4301 1b5208 1b6100 1d2100 97cc8efb8f91 0a 1d564200")] == sink.slips


@pytest.mark.parametrize("fault", ["paper_out", "cover_open", "offline", "cutter", "silent"])
async def test_a_printer_in_trouble_is_not_ready_and_gets_no_byte_of_a_slip(
    printer: EscPosReceiptPrinter, sink: ReceiptSink, levels: Levels, fault: str
) -> None:
    await levels.until(READY)
    sink.set_fault(fault)
    await levels.until(NOT_READY)
    sink.received.clear()

    assert Certainty.NOT_DONE == await printer.print_slip(SLIP)
    assert b"\x1b@" not in sink.received
    sink.set_fault(None)
    await levels.until(READY)
    assert Certainty.DONE == await printer.print_slip(SLIP)


async def test_paper_near_its_end_still_prints_and_staff_are_told_once(
    printer: EscPosReceiptPrinter, sink: ReceiptSink, levels: Levels, log: Log
) -> None:
    sink.set_fault("near_end")

    await levels.until(ReceiptPrinterLevel(ready=True, paper_low=True))
    assert Certainty.DONE == await printer.print_slip(SLIP)
    sink.set_fault(None)
    await levels.until(READY)
    assert [{}] == log.of(EventId.RECEIPT_PAPER_LOW)


async def test_a_printer_without_kanji_gets_pictures_of_the_lines(sink: ReceiptSink, log: Log) -> None:
    printer = EscPosReceiptPrinter(
        path=sink.path, baud=115200, columns=42, log=log, picture_font=FONT, print_seconds=5.0
    )
    try:
        assert Certainty.DONE == await printer.print_slip(SLIP)
    finally:
        await printer.close()
    [slip] = sink.slips
    assert [] == sink.complaints
    [picture] = roll.pictures(slip)
    assert (504, 60 + 30) == picture.size
    assert picture.getbbox() is not None
    assert b"\x1cC" not in slip


@pytest.mark.parametrize("fault", ["paper_out", "cover_open", "cutter"])
async def test_trouble_in_the_middle_is_unknown_and_the_rest_never_comes_out_later(
    printer: EscPosReceiptPrinter, sink: ReceiptSink, fault: str
) -> None:
    sink.set_fault(fault, after_bytes=20)

    assert Certainty.UNKNOWN == await printer.print_slip(SLIP)
    sink.set_fault(None)
    assert Certainty.DONE == await printer.print_slip([SlipLine("次の方")])
    assert ["次の方"] == [roll.text(slip) for slip in sink.slips]


async def test_a_fault_right_after_the_cut_is_unknown(
    printer: EscPosReceiptPrinter, sink: ReceiptSink
) -> None:
    loop = asyncio.get_running_loop()
    sink.on_slip(lambda _: loop.call_soon(sink.set_fault, "paper_out"))

    assert Certainty.UNKNOWN == await printer.print_slip(SLIP)
    assert 1 == len(sink.slips)


async def test_silence_in_the_middle_is_unknown(printer: EscPosReceiptPrinter, sink: ReceiptSink) -> None:
    sink.set_fault("silent", after_bytes=20)

    assert Certainty.UNKNOWN == await printer.print_slip(SLIP)


async def test_a_cable_pulled_in_the_middle_is_unknown(
    printer: EscPosReceiptPrinter, sink: ReceiptSink
) -> None:
    assert Certainty.DONE == await printer.print_slip([])
    sink.received.clear()
    sink.set_fault("offline", after_bytes=20)
    printing = asyncio.create_task(printer.print_slip(SLIP))
    async with asyncio.timeout(60):
        while b"\x1dr\x01" not in sink.received:  # noqa: ASYNC110 - bytes on a wire have no event
            await asyncio.sleep(0.005)
    sink.unplug()

    assert Certainty.UNKNOWN == await printing


class Order:
    """What was cut and what was reported, in the order of events."""

    def __init__(self, sink: ReceiptSink) -> None:
        self.seen: list[str | Level] = []
        self.levels = Levels()
        sink.on_slip(lambda slip: self.seen.append(roll.text(slip)))

    def __call__(self, level: Level) -> None:
        self.seen.append(level)
        self.levels(level)


async def torn(printer: EscPosReceiptPrinter, sink: ReceiptSink) -> None:
    """The plug loses contact when the first line is printed: nothing can be cleared, nothing is cut."""
    assert Certainty.DONE == await printer.print_slip([])
    sink.lose_contact(after_bytes=TORN_AFTER)
    assert Certainty.UNKNOWN == await printer.print_slip(SLIP)
    assert [] == sink.slips


async def test_what_a_lost_contact_left_is_cut_off_before_the_printer_is_ready(
    printer: EscPosReceiptPrinter, sink: ReceiptSink
) -> None:
    order = Order(sink)
    printer.start(order)
    await order.levels.until(READY)
    await torn(printer, sink)
    sink.plug_in()
    await order.levels.until(READY)

    assert [READY, NOT_READY, "領収書", READY] == order.seen
    assert Certainty.DONE == await printer.print_slip(NEXT)
    assert ["領収書", "次の方"] == [roll.text(slip) for slip in sink.slips]
    assert [] == sink.complaints


async def test_what_a_lost_contact_left_is_cut_off_before_a_slip_that_comes_first(
    printer: EscPosReceiptPrinter, sink: ReceiptSink
) -> None:
    await torn(printer, sink)
    sink.plug_in()

    assert Certainty.DONE == await printer.print_slip(NEXT)
    assert ["領収書", "次の方"] == [roll.text(slip) for slip in sink.slips]


async def test_a_clearing_that_fails_too_is_begun_again(
    printer: EscPosReceiptPrinter, sink: ReceiptSink, levels: Levels
) -> None:
    await levels.until(READY)
    await torn(printer, sink)
    for _ in range(2):
        sink.lose_contact(after_bytes=1)
        sink.plug_in()
        assert Certainty.NOT_DONE == await printer.print_slip(NEXT)
    assert [READY, NOT_READY] == levels.seen
    sink.plug_in()
    await levels.until(READY)

    assert Certainty.DONE == await printer.print_slip(NEXT)
    assert ["領収書", "次の方"] == [roll.text(slip) for slip in sink.slips]


@pytest.mark.parametrize("fault", ["paper_out", "cover_open", "cutter", "silent"])
async def test_what_trouble_left_on_the_paper_is_cut_off_when_it_is_mended(
    printer: EscPosReceiptPrinter, sink: ReceiptSink, levels: Levels, fault: str
) -> None:
    await levels.until(READY)
    sink.set_fault(fault, after_bytes=TORN_AFTER)
    assert Certainty.UNKNOWN == await printer.print_slip(SLIP)
    sink.set_fault(None)
    await levels.until(READY)

    assert Certainty.DONE == await printer.print_slip(NEXT)
    assert ["領収書", "次の方"] == [roll.text(slip) for slip in sink.slips]


async def test_trouble_during_the_clearing_leaves_it_to_the_next_look(
    printer: EscPosReceiptPrinter, sink: ReceiptSink, levels: Levels
) -> None:
    sink.set_fault("paper_out", after_bytes=len(escpos.INITIALIZE))  # it strikes before the cut
    await levels.until(NOT_READY)
    assert Certainty.NOT_DONE == await printer.print_slip(SLIP)
    assert 0 == sink.blanks
    sink.set_fault(None)
    await levels.until(READY)

    assert 2 == sink.blanks, "the cut that was held, and the one that is proven"


async def test_a_printer_that_says_that_it_is_well_is_not_ready_without_the_proof_of_the_cut(
    printer: EscPosReceiptPrinter, sink: ReceiptSink
) -> None:
    sink.set_fault("stuck")
    levels = Levels()
    printer.start(levels)
    await levels.until(NOT_READY)
    assert Certainty.NOT_DONE == await printer.print_slip(SLIP)
    assert [NOT_READY] == levels.seen
    sink.set_fault(None)
    await levels.until(READY)

    assert Certainty.DONE == await printer.print_slip(NEXT)
    assert ["次の方"] == [roll.text(slip) for slip in sink.slips]


async def test_what_a_run_before_left_is_cut_off_before_the_next_slip(
    printer: EscPosReceiptPrinter, sink: ReceiptSink, log: Log
) -> None:
    await torn(printer, sink)
    await printer.close()
    sink.plug_in()
    order, restarted = Order(sink), made(sink, log)
    restarted.start(order)
    await order.levels.until(READY)
    await restarted.close()

    assert ["領収書", READY] == order.seen


async def test_a_start_costs_one_blank_piece_and_proven_slips_none(
    printer: EscPosReceiptPrinter, sink: ReceiptSink, levels: Levels
) -> None:
    await levels.until(READY)
    assert Certainty.DONE == await printer.print_slip(SLIP)
    sink.unplug()
    await levels.until(NOT_READY)
    sink.plug_in()
    await levels.until(READY)
    assert Certainty.DONE == await printer.print_slip(NEXT)

    assert (1, 2) == (sink.blanks, len(sink.slips))


@pytest.mark.on_rig
async def test_it_vanishes_and_comes_back_and_each_is_logged_once(
    stand: Stand, levels: Levels, log: Log
) -> None:
    await levels.until(READY)
    await stand.unplug()
    await levels.until(NOT_READY)
    assert Certainty.NOT_DONE == await stand.printer.print_slip(SLIP)
    await asyncio.sleep(0.2)  # several tries to find it again
    await stand.plug_in()
    await levels.until(READY)

    assert [{"reason": "unplugged"}] == log.of(EventId.RECEIPT_PRINTER_GONE)
    assert [{}] == log.of(EventId.RECEIPT_PRINTER_BACK)
    assert [READY, NOT_READY, READY] == levels.seen
    assert Certainty.DONE == await stand.printer.print_slip(SLIP)


@pytest.mark.on_rig
async def test_absent_from_the_start_is_reported_and_found_when_plugged_in(stand: Stand) -> None:
    await stand.unplug()
    levels = Levels()
    stand.printer.start(levels)
    await levels.until(NOT_READY)
    await stand.plug_in()

    await levels.until(READY)


@pytest.mark.on_rig
async def test_two_slips_at_once_come_out_one_after_the_other(stand: Stand, levels: Levels) -> None:
    await levels.until(READY)
    slips = ([SlipLine("一")], [SlipLine("二")])
    both = await asyncio.gather(*(stand.printer.print_slip(slip) for slip in slips))

    assert [Certainty.DONE, Certainty.DONE] == both
    assert ["一", "二"] == await stand.read(["一", "二"])


async def test_a_picture_of_the_slip_shows_the_roll(printer: EscPosReceiptPrinter, sink: ReceiptSink) -> None:
    await printer.print_slip(SLIP)

    assert b"\x89PNG" == sink.render_png(sink.slips[0])[:4]
