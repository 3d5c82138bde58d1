"""One issuance: contents of anything but the order are refused, and a seal is exactly a seal."""

from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from firmware.core.terms import CertificateKind, RecordItem, Subjects
from firmware.documents import inkan
from firmware.documents.contents import check_digit
from firmware.documents.frames import Declined, Laid, NotSubmitted, Prepare, Print
from firmware.documents.issue import Issue
from firmware.documents.refusals import Reason
from firmware.documents.settings import DocumentSettings
from tests.pages import samples
from tests.pages.sealing import KIOSK, ORDER, PERSON, SESSION, envelope, sealed_authority, sealed_contents

PRIVATE_KEY = X25519PrivateKey.generate()
PUBLIC_KEY = PRIVATE_KEY.public_key().public_bytes_raw()
DOCUMENTS = {
    "inkan": samples.inkan(),
    "shotoku": samples.shotoku(),
    "juminhyo": samples.juminhyo([samples.person()]),
}


@pytest.fixture
def printed() -> list[str]:
    return []


@pytest.fixture
def issue(printed: list[str]) -> Issue:
    return Issue(
        private_key=PRIVATE_KEY,
        submit=lambda _, job_name: printed.append(job_name),
        settings=DocumentSettings(limits=samples.R14_LIMITS),
    )


def order(sealed: bytes, kind: str = "inkan", **changes: Any) -> Prepare:
    asked: dict[str, Any] = {
        "sealed": sealed,
        "order_id": ORDER,
        "kind": CertificateKind(kind),
        "subjects": Subjects.SELF,
        "items": frozenset(),
        "copies": 1,
        "session_id": SESSION,
        "kiosk": KIOSK,
        "person_ref": PERSON,
    }
    return Prepare(**(asked | changes))


@pytest.mark.parametrize("kind", list(DOCUMENTS))
def test_each_certificate_is_laid_out_for_the_order(issue: Issue, kind: str) -> None:
    sealed = sealed_contents(PUBLIC_KEY, kind, DOCUMENTS[kind], copies=3)
    laid = issue.prepare(order(sealed, kind, copies=3))
    assert isinstance(laid, Laid)
    assert (3, 6) == (laid.sheets, laid.pages)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"person_ref": "person-2"}, Reason.MISMATCH),
        ({"order_id": "order-2"}, Reason.MISMATCH),
        ({"session_id": "session-2"}, Reason.MISMATCH),
        ({"kiosk": "urn:uuid:00000000-0000-4000-8000-000000000002"}, Reason.MISMATCH),
        ({"copies": 2}, Reason.MISMATCH),
        ({"copies": 0}, Reason.MISMATCH),
        ({"kind": "shotoku", "document": samples.shotoku()}, Reason.MISMATCH),
        ({"document": samples.shotoku()}, Reason.CONTENTS_INVALID),
        ({"document": samples.inkan(remarks="")}, Reason.CONTENTS_INVALID),
        ({"document": samples.inkan(birth_date="1980-02-30")}, Reason.CONTENTS_INVALID),
        ({"document": samples.inkan(seal="A+A/")}, Reason.CONTENTS_INVALID),
        ({"document": samples.inkan(seal="A")}, Reason.CONTENTS_INVALID),
        ({"document": samples.inkan(name="")}, Reason.CONTENTS_INVALID),
        ({"number": ""}, Reason.CONTENTS_INVALID),
        ({"v": 2}, Reason.CONTENTS_INVALID),
        ({"extra": 1}, Reason.CONTENTS_INVALID),
        ({"document": samples.inkan(name="渡邊\U000e0100")}, Reason.GLYPH_MISSING),
        ({"document": samples.inkan(name="渋川" * 500)}, Reason.OVERFLOW),
        ({"document": samples.inkan(birth_date="1872-12-31")}, Reason.DATE_UNWRITABLE),
        ({"document": samples.inkan(seal=samples.base64url(samples.png(591, "L")))}, Reason.IMAGE_INVALID),
        ({"document": samples.inkan(seal=samples.base64url(samples.png(700)))}, Reason.IMAGE_INVALID),
        ({"document": samples.inkan(seal=samples.base64url(samples.png(591)[:-40]))}, Reason.IMAGE_INVALID),
        (
            {"document": samples.inkan(seal=samples.base64url(samples.png(591, "1", "GIF")))},
            Reason.IMAGE_INVALID,
        ),
    ],
)
def test_contents_of_something_else_are_refused_before_any_money(
    issue: Issue, changes: dict[str, Any], expected: Reason
) -> None:
    changed = {"kind": "inkan", "document": samples.inkan()} | changes
    sealed = sealed_contents(PUBLIC_KEY, changed.pop("kind"), changed.pop("document"), **changed)
    answer = issue.prepare(order(sealed))
    assert isinstance(answer, Declined)
    assert expected == answer.reason


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("渡邊\U000e0100", Declined(Reason.GLYPH_MISSING, "U+908A/U+E0100")),
        ("김　太郎", Declined(Reason.GLYPH_MISSING, "U+AE40")),
        ("渋川\u202e郎太", Declined(Reason.CHARACTER_INVALID, "U+202E")),
        ("渋川\x00", Declined(Reason.CHARACTER_INVALID, "U+0000")),
        ("渋" + "\u0301" * 8, Declined(Reason.GLYPH_MISSING, "U+6E0B/U+0301/U+0301/U+0301")),
        ("渋" * 59, Declined(Reason.OVERFLOW)),
        ("渋" * 10_000, Declined(Reason.OVERFLOW)),
        ("渋" + "\u0301" * 10_000, Declined(Reason.OVERFLOW)),
        ("シ" * 10_000, Declined(Reason.OVERFLOW)),
    ],
)
def test_a_name_that_cannot_be_printed_is_named_by_its_character_alone(
    issue: Issue, name: str, expected: Declined
) -> None:
    document = samples.inkan(**{"kana" if name[0] == "シ" else "name": name})
    assert expected == issue.prepare(order(sealed_contents(PUBLIC_KEY, "inkan", document)))


