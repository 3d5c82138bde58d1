"""Mistakes in a row slow the kiosk down and then pause it; a restart or a power cut changes nothing."""

from tests.e2e.clean_log import events
from tests.e2e.visitor import Visitor, kiosk

SLOW = {"strikes": 2, "seconds": 6.0}
PAUSE = {"strikes": 4, "seconds": 600.0}
RULE = {"lockout": {"steps": [SLOW, PAUSE]}}


async def lay_down(visitor: Visitor, card: str, reason: str) -> None:
    """One more card that cannot be used, and away with it."""
    await visitor.walk_to("present_card")
    await visitor.world.insert_card(card)
    await visitor.ends_with(reason)
    await visitor.leave()


async def test_mistakes_in_a_row_slow_down_then_pause_and_a_power_cut_does_not_help() -> None:
    async with kiosk(overrides=RULE) as visitor:
        await lay_down(visitor, "felica", "felica")
        await visitor.walk_to("pin")
        await visitor.type_pin("9753")
        await visitor.sees("pin_wrong")
        await visitor.touch("cancel")
        await visitor.ends_with("cancelled")
        await visitor.leave()
        assert "slowed" == (await visitor.sees("closed"))["reason"]
        await visitor.rests()
        await lay_down(visitor, "rokku_zumi", "pin_locked")
        await visitor.rests()
        await lay_down(visitor, "licence", "driving_licence")
        picture = await visitor.sees("closed")
        assert "paused" == picture["reason"]
        await visitor.world.insert_card("shiken_taro")
        await visitor.world.power_cut()
        again = await visitor.world.eyes.until(lambda now: now["reason"] == "paused", 30.0)
        assert ("closed", picture["lines"]) == (again["screen"], again["lines"])
        assert 3 <= len(events(visitor.world, "lockout-began"))
        await visitor.world.remove_card()


async def test_a_person_served_clears_the_mistakes_of_those_before() -> None:
    async with kiosk(overrides=RULE) as visitor:
        await lay_down(visitor, "felica", "felica")
        await visitor.walk_to("choose_kind")
        await visitor.stops()
        await visitor.ends_with("cancelled")
        await visitor.leave()
        await visitor.rests()
        await lay_down(visitor, "felica", "felica")
        await visitor.rests()
        assert [] == events(visitor.world, "lockout-began")
