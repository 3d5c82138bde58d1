"""Many visits at once, straight at the desk: does anybody get what is somebody else's?

python -m tests.municipality.crowd --issuances 1000000 [--at-once 64] [--db FILE|postgresql://…]

Each visit opens what was sealed to its own key and reads whose name stands there. Cards are taken for
proven; the wire is left out (`scripts/fleet` has both), and unless --hpke is given the key is the hash
of the visit's public key, under the same binding: HPKE would take two thirds of the time.
Exit status 1 if anybody got a wrong paper.
"""

import argparse
import asyncio
import hashlib
import json
import random
import secrets
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from tests.municipality import breaker, orders, records, sessions
from tests.municipality.desk import Desk, Kiosk
from tests.municipality.jpki import CardIdentity
from tests.municipality.register import City, Household, People, Resident, load_city
from tests.municipality.scramble import Office
from tests.municipality.sealing import AUTHORITY, CONTENTS, Addressee, seal
from tests.municipality.sessions import Answer
from tests.municipality.store import Connection, Store
from tests.municipality.wire import (
    AuthenticateRequest,
    OpenSessionRequest,
    Problem,
    ReleaseRequest,
    ReserveRequest,
    ResultRequest,
    b64u,
    encode,
    unb64u,
)

NOON = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
PEOPLE = 1000
ORDERS_A_VISIT = 10
KIOSKS = 16

_ISSUER = b"crowd"
_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_DIGITS = "〇一二三四五六七八九"

Reserve = Callable[["Crowd", Kiosk, ReserveRequest], Awaitable[dict[str, Any]]]


@dataclass(slots=True)
class Tally:
    """What came of a crowd. wrong: papers of somebody else; shut: sealed things that did not open."""

    issued: int = 0
    given_up: int = 0
    refused: int = 0
    wrong: int = 0
    shut: int = 0
    numbers: set[str] = field(default_factory=set)
    receipts: set[str] = field(default_factory=set)


class Crowd:
    """Visits of invented people at a store of their own. reserve: how the backend reserves."""

    def __init__(self, store: Store, *, seed: int, reserve: Reserve, hpke: bool = False) -> None:
        self.store = store
        self.city: City = load_city()
        self.tally = Tally()
        self.office = Office.new()
        self._reserve = reserve
        self.hpke = hpke
        self._draw = random.Random(seed)  # noqa: S311 - draws, not secrets
        self._kiosks = [Kiosk(f"urn:kiosk:crowd-{n:04}", f"crowd-{n}") for n in range(KIOSKS)]
        self._serial = 0

    async def come(self, issuances: int, at_once: int) -> Tally:
        """Let people come until so many certificates were asked for, so many of them at any moment."""
        await self.store.transact(self._load)
        self._left = issuances
        with patch.object(orders, "seal", seal if self.hpke else _seal_lightly):
            await asyncio.gather(*(self._one_after_another() for _ in range(at_once)))
        return self.tally

    def desk(self, connection: Connection, kiosk: Kiosk) -> Desk:
        """A desk for one transaction."""
        return Desk(connection, kiosk, self.city, NOON)

    async def _one_after_another(self) -> None:
        while self._left > 0:
            orders_wanted = min(self._left, self._draw.randint(1, 2 * ORDERS_A_VISIT - 1))
            self._left -= orders_wanted
            self._serial += 1
            visit = _Visit(self, self._draw.choice(self._kiosks), self._draw.randrange(PEOPLE))
            try:
                await visit.make(self._serial, orders_wanted, self._draw, self._reserve)
            except Problem:
                self.tally.refused += orders_wanted

    def _load(self, connection: Connection) -> None:
        records.load(connection, _people(), Path(), self.city, NOON)
        connection.executemany(
            "INSERT INTO card VALUES (?, ?, ?)", [(_ISSUER, f"{n:x}", f"person-{n}") for n in range(PEOPLE)]
        )