@pytest.mark.parametrize("year", [0, -1, 10_000, 1872])
def test_a_year_that_no_form_can_write_is_refused(issue: Issue, year: int) -> None:
    for field in ("fiscal_year", "income_year"):
        sealed = sealed_contents(PUBLIC_KEY, "shotoku", samples.shotoku(**{field: year}))
        assert Declined(Reason.CONTENTS_INVALID) == issue.prepare(order(sealed, "shotoku"))


@pytest.mark.parametrize("foreign", ["order_id", "session_id", "kiosk"])
def test_an_envelope_bound_to_something_else_does_not_open(issue: Issue, foreign: str) -> None:
    sealed = sealed_contents(PUBLIC_KEY, "inkan", samples.inkan())
    assert Declined(Reason.SEALED_INVALID) == issue.prepare(order(sealed, **{foreign: "other"}))


@pytest.mark.parametrize("field", ["key", "nonce", "ciphertext"])
def test_an_envelope_with_one_altered_bit_does_not_open(issue: Issue, field: str) -> None:
    plaintext = msgspec.json.encode(samples.protected(samples.contents("inkan", samples.inkan())))
    spoiled = envelope("madoguchi-contents-v1", PUBLIC_KEY, plaintext)
    first = spoiled[field][0]
    spoiled[field] = ("B" if first != "B" else "C") + spoiled[field][1:]
    assert Declined(Reason.SEALED_INVALID) == issue.prepare(order(msgspec.json.encode(spoiled)))


@pytest.mark.parametrize(
    "change", [{"v": 2}, {"nonce": "AAAA"}, {"nonce": ""}, {"key": "AAAA"}, {"key": "+/=="}, {"more": 1}]
)
def test_an_envelope_of_another_form_does_not_open(issue: Issue, change: dict[str, Any]) -> None:
    spoiled = envelope("madoguchi-contents-v1", PUBLIC_KEY, b"{}") | change
    assert Declined(Reason.SEALED_INVALID) == issue.prepare(order(msgspec.json.encode(spoiled)))


@pytest.mark.parametrize("sealed", [b"", b"{}", b"null", b"\xff\xfe", b'{"v":1', b"[" * 100_000])
def test_bytes_that_are_no_envelope_do_not_open(issue: Issue, sealed: bytes) -> None:
    assert Declined(Reason.SEALED_INVALID) == issue.prepare(order(sealed))


def test_an_authority_is_not_taken_for_contents(issue: Issue) -> None:
    assert Declined(Reason.SEALED_INVALID) == issue.prepare(order(sealed_authority(PUBLIC_KEY)))


