"""The operator's page: which kiosk is out of paper, short of change, silent, on old firmware, or
owes the end of an order.

Plain HTTP for the machine itself or an inner network; `GET /` is the page, `GET /kiosks` the same as
JSON, `GET /metrics` is for Prometheus. A metric never names a kiosk: fifty thousand of them would be
fifty thousand series.
"""

import html
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest

from tests.municipality import breaker
from tests.municipality.desk import utc
from tests.municipality.register import City, Operator
from tests.municipality.store import Connection, Store

TROUBLES = (
    "silent",
    "order-open",
    "old-firmware",
    "out-of-paper",
    "printer",
    "short-of-change",
    "coin-acceptor",
    "card-reader",
    "keypad",
    "receipt-printer",
    "screen-dark",
    "door-open",
    "journal-full",
    "paper-left",
    "paper-low",
    "toner-low",
    "receipt-roll-low",
)
_NO_PAPER = frozenset({"media-empty", "media-needed", "input-tray-missing"})
_LITTLE_PAPER = frozenset({"media-low"})
_FULL_TRAY = frozenset({"output-area-almost-full"})


@dataclass(frozen=True, slots=True)
class Standing:
    """One kiosk as the operator sees it. seen_at: None before its first heartbeat."""

    urn: str
    firmware: str | None
    seen_at: float | None
    troubles: tuple[str, ...]


def standings(connection: Connection, rules: Operator, moment: float) -> list[Standing]:
    """Every kiosk that is let in, those in trouble first."""
    rows = connection.execute("SELECT urn, firmware, seen_at, levels FROM kiosk WHERE active = 1").fetchall()
    waiting = _with_open_orders(connection, moment - rules.open_order_seconds)
    known = []
    for row in rows:
        urn, firmware, seen_at = row["urn"], row["firmware"], row["seen_at"]
        found = troubles(rules, firmware, seen_at, row["levels"], moment)
        if urn in waiting:
            found = tuple(one for one in TROUBLES if one in {*found, "order-open"})
        known.append(Standing(urn, firmware, seen_at, found))
    return sorted(known, key=lambda kiosk: (not kiosk.troubles, kiosk.urn))


def _with_open_orders(connection: Connection, before: float) -> set[str]:
    """Kiosks that have not told the end of an order that was released to them before this moment."""
    rows = connection.execute(
        "SELECT DISTINCT kiosk FROM orders WHERE settled_on IS NULL AND released_at < ?"
        " AND state IN ('RELEASED', 'PRINT_FAILED', 'UNCERTAIN')",
        (before,),
    )
    return {row["kiosk"] for row in rows}


def troubles(
    rules: Operator, firmware: str | None, seen_at: float | None, levels: str | None, moment: float
) -> tuple[str, ...]:
    """What somebody should do something about; of a silent kiosk only that it is silent."""
    if firmware is None or seen_at is None or moment - seen_at > rules.silent_seconds:
        return ("silent",)
    found = set() if levels is None else _of_devices(json.loads(levels), rules)
    if _version(firmware) < _version(rules.oldest_firmware):
        found.add("old-firmware")
    return tuple(trouble for trouble in TROUBLES if trouble in found)


def _of_devices(levels: dict[str, Any], rules: Operator) -> set[str]:
    reasons, low = set(levels["printer"]), set(levels.get("printer_low", ()))
    hoppers = levels["hoppers"]
    short = any(line["coins"] < rules.fewest_change_coins or not line["working"] for line in hoppers)
    facts = {
        "out-of-paper": bool(reasons & _NO_PAPER),
        "printer": bool(reasons - _NO_PAPER),
        "short-of-change": short,
        "coin-acceptor": not levels["coin_acceptor"],
        "card-reader": not levels["card_reader"],
        "keypad": not levels["keypad"],
        "receipt-printer": not levels["receipt_printer"],
        "screen-dark": levels.get("screen_dark", False),
        "door-open": levels["door_open"],
        "journal-full": not levels["journal_has_room"],
        "paper-left": levels.get("paper_left", False) or bool(low & _FULL_TRAY),
        "paper-low": bool(low & _LITTLE_PAPER),
        "toner-low": bool(low - _LITTLE_PAPER - _FULL_TRAY),
        "receipt-roll-low": levels.get("receipt_paper_low", False),
    }
    return {trouble for trouble, holds in facts.items() if holds}


