"""Dates as municipal forms write them (和暦), in full-width digits.

Source: 元号を改める政令 of 1912, 1926, 1989 and 2019; 太政官布告第337号 of 1872 (solar calendar).
"""

from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from typing import Annotated

import msgspec
from msgspec import Meta

from firmware.documents.refusals import DocumentRefused, Reason

SOLAR_SINCE = date(1873, 1, 1)
"""Before this day Japan counted by the moon: no day of today's calendar has a date of that time."""

_FULL_WIDTH = str.maketrans("0123456789", "０１２３４５６７８９")


class Era(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One 元号. begins: its first day; it ends the day before the next begins."""

    name: Annotated[str, Meta(min_length=1, max_length=4)]
    begins: date


ERAS = (
    Era(name="明治", begins=date(1868, 1, 25)),
    Era(name="大正", begins=date(1912, 7, 30)),
    Era(name="昭和", begins=date(1926, 12, 25)),
    Era(name="平成", begins=date(1989, 1, 8)),
    Era(name="令和", begins=date(2019, 5, 1)),
)


def check_eras(eras: Sequence[Era]) -> None:
    """Raises ValueError for eras out of order, one that stands there twice, and a day before the first."""
    for earlier, later in pairwise(eras):
        if later.begins <= earlier.begins:
            raise ValueError(f"eras: {later.name} does not begin after {earlier.name}")
    if len({era.name for era in eras}) < len(eras):
        raise ValueError("eras: a name stands there twice")
    if not eras or eras[0].begins > SOLAR_SINCE:
        raise ValueError(f"eras: none on {SOLAR_SINCE}, the first day that a certificate can name")


def era_year(day: date, eras: Sequence[Era]) -> str:
    """The year of the era that the day lies in: 令和８年, 令和元年. eras: from the first to today's.

    Raises DocumentRefused before 1 January 1873 (明治６年), the first day of today's calendar.
    """
    era = next((era for era in reversed(eras) if day >= era.begins), None)
    if era is None or day < SOLAR_SINCE:
        raise DocumentRefused(Reason.DATE_UNWRITABLE)
    year = day.year - era.begins.year + 1
    return f"{era.name}{'元' if year == 1 else full_width(year)}年"


def era_date(day: date, eras: Sequence[Era]) -> str:
    """A whole date: 令和８年１１月２２日. Raises DocumentRefused as `era_year`."""
    return f"{era_year(day, eras)}{full_width(day.month)}月{full_width(day.day)}日"


def western_date(day: date) -> str:
    """A whole date without era, as the records of foreign residents write it: １９８０年１２月３１日."""
    return f"{full_width(day.year)}年{full_width(day.month)}月{full_width(day.day)}日"


def full_width(number: int) -> str:
    return str(number).translate(_FULL_WIDTH)
