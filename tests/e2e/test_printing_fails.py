"""The printer fails with the fee in the box: the print is proven, or staff decide; nothing comes twice."""

import pytest

from tests.e2e.books import read_books
from tests.e2e.visitor import Visitor, kiosk

STALL = {"document_printer": {"stall_seconds": 3.0, "appear_seconds": 5.0}}


async def _pays_for_a_household(visitor: Visitor) -> None:
    await visitor.walk_to("coins")
    await visitor.pays(100, 100, 100)


async def test_a_jam_that_is_cleared_goes_on_to_the_last_page() -> None:
    async with kiosk(page_ms=30) as visitor:
        picture = await visitor.pays_and_the_paper_jams(100, 100, 100)
        assert 4 == picture["pages"]["total"]
        await visitor.world.set_printer_fault(None)
        await visitor.sees("take_all", seconds=30.0)
        await visitor.leave()
        await visitor.sees("thanks", "idle")
        books = await read_books(visitor.world)
        assert ["done"] == books.last.print_outcomes


async def test_a_job_refused_before_the_first_sheet_gives_the_fee_back() -> None:
    async with kiosk() as visitor:
        await visitor.walk_to("coins")
        await visitor.world.printer.set_fault("refuse")
        await visitor.pays(100, 100, 100)
        await visitor.ends_with("print_failed", seconds=40.0)
        books = await read_books(visitor.world)
        assert ["not_done"] == books.last.print_outcomes
        assert 300 == visitor.world.coins.change_cup_yen


@pytest.mark.parametrize(
    ("fault", "printed"), [("abort", False), ("power_cycle", False), ("power_cycle", True)]
)
async def test_a_print_that_ends_in_the_middle_is_for_staff_to_decide(fault: str, printed: bool) -> None:
    async with kiosk(overrides=STALL, page_ms=150) as visitor:
        world = visitor.world
        await visitor.walk_to("coins")
        if fault == "abort":
            await world.printer.set_fault("abort", after_sheets=1)
        await visitor.pays(100, 100, 100)
        if fault == "power_cycle":
            await visitor.world.eyes.until(
                lambda now: now["screen"] == "printing" and now["pages"]["out"] >= 2, 60.0
            )
            await world.printer.set_fault("power_cycle")
        picture = await visitor.sees("attend", seconds=60.0)
        assert picture["alarm"]
        assert not picture["keys"]["confirm"]["enabled"]
        await world.press("confirm")
        await world.set_door(True)
        await world.eyes.until(lambda now: bool(now["keys"]["confirm"]["enabled"]), 20.0)
        await world.press("confirm" if printed else "cancel")
        if printed:
            await visitor.sees("take_all")
        else:
            await visitor.ends_with("print_failed")
        assert (0 if printed else 300) == world.coins.change_cup_yen
        await world.set_door(False)
        await world.printer.set_fault(None)
        await visitor.leave()
        books = await read_books(world)
        assert [printed] == books.last.staff
        assert 1 == len(world.printer.jobs())
