"""The bench panel's page in a real browser."""

import re
import shutil
from collections.abc import AsyncIterator
from typing import cast

import pytest
from playwright.async_api import Page, async_playwright, expect

from firmware.core.screens import ScreenId
from tests.simulators.bench.actions import ACTIONS
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


async def test_paper_is_pulled_out_the_receipt_torn_off_and_both_lie_in_the_hand(
    page: Page, world: RecordingWorld
) -> None:
    change(world, tray_sheets=2, jobs=[{"id": "visit-1", "pages": 4}], receipts=["7"], receipt_waiting=True)
    await expect(page.locator("#paper img")).to_have_count(1)
    await expect(page.locator("#receipt img")).to_have_count(1)
    await pull(page, "#paper", 20)
    await pull(page, "#paper", 90)
    await pull(page, "#receipt", 90)
    await expect(page.locator("#log li")).to_have_count(2)
    assert [("take_paper",), ("take_receipt",)] == [what for what in world.done if "png" not in str(what[0])]
    await expect(page.locator("#printed button")).to_have_count(0)
    change(world, tray_sheets=0, receipt_waiting=False)
    await expect(page.locator("#printed button")).to_have_count(2)
    await page.click("#printed button >> nth=0")
    await expect(page.locator("#where")).to_have_text("page 1 of 4")


async def test_the_machine_is_broken_where_it_breaks(page: Page, world: RecordingWorld) -> None:
    await page.click("#handle")
    await expect(page.locator("#log li")).to_have_count(1)
    world.now["door_open"], world.now["network"] = True, "cut"
    await expect(page.locator(".cabinet.door-open")).to_have_count(1)
    for part in ("#handle", "#cable", "#plug"):
        await page.click(part)
    await expect(page.locator("#log li")).to_have_count(4)
    assert [("set_door", True), ("set_door", False), ("set_network", "ok"), ("power_cut",)] == world.done


async def test_an_exercise_puts_the_world_right_sets_it_up_and_ticks_off_what_was_done(
    page: Page, world: RecordingWorld
) -> None:
    change(world, door_open=True, printer_fault="jam")
    await expect(page.locator(".cabinet.door-open")).to_have_count(1)
    await page.click("#scenarios >> text=No line to the city")
    await expect(page.locator("#tasks li")).to_have_count(3)
    expected = [("set_printer_fault", None), ("set_door", False), ("set_network", "cut")]
    assert expected == world.done
    await expect(page.locator("#tasks .done")).to_have_count(0)
    change(world, screen="out_of_service", reason="municipality", network="cut")
    await expect(page.locator("#tasks .done")).to_have_count(1)
    world.now["network"] = "ok"
    await expect(page.locator("#tasks .done")).to_have_count(2)
    world.now["screen"] = "idle"
    await expect(page.locator("#tasks .done")).to_have_count(3)
    await expect(page.locator("#log li").first).to_contain_text("exercise done: No line to the city")


async def test_every_exercise_asks_for_actions_and_screens_that_there_are(page: Page) -> None:
    told = await page.evaluate("fetch('/scenarios.js').then((answer) => answer.text())")
    screens = {
        name for shown in re.findall(r"shows\(([^()]+)\)", told) for name in re.findall(r'"(\w+)"', shown)
    }
    screens |= set(re.findall(r'world\.screen === "(\w+)"', told))
    assert screens
    assert screens <= {screen.value for screen in ScreenId}
    actions = set(re.findall(r'\["([a-z_]+)", (?:"|{)', told))
    assert actions
    assert actions <= ACTIONS.keys()


def change(world: RecordingWorld, **seen: object) -> None:
    """From now on this is what is seen of the world."""
    cast("dict[str, object]", world.now).update(seen)


async def pull(page: Page, what: str, pixels: float) -> None:
    """Take it with the mouse, pull it down so far and let it go."""
    box = await page.locator(what).bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + 10
    await page.mouse.move(x, y)
    await page.mouse.down()
    await page.mouse.move(x, y + pixels, steps=5)
    await page.mouse.up()


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
