"""A print defect (印刷不良, R9): staff with their code print the same again, or give the fee back."""

import asyncio

from pypdf import PdfReader

from tests.e2e.books import agreed_books, read_books
from tests.e2e.hasty_kiosk import FastClock
from tests.e2e.test_business_day import staff
from tests.e2e.visitor import Visitor, kiosk
from tests.simulators.world import World

STALL = {"document_printer": {"stall_seconds": 3.0, "appear_seconds": 5.0}}
WRONG = "13579246"


async def buys(visitor: Visitor, *coins: int) -> None:
    """The whole way to the certificate in the hand; the thanks still stand."""
    await visitor.walk_to("coins", kind="2")
    await visitor.pays(*coins)
    await visitor.sees("take_all", seconds=60.0)
    await visitor.world.take_paper()
    await visitor.world.take_change()
    await visitor.world.take_receipt()
    await visitor.sees("thanks")


async def calls_staff(visitor: Visitor) -> None:
    await visitor.world.eyes.until(lambda now: bool(now["keys"]["correct"]["enabled"]), 20.0)
    await visitor.touch("correct")
    await visitor.sees("staff_code")


async def lets_in(visitor: Visitor) -> None:
    await visitor.type_staff_code()
    await visitor.world.eyes.until(
        lambda now: now["screen"] == "attend" and now["reason"].endswith("_admitted"), 20.0
    )


def stands_on_every_page(number: str, world: World) -> list[bool]:
    """Whether this certificate number stands on every page, by job."""
    return [
        all(number in "".join(page.extract_text().split()) for page in PdfReader(job.pdf).pages[::2])
        for job in world.printer.jobs()
    ]


async def prints_again(visitor: Visitor) -> None:
    await visitor.touch("1")
    picture = await visitor.sees("take_all", seconds=60.0)
    assert "paper_reprinted" == picture["reason"]
    assert ["card", "certificate"] == [item["id"] for item in picture["checklist"]]
    assert 0 == visitor.world.coins.change_cup_yen
    await visitor.world.take_paper()
    await visitor.sees("thanks")


async def test_a_bad_print_comes_again_under_its_number_for_no_money_twice_and_then_the_fee_goes_back() -> (
    None
):
    async with kiosk(clock=FastClock.from_noon()) as visitor:
        world = visitor.world
        await buys(visitor, 500)
        await calls_staff(visitor)
        await visitor.type_staff_code(WRONG)
        await world.eyes.until(lambda now: now["reason"] == "wrong", 20.0)
        await lets_in(visitor)
        await prints_again(visitor)

        books = await agreed_books(world)
        sale, complaint = books.visits.values()
        assert (sale.earned, sale.paid_out, complaint.taken, complaint.earned) == (300, 200, 0, 0)
        assert (sale.order_id, 1, 1) == (complaint.complains_of, complaint.admitted, complaint.destroyed)
        assert ["done"] == list(complaint.reprints.values())
        assert 1 == books.staff_refused
        assert 1 == books.told[sale.order_id, "reprint-1"]
        (order,) = await world.municipality.orders()
        assert ("ISSUED", 300) == (order.state, order.paid_yen)
        assert [True, True] == stands_on_every_page(order.number, world)
        assert 2 == len({job.name for job in world.printer.jobs()})

        await calls_staff(visitor)
        await lets_in(visitor)
        await prints_again(visitor)
        await visitor.touch("confirm")
        await visitor.rests()
        await calls_staff(visitor)
        await lets_in(visitor)
        await visitor.touch("1")
        await world.eyes.until(lambda now: now["reason"] == "defect_refused", 20.0)
        assert 3 == len(world.printer.jobs())
        await visitor.touch("cancel")
        await visitor.ends_with("print_defect")
        assert 300 == await visitor.leave()
        picture = await visitor.rests()
        assert not picture["keys"]["correct"]["enabled"], "a fee given back could be given back again"
        assert 0 == (await agreed_books(world)).total("earned")
        (order,) = await world.municipality.orders()
        assert ("REFUNDED", 300, 0) == (order.state, order.refunded_yen, order.owed_yen)
        assert [(1, "done"), (2, "done")] == await world.municipality.reprints(order.order_id)
        status, said = await staff(world, "day", "close")
        assert (0, True) == (status, said.endswith(" is closed\n"))
        async with asyncio.timeout(20.0):
            while not (found := (await read_books(world)).compared):  # noqa: ASYNC110 - the outbox tells nobody
                await asyncio.sleep(0.1)
        assert [""] == found


async def test_a_print_nobody_can_prove_comes_again_whole_after_a_power_cut() -> None:
    async with kiosk(overrides=STALL, page_ms=150) as visitor:
        world = visitor.world
        await visitor.pays_and_the_paper_jams(500, seconds=30.0)
        await world.kill_kiosk()
        await world.printer.set_fault("power_cycle")
        await world.start_kiosk()
        await visitor.sees("attend", seconds=60.0)
        await world.take_paper()
        await calls_staff(visitor)
        await lets_in(visitor)
        await world.eyes.until(lambda now: bool(now["choices"]), 20.0)
        await visitor.touch("1")
        await visitor.sees("take_all", seconds=60.0)
        assert 200 == await visitor.leave()
        books = await agreed_books(world)
        visit = books.last
        assert (300, ["unknown"], ["done"]) == (
            visit.earned,
            visit.print_outcomes,
            [*visit.reprints.values()],
        )
        first, again = world.printer.jobs()
        assert (2, 4) == (first.pages_out, again.pages_out)
        (order,) = await world.municipality.orders()
        assert "ISSUED" == order.state


async def test_wrong_codes_shut_the_door_also_after_a_restart() -> None:
    steps = {"staff": {"steps": [{"strikes": 2, "seconds": 600.0}], "forget_seconds": 600.0}}
    async with kiosk(overrides=steps) as visitor:
        world = visitor.world
        await buys(visitor, 100, 100, 100)
        await calls_staff(visitor)
        await visitor.type_staff_code(WRONG)
        await world.eyes.until(lambda now: now["reason"] == "wrong", 20.0)
        await visitor.type_staff_code(WRONG)
        picture = await visitor.rests()
        assert not picture["keys"]["correct"]["enabled"]
        await world.kill_kiosk()
        await world.start_kiosk()
        picture = await visitor.rests(seconds=40.0)
        assert not picture["keys"]["correct"]["enabled"]
        assert 2 == (await read_books(world)).staff_refused
