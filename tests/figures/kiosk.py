"""Rows of the whole kiosk in its world: start, rest, keys, visits, and the parts of a visit alone.

Two settings. As shipped: config/kiosk.toml as it is; start-up, rest and keys are measured so. In a hurry:
what a visit waits for on purpose is made short, and what is left of it subtracted, so that its steps show
the software: `HURRY`, and no time for the hopper's motor and the printer's pages.
"""

import asyncio
import json
import sys
import time
import tomllib
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import aiohttp
import tomli_w

from tests.figures import card, municipality, worker
from tests.figures.painted import display, milliseconds_to_frame
from tests.figures.processes import (
    BarePython,
    Taken,
    bare_python,
    cpu_seconds,
    host_alone,
    rss_mb,
    spare_worker,
    taken,
)
from tests.figures.relay import CountingRelay
from tests.figures.rows import Effort, MeasureError, Row, median, percentile
from tests.figures.timed_eyes import TimedEyes
from tests.figures.visit import APART, TimedVisit, software_ms
from tests.simulators.world import CONFIG, PKI, World

CARD, CARD_PIN = "shiken_taro", "1234"
READY_SECONDS = 30.0
REQUESTS_OF_A_VISIT = ("open session", "authenticate", "reserve", "release", "report result", "end session")
KEYS = ("1", "correct")
LOOK_SECONDS = 0.005
SETTLE_DOWN_SECONDS = 1.0

HURRY: Mapping[str, Mapping[str, Any]] = {
    "coins": {"drain_seconds": 0.1, "poll_seconds": 0.02},
    "municipality": {"heartbeat_seconds": 600.0},
}
"""drain_seconds stays a wait of 0.1 s, which is subtracted; no heartbeat falls among a visit's requests."""


@dataclass(frozen=True, slots=True)
class Visits:
    """Steps of each visit and what was counted beside it; rss_mb: of the daemon, before and after all."""

    steps: tuple[Mapping[str, float], ...]
    apdus: tuple[int, ...]
    requests: tuple[int, ...]
    bytes_sent: tuple[int, ...]
    bytes_received: tuple[int, ...]
    rss_mb: tuple[float, float] = (0.0, 0.0)


async def rows(effort: Effort) -> list[Row]:
    """Everything that needs the world, in the order of its life."""
    bare = await asyncio.to_thread(bare_python, effort.repetitions)
    shipped = tomllib.loads((CONFIG / "kiosk.toml").read_text(encoding="utf-8"))
    async with World(overrides=_as_shipped(shipped), page_ms=0) as world, _last_words(world):
        found = [*await _start(world, effort, bare), *await _rest(world, effort)]
        found += await _keys(world, effort, shipped["keypad"])
        found += await card.screen_rows(world, CARD, effort)
        made = await _visits(world, effort)
        found += _visit_rows(made)
        await world.stop_kiosk()
        session = await card.session_alone(world.cards_stand, CARD)
        opensc = await card.opensc_alone(world.cards_stand, CARD, CARD_PIN)
        found += card.rows(made.apdus[0], *session, opensc)
        found += await card.detection_rows(world.cards_stand, CARD, effort)
        found += await worker.rows(
            worker.command(sys.executable, world.config), effort, bare, shipped["documents"]
        )
        await world.printer.until_idle()
        found += await municipality.rows(world.municipality, PKI, effort)
    return found


@asynccontextmanager
async def _last_words(world: World) -> AsyncIterator[None]:
    """Add the end of the kiosk's log to what could not be measured."""
    try:
        yield
    except MeasureError as error:
        raise MeasureError(f"{error}; the kiosk's log ends with {world.last_words()}") from error