class _Visit:
    def __init__(self, crowd: Crowd, kiosk: Kiosk, person: int) -> None:
        self._crowd, self._kiosk, self._person = crowd, kiosk, person
        self._key = X25519PrivateKey.generate()
        self._person_ref = ""
        self._session_id = ""

    async def make(self, serial: int, orders_wanted: int, draw: random.Random, reserve: Reserve) -> None:
        kem = b64u(self._key.public_key().public_bytes_raw())
        opened = await self._at_desk(
            lambda desk: sessions.open_session(desk, OpenSessionRequest(kem, "X25519", "ja"), "server")
        )
        self._session_id = opened["session_id"]
        await self._authenticate()
        for number in range(1, orders_wanted + 1):
            await self._order(f"{serial:032x}-{number}", draw, reserve)
        await self._at_desk(lambda desk: sessions.end(desk, self._session_id))

    async def _authenticate(self) -> None:
        signed = AuthenticateRequest("", "RS256", b64u(self._session_id.encode()))
        challenge = await self._at_desk(lambda desk: sessions.consume(desk, self._session_id, signed))
        assert not isinstance(challenge, Answer)
        card = CardIdentity(_ISSUER, self._person)
        # The answer is lost now and then: the same question comes twice, and at once.
        answers = await asyncio.gather(
            *(self._at_desk(lambda desk: sessions.admit(desk, challenge, card)) for _ in range(2))
        )
        assert answers[0] == answers[1]
        self._person_ref = json.loads(answers[0].body)["person_ref"]

    async def _order(self, order_id: str, draw: random.Random, reserve: Reserve) -> None:
        tally = self._crowd.tally
        wanted = ReserveRequest(order_id, self._session_id, "juminhyo", "self", (), 1)
        try:
            reserved = await reserve(self._crowd, self._kiosk, wanted)
            contents = self._opened(reserved["sealed"], CONTENTS, order_id)
            if draw.random() < 0.02:
                tally.given_up += 1
                return
            paid = ReleaseRequest(reserved["total_yen"])
            released = await self._at_desk(lambda desk: orders.release(desk, order_id, paid, b""))
            authority = self._opened(released["authority"], AUTHORITY, order_id)
        except (Problem, breaker.Mismatch) as refusal:
            await self._alarm(refusal)
            return
        except InvalidTag:
            tally.shut += 1
            return
        tally.issued += 1
        tally.numbers.add(contents["number"])
        tally.receipts.add(released["receipt_no"])
        if not self._is_mine(contents, order_id) or authority["number"] != contents["number"]:
            tally.wrong += 1
        await self._at_desk(lambda desk: orders.result(desk, order_id, ResultRequest("done", 1)))

    async def _alarm(self, refusal: Exception) -> None:
        self._crowd.tally.refused += 1
        if isinstance(refusal, breaker.Mismatch):
            tripped = refusal
            await self._crowd.store.transact(lambda c: breaker.trip(c, tripped, NOON.timestamp()))

    def _is_mine(self, contents: dict[str, Any], order_id: str) -> bool:
        name, birth_date = _name(self._person), _birth_date(self._person).isoformat()
        [shown] = contents["document"]["persons"]
        bound = (contents["order_id"], contents["session_id"], contents["person_ref"])
        return (order_id, self._session_id, self._person_ref) == bound and (name, birth_date) == (
            shown["name"],
            shown["birth_date"],
        )

    def _opened(self, sealed: str, label: bytes, order_id: str) -> dict[str, Any]:
        public = self._key.public_key().public_bytes_raw()
        binding = Addressee(public, order_id, self._session_id, self._kiosk.urn).binding(label)
        if not self._crowd.hpke:
            octets = unb64u(sealed)
            opened = AESGCM(_light_key(public)).decrypt(octets[:12], octets[12:], binding)
            return _decoded(opened)
        envelope = json.loads(unb64u(sealed))
        content_key = _SUITE.decrypt(unb64u(envelope["key"]), self._key, info=binding)
        plain = AESGCM(content_key).decrypt(
            unb64u(envelope["nonce"]), unb64u(envelope["ciphertext"]), binding
        )
        return _decoded(plain)

    async def _at_desk(self, work: Callable[[Desk], Any]) -> Any:
        crowd, kiosk = self._crowd, self._kiosk
        return await crowd.store.transact(lambda c: work(crowd.desk(c, kiosk)))


async def as_built(crowd: Crowd, kiosk: Kiosk, request: ReserveRequest) -> dict[str, Any]:
    """Reserve as the backend does: one transaction."""
    return await crowd.store.transact(
        lambda c: orders.reserve(crowd.desk(c, kiosk), request, crowd.office, b"")
    )


def _seal_lightly(message: dict[str, object], label: bytes, addressee: Addressee) -> str:
    nonce, key = secrets.token_bytes(12), _light_key(addressee.kem_public_key)
    return b64u(nonce + AESGCM(key).encrypt(nonce, encode(message), addressee.binding(label)))


def _light_key(public: bytes) -> bytes:
    return hashlib.sha256(public).digest()


def _decoded(plain: bytes) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(plain)
    return message


def _people() -> People:
    return People(
        tuple(Household(f"household-{n}", _address(n), (_resident(n),)) for n in range(PEOPLE)),
    )


def _resident(number: int) -> Resident:
    moved = date(2012, 4, 1)
    return Resident(
        id=f"person-{number}",
        shows="",
        name=_name(number),
        birth_date=_birth_date(number),
        sex="女",
        relation="世帯主",
        resident_since=moved,
        address_since=moved,
    )


def _name(number: int) -> str:
    return "見本　" + "".join(_DIGITS[int(digit)] for digit in f"{number:04}")


def _address(number: int) -> str:
    return f"群馬県渋川市見本町{number}番地"


def _birth_date(number: int) -> date:
    return date(1950 + number % 50, 1 + number % 12, 1 + number % 28)


async def crowd_at(
    database: Path | str,
    *,
    issuances: int,
    at_once: int = 64,
    seed: int = 1,
    reserve: Reserve = as_built,
    hpke: bool = False,
) -> tuple[Tally, float]:
    """What came of it, and in how many seconds."""
    store = Store(database)
    await store.open(serving=True)
    began = time.perf_counter()
    try:
        tally = await Crowd(store, seed=seed, reserve=reserve, hpke=hpke).come(issuances, at_once)
    finally:
        await store.close()
    return tally, time.perf_counter() - began


def main() -> int:
    """Exit status 1 if anybody got a wrong paper."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.municipality.crowd",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--issuances", type=int, default=100_000)
    parser.add_argument("--at-once", type=int, default=64)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--db", help="SQLite file or postgresql://…, new; by default a file that is removed")
    parser.add_argument("--hpke", action="store_true", help="seal as the backend does")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        database = wanted.db or Path(folder) / "crowd.sqlite"
        asked = {"issuances": wanted.issuances, "at_once": wanted.at_once, "seed": wanted.seed}
        tally, seconds = asyncio.run(crowd_at(database, **asked, hpke=wanted.hpke))
    sys.stdout.write(
        f"{tally.issued} issued, {tally.given_up} given up, {tally.refused} refused, {tally.shut} shut,"
        f" {tally.wrong} wrong; {tally.issued / seconds:.0f} a second\n"
    )
    return 1 if tally.wrong or tally.shut else 0


if __name__ == "__main__":
    sys.exit(main())
