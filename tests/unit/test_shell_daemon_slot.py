"""Could coins come in when the journal ends, and where did the acceptor stand?"""

from collections.abc import Sequence

import pytest

from firmware.core import records as r
from firmware.core.states import EndReason
from firmware.core.terms import OrderId, VisitId
from firmware.ports import CoinMark
from firmware.shell.slot_keeper import SlotByJournal

VISIT, ORDER = VisitId("ab" * 16), OrderId("cd" * 16)
RESERVED = r.OrderReserved(VISIT, ORDER, 300, 1, 2)
COIN = r.CoinTaken(VISIT, 100, 1, 1)
SHUT = r.SlotShut(VISIT, 1, 1)
OPENED = r.SlotOpened(VISIT, 1, 0, "0000")
ENDED = r.VisitEnded(VISIT, EndReason.COIN_FAULT)
INTENDED = r.IssueIntended(VISIT, ORDER, 300)


def slot(*records: r.Record) -> SlotByJournal:
    by_journal = SlotByJournal()
    for record in records:
        by_journal.enter(record)
    return by_journal


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([], False),
        ([RESERVED], True),
        ([RESERVED, COIN], True),
        ([RESERVED, COIN, SHUT], False),
        ([RESERVED, COIN, INTENDED], False),
        ([RESERVED, COIN, SHUT, RESERVED], True),
        ([RESERVED, OPENED, COIN], True),
        ([RESERVED, OPENED, COIN, SHUT, INTENDED], False),
        ([RESERVED, OPENED, COIN, SHUT, ENDED, RESERVED, OPENED], True),
    ],
)
def test_the_slot_is_open_from_the_reservation_until_something_says_shut(
    records: Sequence[r.Record], expected: bool
) -> None:
    assert expected is slot(*records).is_open


def test_a_visit_that_ended_without_coins_left_nothing_open() -> None:
    assert not slot(RESERVED, r.VisitEnded(VISIT, EndReason.NO_CHANGE)).is_open


def test_the_slot_of_an_acceptor_that_fell_silent_may_be_open_until_somebody_hears_it() -> None:
    silent: list[r.Record] = [RESERVED, OPENED, COIN, INTENDED, ENDED]
    assert slot(*silent).is_open
    assert not slot(*silent, r.CoinsSuspected("", 0, 0, False, 1, 0)).is_open
    assert slot(RESERVED, OPENED, r.CoinsSuspected(VISIT, 0, 0, False, 1, 0)).is_open


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (r.SlotOpened(VISIT, 7, 2, "0301"), (7, 2, "0301")),
        (r.CoinTaken(VISIT, 100, 7, 3, "0301"), (7, 3, "0301")),
        (r.CoinUnclaimed(100, 7, 4, "0301"), (7, 4, "0301")),
        (r.CoinsSuspected("", 1, 0, False, 7, 5, "0301"), (7, 5, "0301")),
        (r.SlotShut(VISIT, 7, 6, "0301"), (7, 6, "0301")),
        (r.SlotShut(VISIT, 7, 6), (7, 6, "")),
        (RESERVED, (7, 9, "ff")),
    ],
)
def test_the_next_start_counts_from_the_last_record_of_the_acceptor(
    record: r.Record, expected: tuple[int, int, str]
) -> None:
    before = r.SlotShut(VISIT, 7, 9, "ff")
    mark = slot(before, record).mark
    assert mark is not None
    assert expected == (mark.serial, mark.counter, mark.pairs)


def test_a_new_journal_knows_no_mark() -> None:
    assert slot(RESERVED).mark is None
    assert CoinMark(7, 9) == slot(r.SlotShut(VISIT, 7, 9, "ff")).mark
