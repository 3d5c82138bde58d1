"""Service hours in Japan time, at their edges."""

from datetime import UTC, datetime, time, timedelta, timezone

import pytest

from firmware.core.hours import JST, Closure, HoursRule, opens_next, service_hours
from firmware.core.terms import ServiceHours

OPEN, CLOSING, CLOSED, MAINTENANCE = ServiceHours
DAILY = HoursRule(time(6, 30), time(23), last_minutes=10)
TO_MIDNIGHT = HoursRule(time(6, 30), time.max, last_minutes=10)
ALWAYS = HoursRule(time.min, time.max, last_minutes=10)
NEW_YEAR = Closure(datetime(2026, 12, 29, tzinfo=JST), datetime(2027, 1, 4, tzinfo=JST))
AFTERNOON = Closure(datetime(2026, 11, 1, 13, tzinfo=JST), datetime(2026, 11, 1, 14, tzinfo=JST))


def jst(*when: int) -> datetime:
    return datetime(*when, tzinfo=JST)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("now", "rule", "expected"),
    [
        (jst(2026, 11, 1, 6, 29, 59, 999_999), DAILY, CLOSED),
        (jst(2026, 11, 1, 6, 30), DAILY, OPEN),
        (jst(2026, 11, 1, 22, 49, 59, 999_999), DAILY, OPEN),
        (jst(2026, 11, 1, 22, 50), DAILY, CLOSING),
        (jst(2026, 11, 1, 22, 59, 59, 999_999), DAILY, CLOSING),
        (jst(2026, 11, 1, 23), DAILY, CLOSED),
        (jst(2026, 11, 1, 0), DAILY, CLOSED),
        (jst(2028, 2, 29, 12), DAILY, OPEN),
        (jst(2026, 12, 31, 22, 55), DAILY, CLOSING),
        (jst(2027, 1, 1, 0), DAILY, CLOSED),
        # 21:30 UTC is 6:30 of the next day in Japan.
        (datetime(2026, 10, 31, 21, 30, tzinfo=UTC), DAILY, OPEN),
        (datetime(2026, 10, 31, 21, 29, tzinfo=UTC), DAILY, CLOSED),
        (jst(2026, 11, 1, 23, 49), TO_MIDNIGHT, OPEN),
        (jst(2026, 11, 1, 23, 59, 59), TO_MIDNIGHT, CLOSING),
        (jst(2026, 11, 2, 0), TO_MIDNIGHT, CLOSED),
        (jst(2026, 11, 1, 23, 59, 59, 999_999), ALWAYS, OPEN),
        (jst(2026, 11, 2, 0), ALWAYS, OPEN),
        (jst(2026, 11, 1, 22, 59, 59), HoursRule(time(6, 30), time(23), last_minutes=0), OPEN),
    ],
)
def test_hours_hold_to_the_minute(now: datetime, rule: HoursRule, expected: ServiceHours) -> None:
    assert expected is service_hours(now, rule)


@pytest.mark.parametrize(
    ("now", "closure", "expected"),
    [
        (jst(2026, 11, 1, 12, 49, 59), AFTERNOON, OPEN),
        (jst(2026, 11, 1, 12, 50), AFTERNOON, CLOSING),
        (jst(2026, 11, 1, 13), AFTERNOON, MAINTENANCE),
        (jst(2026, 11, 1, 13, 59, 59), AFTERNOON, MAINTENANCE),
        (jst(2026, 11, 1, 14), AFTERNOON, OPEN),
        (jst(2026, 12, 29, 0), NEW_YEAR, MAINTENANCE),
        (jst(2027, 1, 3, 23, 59, 59), NEW_YEAR, MAINTENANCE),
        (jst(2027, 1, 4, 0), NEW_YEAR, CLOSED),
        (jst(2027, 1, 4, 6, 30), NEW_YEAR, OPEN),
    ],
)
def test_a_closure_holds_from_its_first_to_before_its_last_instant(
    now: datetime, closure: Closure, expected: ServiceHours
) -> None:
    assert expected is service_hours(now, HoursRule(time(6, 30), time(23), 10, (closure,)))


@pytest.mark.parametrize(
    ("now", "rule", "expected"),
    [
        (jst(2026, 11, 1, 12), DAILY, jst(2026, 11, 1, 12)),
        (jst(2026, 11, 1, 3), DAILY, jst(2026, 11, 1, 6, 30)),
        (jst(2026, 11, 1, 23), DAILY, jst(2026, 11, 2, 6, 30)),
        (jst(2028, 2, 28, 23, 30), DAILY, jst(2028, 2, 29, 6, 30)),
        (jst(2026, 12, 31, 23, 30), DAILY, jst(2027, 1, 1, 6, 30)),
        (jst(2026, 11, 1, 23, 59, 59, 999_999), ALWAYS, jst(2026, 11, 1, 23, 59, 59, 999_999)),
        (jst(2026, 12, 28, 23), HoursRule(time(6, 30), time(23), 10, (NEW_YEAR,)), jst(2027, 1, 4, 6, 30)),
        (jst(2026, 11, 1, 13, 5), HoursRule(time(6, 30), time(23), 10, (AFTERNOON,)), jst(2026, 11, 1, 14)),
    ],
)
def test_the_next_opening_is_the_first_instant_with_service(
    now: datetime, rule: HoursRule, expected: datetime
) -> None:
    assert expected == opens_next(now, rule)


def test_the_next_opening_skips_closures_that_chain_and_overlap() -> None:
    closures = (
        Closure(jst(2026, 11, 1, 0), jst(2026, 11, 1, 7)),
        Closure(jst(2026, 11, 1, 6), jst(2026, 11, 1, 22, 59)),
        Closure(jst(2026, 11, 1, 22, 59), jst(2026, 11, 2, 8)),
    )
    rule = HoursRule(time(6, 30), time(23), 10, closures)
    assert jst(2026, 11, 2, 8) == opens_next(jst(2026, 11, 1, 1), rule)


@pytest.mark.parametrize(
    ("begins", "ends"),
    [
        (jst(2026, 11, 1), jst(9999, 12, 31, 23, 59, 59)),
        (datetime(2026, 11, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))), jst(9999, 12, 31, 23, 59, 59)),
    ],
)
def test_a_closure_until_further_notice_ends_nobody_knows_when(begins: datetime, ends: datetime) -> None:
    closure = Closure.said(begins, ends)
    assert (JST, JST) == (closure.begins.tzinfo, closure.ends.tzinfo)
    rule = HoursRule(time(6, 30), time(23), 10, (closure,))
    assert MAINTENANCE is service_hours(jst(2026, 11, 2, 12), rule)
    assert opens_next(jst(2026, 11, 2, 12), rule) is None


def test_a_closure_is_the_same_instants_in_japan() -> None:
    said = Closure.said(datetime(2026, 11, 1, 4, tzinfo=UTC), datetime(2026, 11, 1, 5, tzinfo=UTC))
    assert (AFTERNOON, 13) == (said, said.begins.hour)


def test_the_next_opening_is_open_every_minute_of_a_week_with_a_closure() -> None:
    rule = HoursRule(time(6, 30), time(23), 10, (AFTERNOON,))
    for minutes in range(0, 7 * 24 * 60, 7):
        now = jst(2026, 10, 29, 0) + timedelta(minutes=minutes)
        opening = opens_next(now, rule)
        assert opening is not None
        assert opening >= now
        assert service_hours(opening, rule) in {OPEN, CLOSING}
