"""A print server that lives and answers nothing, ever again: the kiosk asks for a new one, and every print
that was open ends as after a crash of it.

cupsd is the real one, stopped. The test does what systemd does when it sees the request.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import cups

from tests.e2e.books import read_books
from tests.e2e.clean_log import events
from tests.e2e.visitor import Visitor, kiosk
from tests.erasure import in_files
from tests.simulators.world import World

HANGS = {"document_printer": {"restart_seconds": 6.0, "stall_seconds": 3.0, "appear_seconds": 20.0}}
LIMIT_SECONDS = 90.0


@contextlib.asynccontextmanager
async def _restarted_when_asked(world: World) -> AsyncIterator[None]:
    """The print server hangs from here on; at the end it has been restarted."""
    world.print_server.hang()
    restarting = asyncio.create_task(world.print_server.restart_when_asked(world.cups_restart_request))
    try:
        yield
        async with asyncio.timeout(LIMIT_SECONDS):
            await restarting
    finally:
        restarting.cancel()


async def _serves_the_next(visitor: Visitor) -> None:
    """Whoever comes after the print server's restart gets a certificate, and nothing else comes out."""
    world = visitor.world
    before = len(world.printer.jobs())
    await visitor.rests(seconds=LIMIT_SECONDS)
    assert [] == in_files([world.print_server.memory], {"document": (b"%PDF-",)})
    await visitor.walk_to("coins")
    await visitor.pays(100, 100, 100)
    await visitor.sees("take_all", seconds=LIMIT_SECONDS)
    await visitor.leave()
    await visitor.sees("thanks", "idle")
    books = await read_books(world)
    assert ["done"] == books.last.print_outcomes
    new = world.printer.jobs()[before:]
    assert [(books.last.job_name, books.last.pages)] == [(job.name, job.pages_out) for job in new]
    assert 1 == len(events(world, "cups-restart-asked"))


async def test_a_print_server_that_hangs_at_rest_closes_the_kiosk_until_it_is_restarted_as_it_asks() -> None:
    async with kiosk(overrides=HANGS) as visitor:
        await visitor.rests()
        async with _restarted_when_asked(visitor.world):
            assert "printer" == (await visitor.sees("out_of_service", seconds=LIMIT_SECONDS))["reason"]
        await _serves_the_next(visitor)


async def test_a_print_server_that_hangs_between_two_sheets_leaves_the_print_to_staff_and_ends_it() -> None:
    async with kiosk(overrides=HANGS) as visitor:
        world = visitor.world
        await visitor.pays_and_the_paper_jams(100, 100, 100, seconds=LIMIT_SECONDS)
        async with _restarted_when_asked(world):
            await visitor.sees("attend", seconds=LIMIT_SECONDS)
        await world.set_door(True)
        await world.set_printer_fault(None)
        await world.printer.jobs()[0].ended.wait()
        await world.eyes.until(lambda now: bool(now["keys"]["confirm"]["enabled"]), LIMIT_SECONDS)
        await world.press("confirm")
        await visitor.sees("take_all", seconds=LIMIT_SECONDS)
        await world.set_door(False)
        await visitor.leave()
        last = (await read_books(world)).last
        assert (["unknown"], [True]) == (last.print_outcomes, last.staff)
        assert [last.job_name] == [job.name for job in world.printer.jobs()]
        await _serves_the_next(visitor)


async def test_a_print_server_that_hangs_before_it_passed_the_print_on_gives_the_fee_back_by_itself() -> None:
    async with kiosk(overrides=HANGS) as visitor:
        world = visitor.world
        await visitor.walk_to("coins")
        await _holds_jobs(world, "indefinite")
        await visitor.pays(100, 100, 100)
        await world.logged("print-submitted")
        async with _restarted_when_asked(world):
            await visitor.ends_with("print_failed", seconds=LIMIT_SECONDS)
        assert 300 == world.coins.change_cup_yen
        assert ["not_done"] == (await read_books(world)).last.print_outcomes
        assert [] == world.printer.jobs()
        await visitor.leave()
        await _holds_jobs(world, "no-hold")
        await _serves_the_next(visitor)


async def _holds_jobs(world: World, until: str) -> None:
    server = await asyncio.to_thread(cups.Connection, host=world.print_server.socket)
    queue = world.print_server.queue
    await asyncio.to_thread(server.addPrinterOptionDefault, queue, "job-hold-until", until)
