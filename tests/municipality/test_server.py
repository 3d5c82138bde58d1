"""The reference backend by its bytes on the wire, without the kiosk's client; a vendor can start here."""

import asyncio
import base64
import json
import os
import signal
import ssl
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from tests.municipality import MunicipalityServer
from tests.municipality.databases import EDIT_REFUSED, edited
from tests.municipality.norm import faults
from tests.municipality.pki import KIOSK, make_test_pki

NOON = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
ROOT = Path(__file__).resolve().parent.parent.parent
BEAT = {
    "seq": 1,
    "firmware": "0.1.0",
    "journal": {"seq": 7, "head": "A" * 43, "since_seq": 0, "since_head": ""},
}
ORDER = "0123456789abcdef0123456789abcdef-1"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    message: Any


@dataclass
class Wire:
    """Speaks the protocol by hand."""

    url: str
    pki: Path
    http: aiohttp.ClientSession

    async def send(self, method: str, path: str, message: object = None, **headers: str) -> Answer:
        body = None if message is None else json.dumps(message)
        return await self.send_bytes(method, path, body, **headers)

    async def send_bytes(self, method: str, path: str, body: str | None, **headers: str) -> Answer:
        given = {"Content-Type": "application/json"} | headers
        async with self.http.request(method, f"{self.url}{path}", data=body, headers=given) as response:
            received = await response.read()
            message = json.loads(received) if received else None
            departs = faults(method, path, response.status, response.content_type, message)
            assert not departs, departs
            return Answer(response.status, dict(response.headers), message)

    async def admitted(self, card: str, kem: X25519PrivateKey) -> tuple[str, str]:
        """Session id and person_ref."""
        person = await self.person(card, kem)
        return person["session_id"], person["person_ref"]

    async def person(self, card: str, kem: X25519PrivateKey, **asks: object) -> Any:
        """What the person may have. asks: what is asked for besides when the session is opened."""
        public = b64u(kem.public_key().public_bytes_raw())
        asked = {"kem": public, "kem_alg": "X25519", "ui_lang": "ja"} | asks
        session = (await self.send("POST", "/v1/sessions", asked)).message
        key = serialization.load_pem_private_key((self.card(card) / "key.pem").read_bytes(), password=None)
        assert isinstance(key, rsa.RSAPrivateKey)
        signed = key.sign(
            b"KIOSK-JPKI-AUTH-v1\0" + unb64u(session["tbs"]), padding.PKCS1v15(), hashes.SHA256()
        )
        certificate = (self.card(card) / "certificate.der").read_bytes()
        person = await self.send(
            "POST",
            f"/v1/sessions/{session['session_id']}/authenticate",
            {"cert": b64u(certificate), "alg": "RS256", "signature": b64u(signed)},
        )
        return person.message

    def card(self, name: str) -> Path:
        return self.pki / "cards" / name


def b64u(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def unb64u(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "==")


def order(session_id: str, order_id: str = ORDER, **changes: object) -> dict[str, object]:
    return {
        "order_id": order_id,
        "session_id": session_id,
        "kind": "juminhyo",
        "subjects": "self",
        "items": [],
        "copies": 1,
    } | changes


def client(pki: Path) -> aiohttp.ClientSession:
    context = ssl.create_default_context(cafile=pki / "server_ca.pem")
    context.load_cert_chain(pki / "kiosk" / "certificate.pem", pki / "kiosk" / "key.pem")
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context, limit=16))


@pytest.fixture(scope="session")
def pki(request: pytest.FixtureRequest) -> Path:
    cache = request.config.cache
    assert cache is not None
    out = cache.mkdir("madoguchi-pki")
    make_test_pki(out)
    return out


@pytest.fixture
async def wire(pki: Path, database: Path | str) -> AsyncIterator[Wire]:
    server = MunicipalityServer(pki=pki, database=database, now=lambda: NOON)
    await server.start()
    async with client(pki) as http:
        yield Wire(server.url, pki, http)
    await server.stop()


async def test_every_answer_names_the_protocol(wire: Wire) -> None:
    answers = [
        await wire.send("POST", "/v1/heartbeat", BEAT),
        await wire.send("POST", "/v1/heartbeat", {}),
        await wire.send("GET", "/v1/nowhere"),
        await wire.send("PATCH", "/v1/orders"),
    ]
    assert [(200, "1"), (400, "1"), (404, "1"), (405, "1")] == [
        (answer.status, answer.headers.get("Madoguchi-Protocol")) for answer in answers
    ]


