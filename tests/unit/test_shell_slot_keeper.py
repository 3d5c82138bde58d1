"""A slot that no visit saw shut is written down as shut once the acceptor is heard again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import pytest

from firmware.core import events as e
from firmware.core import records as r
from firmware.core.terms import VisitId
from firmware.ports import CoinAcceptor, CoinMark
from firmware.shell.slot_keeper import SlotKeeper

VISIT = VisitId("ab" * 16)
OPENED = r.SlotOpened(VISIT, 7, 0)


class Acceptor:
    """Its stop ends when the test says so."""

    def __init__(self) -> None:
        self.mark: CoinMark | None = CoinMark(7, 3, "0301")
        self.quiet = asyncio.Event()
        self.stops = 0

    async def stop(self) -> None:
        self.stops += 1
        await self.quiet.wait()


class Bench:
    def __init__(self, *, is_open: bool) -> None:
        self.acceptor = Acceptor()
        self.at_rest = True
        self.posted: list[e.CoinsClosed] = []
        self.keeper = SlotKeeper(
            cast("CoinAcceptor", self.acceptor),
            is_open=is_open,
            may_shut=lambda: self.at_rest,
            post=self.posted.append,
        )

    async def turns(self) -> None:
        """So many turns of the loop that whatever can go on has gone on."""
        self.keeper.look()
        for _ in range(10):
            await asyncio.sleep(0)


@asynccontextmanager
async def bench_of(*, is_open: bool = False) -> AsyncIterator[Bench]:
    bench = Bench(is_open=is_open)
    running = asyncio.create_task(bench.keeper.run())
    try:
        yield bench
    finally:
        running.cancel()
        await asyncio.wait([running])


@pytest.mark.parametrize("is_open", [True, False])
async def test_a_slot_left_open_is_shut_in_the_journal_when_its_acceptor_is_back_and_quiet(
    is_open: bool,
) -> None:
    async with bench_of(is_open=is_open) as bench:
        if not is_open:
            bench.keeper.note([r.SlotShut(VISIT, 7, 0), OPENED, r.CoinTaken(VISIT, 100, 7, 1)])
        bench.at_rest = False
        await bench.turns()
        assert 0 == bench.acceptor.stops
        bench.at_rest = True
        await bench.turns()
        assert [] == bench.posted  # a coin may still be on its way
        bench.acceptor.mark = CoinMark(7, 4, "0401")
        bench.acceptor.quiet.set()
        await bench.turns()
        assert e.CoinsClosed(7, 4, "0401") == bench.posted[0]


@pytest.mark.parametrize("record", [r.SlotShut(VISIT, 7, 3), r.CoinsSuspected("", 0, 0, False, 7, 3)])
async def test_a_slot_that_the_journal_says_is_shut_is_left_alone(record: r.Record) -> None:
    async with bench_of(is_open=True) as bench:
        bench.acceptor.quiet.set()
        bench.keeper.note([record])
        await bench.turns()
        assert (0, []) == (bench.acceptor.stops, bench.posted)


@pytest.mark.parametrize("heard", [True, False])
async def test_a_visit_that_began_meanwhile_or_an_acceptor_never_heard_shuts_nothing(heard: bool) -> None:
    async with bench_of(is_open=True) as bench:
        await bench.turns()
        assert 1 == bench.acceptor.stops
        if heard:
            bench.at_rest = False
        else:
            bench.acceptor.mark = None
        bench.acceptor.quiet.set()
        await bench.turns()
        assert [] == bench.posted
