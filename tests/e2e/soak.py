"""A kiosk through many hours: visits, faults, the night and its restart, while its memory is watched.

    scripts/soak [--hours 24] [--speed 30] [--json FILE] [--seed N] [--opens 06:30 --closes 23:00]

--speed: simulated seconds a second, of the wall clock (tests/e2e/hasty_kiosk.py). Wires, hands and time-outs
keep their own time: a visit takes its seconds, which are minutes of that day. The kiosk's own periods are set
as much shorter. Its memory is given free as its unit says (systemd/madoguchi.service), which grows otherwise
than a bare Python's. Exit status 1 if a yen or a page is missing, the day did not close, memory, threads or
descriptors grew, or a whole day had too few visits to say so.

Judged is the memory that is the kiosk's alone. Grown has what takes MOST_KB_A_VISIT more with each visit, or
MOST_GROWTH_MB more in the last third of its samples than in the first, both once warm. The simulators keep
every slip, job and order of the day to compare the books with: theirs grows, and is not judged.
"""

import argparse
import asyncio
import gc
import json
import logging
import random
import sys
import tempfile
import time
import tomllib
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from datetime import time as time_of_day
from itertools import combinations
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import tomli_w

from firmware.core.hours import JST
from tests.e2e.books import agreed_books, read_books
from tests.e2e.hasty_kiosk import FastClock
from tests.e2e.test_soak import OVERRIDES, TIMEOUTS, Soak
from tests.e2e.visitor import QUICK, Visitor, settled
from tests.figures.processes import Taken, taken
from tests.municipality.register import CITY
from tests.simulators.world import World
from tests.unit_environment import wiping

_LOG = logging.getLogger("soak")
LAST_VISIT = timedelta(minutes=45)
"""Before the service's end: a visit of a minute is half an hour of a fast day."""
RESTARTS_AFTER = timedelta(minutes=30)
"""After the service's end: the day is closed and settled by then."""
WARM_VISITS = 100
"""Of a start of the kiosk: until then the ring of events, allocators and SQLite's pages fill."""
REST_SECONDS = 6.0
"""After the last visit: 5 s after it the kiosk gives free pages back to the kernel."""
MOST_GROWTH_MB = 4.0
MOST_KB_A_VISIT = 5.0
"""A hundred visits a day take half a MB then; the unit's limit is 500 MB away."""
FEWEST_VISITS = 200
"""Warm ones, by which a visit's share can be told from the breath of the allocator, 1 MB up and down."""
MOST_GIVEN_UP = 0.05
"""Of the visits, by people for whom a busy machine was too slow."""
MOST_MORE = 2
"""Threads or descriptors more than before, at rest."""

HAZARDS = (
    *(Soak.nothing,) * 6,
    Soak.open_door,
    Soak.cut_network,
    Soak.lose_release_answer,
    Soak.refuse_job,
    Soak.abort_job,
    Soak.jam_printer,
    Soak.restart_printer,
    Soak.pull_coin_line,
    Soak.garble_line,
)
"""None restarts the kiosk: its memory shall show what weeks would. The hopper that jams needs a restart."""
BEFORE_MONEY = frozenset(
    {
        Soak.cut_network,
        Soak.lose_release_answer,
        Soak.refuse_job,
        Soak.abort_job,
        Soak.jam_printer,
        Soak.garble_line,
    }
)


@dataclass(frozen=True, slots=True)
class Sample:
    """What one life of the kiosk takes at rest. hours: simulated, since the soak began. life: which start."""

    hours: float
    life: int
    visits: int
    kiosk: Taken
    worker: Taken | None
    simulators: Taken


@dataclass(slots=True)
class Day(Soak):
    """The luck of a whole day."""

    visits: int = 0
    given_up: list[str] = field(default_factory=list)

    async def visit(self) -> None:
        hazard = self.luck.choice(HAZARDS)
        self.hazards.append(hazard.__name__)
        self.visits += 1
        try:
            await self._visit(hazard)
        except TimeoutError as slow:
            # A machine that starves: whoever stands there goes. The books must agree all the same.
            _LOG.warning("visit %d with %s given up: %s", self.visits, hazard.__name__, slow)
            self.given_up.append(f"{hazard.__name__}: {slow}")
            await self._until_idle()

    async def _visit(self, hazard: Callable[[Soak], Awaitable[None]]) -> None:
        if not await self._reach_the_slot(self.luck.choice("123")):
            return
        if hazard in BEFORE_MONEY:
            await hazard(self)
        await self._throw_coins_in()
        if hazard not in BEFORE_MONEY:
            await hazard(self)
        await self._until_idle()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for. opens, closes: the service's hours, HH:MM before midnight, Japan time."""

    hours: float
    speed: float
    seed: int
    opens: str
    closes: str


