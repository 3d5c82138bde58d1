"""Rows of the page in a real Chromium: weight, first picture, a change until it is painted, rest."""

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import psutil
from playwright.async_api import Page, async_playwright

from firmware.core.screens import Legend, Screen, ScreenId
from firmware.core.terms import Language
from firmware.screen.server import FILES, PAGE, ScreenServer
from firmware.screen.texts import Texts
from tests.figures.rows import Effort, MeasureError, Row, median, percentile
from tests.simulators.chromium import CHROMIUM, FLAGS
from tests.unit.test_screen_storyboard import AMOUNTS, MESSAGES, NAMES, PIN

MB = 1024 * 1024
PAINTED = """(seq) => new Promise((done) => {
  const look = () => document.querySelector("#kiosk").dataset.seq === seq
    ? requestAnimationFrame(() => setTimeout(() => done(performance.now())))
    : setTimeout(look);
  look();
})"""
"""Resolves after the frame in which this picture is painted."""

FIRST_PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"


async def rows(effort: Effort) -> list[Row]:
    """The server in this process, the page in a browser of its own, headless and without a GPU."""
    server = ScreenServer(
        host="127.0.0.1",
        port=0,
        texts=Texts.load(MESSAGES, NAMES, AMOUNTS),
        pressed=lambda _key, _is_shown: None,
        log=lambda *_, **__: None,
        keepalive_seconds=0.5,
        silence_seconds=1.5,
    )
    await server.start()
    try:
        server.show(Screen(ScreenId.IDLE, legend=Legend(confirm="start")), Language.JA)
        async with async_playwright() as playwright:
            began = time.perf_counter()
            browser = await playwright.chromium.launch(
                executable_path=CHROMIUM, chromium_sandbox=False, args=list(FLAGS)
            )
            page = await browser.new_page(viewport={"width": 1280, "height": 800})
            await page.goto(server.url)
            await page.evaluate(PAINTED, str(server.seq))
            cold_ms = (time.perf_counter() - began) * 1000
            found = [
                _weight(),
                Row("screen.cold-start-to-picture", cold_ms, "ms"),
                Row("screen.first-paint", float(await page.evaluate(FIRST_PAINT)), "ms"),
                *await _changes(server, page, effort),
                *await _rest(server, page, effort),
            ]
            await browser.close()
    finally:
        await server.close()
    return found


def _weight() -> Row:
    weight = sum((PAGE / name).stat().st_size for name, _ in FILES.values())
    return Row("screen.page-weight", weight / 1024, "kB")


async def _changes(server: ScreenServer, page: Page, effort: Effort) -> list[Row]:
    """Each digit of a PIN is a picture: from the order to show it until its frame is painted."""
    took = []
    for press in range(effort.presses):
        digits = press % 5
        began = time.perf_counter()
        server.show(replace(PIN, pin_digits=digits), Language.JA)
        await page.evaluate(PAINTED, str(server.seq))
        took.append((time.perf_counter() - began) * 1000)
    return [
        Row("screen.change-to-frame-p50", median("key to frame", took), "ms"),
        Row("screen.change-to-frame-p99", percentile("key to frame", took, 99), "ms"),
    ]


async def _rest(server: ScreenServer, page: Page, effort: Effort) -> list[Row]:
    """The start screen stands and nobody comes; the whole tree of the browser's processes."""
    server.show(Screen(ScreenId.IDLE, legend=Legend(confirm="start")), Language.JA)
    await page.evaluate(PAINTED, str(server.seq))
    if animations := await page.evaluate("document.getAnimations().length"):
        raise MeasureError(f"screen.rest: {animations} animations on the start screen")
    tree = _tree()
    before = _cpu_seconds(tree)
    await asyncio.sleep(effort.idle_seconds)
    used = _cpu_seconds(tree) - before
    return [
        Row("screen.browser-pss", sum(one.memory_full_info().pss for one in tree) / MB, "MB"),
        Row("screen.browser-rest-cpu", 100 * used / effort.idle_seconds, "%"),
    ]


def _tree() -> list[psutil.Process]:
    found = [
        one for one in psutil.Process().children(recursive=True) if Path(one.exe()).name.startswith("chrom")
    ]
    if not found:
        raise MeasureError("screen.rest: no process of the browser is found")
    return found


def _cpu_seconds(tree: list[psutil.Process]) -> float:
    tasks = [task for one in tree for task in Path(f"/proc/{one.pid}/task").iterdir()]
    return sum(int((task / "schedstat").read_text(encoding="ascii").split()[0]) for task in tasks) / 1e9
