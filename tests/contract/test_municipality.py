"""The port `Municipality` against the reference backend, over real TLS."""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from firmware.core.accounts import Accounts
from firmware.core.facts import (
    DocumentPrinterLevel,
    Facts,
    HopperLevel,
    MunicipalityLevel,
    PanelLevel,
    ReceiptPrinterLevel,
    ScreenLevel,
)
from firmware.core.records import DaySettled
from firmware.core.terms import (
    Certainty,
    CertificateKind,
    Language,
    Offer,
    OrderId,
    Page,
    PrinterSupply,
    RecordItem,
    Refusal,
    ServiceHours,
    Subjects,
    VisitId,
)
from firmware.core.totals import ClaimTotal, PlaceTotal
from firmware.errors import (
    ConfigError,
    MunicipalityAnswerInvalid,
    MunicipalityDown,
    MunicipalityError,
    MunicipalityUncertain,
    Refused,
    ReportRefused,
)
from firmware.logbook import EventId, FieldValue, line
from firmware.municipality.client import HttpsMunicipality
from firmware.municipality.exchange import Patience
from firmware.municipality.tls import word_for
from firmware.ports import (
    CardSignature,
    ClaimState,
    DayAnswer,
    JournalHead,
    OrderRequest,
    Reserved,
    Session,
)
from tests.municipality import MunicipalityServer
from tests.municipality.pki import KIOSK, device_authority, make_authority, make_kiosk, make_test_pki

NOON = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)  # 12:00 in Japan
ORDER = OrderId("0123456789abcdef0123456789abcdef-1")
OTHER_KIOSK = "urn:kiosk:demo-0002"
QUICK = Patience(
    connect_seconds=20,
    answer_seconds=20,
    total_seconds=40,
    first_retry_seconds=0.01,
    longest_retry_seconds=0.05,
)
ONCE = Patience(
    connect_seconds=20, answer_seconds=20, total_seconds=20, first_retry_seconds=60, longest_retry_seconds=60
)
HASTY = Patience(
    connect_seconds=3,
    answer_seconds=3,
    total_seconds=3,
    first_retry_seconds=0.01,
    longest_retry_seconds=0.05,
)
"""It gives up soon; a busy machine answers before."""


@dataclass
class Clock:
    """A clock that tests set."""

    moment: datetime = NOON

    def __call__(self) -> datetime:
        return self.moment


@dataclass
class Log:
    """Keeps events; each must pass the real log's rules."""

    events: list[tuple[EventId, dict[str, FieldValue]]] = field(default_factory=list)

    def __call__(self, event: EventId, /, **fields: FieldValue) -> None:
        line(event, NOON, fields)
        self.events.append((event, fields))

    def named(self, event: EventId) -> list[dict[str, FieldValue]]:
        return [fields for name, fields in self.events if name is event]


@dataclass
class Watched:
    """One value after another, to be waited for."""

    values: list[Any] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __call__(self, value: object) -> None:
        self.values.append(value)
        self.changed.set()

    async def until(self, wanted: object) -> None:
        async with asyncio.timeout(60):
            while wanted not in self.values:
                self.changed.clear()
                await self.changed.wait()


@dataclass
class Witnessed:
    """A journal in memory that can be cut; chain values by entry."""

    chains: list[bytes] = field(default_factory=lambda: [bytes([1]) * 32])

    @property
    def head(self) -> JournalHead:
        return JournalHead(len(self.chains), self.chains[-1])

    async def chain_at(self, seq: int) -> bytes:
        return self.chains[seq - 1] if seq <= len(self.chains) else b""

    def grow(self, octet: int) -> None:
        self.chains.append(bytes([octet]) * 32)


@dataclass
class Place:
    """A running backend and what is needed to build a kiosk for it."""

    server: MunicipalityServer
    pki: Path
    clock: Clock
    log: Log
    hours: Watched
    times: Watched
    journal: Witnessed = field(default_factory=Witnessed)
    made: list[HttpsMunicipality] = field(default_factory=list)

    def kiosk(
        self,
        *,
        patience: Patience = QUICK,
        device: Path | None = None,
        urn: str = KIOSK,
        url: str | None = None,
        ca_file: Path | None = None,
        audience: str | None = None,
    ) -> HttpsMunicipality:
        folder = self.pki / "kiosk" if device is None else device
        municipality = HttpsMunicipality(
            url=url or self.server.url,
            audience=audience or self.server.audience,
            ca_file=ca_file or self.pki / "server_ca.pem",
            certificate_file=folder / "certificate.pem",
            key_file=folder / "key.pem",
            kiosk=urn,
            firmware_version="0.1.0",
            log=self.log,
            server_time=self.times,
            server_hours=self.hours,
            journal=self.journal,
            now=self.clock,
            patience=patience,
        )
        self.made.append(municipality)
        return municipality

    def card(self, name: str) -> "Card":
        folder = self.pki / "cards" / name
        key = serialization.load_pem_private_key((folder / "key.pem").read_bytes(), password=None)
        assert isinstance(key, rsa.RSAPrivateKey)
        return Card((folder / "certificate.der").read_bytes(), key)


@dataclass
class Card:
    """A card whose PIN was right; counts its signatures."""

    certificate_der: bytes
    key: rsa.RSAPrivateKey
    signatures: int = 0

    def sign(self, message: bytes) -> CardSignature:
        self.signatures += 1
        return CardSignature("RS256", self.key.sign(message, padding.PKCS1v15(), hashes.SHA256()))


@pytest.fixture(scope="session")
def pki(request: pytest.FixtureRequest) -> Path:
    cache = request.config.cache
    assert cache is not None
    out = cache.mkdir("madoguchi-pki")
    make_test_pki(out)
    return out


@pytest.fixture
async def place(pki: Path, tmp_path: Path) -> AsyncIterator[Place]:
    clock = Clock()
    server = MunicipalityServer(pki=pki, database=tmp_path / "municipality.sqlite", now=clock)
    await server.start()
    made = Place(server, pki, clock, Log(), Watched(), Watched())
    yield made
    for municipality in made.made:
        await municipality.close()
    await server.stop()
    assert 0 == server.faults_left()


def wanted(
    kind: CertificateKind = CertificateKind.JUMINHYO,
    *,
    order_id: OrderId = ORDER,
    subjects: Subjects = Subjects.SELF,
    items: frozenset[RecordItem] = frozenset(),
    copies: int = 1,
) -> OrderRequest:
    return OrderRequest(order_id, kind, subjects, items, copies)


async def admitted(
    kiosk: HttpsMunicipality, card: Card, kem: X25519PrivateKey | None = None
) -> tuple[str, str]:
    """Session id and person_ref after a good signature."""
    session = await opened(kiosk, kem)
    person = await kiosk.authenticate(session.session_id, card.certificate_der, card.sign(session.message))
    return session.session_id, person.person_ref


