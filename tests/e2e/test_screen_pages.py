"""The page in a real browser: it can be touched, passes axe, and stays true when the daemon does not.

That every picture fits and reads well in every language: tests/pages/test_screen_sheets.py.
"""

import asyncio
import io
import os
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio
from PIL import Image, ImageChops, ImageStat
from playwright.async_api import Browser, Page, ViewportSize, expect

from firmware.core.screens import Legend, Screen, ScreenId
from firmware.core.terms import Aid, KeypadKey, Language
from firmware.logbook import EventId, FieldValue
from firmware.screen.server import ScreenServer
from firmware.screen.texts import Texts
from tests.pages.fed import FED, STILL, fed_pictures, texts
from tests.pages.screen_sheets import PATIENCE_MS, chromium
from tests.unit.engine_world import Machine
from tests.unit.test_screen_storyboard import PIN, STORYBOARD

pytestmark = pytest.mark.asyncio(loop_scope="module")

AXE = Path(__file__).parents[1] / "oracles" / "node_modules" / "axe-core" / "axe.min.js"
AXE_FAULTS = """async (pictures) => {
  const found = [];
  for (const { name, picture } of pictures) {
    window.feed(picture);
    const { violations } = await window.axe.run(document, {
      runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"],
      resultTypes: ["violations"],
    });
    for (const { id, nodes } of violations) found.push(`${name}: ${id} ${nodes[0].html}`);
  }
  return found;
}"""
"""WCAG 2.2 A and AA as axe-core of Deque sees them."""

APPROVED_FOLDER = Path(__file__).parents[1] / "pages" / "screens"
APPROVED: tuple[tuple[tuple[int, int], Language, tuple[Aid, ...], str], ...] = (
    ((1280, 800), Language.JA, (), "idle"),
    ((1280, 800), Language.JA, (), "pin.2"),
    ((1280, 800), Language.JA, (), "take_all-paper-alarm"),
    ((1280, 800), Language.JA, (Aid.LARGE,), "choose_kind"),
    ((1280, 800), Language.JA, (Aid.CONTRAST,), "choose_items"),
    ((1280, 800), Language.EASY, (), "pin.2"),
    ((1280, 800), Language.JA, (), "stop-money"),
    ((1280, 800), Language.JA, (Aid.LARGE,), "go_on"),
    ((1280, 800), Language.EN, (), "confirm"),
    ((1280, 800), Language.ZH, (), "notice"),
    ((1024, 600), Language.KO, (), "coins.2"),
    ((1024, 600), Language.EN, (), "coins-rejected"),
    ((1024, 600), Language.PT, (), "printing.2"),
    ((1024, 600), Language.VI, (), "idle"),
    ((1080, 1920), Language.PT, (), "choose_kind"),
    ((1080, 1920), Language.JA, (), "printing.2"),
    ((1920, 1080), Language.JA, (), "confirm"),
    ((1280, 800), Language.JA, (), "choose_members"),
    ((1024, 600), Language.VI, (), "choose_members"),
)
"""Panel, language, aids and name of the pictures that a person has looked at."""

MASHERS = 20 if os.environ.get("MADOGUCHI_EVERY_PICTURE") else 3

EVERYTHING = bool(os.environ.get("MADOGUCHI_EVERY_PICTURE"))
"""Sweep what takes minutes too: axe on every picture."""

SEEN_BY_AXE = ((), (Aid.LARGE,), (Aid.CONTRAST,))

TOUCH_LOCK_MS = 400
IDLE = Screen(ScreenId.IDLE, legend=Legend(confirm="start"))
KINDS = next(screen for screen in STORYBOARD if screen.id is ScreenId.CHOOSE_KIND)

WATCH_SILENCE = """() => {
  const cover = document.querySelector("#silent");
  window.silentAt = undefined;
  const now = () => { if (!cover.hidden) window.silentAt ??= performance.now(); };
  new MutationObserver(now).observe(cover, { attributes: true });
  return performance.now();
}"""


