"""Journals, open orders and publications by their bytes on the wire, on either database."""

import asyncio
import hashlib
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from tests.municipality import MunicipalityServer
from tests.municipality.databases import EDIT_REFUSED, edited
from tests.municipality.pki import KIOSK
from tests.municipality.test_server import BEAT, NOON, ROOT, Wire, b64u, client, order, pki, unb64u

__all__ = ["pki"]  # the fixture

Line = dict[str, Any]
NO_LINK = bytes(32)


@dataclass
class Place:
    """The backend and a wire to it."""

    server: MunicipalityServer
    wire: Wire
    database: Path | str


@pytest.fixture
async def place(pki: Path, either_database: Path | str) -> AsyncIterator[Place]:
    server = MunicipalityServer(pki=pki, database=either_database, now=lambda: NOON)
    await server.start()
    async with client(pki) as http:
        yield Place(server, Wire(server.url, pki, http), either_database)
    await server.stop()


def journal(entries: int, *, word: str = "x") -> list[Line]:
    """Lines 1 to entries; word makes it another journal."""
    return [
        {
            "seq": seq,
            "at": "2026-11-22T03:00:00.000+00:00",
            "record": "VisitBegan",
            "fields": json.dumps({"visit": f"{word}{seq}"}),
            "chain": b64u(hashlib.sha256(f"{word}{seq}".encode()).digest()),
        }
        for seq in range(1, entries + 1)
    ]


def linked(link: bytes, lines: list[Line]) -> bytes:
    """As the protocol's text says."""
    for line in lines:
        row = [line[name] for name in ("seq", "at", "record", "fields", "chain")]
        link = hashlib.sha256(link + json.dumps(row, separators=(",", ":")).encode()).digest()
    return link


