"""A person goes away: every screen ends the visit by itself, and what is left behind is not forgotten."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.e2e.visitor import Visitor, kiosk

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHORT_SECONDS = 2.5
"""Of every screen, also of those on the way to the one that is tried: time for a finger on a busy machine."""

LATE_SECONDS = 10.0
SCREENS = (
    "notice",
    "present_card",
    "pin",
    "pin_wrong",
    "choose_kind",
    "choose_subjects",
    "choose_items",
    "choose_copies",
    "confirm",
    "coins",
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_kiosk() -> AsyncIterator[Visitor]:
    async with kiosk(timeouts={f"{screen}_seconds": SHORT_SECONDS for screen in SCREENS}) as visitor:
        yield visitor


@pytest.mark.parametrize("screen", sorted(set(SCREENS) - {"pin_wrong", "present_card"}))
async def test_a_screen_left_alone_ends_the_visit(visitor: Visitor, screen: str) -> None:
    await visitor.walk_to(screen)
    await visitor.ends_with("timed_out", seconds=SHORT_SECONDS + LATE_SECONDS)


async def test_a_paper_notification_card_is_not_seen_and_the_screen_says_that_it_cannot_be_used(
    visitor: Visitor,
) -> None:
    """通知カード has nothing to read: nobody can tell it from no card at all."""
    await visitor.walk_to("present_card")
    picture = await visitor.ends_with("no_card", seconds=SHORT_SECONDS + LATE_SECONDS)
    assert any("通知カード" in line for line in picture["lines"])


async def test_a_wrong_pin_left_alone_ends_the_visit(visitor: Visitor) -> None:
    await visitor.walk_to("pin")
    await visitor.type_pin("9753")
    await visitor.sees("pin_wrong")
    await visitor.ends_with("timed_out", seconds=SHORT_SECONDS + LATE_SECONDS)


async def test_whoever_answers_the_warning_has_the_full_time_again(visitor: Visitor) -> None:
    await visitor.walk_to("choose_copies", kind="2")
    for _ in range(3):
        await visitor.sees("go_on")
        await visitor.touch("confirm")
        await visitor.sees("choose_copies")
    await visitor.ends_with("timed_out", seconds=SHORT_SECONDS + LATE_SECONDS)


async def test_going_away_with_coins_in_gives_them_back(visitor: Visitor) -> None:
    await visitor.walk_to("coins", kind="2")
    await visitor.drop([100, 100])
    await visitor.ends_with("timed_out", seconds=SHORT_SECONDS + LATE_SECONDS)
    assert 200 == visitor.world.coins.change_cup_yen


async def test_a_key_without_meaning_does_not_turn_the_shown_countdown_back(visitor: Visitor) -> None:
    await visitor.walk_to("notice")
    pictures_before = len(visitor.world.eyes.pictures) - 1
    await visitor.world.press("5")
    await visitor.world.press("6")
    await visitor.ends_with("timed_out", seconds=SHORT_SECONDS + LATE_SECONDS)
    notices = [now for now in visitor.world.eyes.pictures[pictures_before:] if now["screen"] == "notice"]
    assert 1 == sum(notice["remaining_ms"] > SHORT_SECONDS * 1000 - 100 for notice in notices)
