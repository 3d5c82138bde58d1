"""The journal's disk fails in the middle of a visit: the slot shuts, nothing moves, no yen is guessed.

strace answers the kiosk's calls in the kernel's place: full, read-only, or broken in syncing, from the n-th
call on, so that every record of a visit is once the first that fails. JOURNAL_SEED chooses other draws.
"""

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from firmware.__main__ import EXIT_JOURNAL
from tests.e2e.books import agreed_books
from tests.e2e.clean_log import events
from tests.e2e.visitor import Visitor, kiosk
from tests.simulators.eyes import Picture
from tests.simulators.world import World

SEED = int(os.environ.get("JOURNAL_SEED", "20"))

OVERRIDES: Mapping[str, Mapping[str, Any]] = {
    "journal": {"retry_seconds": 0.3, "check_seconds": 0.2},
    "coins": {"drain_seconds": 0.2, "poll_seconds": 0.05},
}
FEE_YEN = 300
LAST_SCREENS = ("idle", "ended", "take_all", "thanks", "out_of_service")
TRANSACTIONS_OF_A_VISIT = 11
"""From PersonAuthenticated on, with the outbox's one."""
WRITES_OF_A_VISIT = 25
WRITES_DRAWN = int(os.environ.get("JOURNAL_WRITES", "6"))


@dataclass(frozen=True, slots=True)
class Hazard:
    """error: what the kernel says. call: by which SQLite writes the journal; nobody else uses it."""

    error: str
    call: str

    def rules(self, since: int = 1) -> tuple[str, ...]:
        """For strace: from this call on they fail, and so does every look whether the disk is well."""
        return (
            *("-e", f"trace={self.call},fsync", "-e", f"inject=fsync:error={self.error}"),
            *("-e", f"inject={self.call}:error={self.error}:when={since}+"),
        )


FULL, READ_ONLY = Hazard("ENOSPC", "pwrite64"), Hazard("EROFS", "pwrite64")
UNSYNCED = Hazard("EIO", "fdatasync")


@contextlib.asynccontextmanager
async def injecting(world: World, *rules: str) -> AsyncIterator[None]:
    """strace answers the running kiosk's calls by these rules."""
    assert world.kiosk is not None
    tracer = await asyncio.create_subprocess_exec(
        *("strace", "-f", "-p", str(world.kiosk.pid), *rules, "-o", os.devnull),
        stderr=asyncio.subprocess.PIPE,
    )
    assert tracer.stderr is not None
    try:
        async with asyncio.timeout(60.0):
            said = await tracer.stderr.readline()
        assert b"attached" in said, said
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            tracer.terminate()
        await tracer.communicate()


async def begin(visitor: Visitor) -> None:
    """Up to the typed PIN: a traced kiosk is too slow for quick fingers."""
    await visitor.walk_to("pin")
    await visitor._type_watching(visitor.pin)
    await visitor.world.eyes.until(lambda now: bool(now["keys"]["confirm"]["enabled"]), 60.0)


async def rest_of_visit(visitor: Visitor) -> None:
    """500 yen for 300, so that coins go back, too."""
    await visitor.touch("confirm")
    await visitor.sees("take_card")
    await visitor.world.remove_card()
    for screen, action in (("choose_kind", "2"), ("choose_copies", "1"), ("confirm", "confirm")):
        await visitor.sees(screen)
        await visitor.touch(action)
    await visitor.sees("coins")
    await visitor.pays(500)
    await visitor.sees("take_all", "thanks", seconds=60.0)
    await visitor.leave()
    await visitor.rests()


def held(picture: Picture) -> int | None:
    """What the screen says lies in the machine; None if it does not say, for a coin is on its way out."""
    rows = dict(picture["rows"])
    if "機械の中のお金" not in rows:
        return None if rows else 0
    return int(rows["機械の中のお金"].removesuffix("円").replace(",", ""))


async def stranded(visitor: Visitor) -> Picture:
    """The screen says out of order for the journal's sake."""
    return await visitor.world.eyes.until(
        lambda now: now["screen"] == "out_of_service" and now["reason"] in {"journal", "journal_money"}, 60.0
    )


def unsettled(world: World) -> int:
    """By the simulators' own count: what was thrown in, is not back and has not become paper."""
    printed = sum(job.pages_out == job.pages for job in world.printer.jobs())
    return world.coins.cash_box_yen - 100 * world.coins.paid_coins - FEE_YEN * printed