async def opened(kiosk: HttpsMunicipality, kem: X25519PrivateKey | None = None) -> Session:
    key = X25519PrivateKey.generate() if kem is None else kem
    return await kiosk.open_session(key.public_key().public_bytes_raw(), Language.JA)


async def reserved(kiosk: HttpsMunicipality, card: Card) -> Reserved:
    session_id, _ = await admitted(kiosk, card)
    return await kiosk.reserve(session_id, wanted())


def unseal(
    sealed: bytes, label: bytes, kem: X25519PrivateKey, order_id: str, session_id: str, *, members: str = ""
) -> dict[str, Any]:
    """Open as the document worker does. members: the chosen numbers, joined by commas."""
    envelope = json.loads(sealed)
    chosen = [members.encode()] if members else []
    binding = b"\0".join([label, order_id.encode(), session_id.encode(), KIOSK.encode(), *chosen])
    suite = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
    content_key = suite.decrypt(unb64u(envelope["key"]), kem, info=binding)
    plain = AESGCM(content_key).decrypt(unb64u(envelope["nonce"]), unb64u(envelope["ciphertext"]), binding)
    contents: dict[str, Any] = json.loads(plain)
    return contents


def unb64u(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "==")


async def states(place: Place) -> list[str]:
    return [order.state.value for order in await place.server.orders()]


async def refusal_of(act: Awaitable[object]) -> Refusal:
    with pytest.raises(Refused) as caught:
        await act
    return caught.value.refusal


# --- a good visit ---------------------------------------------------------------------------------


async def test_a_visit_ends_issued_and_only_the_card_chosen_key_opens_what_was_sealed(place: Place) -> None:
    kiosk, kem = place.kiosk(), X25519PrivateKey.generate()
    session_id, person_ref = await admitted(kiosk, place.card("mihon_hitori"), kem)
    reservation = await kiosk.reserve(
        session_id, wanted(items=frozenset({RecordItem.HEAD_AND_RELATION}), copies=2)
    )
    contents = unseal(reservation.sealed, b"madoguchi-contents-v1", kem, ORDER, session_id)
    released = await kiosk.release(ORDER, 600)
    authority = unseal(released.authority, b"madoguchi-authority-v1", kem, ORDER, session_id)
    await kiosk.report_result(ORDER, Certainty.DONE, 4)
    await kiosk.end_session(session_id)

    assert 600 == reservation.total_yen
    assert {
        "v": 1,
        "order_id": ORDER,
        "session_id": session_id,
        "kiosk": KIOSK,
        "person_ref": person_ref,
        "kind": "juminhyo",
        "copies": 2,
        "number": "10208-20261122-00000001",
        "issued_on": "2026-11-22",
    }.items() <= contents.items()
    person = contents["document"]["persons"][0]
    assert ("見本　一人", "世帯主", None) == (person["name"], person["relation"], person["domicile"])
    assert ["v", "order_id", "number", "receipt_no", "city_seal"] == list(authority)
    assert (contents["number"], released.receipt_no) == (authority["number"], authority["receipt_no"])
    assert b"\x89PNG" == unb64u(authority["city_seal"])[:4]
    (order,) = await place.server.orders()
    assert ("ISSUED", 600, 600, 4) == (order.state.value, order.total_yen, order.paid_yen, order.pages_out)


@pytest.mark.parametrize("other", ["key", "order", "session"])
async def test_a_mixed_up_seal_cannot_be_opened(place: Place, other: str) -> None:
    kiosk, kem = place.kiosk(), X25519PrivateKey.generate()
    session_id, _ = await admitted(kiosk, place.card("mihon_hitori"), kem)
    sealed = (await kiosk.reserve(session_id, wanted())).sealed
    key = X25519PrivateKey.generate() if other == "key" else kem
    order_id = "f" * 32 if other == "order" else ORDER
    session = "s" * 32 if other == "session" else session_id

    with pytest.raises(InvalidTag):
        unseal(sealed, b"madoguchi-contents-v1", key, order_id, session)


async def test_the_whole_household_shows_its_members_and_a_head_of_five(place: Place) -> None:
    kiosk, kem = place.kiosk(), X25519PrivateKey.generate()
    session_id, _ = await admitted(kiosk, place.card("shiken_taro"), kem)
    items = frozenset(RecordItem)
    sealed = await kiosk.reserve(session_id, wanted(subjects=Subjects.HOUSEHOLD, items=items))
    document = unseal(sealed.sealed, b"madoguchi-contents-v1", kem, ORDER, session_id)["document"]

    assert (True, "試験　太朗") == (document["whole_household"], document["head"])
    assert ["世帯主", "妻", "子", "子", "母"] == [person["relation"] for person in document["persons"]]
    assert all(person["domicile"] and person["family_head"] for person in document["persons"])
    assert 5 == len({person["my_number"] for person in document["persons"]} - {None})


async def test_seal_and_tax_certificates_carry_their_own_fields(place: Place) -> None:
    kiosk, kem = place.kiosk(), X25519PrivateKey.generate()
    session_id, _ = await admitted(kiosk, place.card("sample_maria"), kem)
    second = OrderId("0123456789abcdef0123456789abcdef-2")
    inkan = await kiosk.reserve(session_id, wanted(CertificateKind.INKAN))
    shotoku = await kiosk.reserve(session_id, wanted(CertificateKind.SHOTOKU, order_id=second))

    seal = unseal(inkan.sealed, b"madoguchi-contents-v1", kem, ORDER, session_id)["document"]
    tax = unseal(shotoku.sealed, b"madoguchi-contents-v1", kem, second, session_id)["document"]
    assert ["name", "kana", "alias", "former_name", "katakana_name", "birth_date", "address", "seal"] == list(
        seal
    )
    assert ("見本　真理亜", "サンプル　マリア　テストパーソン") == (seal["alias"], seal["katakana_name"])
    assert b"\x89PNG" == unb64u(seal["seal"])[:4]
    assert (2026, 2025, {"label": "給与収入", "yen": 3600000}) == (
        tax["fiscal_year"],
        tax["income_year"],
        tax["income"][0],
    )


async def test_offers_and_refusals_name_every_kind_once(place: Place) -> None:
    kiosk = place.kiosk()
    session, card = await opened(kiosk), place.card("shiken_ichiko")
    person = await kiosk.authenticate(session.session_id, card.certificate_der, card.sign(session.message))

    (offer,) = person.offers
    assert Offer(CertificateKind.JUMINHYO, 300, 10, household=True) == replace(offer, members=())
    assert [1, 2, 3, 4, 5] == [member.number for member in offer.members]
    assert {
        CertificateKind.INKAN: Refusal.SEAL_NOT_REGISTERED,
        CertificateKind.SHOTOKU: Refusal.NO_TAX_RECORD,
    } == dict(person.refusals)


