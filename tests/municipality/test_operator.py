"""The operator sees which kiosk needs somebody, and no metric names a kiosk."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from tests.municipality import MunicipalityServer, breaker
from tests.municipality.fleet import run
from tests.municipality.operator import troubles
from tests.municipality.pki import KIOSK
from tests.municipality.register import load_city
from tests.municipality.test_server import BEAT, NOON, ORDER, Wire, client, order, pki

__all__ = ["pki"]  # the fixture

RULES = load_city().operator
WELL: dict[str, Any] = {
    "printer": [],
    "receipt_printer": True,
    "card_reader": True,
    "keypad": True,
    "coin_acceptor": True,
    "hoppers": [{"hopper": 3, "coin_yen": 100, "coins": 50, "working": True}],
    "door_open": False,
    "journal_has_room": True,
}
NOW = NOON.timestamp()


def hoppers(coins: int = 50, *, working: bool = True) -> list[dict[str, object]]:
    return [{"hopper": 3, "coin_yen": 100, "coins": coins, "working": working}]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ()),
        ({"printer": ["media-empty"]}, ("out-of-paper",)),
        ({"printer": ["media-jam"]}, ("printer",)),
        ({"printer": ["media-needed", "toner-empty"]}, ("out-of-paper", "printer")),
        ({"hoppers": hoppers(19)}, ("short-of-change",)),
        ({"hoppers": hoppers(20)}, ()),
        ({"hoppers": hoppers(working=False)}, ("short-of-change",)),
        ({"coin_acceptor": False, "keypad": False}, ("coin-acceptor", "keypad")),
        ({"card_reader": False, "receipt_printer": False}, ("card-reader", "receipt-printer")),
        ({"door_open": True, "journal_has_room": False}, ("door-open", "journal-full")),
        ({"printer_low": ["media-low"], "receipt_paper_low": True}, ("paper-low", "receipt-roll-low")),
        ({"printer_low": ["marker-waste-almost-full"]}, ("toner-low",)),
        ({"printer_low": ["toner-low", "output-area-almost-full"]}, ("paper-left", "toner-low")),
        ({"paper_left": True}, ("paper-left",)),
        ({"screen_dark": True, "receipt_printer": False}, ("receipt-printer", "screen-dark")),
    ],
)
def test_each_trouble_has_its_word(changes: dict[str, object], expected: tuple[str, ...]) -> None:
    levels = msgspec.json.encode(WELL | changes).decode()
    assert expected == troubles(RULES, "0.1.0", NOW, levels, NOW)


def test_a_kiosk_that_is_silent_or_old_is_seen() -> None:
    limit = RULES.silent_seconds
    assert ("silent",) == troubles(RULES, "0.1.0", NOW - limit - 1, None, NOW)
    assert ("silent",) == troubles(RULES, None, None, None, NOW)
    assert () == troubles(RULES, "0.1.0", NOW - limit, None, NOW)
    assert ("old-firmware",) == troubles(RULES, "0.0.9", NOW, None, NOW)
    assert () == troubles(RULES, "0.10", NOW, None, NOW)


@pytest.fixture
async def served(pki: Path, tmp_path: Path) -> AsyncIterator[tuple[MunicipalityServer, Wire]]:
    server = MunicipalityServer(
        pki=pki, database=tmp_path / "m.sqlite", now=lambda: NOON + timedelta(seconds=1), operator_port=0
    )
    await server.start()
    async with client(pki) as http:
        yield server, Wire(server.url, pki, http)
    await server.stop()


async def page(server: MunicipalityServer, path: str) -> str:
    url = f"http://127.0.0.1:{server.operator_port}{path}"
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        assert 200 == answer.status
        return await answer.text()


async def test_heartbeats_feed_the_page_and_metrics_name_no_kiosk(
    served: tuple[MunicipalityServer, Wire],
) -> None:
    server, wire = served
    assert "silent" in await page(server, "/")
    empty = WELL | {"printer": ["media-empty"]}
    assert 200 == (await wire.send("POST", "/v1/heartbeat", BEAT | {"levels": empty})).status
    assert "out-of-paper" in await page(server, "/")
    assert '"troubles": ["out-of-paper"]' in await page(server, "/kiosks")
    metrics = await page(server, "/metrics")
    assert 'madoguchi_kiosks{trouble="out-of-paper"} 1.0' in metrics
    assert 'message="POST /v1/heartbeat",status="200"' in metrics
    assert KIOSK not in metrics


async def test_an_order_whose_end_is_not_told_is_seen_until_it_is(
    served: tuple[MunicipalityServer, Wire], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, wire = served
    session_id, _ = await wire.admitted("mihon_hitori", X25519PrivateKey.generate())
    assert 201 == (await wire.send("POST", "/v1/orders", order(session_id, ORDER))).status
    assert 200 == (await wire.send("POST", "/v1/heartbeat", BEAT | {"levels": WELL})).status
    await wire.send("POST", f"/v1/orders/{ORDER}/release", {"paid_yen": 300})
    assert () == await server.troubles()
    monkeypatch.setattr(
        server._service, "now", lambda: NOON + timedelta(seconds=RULES.open_order_seconds + 2)
    )
    assert 200 == (await wire.send("POST", "/v1/heartbeat", BEAT | {"levels": WELL})).status
    assert ("order-open",) == await server.troubles()
    await wire.send("POST", f"/v1/orders/{ORDER}/result", {"outcome": "done", "pages_out": 1})
    assert () == await server.troubles()


async def test_a_tripped_breaker_closes_every_kiosk_and_stands_on_the_page(
    served: tuple[MunicipalityServer, Wire],
) -> None:
    server, wire = served
    mismatch = breaker.Mismatch("0123456789abcdef-1", "subject")
    await server.store.transact(lambda c: breaker.trip(c, mismatch, NOW))
    beat = (await wire.send("POST", "/v1/heartbeat", BEAT)).message
    refused = await wire.send("POST", "/v1/sessions", {"kem": "A" * 43, "kem_alg": "X25519", "ui_lang": "ja"})
    assert (False, "maintenance", 503) == (beat["open"], beat["reason"], refused.status)
    assert "0123456789abcdef-1 (subject)" in await page(server, "/")
    assert "madoguchi_breaker_tripped 1.0" in await page(server, "/metrics")


async def test_a_fleet_issues_and_nobody_gets_somebody_elses(pki: Path, tmp_path: Path) -> None:
    database = str(tmp_path / "fleet.sqlite")
    figures = await run(pki, kiosks=3, rate=20, seconds=1, database=database)
    assert (20, 0, {}) == (figures.issued, figures.wrong, dict(figures.failures))
