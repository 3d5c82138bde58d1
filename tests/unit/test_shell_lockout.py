"""The lockout level follows journal and time, and survives a restart."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from firmware.core import records as r
from firmware.core.facts import Level, LockoutLevel
from firmware.core.lockout import LockoutRule, Mistakes
from firmware.core.terms import Strike, VisitId
from firmware.logbook import EventId, FieldValue, line
from firmware.shell.lockout import LockoutWatch

VISIT = VisitId("a" * 32)
NOON_JST = datetime(2026, 6, 1, 3, 0, tzinfo=UTC)
STRIKE = r.CardStrike(VISIT, Strike.WRONG_PIN)


class Bench:
    """A watch under a clock of ours, and what it said."""

    def __init__(
        self, entries: Sequence[tuple[datetime, r.Record]] = (), rule: LockoutRule | None = None
    ) -> None:
        self.now = NOON_JST
        self.levels: list[Level] = []
        self.log: list[str] = []
        self.changed = asyncio.Event()
        mistakes = Mistakes(rule or LockoutRule())
        for at, record in entries:
            mistakes.enter(record, at)
        self.watch = LockoutWatch(strikes=mistakes.go_on(self.now), log=self.write, now=lambda: self.now)
        self.watch.start(self.report)

    def report(self, level: Level) -> None:
        self.levels.append(level)
        self.changed.set()

    def write(self, event: EventId, /, **fields: FieldValue) -> None:
        line(event, self.now, fields)
        self.log.append(event.value)


async def test_strikes_make_it_wait_and_somebody_served_ends_that() -> None:
    bench = Bench()
    assert [] == bench.levels
    bench.watch.note([STRIKE, STRIKE])
    assert [] == bench.levels
    bench.watch.note([STRIKE])
    assert [LockoutLevel(waits=True)] == bench.levels
    bench.watch.note([r.PersonAuthenticated(VISIT)])
    assert [LockoutLevel(waits=True), LockoutLevel()] == bench.levels
    assert ["lockout-began", "lockout-ended"] == bench.log
    await bench.watch.close()


async def test_a_long_pause_says_until_when_in_japan_time_and_later_it_is_over() -> None:
    bench = Bench()
    bench.watch.note([STRIKE] * 8)
    assert [LockoutLevel(waits=True, reopens=(12, 15))] == bench.levels
    bench.now = NOON_JST + timedelta(minutes=14, seconds=30)
    bench.watch.note([r.VisitBegan(VISIT)])
    assert [LockoutLevel(waits=True, reopens=(12, 15))] == bench.levels
    bench.now = NOON_JST + timedelta(minutes=15)
    bench.watch.note([])
    assert LockoutLevel() == bench.levels[-1]
    await bench.watch.close()


@pytest.mark.parametrize(
    ("past_seconds", "expected"),
    [(60, [LockoutLevel(waits=True, reopens=(12, 14))]), (899, [LockoutLevel(waits=True)]), (901, [])],
)
async def test_a_restart_neither_ends_nor_lengthens_the_pause(
    past_seconds: int, expected: list[LockoutLevel]
) -> None:
    bench = Bench([(NOON_JST - timedelta(seconds=past_seconds), STRIKE)] * 8)
    assert expected == bench.levels
    await bench.watch.close()


async def test_the_wait_ends_by_itself() -> None:
    bench = Bench(rule=LockoutRule(steps=((1, 0.01),), forget_seconds=1.0))
    bench.watch.note([STRIKE])
    assert [LockoutLevel(waits=True)] == bench.levels
    bench.now += timedelta(seconds=0.01)
    async with asyncio.timeout(60):
        while bench.levels[-1] != LockoutLevel():
            bench.changed.clear()
            await bench.changed.wait()
    await bench.watch.close()


async def test_a_clock_set_ahead_during_a_pause_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a clock of its own starts with an old time, and is told the right one later."""
    monkeypatch.setattr("firmware.shell.lockout._LOOK_SECONDS", 0.01)
    bench = Bench([(NOON_JST + timedelta(hours=2), STRIKE)] * 8)
    assert bench.levels[-1] != LockoutLevel()
    bench.now = NOON_JST + timedelta(hours=3)
    async with asyncio.timeout(60):
        while bench.levels[-1] != LockoutLevel():
            bench.changed.clear()
            await bench.changed.wait()
    await bench.watch.close()


async def test_a_closed_watch_tells_nothing_more() -> None:
    bench = Bench()
    await bench.watch.close()
    await bench.watch.close()
    bench.watch.note([STRIKE] * 3)
    assert [] == bench.levels