# --- who must go to a counter ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tenshutsu_zumi", Refusal.MOVED_OUT),
        ("tenshutsu_yotei", Refusal.MOVE_OUT_PLANNED),
        ("shien_sochi", Refusal.SUPPORT_MEASURE),
        ("shibo_todoke", Refusal.DECEASED),
        ("chokka_moji", Refusal.OVER_CHAR_LIMIT),
        ("tennyu_tojitsu", Refusal.MOVED_IN_TODAY),
        ("gaiji_torokuchu", Refusal.GAIJI_PENDING),
        ("shiken_jiro", Refusal.UNDER_15),
    ],
)
async def test_a_private_reason_refuses_every_kind_before_any_money(
    place: Place, name: str, expected: Refusal
) -> None:
    kiosk, card = place.kiosk(), place.card(name)
    session = await opened(kiosk)
    person = await kiosk.authenticate(session.session_id, card.certificate_der, card.sign(session.message))

    assert ((), dict.fromkeys(CertificateKind, expected)) == (person.offers, dict(person.refusals))
    assert expected == await refusal_of(kiosk.reserve(session.session_id, wanted()))
    assert [] == await states(place)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("kigen_gire", Refusal.CERT_EXPIRED),
        ("shikko_zumi", Refusal.CERT_REVOKED),
        ("shigai_juumin", Refusal.NOT_THIS_MUNICIPALITY),
    ],
)
async def test_a_card_that_proves_nothing_here_is_refused_again_alike(
    place: Place, name: str, expected: Refusal
) -> None:
    kiosk, card = place.kiosk(), place.card(name)
    session = await opened(kiosk)
    signature = card.sign(session.message)

    for _ in range(2):
        answer = kiosk.authenticate(session.session_id, card.certificate_der, signature)
        assert expected == await refusal_of(answer)


async def test_an_old_copy_of_the_register_issues_nothing(place: Place) -> None:
    kiosk, card = place.kiosk(), place.card("mihon_hitori")
    session_id, _ = await admitted(kiosk, card)
    place.clock.moment += timedelta(seconds=899)
    await kiosk.reserve(session_id, wanted())
    place.clock.moment += timedelta(seconds=2)
    session = await opened(kiosk)
    person = await kiosk.authenticate(session.session_id, card.certificate_der, card.sign(session.message))

    assert dict.fromkeys(CertificateKind, Refusal.REPLICA_STALE) == dict(person.refusals)


@pytest.mark.parametrize(
    "request_made",
    [
        wanted(copies=11),
        wanted(subjects=Subjects.HOUSEHOLD, kind=CertificateKind.INKAN),
        wanted(items=frozenset({RecordItem.REGISTERED_DOMICILE}), kind=CertificateKind.SHOTOKU),
    ],
    ids=["too-many-copies", "seal-of-a-household", "domicile-on-tax"],
)
async def test_what_was_not_offered_is_surely_not_done(place: Place, request_made: OrderRequest) -> None:
    kiosk = place.kiosk()
    session_id, _ = await admitted(kiosk, place.card("shiken_taro"))

    with pytest.raises(MunicipalityDown, match="reserve: not_offered"):
        await kiosk.reserve(session_id, request_made)
    assert [] == await states(place)


# --- service hours --------------------------------------------------------------------------------


async def test_no_visit_begins_outside_hours_and_a_running_one_may_finish(place: Place) -> None:
    kiosk = place.kiosk()
    session_id, _ = await admitted(kiosk, place.card("mihon_hitori"))
    place.server.set_hours(time(6, 30), time(12, 0))

    assert Refusal.OUTSIDE_HOURS == await refusal_of(opened(kiosk))
    await kiosk.reserve(session_id, wanted())
    await kiosk.release(ORDER, 300)
    assert ["RELEASED"] == await states(place)


async def test_maintenance_reserves_nothing_but_lets_the_paid_be_released(place: Place) -> None:
    kiosk = place.kiosk()
    session_id, _ = await admitted(kiosk, place.card("mihon_hitori"))
    await kiosk.reserve(session_id, wanted())
    place.server.set_maintenance(True)
    second = OrderId("0123456789abcdef0123456789abcdef-2")

    assert Refusal.MAINTENANCE == await refusal_of(opened(kiosk))
    assert Refusal.MAINTENANCE == await refusal_of(kiosk.reserve(session_id, wanted(order_id=second)))
    await kiosk.release(ORDER, 300)
    assert ["RELEASED"] == await states(place)


# --- the challenge --------------------------------------------------------------------------------


async def test_a_wrong_signature_is_refused_and_the_challenge_is_used_up(place: Place) -> None:
    kiosk, card = place.kiosk(), place.card("mihon_hitori")
    session = await opened(kiosk)
    wrong = card.sign(session.message + b" ")

    answer = kiosk.authenticate(session.session_id, card.certificate_der, wrong)
    assert Refusal.SIGNATURE_INVALID == await refusal_of(answer)
    with pytest.raises(MunicipalityDown, match="session_used"):
        await kiosk.authenticate(session.session_id, card.certificate_der, card.sign(session.message))


async def test_a_signature_captured_from_one_session_is_no_good_in_another(place: Place) -> None:
    kiosk, card = place.kiosk(), place.card("mihon_hitori")
    first, second = await opened(kiosk), await opened(kiosk)
    captured = card.sign(first.message)

    answer = kiosk.authenticate(second.session_id, card.certificate_der, captured)
    assert Refusal.SIGNATURE_INVALID == await refusal_of(answer)


async def test_a_signature_under_somebody_elses_certificate_is_refused(place: Place) -> None:
    kiosk, card = place.kiosk(), place.card("mihon_hitori")
    session = await opened(kiosk)

    other = place.card("shiken_taro").certificate_der
    answer = kiosk.authenticate(session.session_id, other, card.sign(session.message))
    assert Refusal.SIGNATURE_INVALID == await refusal_of(answer)


@pytest.mark.parametrize("certificate", [b"", b"\x30\x03\x02\x01\x00"], ids=["empty", "not-a-certificate"])
async def test_bytes_that_are_no_certificate_are_not_trusted(place: Place, certificate: bytes) -> None:
    kiosk = place.kiosk()
    session = await opened(kiosk)

    signature = CardSignature("RS256", b"\0" * 256)
    answer = kiosk.authenticate(session.session_id, certificate, signature)
    assert Refusal.CERT_NOT_TRUSTED == await refusal_of(answer)