def _version(text: str) -> tuple[int, ...]:
    """Numbers of a version; anything else counts as nothing."""
    return tuple(int(part) if part.isdigit() else 0 for part in text.split("."))


class Metrics:
    """What Prometheus may know: how many and how fast, never which kiosk."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._seconds = Histogram(
            "madoguchi_request_seconds",
            "Time to answer a request.",
            ("message", "status"),
            registry=self._registry,
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
        )
        self._orders = self._gauge("madoguchi_orders", "Orders by state.", "state")
        self._kiosks = self._gauge("madoguchi_kiosks", "Kiosks by trouble; none counts the well.", "trouble")
        self._tripped = Gauge(
            "madoguchi_breaker_tripped", "1 while a mismatch waits for the clerk.", registry=self._registry
        )

    @web.middleware
    async def timed(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Time every request by its route, never by its path."""
        began = perf_counter()
        response = await handler(request)
        resource = request.match_info.route.resource
        message = "unknown" if resource is None else f"{request.method} {resource.canonical}"
        self._seconds.labels(message, str(response.status)).observe(perf_counter() - began)
        return response

    def page(self, connection: Connection, kiosks: list[Standing]) -> bytes:
        """The text for Prometheus."""
        self._orders.clear()
        for row in connection.execute("SELECT state, count(*) AS many FROM orders GROUP BY state"):
            self._orders.labels(row["state"]).set(row["many"])
        well = Counter(trouble for kiosk in kiosks for trouble in kiosk.troubles or ("none",))
        for trouble in ("none", *TROUBLES):
            self._kiosks.labels(trouble).set(well[trouble])
        self._tripped.set(breaker.is_tripped(connection))
        return generate_latest(self._registry)

    def _gauge(self, name: str, text: str, label: str) -> Gauge:
        return Gauge(name, text, (label,), registry=self._registry)


def operator_page(
    store: Store, city: Callable[[], City], now: Callable[[], datetime], metrics: Metrics
) -> web.Application:
    """The page, its JSON and the metrics."""

    def looked(connection: Connection) -> tuple[list[Standing], list[dict[str, Any]]]:
        known = standings(connection, city().operator, now().timestamp())
        return known, breaker.alarms(connection)

    async def show(_request: web.Request) -> web.Response:
        known, alarms = await store.transact(looked)
        text = _PAGE.format(
            city=html.escape(city().name),
            alarm=_alarm(alarms),
            rows="".join(_line(kiosk, now()) for kiosk in known),
        )
        headers = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
        return web.Response(text=text, content_type="text/html", headers=headers)

    async def as_json(_request: web.Request) -> web.Response:
        known, alarms = await store.transact(looked)
        kiosks = [
            {"urn": k.urn, "firmware": k.firmware, "seen_at": k.seen_at, "troubles": k.troubles}
            for k in known
        ]
        return web.json_response({"kiosks": kiosks, "alarms": alarms})

    async def for_prometheus(_request: web.Request) -> web.Response:
        body = await store.transact(lambda c: metrics.page(c, looked(c)[0]))
        return web.Response(body=body, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    app = web.Application()
    app.add_routes([web.get("/", show), web.get("/kiosks", as_json), web.get("/metrics", for_prometheus)])
    return app


def _line(kiosk: Standing, now: datetime) -> str:
    seen = "" if kiosk.seen_at is None else utc(datetime.fromtimestamp(kiosk.seen_at, now.tzinfo))
    cells = (kiosk.urn, kiosk.firmware or "", seen, ", ".join(kiosk.troubles))
    trouble = ' class="trouble"' if kiosk.troubles else ""
    return f"<tr{trouble}>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>"


def _alarm(alarms: list[dict[str, Any]]) -> str:
    if not alarms:
        return ""
    orders = ", ".join(html.escape(f"{alarm['order_id']} ({alarm['reason']})") for alarm in alarms)
    return f'<p class="trouble">Nothing is issued: a certificate did not fit its order. {orders}</p>'


_PAGE = """<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="30"><title>{city}</title>
<style>
body {{ font: 16px sans-serif; margin: 2em }} td, th {{ text-align: left; padding: .2em 1em .2em 0 }}
.trouble {{ color: #b00020; font-weight: bold }}
</style>
<h1>{city}</h1>{alarm}
<table><tr><th>kiosk</th><th>firmware</th><th>last seen</th><th>trouble</th></tr>{rows}</table>
</html>
"""
