"""A display counts as drawing once a page has said so steadily, and until it has been silent for minutes."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from firmware.core.facts import Level, ScreenLevel
from firmware.core.terms import Page
from firmware.logbook import EventId
from firmware.screen.page_watch import GONE_SECONDS, STEADY_SECONDS, PageWatch
from firmware.screen.server import LATELY_SECONDS

EVERY_SECONDS = 5.0
"""As firmware/screen/page/kiosk.js says it."""


@dataclass
class Display:
    """A display whose page draws when told to. said_at: when it last said so."""

    now: float = 1000.0
    said_at: float | None = None
    levels: list[Level] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.log: list[tuple[EventId, dict[str, Any]]] = []
        self.watch = PageWatch(self.silent_seconds, self.write, monotonic=lambda: self.now)

    def write(self, event: EventId, /, **fields: Any) -> None:
        self.log.append((event, fields))

    def silent_seconds(self) -> float | None:
        return None if self.said_at is None else self.now - self.said_at

    def draws(self, seconds: float, every: float = EVERY_SECONDS) -> None:
        for _ in range(round(seconds / every)):
            self.now += every
            self.said_at = self.now
            self.watch.look()

    def silent(self, seconds: float) -> None:
        for _ in range(round(seconds)):
            self.now += 1.0
            self.watch.look()

    def known(self) -> Page:
        return self.watch.look().page


def test_a_page_that_draws_steadily_is_there() -> None:
    page = Display()
    page.draws(STEADY_SECONDS)
    assert Page.AWAITED is page.known()
    page.draws(EVERY_SECONDS)
    assert Page.DRAWS is page.known()
    assert [] == page.log


def test_a_page_that_never_came_is_missed_after_minutes_and_told_once() -> None:
    page = Display()
    page.silent(GONE_SECONDS - 1)
    assert (Page.AWAITED, []) == (page.known(), page.log)
    page.silent(2 * GONE_SECONDS)
    assert (Page.MISSING, [(EventId.SCREEN_GONE, {"reason": Page.MISSING})]) == (page.known(), page.log)
    page.draws(2 * STEADY_SECONDS)
    assert (Page.DRAWS, (EventId.SCREEN_BACK, {})) == (page.known(), page.log[-1])


def test_a_page_that_draws_once_and_dies_again_and_again_is_not_there() -> None:
    page = Display()
    for _ in range(30):
        page.draws(STEADY_SECONDS - EVERY_SECONDS)
        page.silent(LATELY_SECONDS + 1)
        assert Page.DRAWS is not page.known()


def test_a_browser_that_is_begun_anew_is_not_missed_and_one_that_stays_away_is_told_once() -> None:
    page = Display()
    page.draws(2 * STEADY_SECONDS)
    page.silent(GONE_SECONDS - 1)
    assert (Page.DRAWS, []) == (page.known(), page.log)
    page.silent(GONE_SECONDS)
    gone = (EventId.SCREEN_GONE, {"reason": Page.GONE})
    assert (Page.GONE, [gone]) == (page.known(), page.log)
    page.draws(2 * STEADY_SECONDS)
    assert (Page.DRAWS, [gone, (EventId.SCREEN_BACK, {})]) == (page.known(), page.log)


async def test_each_change_is_reported_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("firmware.screen.page_watch._LOOK_SECONDS", 0)
    page = Display()
    page.draws(STEADY_SECONDS)
    looks = asyncio.Semaphore(0)

    def silent_seconds() -> float:
        """A page that says at each look that it draws."""
        page.now += EVERY_SECONDS
        looks.release()
        return 0.0

    monkeypatch.setattr(page.watch, "_silent_seconds", silent_seconds)
    running = asyncio.create_task(page.watch.run(page.levels.append))
    for _ in range(10):
        await asyncio.wait_for(looks.acquire(), 30)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert [ScreenLevel(Page.DRAWS)] == page.levels
