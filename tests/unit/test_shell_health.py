"""The watchdog is fed while all is well; every illness lets it go hungry and is logged once."""

import asyncio
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from firmware.compose.kiosk import busy_by_device, watchers
from firmware.core.facts import PanelLevel
from firmware.logbook import EventId, FieldValue
from firmware.settings import load
from firmware.shell.devices import Devices
from firmware.shell.door_alarm import DoorAlarm
from firmware.shell.health import Health, HealthRule
from firmware.shell.tray_watch import TrayWatch

CONFIG = Path(__file__).resolve().parents[2] / "config" / "kiosk.toml"


class Watched:
    @staticmethod
    def busy_seconds() -> float:
        return 7.0


@dataclass
class Bench:
    journal: float = 0.0
    reader: float = 0.0
    log: list[tuple[EventId, dict[str, FieldValue]]] = field(default_factory=list)

    def health(self, *watchers: str) -> Health:
        return Health(
            rule=HealthRule(),
            journal_busy=lambda: self.journal,
            busy={"card-reader": lambda: self.reader},
            watchers=frozenset(watchers),
            log=self.write,
        )

    def write(self, event: EventId, /, **fields: FieldValue) -> None:
        self.log.append((event, fields))


async def test_all_well_feeds_and_says_nothing() -> None:
    bench = Bench()
    health = bench.health()
    health.took(0.01)
    assert (True, []) == (health.well(), bench.log)


@pytest.mark.parametrize(
    ("journal", "reader", "reason"), [(31.0, 0.0, "journal"), (0.0, 121.0, "card-reader")]
)
async def test_a_call_that_never_ends_starves_the_watchdog(
    journal: float, reader: float, reason: str
) -> None:
    bench = Bench(journal, reader)
    health = bench.health()
    assert [False, False] == [health.well(), health.well()]
    assert [(EventId.WATCHDOG_HELD, {"reason": reason})] == bench.log


async def test_a_watcher_that_ended_starves_the_watchdog() -> None:
    bench = Bench()
    health = bench.health("keypad")
    watching = asyncio.create_task(asyncio.Event().wait(), name="keypad")
    assert health.well()
    watching.cancel()
    await asyncio.wait([watching])
    assert (False, "keypad-ended") == (health.well(), health.illness())


def test_coins_and_printers_are_watched_as_they_are_configured() -> None:
    settings = load(CONFIG)
    assert {"coin-acceptor", "hopper-3", "document-printer", "receipt-printer"} <= watchers(settings)
    said = settings.file
    a4 = msgspec.structs.replace(said.receipt_printer, kind="a4")
    other = msgspec.structs.replace(said.hoppers[0], address=5)
    file = msgspec.structs.replace(said, receipt_printer=a4, hoppers=[other])
    changed = watchers(replace(settings, file=file))
    assert {"hopper-5"} == {name for name in changed if name.startswith("hopper")}
    assert not {"receipt-printer", "exit-sensor"} & changed


def test_every_device_that_has_a_watcher_is_seen_to_hang() -> None:
    settings = load(CONFIG)
    watched = Watched()
    devices = Devices(
        **dict.fromkeys(("card", "keypad", "acceptor", "printer", "receipt", "panel"), cast("Any", watched)),
        payouts={hopper.address: cast("Any", watched) for hopper in settings.file.hoppers},
        municipality=cast("Any", None),
        new_worker=cast("Any", None),
        slip_lines=cast("Any", None),
    )
    of_no_device = {
        "municipality-heartbeat",
        "clock",
        "medium",
        "page",
        "maintenance",
        "outbox",
        "office",
        "runner",
        "health",
        "certificate-renewal",
        "publications",
        "journal-copy",
        "updates",
    }
    busy = busy_by_device(devices)
    assert set() == watchers(settings) - of_no_device - busy.keys()
    assert {7.0} == {seconds() for seconds in busy.values()}


async def test_a_late_loop_is_logged_once_gone_and_once_back() -> None:
    bench = Bench()
    health = bench.health()
    for late in (0.6, 0.7):
        health.took(late)
    assert [(EventId.LOOP_SLOW, {"milliseconds": 600})] == bench.log
    for _ in range(600):
        health.took(0.001)
    assert [EventId.LOOP_SLOW, EventId.LOOP_WELL] == [event for event, _ in bench.log]
    assert (0.001, 0.7) == (health.lag_seconds, health.longest_seconds)


async def test_a_loop_that_is_late_by_seconds_is_ill_until_it_turns_again() -> None:
    health = Bench().health()
    health.took(5.1)
    assert not health.well()
    for _ in range(10):
        health.took(0.0)
    assert health.well()


async def test_the_loop_is_measured() -> None:
    health = Bench().health()
    running = asyncio.create_task(health.run())
    while health.turns < 2:  # noqa: ASYNC110 - the loop's own turns are what is counted
        await asyncio.sleep(0)
    running.cancel()
    assert 0.0 <= health.lag_seconds


def test_paper_left_behind_is_told_once_and_so_is_that_it_was_taken() -> None:
    bench = Bench()
    tray = TrayWatch(bench.write)
    seen = []
    for resting, paper in [(0, 1), (1, 0), (0, 1), (1, 1), (1, 1), (1, 0), (1, 0), (1, 1), (0, 1)]:
        tray.seen(resting=bool(resting), paper=bool(paper))
        seen.append(tray.left)
    assert [False, False, False, True, True, False, False, True, False] == seen
    assert [EventId.PAPER_LEFT_BEHIND, EventId.PAPER_TAKEN_AWAY] * 2 == [event for event, _ in bench.log]


@pytest.mark.parametrize("ordered", [True, False])
async def test_a_door_opened_without_an_order_sounds_until_it_is_shut(ordered: bool) -> None:
    bench, sounded = Bench(), asyncio.Event()
    looked = asyncio.Event()

    def has_order() -> bool:
        looked.set()
        return ordered

    alarm = DoorAlarm(ordered=has_order, sound=sounded.set, grace_seconds=0.0, log=bench.write)
    alarm.seen(PanelLevel(door_open=True))
    alarm.seen(PanelLevel(door_open=True, paper_in_tray=True))
    await looked.wait()
    await asyncio.sleep(0)
    assert ordered is not sounded.is_set()
    alarm.seen(PanelLevel())
    await alarm.close()
    for _ in range(3):
        await asyncio.sleep(0)
    alarmed = [] if ordered else [EventId.DOOR_OPENED_UNORDERED, EventId.DOOR_QUIET]
    moved = [EventId.DOOR_OPENED, EventId.DOOR_SHUT]
    events = [event for event, _ in bench.log]
    assert moved == [event for event in events if event in moved], "once opened, once shut"
    assert alarmed == [event for event in events if event not in moved]
