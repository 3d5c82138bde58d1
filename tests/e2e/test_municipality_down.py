"""The municipality cannot be reached, or answers rubbish: the right screen, and nothing is lost."""

from typing import Literal

import pytest

from tests.e2e.clean_log import events
from tests.e2e.visitor import Visitor, kiosk

PATIENCE = {"municipality": {"request_seconds": 5.0, "total_seconds": 6.0}}


async def test_a_municipality_that_is_down_at_the_start_closes_the_kiosk_until_it_is_back() -> None:
    async with kiosk(overrides=PATIENCE) as visitor:
        await visitor.rests()
        await visitor.world.stop_kiosk()
        await visitor.world.set_network("cut")
        await visitor.world.start_kiosk()
        await visitor.sees("out_of_service")
        await visitor.world.set_network("ok")
        await visitor.rests()


@pytest.mark.parametrize("before", ["present_card", "pin", "confirm"])
async def test_a_line_cut_before_the_money_ends_the_visit_with_the_right_screen(before: str) -> None:
    async with kiosk(overrides=PATIENCE) as visitor:
        await visitor.walk_to(before)
        await visitor.world.set_network("cut")
        match before:
            case "present_card":
                await visitor.world.insert_card(visitor.card)
            case "pin":
                await visitor.type_pin("1234")
            case _:
                await visitor.touch("confirm")
        await visitor.ends_with("municipality_down", seconds=15.0)
        assert not visitor.world.coins.slot_is_open
        await visitor.world.set_network("ok")


async def test_a_line_cut_while_coins_are_in_gives_every_coin_back() -> None:
    async with kiosk(overrides=PATIENCE) as visitor:
        await visitor.walk_to("coins", kind="2")
        await visitor.drop([500])
        await visitor.world.set_network("cut")
        await visitor.touch("confirm")
        await visitor.ends_with("municipality_down", seconds=15.0)
        assert 500 == visitor.world.coins.change_cup_yen
        assert not visitor.world.printer.jobs()
        await visitor.world.set_network("ok")


async def _answers_to(visitor: Visitor, path: str) -> None:
    await visitor.walk_to("present_card")
    visitor.world.municipality.answer_garbage_next(path)
    await visitor.world.insert_card(visitor.card)
    if path == "/v1/sessions":
        return
    await visitor.sees("pin")
    await visitor.type_pin("1234")
    if path.endswith("authenticate"):
        return
    await visitor.sees("take_card")
    await visitor.world.remove_card()
    await visitor.sees("choose_kind")
    await visitor.touch("2")
    await visitor.sees("choose_copies")
    await visitor.touch("1")
    await visitor.sees("confirm")
    await visitor.touch("confirm")


@pytest.mark.parametrize("path", ["/v1/sessions", "/v1/sessions/*/authenticate", "/v1/orders"])
async def test_rubbish_before_the_money_ends_the_visit_and_is_logged_by_its_id(path: str) -> None:
    async with kiosk(overrides=PATIENCE) as visitor:
        await _answers_to(visitor, path)
        await visitor.ends_with("municipality_down", seconds=15.0)
        assert events(visitor.world, "municipality-answer-invalid")


@pytest.mark.parametrize("fault", ["after", "before"])
async def test_a_lost_answer_to_the_release_still_issues_exactly_once(
    fault: Literal["after", "before"],
) -> None:
    async with kiosk(overrides=PATIENCE) as visitor:
        await visitor.walk_to("coins", kind="2")
        await visitor.drop([100, 100, 100])
        visitor.world.municipality.drop_next(fault, "*/release")
        await visitor.touch("confirm")
        await visitor.sees("take_all", "thanks", seconds=20.0)
        await visitor.leave()
        (order,) = await visitor.world.municipality.orders()
        assert "ISSUED" == order.state
        assert 1 == len(visitor.world.printer.jobs())


async def test_rubbish_for_the_release_prints_nothing_and_gives_every_coin_back() -> None:
    async with kiosk(overrides=PATIENCE) as visitor:
        await visitor.walk_to("coins", kind="2")
        visitor.world.municipality.answer_garbage_next("*/release")
        await visitor.pays(500)
        await visitor.ends_with("municipality_down")
        assert 500 == visitor.world.coins.change_cup_yen
        assert not visitor.world.printer.jobs()


async def test_a_result_that_is_not_heard_is_told_again() -> None:
    async with kiosk(overrides=PATIENCE) as visitor:
        await visitor.walk_to("coins", kind="2")
        visitor.world.municipality.drop_next("before", "*/result")
        visitor.world.municipality.drop_next("after", "*/result")
        await visitor.pays(100, 100, 100)
        await visitor.sees("take_all", "thanks")
        await visitor.leave()
