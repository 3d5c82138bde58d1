"""The bench panel's page in a real browser."""

import shutil
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Page, async_playwright, expect

from tests.simulators.bench.panel import BenchPanel
from tests.unit.test_bench_panel import RecordingWorld

CHROMIUM = shutil.which("chromium")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")


@pytest.fixture
def world() -> RecordingWorld:
    return RecordingWorld()


@pytest.fixture
async def page(world: RecordingWorld) -> AsyncIterator[Page]:
    panel = BenchPanel(world, port=0, poll_seconds=0.05)
    await panel.start()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = await browser.new_page(viewport={"width": 1440, "height": 900})
        complaints = list[str]()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        await page.goto(panel.url)
        await expect(page.locator("#running")).to_have_text("kiosk runs")
        yield page
        await browser.close()
    await panel.close()
    assert [] == complaints


async def test_keys_of_the_keyboard_and_of_the_picture_are_keys_of_the_keypad(
    page: Page, world: RecordingWorld
) -> None:
    for key in ("1", "Backspace", "0", "Enter", "Escape", "a"):
        await page.keyboard.press(key)
    await page.click("[data-key='5']")
    await page.keyboard.press("Enter")
    await expect(page.locator("#log li")).to_have_count(7)
    expected = ["1", "correct", "0", "confirm", "cancel", "5", "confirm"]
    assert [("press", key) for key in expected] == world.done


async def test_a_card_coins_and_paper_are_moved_by_hand(page: Page, world: RecordingWorld) -> None:
    await page.drag_and_drop("[data-yen='500']", ".coin-place")
    await page.drag_and_drop("#cards button", ".card-place")
    await expect(page.locator("#tray-card")).to_contain_text("マイナンバーカード")
    await page.drag_and_drop("#tray-card", ".coin-place")
    await expect(page.locator("#tray-card")).to_be_enabled()
    await page.drag_and_drop("#tray-card", ".hands")
    await expect(page.locator("#tray-card")).to_be_disabled()
    assert ["drop_coin", "insert_card", "remove_card"] == [action for action, *_ in world.done]


async def test_card_coins_paper_and_faults_are_worked_by_clicks(page: Page, world: RecordingWorld) -> None:
    await page.click("#cards button")
    await expect(page.locator("#tray-card")).to_contain_text("マイナンバーカード")
    await expect(page.locator("#cards button")).to_be_disabled()
    await page.click("#tray-card")
    await page.click("[data-yen='500']")
    await page.click("[data-action='set_network'] >> text=cut")
    world.now["tray_sheets"], world.now["jobs"] = 2, [{"id": "visit-1", "pages": 4}]
    world.now["lamps"] = ["paper"]
    await expect(page.locator("[data-place='paper']")).to_have_class("place paper-place lit")
    await page.click("#paper")
    await expect(page.locator("#log li")).to_have_count(5)
    assert [
        ("insert_card", "hanako"),
        ("remove_card",),
        ("drop_coin", 500),
        ("set_network", "cut"),
        ("take_paper",),
    ] == [call for call in world.done if call[0] != "job_page_png"]
    assert ("job_page_png", "visit-1", 1) in world.done


async def test_text_from_outside_is_shown_as_text(page: Page, world: RecordingWorld) -> None:
    world.now["card"] = "<img src=x onerror=alert(1)>"
    await expect(page.locator("#tray-card")).to_contain_text("<img src=x onerror=alert(1)>")
    assert 0 == await page.locator("#tray-card img").count()
