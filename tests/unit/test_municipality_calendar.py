"""Hours, closures and fees at their edges: midnight, the year's end, leap days, the day of a change (R3)."""

from datetime import UTC, date, datetime

import msgspec
import pytest

from tests.municipality.calendar import JST, closed_because, fee_yen, kind_closed
from tests.municipality.eligibility import assess
from tests.municipality.register import City, Closure, FeeChange, load_city
from tests.unit.test_municipality_eligibility import living_alone

CITY = load_city()
NEW_YEAR = Closure(date(2026, 12, 29), date(2027, 1, 3))


def city(**changes: object) -> City:
    return msgspec.structs.replace(CITY, **changes)


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (datetime(2026, 11, 22, 6, 29, 59, 999999, JST), "outside_hours"),
        (datetime(2026, 11, 22, 6, 30, tzinfo=JST), None),
        (datetime(2026, 11, 22, 22, 59, 59, 999999, JST), None),
        (datetime(2026, 11, 22, 23, 0, tzinfo=JST), "outside_hours"),
        (datetime(2026, 11, 22, 0, 0, tzinfo=JST), "outside_hours"),
        (datetime(2026, 11, 21, 21, 30, tzinfo=UTC), None),  # 6:30 of the next day in Japan
        (datetime(2028, 2, 29, 12, 0, tzinfo=JST), None),
        (datetime(2026, 12, 28, 22, 59, tzinfo=JST), None),
        (datetime(2026, 12, 29, 0, 0, tzinfo=JST), "maintenance"),
        (datetime(2026, 12, 31, 23, 59, 59, tzinfo=JST), "maintenance"),
        (datetime(2027, 1, 3, 22, 59, tzinfo=JST), "maintenance"),
        (datetime(2027, 1, 3, 15, 0, tzinfo=UTC), "outside_hours"),  # midnight of the 4th
        (datetime(2027, 1, 4, 6, 30, tzinfo=JST), None),
    ],
)
def test_no_visit_begins_outside_hours_or_on_a_closed_day(moment: datetime, expected: str | None) -> None:
    assert expected == closed_because(city(closures=(NEW_YEAR,)), moment)


def test_a_leap_day_can_be_closed_alone() -> None:
    leap = city(closures=(Closure(date(2028, 2, 29), date(2028, 2, 29)),))
    days = [datetime(2028, 2, 28, 12, tzinfo=JST), datetime(2028, 2, 29, 12, tzinfo=JST)]
    assert [None, "maintenance", None] == [
        closed_because(leap, day) for day in (*days, datetime(2028, 3, 1, 12, tzinfo=JST))
    ]


def test_a_kind_that_is_closed_is_refused_and_the_others_are_not() -> None:
    today = date(2026, 10, 1)
    closed = city(closures=(Closure(today, today, ("inkan",)),))
    household, resident = living_alone()
    assessment = assess(household, resident, closed, today)
    assert (("inkan", "maintenance"),) == assessment.refusals
    assert ["juminhyo", "shotoku"] == [offer.kind for offer in assessment.offers]
    assert not kind_closed(closed, "inkan", date(2026, 10, 2))
    assert closed_because(closed, datetime(2026, 10, 1, 12, tzinfo=JST)) is None


def test_a_fee_holds_from_its_day_on_and_the_latest_counts_in_whatever_order() -> None:
    changed = city(
        fee_changes=(
            FeeChange(date(2027, 4, 1), {"juminhyo": 400}),
            FeeChange(date(2027, 1, 1), {"juminhyo": 350, "inkan": 250}),
        )
    )
    days = (date(2026, 12, 31), date(2027, 1, 1), date(2027, 3, 31), date(2027, 4, 1))
    assert [300, 350, 350, 400] == [fee_yen(changed, "juminhyo", day) for day in days]
    assert [300, 250, 250, 250] == [fee_yen(changed, "inkan", day) for day in days]
    assert [300, 300, 300, 300] == [fee_yen(changed, "shotoku", day) for day in days]


def test_a_fee_is_offered_as_of_the_day_in_japan() -> None:
    changed = city(fee_changes=(FeeChange(date(2027, 1, 1), {"juminhyo": 350}),))
    household, resident = living_alone()
    fees = [
        next(o.fee_yen for o in assess(household, resident, changed, day).offers if o.kind == "juminhyo")
        for day in (date(2026, 12, 31), date(2027, 1, 1))
    ]
    assert [300, 350] == fees