async def test_a_challenge_dies_after_two_minutes(place: Place) -> None:
    kiosk, card = place.kiosk(), place.card("mihon_hitori")
    session = await opened(kiosk)
    place.clock.moment += timedelta(seconds=120)

    with pytest.raises(MunicipalityDown, match="session_expired"):
        await kiosk.authenticate(session.session_id, card.certificate_der, card.sign(session.message))


@pytest.mark.parametrize(
    ("field_name", "value"),
    [
        ("v", 2),
        ("aud", "urn:municipality:10209"),
        ("session", "s" * 32),
        ("nonce", "AAAA"),
        ("kiosk", OTHER_KIOSK),
        ("device_x5t#S256", "A" * 43),
        ("server_x5t#S256", "A" * 43),
        ("kem", "A" * 43),
        ("purpose", "login"),
        ("iat", int(NOON.timestamp()) + 60),
        ("exp", int(NOON.timestamp()) + 121),
        ("exp", int(NOON.timestamp())),
        ("extra", 1),
    ],
)
async def test_no_pin_is_asked_for_a_challenge_with_a_wrong_field(
    place: Place, field_name: str, value: object
) -> None:
    def change(body: bytes) -> bytes:
        answer = json.loads(body)
        tbs = json.loads(unb64u(answer["tbs"])) | {field_name: value}
        answer["tbs"] = base64.urlsafe_b64encode(json.dumps(tbs).encode()).rstrip(b"=").decode()
        return json.dumps(answer).encode()

    place.server.alter_next("/v1/sessions", change)
    with pytest.raises(MunicipalityAnswerInvalid, match=f"open_session: (tbs\\.)?{field_name}"):
        await opened(place.kiosk())


async def test_another_kiosk_cannot_use_a_session_or_an_order(place: Place, tmp_path: Path) -> None:
    device = tmp_path / "other"
    make_kiosk(device, device_authority(place.pki), OTHER_KIOSK, NOON)
    await place.server.admit_kiosk(device / "certificate.pem")
    kiosk, thief = place.kiosk(), place.kiosk(device=device, urn=OTHER_KIOSK)
    card = place.card("mihon_hitori")
    session = await opened(kiosk)
    signature = card.sign(session.message)

    with pytest.raises(MunicipalityDown, match="session_unknown"):
        await thief.authenticate(session.session_id, card.certificate_der, signature)
    await kiosk.authenticate(session.session_id, card.certificate_der, signature)
    with pytest.raises(MunicipalityDown, match="session_unknown"):
        await thief.reserve(session.session_id, wanted())
    await kiosk.reserve(session.session_id, wanted())
    with pytest.raises(MunicipalityDown, match="order_unknown"):
        await thief.release(ORDER, 300)
    with pytest.raises(ReportRefused, match="order_unknown"):
        await thief.report_refund(ORDER, 300, 0)
    with pytest.raises(MunicipalityDown, match="session_unknown"):
        await thief.end_session(session.session_id)
    with pytest.raises(MunicipalityUncertain, match="order_conflict"):
        await thief.reserve((await admitted(thief, card))[0], wanted())
    assert ["RESERVED"] == await states(place)


# --- once is enough -------------------------------------------------------------------------------


async def test_everything_repeatable_repeated_has_one_effect(place: Place) -> None:
    kiosk, card = place.kiosk(), place.card("mihon_hitori")
    session = await opened(kiosk)
    signature = card.sign(session.message)
    people = [await kiosk.authenticate(session.session_id, card.certificate_der, signature) for _ in range(3)]
    reservations = [await kiosk.reserve(session.session_id, wanted()) for _ in range(3)]
    releases = [await kiosk.release(ORDER, 300) for _ in range(3)]
    for _ in range(3):
        await kiosk.report_result(ORDER, Certainty.UNKNOWN, 1)
    for _ in range(3):
        await kiosk.report_refund(ORDER, 200, 100)
    for _ in range(3):
        await kiosk.end_session(session.session_id)

    assert [1, 1, 1] == [len(set(answers)) for answers in (people, reservations, releases)]
    (order,) = await place.server.orders()
    assert ("REFUNDED", 200, 100) == (order.state.value, order.refunded_yen, order.owed_yen)
    assert 1 == card.signatures


async def test_the_same_issuance_comes_again_to_its_kiosk_alone_counted_and_not_for_ever(
    place: Place, tmp_path: Path
) -> None:
    device = tmp_path / "other"
    make_kiosk(device, device_authority(place.pki), OTHER_KIOSK, NOON)
    await place.server.admit_kiosk(device / "certificate.pem")
    kiosk, thief, first, again = place.kiosk(), place.kiosk(device=device, urn=OTHER_KIOSK), *new_keys(2)
    session_id, person_ref = await admitted(kiosk, place.card("mihon_hitori"), first)
    reservation = await kiosk.reserve(session_id, wanted())
    sent = unseal(reservation.sealed, b"madoguchi-contents-v1", first, ORDER, session_id)
    public = again.public_key().public_bytes_raw()
    assert Refusal.REPRINT_REFUSED is await refusal_of(kiosk.reprint(ORDER, 1, public)), "not paid for"
    await kiosk.release(ORDER, 300)
    await kiosk.report_result(ORDER, Certainty.DONE, 2)
    await kiosk.end_session(session_id)

    with pytest.raises(MunicipalityDown, match="order_unknown"):
        await thief.reprint(ORDER, 1, public)
    answers = [await kiosk.reprint(ORDER, 1, public) for _ in range(3)]
    assert 1 == len(set(answers))
    assert (wanted(), session_id, person_ref) == (
        answers[0].request,
        answers[0].session_id,
        answers[0].person_ref,
    )
    assert sent == unseal(answers[0].sealed, b"madoguchi-contents-v1", again, ORDER, session_id)
    authority = unseal(answers[0].authority, b"madoguchi-authority-v1", again, ORDER, session_id)
    assert sent["number"] == authority["number"]
    with pytest.raises(MunicipalityUncertain, match="order_conflict"):
        await kiosk.reprint(ORDER, 1, first.public_key().public_bytes_raw())
    for _ in range(2):
        await kiosk.report_reprint(ORDER, 1, Certainty.UNKNOWN, 1)
    with pytest.raises(ReportRefused, match="order_conflict"):
        await kiosk.report_reprint(ORDER, 1, Certainty.DONE, 2)
    await kiosk.reprint(ORDER, 2, public)
    assert Refusal.REPRINT_REFUSED is await refusal_of(kiosk.reprint(ORDER, 3, public)), "too often"
    assert [(1, "unknown"), (2, None)] == await place.server.reprints(ORDER)

    with pytest.raises(ReportRefused, match="order_conflict"):
        await kiosk.report_refund(ORDER, 300, 0)
    for _ in range(2):
        await kiosk.report_refund(ORDER, 300, 0, defect=True)
    assert ["REFUNDED"] == await states(place)


