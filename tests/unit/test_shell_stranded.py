"""A journal that takes no record: what is shown, how long is waited, and when the disk counts as well."""

import asyncio
import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from firmware.core import states as s
from firmware.core.facts import JournalLevel, Level
from firmware.core.screens import Row, Screen, ScreenId
from firmware.core.terms import CertificateKind, OrderId, Subjects, VisitId
from firmware.errors import DeviceGone, JournalError
from firmware.logbook import FIELDS, EventId, FieldValue
from firmware.shell import medium as shell_medium
from firmware.shell.daemon import Daemon
from firmware.shell.medium import Medium
from firmware.shell.notify import ServiceManager
from firmware.shell.stranded import by_journal, wait_stranded
from tests.unit.emulated_disk import EmulatedDisk

VISIT = VisitId("ab12cd34" + "0" * 24)
PURCHASE = s.Purchase(OrderId("o"), CertificateKind.INKAN, Subjects.SELF, frozenset(), 1, 300, 1, 2)


@dataclass
class Log:
    entries: list[tuple[EventId, dict[str, FieldValue]]] = field(default_factory=list)

    def __call__(self, event: EventId, /, **fields: FieldValue) -> None:
        assert fields.keys() <= FIELDS
        self.entries.append((event, fields))


def medium(
    folder: Path, log: Log, *, minimum_free_mib: int = 0, sysfs: Path = Path("/no/sysfs/here")
) -> Medium:
    return Medium(
        folder,
        minimum_free_mib=minimum_free_mib,
        check_seconds=0.01,
        retry_seconds=0.01,
        log=log,
        sysfs=sysfs,
    )


async def first_level(watched: Medium) -> Level:
    levels = asyncio.Queue[Level]()
    watched.start(levels.put_nowait)
    async with asyncio.timeout(20.0):
        level = await levels.get()
    await watched.close()
    await watched.close()
    return level


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(20.0):
        while not reached():  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.01)


async def test_less_room_than_asked_for_is_none(tmp_path: Path) -> None:
    found = os.statvfs(tmp_path)
    log = Log()
    more_mib = found.f_blocks * found.f_frsize // 2**20 + 1
    assert JournalLevel(room=False) == await first_level(medium(tmp_path, log, minimum_free_mib=more_mib))
    assert [(EventId.JOURNAL_FULL, {})] == log.entries


async def test_a_file_system_that_met_errors_takes_no_visit_until_it_was_checked(tmp_path: Path) -> None:
    log, disk = Log(), EmulatedDisk(tmp_path)
    levels: list[Level] = []
    watched = medium(tmp_path, log, sysfs=disk.sysfs)
    watched.start(levels.append)
    disk.errors(3)
    await until(lambda: levels == [JournalLevel(room=False)])
    disk.errors(0)
    await until(lambda: levels == [JournalLevel(room=False), JournalLevel(room=True)])
    await watched.close()
    told = {"errors": 3, "used_percent": 0, "reserve_gone": False}
    assert [(EventId.JOURNAL_DISK_FAILING, told), (EventId.JOURNAL_ROOM, {})] == log.entries


async def test_a_folder_that_is_gone_has_no_room_and_takes_no_writes_until_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, log = tmp_path / "gone", Log()
    watched = medium(folder, log)
    levels: list[Level] = []
    watched.start(levels.append)
    await until(lambda: levels == [JournalLevel(room=False)])
    assert not await watched.takes_writes()
    looks: list[Path] = []
    honest = shell_medium._takes_writes

    def counted(at: Path) -> bool:
        looks.append(at)
        return honest(at)

    monkeypatch.setattr(shell_medium, "_takes_writes", counted)
    waiting = asyncio.create_task(watched.until_it_takes_writes())
    await until(lambda: len(looks) > 1)
    assert not waiting.done()
    folder.mkdir()
    async with asyncio.timeout(20.0):
        await waiting
    await until(lambda: levels == [JournalLevel(room=False), JournalLevel(room=True)])
    await watched.close()
    assert [EventId.JOURNAL_FULL, EventId.JOURNAL_ROOM] == [event for event, _ in log.entries]
    assert [] == list(folder.iterdir()), "the probe stayed behind"


@pytest.mark.parametrize(
    ("state", "reason", "rows", "logged"),
    [
        (None, "journal", (), {"yen": 0}),
        (s.Idle(), "journal", (), {"yen": 0}),
        (
            s.CollectingCoins(VISIT, PURCHASE, exact=False, paid_yen=200),
            "journal_money",
            (Row("row.held", (), number=200), Row("row.number", (), text="AB12-CD34")),
            {"yen": 200, "visit": "ab12cd34"},
        ),
        (
            s.PayingOut(
                VISIT,
                PURCHASE,
                s.PayoutPurpose.CHANGE,
                500,
                200,
                coin=s.CoinOnItsWay(3, 100, 9),
            ),
            "journal_money",
            (Row("row.number", (), text="AB12-CD34"),),
            {"visit": "ab12cd34"},
        ),
    ],
)
async def test_the_screen_names_what_is_held_and_guesses_nothing(
    tmp_path: Path,
    state: s.State | None,
    reason: str,
    rows: tuple[Row, ...],
    logged: dict[str, FieldValue],
) -> None:
    shown: list[Screen] = []
    log = Log()
    async with asyncio.timeout(20.0):
        await wait_stranded(
            state,
            show=shown.append,
            medium=medium(tmp_path, log),
            manager=ServiceManager({}),
            log=log,
        )
    (screen,) = shown
    assert (ScreenId.OUT_OF_SERVICE, reason, rows) == (screen.id, screen.reason, screen.rows)
    assert [(EventId.STRANDED, logged)] == log.entries


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (JournalError("j"), True),
        (ExceptionGroup("tasks", [DeviceGone("d"), ExceptionGroup("inner", [JournalError("j")])]), True),
        (ExceptionGroup("tasks", [DeviceGone("d")]), False),
        (asyncio.CancelledError(), False),
        (None, False),
    ],
)
def test_a_journal_that_failed_is_told_from_every_other_end(
    error: BaseException | None, expected: bool
) -> None:
    assert expected is by_journal(error)


async def test_a_stop_on_the_way_out_waits_until_the_slot_is_shut() -> None:
    done: list[str] = []
    on_the_way_out = asyncio.Event()

    async def shut_slot() -> None:
        on_the_way_out.set()
        await asyncio.sleep(0.05)
        done.append("slot")

    async def note(what: str) -> None:
        done.append(what)

    async def serve(manager: ServiceManager) -> None:
        async with AsyncExitStack() as undo:
            undo.push_async_callback(shut_slot)
            undo.push(partial(daemon._leave, manager))
            raise JournalError("j")

    daemon = Daemon.__new__(Daemon)
    daemon._leaving = False
    daemon._serve = serve  # type: ignore[method-assign]
    screen: Any = SimpleNamespace(
        start_screen=partial(note, "screen on"),
        close_screen=partial(note, "screen off"),
        listen=lambda _plugged: None,
    )
    daemon._parts = screen
    running = asyncio.create_task(daemon.run(ServiceManager({})))
    async with asyncio.timeout(20.0):
        await on_the_way_out.wait()
        running.cancel()
        with pytest.raises(JournalError):
            await running
    assert ["screen on", "slot", "screen off"] == done
