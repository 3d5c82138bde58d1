"""The printer cannot print: nobody is asked for a coin, and coins already in come back."""

import pytest

from tests.e2e.visitor import Visitor
from tests.simulators.bench.world_api import PrinterFault

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("fault", ["paper_out", "cover_open", "offline"])
async def test_a_printer_that_fails_at_rest_closes_the_kiosk(visitor: Visitor, fault: PrinterFault) -> None:
    await visitor.world.set_printer_fault(fault)
    picture = await visitor.sees("out_of_service")
    assert "printer" == picture["reason"]
    await visitor.world.set_printer_fault(None)
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