@dataclass
class Kiosk:
    """A screen server and what it told."""

    texts: Texts
    pressed: list[KeypadKey] = field(default_factory=list)
    log: list[EventId] = field(default_factory=list)
    touched: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0
    server: ScreenServer = field(init=False)

    async def start(self) -> None:
        """Start anew, on the same port as before."""
        self.server = ScreenServer(
            host="127.0.0.1",
            port=self.port,
            texts=self.texts,
            pressed=self._press,
            log=self._log,
            keepalive_seconds=0.5,
            silence_seconds=1.6,
        )
        await self.server.start()
        self.port = int(self.server.url.rstrip("/").rpartition(":")[2])

    async def show(self, page: Page, screen: Screen, language: Language = Language.JA) -> None:
        """Show and wait until the page has drawn it."""
        self.server.show(screen, language)
        await page.wait_for_selector(f"#kiosk[data-seq='{self.server.seq}']")

    def _press(self, key: KeypadKey, _is_shown: Callable[[], bool]) -> None:
        self.pressed.append(key)
        self.touched.set()

    def _log(self, event: EventId, /, **_fields: FieldValue) -> None:
        self.log.append(event)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def kiosk() -> AsyncIterator[Kiosk]:
    kiosk = Kiosk(texts())
    await kiosk.start()
    yield kiosk
    await kiosk.server.close()


@dataclass
class Watched:
    """A page, what it complained of and where it went."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    addresses: set[str] = field(default_factory=set)


def panel(width: int, height: int) -> ViewportSize:
    """A panel in pixels."""
    return {"width": width, "height": height}


async def opened(
    browser: Browser,
    kiosk: Kiosk,
    stack: AsyncExitStack,
    size: ViewportSize | None = None,
    script: str = "",
) -> Watched:
    """The page of this kiosk on a panel of this size, closed with the stack."""
    page = await browser.new_page(viewport=size or panel(1280, 800))
    stack.push_async_callback(page.close)
    watched = Watched(page)
    if script:
        await page.add_init_script(script)
    page.on("console", lambda message: watched.complaints.append(message.text))
    page.on("pageerror", lambda error: watched.complaints.append(str(error)))
    page.on("request", lambda request: watched.addresses.add(request.url))
    await page.goto(kiosk.server.url)
    return watched


@pytest.mark.parametrize("language", Language)
async def test_every_screen_passes_axe(browser: Browser, kiosk: Kiosk, language: Language) -> None:
    """As it comes, in large type and in high contrast."""
    async with AsyncExitStack() as stack:
        page = (await opened(browser, kiosk, stack, script=FED)).page
        await page.evaluate(await asyncio.to_thread(AXE.read_text, encoding="utf-8"))
        first = {screen.id: number for number, screen in reversed(list(enumerate(STORYBOARD)))}
        for aids in SEEN_BY_AXE:
            pictures = fed_pictures(kiosk.texts, language, frozenset(aids))
            if not EVERYTHING:
                pictures = [pictures[number] for number in sorted(first.values())]
            assert [] == await page.evaluate(AXE_FAULTS, pictures)


@pytest.mark.parametrize(
    "size", sorted({shown[0] for shown in APPROVED}), ids=lambda size: f"{size[0]}x{size[1]}"
)
async def test_these_pictures_look_as_they_were_approved(
    browser: Browser, kiosk: Kiosk, size: tuple[int, int]
) -> None:
    """Small and with room for another version of a font; MADOGUCHI_APPROVE=1 approves what is seen now."""
    async with AsyncExitStack() as stack:
        page = (await opened(browser, kiosk, stack, panel(*size), FED + STILL)).page
        strange = []
        for language, aids, name in [shown[1:] for shown in APPROVED if shown[0] == size]:
            pictures = {one["name"]: one for one in fed_pictures(kiosk.texts, language, frozenset(aids))}
            await page.evaluate("window.feed", pictures[name]["picture"])
            seen = small(await page.screenshot(animations="disabled"))
            parts = (f"{size[0]}x{size[1]}", language.value, *(aid.value for aid in aids), name)
            kept = APPROVED_FOLDER / f"{'-'.join(parts)}.png"
            if os.environ.get("MADOGUCHI_APPROVE"):
                await asyncio.to_thread(seen.save, kept, optimize=True)
            elif (differs := difference(seen, await asyncio.to_thread(Image.open, kept))) > 0.012:
                strange.append(f"{kept.name} differs by {differs:.3f}")
        assert not strange


def small(png: bytes) -> Image.Image:
    """A quarter as wide and in few greys and colours."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    return picture.resize((picture.width // 4, picture.height // 4), Image.Resampling.BOX).quantize(48)


