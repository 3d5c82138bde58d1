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


def test_a_character_beyond_the_bmp_counts_once() -> None:
    check_limits(document(name="𠮷" * LIMITS["name"]), LIMITS)
