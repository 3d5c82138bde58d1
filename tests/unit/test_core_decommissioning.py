"""What stands between a kiosk and its end: nothing goes while a yen, a day or an entry is still needed."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from firmware.core import records as r
from firmware.core.accounts import Accounts
from firmware.core.decommissioning import Standing, first_to_do
from firmware.core.terms import Certainty, VisitId

VISIT, DAY = VisitId("a" * 32), "2026-11-25"
DONE = Standing(resting=True, updating=False, testing=False, waiting=0, kept_seq=40, head_seq=40)

FILLED = (r.CoinsRefilled(3, 100, 20, "uid:0"),)
EMPTIED = (*FILLED, r.CoinsCollected(3, 100, 20, "uid:0"))
OWED = (r.ClaimOpened(VISIT, "AAAA-0001", 400),)


def closed(*before: r.Record, settled: bool = True, compared: bool = True) -> Sequence[r.Record]:
    """The business day ends after these."""
    day = Accounts(before).open_day()
    ended: list[r.Record] = [*before, r.DayClosed(DAY, f"{DAY}T20:00:00+09:00")]
    if settled:
        ended.append(r.DaySettled(DAY, f"{DAY}T20:00:00+09:00", day))
    if compared:
        ended.append(r.DayCompared(DAY, matched=True, differences=()))
    return ended


def said(records: Sequence[r.Record], standing: Standing = DONE) -> str:
    found = first_to_do(Accounts(records), standing)
    return "" if found is None else str(found)


@pytest.mark.parametrize(
    "records",
    [(), closed(), closed(*EMPTIED), (*closed(*EMPTIED), r.CommandGiven("o-1", "tech-17", "status"))],
)
def test_a_kiosk_with_nothing_left_to_do_may_be_erased(records: Sequence[r.Record]) -> None:
    assert "" == said(records)


@pytest.mark.parametrize(
    ("records", "to_do"),
    [
        (closed(*FILLED), "20 coins of 100 yen lie in the hopper 3: cash collect"),
        (closed(*EMPTIED, *OWED), "1 claims of 400 yen are owed: claims list, then claims settle"),
        (
            closed(*FILLED, r.CoinPayEnded(VISIT, 3, 100, Certainty.UNKNOWN)),
            "nobody is sure of 1 coins of 100 yen in the hopper 3: cash count, then cash collect",
        ),
        (
            closed(*FILLED, r.HopperFoundEmpty(VISIT, 3, 20)),
            "nobody is sure of 20 coins of 100 yen in the hopper 3: cash count, then cash collect",
        ),
        (
            closed(r.CoinUnclaimed(500, 7, 1)),
            "1 coins of 500 yen lie in the cash box: cash collect",
        ),
        (
            (*closed(*FILLED), r.CoinsCollected(3, 100, 20, "uid:0")),
            "money or coins have moved since the last closing: settle, at the latest when the day has ended",
        ),
        (
            (*closed(*EMPTIED), r.CoinsCounted(3, 100, 2, "uid:0"), r.CoinsCollected(3, 100, 2, "uid:0")),
            "money or coins have moved since the last closing: settle, at the latest when the day has ended",
        ),
        (
            (*closed(*EMPTIED), r.VisitEnded(VISIT, None)),
            "money or coins have moved since the last closing: settle, at the latest when the day has ended",
        ),
        (
            closed(*EMPTIED, settled=False, compared=False),
            f"day {DAY} is closed and not settled yet: wait",
        ),
        (
            closed(*EMPTIED, compared=False),
            f"the municipality has not compared day {DAY} yet: wait, see status",
        ),
    ],
)
def test_what_the_books_still_hold_refuses_and_says_what_to_do(
    records: Sequence[r.Record], to_do: str
) -> None:
    assert to_do == said(records)


@pytest.mark.parametrize(
    ("change", "to_do"),
    [
        ({"updating": True}, "an update is under way"),
        ({"testing": True}, "a test is running: say it again when it has ended"),
        (
            {"resting": False},
            "a visit is under way: maintenance on, and say it again when it has ended",
        ),
        ({"waiting": 2}, "2 messages wait for the municipality: see status"),
        (
            {"kept_seq": None},
            "the municipality does not say how much of the journal it keeps: see logs, say it again",
        ),
        ({"kept_seq": 39}, "the municipality keeps 39 of 40 entries of the journal: say it again"),
        # A copy that reaches further than the journal is of another one.
        ({"kept_seq": 41}, "the municipality keeps 41 of 40 entries of the journal: say it again"),
    ],
)
def test_what_the_books_do_not_say_refuses_too(change: dict[str, object], to_do: str) -> None:
    assert to_do == said(closed(*EMPTIED), replace(DONE, **change))  # type: ignore[arg-type]


def test_what_is_owed_comes_before_coins_and_coins_before_the_closing() -> None:
    records: list[r.Record] = [*FILLED, *OWED]
    assert "are owed" in said(records)
    records.append(r.ClaimPaidElsewhere("AAAA-0001", "counter"))
    assert "lie in the hopper 3" in said(records)
    records.append(r.CoinsCollected(3, 100, 20, "uid:0"))
    assert "since the last closing" in said(records)
    assert "" == said(closed(*records))