@dataclass(slots=True)
class Told:
    """What came of it."""

    wanted: Wanted
    samples: list[Sample] = field(default_factory=list)
    visits: int = 0
    given_up: list[str] = field(default_factory=list)
    restarts: int = 0
    days_compared: list[str] = field(default_factory=list)
    hazards: dict[str, int] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)
    wall_seconds: float = 0.0


async def soak(told: Told) -> None:
    """Run it and fill told in, complaints too; anything unforeseen is raised."""
    began, wanted = time.monotonic(), told.wanted
    with tempfile.TemporaryDirectory(prefix="madoguchi-soak-") as folder:
        clock = FastClock(time.time(), wanted.speed)
        clock.write(Path(folder))
        world = World(
            directory=Path(folder),
            overrides=_overrides(wanted.speed),
            hours=(wanted.opens, wanted.closes),
            hopper_coins=5000,
            page_ms=60,
            module="tests.e2e.hasty_kiosk",
            environment=wiping(),
            municipality={
                "now": clock.now,
                "city": _city(Path(folder), wanted),
                "upkeep_seconds": max(1.0, 60.0 / wanted.speed),
            },
        )
        async with world:
            visitor = Visitor(world, patience=3.0)
            day = Day(visitor, random.Random(wanted.seed))  # noqa: S311 - the same luck each time
            try:
                await _live(day, clock, told)
                told.days_compared = (await read_books(world)).compared
                await settled(visitor)
            except BaseException as error:
                lines = world.log.read_text(encoding="utf-8").splitlines()[-30:]
                error.add_note(
                    "\n".join([f"{day.visits} visits, {day.hazards[-5:]}; the kiosk said:", *lines])
                )
                raise
            finally:
                told.given_up = day.given_up
                told.hazards = {name: day.hazards.count(name) for name in sorted(set(day.hazards))}
                told.wall_seconds = time.monotonic() - began
    told.complaints = complaints(told)


async def _live(day: Day, clock: FastClock, told: Told) -> None:
    world, began = day.visitor.world, clock.now(JST)
    ends = began + timedelta(hours=told.wanted.hours)
    opens, closes = (time_of_day.fromisoformat(text) for text in (told.wanted.opens, told.wanted.closes))
    next_sample = restart_on = None
    life = 1
    await _stands(world)
    while (now := clock.now(JST)) < ends:
        today_ends = datetime.combine(now.date(), closes, JST)
        if restart_on is None:
            restart_on = today_ends + RESTARTS_AFTER + timedelta(days=int(now >= today_ends))
        if now >= restart_on:
            await _sample(day, told, (now - began) / timedelta(hours=1), life)
            assert 0 == await world.stop_kiosk(), world.last_words()
            await world.start_kiosk()
            await _stands(world)
            restart_on, life = restart_on + timedelta(days=1), life + 1
            told.restarts += 1
            _LOG.info("restarted at %s", now)
        may_visit = opens <= now.time() and now < today_ends - LAST_VISIT and day._shows("idle")
        if next_sample is None or now >= next_sample:
            await _sample(day, told, (now - began) / timedelta(hours=1), life)
            await agreed_books(world)
            next_sample = now + timedelta(minutes=30)
        if not may_visit:
            await asyncio.sleep(0.5)
            continue
        await day.visit()
        await agreed_books(world, at_a_glance=True)
        day.nothing_after_staff_said_so()
        await world.printer.load(200)
        world.eyes.pictures.clear()
        told.visits = day.visits
    await _sample(day, told, told.wanted.hours, life)


async def _stands(world: World) -> None:
    await world.eyes.until_screen("idle", "out_of_service", seconds=120.0)


async def _sample(day: Day, told: Told, hours: float, life: int) -> None:
    """At rest: the spare worker of the next visit is there."""
    world = day.visitor.world
    if world.kiosk is None:
        return
    await asyncio.sleep(REST_SECONDS)
    gc.collect()
    children = psutil.Process(world.kiosk.pid).children()
    worker = taken(children[0].pid) if len(children) == 1 else None
    sample = Sample(
        round(hours, 2), life, day.visits, taken(world.kiosk.pid), worker, taken(psutil.Process().pid)
    )
    told.samples.append(sample)
    kiosk = sample.kiosk
    _LOG.info(
        "%5.2f h, %d visits: kiosk %.1f MB its own, %.1f PSS, %d threads, %d descriptors; simulators %.1f MB",
        *(
            sample.hours,
            sample.visits,
            kiosk.private_mb,
            kiosk.pss_mb,
            kiosk.threads,
            kiosk.descriptors,
            sample.simulators.pss_mb,
        ),
    )


def warmed(told: Told, life: int) -> list[Sample]:
    """Samples of this start of the kiosk, from its hundredth visit on."""
    mine = [sample for sample in told.samples if sample.life == life]
    return [sample for sample in mine if sample.visits - mine[0].visits >= WARM_VISITS]


