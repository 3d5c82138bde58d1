"""Whole visits in a real Chromium: all by touch but the PIN, then by keypad alone; no aid stays on."""

import asyncio
import contextlib

from playwright.async_api import Page, async_playwright
from playwright.async_api import TimeoutError as PageTimeout

from tests.e2e.visitor import Visitor, kiosk
from tests.simulators.bench.world_api import Key
from tests.simulators.chromium import CHROMIUM, FLAGS

LOCK_SECONDS = 0.5
"""A page takes no touch for a moment after a change."""


async def tap_until(page: Page, button: str, wanted: str) -> None:
    """Tap again, as a person does, until this is seen: right after a change a tap does not count.

    A second tap that meets the next picture is an error on the page's console: a slow answer is waited for.
    """
    for _ in range(5):
        if await page.locator(wanted).count():
            return
        await asyncio.sleep(LOCK_SECONDS)
        with contextlib.suppress(PageTimeout):
            await page.locator(button).tap(timeout=8000)
            await page.locator(wanted).wait_for(state="attached", timeout=8000)
    raise AssertionError(f"{button} does not lead to {wanted}")


async def by_keypad_alone(page: Page, visitor: Visitor) -> None:
    """The page is looked at and never touched: each step is a key that it shows."""
    world, done = visitor.world, visitor.world.eyes.pictures
    await press_until(page, visitor, "6", "html[lang='vi']")
    await press_until(page, visitor, "8", "html.large")
    await press_until(page, visitor, "confirm", "[data-screen='notice']")
    await press_until(page, visitor, "confirm", "[data-screen='present_card']")
    await world.insert_card(visitor.card)
    await shows(page, "[data-screen='pin']")
    pictures_before = len(done)
    await visitor.type_by_keypad(visitor.pin)
    assert all("1234" not in str(picture) for picture in done[pictures_before:])
    await shows(page, "[data-screen='take_card']")
    await world.remove_card()
    steps: tuple[tuple[Key, str], ...] = (
        ("1", "choose_subjects"),
        ("1", "choose_items"),
        ("confirm", "choose_copies"),
        ("correct", "choose_kind"),
        ("3", "choose_copies"),
        ("cancel", "stop"),
        ("cancel", "choose_copies"),
        ("1", "confirm"),
        ("confirm", "coins"),
    )
    for key, screen in steps:
        await press_until(page, visitor, key, f"[data-screen='{screen}']")
    await visitor.drop((100, 100, 100))
    await shows(page, "#confirm:enabled")
    await world.press("confirm")
    await shows(page, "[data-screen='take_all']")
    await world.take_paper()
    await world.take_receipt()
    await shows(page, "[data-screen='thanks']")
    await press_until(page, visitor, "confirm", "[data-screen='idle']")


async def press_until(page: Page, visitor: Visitor, key: Key, wanted: str) -> None:
    """One press; a starved keypad that misses it is pressed again, as a person would."""
    for _ in range(5):
        await visitor.world.press(key)
        with contextlib.suppress(PageTimeout):
            await page.locator(wanted).wait_for(state="attached", timeout=8000)
            return
    raise AssertionError(f"key {key} does not lead to {wanted}")


async def shows(page: Page, selector: str) -> None:
    await page.locator(selector).wait_for(state="attached", timeout=60_000)


async def test_a_whole_visit_by_touch_with_large_type_and_the_next_one_begins_as_ever() -> None:
    async with async_playwright() as playwright, kiosk() as visitor:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, chromium_sandbox=False, args=list(FLAGS)
        )
        context = await browser.new_context(has_touch=True, viewport={"width": 1280, "height": 800})
        page = await context.new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        await visitor.rests(seconds=40.0)
        await page.goto(visitor.world.screen_url)
        await shows(page, "#kiosk[data-screen='idle']")
        for button, wanted in (
            ("[data-action='2']", "html[lang='en']"),
            ("[data-action='8']", "html.large"),
            ("[data-action='9']", "html.large.contrast"),
        ):
            await tap_until(page, f"#languages {button}", wanted)
        await tap_until(page, "#confirm", "[data-screen='notice']")
        await tap_until(page, "#confirm", "[data-screen='present_card']")
        await visitor.world.insert_card(visitor.card)
        await shows(page, "#kiosk[data-screen='pin']")
        await visitor.type_pin(visitor.pin)
        await shows(page, "#kiosk[data-screen='take_card']")
        await visitor.world.remove_card()
        await shows(page, "#kiosk[data-screen='choose_kind']")
        await tap_until(page, "#choices [data-action='2']", "[data-screen='choose_copies']")
        await tap_until(page, "#choices [data-action='1']", "[data-screen='confirm']")
        await tap_until(page, "#confirm", "[data-screen='coins']")
        await shows(page, "html.large.contrast")
        await visitor.drop((100, 100, 100))
        await shows(page, "#confirm:enabled")
        await tap_until(page, "#confirm:enabled", "#kiosk:not([data-screen='coins'])")
        await shows(page, "#kiosk[data-screen='take_all']")
        await visitor.world.take_paper()
        await visitor.world.take_receipt()
        await shows(page, "#kiosk[data-screen='thanks']")
        await tap_until(page, "#confirm", "[data-screen='idle']")
        await shows(page, "html[lang='ja']:not(.large):not(.contrast)")
        await by_keypad_alone(page, visitor)
        assert complaints == []
        await browser.close()