async def test_an_issuance_comes_again_for_a_quarter_of_an_hour(place: Place) -> None:
    kiosk, (key,) = place.kiosk(), new_keys(1)
    await reserved(kiosk, place.card("mihon_hitori"))
    await kiosk.release(ORDER, 300)
    place.clock.moment += timedelta(minutes=15)
    public = key.public_key().public_bytes_raw()
    assert Refusal.REPRINT_REFUSED is await refusal_of(kiosk.reprint(ORDER, 1, public))


def new_keys(count: int) -> list[X25519PrivateKey]:
    return [X25519PrivateKey.generate() for _ in range(count)]


async def test_the_same_question_asked_twice_at_once_has_one_answer(place: Place) -> None:
    kiosk, card = place.kiosk(), place.card("mihon_hitori")
    session = await opened(kiosk)
    signature = card.sign(session.message)

    people = await asyncio.gather(
        *(kiosk.authenticate(session.session_id, card.certificate_der, signature) for _ in range(8))
    )
    assert 1 == len(set(people))
    reservations = await asyncio.gather(*(kiosk.reserve(session.session_id, wanted()) for _ in range(8)))
    assert 1 == len(set(reservations))
    assert 1 == len(
        {answer.receipt_no for answer in await asyncio.gather(*(kiosk.release(ORDER, 300) for _ in range(8)))}
    )


async def test_an_order_id_used_for_something_else_is_refused(place: Place) -> None:
    kiosk = place.kiosk()
    session_id, _ = await admitted(kiosk, place.card("mihon_hitori"))
    await kiosk.reserve(session_id, wanted())

    with pytest.raises(MunicipalityUncertain, match="order_conflict"):
        await kiosk.reserve(session_id, wanted(copies=2))
    assert [(300, "RESERVED")] == [(o.total_yen, o.state.value) for o in await place.server.orders()]


async def test_a_wrong_amount_releases_nothing(place: Place) -> None:
    kiosk = place.kiosk()
    await reserved(kiosk, place.card("mihon_hitori"))

    with pytest.raises(MunicipalityDown, match="amount_wrong"):
        await kiosk.release(ORDER, 200)
    assert ["RESERVED"] == await states(place)


async def test_an_ended_session_cancels_what_it_only_reserved(place: Place) -> None:
    kiosk = place.kiosk()
    session_id, _ = await admitted(kiosk, place.card("mihon_hitori"))
    await kiosk.reserve(session_id, wanted())
    await kiosk.end_session(session_id)

    with pytest.raises(MunicipalityDown, match="order_ended"):
        await kiosk.release(ORDER, 300)
    with pytest.raises(MunicipalityDown, match="session_unknown"):
        await kiosk.reserve(session_id, wanted(order_id=OrderId("f" * 32)))
    assert ["CANCELLED"] == await states(place)


async def test_a_reservation_expires_and_is_not_released_late(place: Place) -> None:
    kiosk = place.kiosk()
    await reserved(kiosk, place.card("mihon_hitori"))
    place.clock.moment += timedelta(seconds=600)

    with pytest.raises(MunicipalityDown, match="order_ended"):
        await kiosk.release(ORDER, 300)


async def test_an_issued_order_stays_issued_whatever_is_reported_later(place: Place) -> None:
    kiosk = place.kiosk()
    await reserved(kiosk, place.card("mihon_hitori"))
    await kiosk.release(ORDER, 300)
    await kiosk.report_result(ORDER, Certainty.DONE, 2)

    with pytest.raises(ReportRefused, match="order_conflict"):
        await kiosk.report_result(ORDER, Certainty.NOT_DONE, 0)
    with pytest.raises(ReportRefused, match="order_conflict"):
        await kiosk.report_refund(ORDER, 300, 0)
    with pytest.raises(MunicipalityUncertain, match="release: order_conflict"):
        await kiosk.release(ORDER, 300)
    assert ["ISSUED"] == await states(place)


async def test_money_given_back_without_a_release_cancels_the_order(place: Place) -> None:
    kiosk = place.kiosk()
    await reserved(kiosk, place.card("mihon_hitori"))
    await kiosk.report_result(ORDER, Certainty.NOT_DONE, 0)
    await kiosk.report_refund(ORDER, 300, 0)

    (order,) = await place.server.orders()
    assert ("CANCELLED", 300, None) == (order.state.value, order.refunded_yen, order.receipt_no)


# --- claims and days ------------------------------------------------------------------------------

DAY = DaySettled(
    "2026-11-22",
    "2026-11-22T23:00:00.000+09:00",
    replace(
        Accounts().open_day(),
        claims_yen=500,
        taken_yen=500,
        given_back=(ORDER,),
        claims=(ClaimTotal("AAAA-AAAA", ORDER, 500),),
        cash=(PlaceTotal(None, 500, 1, 0, 0, 0, 0), PlaceTotal(3, 100, 19, 1, 20, 0, -1)),
    ),
)


async def test_a_claim_is_told_looked_up_and_paid_once(place: Place) -> None:
    kiosk = place.kiosk()
    await reserved(kiosk, place.card("mihon_hitori"))
    with pytest.raises(ReportRefused, match="claim_unknown"):
        await kiosk.ask_claim("AAAA-AAAA")
    for _ in range(2):
        await kiosk.report_claim(ORDER, "AAAA-AAAA", 500)
    assert ClaimState("AAAA-AAAA", ORDER, 500, None) == await kiosk.ask_claim("AAAA-AAAA")
    place.server.drop_next("after", "/v1/claims/*/settle")
    assert KIOSK == (await kiosk.settle_claim("AAAA-AAAA", 500)).settled_by
    assert not await place.server.pay_claim(KIOSK, "AAAA-AAAA")
    with pytest.raises(ReportRefused, match="claim_conflict"):
        await kiosk.settle_claim("AAAA-AAAA", 400)


async def test_a_day_is_compared_once_also_when_the_answer_is_lost(place: Place) -> None:
    kiosk = place.kiosk()
    await reserved(kiosk, place.card("mihon_hitori"))
    await kiosk.report_result(ORDER, Certainty.NOT_DONE, 0)
    await kiosk.report_refund(ORDER, 0, 500)
    await kiosk.report_claim(ORDER, "AAAA-AAAA", 500)
    place.server.drop_next("after", "/v1/settlements/*")
    assert DayAnswer(matched=True, differences=()) == await kiosk.report_day(DAY)
    with pytest.raises(ReportRefused, match="day_conflict"):
        await kiosk.report_day(replace(DAY, closed_at="2026-11-22T22:00:00.000+09:00"))


