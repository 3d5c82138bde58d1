"""A real Chromium beside the running kiosk, and the moment in which it has painted the next picture."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from playwright.async_api import Page, async_playwright

from tests.figures.rows import MeasureError
from tests.simulators.chromium import CHROMIUM, FLAGS

WAIT_SECONDS = 30.0
SEQ = "document.querySelector('#kiosk').dataset.seq"
NEXT = f"""(seq) => {{
  window.painted = new Promise((done) => {{
    const look = () => {SEQ} !== seq ? requestAnimationFrame(() => setTimeout(done)) : setTimeout(look);
    look();
  }});
}}"""
"""Afterwards window.painted resolves after the frame in which another picture than this is painted."""


@asynccontextmanager
async def display(url: str) -> AsyncIterator[Page]:
    """The kiosk's page as its panel shows it."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, chromium_sandbox=False, args=list(FLAGS)
        )
        page = await browser.new_page(viewport={"width": 1280, "height": 800})
        await page.goto(url)
        await page.wait_for_selector("#kiosk[data-seq]")
        yield page
        await browser.close()


async def milliseconds_to_frame(page: Page, stimulus: Callable[[], Awaitable[object]]) -> float:
    """From the beginning of the stimulus, which is let end, to the painted frame of the next picture.

    Raises MeasureError if none comes.
    """
    await page.evaluate(NEXT, await page.evaluate(SEQ))
    moment: list[float] = []

    async def watch() -> None:
        await page.evaluate("() => window.painted")
        moment.append(time.perf_counter())

    began = time.perf_counter()
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            await asyncio.gather(watch(), stimulus())
    except TimeoutError as error:
        raise MeasureError(f"key: no frame was painted in {WAIT_SECONDS:g} s") from error
    return (moment[0] - began) * 1000
