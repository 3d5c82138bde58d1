"""The service is closed: no visit begins, and a running one ends before its money."""

from datetime import datetime, time, timedelta, timezone

import pytest

from tests.e2e.visitor import kiosk

JST = timezone(timedelta(hours=9))


def _hours_from(now: datetime, begins_minutes: int, ends_minutes: int) -> tuple[str, str]:
    """Opening hours around now, Japan time, within one day."""
    midnight, last = now.replace(hour=0, minute=0), now.replace(hour=23, minute=59)
    begins = max(midnight, now + timedelta(minutes=begins_minutes))
    ends = min(last, now + timedelta(minutes=ends_minutes))
    return f"{begins:%H:%M}", f"{ends:%H:%M}"


async def test_outside_the_hours_nobody_can_begin() -> None:
    now = datetime.now(JST)
    hours = _hours_from(now, -180, -60) if now.hour >= 4 else _hours_from(now, 60, 180)
    async with kiosk(hours=hours) as visitor:
        picture = await visitor.world.eyes.until(lambda now: now["screen"] == "closed", 20.0)
        assert "hours" == picture["reason"]
        assert any(hours[1].lstrip("0") in line for line in picture["lines"])
        await visitor.world.insert_card("shiken_taro")
        await visitor.world.press("confirm")
        assert "closed" == (await visitor.sees("closed"))["screen"]
        assert not visitor.world.coins.slot_is_open


async def test_maintenance_of_the_municipality_closes_the_kiosk_and_its_end_opens_it() -> None:
    async with kiosk() as visitor:
        await visitor.rests()
        visitor.world.municipality.set_maintenance(True)
        picture = await visitor.sees("closed", seconds=10.0)
        assert "maintenance" == picture["reason"]
        visitor.world.municipality.set_maintenance(False)
        await visitor.rests(seconds=10.0)


@pytest.mark.parametrize("screen", ["choose_copies", "coins"])
async def test_maintenance_that_begins_during_a_visit_ends_it_and_gives_coins_back(screen: str) -> None:
    async with kiosk() as visitor:
        await visitor.walk_to(screen)
        back_yen = await visitor.drop([100]) if screen == "coins" else 0
        visitor.world.municipality.set_maintenance(True)
        await visitor.ends_with("outside_hours", seconds=10.0)
        assert back_yen == visitor.world.coins.change_cup_yen
        visitor.world.municipality.set_maintenance(False)


async def test_hours_that_end_while_paying_give_the_coins_back() -> None:
    async with kiosk() as visitor:
        await visitor.walk_to("coins", kind="2")
        await visitor.drop([100, 100])
        visitor.world.municipality.set_hours(time(0, 0), time(0, 0, 1))
        await visitor.ends_with("outside_hours", seconds=10.0)
        assert 200 == visitor.world.coins.change_cup_yen
