"""The printer cannot print: nobody is asked for a coin, and coins already in come back."""

import asyncio

import pytest

from tests.e2e.visitor import Visitor
from tests.simulators.bench.world_api import PrinterFault

LOW: dict[PrinterFault, str] = {"paper_low": "用紙", "toner_low": "トナー"}

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("fault", ["paper_out", "cover_open", "offline"])
async def test_a_printer_that_fails_at_rest_closes_the_kiosk(visitor: Visitor, fault: PrinterFault) -> None:
    await visitor.world.set_printer_fault(fault)
    picture = await visitor.sees("out_of_service")
    assert "printer" == picture["reason"]
    await visitor.world.set_printer_fault(None)
    await visitor.rests()


@pytest.mark.parametrize("fault", LOW)
async def test_what_runs_low_is_told_to_staff_and_to_the_city_while_the_kiosk_still_serves(
    visitor: Visitor, fault: PrinterFault
) -> None:
    world = visitor.world
    await visitor.rests()
    await world.set_printer_fault(fault)
    await world.set_receipt_fault("near_end")
    wanted = {fault.replace("_", "-"), "receipt-roll-low"}
    async with asyncio.timeout(30.0):
        while wanted != set(await world.municipality.troubles()):  # noqa: ASYNC110 - heartbeats
            await asyncio.sleep(0.1)
        assert "idle" == (await world.eyes.until(lambda now: now["reason"] == "supplies", 20.0))["screen"]
        await world.set_door(True)
        picture = await world.eyes.until(lambda now: len(now["rows"]) == 1, 20.0)
        assert f"{LOW[fault]}・領収書の紙" == picture["rows"][0][1]
        await world.set_door(False)
        await world.set_printer_fault(None)
        await world.set_receipt_fault(None)
        while await world.municipality.troubles():  # noqa: ASYNC110 - heartbeats
            await asyncio.sleep(0.1)
    await visitor.rests()


async def test_paper_that_runs_out_during_the_choice_is_seen_before_any_coin(visitor: Visitor) -> None:
    await visitor.walk_to("confirm")
    await visitor.world.set_printer_fault("paper_out")
    pictures_before = len(visitor.world.eyes.pictures)
    await visitor.touch("confirm")
    await visitor.ends_with("printer_not_ready")
    assert "coins" not in {picture["screen"] for picture in visitor.world.eyes.pictures[pictures_before:]}
    assert not visitor.world.coins.slot_is_open


@pytest.mark.parametrize("fault", ["paper_out", "offline"])
async def test_a_printer_that_fails_while_coins_are_in_gives_them_back(
    visitor: Visitor, fault: PrinterFault
) -> None:
    await visitor.walk_to("coins", kind="2")
    await visitor.drop([100, 100])
    await visitor.world.set_printer_fault(fault)
    await visitor.ends_with("printer_not_ready")
    assert 200 == visitor.world.coins.change_cup_yen
    assert not visitor.world.printer.jobs()