def kilobytes_a_visit(told: Told, life: int) -> float | None:
    """How much of its own memory a visit costs in this life of the kiosk once it is warm.

    The median of the slopes between every two samples (Theil and Sen): no single one decides. None with
    fewer than FEWEST_VISITS between the first and the last.
    """
    warm = warmed(told, life)
    if not warm or warm[-1].visits - warm[0].visits < FEWEST_VISITS:
        return None
    slopes = [
        (later.kiosk.private_mb - sooner.kiosk.private_mb) * 1024 / (later.visits - sooner.visits)
        for sooner, later in combinations(warm, 2)
        if later.visits > sooner.visits
    ]
    return median(slopes)


def lives(told: Told) -> list[int]:
    """Every start of the kiosk."""
    return sorted({sample.life for sample in told.samples})


def complaints(told: Told) -> list[str]:
    """What grew, or is missing, a line each."""
    found: list[str] = []
    for life in lives(told):
        found += _grown(warmed(told, life), f"life {life}")
        kilobytes = kilobytes_a_visit(told, life)
        if kilobytes is not None and kilobytes > MOST_KB_A_VISIT:
            found.append(f"life {life}: the kiosk takes {kilobytes:.1f} kB more with each visit")
    if told.wanted.hours >= 24 and all(kilobytes_a_visit(told, life) is None for life in lives(told)):
        found.append(f"no life of the kiosk had {FEWEST_VISITS} visits once warm: its memory is not judged")
    if len(told.given_up) > MOST_GIVEN_UP * told.visits:
        found.append(f"{len(told.given_up)} of {told.visits} visits were given up")
    if told.wanted.hours >= 24 and not told.days_compared:
        found.append("no day was closed and compared")
    if different := [day for day in told.days_compared if day]:
        found.append(f"the municipality's day differs: {different}")
    return found


def _grown(warm: Sequence[Sample], whose: str) -> Iterator[str]:
    if len(warm) < 6:
        return
    third = len(warm) // 3
    before, after = warm[:third], warm[-third:]
    for name, most in (("private_mb", MOST_GROWTH_MB), ("threads", MOST_MORE), ("descriptors", MOST_MORE)):
        first, last = (median(getattr(each.kiosk, name) for each in some) for some in (before, after))
        if last - first > most:
            yield f"{whose}: {name} of the kiosk grew from {first:.1f} to {last:.1f}"


def _overrides(speed: float) -> Mapping[str, Mapping[str, Any]]:
    changes: dict[str, dict[str, Any]] = {}
    mine = {
        "timeouts": TIMEOUTS,
        "journal": {"check_seconds": 1.0},
        "municipality": {
            "heartbeat_seconds": max(0.5, 20.0 / speed),
            "journal_copy_seconds": max(1.0, 300.0 / speed),
            "clock_tolerance_seconds": 2.0 + 4.0 * speed,
            "request_seconds": 4.0,
            "total_seconds": 8.0,
        },
    }
    for some in (QUICK, OVERRIDES, mine):
        for section, keys in some.items():
            changes.setdefault(section, {}).update(keys)
    return changes


def _city(folder: Path, wanted: Wanted) -> Path:
    """The reference city, whose patience is with people who live at their own pace."""
    city = tomllib.loads(CITY.read_text(encoding="utf-8"))
    for name in ("signature_seconds", "session_seconds", "reservation_seconds", "replica_lag_seconds"):
        city[name] = round(city[name] * wanted.speed)
    path = folder / "city.toml"
    path.write_text(tomli_w.dumps(city), encoding="utf-8")
    return path


def _words(kilobytes: float | None) -> str:
    if kilobytes is None:
        return f"fewer than {FEWEST_VISITS} visits once warm, memory not judged by the visit"
    return f"{kilobytes:.1f} kB more with each visit once warm"


def main(arguments: Sequence[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="soak", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--hours", type=float, default=24.0, help="simulated")
    parser.add_argument("--speed", type=float, default=30.0, help="simulated seconds a second")
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--opens", default="06:30")
    parser.add_argument("--closes", default="23:00")
    parser.add_argument("--json", type=Path, metavar="FILE")
    said = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s")
    _LOG.setLevel(logging.INFO)
    told = Told(Wanted(said.hours, said.speed, said.seed, said.opens, said.closes))
    try:
        asyncio.run(soak(told))
    finally:
        if said.json is not None:
            said.json.write_text(json.dumps(asdict(told), indent=1), encoding="utf-8")
    said_of_it = [
        f"{told.visits} visits ({len(told.given_up)} given up), {told.restarts} restarts",
        f"{told.wall_seconds:.0f} s; days {told.days_compared}",
        *(f"life {life}: {_words(kilobytes_a_visit(told, life))}" for life in lives(told)),
        *(told.complaints or ["nothing grew, nothing is missing"]),
    ]
    sys.stdout.write("\n".join(said_of_it) + "\n")
    return 1 if told.complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