def difference(one: Image.Image, other: Image.Image) -> float:
    """Mean over all dots and colours, 0 to 1."""
    if one.size != other.size:
        return 1.0
    bands = ImageStat.Stat(ImageChops.difference(one.convert("RGB"), other.convert("RGB"))).mean
    return sum(bands) / len(bands) / 255


async def test_a_touch_presses_the_key_it_shows(browser: Browser, kiosk: Kiosk) -> None:
    async with AsyncExitStack() as stack:
        page = (await opened(browser, kiosk, stack)).page
        await page.clock.install()
        await page.reload()
        for screen, label, key in (
            (IDLE, "English", KeypadKey.DIGIT_2),
            (IDLE, "確定", KeypadKey.CONFIRM),
            (KINDS, "印鑑登録証明書", KeypadKey.DIGIT_2),
            (KINDS, "取消", KeypadKey.CANCEL),
        ):
            await kiosk.show(page, screen)
            await page.clock.run_for(TOUCH_LOCK_MS + 1)
            kiosk.touched.clear()
            await page.get_by_role("button", name=label).click()
            async with asyncio.timeout(30):
                await kiosk.touched.wait()
            assert key == kiosk.pressed[-1]


async def test_who_touches_anything_never_meets_a_screen_that_leads_nowhere(
    browser: Browser, kiosk: Kiosk
) -> None:
    """The page, its server and the engine together; hundreds more in tests/unit/test_persons.py."""
    async with AsyncExitStack() as stack:
        watched = await opened(browser, kiosk, stack)
        await watched.page.clock.install()
        await watched.page.reload()
        seen: set[ScreenId] = set()
        for seed in range(MASHERS):
            seen |= await touches_anything(watched.page, kiosk, random.Random(seed))  # noqa: S311 - no secret
        assert len(seen) > 10
        assert not watched.complaints


async def touches_anything(page: Page, kiosk: Kiosk, chance: random.Random) -> set[ScreenId]:
    """50 touches and deeds of one person; the screens that stood."""
    machine = Machine(shown=kiosk.server.show)
    machine.begin()
    seen = set()
    for _ in range(50):
        await page.wait_for_selector(f"#kiosk[data-seq='{kiosk.server.seq}']")
        await page.clock.run_for(TOUCH_LOCK_MS + 1)
        screen = machine.screen
        seen.add(screen.id)
        buttons, confirm = page.locator("button:enabled:visible"), page.locator("#confirm:enabled")
        count = await buttons.count()
        assert count or screen.place, f"{screen.id.value} leads nowhere"
        if not count or (screen.place and screen.id is not ScreenId.IDLE and chance.random() < 0.7):
            elsewhere(machine, chance)
            continue
        presses = len(kiosk.pressed)
        kiosk.touched.clear()
        likely = await confirm.count() and chance.random() < 0.6
        await (confirm if likely else buttons.nth(chance.randrange(count))).click()
        async with asyncio.timeout(60):
            await kiosk.touched.wait()
        machine.press(kiosk.pressed[presses].value)
    return seen


def elsewhere(machine: Machine, chance: random.Random) -> None:
    """What the person does beside the screen: card, PIN, coins, paper, time."""
    match machine.screen.id:
        case ScreenId.PRESENT_CARD | ScreenId.TAKE_CARD:
            machine.lay_card(lies=machine.screen.id is ScreenId.PRESENT_CARD)
        case ScreenId.PIN:
            for key in (*machine.pin, "confirm"):
                machine.press(key)
        case ScreenId.COINS:
            machine.drop(chance.choice((100, 500)))
        case ScreenId.TAKE_ALL | ScreenId.ENDED:
            machine.lay_card(lies=False)
            machine.take_paper()
            machine.take_change()
        case _:
            machine.wait()


