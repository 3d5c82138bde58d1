"""What a start keeps of the journal does not grow with it, and is all that the start needs."""

import asyncio
import gc
import tracemalloc
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from firmware.core import records as r
from firmware.core.accounts import Accounts
from firmware.core.lockout import LockoutRule
from firmware.core.recovery import open_trial, open_visit, recover
from firmware.core.telling import Subject, Tell
from firmware.core.terms import Certainty, OrderId, VisitId
from firmware.shell.daemon import is_late
from firmware.shell.journal import Entry, Journal
from firmware.shell.past import MistakeRules, Past
from tests.sold_days import ENTRIES_A_VISIT, sold, sold_days, visit_id
from tests.unit.test_journal import EVERY

KEY = b"0123456789abcdef"
NOON = datetime(2026, 6, 1, 3, 0, tzinfo=UTC)
RULES = MistakeRules(LockoutRule(), LockoutRule(), LockoutRule())
SHORT_DAYS, LONG_DAYS, VISITS_A_DAY = 2, 12, 10
MOST_BYTES_A_VISIT = 500
"""An order's number and its place in the books of its day are 150. A visit's entries are 8,000."""
OUTSIDE = tuple(record for record in EVERY if not hasattr(record, "visit"))
WITHIN = tuple(
    record
    for record in EVERY
    if hasattr(record, "visit") and not isinstance(record, r.VisitBegan | r.VisitEnded)
)


def entries_of(*records: r.Record) -> tuple[Entry, ...]:
    """Written a second after each other."""
    return tuple(
        Entry(seq, (NOON + timedelta(seconds=seq)).isoformat(), record, bytes(32))
        for seq, record in enumerate(records, start=1)
    )


def past_of(*entries: Entry) -> Past:
    past = Past(RULES)
    for entry in entries:
        past.enter(entry)
    return past


def index_of(kind: type[r.Record]) -> int:
    return next(number for number, record in enumerate(EVERY) if isinstance(record, kind))


def entries_alive() -> int:
    gc.collect()
    return sum(isinstance(one, Entry) for one in gc.get_objects())


async def written(path: Path, days: int) -> Path:
    journal = Journal(path, KEY)
    await journal.open()
    await journal.append(tuple(sold_days(days, VISITS_A_DAY)))
    await journal.close()
    return path


async def peak_bytes(path: Path) -> int:
    """Of a start that reads this journal, from before it until all is read."""
    journal, past = Journal(path, KEY), Past(RULES)
    gc.collect()
    tracemalloc.start()
    try:
        await journal.open(past.enter)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        await journal.close()
    assert not past.books.accounts.faults()
    return peak


async def test_the_memory_of_a_start_grows_by_no_more_than_the_days_books(tmp_path: Path) -> None:
    short = await written(tmp_path / "short.db", SHORT_DAYS)
    long = await written(tmp_path / "long.db", LONG_DAYS)
    await peak_bytes(short)  # what is imported or cached once
    more = await peak_bytes(long) - await peak_bytes(short)
    assert more / ((LONG_DAYS - SHORT_DAYS) * VISITS_A_DAY) <= MOST_BYTES_A_VISIT


async def test_of_the_entries_only_the_last_one_read_is_in_memory(tmp_path: Path) -> None:
    path, before, alive = await written(tmp_path / "journal.db", SHORT_DAYS), entries_alive(), list[int]()
    journal, past = Journal(path, KEY), Past(RULES)

    def enter(entry: Entry) -> None:
        past.enter(entry)
        if isinstance(entry.record, r.DayClosed):
            alive.append(entries_alive() - before)

    await journal.open(enter)
    await journal.close()
    assert [1] * SHORT_DAYS == alive
    assert before == entries_alive()


def test_a_command_that_reads_the_journal_keeps_none_of_it(tmp_path: Path) -> None:
    path, before = asyncio.run(written(tmp_path / "journal.db", SHORT_DAYS)), entries_alive()
    reading = Journal(path, KEY).read()
    for _ in range(100):
        entry = next(reading)
    assert (100, before + 1) == (entry.seq, entries_alive())


def test_the_visit_that_has_no_end_is_kept_whole_and_those_before_it_are_not() -> None:
    cut = sold(2)[:12]
    past = past_of(*entries_of(*sold(0), *sold(1), *cut, r.DayClosed("2026-06-01", NOON.isoformat())))
    assert cut == tuple(entry.record for entry in past.left_open)
    assert ENTRIES_A_VISIT == len(sold(2))


