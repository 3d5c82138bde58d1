"""The kiosk's side of an update, root played by files: it serves nobody meanwhile, and says when fit."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from firmware.core.updates import WELL_SECONDS, Standing
from firmware.errors import OfficeRefused
from firmware.logbook import EventId
from firmware.shell.updates import UpdateFiles, UpdateWatch

STATE = {"slot": "A", "version": "0.2.0", "other": "good", "wanted": "", "before": []}


@dataclass
class Rig:
    """root: writes what runs. held: whether the kiosk is kept out of service."""

    folder: Path
    obstacles: frozenset[str] = frozenset()
    resting: bool = True
    now: float = 0.0
    held: bool = False
    events: list[tuple[EventId, dict[str, Any]]] = field(default_factory=list)

    @property
    def files(self) -> UpdateFiles:
        return UpdateFiles(self.folder / "state", self.folder / "wish", self.folder / "fit")

    def root(self, standing: str, **more: Any) -> None:
        self.files.state.write_text(json.dumps({**STATE, "standing": standing, **more}))

    def hold(self, held: bool) -> None:
        self.held = held

    def log(self, event: EventId, /, **fields: Any) -> None:
        self.events.append((event, fields))

    @asynccontextmanager
    async def watch(self) -> AsyncIterator[UpdateWatch]:
        watch = UpdateWatch(self.files, hold=self.hold, log=self.log, monotonic=lambda: self.now)
        watch.start(lambda: self.obstacles, lambda: self.resting and self.held)
        try:
            yield watch
        finally:
            await watch.close()


async def comes(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110 - files tell nobody
            await asyncio.sleep(0.02)


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


async def test_a_machine_without_slots_installs_nothing_and_serves(rig: Rig) -> None:
    async with rig.watch() as watch:
        with pytest.raises(OfficeRefused, match="no second slot"):
            await watch.ask("/media/a.raucb")
        assert not rig.held
    without = UpdateWatch(None, hold=rig.hold, log=rig.log)
    without.start(frozenset, lambda: True)
    assert not without.under_way


async def test_the_wish_is_written_only_once_the_kiosk_serves_nobody_and_held_until_root_answers(
    rig: Rig,
) -> None:
    rig.root("steady")
    rig.resting = False
    async with rig.watch() as watch:
        asking = asyncio.create_task(watch.ask("/media/a.raucb"))
        await comes(lambda: rig.held)
        assert not rig.files.wish.exists()
        rig.obstacles, rig.resting = frozenset({"printer"}), True
        await asking
        assert {"bundle": "/media/a.raucb", "before": ["printer"]} == json.loads(rig.files.wish.read_text())
        with pytest.raises(OfficeRefused, match="under way"):
            await watch.ask("/media/a.raucb")
        rig.root("installing", wanted="0.3.0")
        await comes(lambda: watch.state.standing == "installing")
        assert (True, True) == (rig.held, watch.under_way)
        rig.root("steady", refused="signature")
        await comes(lambda: not rig.held)
    assert (EventId.UPDATE_REFUSED, {"reason": "signature"}) in rig.events
    assert not rig.files.wish.exists()


async def test_a_visit_that_goes_on_keeps_the_update_away(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("firmware.shell.updates._REST_SECONDS", 0.1)
    rig.root("steady")
    rig.resting = False
    async with rig.watch() as watch:
        with pytest.raises(OfficeRefused, match="a visit is under way"):
            await watch.ask("/media/a.raucb")
    assert (False, False) == (rig.held, rig.files.wish.exists())


async def test_a_wish_that_nobody_takes_up_is_taken_back(rig: Rig) -> None:
    rig.root("steady")
    async with rig.watch() as watch:
        await watch.ask("/media/a.raucb")
        rig.now = 1801.0
        await comes(lambda: not rig.held)
    assert not rig.files.wish.exists()


async def test_a_system_on_trial_serves_nobody_from_its_first_moment_and_says_when_it_is_fit(
    rig: Rig,
) -> None:
    rig.root("trial", wanted="0.3.0", before=["printer"])
    rig.obstacles = frozenset({"reader", "printer", "hours"})
    async with rig.watch() as watch:
        assert rig.held
        rig.now = 100.0
        await asyncio.sleep(0)
        assert not rig.files.fit.exists()
        rig.obstacles = frozenset({"printer", "maintenance"})
        # The first look finds it well, a look WELL_SECONDS later finds it fit.
        while not rig.files.fit.exists():
            rig.now += WELL_SECONDS / 2
            await asyncio.sleep(0.05)
        rig.root("confirmed", wanted="0.3.0")
        await comes(lambda: not rig.held)
        assert Standing.CONFIRMED.value == watch.state.standing
    assert [EventId.UPDATE_TRIAL, EventId.UPDATE_GOOD] == [event for event, _ in rig.events]


async def test_a_part_that_worked_before_and_works_no_more_is_never_called_fit(rig: Rig) -> None:
    rig.root("trial")
    rig.obstacles = frozenset({"reader"})
    async with rig.watch() as watch:
        for _ in range(20):
            rig.now += WELL_SECONDS
            await watch._try()
    assert (False, True) == (rig.files.fit.exists(), rig.held)


async def test_a_roll_back_is_told_once_and_the_kiosk_serves_again(rig: Rig) -> None:
    rig.root("rolled-back", wanted="0.4.0")
    async with rig.watch() as watch:
        watch._look_at(json.loads(rig.files.state.read_text()))
    assert [(EventId.UPDATE_ROLLED_BACK, {"version": "0.4.0"})] == rig.events
    assert not rig.held


@pytest.mark.parametrize("text", ["", "{", "[]", '{"standing": "steady", "strange": 1}'])
async def test_a_state_that_cannot_be_read_holds_nothing_up(rig: Rig, text: str) -> None:
    rig.files.state.write_text(text)
    async with rig.watch() as watch:
        assert not watch.under_way
