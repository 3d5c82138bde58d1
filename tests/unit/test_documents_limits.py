"""R14: a field at its limit passes, one character more is refused, and the refusal names no value."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from firmware.documents.contents import Juminhyo, Person
from firmware.documents.limits import FIELDS, check_limits
from firmware.documents.refusals import DocumentRefused, Reason
from firmware.settings import load

LIMITS = load(Path(__file__).parents[2] / "config" / "kiosk.toml").character_limits
HOUSEHOLD = {"address", "head"}


def document(**fields: str) -> Juminhyo:
    person: dict[str, Any] = dict.fromkeys(Person.__struct_fields__)
    person |= {"name": "見本", "kana": "みほん", "birth_date": "1990-01-01", "sex": "女"}
    person |= {name: text for name, text in fields.items() if name not in HOUSEHOLD}
    whole = {"address": "見本町一番地", "head": None, "whole_household": False, "persons": [person]}
    whole |= {name: text for name, text in fields.items() if name in HOUSEHOLD}
    return msgspec.convert(whole, Juminhyo)


def test_the_shipped_profile_limits_every_field_of_r14() -> None:
    assert FIELDS == LIMITS.keys()


@pytest.mark.parametrize("field", sorted(FIELDS))
def test_a_field_at_its_limit_passes(field: str) -> None:
    check_limits(document(**{field: "渋" * LIMITS[field]}), LIMITS)


@pytest.mark.parametrize("field", sorted(FIELDS))
def test_one_character_more_is_refused_without_telling_it(field: str) -> None:
    with pytest.raises(DocumentRefused, match=field) as refused:
        check_limits(document(**{field: "渋" * (LIMITS[field] + 1)}), LIMITS)
    assert Reason.OVERFLOW is refused.value.reason
    assert "渋" not in str(refused.value)


@pytest.mark.parametrize("one", ["𠮷", "邊\U000e0109", "か\u309a", "e\u0323\u0302", "𠮷\U000e0101"])
def test_what_the_reader_sees_as_one_character_counts_once(one: str) -> None:
    check_limits(document(name=one * LIMITS["name"]), LIMITS)
    with pytest.raises(DocumentRefused, match="name has more than 58"):
        check_limits(document(name=one * (LIMITS["name"] + 1)), LIMITS)


@pytest.mark.parametrize("field", ["kana", "former_name", "sex"])
def test_no_text_of_a_record_is_without_any_limit(field: str) -> None:
    check_limits(document(**{field: "カ" * 200}), LIMITS)
    with pytest.raises(DocumentRefused, match=field):
        check_limits(document(**{field: "カ" * 201}), LIMITS)


def test_marks_without_end_over_one_letter_are_no_name() -> None:
    with pytest.raises(DocumentRefused, match="name"):
        check_limits(document(name="e" + "\u0301" * 10_000), LIMITS)