async def test_a_difference_is_told_in_its_word(place: Place) -> None:
    answer = await place.kiosk().report_day(DAY)
    assert DayAnswer(False, (f"order-missing:{ORDER}", "claim-missing:AAAA-AAAA")) == answer


@pytest.mark.parametrize(
    "change",
    [
        {"business_date": "2026-11-21"},
        {"matched": False},
        {"differences": ["fees:1:2"]},
        {"matched": False, "differences": ["<script>"]},
    ],
)
async def test_an_answer_about_a_day_that_contradicts_itself_is_invalid(
    place: Place, change: dict[str, object]
) -> None:
    kiosk = place.kiosk()
    await reserved(kiosk, place.card("mihon_hitori"))
    await kiosk.report_result(ORDER, Certainty.NOT_DONE, 0)
    await kiosk.report_claim(ORDER, "AAAA-AAAA", 500)
    place.server.alter_next("/v1/settlements/*", lambda body: json.dumps(json.loads(body) | change).encode())
    with pytest.raises(MunicipalityAnswerInvalid):
        await kiosk.report_day(DAY)


# --- a bad line -----------------------------------------------------------------------------------

Act = Callable[[HttpsMunicipality, str], Awaitable[object]]

ACTS: list[tuple[str, Act]] = [
    ("reserve", lambda kiosk, session_id: kiosk.reserve(session_id, wanted(order_id=OrderId("e" * 32)))),
    ("release", lambda kiosk, _: kiosk.release(ORDER, 300)),
    ("result", lambda kiosk, _: kiosk.report_result(ORDER, Certainty.NOT_DONE, 0)),
    ("refund", lambda kiosk, _: kiosk.report_refund(ORDER, 300, 0)),
    ("end_session", lambda kiosk, session_id: kiosk.end_session(session_id)),
]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("name", "act"), ACTS, ids=[name for name, _ in ACTS])
async def test_a_lost_answer_is_asked_for_again_and_the_act_happens_once(
    place: Place, name: str, act: Act, when: Any
) -> None:
    kiosk = place.kiosk()
    session_id, _ = await admitted(kiosk, place.card("mihon_hitori"))
    await kiosk.reserve(session_id, wanted())
    place.server.drop_next(when)

    await act(kiosk, session_id)
    expected = {
        "reserve": ["RESERVED", "RESERVED"],
        "release": ["RELEASED"],
        "result": ["CANCELLED"],
        "refund": ["CANCELLED"],
        "end_session": ["CANCELLED"],
    }
    assert expected[name] == await states(place)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_lost_answer_to_authenticate_costs_no_second_signature(place: Place, when: Any) -> None:
    kiosk, card = place.kiosk(), place.card("mihon_hitori")
    session = await opened(kiosk)
    signature = card.sign(session.message)
    place.server.drop_next(when)

    person = await kiosk.authenticate(session.session_id, card.certificate_der, signature)
    assert (3, 1) == (len(person.offers), card.signatures)


@pytest.mark.parametrize(("when", "expected"), [("before", "RESERVED"), ("after", "RELEASED")])
async def test_a_release_without_any_answer_is_uncertain_and_can_be_asked_about(
    place: Place, when: Any, expected: str
) -> None:
    await reserved(place.kiosk(), place.card("mihon_hitori"))
    for _ in range(1000):
        place.server.drop_next(when, "/v1/orders/*/release")
    with pytest.raises(MunicipalityUncertain) as caught:
        await place.kiosk(patience=HASTY).release(ORDER, 300)
    place.server.forget_faults()

    assert Certainty.UNKNOWN is caught.value.certainty
    assert [expected] == await states(place)
    assert "20261122-00000001" == (await place.kiosk().release(ORDER, 300)).receipt_no


async def test_a_session_whose_answer_was_lost_is_opened_once(place: Place) -> None:
    place.server.drop_next("after", "/v1/sessions")
    await opened(place.kiosk())
    sessions = await place.server.store.transact(lambda c: c.execute("SELECT id FROM session").fetchall())
    assert 1 == len(sessions)


async def test_an_answer_that_comes_too_late_is_uncertain(place: Place) -> None:
    place.server.delay_next(20.0, "/v1/sessions")
    with pytest.raises(MunicipalityUncertain, match="open_session: no answer"):
        await opened(place.kiosk(patience=HASTY))


async def test_nobody_listening_is_surely_not_done(place: Place, unused_port: int) -> None:
    kiosk = place.kiosk(url=f"https://localhost:{unused_port}", patience=ONCE)
    with pytest.raises(MunicipalityDown) as caught:
        await kiosk.release(ORDER, 300)
    assert Certainty.NOT_DONE is caught.value.certainty


async def test_one_uncertain_attempt_stays_uncertain_though_the_line_is_then_down(place: Place) -> None:
    async def take_one_and_vanish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        server.close()
        writer.transport.abort()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(place.pki / "server" / "certificate.pem", place.pki / "server" / "key.pem")
    server = await asyncio.start_server(take_one_and_vanish, "127.0.0.1", 0, ssl=context)
    kiosk = place.kiosk(url=f"https://localhost:{server.sockets[0].getsockname()[1]}", patience=HASTY)

    with pytest.raises(MunicipalityUncertain):
        await kiosk.release(ORDER, 300)
    assert not server.is_serving()


@pytest.fixture
async def unused_port() -> int:
    """A port where surely nobody listens: taken and left again."""
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port


# --- answers that are not in the protocol ---------------------------------------------------------


