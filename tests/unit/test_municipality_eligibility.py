"""Who may have what: the reference backend's rules as tables (R1, R4-R7, R14)."""

from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest

from tests.municipality.eligibility import (
    age,
    assess,
    characters,
    choosable,
    fields_over_limit,
    is_stale,
    members,
    private_refusal,
    refusal,
    tax_year,
)
from tests.municipality.register import KINDS, Household, Resident, Tax, load_city, load_people

TODAY = date(2026, 11, 22)
CITY = load_city()
NOBODY = Resident(
    id="nobody",
    shows="",
    name="見本　一人",
    birth_date=date(1984, 5, 17),
    sex="女",
    relation="世帯主",
    resident_since=date(2012, 4, 1),
    address_since=date(2012, 4, 1),
    seal=True,
    tax=Tax((), (), (), ()),
)


def living_alone(**changes: object) -> tuple[Household, Resident]:
    resident = msgspec.structs.replace(NOBODY, **changes)
    return Household("h", "群馬県渋川市見本町１番地", (resident,)), resident


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, None),
        ({"deceased": True}, "deceased"),
        ({"moved_out": True}, "moved_out"),
        ({"support_measure": True}, "support_measure"),
        ({"move_out_planned": True}, "move_out_planned"),
        ({"notified_on": TODAY}, "moved_in_today"),
        ({"notified_on": TODAY - timedelta(days=1)}, None),
        ({"gaiji_pending": True}, "gaiji_pending"),
        ({"name": "字" * 58}, None),
        ({"name": "字" * 59}, "over_char_limit"),
        ({"deceased": True, "support_measure": True, "gaiji_pending": True}, "deceased"),
    ],
)
def test_the_gravest_private_reason_refuses(changes: dict[str, object], expected: str | None) -> None:
    household, resident = living_alone(**changes)
    assert expected == private_refusal(household, resident, CITY, TODAY)


@pytest.mark.parametrize(
    ("kind", "changes", "expected"),
    [
        ("juminhyo", {"seal": False, "tax": None}, None),
        ("inkan", {"seal": False}, "seal_not_registered"),
        ("shotoku", {"tax": None}, "no_tax_record"),
        ("inkan", {"seal": False, "gaiji_pending": True}, "gaiji_pending"),
        ("juminhyo", {"birth_date": date(2011, 11, 22)}, None),
        ("juminhyo", {"birth_date": date(2011, 11, 23)}, "under_15"),
        ("inkan", {"birth_date": date(2011, 11, 23), "seal": False}, "under_15"),
    ],
)
def test_each_kind_has_its_own_condition(kind: str, changes: dict[str, object], expected: str | None) -> None:
    household, resident = living_alone(**changes)
    (asked,) = (known for known in KINDS if known == kind)
    assert expected == refusal(asked, household, resident, CITY, TODAY)


@pytest.mark.parametrize(
    ("born", "today", "expected"),
    [
        (date(2011, 11, 22), date(2026, 11, 21), 14),
        (date(2011, 11, 22), date(2026, 11, 22), 15),
        (date(2012, 2, 29), date(2027, 2, 28), 14),
        (date(2012, 2, 29), date(2027, 3, 1), 15),
        (date(2012, 2, 29), date(2028, 2, 29), 16),
    ],
)
def test_age_turns_on_the_birthday(born: date, today: date, expected: int) -> None:
    assert expected == age(born, today)


@pytest.mark.parametrize("name", sorted(set(CITY.limits) - {"address", "head"}))
def test_a_field_at_its_limit_passes_and_one_character_more_does_not(name: str) -> None:
    household, resident = living_alone(**{name: "字" * CITY.limits[name]})
    assert [] == fields_over_limit(household, resident, CITY.limits)
    household, resident = living_alone(**{name: "字" * (CITY.limits[name] + 1)})
    assert [name] == fields_over_limit(household, resident, CITY.limits)


@pytest.mark.parametrize("name", ["address", "head"])
def test_address_and_head_of_the_household_have_limits_too(name: str) -> None:
    household, resident = living_alone()
    at_limit = msgspec.structs.replace(household, **{name: "字" * CITY.limits[name]})
    over = msgspec.structs.replace(household, **{name: "字" * (CITY.limits[name] + 1)})
    assert ([], [name]) == (
        fields_over_limit(at_limit, resident, CITY.limits),
        fields_over_limit(over, resident, CITY.limits),
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 0),
        ("𠮷", 1),
        ("邊\U000e0109", 1),
        ("葛\ufe00城", 2),
        ("がき", 2),
        ("か\u309aき", 2),
        ("e\u0323\u0302", 1),
    ],
)
def test_a_mark_or_variation_selector_is_no_character_of_its_own(text: str, expected: int) -> None:
    assert expected == characters(text)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"birth_date": date(2020, 1, 1)}, True),
        ({"deceased": True}, True),
        ({"moved_out": True}, True),
        ({"support_measure": True}, False),
        ({"move_out_planned": True}, False),
        ({"gaiji_pending": True}, False),
        ({"name": "字" * 59}, False),
    ],
)
def test_the_household_is_not_offered_while_a_member_must_go_to_a_counter(
    changes: dict[str, object], expected: bool
) -> None:
    member = msgspec.structs.replace(NOBODY, id="member", **changes)
    household = Household("h", "群馬県渋川市見本町１番地", (NOBODY, member))

    offers = assess(household, NOBODY, CITY, TODAY).offers
    assert [expected, False, False] == [offer.household for offer in offers]
    gone = changes.keys() & {"deceased", "moved_out"}
    assert (1 if gone else 2) == len(members(household))