async def test_the_heartbeat_tells_the_time_in_utc(wire: Wire) -> None:
    answer = await wire.send("POST", "/v1/heartbeat", BEAT)
    assert {
        "server_time": "2026-11-22T03:00:00.000Z",
        "open": True,
        "reason": None,
        "journal_seq": 7,
    } == answer.message


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/heartbeat", json.dumps(BEAT | {"extra": 1})),
        ("/v1/heartbeat", json.dumps(BEAT | {"seq": -1})),
        ("/v1/heartbeat", json.dumps(BEAT | {"seq": "1"})),
        ("/v1/heartbeat", json.dumps(BEAT | {"journal": {}})),
        ("/v1/heartbeat", "{"),
        ("/v1/heartbeat", ""),
        ("/v1/heartbeat", "[" * 20_000),
        ("/v1/sessions", '{"kem":"AAAA","kem_alg":"X25519","ui_lang":"ja"}'),
        ("/v1/sessions", '{"kem":"A","kem_alg":"X25519","ui_lang":"ja"}'),
        ("/v1/sessions", '{"kem":"AAAA","kem_alg":"P-256","ui_lang":"ja"}'),
        ("/v1/sessions/0123456789abcdef/authenticate", '{"cert":"","alg":"none","signature":""}'),
        ("/v1/orders", '{"order_id":"1"}'),
        ("/v1/orders", '{"order_id":"../../../../etc/passwd"}'),
        ("/v1/orders/0123456789abcdef/release", '{"paid_yen":300.5}'),
        ("/v1/orders/0123456789abcdef/result", '{"outcome":"maybe","pages_out":0}'),
    ],
)
async def test_what_is_not_in_the_protocol_is_refused_as_a_problem(wire: Wire, path: str, body: str) -> None:
    answer = await wire.send_bytes("POST", path, body)
    assert (400, "application/problem+json", "request_invalid") == (
        answer.status,
        answer.headers["Content-Type"].partition(";")[0],
        answer.message["code"],
    )


async def test_another_content_type_or_a_huge_body_is_refused(wire: Wire) -> None:
    form = await wire.send("POST", "/v1/heartbeat", {}, **{"Content-Type": "text/plain"})
    huge = await wire.send_bytes("POST", "/v1/heartbeat", " " * 70_000)
    assert [415, 413] == [form.status, huge.status]


async def test_an_order_shows_nothing_sealed_and_nothing_of_a_person(wire: Wire) -> None:
    session_id, _ = await wire.admitted("mihon_hitori", X25519PrivateKey.generate())
    await wire.send("POST", "/v1/orders", order(session_id))
    answer = await wire.send("GET", f"/v1/orders/{ORDER}")
    assert {
        "order_id": ORDER,
        "state": "RESERVED",
        "total_yen": 300,
        "number": "10208-20261122-00000001",
        "receipt_no": None,
        "paid_yen": None,
        "refunded_yen": None,
        "owed_yen": None,
    } == answer.message


@pytest.mark.parametrize(
    ("asks", "told", "status"),
    [({}, 0, 403), ({"members": False}, 0, 403), ({"members": True}, 5, 201)],
    ids=["older kiosk", "asks for none", "asks"],
)
async def test_only_a_kiosk_that_asks_is_told_members_and_may_order_by_them(
    wire: Wire, asks: dict[str, object], told: int, status: int
) -> None:
    person = await wire.person("shiken_taro", X25519PrivateKey.generate(), **asks)
    offer = next(offer for offer in person["offers"] if offer["kind"] == "juminhyo")
    assert (told > 0) is ("members" in offer), (
        "an older kiosk refuses an answer with a field it does not know"
    )
    assert told == len(offer.get("members", ()))
    ordered = order(person["session_id"], subjects="members", members=[1, 3])
    answer = await wire.send("POST", "/v1/orders", ordered)
    assert status == answer.status
    if not told:
        assert "not_offered" == answer.message["code"]
        whole = await wire.send("POST", "/v1/orders", order(person["session_id"], subjects="household"))
        assert 201 == whole.status, "all else is as before"


