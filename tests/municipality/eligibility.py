"""Who may have what (R1, R4-R7, R14): pure functions of the register, the city's rules and the day.

Refusals are words of the protocol. A private reason refuses every kind alike, so that the list of
offers tells a bystander nothing.
"""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

from tests.municipality.calendar import fee_yen, kind_closed
from tests.municipality.register import KINDS, MOST_MEMBERS, City, Household, Kind, Resident

_ROLES = {
    "spouse": ("夫", "妻", "夫（未届）", "妻（未届）"),
    "child": ("子",),
    "parent": ("父", "母"),
    "grandchild": ("子の子",),
    "sibling": ("兄", "弟", "姉", "妹"),
    "spouse_parent": ("夫の父", "夫の母", "妻の父", "妻の母"),
    "child_spouse": ("子の夫", "子の妻"),
    "head": ("世帯主",),
}
"""続柄 as the register has them; whatever else there is, is `other`."""


@dataclass(frozen=True, slots=True)
class Member:
    """A member of the household who can be chosen singly; the kiosk learns number, role and position.

    position: among those with the same 続柄 by kind, from the eldest; 0 where nobody else has it.
    """

    resident: str
    number: int
    role: str
    position: int


@dataclass(frozen=True, slots=True)
class Offer:
    """A certificate the person may have; household: 世帯全員 too; members: 世帯の一部, of these."""

    kind: Kind
    fee_yen: int
    max_copies: int
    household: bool
    members: tuple[Member, ...] = ()


@dataclass(frozen=True, slots=True)
class Assessment:
    """What a person may have and why not the rest; every kind stands in exactly one of the two."""

    offers: tuple[Offer, ...]
    refusals: tuple[tuple[Kind, str], ...]


def assess(household: Household, resident: Resident, city: City, today: date) -> Assessment:
    """All kinds decided for one resident on one day in Japan."""
    private = private_refusal(household, resident, city, today)
    refusals = {kind: private or _of_kind(kind, resident, city, today) for kind in KINDS}
    return Assessment(
        offers=tuple(
            Offer(
                kind,
                fee_yen(city, kind, today),
                city.max_copies,
                household=kind == "juminhyo" and household_can_be_shown(household, city, today),
                members=choosable(household, resident, city, today) if kind == "juminhyo" else (),
            )
            for kind, code in refusals.items()
            if code is None
        ),
        refusals=tuple((kind, code) for kind, code in refusals.items() if code is not None),
    )


def refuse_all(code: str) -> Assessment:
    """Nothing can be had, for one reason."""
    return Assessment((), tuple((kind, code) for kind in KINDS))


def refusal(kind: Kind, household: Household, resident: Resident, city: City, today: date) -> str | None:
    """Why this kind is refused to the resident, or None."""
    return private_refusal(household, resident, city, today) or _of_kind(kind, resident, city, today)


def _of_kind(kind: Kind, resident: Resident, city: City, today: date) -> str | None:
    """The reasons that keep nothing of a person's life secret, or None."""
    code = None
    if kind_closed(city, kind, today):
        code = "maintenance"
    if code is None and age(resident.birth_date, today) < city.minimum_age:
        code = "under_15"
    if code is None and kind == "inkan" and not resident.seal:
        code = "seal_not_registered"
    if code is None and kind == "shotoku" and resident.tax is None:
        code = "no_tax_record"
    return code


def private_refusal(household: Household, resident: Resident, city: City, today: date) -> str | None:
    """The reasons of R7, the gravest first, or None."""
    reasons = (
        ("deceased", resident.deceased),
        ("moved_out", resident.moved_out),
        ("support_measure", resident.support_measure),
        ("move_out_planned", resident.move_out_planned),
        ("moved_in_today", resident.notified_on == today),
        ("gaiji_pending", resident.gaiji_pending),
        ("over_char_limit", bool(fields_over_limit(household, resident, city.limits))),
    )
    return next((code for code, holds in reasons if holds), None)


def members(household: Household) -> tuple[Resident, ...]:
    """Those who still live there: 消除者 are never shown."""
    return tuple(who for who in household.resident if not (who.deceased or who.moved_out))


def household_can_be_shown(household: Household, city: City, today: date) -> bool:
    """Whether 世帯全員 may be issued: no member is one whom R7 sends to a counter."""
    return all(private_refusal(household, who, city, today) is None for who in members(household))


def choosable(household: Household, resident: Resident, city: City, today: date) -> tuple[Member, ...]:
    """Who can be chosen singly, the resident as `self`: all who live there, or nobody.

    While R7 sends one of them to a counter nobody can: a list with a gap would tell which one it is.
    """
    there = members(household)
    if not 2 <= len(there) <= MOST_MEMBERS or not household_can_be_shown(household, city, today):
        return ()
    alike: dict[str, list[Resident]] = {}
    for who in sorted(there, key=lambda one: one.birth_date):
        alike.setdefault(role(who.relation), []).append(who)
    return tuple(
        Member(who.id, number, "self", 0)
        if who.id == resident.id
        else Member(who.id, number, role(who.relation), _place(who, alike[role(who.relation)]))
        for number, who in enumerate(there, start=1)
    )


def role(relation: str) -> str:
    """The 続柄 by kind."""
    return next((word for word, relations in _ROLES.items() if relation in relations), "other")


def _place(who: Resident, alike: list[Resident]) -> int:
    return alike.index(who) + 1 if len(alike) > 1 else 0


def age(birth_date: date, today: date) -> int:
    """Full years; who is born on 29 February is a year older on 1 March of other years."""
    before_birthday = (today.month, today.day) < (birth_date.month, birth_date.day)
    return today.year - birth_date.year - before_birthday


def characters(text: str) -> int:
    """Length as a reader counts: marks and variation selectors belong to the character before them."""
    return len(text[:1]) + sum(unicodedata.category(point)[0] != "M" for point in text[1:])


def fields_over_limit(household: Household, resident: Resident, limits: dict[str, int]) -> list[str]:
    """Names of the fields longer than their limit (R14)."""
    return [name for name, text in _limited_fields(household, resident) if _is_longer(text, limits[name])]


def _is_longer(text: str, limit: int) -> bool:
    return len(text) > limit and characters(text) > limit


def tax_year(today: date, begins_month: int) -> int:
    """The 年度 whose certificate is issued on this day."""
    return today.year if today.month >= begins_month else today.year - 1


def is_stale(as_of: datetime, now: datetime, lag_seconds: int) -> bool:
    """Whether the copy of the register is too old to issue from."""
    return (now - as_of).total_seconds() > lag_seconds


def _limited_fields(household: Household, resident: Resident) -> Iterator[tuple[str, str]]:
    yield "address", household.address
    yield "head", household.head_name
    for name in (
        "name",
        "alias",
        "relation",
        "domicile",
        "family_head",
        "nationality",
        "article_30_45",
        "residence_status",
        "residence_period",
        "previous_address",
    ):
        text = getattr(resident, name)
        if text is not None:
            yield name, text
