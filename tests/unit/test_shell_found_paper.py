"""A page that comes out after its print was settled with a dead printer is written down once, as nobody's."""

import asyncio
from collections.abc import Sequence

import pytest

from firmware.console import wire as w
from firmware.console.roles import command_word
from firmware.core import records as r
from firmware.core.states import EndReason
from firmware.core.terms import OrderId, VisitId
from firmware.logbook import EventId, FieldValue
from firmware.shell import found_paper
from firmware.shell.found_paper import FoundPaper, SaidOff

A, B = VisitId("a" * 32), VisitId("b" * 32)
ORDER = OrderId(f"{A}-1")
OFF, FOUND = r.PrinterOff(A, ORDER), r.PaperFound(A, ORDER)
ENDED = r.VisitEnded(A, EndReason.PRINT_FAILED)
TESTED = r.CommandGiven("order-0001", "tech-17", "test printer")
SETTLED = (r.VisitBegan(A), r.PrintIntended(A, ORDER, "cert-a", 2), OFF, ENDED)


class Bench:
    """journal: what is on disk. A start reads it."""

    def __init__(self, *journal: r.Record) -> None:
        self.journal = list(journal)
        self.log: list[tuple[EventId, dict[str, FieldValue]]] = []
        self.restart()

    def restart(self) -> None:
        said_off = SaidOff()
        for record in self.journal:
            said_off.enter(record)
        self.found = FoundPaper(said_off, write=self.write, log=self._log)

    async def write(self, records: Sequence[r.Record]) -> None:
        self.journal += records
        self.found.note(records)

    def happens(self, *records: r.Record) -> None:
        self.journal += records
        self.found.note(records)

    async def looks(self, *, paper: bool, resting: bool = True, may_print: bool = False) -> int:
        """How often paper was found so far, after this look."""
        self.found.look(resting=resting, paper=paper, may_print=may_print)
        running = asyncio.create_task(self.found.run())
        for _ in range(3):
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return self.journal.count(FOUND)

    def _log(self, event: EventId, /, **fields: FieldValue) -> None:
        self.log.append((event, fields))


async def test_a_page_that_comes_later_all_the_same_is_written_down_once_with_its_order() -> None:
    bench = Bench()
    bench.happens(*SETTLED)
    assert 0 == await bench.looks(paper=False)
    assert 1 == await bench.looks(paper=True)
    assert 1 == await bench.looks(paper=False)
    assert 1 == await bench.looks(paper=True)
    assert [(EventId.PAPER_FOUND, {"visit": "a" * 8})] == bench.log


async def test_the_end_of_another_visit_settles_nothing() -> None:
    bench = Bench(r.VisitBegan(A), OFF, r.VisitEnded(B, None), ENDED)
    assert 0 == await bench.looks(paper=True)


async def test_what_still_lies_there_when_the_visit_ends_has_not_come_later() -> None:
    bench = Bench()
    bench.happens(*SETTLED)
    assert 0 == await bench.looks(paper=True)
    assert 0 == await bench.looks(paper=False)
    assert 1 == await bench.looks(paper=True)


async def test_paper_of_a_visit_under_way_is_that_persons() -> None:
    bench = Bench(*SETTLED)
    assert 0 == await bench.looks(paper=True, resting=False)
    assert 1 == await bench.looks(paper=True)


async def test_power_cuts_before_and_after_the_record_neither_lose_nor_double_it() -> None:
    bench = Bench(*SETTLED)
    bench.found.look(resting=True, paper=True, may_print=False)
    bench.restart()
    assert 1 == await bench.looks(paper=True), "the cut came before the record"
    bench.restart()
    assert 1 == await bench.looks(paper=True), "it was on disk"


@pytest.mark.parametrize(
    "journal",
    [
        (),
        (r.VisitBegan(A), ENDED),  # proven empty: no printer was said to be off
        (r.VisitBegan(A), OFF),  # not settled yet
        (OFF, r.VisitEnded(B, None)),
        (*SETTLED, r.PrintIntended(B, ORDER, "cert-b", 2)),  # the printer has printed again since
        (*SETTLED, FOUND),
        (*SETTLED, TESTED),
    ],
)
async def test_other_paper_in_the_tray_is_no_found_page(journal: tuple[r.Record, ...]) -> None:
    bench = Bench(*journal)
    await bench.looks(paper=False)
    assert journal.count(FOUND) == await bench.looks(paper=True)


async def test_a_page_that_is_no_more_to_be_found_when_its_turn_comes_writes_nothing() -> None:
    bench = Bench(*SETTLED)
    bench.found.look(resting=True, paper=True, may_print=False)
    bench.happens(FOUND)
    assert 1 == await bench.looks(paper=False)


@pytest.mark.parametrize(
    ("may_print", "command", "found"),
    [
        (True, "test printer", 0),
        (True, "test receipt", 0),
        (True, "test lamp", 1),
        (False, "test printer", 1),
    ],
)
async def test_a_technicians_test_page_is_none_once_the_printer_is_proven_empty(
    may_print: bool, command: str, found: int
) -> None:
    bench = Bench(*SETTLED)
    await bench.looks(paper=False, may_print=may_print)
    bench.happens(r.CommandGiven("order-0001", "tech-17", command))
    assert found == await bench.looks(paper=True, may_print=may_print)


def test_the_commands_that_bring_a_page_are_called_as_the_journal_has_them() -> None:
    parts = (w.Part.PRINTER, w.Part.RECEIPT)
    assert found_paper._TEST_PAGES == {command_word(w.TestPart(part)) for part in parts}