@pytest.mark.parametrize(
    ("document", "asked"),
    [
        (samples.juminhyo([samples.person()] * 2), {}),
        (samples.juminhyo([samples.person()] * 2, whole_household=False), {}),
        (samples.juminhyo([samples.person()]), {"subjects": Subjects.HOUSEHOLD}),
        (samples.juminhyo([]), {}),
        (samples.juminhyo([], whole_household=True), {"subjects": Subjects.HOUSEHOLD}),
        (samples.juminhyo([samples.person(relation="子")]), {}),
        (samples.juminhyo([samples.person()], head="渋川　太郎"), {}),
        (samples.juminhyo([samples.person(domicile="渋川市")]), {}),
        (
            samples.juminhyo([samples.person(family_head="渋川")]),
            {"items": frozenset({RecordItem.HEAD_AND_RELATION})},
        ),
        (samples.juminhyo([samples.person(my_number=samples.MY_NUMBER)]), {}),
        (
            samples.juminhyo([samples.person(my_number=samples.MY_NUMBER)]),
            {"items": frozenset(RecordItem) - {RecordItem.MY_NUMBER}},
        ),
    ],
)
def test_a_record_shows_no_person_and_no_item_that_was_not_asked_for(
    issue: Issue, document: dict[str, Any], asked: dict[str, Any]
) -> None:
    sealed = sealed_contents(PUBLIC_KEY, "juminhyo", document)
    assert Declined(Reason.MISMATCH) == issue.prepare(order(sealed, "juminhyo", **asked))


def test_a_page_that_looks_otherwise_than_it_reads_is_refused_before_the_money(
    issue: Issue, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed = sealed_contents(PUBLIC_KEY, "inkan", samples.inkan())
    assert isinstance(issue.prepare(order(sealed, "inkan")), Laid)
    monkeypatch.setattr(inkan, "_imprint", lambda *_: None)
    assert Declined(Reason.PROOF_FAILED) == issue.prepare(order(sealed, "inkan"))


@pytest.mark.parametrize(
    ("missing", "item"),
    [
        ("head", RecordItem.HEAD_AND_RELATION),
        ("relation", RecordItem.HEAD_AND_RELATION),
        ("domicile", RecordItem.REGISTERED_DOMICILE),
        ("family_head", RecordItem.REGISTERED_DOMICILE),
        ("nothing", RecordItem.HEAD_AND_RELATION),
        ("domicile of a foreign national", RecordItem.REGISTERED_DOMICILE),
    ],
)
def test_a_record_without_an_item_that_was_paid_for_is_refused_before_the_money(
    issue: Issue, missing: str, item: RecordItem
) -> None:
    shown: dict[str, str] = (
        {"relation": "本人"}
        if item is RecordItem.HEAD_AND_RELATION
        else {"domicile": "群馬県渋川市石原", "family_head": "渋川　太郎"}
    )
    head = "渋川　太郎" if item is RecordItem.HEAD_AND_RELATION and missing != "head" else None
    person = {key: value for key, value in shown.items() if key != missing}
    if missing == "domicile of a foreign national":
        person = {"nationality": "米国"}
    sealed = sealed_contents(PUBLIC_KEY, "juminhyo", samples.juminhyo([samples.person(**person)], head=head))
    answer = issue.prepare(order(sealed, "juminhyo", items=frozenset({item})))
    whole = missing in {"nothing", "domicile of a foreign national"}
    assert (Declined(Reason.MISMATCH) != answer) == whole


def some(members: tuple[int, ...], **changes: Any) -> dict[str, Any]:
    """An order of these members."""
    return {"subjects": Subjects.MEMBERS, "members": members} | changes


@pytest.mark.parametrize(
    ("ordered", "told_and_bound", "persons", "expected"),
    [
        ((1, 3), ((1, 3), (1, 3)), 2, None),
        ((2,), ((2,), (2,)), 1, None),
        ((1, 3), ((1, 2), (1, 3)), 2, Reason.MISMATCH),
        ((1, 3), ((), (1, 3)), 2, Reason.MISMATCH),
        ((1, 3), ((3, 1), (1, 3)), 2, Reason.MISMATCH),
        ((1, 3), ((1, 3), (1, 3)), 1, Reason.MISMATCH),
        ((1, 3), ((1, 3), (1, 3)), 3, Reason.MISMATCH),
        ((1, 3), ((1, 3), (1, 2)), 2, Reason.SEALED_INVALID),
        ((1, 3), ((1, 3), ()), 2, Reason.SEALED_INVALID),
    ],
    ids=[
        *("right", "another alone", "another number", "no numbers", "turned round", "one missing"),
        *("one too many", "sealed for others", "sealed for nobody's choice"),
    ],
)
def test_a_swapped_choice_of_members_is_refused_before_any_money(
    issue: Issue,
    ordered: tuple[int, ...],
    told_and_bound: tuple[tuple[int, ...], tuple[int, ...]],
    persons: int,
    expected: Reason | None,
) -> None:
    told, bound = told_and_bound
    document = samples.juminhyo([samples.person()] * persons, whole_household=False)
    sealed = sealed_contents(PUBLIC_KEY, "juminhyo", document, sealed_for=bound, members=told)
    answer = issue.prepare(order(sealed, "juminhyo", **some(ordered)))
    assert expected == (answer.reason if isinstance(answer, Declined) else None)


@pytest.mark.parametrize(
    ("asked", "whole"),
    [
        ({"subjects": Subjects.MEMBERS}, False),
        ({"members": (1,)}, False),
        ({"subjects": Subjects.HOUSEHOLD, "members": (1,)}, True),
        (some((1,)), True),
    ],
    ids=["members without numbers", "numbers of oneself", "numbers of all", "whole for some"],
)
def test_numbers_of_members_and_the_word_for_them_belong_together(
    issue: Issue, asked: dict[str, Any], whole: bool
) -> None:
    told = asked.get("members", ())
    document = samples.juminhyo([samples.person()], whole_household=whole)
    sealed = sealed_contents(PUBLIC_KEY, "juminhyo", document, sealed_for=told, members=told)
    assert Declined(Reason.MISMATCH) == issue.prepare(order(sealed, "juminhyo", **asked))


def household_of_numbers(*numbers: str | None) -> dict[str, Any]:
    return samples.juminhyo([samples.person(my_number=number) for number in numbers], whole_household=True)


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ((samples.MY_NUMBER, "000000000000"), None),
        ((samples.MY_NUMBER, None), Reason.MISMATCH),
        ((samples.MY_NUMBER, "123456789017"), Reason.CONTENTS_INVALID),
        ((samples.MY_NUMBER, "213456789018"), Reason.CONTENTS_INVALID),
        (("12345678901", samples.MY_NUMBER), Reason.CONTENTS_INVALID),
        (("1234567890181", samples.MY_NUMBER), Reason.CONTENTS_INVALID),
        (("１２３４５６７８９０１８", samples.MY_NUMBER), Reason.CONTENTS_INVALID),
        (("12345678901\n", samples.MY_NUMBER), Reason.CONTENTS_INVALID),
    ],
    ids=["right", "one missing", "check digit", "swapped digits", "short", "long", "full-width", "line end"],
)
def test_whoever_ordered_numbers_gets_all_of_them_and_each_a_right_one(
    issue: Issue, numbers: tuple[str | None, ...], expected: Reason | None
) -> None:
    sealed = sealed_contents(PUBLIC_KEY, "juminhyo", household_of_numbers(*numbers))
    asked = {"subjects": Subjects.HOUSEHOLD, "items": frozenset({RecordItem.MY_NUMBER})}
    answer = issue.prepare(order(sealed, "juminhyo", **asked))
    assert expected == (answer.reason if isinstance(answer, Declined) else None)
    assert not [number for number in numbers if number and number in repr(answer)]


