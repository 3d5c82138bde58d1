"""A fleet of simulated kiosks, each with its own certificate, against the backend in a process of its own.

scripts/fleet --kiosks N --rate R [--seconds S] [--db URL] [--json]

Visits begin at R a second whether the backend keeps up or not. Each is a whole issuance over mutual TLS:
session, card signature, reservation, opening what came sealed, release, result, end. As the firmware does,
a kiosk keeps its connection from one heartbeat to the next and through its visits, and beats once a minute;
the first heartbeat of each, with its handshake, is before the clock runs. The backend is held to one core,
the fleet to the others. Prints issuances a second, the time of all messages of a visit together, the
backend's memory and share of its core, and how many papers named somebody else. The processor time of a
visit holds on a busy machine, too: its reciprocal is what one core can carry; load says how busy the machine
was. Exit status 1 if a paper was wrong or a visit failed.
"""

import argparse
import asyncio
import json
import os
import random
import resource
import secrets
import ssl
import sys
import tempfile
import time
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import aiohttp
import psutil
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from tests.municipality.eligibility import refusal
from tests.municipality.pki import device_authority, make_kiosk, make_test_pki
from tests.municipality.register import load_city, load_people
from tests.municipality.sealing import CONTENTS, Addressee
from tests.municipality.wire import b64u, unb64u

