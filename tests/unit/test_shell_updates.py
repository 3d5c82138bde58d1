"""The kiosk's side of an update, root played by files: it serves nobody meanwhile, and says when fit."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from firmware.console.pages import update_page
from firmware.core.updates import WELL_SECONDS, Standing, barred_by
from firmware.errors import OfficeRefused
from firmware.logbook import EventId
from firmware.shell.updates import UpdateFiles, UpdateWatch
from firmware.whole_file import write_whole

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
        write_whole(
            self.files.state, json.dumps({**STATE, "standing": standing, **more}).encode(), mode=0o644
        )

    def said_before(self) -> Any:
        """What is wrong while root installs; None before anything is said."""
        return json.loads(self.files.before.read_text()) if self.files.before.is_file() else None

    def nonce(self) -> str:
        return str(json.loads(self.files.wish.read_text())["nonce"])

    def made(self) -> UpdateWatch:
        return UpdateWatch(
            self.files,
            hold=self.hold,
            log=self.log,
            monotonic=lambda: self.now,
            command_line=self.folder / "cmdline",
        )

    def hold(self, held: bool) -> None:
        self.held = held

    def log(self, event: EventId, /, **fields: Any) -> None:
        self.events.append((event, fields))

    @asynccontextmanager
    async def watch(self) -> AsyncIterator[UpdateWatch]:
        watch = self.made()
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


@pytest.mark.parametrize(("barred", "said"), [("no-keyring", "keyring.pem"), ("no-trial", "on trial")])
async def test_a_machine_that_takes_no_update_says_why_at_once_and_goes_on_serving(
    rig: Rig, barred: str, said: str
) -> None:
    (rig.folder / "cmdline").write_text("quiet rauc.slot=A")
    rig.root("steady", barred=barred)
    async with rig.watch() as watch:
        with pytest.raises(OfficeRefused, match=said):
            await watch.ask("/media/a.raucb")
        assert (False, False, False) == (rig.held, watch.under_way, rig.files.wish.exists())
    page = list(update_page(watch.state))
    assert str(barred_by(barred)) == page[-1]


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
        nonce = rig.nonce()
        assert {"bundle": "/media/a.raucb", "before": ["printer"], "nonce": nonce} == json.loads(
            rig.files.wish.read_text()
        )
        assert rig.files.held.exists()
        with pytest.raises(OfficeRefused, match="under way"):
            await watch.ask("/media/a.raucb")
        rig.root("installing", wanted="0.3.0", nonce=nonce)
        await comes(lambda: watch.state.standing == "installing")
        assert (True, True, True) == (rig.held, watch.under_way, rig.files.held.exists())
        rig.root("steady", refused="signature", nonce=nonce)
        await comes(lambda: not rig.held)
        assert not rig.files.held.exists()
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


@pytest.mark.parametrize(("before", "fit"), [(["journal"], True), (["printer"], False), ([], False)])
async def test_a_failing_disk_rolls_an_update_back_only_if_the_former_system_did_not_know_it(
    rig: Rig, before: list[str], fit: bool
) -> None:
    rig.root("trial", before=before)
    rig.obstacles = frozenset({"journal", "maintenance"})
    async with rig.watch() as watch:
        for _ in range(20):
            rig.now += WELL_SECONDS
            await watch._try()
    assert (fit, True) == (rig.files.fit.exists(), rig.held)


async def test_a_disk_that_fails_by_the_writing_of_an_update_is_told_root_before_the_start(rig: Rig) -> None:
    rig.root("steady")
    async with rig.watch() as watch:
        await watch.ask("/media/a.raucb")
        assert not rig.files.before.exists()
        nonce = rig.nonce()
        rig.root("installing", nonce=nonce)
        for obstacles in ([], ["journal", "maintenance"]):
            rig.obstacles = frozenset(obstacles)
            told = {"nonce": nonce, "before": obstacles}
            await comes(lambda told=told: rig.said_before() == told)  # type: ignore[misc]
        # The file is there a moment before the thread that wrote it has said so.
        await comes(lambda: watch._noted_before == ["journal", "maintenance"])
        written = rig.files.before.stat().st_mtime_ns
        await watch._note_before()
        assert written == rig.files.before.stat().st_mtime_ns, "nothing has changed"


async def test_a_word_that_could_not_be_written_is_said_again(rig: Rig) -> None:
    rig.root("installing")
    rig.files.before.mkdir()
    async with rig.watch() as watch:
        await watch._note_before()
        rig.files.before.rmdir()
        await comes(lambda: rig.said_before() == {"nonce": "", "before": []})


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


async def test_an_older_refusal_answers_no_new_wish(rig: Rig) -> None:
    rig.root("steady", refused="signature", nonce="an earlier wish's")
    watch = rig.made()
    watch.start(frozenset, lambda: rig.held)
    await watch.ask("/media/good.raucb")
    watch._look_at(json.loads(rig.files.state.read_text()))
    assert (True, True, True) == (rig.held, rig.files.held.exists(), rig.files.wish.exists())
    watch._look_at({**STATE, "standing": "steady", "refused": "signature", "nonce": rig.nonce()})
    await watch.close()
    assert (False, False, False) == (rig.held, rig.files.held.exists(), rig.files.wish.exists())


async def test_a_wish_that_root_did_not_notice_is_written_again_until_it_is_taken_up(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[bytes] = []

    def noted(path: Path, content: bytes, *, mode: int) -> None:
        if path == rig.files.wish:
            written.append(content)
        write_whole(path, content, mode=mode)

    monkeypatch.setattr("firmware.shell.updates.write_whole", noted)
    rig.root("steady", refused="signature", nonce="an earlier wish's")
    async with rig.watch() as watch:
        await watch.ask("/media/good.raucb")
        for times in (2, 3):
            rig.now += 11.0
            await comes(lambda times=times: len(written) == times)  # type: ignore[misc]
        assert len(set(written)) == 1
        nonce = rig.nonce()
        rig.root("installing", wanted="0.3.0", nonce=nonce)
        await comes(lambda: watch.state.standing == "installing")
        for wanted in ("0.3.1", "0.3.2"):
            rig.now += 11.0
            rig.root("installing", wanted=wanted, nonce=nonce)
            await comes(lambda wanted=wanted: watch.state.wanted == wanted)  # type: ignore[misc]
        assert len(written) == 3
        rig.root("steady", refused="write", nonce=nonce)
        await comes(lambda: not rig.held)
    assert not rig.files.wish.exists()


async def test_a_kiosk_that_starts_anew_holds_for_the_wish_that_it_finds(rig: Rig) -> None:
    rig.root("steady")
    rig.files.wish.write_text(json.dumps({"bundle": "/media/a.raucb", "before": [], "nonce": "n"}))
    watch = rig.made()
    assert (True, True) == (rig.held, watch.under_way)
    watch._look_at({**STATE, "standing": "steady", "refused": "older", "nonce": "n"})
    assert (False, False) == (rig.held, rig.files.wish.exists())


async def test_an_order_that_is_cancelled_while_the_wish_is_written_keeps_the_kiosk_held(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, go_on = threading.Event(), threading.Event()

    def slow(path: Path, content: bytes, *, mode: int) -> None:
        began.set()
        go_on.wait(30)
        write_whole(path, content, mode=mode)

    monkeypatch.setattr("firmware.shell.updates.write_whole", slow)
    rig.root("steady")
    watch = rig.made()
    watch._resting = lambda: True
    asking = asyncio.create_task(watch.ask("/media/a.raucb"))
    await comes(began.is_set)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    go_on.set()
    assert asking.cancelled()
    assert (True, True) == (rig.held, rig.files.held.exists())
    await comes(rig.files.wish.exists)


async def test_a_wish_that_could_not_be_written_to_its_end_is_taken_back(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(path: Path, content: bytes, *, mode: int) -> None:
        path.write_bytes(content)
        raise OSError("the folder's name is not on disk")

    monkeypatch.setattr("firmware.shell.updates.write_whole", half)
    write_whole(rig.files.state, json.dumps({**STATE, "standing": "steady"}).encode(), mode=0o644)
    watch = rig.made()
    watch._resting = lambda: True
    with pytest.raises(OfficeRefused, match="cannot be written"):
        await watch.ask("/media/a.raucb")
    assert (False, False, False) == (rig.held, rig.files.held.exists(), rig.files.wish.exists())


async def test_a_visit_that_goes_on_while_root_installs_unasked_is_never_called_held(rig: Rig) -> None:
    rig.root("installing", nonce="of nobody here")
    watch = rig.made()
    watch._look_at(json.loads(rig.files.state.read_text()))
    assert (True, False) == (rig.held, rig.files.held.exists())
    watch._resting = lambda: True
    watch._look_at(json.loads(rig.files.state.read_text()))
    assert rig.files.held.exists()


@pytest.mark.parametrize("text", [None, "", "{", "[]", "{}"])
async def test_a_machine_with_slots_serves_nobody_before_root_has_said_which_one_runs(
    rig: Rig, text: str | None
) -> None:
    (rig.folder / "cmdline").write_text("quiet rauc.slot=B\n")
    if text is not None:
        rig.files.state.write_text(text)
    watch = rig.made()
    assert (True, True) == (rig.held, watch.under_way)
    watch._look_at({**STATE, "standing": "steady"})
    assert not rig.held
