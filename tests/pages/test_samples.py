"""The people on the pages that somebody approves, and those of the reference register, could be alive."""

import re
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from tests.municipality.register import load_people
from tests.pages.gallery import PAGES

KATAKANA = re.compile(r"[ァ-ヶー・　]+")
DATES = ("resident_since", "address_since", "notified_on")


def persons() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, page in PAGES.items():
        yield from ((name, person) for person in page.document.get("persons", [page.document]))
    for _, resident in load_people(date(2026, 11, 22)).residents():
        known = {each: getattr(resident, each) for each in ("name", "kana", "former_name_kana", *DATES)}
        days = {each: str(day) for each, day in known.items() if isinstance(day, date)}
        yield resident.id, known | days | {"birth_date": str(resident.birth_date)}


def amounts() -> Iterator[tuple[str, dict[str, int]]]:
    for name, page in PAGES.items():
        if name == "shotoku-typical":
            yield name, {line["label"]: line["yen"] for line in page.document["tax"]}
    for _, resident in load_people(date(2026, 11, 22)).residents():
        if resident.tax is not None:
            yield resident.id, dict(resident.tax.tax)


def test_nobody_became_a_resident_before_birth() -> None:
    early = [
        (where, each)
        for where, person in persons()
        for each in DATES
        if person.get(each) is not None and person[each] < person["birth_date"]
    ]
    assert [] == early


def test_names_are_read_in_katakana_as_the_register_has_them_since_2025() -> None:
    kana = [person.get(each) for _, person in persons() for each in ("kana", "former_name_kana")]
    assert [] == [each for each in kana if each and not KATAKANA.fullmatch(each)]
    assert sum(map(bool, kana)) > 20


@pytest.mark.parametrize("place", ["市民税", "県民税"])
def test_income_levies_are_cut_to_100_yen_and_add_up(place: str) -> None:
    checked = 0
    for where, lines in amounts():
        assert 0 == lines.get(f"{place}所得割額", 0) % 100, where
        if "年税額" in lines:
            parts = [yen for label, yen in lines.items() if re.match("[市県]民税|森林環境税", label)]
            assert sum(parts) == lines["年税額"], where
            checked += 1
    assert checked > 1