def with_field(**changes: object) -> Callable[[bytes], bytes]:
    return lambda body: json.dumps(json.loads(body) | changes).encode()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda _: b"", "release: json"),
        (lambda _: b"\xff\xfe{", "release: json"),
        (lambda _: b"[]", "release: json"),
        (lambda body: body[:-9], "release: json"),
        (lambda _: b'{"state":"RELEASED"}', "release: order_id"),
        (with_field(order_id="e" * 32), "release: order_id"),
        (with_field(order_id=7), "release: order_id"),
        (with_field(state="ISSUED"), "release: state"),
        (with_field(receipt_no="見本　一人"), "release: receipt_no"),
        (with_field(receipt_no=None), "release: receipt_no"),
        (with_field(authority="AAAAA"), "release: authority"),
        (with_field(authority="+/=="), "release: authority"),
        (with_field(colour="red"), "release: colour"),
        (lambda body: body + b" " * 1_048_577, "release: length"),
    ],
)
async def test_a_garbled_release_is_uncertain_and_names_message_and_field(
    place: Place, change: Callable[[bytes], bytes], expected: str
) -> None:
    kiosk = place.kiosk()
    await reserved(kiosk, place.card("mihon_hitori"))
    place.server.alter_next("*/release", change)

    with pytest.raises(MunicipalityAnswerInvalid) as caught:
        await kiosk.release(ORDER, 300)
    message, _, name = expected.partition(": ")
    assert (expected, Certainty.UNKNOWN) == (str(caught.value), caught.value.certainty)
    assert [{"order": message, "reason": name}] == place.log.named(EventId.MUNICIPALITY_ANSWER_INVALID)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (with_field(session_id="e" * 32), "authenticate: session_id"),
        (with_field(offers=[{"kind": "passport"}]), "authenticate: offers.0.kind"),
        (
            with_field(offers=[{"kind": "inkan", "fee_yen": -1, "max_copies": 1, "household": False}]),
            "authenticate: offers.0.fee_yen",
        ),
        (with_field(refusals=[{"kind": "inkan", "code": "no_reason"}]), "authenticate: refusals.0.code"),
        (with_field(refusals=[{"kind": "inkan", "code": "deceased"}]), "authenticate: offers"),
    ],
)
async def test_a_garbled_admission_names_the_field(
    place: Place, change: Callable[[bytes], bytes], expected: str
) -> None:
    kiosk = place.kiosk()
    place.server.alter_next("*/authenticate", change)

    with pytest.raises(MunicipalityAnswerInvalid) as caught:
        await admitted(kiosk, place.card("mihon_hitori"))
    assert expected == str(caught.value)


async def test_a_reservation_of_another_order_is_not_taken(place: Place) -> None:
    kiosk = place.kiosk()
    session_id, _ = await admitted(kiosk, place.card("mihon_hitori"))
    place.server.alter_next("/v1/orders", with_field(order_id="e" * 32))

    with pytest.raises(MunicipalityAnswerInvalid, match="reserve: order_id"):
        await kiosk.reserve(session_id, wanted())


async def test_an_unknown_problem_code_leaves_a_release_uncertain(place: Place) -> None:
    kiosk = place.kiosk()
    await reserved(kiosk, place.card("mihon_hitori"))
    place.server.refuse_next("brand_new_reason", "*/release")

    with pytest.raises(MunicipalityUncertain, match="release: brand_new_reason"):
        await kiosk.release(ORDER, 300)
    assert [{"order": "release", "code": "brand_new_reason"}] == place.log.named(EventId.MUNICIPALITY_REFUSED)


async def test_a_private_refusal_is_not_logged(place: Place) -> None:
    kiosk = place.kiosk()
    place.server.refuse_next("support_measure")

    assert Refusal.SUPPORT_MEASURE == await refusal_of(opened(kiosk))
    assert [] == place.log.events


# --- who may talk to whom -------------------------------------------------------------------------


async def reaches(kiosk: HttpsMunicipality) -> MunicipalityError | None:
    try:
        await opened(kiosk)
    except MunicipalityError as error:
        return error
    return None


async def test_a_kiosk_that_is_not_in_the_registry_is_refused(place: Place, tmp_path: Path) -> None:
    device = tmp_path / "unknown"
    make_kiosk(device, device_authority(place.pki), OTHER_KIOSK, NOON)

    error = await reaches(place.kiosk(device=device, urn=OTHER_KIOSK))
    assert "open_session: kiosk_unknown" == str(error)


async def test_an_expelled_kiosk_is_refused_at_its_next_request(place: Place) -> None:
    kiosk = place.kiosk()
    session_id, _ = await admitted(kiosk, place.card("mihon_hitori"))
    await place.server.expel_kiosk(KIOSK)

    with pytest.raises(MunicipalityDown, match="reserve: kiosk_unknown"):
        await kiosk.reserve(session_id, wanted())


async def test_a_certificate_of_a_foreign_authority_opens_nothing(place: Place, tmp_path: Path) -> None:
    device = tmp_path / "foreign"
    make_kiosk(device, make_authority("foreign device CA", NOON), KIOSK, NOON)

    assert isinstance(await reaches(place.kiosk(device=device)), MunicipalityUncertain)


async def test_no_client_certificate_opens_nothing(place: Place) -> None:
    context = ssl.create_default_context(cafile=place.pki / "server_ca.pem")
    reader, writer = await asyncio.open_connection("localhost", place.server.port, ssl=context)
    writer.write(b"GET /v1/orders/x HTTP/1.1\r\nHost: localhost\r\n\r\n")
    answer = b""
    try:
        answer = await reader.read(100)
    except (ssl.SSLError, ConnectionError):
        answer = b""
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)
    assert b"" == answer


async def test_tls_1_2_is_refused(place: Place) -> None:
    context = ssl.create_default_context(cafile=place.pki / "server_ca.pem")
    context.load_cert_chain(place.pki / "kiosk" / "certificate.pem", place.pki / "kiosk" / "key.pem")
    context.maximum_version = ssl.TLSVersion.TLSv1_2

    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.open_connection("localhost", place.server.port, ssl=context)


async def test_a_server_of_a_foreign_authority_is_told_nothing(place: Place) -> None:
    error = await reaches(place.kiosk(ca_file=place.pki / "device_ca.pem", patience=ONCE))
    assert (MunicipalityDown, "server-certificate-untrusted") == (type(error), word_for(error))