def test_what_a_console_does_during_an_open_visit_is_not_kept() -> None:
    asked = [r.CommandGiven("order-0001", "tech-17", "status")] * 1000
    past = past_of(*entries_of(r.VisitBegan(visit_id(0)), *asked))
    assert [r.VisitBegan(visit_id(0))] == [entry.record for entry in past.left_open]


def test_a_technicians_coin_without_an_end_is_kept_through_later_visits_until_it_has_one() -> None:
    intended = r.TrialCoinIntended(3, 100, 9, "uid:0", None)
    open_still = (intended, *sold(0), r.VisitBegan(visit_id(1)))
    assert intended == open_trial(entry.record for entry in past_of(*entries_of(*open_still)).left_open)
    ended = past_of(*entries_of(*open_still, EVERY[index_of(r.TrialCoinEnded)]))
    assert open_trial(entry.record for entry in ended.left_open) is None


def of_visit(record: r.Record, visit: VisitId) -> r.Record:
    """The same of this visit; one without keeps that."""
    return replace(cast("Any", record), visit=visit) if getattr(record, "visit", "") else record


@st.composite
def journals(draw: st.DrawFn) -> tuple[r.Record, ...]:
    """Whatever may stand in a journal: visits one after another, some cut off, with anything between."""
    records: list[r.Record] = list(draw(st.lists(st.sampled_from(OUTSIDE), max_size=3)))
    for number in range(draw(st.integers(0, 4))):
        visit = visit_id(number)
        records.append(r.VisitBegan(visit))
        within = draw(st.lists(st.sampled_from(WITHIN + OUTSIDE), max_size=12))
        records += [of_visit(record, visit) for record in within]
        if draw(st.booleans()):
            records.append(r.VisitEnded(visit, None))
        records += draw(st.lists(st.sampled_from(OUTSIDE), max_size=3))
    return tuple(records)


@given(journals(), st.booleans(), st.integers(0, 30))
def test_recovery_finds_in_what_is_kept_all_that_it_finds_in_the_whole_journal(
    records: tuple[r.Record, ...], late: bool, seconds: int
) -> None:
    entries = entries_of(*records)
    left_open = past_of(*entries).left_open
    kept = [entry.record for entry in left_open]
    assert open_visit(records) == open_visit(kept)
    assert open_trial(records) == open_trial(kept)
    assert recover(records, late=late) == recover(kept, late=late)
    now = NOON + timedelta(seconds=seconds)
    assert is_late(entries, now, 5.0) is is_late(left_open, now, 5.0)


def test_every_part_has_heard_of_every_entry() -> None:
    """None is left out of the one pass."""
    order, strike = OrderId(f"{visit_id(3)}-1"), EVERY[index_of(r.CardStrike)]
    off, ended = r.PrinterOff(visit_id(3), order), r.VisitEnded(visit_id(3), None)
    opened = r.MaintenanceOpened("order-0001", "tech-17", (), "2026-06-01T20:00:00+00:00", "ab" * 32)
    wrong = r.StaffRefused("")
    sales = (*sold(0), *sold(1), *sold(2))
    past = past_of(*entries_of(*sales, *sold(3)[:-4], off, ended, strike, wrong, wrong, opened))
    now = NOON + timedelta(hours=1)
    assert Accounts((*sales, *sold(3)[:-4], ended)).open_day() == past.books.accounts.open_day()
    assert [visit_id(number) for number in range(4)] == [seen.visit for seen in past.books.visits.last]
    assert NOON + timedelta(seconds=1) == past.books.first_entry
    assert (Tell(order, Subject.RESULT, Certainty.DONE, 2),) == past.telling.pending
    assert (1, 2) == (past.mistakes.row(now).strikes, past.staff_mistakes.row(now).strikes)
    assert frozenset({"order-0001"}) == past.maintenance.seen
    assert 0.5 == past.prints.level.seconds_per_page
    assert past.slot.mark is not None
    assert off == past.said_off.settled
    sale = past_of(*entries_of(*sales)).last_sale.sale(now, 3600.0)
    assert sale is not None
    assert "R-2026-000002" == sale.receipt_no
