"""Every screen in every language, on every panel and in every mode, as sheets a person can look through.

    scripts/pictures --approve [WORD …]

takes them anew into tests/pages/screens/sheets; with words only the sheets whose names have one of them, such
as `ko` or `1080x1920`. Look at each that changed before it is committed. Many copies of the page stand in
frames of one page of the browser, each as large as its panel, so that one screenshot shows many screens.
"""

import argparse
import asyncio
import io
import json
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image, ImageChops, ImageStat
from playwright.async_api import Browser, Page, Route, async_playwright

from firmware.core.terms import Aid, Language
from firmware.logbook import EventId, FieldValue
from firmware.screen.server import ScreenServer
from firmware.screen.texts import Texts
from tests.pages.fed import FAULTS, FED, STILL, fed_pictures, names, texts
from tests.simulators.chromium import CHROMIUM, FLAGS

APPROVED = Path(__file__).parent / "screens" / "sheets"
INDEX = APPROVED / "screens.json"
"""The names of the screens on every sheet, row by row."""

HOST = Path(__file__).with_suffix(".html")
PATIENCE_MS = 180_000
COLUMNS, ROWS = 8, 4
GAP, LABEL = 6, 16
PALETTE = """
000000 1a1a1a 4d4d4d 808890 b5bcc3 ffffff f2f7fb dcebf9 00316a 6b8199 0055ad
ce0000 197a4b ffc700 c74700 fb5b01
""".split()
"""The colours of the page and some between its text and what is behind it: true enough to judge."""


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel in pixels, how wide it is drawn on a sheet, and the smallest text allowed on it."""

    width: int
    height: int
    drawn: int
    smallest: float

    @property
    def name(self) -> str:
        """1280x800"""
        return f"{self.width}x{self.height}"

    @property
    def tile(self) -> tuple[int, int]:
        """Width and height on a sheet, in dots."""
        return self.drawn, self.height * self.drawn // self.width

    @property
    def half(self) -> "Panel":
        """The same panel, drawn half as wide."""
        return replace(self, drawn=self.drawn // 2)


PANELS = (
    Panel(1280, 800, 320, 28.0),
    Panel(1024, 600, 256, 27.9),
    Panel(1920, 1080, 320, 28.0),
    Panel(1080, 1920, 180, 28.0),
)
TIGHT = (PANELS[1], PANELS[3])
"""The lowest and the narrowest."""

MODES: Mapping[str, frozenset[Aid]] = {
    "plain": frozenset(),
    "aids": frozenset({Aid.LARGE, Aid.CONTRAST}),
    "large": frozenset({Aid.LARGE}),
    "contrast": frozenset({Aid.CONTRAST}),
}


def panel_of(panel: Panel, mode: str) -> Panel:
    """As it is drawn on the sheets of this mode: what is plain is also there to be read."""
    return panel if mode == "plain" else panel.half


def languages_of(panel: Panel, mode: str) -> tuple[Language, ...]:
    """Whose sheets are kept: as it comes, and with both aids where room is scarce, in every language.

    Where there is more room, the language with the longest words stands for the others; each aid
    by itself changes no more than both.
    """
    if mode == "plain" or (mode == "aids" and panel in TIGHT):
        return tuple(Language)
    if mode == "aids":
        return (Language.JA, Language.VI)
    return (Language.JA,) if panel == PANELS[0] else ()


@dataclass(frozen=True, slots=True)
class Taken:
    """What a sheet is made of. faults: what a person could not read or touch, in sentences."""

    shots: tuple[bytes, ...]
    faults: tuple[str, ...]

    def sheet(self) -> Image.Image:
        """As it is kept."""
        return _sheet(self.shots)


@dataclass(slots=True)
class Frames:
    """A page full of kiosks of one panel, and what it complained of on its console."""

    page: Page
    panel: Panel
    texts: Texts
    complaints: list[str]
    drawn: Panel | None = None

    async def draw(self, mode: str) -> None:
        """As large as the sheets of this mode show it."""
        self.drawn = panel_of(self.panel, mode)
        width, height = _shot_size(self.drawn)
        await self.page.set_viewport_size({"width": width, "height": height})
        await self.page.evaluate("(sizes) => draw(sizes)", _sizes(self.drawn))

    async def take(self, language: Language, mode: str) -> Taken:
        """Feed every picture, look at it in its full size, and draw the sheet."""
        if self.drawn != panel_of(self.panel, mode):
            await self.draw(mode)
        pictures = fed_pictures(self.texts, language, MODES[mode])
        shots: list[bytes] = []
        faults: list[str] = []
        for start in range(0, len(pictures), COLUMNS * ROWS):
            part = pictures[start : start + COLUMNS * ROWS]
            asked = [part, self.panel.smallest]
            faults += await self.page.evaluate("([part, smallest]) => showAll(part, smallest)", asked)
            shots.append(await self.page.screenshot(animations="disabled"))
        return Taken(tuple(shots), tuple(faults))


@asynccontextmanager
async def frames(browser: Browser, panel: Panel) -> AsyncIterator[Frames]:
    """Kiosks of this panel, each drawn by the page that the daemon's own server serves."""
    told = texts()
    server = ScreenServer(
        host="127.0.0.1",
        port=0,
        texts=told,
        pressed=lambda _key, _is_shown: None,
        log=_no_log,
        keepalive_seconds=60.0,
        silence_seconds=600.0,
        framed_by=("'self'",),
    )
    await server.start()
    page = await browser.new_page()
    page.set_default_timeout(PATIENCE_MS)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.add_init_script(f"{FED}{STILL}window.faults = {FAULTS}")

    async def host(route: Route) -> None:
        await route.fulfill(path=HOST, content_type="text/html; charset=utf-8")

    try:
        await page.route("**/sheet", host)
        await page.goto(f"{server.url}sheet")
        kiosks = Frames(page, panel, told, complaints)
        await kiosks.draw("plain")
        await page.evaluate("(count) => fill(count)", COLUMNS * ROWS)
        yield kiosks
    finally:
        await page.close()
        await server.close()


