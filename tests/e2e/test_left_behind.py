"""Things left behind: the kiosk calls after its owner and serves nobody until they are taken."""

import asyncio
from collections.abc import Callable

from tests.e2e.clean_log import log_entries
from tests.e2e.visitor import PATIENCE, Visitor, kiosk
from tests.simulators.eyes import Picture

KEY, ATTENTION, ALARM = 1, 2, 3
"""Beeps."""


async def _sounds(visitor: Visitor, beeps: int) -> None:
    assert visitor.world.pins is not None
    await visitor.world.pins.until_turned_on("buzzer", times=beeps, seconds=15.0 * PATIENCE)


async def _was_shown(visitor: Visitor, wanted: Callable[[Picture], bool]) -> Picture:
    """The first such picture of the visit, also one that stood too short a time for a busy machine."""
    eyes = visitor.world.eyes

    def shown() -> Picture | None:
        return next((picture for picture in eyes.pictures if wanted(picture)), None)

    await eyes.until(lambda _: shown() is not None, 15.0 * PATIENCE)
    picture = shown()
    assert picture is not None
    return picture


async def test_a_card_left_on_the_reader_sounds_the_alarm_and_ends_the_visit() -> None:
    async with kiosk(timeouts={"take_card_seconds": 0.8, "most_alarms": 2, "ended_seconds": 0.8}) as visitor:
        await visitor.walk_to("take_card")
        await _was_shown(visitor, lambda now: now["screen"] == "take_card" and now["alarm"])
        await _sounds(visitor, KEY + ALARM)
        await visitor.ends_with("timed_out", seconds=10.0 * PATIENCE)
        picture = await _was_shown(visitor, lambda now: now["screen"] == "ended" and now["alarm"])
        assert "card" == picture["place"]
        await visitor.world.remove_card()
        await visitor.world.eyes.until(lambda now: now["screen"] != "ended", 10.0 * PATIENCE)
        await visitor.rests()


async def test_paper_left_in_the_tray_closes_the_kiosk_until_somebody_takes_it() -> None:
    async with kiosk(timeouts={"take_all_seconds": 0.8, "most_alarms": 1}) as visitor:
        await visitor.walk_to("coins", kind="2")
        await visitor.pays(100, 100, 100)
        await _was_shown(visitor, lambda now: now["screen"] == "take_all" and now["alarm"])
        await _sounds(visitor, KEY + ATTENTION + ALARM)
        picture = await visitor.sees("out_of_service", seconds=10.0 * PATIENCE)
        await visitor.world.eyes.until(lambda now: now["reason"] == "left_behind", 15.0 * PATIENCE)
        assert "out_of_service" == picture["screen"]
        while "paper-left" not in await visitor.world.municipality.troubles():  # noqa: ASYNC110 - heartbeats
            await asyncio.sleep(0.1)
        await visitor.world.take_paper()
        await visitor.rests()
        told = [one["event"] for one in log_entries(visitor.world) if one["event"].startswith("paper-")]
        assert ["paper-left-behind", "paper-taken-away"] == told


async def test_a_sheet_that_falls_when_the_next_person_pays_is_not_theirs_and_nothing_is_printed_on_it() -> (
    None
):
    async with kiosk() as visitor:
        await visitor.walk_to("coins", kind="2")
        await visitor.drop([100, 100])
        await visitor.world.sheet_falls_late()
        picture = await visitor.ends_with("paper_left")
        assert "paper" != picture["place"]
        await visitor.world.eyes.until(lambda now: now["place"] == "change", 15.0 * PATIENCE)
        assert 200 == await visitor.world.take_change()
        await visitor.world.eyes.until(lambda now: now["reason"] == "left_behind", 40.0 * PATIENCE)
        assert not visitor.world.printer.jobs()
        assert 1 == await visitor.world.take_paper()
        await visitor.rests()


async def test_coins_left_in_the_cup_after_a_refund_are_called_for_and_nobody_else_gets_them() -> None:
    async with kiosk(timeouts={"ended_seconds": 0.8}) as visitor:
        await visitor.walk_to("coins", kind="2")
        await visitor.drop([100])
        await visitor.stops()
        await visitor.ends_with("cancelled")
        picture = await _was_shown(visitor, lambda now: now["screen"] == "ended" and now["alarm"])
        assert "change" == picture["place"]
        assert 100 == await visitor.world.take_change()
        await visitor.rests()