def family(*relations: str) -> Household:
    """People with these 続柄 to the first, each a year older than the one before."""
    people = (
        msgspec.structs.replace(NOBODY, id=f"m{at}", relation=relation, birth_date=date(2000 - at, 5, 17))
        for at, relation in enumerate(relations)
    )
    return Household("h", "群馬県渋川市見本町１番地", tuple(people))


@pytest.mark.parametrize(
    ("relations", "asks", "expected"),
    [
        (
            ("世帯主", "妻", "子", "子", "母"),
            0,
            [("self", 0), ("spouse", 0), ("child", 2), ("child", 1), ("parent", 0)],
        ),
        (("世帯主", "子", "子"), 2, [("head", 0), ("child", 2), ("self", 0)]),
        (
            ("世帯主", "夫（未届）", "子の子", "妹", "兄"),
            0,
            [("self", 0), ("spouse", 0), ("grandchild", 0), ("sibling", 2), ("sibling", 1)],
        ),
        (
            ("世帯主", "妻の母", "妻の父", "子の妻", "縁故者"),
            0,
            [("self", 0), ("spouse_parent", 2), ("spouse_parent", 1), ("child_spouse", 0), ("other", 0)],
        ),
    ],
)
def test_members_are_told_by_role_and_age_in_the_order_of_the_register(
    relations: tuple[str, ...], asks: int, expected: list[tuple[str, int]]
) -> None:
    household = family(*relations)
    offered = choosable(household, household.resident[asks], CITY, TODAY)
    assert expected == [(member.role, member.position) for member in offered]
    assert list(range(1, len(relations) + 1)) == [member.number for member in offered]
    assert [who.id for who in household.resident] == [member.resident for member in offered]


@pytest.mark.parametrize(
    "changes",
    [{"support_measure": True}, {"move_out_planned": True}, {"gaiji_pending": True}, {"name": "字" * 59}],
    ids=lambda changes: next(iter(changes)),
)
def test_while_one_must_go_to_a_counter_nobody_can_be_chosen_so_that_no_gap_tells_who(
    changes: dict[str, object],
) -> None:
    """Every reason of R7 looks the same, and like a household of too many."""
    first, second, third = family("世帯主", "妻", "子").resident
    household = Household("h", "群馬県", (first, msgspec.structs.replace(second, **changes), third))
    assert () == choosable(household, first, CITY, TODAY)
    assert () == choosable(family("世帯主", *["子"] * 45), first, CITY, TODAY)


def test_who_has_died_or_moved_away_is_no_member_and_leaves_no_gap() -> None:
    first, second, third = family("世帯主", "妻", "子").resident
    for gone in ({"deceased": True}, {"moved_out": True}):
        left = Household("h", "群馬県", (first, msgspec.structs.replace(second, **gone), third))
        assert [1, 2] == [member.number for member in choosable(left, first, CITY, TODAY)]
        alone = Household("h", "群馬県", (first, msgspec.structs.replace(second, **gone)))
        assert () == choosable(alone, first, CITY, TODAY)


@pytest.mark.parametrize(
    ("today", "expected"),
    [
        (date(2026, 5, 31), 2025),
        (date(2026, 6, 1), 2026),
        (date(2026, 12, 31), 2026),
        (date(2027, 1, 1), 2026),
    ],
)
def test_the_tax_year_turns_in_june(today: date, expected: int) -> None:
    assert expected == tax_year(today, CITY.tax_year_begins_month)


@pytest.mark.parametrize(("seconds", "expected"), [(0, False), (900, False), (900.1, True)])
def test_a_copy_of_the_register_grows_stale(seconds: float, expected: bool) -> None:
    as_of = datetime(2026, 11, 22, tzinfo=UTC)
    assert expected == is_stale(as_of, as_of + timedelta(seconds=seconds), 900)


def test_every_invented_person_is_decided_for_every_kind() -> None:
    for household, resident in load_people(TODAY).residents():
        assessment = assess(household, resident, CITY, TODAY)
        decided = [offer.kind for offer in assessment.offers] + [kind for kind, _ in assessment.refusals]
        assert sorted(KINDS) == sorted(decided)


def test_somebody_has_every_limited_field_exactly_at_its_limit() -> None:
    household, resident = next(
        (home, who) for home, who in load_people(TODAY).residents() if who.id == "saidai_moji"
    )
    shown = msgspec.structs.asdict(resident) | {"address": household.address, "head": household.head_name}
    assert CITY.limits == {name: characters(shown[name]) for name in CITY.limits}