def _no_log(_event: EventId, /, **_fields: FieldValue) -> None:
    pass


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """The browser of the kiosk, without a display."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, chromium_sandbox=False, args=list(FLAGS)
        )
        try:
            yield browser
        finally:
            await browser.close()


# ---------------------------------------------------------------- comparing

MOST_DOTS = 0.012
MOST_BLOCK = {4: 0.34, 8: 0.15}
"""How far a screen may be from its approved picture: all dots in the mean, and the worst block of so many.

The browser draws an edge a shade darker now and then: 0.18 in a block of 4 was seen, 0.06 in one of 8.
"""


def file_of(panel: Panel, language: Language, mode: str) -> Path:
    """Where the approved sheet lies."""
    return APPROVED / f"{panel.name}-{language.value}-{mode}.webp"


def approved_names() -> list[str]:
    """Names of the screens on the approved sheets, row by row."""
    found: list[str] = json.loads(INDEX.read_text(encoding="utf-8"))
    return found


def strange(seen: Image.Image, approved: Image.Image, panel: Panel) -> Iterator[tuple[str, Image.Image]]:
    """The screens that do not look as they were approved, each with a picture: approved, now, difference."""
    known = {name: _box(panel, number) for number, name in enumerate(approved_names())}
    for number, name in enumerate(names()):
        now = seen.crop(_box(panel, number))
        then = approved.crop(known[name]) if name in known else Image.new("RGB", panel.tile)
        if name not in known or differs(now, then):
            yield name, _beside(then, now, ImageChops.difference(then, now))


def differs(one: Image.Image, other: Image.Image) -> bool:
    """Whether a person would see it: another version of a font may move a dot, nothing may be missing."""
    apart = ImageChops.difference(one.convert("RGB"), other.convert("RGB"))
    blocks = any(_worst(apart.reduce(dots)) > most * 255 for dots, most in MOST_BLOCK.items())
    return blocks or sum(ImageStat.Stat(apart).mean) / 3 > MOST_DOTS * 255


def _worst(blocks: Image.Image) -> float:
    return max(ImageStat.Stat(blocks).extrema, key=lambda band: band[1])[1]


def few_colours(sheet: Image.Image) -> Image.Image:
    """Each dot in the nearest colour of the palette."""
    colours = Image.new("P", (1, 1))
    colours.putpalette(bytes.fromhex("".join(PALETTE)) + bytes.fromhex(PALETTE[0]) * (256 - len(PALETTE)))
    return sheet.quantize(palette=colours, dither=Image.Dither.NONE).convert("RGB")


def _beside(*pictures: Image.Image) -> Image.Image:
    width, height = pictures[0].size
    row = Image.new("RGB", (len(pictures) * (width + GAP) - GAP, height), "white")
    for number, picture in enumerate(pictures):
        row.paste(picture, (number * (width + GAP), 0))
    return row


# ---------------------------------------------------------------- drawing


def _cell(panel: Panel) -> tuple[int, int]:
    width, height = panel.tile
    return width + GAP, height + LABEL + GAP


def _shot_size(panel: Panel) -> tuple[int, int]:
    width, height = _cell(panel)
    return COLUMNS * width, ROWS * height


def _box(panel: Panel, number: int) -> tuple[int, int, int, int]:
    (width, height), (wide, high) = panel.tile, _cell(panel)
    left, top = number % COLUMNS * wide, number // COLUMNS * high + LABEL
    return left, top, left + width, top + height


def _sheet(shots: Sequence[bytes]) -> Image.Image:
    pictures = [Image.open(io.BytesIO(shot)).convert("RGB") for shot in shots]
    width, height = pictures[0].size
    sheet = Image.new("RGB", (width, height * len(pictures)))
    for number, picture in enumerate(pictures):
        sheet.paste(picture, (0, number * height))
    return few_colours(sheet)


def _sizes(panel: Panel) -> dict[str, str]:
    """What the style of screen_sheets.html is filled with."""
    width, height = panel.tile
    return {
        "columns": str(COLUMNS),
        "gap": f"{GAP}px",
        "label": f"{LABEL}px",
        "width": f"{panel.width}px",
        "height": f"{panel.height}px",
        "tile-width": f"{width}px",
        "tile-height": f"{height}px",
        "scale": str(panel.drawn / panel.width),
    }


# ---------------------------------------------------------------- the command


async def approve(words: Sequence[str]) -> int:
    """Take the sheets whose names have one of the words, all without words; how many."""
    APPROVED.mkdir(parents=True, exist_ok=True)
    taken = 0
    async with chromium() as browser:
        for panel in PANELS:
            wanted = [
                (language, mode, file)
                for mode in MODES
                for language in languages_of(panel, mode)
                if any(word in (file := file_of(panel, language, mode)).stem for word in words or [""])
            ]
            if wanted:
                async with frames(browser, panel) as kiosks:
                    for language, mode, file in wanted:
                        seen = await kiosks.take(language, mode)
                        for fault in seen.faults:
                            sys.stdout.write(f"{file.stem}: {fault}\n")
                        await asyncio.to_thread(_keep, seen, file)
                        taken += 1
    if not words:
        INDEX.write_text(json.dumps(names(), indent=0) + "\n", encoding="utf-8")
    return taken


def _keep(taken: Taken, file: Path) -> None:
    taken.sheet().save(file, "WEBP", lossless=True, method=4, quality=100)


def main() -> None:
    """Approve the screens as they look now."""
    parser = argparse.ArgumentParser(
        prog="scripts/pictures --approve", description="Approves the screens as they look now."
    )
    parser.add_argument(
        "words", nargs="*", metavar="WORD", help="only sheets with one of these in their names"
    )
    taken = asyncio.run(approve(parser.parse_args().words))
    sys.stdout.write(f"{taken} sheets: {APPROVED}\n")


if __name__ == "__main__":
    main()
