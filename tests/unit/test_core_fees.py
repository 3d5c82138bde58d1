"""Fees and the days on which they hold."""

from datetime import date

import pytest

from firmware.core.fees import Fee, fee_on, overlaps
from firmware.core.terms import CertificateKind

JUMINHYO, INKAN = CertificateKind.JUMINHYO, CertificateKind.INKAN
OLD = Fee(JUMINHYO, 200, date(2016, 1, 25), date(2025, 3, 31))
NEW = Fee(JUMINHYO, 300, date(2025, 4, 1))


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (date(2016, 1, 24), None),
        (date(2016, 1, 25), 200),
        (date(2024, 2, 29), 200),
        (date(2025, 3, 31), 200),
        (date(2025, 4, 1), 300),
        (date(2099, 12, 31), 300),
    ],
)
def test_the_fee_of_a_day_changes_at_midnight(day: date, expected: int | None) -> None:
    assert expected == fee_on((NEW, OLD), JUMINHYO, day)


def test_a_kind_without_a_fee_is_not_sold() -> None:
    assert fee_on((OLD, NEW), INKAN, date(2026, 1, 1)) is None


def test_fees_that_follow_each_other_do_not_overlap() -> None:
    assert () == overlaps((NEW, OLD, Fee(INKAN, 300, date(2016, 1, 25))))


@pytest.mark.parametrize(
    ("fees", "expected"),
    [
        ((OLD, Fee(JUMINHYO, 300, date(2025, 3, 31))), 1),
        ((Fee(JUMINHYO, 200, date(2016, 1, 1)), NEW), 1),
        ((OLD, OLD), 1),
        (
            (
                Fee(JUMINHYO, 200, date(2016, 1, 1)),
                Fee(JUMINHYO, 250, date(2017, 1, 1), date(2017, 2, 1)),
                NEW,
            ),
            1,
        ),
    ],
)
def test_two_fees_of_one_day_are_found(fees: tuple[Fee, ...], expected: int) -> None:
    assert expected == len(overlaps(fees))
