"""The clock level: trusted by the municipality's time, open by the stricter of both sides."""

from dataclasses import replace
from datetime import datetime, time, timedelta

import pytest

from firmware.core.facts import ClockLevel, Level
from firmware.core.hours import JST, Closure, HoursRule
from firmware.core.terms import ServiceHours
from firmware.logbook import EventId, FieldValue
from firmware.shell.clock import Clock, now_utc

NOON = datetime(2026, 11, 1, 12, tzinfo=JST)
RULE = HoursRule(time(6, 30), time(23), last_minutes=10)


class Bench:
    def __init__(self, now: datetime, rule: HoursRule = RULE) -> None:
        self.now = now
        self.levels: list[Level] = []
        self.log: list[EventId] = []
        self.run_seconds = 100.0
        self.clock = Clock(
            rule=rule,
            tolerance_seconds=2.0,
            log=self.write,
            now=lambda: self.now,
            monotonic=lambda: self.run_seconds,
        )

    def pass_seconds(self, wall: float, real: float) -> None:
        self.now += timedelta(seconds=wall)
        self.run_seconds += real

    def write(self, event: EventId, /, **_: FieldValue) -> None:
        self.log.append(event)


async def test_the_time_is_trusted_while_it_agrees_with_the_municipality() -> None:
    bench = Bench(NOON)
    bench.clock.start(bench.levels.append)
    for seconds in (2.0, 1.0, -2.1, -1.9):
        bench.clock.heard(NOON + timedelta(seconds=seconds))
    await bench.clock.close()
    await bench.clock.close()
    assert [EventId.CLOCK_TRUSTED, EventId.CLOCK_NOT_TRUSTED, EventId.CLOCK_TRUSTED] == bench.log
    assert [ClockLevel(trusted, ServiceHours.OPEN) for trusted in (True, False, True)] == bench.levels


async def test_a_clock_that_is_wrong_from_the_start_is_told_once_it_is_known() -> None:
    bench = Bench(NOON)
    bench.clock.start(bench.levels.append)
    bench.clock.close_also(())
    assert [] == bench.log
    for _ in range(2):
        bench.clock.heard(NOON + timedelta(days=200))
    await bench.clock.close()
    assert [EventId.CLOCK_NOT_TRUSTED] == bench.log


@pytest.mark.parametrize(
    ("wall", "real", "trusted"), [(3600, 3600, True), (3601.5, 3600, True), (3600, 0, False), (-3, 1, False)]
)
async def test_a_clock_that_jumps_is_not_trusted_until_the_municipality_is_heard_again(
    wall: float, real: float, trusted: bool
) -> None:
    bench = Bench(NOON)
    bench.clock.heard(NOON)
    bench.pass_seconds(wall, real)
    assert trusted is bench.clock.trusted
    bench.clock.heard(bench.now)
    assert bench.clock.trusted


@pytest.mark.parametrize(
    ("now", "server", "expected"),
    [
        (NOON, ServiceHours.OPEN, ServiceHours.OPEN),
        (NOON, ServiceHours.CLOSING, ServiceHours.CLOSING),
        (NOON, ServiceHours.CLOSED, ServiceHours.CLOSED),
        (NOON, ServiceHours.MAINTENANCE, ServiceHours.MAINTENANCE),
        (NOON.replace(hour=22, minute=55), ServiceHours.OPEN, ServiceHours.CLOSING),
        (NOON.replace(hour=22, minute=55), ServiceHours.MAINTENANCE, ServiceHours.MAINTENANCE),
        (NOON.replace(hour=23), ServiceHours.OPEN, ServiceHours.CLOSED),
        (NOON.replace(hour=23), ServiceHours.CLOSING, ServiceHours.CLOSED),
    ],
)
async def test_the_stricter_hours_hold(now: datetime, server: ServiceHours, expected: ServiceHours) -> None:
    bench = Bench(now)
    bench.clock.start(bench.levels.append)
    bench.clock.heard(now)
    bench.clock.server_said(server)
    await bench.clock.close()
    assert ClockLevel(trusted=True, hours=expected) == bench.levels[-1]


async def test_what_is_heard_before_the_start_is_told_at_the_start() -> None:
    bench = Bench(NOON)
    bench.clock.heard(NOON)
    assert [] == bench.levels
    bench.clock.start(bench.levels.append)
    bench.clock.server_said(ServiceHours.OPEN)
    await bench.clock.close()
    assert [ClockLevel(trusted=True, hours=ServiceHours.OPEN)] == bench.levels


async def test_our_own_maintenance_tells_when_the_service_is_open_again() -> None:
    at_night = Closure(NOON, NOON.replace(day=2, hour=3))
    bench = Bench(NOON, HoursRule(time(6, 30), time(23), last_minutes=10, closures=(at_night,)))
    bench.clock.heard(NOON)
    bench.clock.start(bench.levels.append)
    bench.clock.server_said(ServiceHours.MAINTENANCE)
    await bench.clock.close()
    assert [ClockLevel(True, ServiceHours.MAINTENANCE, (11, 2, 6, 30))] == bench.levels


@pytest.mark.parametrize(
    ("rule", "ends", "reopens"),
    [
        (RULE, datetime(9999, 12, 31, 23, 59, 59, tzinfo=JST), None),
        (HoursRule(time.min, time.max, 10), datetime(9999, 12, 31, 23, 59, 59, tzinfo=JST), None),
        (RULE, datetime(9999, 12, 31, tzinfo=JST), None),
        (RULE, datetime(2027, 11, 1, 13, tzinfo=JST), None),
        (RULE, datetime(2027, 10, 31, tzinfo=JST), (10, 31, 6, 30)),
    ],
)
async def test_a_closure_until_further_notice_is_told_without_a_day_and_ends_no_start(
    rule: HoursRule, ends: datetime, reopens: tuple[int, int, int, int] | None
) -> None:
    """On the screen stands a day without a year: none that is a year away or never comes."""
    bench = Bench(NOON, replace(rule, closures=(Closure(NOON, ends),)))
    bench.clock.start(bench.levels.append)
    bench.clock.heard(NOON)
    await bench.clock.close()
    assert ClockLevel(True, ServiceHours.MAINTENANCE, reopens) == bench.levels[-1]


def test_now_is_aware() -> None:
    assert timedelta(0) == now_utc().utcoffset()