async def fails_and_recovers(visitor: Visitor, hazard: Hazard, since: int) -> bool:
    """One visit on a disk that fails from there on after the PIN; False if the visit was over before."""
    world = visitor.world
    await visitor.rests(seconds=40.0)
    await begin(visitor)
    times = 1 + len(events(world, "stranded"))
    async with injecting(world, *hazard.rules(since)):
        visiting = asyncio.create_task(rest_of_visit(visitor))
        waiting = asyncio.create_task(stranded(visitor))
        await asyncio.wait({visiting, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            await visiting
            return False
        visiting.cancel()
        await asyncio.gather(visiting, return_exceptions=True)
        await waiting
        await _stays_shut(visitor, times)
    await _goes_on(visitor)
    return True


async def _stays_shut(visitor: Visitor, times: int) -> None:
    """Every device is let go of when the log says so; then nothing moves while the disk is ill."""
    world = visitor.world
    async with asyncio.timeout(60.0):
        while world.log.read_text(encoding="utf-8").count('"stranded", ') < times:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    logged = events(world, "stranded")
    picture = await _at_rest(visitor)
    assert not world.coins.slot_is_open
    assert not world.coins.drop_coin(100)
    paid = world.coins.paid_coins
    assert logged[-1].get("yen") == held(picture)
    assert held(picture) in {unsettled(world), None}
    assert bool(unsettled(world)) <= (picture["reason"] == "journal_money")
    await asyncio.sleep(0.7)  # several looks at the disk: nothing may happen
    assert world.kiosk is not None
    assert world.kiosk.returncode is None
    assert picture == world.eyes.now
    assert paid == world.coins.paid_coins


async def _at_rest(visitor: Visitor) -> Picture:
    """The picture that stays: the one of the visit's last step may still be on its way."""
    async with asyncio.timeout(60.0):
        picture = await stranded(visitor)
        while True:
            await asyncio.sleep(0.3)
            if (now := await stranded(visitor)) == picture:
                return now
            picture = now


async def _goes_on(visitor: Visitor) -> None:
    world = visitor.world
    assert world.kiosk is not None
    assert EXIT_JOURNAL == await world.kiosk.wait()
    world.kiosk = None
    await world.remove_card()
    await world.start_kiosk()
    while (await visitor.sees(*LAST_SCREENS, seconds=60.0))["screen"] != "idle":
        await visitor.leave()
        await asyncio.sleep(0.1)


@pytest.mark.timeout(300)
async def test_every_record_of_a_visit_may_be_the_first_that_cannot_be_synced() -> None:
    async with kiosk(overrides=OVERRIDES, hopper_coins=200) as visitor:
        since = 1
        while await fails_and_recovers(visitor, UNSYNCED, since):
            await agreed_books(visitor.world)
            since += 1
        assert since > TRANSACTIONS_OF_A_VISIT


async def test_a_visit_that_cannot_be_recorded_does_not_begin() -> None:
    async with kiosk(overrides=OVERRIDES) as visitor:
        await visitor.rests()
        async with injecting(visitor.world, *FULL.rules()):
            await visitor.touch("confirm")
            assert "journal" == (await stranded(visitor))["reason"]
        await _goes_on(visitor)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("hazard", [FULL, READ_ONLY], ids=["full", "read-only"])
async def test_a_disk_that_is_full_or_read_only_at_any_write_takes_no_yen_and_makes_none(
    hazard: Hazard,
) -> None:
    luck = random.Random(SEED)  # noqa: S311 - the same writes each time
    writes = sorted(luck.sample(range(1, WRITES_OF_A_VISIT), WRITES_DRAWN))
    async with kiosk(overrides=OVERRIDES, hopper_coins=200) as visitor:
        failed = 0
        for since in writes:
            failed += await fails_and_recovers(visitor, hazard, since)
            await agreed_books(visitor.world)
        assert failed > WRITES_DRAWN // 2, (SEED, writes)


async def test_a_disk_without_room_keeps_the_kiosk_out_of_order_before_any_money() -> None:
    """No room for the records of a visit: nobody is asked for money, and nothing has to be restarted."""
    async with kiosk(overrides={"journal": {"minimum_free_mib": 1, "check_seconds": 0.2}}) as visitor:
        await visitor.rests()
        world = visitor.world
        async with injecting(world, "-e", "trace=statfs", "-e", "inject=statfs:error=EIO"):
            picture = await visitor.sees("out_of_service")
            assert "journal" == picture["reason"]
            assert not world.coins.slot_is_open
        await visitor.rests()


async def test_a_kiosk_that_starts_on_a_read_only_disk_says_so_and_touches_no_device() -> None:
    async with kiosk(overrides=OVERRIDES) as visitor:
        world = visitor.world
        await visitor.walk_to("coins", kind="2")
        await visitor.drop([100])
        await world.kill_kiosk()
        frames = len(world.coins.frames)
        await world.start_kiosk(under=("strace", "-I", "1", "-D", "-f", *READ_ONLY.rules(), "-o", os.devnull))
        assert "journal" == (await stranded(visitor))["reason"]
        assert world.kiosk is not None
        assert frames == len(world.coins.frames)
        os.kill(_tracer_of(world.kiosk.pid), signal.SIGTERM)
        assert EXIT_JOURNAL == await world.kiosk.wait()
        await world.start_kiosk()
        await visitor.ends_with("power_cut", seconds=30.0)
        assert 100 == world.coins.change_cup_yen
        await visitor.leave()


def _tracer_of(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("TracerPid")))
