"""The pictures of README.md: the kiosk's own screens and page, from one visit in the simulated world."""

import asyncio
import io
import sys
from pathlib import Path

from PIL import Image
from playwright.async_api import Page, async_playwright

from tests.simulators.chromium import CHROMIUM, FLAGS
from tests.simulators.resident import Resident
from tests.simulators.world import World, page_png

GAP = 12
PAINT_MS = 400


async def make(folder: Path) -> None:
    """Write screens.png and certificate.png into folder."""
    shots: list[bytes] = []
    async with World() as world, async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, chromium_sandbox=False, args=list(FLAGS)
        )
        page = await browser.new_page(viewport={"width": 1280, "height": 800})
        await world.eyes.until_screen("idle")
        await page.goto(world.screen_url)
        resident = Resident(world)
        shots.append(await _shot(page))
        await resident.until_choice()
        shots.append(await _shot(page))
        await resident.choose("juminhyo")
        await resident.drop((100,))
        shots.append(await _shot(page))
        await resident.drop((500,))
        await world.press("confirm")
        await world.eyes.until_screen("take_all", seconds=60.0)
        shots.append(await _shot(page))
        await browser.close()
        front = await page_png(world.printer.jobs()[0].pdf, 1, dpi=80)
    _sheet(shots).save(folder / "screens.png", optimize=True)
    Image.open(io.BytesIO(front)).convert("L").save(folder / "certificate.png", optimize=True)


async def _shot(page: Page) -> bytes:
    await page.wait_for_timeout(PAINT_MS)
    return await page.screenshot()


def _sheet(shots: list[bytes]) -> Image.Image:
    """Four pictures, two by two, at half size."""
    halves = [Image.open(io.BytesIO(shot)).convert("RGB").reduce(2) for shot in shots]
    width, height = halves[0].size
    sheet = Image.new("RGB", (2 * width + GAP, 2 * height + GAP), "#7d8790")
    for number, half in enumerate(halves):
        sheet.paste(half, (number % 2 * (width + GAP), number // 2 * (height + GAP)))
    return sheet.quantize(128)


if __name__ == "__main__":
    asyncio.run(make(Path(sys.argv[1])))