async def test_many_people_at_once_each_get_only_their_own(wire: Wire) -> None:
    names = {"mihon_hitori": "見本　一人", "shiken_taro": "試験　太朗", "takasaki_yoshi": "髙﨑　𠮷見本"}
    suite = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)

    async def visit(number: int) -> tuple[str, str, bool]:
        card, kem = list(names)[number % 3], X25519PrivateKey.generate()
        order_id = f"{number:032x}-1"
        session_id, person_ref = await wire.admitted(card, kem)
        reserved = (await wire.send("POST", "/v1/orders", order(session_id, order_id))).message
        released = (await wire.send("POST", f"/v1/orders/{order_id}/release", {"paid_yen": 300})).message
        envelope = json.loads(unb64u(reserved["sealed"]))
        binding = b"\0".join(part.encode() for part in ("madoguchi-contents-v1", order_id, session_id, KIOSK))
        content_key = suite.decrypt(unb64u(envelope["key"]), kem, info=binding)
        sealed = unb64u(envelope["ciphertext"])
        contents = json.loads(AESGCM(content_key).decrypt(unb64u(envelope["nonce"]), sealed, binding))
        own = (contents["order_id"], contents["person_ref"]) == (order_id, person_ref)
        name = contents["document"]["persons"][0]["name"]
        return released["receipt_no"], contents["number"], own and name == names[card]

    visits = await asyncio.gather(*(visit(number) for number in range(48)))
    receipts, numbers, right = zip(*visits, strict=True)
    assert (48, 48, {True}) == (len(set(receipts)), len(set(numbers)), set(right))


async def test_orders_and_counters_survive_a_restart_and_a_terminal_state_cannot_be_edited(
    pki: Path, either_database: Path | str
) -> None:
    for number in (1, 2):
        server = MunicipalityServer(pki=pki, database=either_database, now=lambda: NOON)
        await server.start()
        async with client(pki) as http:
            wire = Wire(server.url, pki, http)
            session_id, _ = await wire.admitted("mihon_hitori", X25519PrivateKey.generate())
            order_id = f"{number:032x}-1"
            await wire.send("POST", "/v1/orders", order(session_id, order_id))
            await wire.send("DELETE", f"/v1/sessions/{session_id}")
        found = await server.orders()
        await server.stop()
    assert ["10208-20261122-00000001", "10208-20261122-00000002"] == [kept.number for kept in found]

    for statement in ("UPDATE orders SET state = 'RELEASED'", "DELETE FROM orders"):
        with pytest.raises(EDIT_REFUSED), edited(either_database) as connection:
            connection.execute(statement)
    with edited(either_database) as connection:
        sealed = connection.execute("SELECT DISTINCT sealed, authority FROM orders").fetchall()
    assert [(None, None)] == [tuple(row) for row in sealed]


async def test_upkeep_confirms_the_register_and_expires_what_waited_too_long(
    pki: Path, either_database: Path | str
) -> None:
    moment = [NOON]
    server = MunicipalityServer(pki=pki, database=either_database, now=lambda: moment[0], upkeep_seconds=0.01)
    await server.start()
    async with client(pki) as http, asyncio.timeout(20):
        wire = Wire(server.url, pki, http)
        session_id, _ = await wire.admitted("mihon_hitori", X25519PrivateKey.generate())
        await wire.send("POST", "/v1/orders", order(session_id))
        moment[0] += timedelta(hours=1)
        while (await wire.send("GET", f"/v1/orders/{ORDER}")).message["state"] != "EXPIRED":
            pass
        late = await wire.send("POST", "/v1/orders", order(session_id, "f" * 32))
        session_id, _ = await wire.admitted("mihon_hitori", X25519PrivateKey.generate())
        fresh = await wire.send("POST", "/v1/orders", order(session_id, "e" * 32))
    await server.stop()
    assert [(404, "session_unknown"), (201, "RESERVED")] == [
        (late.status, late.message["code"]),
        (fresh.status, fresh.message["state"]),
    ]


async def test_the_command_line_serves_until_it_is_told_to_stop(pki: Path, database: Path | str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.municipality", "--pki", str(pki), "--db", str(database)),
        *("--port", "0", "--now", "2026-11-22T23:30:00+09:00"),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert process.stdout is not None
    try:
        url = (await asyncio.wait_for(process.stdout.readline(), 30)).decode().strip()
        async with client(pki) as http:
            answer = await Wire(url, pki, http).send("POST", "/v1/heartbeat", BEAT)
        assert ("outside_hours", "2026-11-22T14:30") == (
            answer.message["reason"],
            answer.message["server_time"][:16],
        )
    finally:
        process.send_signal(signal.SIGTERM)
        ended = await process.wait()
    assert 0 == ended
