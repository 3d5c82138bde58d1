"""What stands in a certificate: plain JSON from one entry of the register. Nothing is laid out here."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, assert_never

from tests.municipality.eligibility import members
from tests.municipality.records import Entry
from tests.municipality.register import City, Kind, Resident
from tests.municipality.wire import b64u


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the kiosk ordered. members: ids of those of the household whom it named; empty: the person."""

    kind: Kind
    whole_household: bool
    items: frozenset[str]
    copies: int
    members: frozenset[str] = frozenset()


def certificate(entry: Entry, wanted: Wanted, city: City, number: str, issued_on: date) -> dict[str, Any]:
    """The contents without the names of order, session, kiosk and person, which the order adds."""
    return {
        "kind": wanted.kind,
        "copies": wanted.copies,
        "number": number,
        "issued_on": issued_on.isoformat(),
        "municipality": {"name": city.name, "prefecture": city.prefecture, "mayor": city.mayor},
        "document": _document(entry, wanted),
    }


def _document(entry: Entry, wanted: Wanted) -> dict[str, Any]:
    match wanted.kind:
        case "juminhyo":
            return _juminhyo(entry, wanted)
        case "inkan":
            return _inkan(entry)
        case "shotoku":
            return _shotoku(entry)
        case _:
            assert_never(wanted.kind)


def _juminhyo(entry: Entry, wanted: Wanted) -> dict[str, Any]:
    named = wanted.members or {entry.resident.id}
    shown = [who for who in members(entry.household) if wanted.whole_household or who.id in named]
    with_relation = "head_and_relation" in wanted.items
    return {
        "address": entry.household.address,
        "head": entry.household.head_name if with_relation else None,
        "whole_household": wanted.whole_household,
        "persons": [_person(who, wanted.items) for who in shown],
    }


def _person(who: Resident, items: frozenset[str]) -> dict[str, Any]:
    with_domicile = "registered_domicile" in items
    return {
        "name": who.name,
        "kana": who.kana or "",
        "birth_date": who.birth_date.isoformat(),
        "sex": who.sex,
        "relation": who.relation if "head_and_relation" in items else None,
        "resident_since": _iso(who.resident_since),
        "address_since": _iso(who.address_since),
        "notified_on": _iso(who.notified_on),
        "previous_address": who.previous_address,
        "domicile": who.domicile if with_domicile else None,
        "family_head": who.family_head if with_domicile else None,
        "alias": who.alias,
        "former_name": who.former_name,
        "nationality": who.nationality,
        "article_30_45": who.article_30_45,
        "residence_status": who.residence_status,
        "residence_period": who.residence_period,
        "residence_expiry": _iso(who.residence_expiry),
        "my_number": who.my_number if "my_number" in items else None,
        "former_name_kana": who.former_name_kana,
        "residence_card_number": who.residence_card_number,
    }


def _inkan(entry: Entry) -> dict[str, Any]:
    if entry.seal_png is None:
        raise ValueError("a seal certificate without a seal")
    return {
        "name": entry.resident.name,
        "kana": entry.resident.kana,
        "alias": entry.resident.alias,
        "former_name": entry.resident.former_name,
        "katakana_name": entry.resident.katakana_name,
        "birth_date": entry.resident.birth_date.isoformat(),
        "address": entry.household.address,
        "seal": b64u(entry.seal_png),
    }


def _shotoku(entry: Entry) -> dict[str, Any]:
    tax = entry.resident.tax
    if tax is None:
        raise ValueError("a tax certificate without a record")
    return {
        "fiscal_year": entry.fiscal_year,
        "income_year": entry.fiscal_year - 1,
        "name": entry.resident.name,
        "birth_date": entry.resident.birth_date.isoformat(),
        "address": entry.household.address,
        "address_on_january_1": tax.address_on_january_1 or entry.household.address,
        "income": _lines(tax.income, "yen"),
        "deductions": _lines(tax.deductions, "yen"),
        "tax": _lines(tax.tax, "yen"),
        "dependants": _lines(tax.dependants, "count"),
    }


def _lines(lines: Sequence[tuple[str, int]], unit: str) -> list[dict[str, Any]]:
    return [{"label": label, unit: number} for label, number in lines]


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
