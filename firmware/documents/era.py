"""Dates as municipal forms write them (和暦), in full-width digits.

Source: 元号を改める政令 of 1912, 1926, 1989 and 2019; 太政官布告第337号 of 1872 (solar calendar).
"""

from datetime import date

from firmware.documents.refusals import DocumentRefused, Reason

_ERAS = (
    ("令和", date(2019, 5, 1)),
    ("平成", date(1989, 1, 8)),
    ("昭和", date(1926, 12, 25)),
    ("大正", date(1912, 7, 30)),
    ("明治", date(1873, 1, 1)),  # before this day Japan counted by the moon
)
_MEIJI_1 = 1868
_FULL_WIDTH = str.maketrans("0123456789", "０１２３４５６７８９")


def era_year(day: date) -> str:
    """The year of the era that the day lies in: 令和８年, 令和元年.

    Raises DocumentRefused before 1 January 1873 (明治６年), the first day of today's calendar.
    """
    for name, first_day in _ERAS:
        if day >= first_day:
            year = day.year - (_MEIJI_1 if name == "明治" else first_day.year) + 1
            return f"{name}{'元' if year == 1 else full_width(year)}年"
    raise DocumentRefused(Reason.DATE_UNWRITABLE)


def era_date(day: date) -> str:
    """A whole date: 令和８年１１月２２日. Raises DocumentRefused as `era_year`."""
    return f"{era_year(day)}{full_width(day.month)}月{full_width(day.day)}日"


def western_date(day: date) -> str:
    """A whole date without era, as the records of foreign residents write it: １９８０年１２月３１日."""
    return f"{full_width(day.year)}年{full_width(day.month)}月{full_width(day.day)}日"


def full_width(number: int) -> str:
    return str(number).translate(_FULL_WIDTH)