def signed(pki: Path, seq: int, link: bytes, urn: str = KIOSK) -> str:
    key = serialization.load_pem_private_key((pki / "kiosk" / "key.pem").read_bytes(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    part = b"madoguchi-journal-v1\0" + urn.encode() + b"\0" + str(seq).encode() + b"\0" + link
    return b64u(key.sign(part, ec.ECDSA(hashes.SHA256())))


async def send(place: Place, whole: list[Line], first: int, last: int) -> tuple[int, Any]:
    """Lines first to last of a journal, signed as they should be."""
    link = linked(NO_LINK, whole[:last])
    message = {"lines": whole[first - 1 : last], "signature": signed(place.wire.pki, last, link)}
    answer = await place.wire.send("POST", "/v1/journal", message)
    return answer.status, answer.message.get("code") or answer.message["acked_seq"]


async def test_lines_are_kept_once_however_often_they_are_sent(place: Place) -> None:
    whole = journal(5)
    assert 0 == (await place.wire.send("GET", "/v1/journal")).message["acked_seq"]
    assert (200, 3) == await send(place, whole, 1, 3)
    assert (200, 3) == await send(place, whole, 1, 3)
    assert (200, 5) == await send(place, whole, 3, 5)
    assert (200, 5) == await send(place, whole, 2, 4)
    kept = (await place.wire.send("GET", "/v1/journal")).message
    assert (5, whole[4]["chain"], linked(NO_LINK, whole)) == (
        kept["acked_seq"],
        kept["chain"],
        unb64u(kept["link"]),
    )
    assert [(line["seq"], line["fields"]) for line in whole] == [
        (line["seq"], line["fields"]) for line in await place.server.journal(KIOSK)
    ]


async def test_a_gap_a_line_written_anew_and_a_foreign_seal_are_refused_and_nothing_is_kept_of_them(
    place: Place,
) -> None:
    whole, other = journal(6), journal(6, word="y")
    assert (200, 3) == await send(place, whole, 1, 3)
    assert (409, "journal_gap") == await send(place, whole, 5, 6)
    assert (409, "journal_cut") == await send(place, other, 1, 6)
    assert (409, "journal_cut") == await send(place, [*whole[:2], other[2], *whole[3:]], 3, 6)
    for seq, link in ((5, linked(NO_LINK, whole[:4])), (4, linked(NO_LINK, whole[:5]))):
        message = {"lines": whole[2:4], "signature": signed(place.wire.pki, seq, link)}
        answer = await place.wire.send("POST", "/v1/journal", message)
        assert (403, "signature_invalid") == (answer.status, answer.message["code"])
    unordered = {"lines": [whole[2], whole[4]], "signature": "AA"}
    assert 400 == (await place.wire.send("POST", "/v1/journal", unordered)).status
    assert 3 == (await place.wire.send("GET", "/v1/journal")).message["acked_seq"]


async def test_a_tail_that_was_sent_and_then_cut_off_shows_at_the_next_heartbeat(place: Place) -> None:
    """Also one that no heartbeat had told of before."""
    whole = journal(6)
    assert (200, 6) == await send(place, whole, 1, 6)
    cut = {"seq": 4, "head": whole[3]["chain"], "since_seq": 0, "since_head": ""}
    answer = await place.wire.send("POST", "/v1/heartbeat", BEAT | {"journal": cut})
    assert (409, "journal_cut") == (answer.status, answer.message["code"])
    assert 6 == len(await place.server.journal(KIOSK))

    assert await place.server.forget_journal(KIOSK)
    assert (200, 2) == await send(place, journal(2, word="new"), 1, 2)
    assert 8 == len(await place.server.journal(KIOSK))


async def test_a_line_that_differs_from_the_head_a_heartbeat_told_is_refused(place: Place) -> None:
    whole = journal(4)
    told = {"seq": 3, "head": whole[2]["chain"], "since_seq": 0, "since_head": ""}
    assert 200 == (await place.wire.send("POST", "/v1/heartbeat", BEAT | {"journal": told})).status
    assert (409, "journal_cut") == await send(place, journal(4, word="y"), 1, 4)
    assert (200, 4) == await send(place, whole, 1, 4)


@pytest.mark.parametrize("edit", ["UPDATE journal SET fields = '{}'", "DELETE FROM journal"])
async def test_nobody_edits_a_line_that_is_kept(place: Place, edit: str) -> None:
    assert (200, 2) == await send(place, journal(2), 1, 2)
    with pytest.raises(EDIT_REFUSED), edited(place.database) as connection:
        connection.execute(edit)


async def test_open_orders_are_those_released_whose_end_is_not_told(place: Place) -> None:
    wire, kem = place.wire, X25519PrivateKey.generate()
    session_id, _ = await wire.admitted("mihon_hitori", kem)
    ids = [f"{number:032x}-1" for number in range(1, 4)]
    for order_id in ids:
        await wire.send("POST", "/v1/orders", order(session_id, order_id))
    assert {"orders": []} == (await wire.send("GET", "/v1/open-orders")).message
    for order_id in ids[1:]:
        await wire.send("POST", f"/v1/orders/{order_id}/release", {"paid_yen": 300})
    await wire.send("POST", f"/v1/orders/{ids[2]}/result", {"outcome": "unknown", "pages_out": 0})
    open_orders = (await wire.send("GET", "/v1/open-orders")).message["orders"]
    assert [(ids[1], "RELEASED"), (ids[2], "UNCERTAIN")] == [(o["order_id"], o["state"]) for o in open_orders]
    for order_id in ids[1:]:
        await wire.send("POST", f"/v1/orders/{order_id}/result", {"outcome": "done", "pages_out": 1})
    assert {"orders": []} == (await wire.send("GET", "/v1/open-orders")).message


async def test_a_publication_is_told_by_the_heartbeat_and_handed_out_newest_first(place: Place) -> None:
    wire = place.wire
    assert 404 == (await wire.send("GET", "/v1/publications/calendar")).status
    assert "published" not in (await wire.send("POST", "/v1/heartbeat", BEAT)).message
    for serial in (1, 2):
        assert serial == await place.server.publish("calendar", {"closures": []})
    beat = (await wire.send("POST", "/v1/heartbeat", BEAT)).message
    assert {"configuration": 0, "calendar": 2} == beat["published"]
    found = (await wire.send("GET", "/v1/publications/calendar")).message
    claims = json.loads(unb64u(found["signed"].split(".")[1]))
    assert (2, 2, "urn:kiosk:every", []) == (
        found["serial"],
        claims["serial"],
        claims["aud"],
        claims["closures"],
    )
    assert datetime.fromtimestamp(claims["iat"], UTC) == NOON


async def test_a_publication_for_one_kiosk_hides_none_from_the_others(place: Place) -> None:
    """Numbers rise for all together; each kiosk gets the newest that is for it."""
    wire = place.wire
    for serial, to in ((1, "urn:kiosk:every"), (2, "urn:kiosk:other")):
        assert serial == await place.server.publish("calendar", {"closures": []}, to)
    beat = (await wire.send("POST", "/v1/heartbeat", BEAT)).message
    assert {"configuration": 0, "calendar": 1} == beat["published"]
    assert 1 == (await wire.send("GET", "/v1/publications/calendar")).message["serial"]
    for serial, to in ((3, KIOSK), (4, "urn:kiosk:other")):
        assert serial == await place.server.publish("calendar", {"closures": []}, to)
    assert 3 == (await wire.send("GET", "/v1/publications/calendar")).message["serial"]
    assert 5 == await place.server.publish("calendar", {"closures": []})
    assert 5 == (await wire.send("GET", "/v1/publications/calendar")).message["serial"]


async def test_the_clerk_publishes_and_reads_a_journal(place: Place, tmp_path: Path) -> None:
    file = tmp_path / "calendar.json"
    file.write_text('{"closures": []}', encoding="utf-8")
    command = [sys.executable, "-m", "tests.municipality.clerk", "--db", str(place.database)]

    async def clerk(*words: str) -> tuple[int | None, str]:
        process = await asyncio.create_subprocess_exec(
            *command, *words, cwd=ROOT, stdout=asyncio.subprocess.PIPE
        )
        said, _ = await process.communicate()
        return process.returncode, said.decode()

    keys = str(place.wire.pki / "publication")
    assert (0, "calendar 1: published\n") == await clerk("publish", "calendar", str(file), keys)
    assert 1 == (await place.wire.send("GET", "/v1/publications/calendar")).message["serial"]
    to_another = await clerk("publish", "calendar", str(file), keys, "urn:kiosk:other")
    assert (0, "calendar 2: published\n") == to_another
    assert 1 == (await place.wire.send("GET", "/v1/publications/calendar")).message["serial"]
    assert (1, "") == await clerk("journal", KIOSK)
    assert (1, "") == await clerk("seals", KIOSK)
    assert (200, 2) == await send(place, journal(2), 1, 2)
    status, said = await clerk("journal", KIOSK)
    assert (0, [1, 2]) == (status, [json.loads(line)["seq"] for line in said.splitlines()])
    status, said = await clerk("seals", KIOSK)
    assert (0, 2, None) == (status, *(json.loads(said)[name] for name in ("seq", "fault")))