@pytest.mark.parametrize(
    ("digits", "expected"),
    [
        ("12345678901", "8"),
        ("00000000000", "0"),
        ("00000000005", "1"),
        ("00000000006", "0"),
        ("10000000000", "5"),
    ],
)
def test_the_check_digit_is_that_of_the_ordinance(digits: str, expected: str) -> None:
    assert expected == check_digit(digits)


def test_nothing_is_printed_that_was_not_prepared(issue: Issue, printed: list[str]) -> None:
    assert NotSubmitted(Reason.NOT_PREPARED) == issue.print(Print(sealed_authority(PUBLIC_KEY), "job-1"))
    issue.prepare(order(sealed_contents(PUBLIC_KEY, "inkan", samples.inkan())))
    issue.prepare(order(b"{}"))
    assert NotSubmitted(Reason.NOT_PREPARED) == issue.print(Print(sealed_authority(PUBLIC_KEY), "job-1"))
    assert printed == []


def test_the_same_contents_have_one_fingerprint_under_any_seal_and_others_another(issue: Issue) -> None:
    mine, other = (
        msgspec.json.encode(samples.protected(samples.contents("inkan", samples.inkan(name=name))))
        for name in ("渋川　花子", "渋川　次郎")
    )
    laid = [
        issue.prepare(order(msgspec.json.encode(envelope("madoguchi-contents-v1", PUBLIC_KEY, plain))))
        for plain in (mine, mine, other)
    ]
    one, same, another = (answer.fingerprint for answer in laid if isinstance(answer, Laid))
    assert (True, False) == (one == same, one == another)


@pytest.mark.parametrize("city_seal", ["", samples.base64url(samples.png(567, "L")), "A+A="])
def test_without_a_proper_city_seal_nothing_is_printed(
    issue: Issue, printed: list[str], city_seal: str
) -> None:
    issue.prepare(order(sealed_contents(PUBLIC_KEY, "inkan", samples.inkan())))
    answer = issue.print(Print(sealed_authority(PUBLIC_KEY, city_seal=city_seal), "job-1"))
    assert isinstance(answer, NotSubmitted)
    assert printed == []
