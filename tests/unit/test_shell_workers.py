"""One document worker is always ready, each serves one visit, none is left behind."""

import asyncio
from typing import cast

import pytest

from firmware.errors import DocumentError
from firmware.ports import DocumentWorker
from firmware.shell.workers import SpareWorker


class Worker:
    """Starts when told to."""

    def __init__(self, number: int, fails: bool) -> None:
        self.number = number
        self.fails = fails
        self.may_start = asyncio.Event()
        self.ended = False
        self.died = False
        self.stays = False

    async def start(self) -> bytes:
        await self.may_start.wait()
        if self.fails:
            raise DocumentError("worker is gone")
        return bytes([self.number]) * 32

    def alive(self) -> bool:
        return not self.died and (self.stays or not self.ended)

    async def end(self) -> None:
        self.ended = True


class Factory:
    def __init__(self) -> None:
        self.made: list[Worker] = []
        self.failing = False
        self.holding = False
        self.dying = False
        self.spare = SpareWorker(self._new)

    def _new(self) -> DocumentWorker:
        worker = Worker(len(self.made), self.failing)
        worker.died = self.dying
        if not self.holding:
            worker.may_start.set()
        self.made.append(worker)
        return cast("DocumentWorker", worker)


async def test_a_prepared_worker_is_taken_and_the_next_visit_gets_another() -> None:
    factory = Factory()
    factory.spare.prepare()
    factory.spare.prepare()
    first, key = await factory.spare.take()
    second, other = await factory.spare.take()
    assert [id(first), id(second)] == [id(worker) for worker in factory.made]
    assert (bytes(32), bytes([1]) * 32) == (key, other)


async def test_a_visit_that_ends_while_its_worker_starts_leaves_it_to_the_next() -> None:
    factory = Factory()
    factory.holding = True
    taking = asyncio.create_task(factory.spare.take())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    taking.cancel()
    await asyncio.gather(taking, return_exceptions=True)
    factory.made[0].may_start.set()
    worker, _ = await factory.spare.take()
    assert [id(worker)] == [id(made) for made in factory.made]


async def test_two_who_take_at_once_never_share_a_worker() -> None:
    factory = Factory()
    (first, _), (second, _) = await asyncio.gather(factory.spare.take(), factory.spare.take())
    assert first is not second


async def test_a_worker_that_did_not_start_is_tried_anew() -> None:
    factory = Factory()
    factory.failing = True
    with pytest.raises(DocumentError):
        await factory.spare.take()
    factory.failing = False
    factory.spare.prepare()
    worker, _ = await factory.spare.take()
    assert id(worker) == id(factory.made[1])


async def test_closing_ends_the_worker_nobody_took() -> None:
    factory = Factory()
    factory.spare.prepare()
    await factory.spare.close()
    await factory.spare.close()
    assert [True] == [worker.ended for worker in factory.made]


async def test_closing_outlives_a_worker_that_did_not_start() -> None:
    factory = Factory()
    factory.failing = True
    factory.spare.prepare()
    await factory.spare.close()
    assert [False] == [worker.ended for worker in factory.made]


async def test_a_spare_that_died_while_it_waited_is_handed_to_nobody() -> None:
    factory = Factory()
    await factory.spare.take()
    factory.spare.prepare()
    await asyncio.sleep(0)
    factory.made[1].died = True
    worker, _ = await factory.spare.take()
    assert id(worker) == id(factory.made[2])


async def test_workers_that_all_die_refuse_the_visit_instead_of_starting_for_ever() -> None:
    factory = Factory()
    factory.dying = True
    with pytest.raises(DocumentError):
        await factory.spare.take()
    assert 2 == len(factory.made)


async def test_nobody_gets_a_worker_while_the_one_before_does_not_go() -> None:
    factory = Factory()
    await factory.spare.take()
    factory.made[0].stays = True
    with pytest.raises(DocumentError):
        await factory.spare.take()
    assert factory.made[0].ended
    factory.made[0].stays = False
    worker, _ = await factory.spare.take()
    assert id(worker) == id(factory.made[1])


async def comes(spare: SpareWorker, works: bool) -> None:
    """Starts are tasks; a turn or two of the loop ends them here."""
    for _ in range(5):
        await asyncio.sleep(0)
    assert works is spare.works()


async def test_a_worker_that_starts_works_and_one_that_starts_now_is_what_the_last_was() -> None:
    factory = Factory()
    assert not factory.spare.works()
    factory.holding = True
    factory.spare.prepare()
    await comes(factory.spare, False)
    factory.made[0].may_start.set()
    await comes(factory.spare, True)
    await factory.spare.take()
    await comes(factory.spare, True)
    factory.spare.prepare()
    await comes(factory.spare, True)
    factory.made[1].may_start.set()
    await comes(factory.spare, True)


@pytest.mark.parametrize("fault", ["failing", "dying"])
async def test_a_worker_that_does_not_start_or_dies_is_begun_anew_but_not_at_once(
    monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    factory = Factory()
    setattr(factory, fault, True)
    factory.spare.prepare()
    await comes(factory.spare, False)
    await comes(factory.spare, False)
    assert 1 == len(factory.made)
    setattr(factory, fault, False)
    monkeypatch.setattr("firmware.shell.workers._AGAIN_SECONDS", 0.0)
    assert not factory.spare.works()
    await comes(factory.spare, True)
    assert [fault == "dying", False] == [worker.ended for worker in factory.made]


async def test_a_spare_that_dies_works_no_more() -> None:
    factory = Factory()
    factory.spare.prepare()
    await comes(factory.spare, True)
    factory.made[0].died = True
    assert not factory.spare.works()
