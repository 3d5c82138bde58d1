"""A printer gone for good while a print is open: no money stays inside, and nobody gets the paper as well.

Its power is cut in the middle of the print. cupsd is the real one, and lets go of the job by itself.
"""

import asyncio

from tests.e2e.books import read_books
from tests.e2e.clean_log import events
from tests.e2e.visitor import Visitor, kiosk
from tests.simulators.eyes import Picture

DEAD = {"document_printer": {"stall_seconds": 60.0, "silent_seconds": 2.0, "dead_seconds": 1.0}}
LIMIT_SECONDS = 60.0


async def _pays_and_the_printer_dies(visitor: Visitor) -> None:
    """One of two sheets is out."""
    world = visitor.world
    await visitor.pays_and_the_paper_jams(100, 100, 100, seconds=LIMIT_SECONDS)
    await world.printer.set_fault("offline")
    await _stands(visitor, "printer_dead")


async def _stands(visitor: Visitor, reason: str) -> Picture:
    return await visitor.world.eyes.until(
        lambda now: now["screen"] == "attend" and now["reason"] == reason, LIMIT_SECONDS
    )


async def _staff_say_that_it_is_off(visitor: Visitor) -> None:
    """Before that no key that settles is taken."""
    world = visitor.world
    await world.set_door(True)
    picture = await world.eyes.until(lambda now: bool(now["choices"]), LIMIT_SECONDS)
    assert ("printer_dead", ["2"]) == (picture["reason"], [choice["key"] for choice in picture["choices"]])
    assert not picture["keys"]["confirm"]["enabled"]
    assert not picture["keys"]["cancel"]["enabled"]
    await world.press("confirm")
    await world.press("cancel")
    await world.press("2")
    picture = await _stands(visitor, "printer_off")
    assert picture["keys"]["confirm"]["enabled"]
    assert picture["keys"]["cancel"]["enabled"]


async def test_a_print_is_settled_once_staff_have_switched_the_dead_printer_off() -> None:
    async with kiosk(overrides=DEAD) as visitor:
        world = visitor.world
        await _pays_and_the_printer_dies(visitor)
        await world.press("2")  # the door is shut: whoever stands there has no key
        assert not (await read_books(world)).last.printers_off
        await _staff_say_that_it_is_off(visitor)
        await world.press("confirm")
        await visitor.sees("take_all")
        await world.set_door(False)
        await visitor.leave()
        await world.printer.set_fault(None)
        await visitor.rests(seconds=LIMIT_SECONDS)
        books = await read_books(world)
        assert ([True], 1, 0) == (books.last.staff, books.last.printers_off, books.last.papers_found)
        assert [2] == [job.pages_out for job in world.printer.jobs()], "the rest came when it had power again"


async def test_a_power_cut_takes_staffs_word_back_and_a_page_that_comes_later_is_nobodys() -> None:
    async with kiosk(overrides=DEAD) as visitor:
        world = visitor.world
        await _pays_and_the_printer_dies(visitor)
        await _staff_say_that_it_is_off(visitor)
        await world.kill_kiosk()
        await world.start_kiosk()
        await _stands(visitor, "printer_dead")
        await _staff_say_that_it_is_off(visitor)
        await world.press("cancel")
        await visitor.ends_with("print_failed")
        assert 300 == world.coins.change_cup_yen
        await world.set_door(False)
        await visitor.leave()
        await world.eyes.until(
            lambda now: (now["screen"], now["reason"]) == ("out_of_service", "printer"), LIMIT_SECONDS
        )
        assert not events(world, "paper-found")

        world.printer.bring_out(1)
        await world.eyes.until(lambda now: now["reason"] == "left_behind", LIMIT_SECONDS)
        async with asyncio.timeout(LIMIT_SECONDS):
            while not events(world, "paper-found"):  # noqa: ASYNC110 - a file tells nobody
                await asyncio.sleep(0.05)
            while "paper-left" not in await world.municipality.troubles():  # noqa: ASYNC110 - heartbeats
                await asyncio.sleep(0.1)
        await world.kill_kiosk()
        await world.start_kiosk()
        await world.eyes.until(lambda now: now["reason"] == "left_behind", LIMIT_SECONDS)
        await world.take_paper()
        await world.printer.set_fault(None)
        await visitor.rests(seconds=LIMIT_SECONDS)
        last = (await read_books(world)).last
        assert ([False], 2, 1) == (last.staff, last.printers_off, last.papers_found)
