"""A person goes away: every screen ends the visit by itself, and what is left behind is not forgotten."""

import pytest

from tests.e2e.visitor import Visitor

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHORT_SECONDS = 2.5
"""Of the screen that is tried; those on the way to it have their usual time."""

WARNED_SECONDS = 8.0
"""Of a screen where something is still done: half of it passes before the question whether to go on."""

LATE_SECONDS = 30.0
SCREENS = (
    "notice",
    "pin",
    "choose_kind",
    "choose_subjects",
    "choose_items",
    "choose_copies",
    "confirm",
    "coins",
)


async def hurries(visitor: Visitor, screen: str, seconds: float = SHORT_SECONDS) -> None:
    """From here on this screen alone waits so short a time."""
    before = await visitor.rests()
    await visitor.world.restart_with("timeouts", {f"{screen}_seconds": seconds})
    await visitor.world.eyes.until(lambda now: bool(now["boot"] != before["boot"]), 60.0)


@pytest.mark.parametrize("screen", sorted(SCREENS))
async def test_a_screen_left_alone_ends_the_visit(visitor: Visitor, screen: str) -> None:
    await hurries(visitor, screen)
    await visitor.walk_to(screen)
    await visitor.ends_with("timed_out", seconds=SHORT_SECONDS + LATE_SECONDS)


async def test_a_paper_notification_card_is_not_seen_and_the_screen_says_that_it_cannot_be_used(
    visitor: Visitor,
) -> None:
    """通知カード has nothing to read: nobody can tell it from no card at all."""
    await hurries(visitor, "present_card")
    await visitor.walk_to("present_card")
    picture = await visitor.ends_with("no_card", seconds=SHORT_SECONDS + LATE_SECONDS)
    assert any("通知カード" in line for line in picture["lines"])


async def test_a_wrong_pin_left_alone_ends_the_visit(visitor: Visitor) -> None:
    await hurries(visitor, "pin_wrong")
    await visitor.walk_to("pin")
    await visitor.type_pin("9753")
    await visitor.sees("pin_wrong")
    await visitor.ends_with("timed_out", seconds=SHORT_SECONDS + LATE_SECONDS)


async def test_whoever_answers_the_warning_has_the_full_time_again(visitor: Visitor) -> None:
    await hurries(visitor, "choose_copies", WARNED_SECONDS)
    await visitor.walk_to("choose_copies", kind="2")
    for _ in range(3):
        await visitor.sees("go_on")
        await visitor.touch("confirm")
        await visitor.sees("choose_copies")
    await visitor.ends_with("timed_out", seconds=WARNED_SECONDS + LATE_SECONDS)


async def test_going_away_with_coins_in_gives_them_back(visitor: Visitor) -> None:
    await hurries(visitor, "coins", WARNED_SECONDS)
    await visitor.walk_to("coins", kind="2")
    await visitor.drop([100, 100])
    await visitor.ends_with("timed_out", seconds=WARNED_SECONDS + LATE_SECONDS)
    assert 200 == visitor.world.coins.change_cup_yen


async def test_a_key_without_meaning_does_not_turn_the_shown_countdown_back(visitor: Visitor) -> None:
    await hurries(visitor, "notice", WARNED_SECONDS)
    await visitor.walk_to("notice")
    pictures_before = len(visitor.world.eyes.pictures) - 1
    await visitor.world.press("5")
    await visitor.world.press("6")
    await visitor.ends_with("timed_out", seconds=WARNED_SECONDS + LATE_SECONDS)
    notices = [now for now in visitor.world.eyes.pictures[pictures_before:] if now["screen"] == "notice"]
    assert 1 == sum(notice["remaining_ms"] > notices[0]["remaining_ms"] - 100 for notice in notices)
