"""A technician's coin test and the keeper of the slot do not work against each other."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from firmware.core import events as e
from firmware.core import records as r
from firmware.core import states as s
from firmware.core.facts import PanelLevel
from firmware.core.lockout import LockoutRule
from firmware.core.maintenance import Maintenance, MaintenanceOrder
from firmware.core.screens import Screen
from firmware.core.terms import Role, VisitId, Yen
from firmware.errors import DeviceGone
from firmware.ports import CoinMark
from firmware.shell.daemon import Daemon
from firmware.shell.fitness import Fitness, Verdict
from firmware.shell.maintenance import MaintenanceWatch
from firmware.shell.slot_keeper import SlotKeeper
from tests.unit.test_shell_runner import Kiosk

NOW = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)
COIN = e.CoinInserted(100, 7, 1)


class Acceptor:
    """Opens when confirmed says so; quiet at once."""

    def __init__(self) -> None:
        self.mark: CoinMark | None = CoinMark(7, 0)
        self.is_open = False
        self.asked, self.confirmed, self.opened = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.confirmed.set()
        self.gone = False

    async def accept(self, _denominations: frozenset[Yen]) -> None:
        self.asked.set()
        await self.confirmed.wait()
        if self.gone:
            raise DeviceGone("it fell silent")
        self.is_open = True
        self.opened.set()

    async def stop(self) -> None:
        self.is_open = False


class Bench(Kiosk):
    """The real runner, maintenance, keeper and tests around one acceptor."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.acceptor = Acceptor()
        self.maintenance = MaintenanceWatch(
            state=Maintenance(on=True),
            read_order=lambda *_, **__: MaintenanceOrder(
                "order-1", "tech-17", (Role.SERVICE,), NOW, NOW + timedelta(hours=1)
            ),
            rule=LockoutRule(((9, 60.0),), 60.0),
            log=self.write,
            now=lambda: NOW,
            trusted=lambda: True,
        )
        daemon = Daemon.__new__(Daemon)
        daemon._parts, daemon.runner = cast("Any", SimpleNamespace(maintenance=self.maintenance)), self.runner
        self.keeper = SlotKeeper(
            cast("Any", self.acceptor),
            is_open=False,
            may_shut=daemon._slot_may_be_shut,
            post=self.runner.post,
        )
        self.runner._noted = self.keeper.note
        self.fitness = Fitness(
            devices=cast("Any", SimpleNamespace(acceptor=self.acceptor)),
            runner=self.runner,
            denominations=frozenset({100}),
            now=lambda: NOW,
            wait_seconds=20.0,
            print_page=cast("Any", None),
            speak=cast("Any", None),
            keep_on=self.maintenance.kept_on,
            coins=cast("Any", None),
            pay=cast("Any", None),
            write=self.office_writes,
        )

    async def office_writes(self, records: Sequence[r.Record]) -> None:
        await self.journal.append(records)
        self.keeper.note(records)
        self.drawn.set()

    def show(self, screen: Screen) -> None:
        super().show(screen)
        self.keeper.look()

    @asynccontextmanager
    async def tested(self) -> AsyncIterator[asyncio.Task[Verdict]]:
        """A coin test that has asked the acceptor to open."""
        testing = asyncio.create_task(self.fitness.test("coin", None))
        await self.acceptor.asked.wait()
        yield testing
        testing.cancel()
        await asyncio.gather(testing, return_exceptions=True)

    async def engine_steps(self) -> None:
        """Something moves at the kiosk, and whatever follows has followed."""
        for door_open in (True, False):
            self.runner.report(PanelLevel(door_open=door_open))
            await self.runner.book(())
            for _ in range(20):
                await asyncio.sleep(0)

    def slot_told(self) -> list[str]:
        told = (r.SlotOpened, r.SlotShut, r.CoinUnclaimed)
        return [type(record).__name__ for record in self.journal.records if isinstance(record, told)]

    async def is_shut(self) -> None:
        await self.until(lambda: self.slot_told()[-1:] == ["SlotShut"])
        assert not self.acceptor.is_open


@asynccontextmanager
async def bench_of() -> AsyncIterator[Bench]:
    bench = Bench()
    bench.maintenance.start(bench.runner.report, bench.office_writes)
    keeping = asyncio.create_task(bench.keeper.run())
    try:
        async with bench.running(s.NotServing()):
            await bench.engine_steps()
            yield bench
    finally:
        keeping.cancel()
        await asyncio.wait([keeping])
        await bench.maintenance.close()


@pytest.mark.parametrize("order", ["none", "goes on", "ends"])
async def test_an_engine_that_moves_does_not_shut_the_slot_of_a_test(order: str) -> None:
    async with bench_of() as bench:
        opened = None if order == "none" else await bench.maintenance.login("order-1")
        async with bench.tested() as testing:
            await bench.acceptor.opened.wait()
            if opened is not None and order == "ends":
                await bench.maintenance.logout(opened.token)
            await bench.engine_steps()
            assert bench.acceptor.is_open
            bench.runner.post(COIN)
            assert (await testing).fit
        await bench.is_shut()
        assert ["SlotOpened", "CoinUnclaimed", "SlotShut"] == bench.slot_told()


async def test_a_slot_about_to_open_is_not_written_down_as_shut() -> None:
    """After a power cut then, nobody would ask for the coins that came in."""
    async with bench_of() as bench:
        bench.acceptor.confirmed.clear()
        async with bench.tested() as testing:
            await bench.engine_steps()
            bench.acceptor.confirmed.set()
            await bench.acceptor.opened.wait()
            assert ["SlotOpened"] == bench.slot_told()
            bench.runner.post(COIN)
            assert (await testing).fit
        await bench.is_shut()


async def test_a_slot_that_the_keeper_has_just_told_as_shut_is_opened_behind_that() -> None:
    async with bench_of() as bench:
        bench.journal.disk.clear()
        bench.journal.syncing.clear()
        bench.runner.post(COIN)
        await bench.journal.syncing.wait()
        bench.keeper.note([r.SlotOpened(VisitId(""), 7, 0)])
        bench.keeper.look()
        for _ in range(20):
            await asyncio.sleep(0)
        testing = asyncio.create_task(bench.fitness.test("coin", None))
        for _ in range(20):
            await asyncio.sleep(0)
        bench.journal.disk.set()
        await bench.acceptor.opened.wait()
        assert ["CoinUnclaimed", "SlotShut", "SlotOpened"] == bench.slot_told()
        testing.cancel()
        await asyncio.gather(testing, return_exceptions=True)
        await bench.is_shut()


@pytest.mark.parametrize("how", ["fails", "cancelled"])
async def test_after_a_test_that_came_to_nothing_the_slot_is_shut_and_written_down_as_shut(how: str) -> None:
    async with bench_of() as bench:
        bench.acceptor.confirmed.clear()
        bench.acceptor.gone = how == "fails"
        async with bench.tested() as testing:
            bench.acceptor.confirmed.set()
            if how == "fails":
                assert not (await testing).fit
            else:
                await bench.acceptor.opened.wait()
        await bench.is_shut()
        assert ["SlotOpened", "SlotShut"] == bench.slot_told()
