"""SIGKILL at every point where money or paper is under way: the next start settles it, and nothing twice."""

import asyncio

import cups
import pytest

from hw.printer.ipp_partner import IppPartner, JobState
from hw.printer.queue import submit
from tests.contract.test_document_printer import certificate, job_state
from tests.e2e.books import agreed_books
from tests.e2e.clean_log import events
from tests.e2e.visitor import kiosk

STRAY = "cert-0123456789abcdef"


async def test_a_cut_with_coins_in_gives_them_back_at_the_next_start() -> None:
    async with kiosk() as visitor:
        await visitor.walk_to("coins", kind="2")
        await visitor.drop([100, 100])
        await visitor.world.kill_kiosk()
        await visitor.world.start_kiosk()
        await visitor.ends_with("power_cut", seconds=30.0)
        assert 200 == visitor.world.coins.change_cup_yen
        assert 1 == len(events(visitor.world, "recovered"))
        await visitor.leave()
        await visitor.rests()


async def test_a_cut_before_the_first_coin_after_a_power_up_is_one_doubt_and_shut_once_nobody_is_served() -> (
    None
):
    async with kiosk() as visitor:
        world = visitor.world
        await visitor.walk_to("coins", kind="2")
        await world.kill_kiosk()
        world.coins.acceptor.power_cycle()
        await world.start_kiosk()
        await visitor.ends_with("power_cut", seconds=30.0)
        await visitor.leave()
        await visitor.rests()
        async with asyncio.timeout(60.0):
            while True:
                _, lines, _ = await world.journal_lines()
                if any('"SlotShut"' in line for line in lines):
                    break
                await asyncio.sleep(0.05)
        assert 1 == (await agreed_books(world)).suspected
        await world.kill_kiosk()
        world.coins.acceptor.power_cycle()
        await world.start_kiosk()
        await visitor.rests(seconds=30.0)
        assert 1 == (await agreed_books(world)).suspected


async def test_a_coin_that_fell_while_the_power_was_gone_comes_back_too() -> None:
    async with kiosk() as visitor:
        await visitor.walk_to("coins", kind="2")
        await visitor.drop([100])
        await visitor.world.kill_kiosk()
        assert visitor.world.coins.drop_coin(100)
        await visitor.world.start_kiosk()
        await visitor.ends_with("power_cut", seconds=30.0)
        assert 200 == visitor.world.coins.change_cup_yen
        await visitor.leave()


async def test_a_cut_right_after_the_release_was_sent_prints_nothing_and_gives_the_money_back() -> None:
    async with kiosk() as visitor:
        await visitor.walk_to("coins", kind="2")
        visitor.world.municipality.delay_next(6.0, "*/release")
        await visitor.pays(500)
        await visitor.sees("committing")
        await visitor.world.kill_kiosk()
        await visitor.world.start_kiosk()
        await visitor.ends_with("power_cut", seconds=30.0)
        assert 500 == visitor.world.coins.change_cup_yen
        assert not visitor.world.printer.jobs()
        await visitor.leave()
        (order,) = await visitor.world.municipality.orders()
        assert order.state != "ISSUED"


async def test_a_cut_in_the_middle_of_a_print_follows_the_job_and_prints_nothing_twice() -> None:
    async with kiosk(page_ms=150) as visitor:
        await visitor.walk_to("coins")
        await visitor.pays(500)
        await visitor.world.eyes.until(
            lambda now: now["screen"] == "printing" and now["pages"]["out"] >= 2, 60.0
        )
        await visitor.world.kill_kiosk()
        await visitor.world.start_kiosk()
        await visitor.sees("take_all", seconds=60.0)
        assert 1 == len(visitor.world.printer.jobs())
        assert 200 == visitor.world.coins.change_cup_yen
        await visitor.leave()


async def test_a_job_left_by_a_run_before_is_cancelled_before_anybody_is_served() -> None:
    async with kiosk() as visitor:
        world = visitor.world
        await visitor.rests(seconds=40.0)
        await world.kill_kiosk()
        await world.printer.set_fault("jam", after_sheets=1)
        cupsd = world.print_server
        job_id = await asyncio.to_thread(
            submit, certificate(4), job_name=STRAY, cups_socket=cupsd.socket, queue=cupsd.queue
        )
        async with asyncio.timeout(60.0):
            while not any(job.pages_out for job in world.printer.jobs()):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.02)
        await world.start_kiosk()
        async with asyncio.timeout(60.0):
            while cups.IPP_JOB_CANCELED != job_state(cupsd, job_id):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.02)
        await visitor.sees("out_of_service")
        await world.printer.set_fault(None)
        await world.printer.jobs()[0].ended.wait()
        await visitor.world.eyes.until(lambda now: now["reason"] == "left_behind", 120.0)
        await world.take_paper()
        await visitor.rests(seconds=40.0)
        printer = IppPartner(world.printer.uri, request_seconds=5.0)
        assert [JobState.CANCELED] == [job.state for job in await printer.jobs(STRAY)]
        await printer.close()
        world.printer.forget_jobs()  # which no journal knows


async def test_a_cut_in_the_middle_of_a_payout_pays_every_coin_once() -> None:
    async with kiosk() as visitor:
        world = visitor.world
        await visitor.walk_to("coins", kind="2")
        await visitor.drop([500])
        fell = asyncio.Event()
        moved = world.coins.on_change_cup

        def coin_falls(lies_there: bool) -> None:
            fell.set()
            if moved is not None:
                moved(lies_there)

        world.coins.on_change_cup = coin_falls
        await visitor.stops()
        async with asyncio.timeout(60.0):
            await fell.wait()
        await world.kill_kiosk()
        await world.start_kiosk()
        await visitor.ends_with("cancelled", seconds=30.0)
        await visitor.leave()
        books = await agreed_books(world)
        assert 500 == books.last.paid_out + books.last.owed


@pytest.mark.parametrize("screen", ["pin", "choose_copies"])
async def test_a_cut_before_the_money_only_ends_the_visit(screen: str) -> None:
    async with kiosk() as visitor:
        await visitor.walk_to(screen)
        await visitor.world.kill_kiosk()
        await visitor.world.start_kiosk()
        await visitor.ends_with("power_cut", seconds=30.0)
        await visitor.leave()
        await visitor.rests()
        assert 0 == visitor.world.coins.change_cup_yen
