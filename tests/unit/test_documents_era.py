"""Dates on paper: every change of era, and no date that the calendar of today cannot write."""

from datetime import date

import pytest

from firmware.documents.era import ERAS, Era, check_eras, era_date, era_year, western_date
from firmware.documents.refusals import DocumentRefused, Reason


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (date(2026, 11, 22), "令和８年１１月２２日"),
        (date(2020, 1, 1), "令和２年１月１日"),
        (date(2019, 12, 31), "令和元年１２月３１日"),
        (date(2019, 5, 1), "令和元年５月１日"),
        (date(2019, 4, 30), "平成３１年４月３０日"),
        (date(1990, 1, 1), "平成２年１月１日"),
        (date(1989, 1, 8), "平成元年１月８日"),
        (date(1989, 1, 7), "昭和６４年１月７日"),
        (date(1926, 12, 25), "昭和元年１２月２５日"),
        (date(1926, 12, 24), "大正１５年１２月２４日"),
        (date(1912, 7, 30), "大正元年７月３０日"),
        (date(1912, 7, 29), "明治４５年７月２９日"),
        (date(1873, 1, 1), "明治６年１月１日"),
    ],
)
def test_each_era_ends_the_day_before_the_next_begins(day: date, expected: str) -> None:
    assert expected == era_date(day, ERAS)


def test_a_day_of_the_lunar_calendar_is_refused() -> None:
    with pytest.raises(DocumentRefused) as refused:
        era_date(date(1872, 12, 31), ERAS)
    assert refused.value.reason == Reason.DATE_UNWRITABLE


def test_a_fiscal_year_is_named_by_its_first_of_april() -> None:
    assert era_year(date(2019, 4, 1), ERAS) == "平成３１年"
    assert era_year(date(2026, 4, 1), ERAS) == "令和８年"


def test_foreign_residents_have_their_birth_date_without_era() -> None:
    assert western_date(date(1980, 12, 31)) == "１９８０年１２月３１日"


def test_an_era_of_the_configuration_begins_on_its_day_and_ends_the_one_before() -> None:
    eras = (*ERAS, Era(name="見本", begins=date(2027, 5, 1)))
    check_eras(eras)
    assert "令和９年４月３０日" == era_date(date(2027, 4, 30), eras)
    assert "見本元年５月１日" == era_date(date(2027, 5, 1), eras)
    assert "見本２年１月１日" == era_date(date(2028, 1, 1), eras)


@pytest.mark.parametrize(
    ("eras", "complaint"),
    [
        ((), "none on 1873-01-01"),
        (ERAS[1:], "none on 1873-01-01"),
        ((*ERAS, Era(name="見本", begins=date(2019, 5, 1))), "見本 does not begin after 令和"),
        ((ERAS[0], ERAS[2], ERAS[1], *ERAS[3:]), "大正 does not begin after 昭和"),
        ((*ERAS, Era(name="令和", begins=date(2027, 5, 1))), "twice"),
    ],
)
def test_eras_that_leave_a_day_without_one_or_with_two_are_refused(
    eras: tuple[Era, ...], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        check_eras(eras)