async def test_a_server_of_another_name_is_told_nothing(place: Place) -> None:
    told: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        told.append(await reader.read(1))
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(place.pki / "server" / "certificate.pem", place.pki / "server" / "key.pem")
    server = await asyncio.start_server(listen, "127.0.0.2", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    error = await reaches(place.kiosk(url=f"https://127.0.0.2:{port}", patience=ONCE))
    server.close()
    await server.wait_closed()

    assert (MunicipalityDown, "server-certificate-other-name") == (type(error), word_for(error))
    assert told in ([], [b""])


async def test_a_certificate_of_another_kiosk_is_a_configuration_error(place: Place) -> None:
    with pytest.raises(ConfigError, match="is not the certificate of"):
        place.kiosk(urn=OTHER_KIOSK)


# --- the heartbeat --------------------------------------------------------------------------------


async def test_the_heartbeat_reports_level_time_and_hours(place: Place) -> None:
    levels, kiosk = Watched(), place.kiosk()
    kiosk.start(levels)
    await levels.until(MunicipalityLevel(reachable=True))

    assert ([NOON], [ServiceHours.OPEN]) == (place.times.values, place.hours.values)
    assert [] == place.log.events


async def test_the_heartbeat_tells_closed_and_maintenance(place: Place) -> None:
    place.server.set_hours(time(6, 30), time(12, 0))
    levels = Watched()
    place.kiosk().start(levels)
    await place.hours.until(ServiceHours.CLOSED)
    place.server.set_maintenance(True)
    place.kiosk().start(levels)
    await place.hours.until(ServiceHours.MAINTENANCE)


async def test_a_backend_that_goes_and_comes_back_is_logged_once_each(place: Place, tmp_path: Path) -> None:
    patience = Patience(
        connect_seconds=4,
        answer_seconds=4,
        total_seconds=4,
        first_retry_seconds=0.01,
        longest_retry_seconds=0.02,
        heartbeat_seconds=0.02,
    )
    levels = Watched()
    kiosk = place.kiosk(patience=patience)
    kiosk.start(levels)
    await levels.until(MunicipalityLevel(reachable=True))
    await place.server.stop()
    await levels.until(MunicipalityLevel(reachable=False))
    again = MunicipalityServer(
        pki=place.pki, database=tmp_path / "again.sqlite", port=place.server.port, now=place.clock
    )
    await again.start()
    async with asyncio.timeout(60):
        while len(levels.values) < 3:
            levels.changed.clear()
            await levels.changed.wait()
    await kiosk.close()
    await again.stop()

    assert [True, False, True] == [level.reachable for level in levels.values]
    assert [EventId.MUNICIPALITY_GONE, EventId.MUNICIPALITY_BACK] == [event for event, _ in place.log.events]


async def test_the_log_names_the_refusal_of_an_unregistered_kiosk(place: Place) -> None:
    await place.server.expel_kiosk(KIOSK)
    levels = Watched()
    place.kiosk().start(levels)
    await levels.until(MunicipalityLevel(reachable=False))

    assert [{"reason": "kiosk_unknown"}] == place.log.named(EventId.MUNICIPALITY_GONE)


async def test_the_log_names_our_own_expired_certificate(place: Place) -> None:
    place.clock.moment = NOON + timedelta(days=4000)
    await place.server.stop()
    levels = Watched()
    place.kiosk().start(levels)
    await levels.until(MunicipalityLevel(reachable=False))

    assert [{"reason": "own-certificate-expired"}] == place.log.named(EventId.MUNICIPALITY_GONE)


OFTEN = Patience(
    connect_seconds=20,
    answer_seconds=20,
    total_seconds=20,
    first_retry_seconds=0.01,
    longest_retry_seconds=0.02,
    heartbeat_seconds=0.01,
)


async def beats(place: Place, times: int = 3) -> None:
    """Wait for so many more beats that were answered."""
    wanted = len(place.times.values) + times
    async with asyncio.timeout(60):
        while len(place.times.values) < wanted:
            place.times.changed.clear()
            await place.times.changed.wait()


async def test_a_journal_that_grows_is_followed(place: Place) -> None:
    levels = Watched()
    place.kiosk(patience=OFTEN).start(levels)
    for octet in (2, 3, 4):
        await beats(place)
        place.journal.grow(octet)
    await beats(place)
    assert [MunicipalityLevel(reachable=True)] == levels.values


async def cut(journal: Witnessed) -> None:
    del journal.chains[-1]


async def cut_and_written_anew(journal: Witnessed) -> None:
    del journal.chains[-1]
    for octet in (8, 9, 10):
        journal.grow(octet)


async def written_anew_at_its_end(journal: Witnessed) -> None:
    del journal.chains[-1]
    journal.grow(9)


@pytest.mark.parametrize("harm", [cut, cut_and_written_anew, written_anew_at_its_end])
async def test_a_kiosk_whose_journal_lost_its_tail_serves_nobody_until_the_clerk_has_looked(
    place: Place, harm: Callable[[Witnessed], Awaitable[None]]
) -> None:
    levels = Watched()
    place.journal.grow(2)
    before = place.kiosk(patience=OFTEN)
    before.start(levels)
    await beats(place)
    await before.close()
    served = len(place.times.values)
    await harm(place.journal)

    levels, after = Watched(), place.kiosk(patience=OFTEN)
    after.start(levels)
    await levels.until(MunicipalityLevel(reachable=False))
    assert served == len(place.times.values)
    assert {"reason": "journal_cut"} in place.log.named(EventId.MUNICIPALITY_GONE)

    assert await place.server.forget_journal(KIOSK)
    await levels.until(MunicipalityLevel(reachable=True))
    await beats(place)
    await after.close()
    assert not await place.server.forget_journal("urn:kiosk:nobody")


async def test_a_restarted_kiosk_proves_its_journal_before_anybody_is_served(place: Place) -> None:
    for _ in range(2):
        levels, kiosk = Watched(), place.kiosk(patience=OFTEN)
        kiosk.start(levels)
        await beats(place)
        await kiosk.close()
        assert [MunicipalityLevel(reachable=True)] == levels.values
        place.journal.grow(7)


async def test_a_failed_request_makes_the_heartbeat_look_at_once(place: Place) -> None:
    levels, kiosk = Watched(), place.kiosk(patience=HASTY)
    kiosk.start(levels)
    await levels.until(MunicipalityLevel(reachable=True))
    await place.server.stop()

    with pytest.raises(MunicipalityDown):
        await opened(kiosk)
    await levels.until(MunicipalityLevel(reachable=False))


async def test_a_heartbeat_tells_the_devices_that_the_operator_must_look_after(place: Place) -> None:
    level = Watched()
    hopper = HopperLevel(hopper=3, working=True, coins=4)
    facts = Facts(next_visit=VisitId("a" * 32), hoppers=(hopper,))
    low = frozenset({PrinterSupply.TONER_LOW, PrinterSupply.MEDIA_LOW})
    for said in (
        DocumentPrinterLevel(low=low),
        ReceiptPrinterLevel(ready=True, paper_low=True),
        PanelLevel(paper_in_tray=True, paper_left=True),
        ScreenLevel(Page.GONE),
    ):
        facts = facts.with_level(said)
    place.kiosk().start(level, lambda: facts)
    await level.until(MunicipalityLevel(reachable=True))
    kept = await place.server.store.transact(lambda c: c.execute("SELECT levels FROM kiosk").fetchone()[0])
    levels = json.loads(kept)
    assert ["unreachable"] == levels["printer"]
    assert ["media-low", "toner-low"] == levels["printer_low"]
    assert {True} == {levels[word] for word in ("receipt_paper_low", "paper_left", "screen_dark")}
    assert [{"hopper": 3, "coin_yen": 100, "coins": 4, "working": True}] == levels["hoppers"]


@pytest.mark.parametrize("code", ["request_invalid", "order_unknown", "order_conflict"])
async def test_a_report_that_cannot_be_taken_is_refused_once_and_not_repeated(
    place: Place, code: str
) -> None:
    await reserved(place.kiosk(), place.card("mihon_hitori"))
    place.server.refuse_next(code, "*/result")
    with pytest.raises(ReportRefused, match=code):
        await place.kiosk().report_result(ORDER, Certainty.NOT_DONE, 0)
    assert ["RESERVED"] == await states(place)
