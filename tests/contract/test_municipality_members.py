"""世帯の一部 at the municipality: the kiosk learns roles alone, and gets exactly whom it named."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from firmware.core.terms import Certainty, CertificateKind, OrderId, RecordItem, Refusal, Subjects
from firmware.errors import MunicipalityAnswerInvalid, MunicipalityDown
from firmware.municipality.client import HttpsMunicipality
from firmware.ports import Authenticated, OrderRequest
from tests.contract.test_municipality import (
    ORDER,
    Place,
    opened,
    pki,
    place,
    refusal_of,
    states,
    unseal,
    wanted,
)
from tests.municipality import contents
from tests.municipality.records import Entry
from tests.municipality.register import load_people

__all__ = ["pki", "place"]  # the fixtures

FIVE = "shiken_taro"
Answer = dict[str, Any]


def some(*members: int, **changes: Any) -> OrderRequest:
    fields: dict[str, Any] = {"subjects": Subjects.MEMBERS, "members": members}
    return replace(wanted(), **(fields | changes))


async def admitted(
    kiosk: HttpsMunicipality, place: Place, kem: X25519PrivateKey
) -> tuple[str, Authenticated]:
    session, card = await opened(kiosk, kem), place.card(FIVE)
    person = await kiosk.authenticate(session.session_id, card.certificate_der, card.sign(session.message))
    return session.session_id, person


async def in_register(place: Place, statement: str, *values: object) -> None:
    await place.server.store.transact(lambda c: c.execute(statement, values))


async def test_the_kiosk_is_told_roles_and_not_a_name_or_a_date(place: Place) -> None:
    kiosk, bodies = place.kiosk(), list[bytes]()

    def kept(body: bytes) -> bytes:
        bodies.append(body)
        return body

    place.server.alter_next("*/authenticate", kept)
    _, person = await admitted(kiosk, place, X25519PrivateKey.generate())

    told = [(one.number, one.role.value, one.position) for one in person.offers[0].members]
    assert [(1, "self", 0), (2, "spouse", 0), (3, "child", 1), (4, "child", 2), (5, "parent", 0)] == told
    assert not any(offer.members for offer in person.offers[1:])
    household = next(home for home in load_people(place.clock().date()).household if home.id == "shiken")
    for who in household.resident:
        for word in (who.name, *who.name.split("\u3000"), who.kana or who.name, who.relation, who.id):
            assert word.encode() not in bodies[0]
            assert json.dumps(word)[1:-1].encode() not in bodies[0]
        for day in (f"{who.birth_date}", f"{who.birth_date:%Y%m%d}", f"{who.birth_date.year}"):
            assert day.encode() not in bodies[0]


@pytest.mark.parametrize(
    ("members", "expected"),
    [((1, 3), ["太朗", "一子"]), ((4,), ["二朗"]), ((2, 3, 4, 5), ["花代", "一子", "二朗", "うめ"])],
    ids=["one and three", "somebody else alone", "all but oneself"],
)
async def test_the_sealed_record_has_exactly_the_named_in_the_order_of_the_register(
    place: Place, members: tuple[int, ...], expected: list[str]
) -> None:
    kiosk, kem = place.kiosk(), X25519PrivateKey.generate()
    session_id, person = await admitted(kiosk, place, kem)
    request = some(*members, items=frozenset({RecordItem.HEAD_AND_RELATION}))
    first, again = [await kiosk.reserve(session_id, request) for _ in range(2)]
    assert first == again, "asked twice, reserved once"

    numbers = ",".join(map(str, members))
    with pytest.raises(InvalidTag):
        unseal(first.sealed, b"madoguchi-contents-v1", kem, ORDER, session_id)
    sealed = unseal(first.sealed, b"madoguchi-contents-v1", kem, ORDER, session_id, members=numbers)
    assert list(members) == sealed["members"]
    assert sealed["document"]["whole_household"] is False
    assert expected == [one["name"].split("\u3000")[1] for one in sealed["document"]["persons"]]

    await kiosk.release(ORDER, 300)
    await kiosk.report_result(ORDER, Certainty.DONE, 2)
    await kiosk.end_session(session_id)
    key = X25519PrivateKey.generate()
    refetched = await kiosk.reprint(ORDER, 1, key.public_key().public_bytes_raw())
    assert request == refetched.request
    assert sealed == unseal(
        refetched.sealed, b"madoguchi-contents-v1", key, ORDER, session_id, members=numbers
    )
    unseal(refetched.authority, b"madoguchi-authority-v1", key, ORDER, session_id, members=numbers)
    assert person.person_ref == refetched.person_ref


@pytest.mark.parametrize(
    "request_",
    [
        some(1, 2, 3, 4, 5),
        some(6),
        some(3, 1),
        some(3, 3),
        some(),
        some(1, subjects=Subjects.SELF),
        some(1, subjects=Subjects.HOUSEHOLD),
        some(1, kind=CertificateKind.INKAN),
    ],
    ids=["everybody", "nobody", "turned", "twice", "none", "self", "household", "seal"],
)
async def test_numbers_that_are_not_some_of_the_household_are_not_offered(
    place: Place, request_: OrderRequest
) -> None:
    kiosk = place.kiosk()
    session_id, _ = await admitted(kiosk, place, X25519PrivateKey.generate())
    with pytest.raises(MunicipalityDown, match="not_offered"):
        await kiosk.reserve(session_id, request_)
    assert [] == await states(place)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE standing SET support_measure = 1 WHERE resident = 'shiken_hanayo'",
        "UPDATE standing SET deceased = 1 WHERE resident = 'shiken_hanayo'",
        "UPDATE resident SET household = 'mihon' WHERE id = 'shiken_hanayo'",
        "UPDATE resident SET position = 9 WHERE id = 'shiken_hanayo'",
    ],
    ids=["protected", "died", "moved", "order"],
)
async def test_a_household_that_changed_since_it_was_numbered_is_not_issued_by_those_numbers(
    place: Place, statement: str
) -> None:
    """Number 3 must never come to mean number 4."""
    kiosk = place.kiosk()
    session_id, _ = await admitted(kiosk, place, X25519PrivateKey.generate())
    await in_register(place, statement)
    with pytest.raises(MunicipalityDown, match="not_offered"):
        await kiosk.reserve(session_id, some(3))
    assert [] == await states(place)


async def test_numbers_of_an_ended_session_mean_nobody(place: Place) -> None:
    kiosk, kem = place.kiosk(), X25519PrivateKey.generate()
    session_id, _ = await admitted(kiosk, place, kem)
    await kiosk.end_session(session_id)
    with pytest.raises(MunicipalityDown, match="session_unknown"):
        await kiosk.reserve(session_id, some(3))
    rows = await place.server.store.transact(lambda c: c.execute("SELECT members FROM session").fetchall())
    assert [None] == [row["members"] for row in rows]


async def test_a_page_with_another_member_than_named_is_never_sealed_and_stops_the_municipality(
    place: Place,
) -> None:
    kiosk = place.kiosk()
    session_id, _ = await admitted(kiosk, place, X25519PrivateKey.generate())
    built = contents._document

    def swapped(entry: Entry, ordered: contents.Wanted) -> Answer:
        other = frozenset({"shiken_jiro"}) if ordered.members else ordered.members
        return built(entry, replace(ordered, members=other))

    with patch.object(contents, "_document", swapped):
        assert Refusal.MAINTENANCE is await refusal_of(kiosk.reserve(session_id, some(3)))
    second = OrderId("0123456789abcdef0123456789abcdef-2")
    assert Refusal.MAINTENANCE is await refusal_of(kiosk.reserve(session_id, some(3, order_id=second)))
    assert [] == await states(place)


def with_members(members: Sequence[tuple[int, str, int]], **changes: Any) -> Callable[[bytes], bytes]:
    told = [{"number": number, "role": role, "position": nth} for number, role, nth in members]

    def change(body: bytes) -> bytes:
        answer = json.loads(body)
        answer["offers"][0] |= {"members": told} | changes
        return json.dumps(answer).encode()

    return change


ME = (1, "self", 0)


@pytest.mark.parametrize(
    "change",
    [
        with_members([ME]),
        with_members([(1, "head", 0), (2, "child", 0)]),
        with_members([ME, (2, "self", 0)]),
        with_members([ME, (1, "child", 0)]),
        with_members([(2, "self", 0), (1, "child", 0)]),
        with_members([ME, (2, "child", 1), (3, "child", 1)]),
        with_members([ME, (2, "child", 0)], household=False),
        with_members([ME, (2, "child", 0)], kind="shotoku"),
    ],
    ids=["alone", "without-me", "two-of-me", "twice", "turned", "alike", "not-all", "of-tax"],
)
async def test_members_that_cannot_be_told_apart_or_had_together_are_no_answer(
    place: Place, change: Callable[[bytes], bytes]
) -> None:
    kiosk = place.kiosk()
    place.server.alter_next("*/authenticate", change)
    with pytest.raises(MunicipalityAnswerInvalid, match=r"^authenticate: (members|offers)$"):
        await admitted(kiosk, place, X25519PrivateKey.generate())


async def test_a_role_of_no_list_or_a_name_beside_it_is_refused(place: Place) -> None:
    kiosk = place.kiosk()
    for change, named in (
        (with_members([ME, (2, "太朗", 0)]), r"offers\.0\.members\.1\.role"),
        (with_members([ME, (2, "child", -1)]), r"offers\.0\.members\.1\.position"),
        (with_members([ME, (0, "child", 0)]), r"offers\.0\.members\.1\.number"),
        (with_members([(n, "other", n) for n in range(1, 47)]), r"offers\.0\.members"),
    ):
        place.server.alter_next("*/authenticate", change)
        with pytest.raises(MunicipalityAnswerInvalid, match=f"^authenticate: {named}$") as caught:
            await admitted(kiosk, place, X25519PrivateKey.generate())
        assert "太朗" not in str(caught.value)