async def test_a_touch_right_after_a_change_or_twice_in_a_row_is_not_passed_on(
    browser: Browser, kiosk: Kiosk
) -> None:
    async with AsyncExitStack() as stack:
        page = (await opened(browser, kiosk, stack)).page
        await page.clock.install()
        await page.clock.pause_at(await page.evaluate("Date.now() + 1000"))
        await page.reload()
        await kiosk.show(page, KINDS)
        cancel = page.locator("#cancel")
        await cancel.click()
        await page.clock.run_for(TOUCH_LOCK_MS + 1)
        for _ in range(3):
            await cancel.click()
        await page.clock.run_for(TOUCH_LOCK_MS)
        async with asyncio.timeout(30):
            await kiosk.touched.wait()
        await page.locator("#choices button").first.click()
        while len(kiosk.pressed) < 2:
            kiosk.touched.clear()
            async with asyncio.timeout(30):
                await kiosk.touched.wait()
        assert kiosk.pressed == [KeypadKey.CANCEL, KeypadKey.DIGIT_1]


async def test_the_time_left_counts_down_and_turns_urgent(browser: Browser, kiosk: Kiosk) -> None:
    async with AsyncExitStack() as stack:
        page = (await opened(browser, kiosk, stack)).page
        kiosk.server.show(KINDS, Language.JA, remaining_seconds=20.6)
        await expect(page.locator("#time-text")).to_have_text("のこり 0:21")
        await expect(page.locator("#time.urgent")).to_have_count(0)
        await expect(page.locator("#time.urgent")).to_have_text("のこり 0:20")


async def test_no_key_on_the_pin_screen_could_type_a_digit(browser: Browser, kiosk: Kiosk) -> None:
    async with AsyncExitStack() as stack:
        page = (await opened(browser, kiosk, stack)).page
        await kiosk.show(page, PIN)
        assert await page.locator("button:visible").evaluate_all(
            "buttons => buttons.map(button => button.dataset.action)"
        ) == ["cancel", "correct", "confirm"]
        assert await page.locator("input").count() == 0


async def test_a_screen_that_waits_for_a_person_animates_nothing(browser: Browser, kiosk: Kiosk) -> None:
    async with AsyncExitStack() as stack:
        page = (await opened(browser, kiosk, stack)).page
        for screen in (IDLE, KINDS, PIN):
            await kiosk.show(page, screen)
            assert await page.evaluate("document.getAnimations().length") == 0


async def test_a_reloaded_page_shows_the_same_picture(browser: Browser, kiosk: Kiosk) -> None:
    async with AsyncExitStack() as stack:
        page = (await opened(browser, kiosk, stack)).page
        await kiosk.show(page, PIN)
        await page.reload()
        await expect(page.locator("#pin .typed")).to_have_count(2, timeout=PATIENCE_MS)


async def test_out_of_order_within_two_seconds_of_the_daemon_and_back_with_it(
    browser: Browser, kiosk: Kiosk
) -> None:
    """The best of three: the browser is held up by a busy machine, too."""
    async with AsyncExitStack() as stack:
        page = (await opened(browser, kiosk, stack)).page
        silent = page.locator("#silent")
        took_ms: list[float] = []
        while len(took_ms) < 3 and not any(ms < 2000 for ms in took_ms):
            await kiosk.show(page, PIN)
            watched_from_ms = await page.evaluate(WATCH_SILENCE)
            await kiosk.server.close()
            await expect(silent).to_be_visible(timeout=PATIENCE_MS)
            took_ms.append(await page.evaluate("window.silentAt") - watched_from_ms)
            await expect(silent).to_contain_text("ただいま使えません")
            await expect(silent).to_contain_text("Out of order")
            await kiosk.start()
            kiosk.server.show(IDLE, Language.EN)
            await expect(silent).to_be_hidden(timeout=PATIENCE_MS)
            await expect(page.locator("#title")).to_contain_text("Certificates", timeout=PATIENCE_MS)
        assert min(took_ms) < 2000


async def test_a_daemon_that_hangs_with_open_connections_shows_as_out_of_order(
    browser: Browser, kiosk: Kiosk
) -> None:
    async with AsyncExitStack() as stack:
        page = (await opened(browser, kiosk, stack)).page
        await kiosk.show(page, IDLE)
        await page.evaluate(WATCH_SILENCE)
        time.sleep(4.0)  # noqa: ASYNC251 - the hang
        await expect(page.locator("#silent")).to_be_hidden(timeout=PATIENCE_MS)
        assert await page.evaluate("window.silentAt !== undefined")