HEARTBEAT_SECONDS = 60.0
ROOT = Path(__file__).resolve().parent.parent.parent
_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a card; name: what must stand on the paper."""

    name: str
    certificate_der: bytes
    key: rsa.RSAPrivateKey


@dataclass(slots=True)
class Figures:
    """What was measured. failures: problem codes and names of errors, counted."""

    kiosks: int
    issued: int = 0
    wrong: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    milliseconds: list[float] = field(default_factory=list)
    seconds: float = 0.0
    backend_mib: float = 0.0
    backend_core: float = 0.0
    backend_cpu_seconds: float = 0.0
    load: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Rates and quantiles."""
        times = sorted(self.milliseconds) or [0.0]
        return {
            "kiosks": self.kiosks,
            "issued": self.issued,
            "issued_a_second": round(self.issued / self.seconds, 1),
            "visit_p50_ms": round(times[len(times) // 2], 1),
            "visit_p99_ms": round(times[min(len(times) - 1, len(times) * 99 // 100)], 1),
            "backend_mib": round(self.backend_mib),
            "backend_core_percent": round(100 * self.backend_core),
            "backend_cpu_ms_a_visit": round(1000 * self.backend_cpu_seconds / max(1, self.issued), 2),
            "visits_a_core_second": round(self.issued / max(1e-9, self.backend_cpu_seconds), 1),
            "load": round(self.load, 1),
            "wrong_persons": self.wrong,
            "failures": dict(self.failures),
        }


class Failed(Exception):
    """The backend answered a problem; str is its code."""


@dataclass(frozen=True, slots=True)
class SimulatedKiosk:
    """One kiosk: its name and its connections, with its certificate."""

    urn: str
    http: aiohttp.ClientSession
    url: str

    async def beat(self) -> None:
        """One heartbeat. Raises Failed, ClientError."""
        journal = {"seq": 0, "head": "", "since_seq": 0, "since_head": ""}
        await self._send("POST", "/v1/heartbeat", {"seq": 1, "firmware": "0.1.0", "journal": journal})

    async def issue(self, person: Person) -> str:
        """One visit; the name on the paper. Raises Failed, ClientError, InvalidTag."""
        kem, order_id = X25519PrivateKey.generate(), f"{secrets.token_hex(16)}-1"
        public = kem.public_key().public_bytes_raw()
        wanted = {"kem": b64u(public), "kem_alg": "X25519", "ui_lang": "ja"}
        session = await self._send("POST", "/v1/sessions", wanted)
        session_id = session["session_id"]
        signed = person.key.sign(
            b"KIOSK-JPKI-AUTH-v1\0" + unb64u(session["tbs"]), padding.PKCS1v15(), hashes.SHA256()
        )
        card = {"cert": b64u(person.certificate_der), "alg": "RS256", "signature": b64u(signed)}
        await self._send("POST", f"/v1/sessions/{session_id}/authenticate", card)
        order = {"order_id": order_id, "session_id": session_id, "kind": "juminhyo"}
        choice = {"subjects": "self", "items": [], "copies": 1}
        reserved = await self._send("POST", "/v1/orders", order | choice)
        binding = Addressee(public, order_id, session_id, self.urn).binding(CONTENTS)
        envelope = json.loads(unb64u(reserved["sealed"]))
        content_key = _SUITE.decrypt(unb64u(envelope["key"]), kem, info=binding)
        sealed = unb64u(envelope["ciphertext"])
        contents = json.loads(AESGCM(content_key).decrypt(unb64u(envelope["nonce"]), sealed, binding))
        paid = {"paid_yen": reserved["total_yen"]}
        await self._send("POST", f"/v1/orders/{order_id}/release", paid)
        printed = {"outcome": "done", "pages_out": 1}
        await self._send("POST", f"/v1/orders/{order_id}/result", printed)
        await self._send("DELETE", f"/v1/sessions/{session_id}")
        return str(contents["document"]["persons"][0]["name"])

    async def _send(self, method: str, path: str, message: Any = None) -> Any:
        async with self.http.request(method, f"{self.url}{path}", json=message) as answer:
            body = await answer.read()
            if answer.status >= 300:
                raise Failed(json.loads(body)["code"])
            return json.loads(body) if body else None


async def run(
    pki: Path, *, kiosks: int, rate: float, seconds: float, database: str, before: tuple[str, ...] = ()
) -> Figures:
    """Start the backend, let the fleet issue, stop it again. before: words before the backend's command."""
    fleet = pki / "fleet"
    make_test_pki(pki)
    urns = [f"urn:kiosk:fleet-{number:05}" for number in range(kiosks)]
    authority, now = device_authority(pki), datetime.now(UTC)
    for number, urn in enumerate(urns):
        make_kiosk(fleet / f"{number:05}", authority, urn, now)
    backend = await asyncio.create_subprocess_exec(
        *(*before, sys.executable, "-m", "tests.municipality", "--pki", str(pki), "--db", database),
        *("--kiosks", str(fleet), "--now", "2026-11-22T12:00:00+09:00"),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert backend.stdout is not None
    try:
        url = (await backend.stdout.readline()).decode().strip()
        async with AsyncExitStack() as open_connections:
            machines = [
                SimulatedKiosk(
                    urn, await open_connections.enter_async_context(_http(pki, fleet / f"{number:05}")), url
                )
                for number, urn in enumerate(urns)
            ]
            return await _measured(machines, _people(pki), psutil.Process(backend.pid), rate, seconds)
    finally:
        backend.terminate()
        await backend.wait()


async def _measured(
    kiosks: list[SimulatedKiosk], people: list[Person], backend: psutil.Process, rate: float, seconds: float
) -> Figures:
    figures = Figures(len(kiosks))
    draw = random.Random(1)  # noqa: S311 - draws, not secrets
    for kiosk in kiosks:
        await _counted(kiosk, figures)
    beating = [asyncio.create_task(_beating(kiosk, figures, draw.random())) for kiosk in kiosks]
    cpu, began = sum(backend.cpu_times()[:2]), time.perf_counter()
    visits = []
    for number in range(round(rate * seconds)):
        await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
        visit = _timed(draw.choice(kiosks), draw.choice(people), figures)
        visits.append(asyncio.create_task(visit))
    await asyncio.gather(*visits)
    for beats in beating:
        beats.cancel()
    figures.load = os.getloadavg()[0]
    figures.seconds = time.perf_counter() - began
    figures.backend_cpu_seconds = sum(backend.cpu_times()[:2]) - cpu
    figures.backend_core = figures.backend_cpu_seconds / figures.seconds
    figures.backend_mib = backend.memory_info().rss / 2**20
    return figures


async def _counted(kiosk: SimulatedKiosk, figures: Figures) -> None:
    try:
        await kiosk.beat()
    except (Failed, aiohttp.ClientError, OSError) as failure:
        figures.failures[str(failure) or type(failure).__name__] += 1


async def _beating(kiosk: SimulatedKiosk, figures: Figures, share: float) -> None:
    """Once a minute, each at another second of it."""
    await asyncio.sleep(share * HEARTBEAT_SECONDS)
    while True:
        await _counted(kiosk, figures)
        await asyncio.sleep(HEARTBEAT_SECONDS)


async def _timed(kiosk: SimulatedKiosk, person: Person, figures: Figures) -> None:
    began = time.perf_counter()
    try:
        name = await kiosk.issue(person)
    except (Failed, aiohttp.ClientError, OSError, InvalidTag) as failure:
        known = isinstance(failure, Failed)
        figures.failures[str(failure) if known else type(failure).__name__] += 1
        return
    figures.issued += 1
    figures.wrong += name != person.name
    figures.milliseconds.append((time.perf_counter() - began) * 1000)


def _people(pki: Path) -> list[Person]:
    """Everybody of the register who may have a 住民票の写し with a card of today."""
    city, today = load_city(), date(2026, 11, 22)
    people = load_people(today)
    found = []
    for household, resident in people.residents():
        card = resident.card
        if card is None or card.certificate != "valid" or card.key != "RSA-2048":
            continue
        if refusal("juminhyo", household, resident, city, today) is None:
            folder = pki / "cards" / resident.id
            key = serialization.load_pem_private_key((folder / "key.pem").read_bytes(), password=None)
            assert isinstance(key, rsa.RSAPrivateKey)
            found.append(Person(resident.name, (folder / "certificate.der").read_bytes(), key))
    return found


def _http(pki: Path, folder: Path) -> aiohttp.ClientSession:
    context = ssl.create_default_context(cafile=pki / "server_ca.pem")
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=context, keepalive_timeout=2 * HEARTBEAT_SECONDS)
    )


def _one_core_for_the_backend() -> tuple[str, ...]:
    """The words before its command; the fleet itself stays away from that core."""
    first, *others = sorted(os.sched_getaffinity(0))
    if others:
        os.sched_setaffinity(0, others)
    return ("taskset", "--cpu-list", str(first))


def main() -> int:
    """Exit status 1 if anybody got a wrong paper or a visit failed."""
    parser = argparse.ArgumentParser(
        prog="scripts/fleet", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kiosks", type=int, default=100)
    parser.add_argument("--rate", type=float, default=10.0, help="visits that begin a second")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--db", help="postgresql://…, or a new SQLite file; by default one that is removed")
    parser.add_argument("--pki", type=Path, default=ROOT / "build" / "fleet", help="kept for the next time")
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(
            run(
                wanted.pki,
                kiosks=wanted.kiosks,
                rate=wanted.rate,
                seconds=wanted.seconds,
                database=wanted.db or f"{folder}/fleet.sqlite",
                before=_one_core_for_the_backend(),
            )
        )
    found = figures.as_dict()
    if wanted.json:
        sys.stdout.write(json.dumps(found | {"seconds": asdict(figures)["seconds"]}) + "\n")
    else:
        sys.stdout.writelines(f"{name:22} {value}\n" for name, value in found.items())
    return 1 if figures.wrong or figures.failures else 0


if __name__ == "__main__":
    sys.exit(main())