def _as_shipped(shipped: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """Undo what a world makes quicker for tests; a key twice in a row is measured, not refused."""
    return {
        "document_printer": {"poll_seconds": shipped["document_printer"]["poll_seconds"]},
        "receipt_printer": {"poll_seconds": shipped["receipt_printer"]["poll_seconds"]},
        "municipality": {"heartbeat_seconds": shipped["municipality"]["heartbeat_seconds"]},
        "keypad": {"double_strike_seconds": 0.01},
        "timeouts": {"pin_seconds": 300},
    }


async def _start(world: World, effort: Effort, bare: BarePython) -> tuple[Row, ...]:
    """From the start of the process; the bench asks for the screen every 5 ms."""
    first, idle = [], []
    for _ in range(effort.starts):
        await world.stop_kiosk()
        began = time.perf_counter()
        await world.start_kiosk()
        moments = await _pictures_after(world.screen_url, began)
        first.append(moments[0])
        idle.append(moments[1])
    peer = "python -c pass"
    return (
        Row.beside("start.first-picture", median("start", first), "ms", peer, bare.start_ms),
        Row.beside("start.ready-for-a-visit", median("start", idle), "ms", peer, bare.start_ms),
    )


async def _pictures_after(url: str, began: float) -> tuple[float, float]:
    """Milliseconds until any picture and until the one at rest."""
    timeout = aiohttp.ClientTimeout(total=READY_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as session, asyncio.timeout(READY_SECONDS):
        while True:
            try:
                async with session.get(f"{url}events") as stream:
                    return await _first_and_rest(stream, began)
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(LOOK_SECONDS)


async def _first_and_rest(stream: aiohttp.ClientResponse, began: float) -> tuple[float, float]:
    first_ms: float | None = None
    async for raw in stream.content:
        if raw.startswith(b"data: {"):
            since_ms = (time.perf_counter() - began) * 1000
            first_ms = since_ms if first_ms is None else first_ms
            if json.loads(raw[5:])["screen"] == "idle":
                return first_ms, since_ms
    raise MeasureError("start: the screen ended before it was at rest")


async def _rest(world: World, effort: Effort) -> list[Row]:
    """The kiosk at rest, as shipped, beside the host of the simulated pins, which runs in its process."""
    peer = "the simulated pins' host without a kiosk"
    await _at_rest(world)
    async with host_alone() as host:
        await asyncio.sleep(SETTLE_DOWN_SECONDS)
        kiosk = _pid(world)
        kiosk_began, host_began, began = cpu_seconds(kiosk), cpu_seconds(host), time.perf_counter()
        await asyncio.sleep(effort.idle_seconds)
        percent = 100 / (time.perf_counter() - began)
        kiosk_percent = (cpu_seconds(kiosk) - kiosk_began) * percent
        host_percent = (cpu_seconds(host) - host_began) * percent
        spare_mb = rss_mb(spare_worker(kiosk))
        return [
            Row.beside("rest.cpu-with-spare-worker", kiosk_percent, "%", peer, host_percent),
            *_taken_rows(taken(kiosk), taken(host), peer),
            Row.beside("rest.spare-worker-rss", spare_mb, "MB", "rest.rss", rss_mb(kiosk)),
        ]


def _taken_rows(mine: Taken, host: Taken, peer: str) -> Iterator[Row]:
    yield Row.beside("rest.rss", mine.rss_mb, "MB", peer, host.rss_mb)
    yield Row.beside("rest.pss", mine.pss_mb, "MB", peer, host.pss_mb)
    yield Row.beside("rest.threads", mine.threads, "threads", peer, host.threads)
    yield Row.beside("rest.descriptors", mine.descriptors, "descriptors", peer, host.descriptors)


async def _keys(world: World, effort: Effort, keypad: Mapping[str, Any]) -> tuple[Row, ...]:
    """From a contact that closes, with up to 5 ms of bounce, to the picture of the digit and its frame.

    The first scan comes with the edge, so that the debounce takes an interval less than it has scans.
    """
    eyes = await TimedEyes(world.screen_url).open()
    try:
        await eyes.until_screen("idle")
        await eyes.touched("confirm", "key")
        await eyes.until_screen("notice")
        await eyes.touched("confirm", "key")
        await eyes.until_screen("present_card")
        await world.insert_card(CARD)
        await eyes.until_screen("pin")
        presses = [await _press(world, eyes, KEYS[number % len(KEYS)]) for number in range(effort.presses)]
        async with display(world.screen_url) as page:
            frames = [
                await milliseconds_to_frame(page, partial(_press, world, eyes, KEYS[number % len(KEYS)]))
                for number in range(effort.presses)
            ]
        await eyes.touched("cancel", "key")
        await eyes.until_screen("ended")
        await world.remove_card()
    except TimeoutError as error:
        raise MeasureError(f"key: {error}") from error
    finally:
        await eyes.close()
    scans, scan_ms = keypad["stable_scans"], keypad["scan_seconds"] * 1000
    floor_ms, limit = (scans - 1) * scan_ms, f"debounce, {scans} equal scans {scan_ms:g} ms apart"
    p50 = median("key", presses)
    return (
        Row.beside("key.press-to-picture-p50", p50, "ms", limit, floor_ms),
        Row.beside("key.press-to-picture-p99", percentile("key", presses, 99), "ms", limit, floor_ms),
        Row.beside("key.press-to-frame-p50", median("key", frames), "ms", limit, floor_ms),
        Row.beside("key.press-to-frame-p99", percentile("key", frames, 99), "ms", limit, floor_ms),
        Row("key.beyond-debounce-p50", p50 - floor_ms, "ms", f"subtracted: {limit}"),
    )


async def _press(world: World, eyes: TimedEyes, key: str) -> float:
    """Press, see, release, and wait until the keypad believes it: a key pressed before does not count."""
    if world.pins is None or eyes.now is None:
        raise MeasureError("key: the kiosk does not run")
    pins, digits = world.pins, eyes.now["pin_digits"]
    took_ms = await eyes.milliseconds_to(
        "key", lambda: pins.hold(key), lambda picture: picture["pin_digits"] != digits
    )
    await pins.release(key)
    await eyes.answered()
    await pins.until_keypad_sleeps(seconds=READY_SECONDS)
    return took_ms


async def _visits(world: World, effort: Effort) -> Visits:
    """Visits in a hurry, one after the other."""
    async with AsyncExitStack() as undo:
        relay = CountingRelay(world.municipality.port)
        undo.push_async_callback(relay.stop)
        await relay.start()
        await _hurry(world, relay.port)
        eyes = await TimedEyes(world.screen_url).open()
        undo.push_async_callback(eyes.close)
        await _at_rest(world)
        before_mb = rss_mb(_pid(world))
        made = await _make_visits(world, eyes, relay, effort.visits)
        return replace(made, rss_mb=(before_mb, rss_mb(_pid(world))))


async def _hurry(world: World, municipality_port: int) -> None:
    """Restart the kiosk with `HURRY`, over the counting relay, and let the hopper's motor take no time."""
    await world.stop_kiosk()
    table = tomllib.loads(await asyncio.to_thread(world.config.read_text, encoding="utf-8"))
    for section, keys in HURRY.items():
        table[section].update(keys)
    table["municipality"]["url"] = f"https://localhost:{municipality_port}"
    await asyncio.to_thread(world.config.write_text, tomli_w.dumps(table), encoding="utf-8")
    world.coins.hopper.coin_seconds = 0.0
    await world.start_kiosk()


async def _make_visits(world: World, eyes: TimedEyes, relay: CountingRelay, visits: int) -> Visits:
    timed = TimedVisit(world, eyes, drain_seconds=HURRY["coins"]["drain_seconds"], card=CARD)
    steps: list[Mapping[str, float]] = []
    counts: dict[str, list[int]] = defaultdict(list)
    for _ in range(visits):
        apdus, before = await _apdus(world), (relay.requests, relay.bytes_sent, relay.bytes_received)
        steps.append(await timed.run())
        counts["apdus"].append(await _apdus(world) - apdus)
        counts["requests"].append(relay.requests - before[0])
        counts["sent"].append(relay.bytes_sent - before[1])
        counts["received"].append(relay.bytes_received - before[2])
    return Visits(
        tuple(steps),
        tuple(counts["apdus"]),
        tuple(counts["requests"]),
        tuple(counts["sent"]),
        tuple(counts["received"]),
    )


async def _apdus(world: World) -> int:
    return int((await world.cards_stand.state(CARD))["apdus"])


def _visit_rows(made: Visits) -> Iterator[Row]:
    middle = {step: median(step, [steps[step] for steps in made.steps]) for step in made.steps[0]}
    whole_ms = software_ms(middle)
    for step, milliseconds in middle.items():
        if step in APART:
            yield Row(f"visit.{step}", milliseconds, "ms", f"not in visit.software: {APART[step]}")
        else:
            yield Row.beside(f"visit.{step}", milliseconds, "ms", "visit.software", whole_ms)
    printer_ms = middle["print-queue-and-printer"]
    yield Row.beside("visit.software", whole_ms, "ms", "visit.print-queue-and-printer", printer_ms)
    requests = median("requests", made.requests)
    least = f"least: {', '.join(REQUESTS_OF_A_VISIT)}"
    yield Row.beside("tls.requests-of-a-visit", requests, "requests", least, len(REQUESTS_OF_A_VISIT))
    sent, received = median("sent", made.bytes_sent), median("received", made.bytes_received)
    yield Row.beside("tls.bytes-sent-of-a-visit", sent, "bytes", "received, handshakes included", received)
    yield Row("tls.bytes-received-of-a-visit", received, "bytes")
    before_mb, after_mb = made.rss_mb
    before = f"before the first of {len(made.steps)} visits"
    yield Row.beside("visits.rss-after", after_mb, "MB", before, before_mb)


async def _at_rest(world: World) -> None:
    try:
        await world.eyes.until_screen("idle", seconds=READY_SECONDS)
    except TimeoutError as error:
        raise MeasureError(f"the kiosk does not come to rest: {error}") from error


def _pid(world: World) -> int:
    if world.kiosk is None:
        raise MeasureError("the kiosk does not run")
    return world.kiosk.pid
