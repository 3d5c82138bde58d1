"""The public page that checks certificates: in a real browser, and against those who mean it harm."""

import io
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import aiohttp
import numpy as np
import pypdfium2
import pytest
from aiohttp import web
from numpy.typing import NDArray
from PIL import Image
from playwright.async_api import async_playwright, expect

from firmware.documents.certificate import render
from firmware.documents.settings import DocumentSettings
from firmware.documents.verification.scans import rasterised
from tests.municipality.checking import MOST_BYTES, Checking, Limits
from tests.municipality.scramble import Office, protect
from tests.pages import samples
from tests.unit.test_verify import png_of

CHROMIUM = shutil.which("chromium")
OFFICE = Office.new()
SEAL = samples.png(567)
CODE = np.s_[70:250, 160:345]
"""Where the code stands on a front of 300 dpi; a forger keeps it."""

HTML = "<img src=x onerror=alert(1)>.png"


@cache
def pages(name: str = "渋川　太郎", *, forged: bool = False) -> list[NDArray[np.uint8]]:
    """Front and back of an 住民票の写し as a scanner would have them at its best."""
    document = samples.juminhyo([samples.person(name=name)])
    office = Office.new() if forged else OFFICE
    protection = protect(office, samples.contents("juminhyo", document), SEAL).as_contents()
    opened = samples.opened("juminhyo", document, protection=protection)
    with pypdfium2.PdfDocument(render(opened, samples.city_seal(), DocumentSettings()).pdf) as pdf:
        return [rasterised(page, 300) for page in pdf]


@dataclass
class Page:
    """The page under test and the time of its clock."""

    folder: Path
    seconds: float = 0.0
    address: str = ""

    def file(self, name: str, picture: NDArray[np.uint8]) -> Path:
        Image.fromarray(picture).save(self.folder / name)
        return self.folder / name

    def written(self) -> dict[Path, int]:
        """Every file here, and when it was written to."""
        return {path: path.stat().st_mtime_ns for path in self.folder.rglob("*")}

    async def post(self, *files: Path | tuple[str, bytes]) -> tuple[int, str, dict[str, str]]:
        form = aiohttp.FormData(quote_fields=False)
        for each in files:
            name, content = (each.name, each.read_bytes()) if isinstance(each, Path) else each
            form.add_field("scan", io.BytesIO(content), filename=name)
        async with aiohttp.ClientSession() as client, client.post(f"{self.address}/check", data=form) as told:
            return told.status, await told.text(), dict(told.headers)


@pytest.fixture
async def page(tmp_path: Path) -> AsyncIterator[Page]:
    OFFICE.store(tmp_path / "keys", SEAL)
    under_test = Page(tmp_path)
    site = Checking(tmp_path / "keys", "渋川市", Limits(checks_a_minute=3), lambda: under_test.seconds)
    runner = web.AppRunner(site.application(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    under_test.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield under_test
    await runner.cleanup()


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
async def test_whoever_uploads_both_sides_sees_the_altered_front_beside_what_it_must_say(page: Page) -> None:
    front = pages("渋川　大郎")[0].copy()
    genuine, back = pages()
    front[CODE] = genuine[CODE]
    files = [page.file("うら.png", back), page.file("おもて.png", front)]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        window = await browser.new_page(viewport={"width": 1100, "height": 1400})
        faults: list[str] = []
        window.on("console", lambda said: faults.append(said.text))
        await window.goto(page.address)
        await window.get_by_label("読み取った画像").set_input_files(files)
        await window.get_by_role("button", name="確認する").click(no_wait_after=True)
        await expect(window.locator("#verdict")).to_have_text("確認が必要", timeout=90_000)
        await expect(window.get_by_text(samples.NUMBER).first).to_be_visible()
        await expect(window.get_by_text("署名した内容と違うところが1か所あります")).to_be_visible()
        await expect(window.get_by_text("differs in 1 places")).to_be_visible()
        shown = window.get_by_alt_text("発行した内容と読み取ったおもて面")
        assert 2 * 2480 == await shown.evaluate("image => image.naturalWidth")
        await window.get_by_text("文字で表示する").click()
        await expect(window.locator("pre.front")).to_contain_text("渋川　太郎")
        await window.screenshot(path=page.folder / "page.png", full_page=True)
        await browser.close()
    assert [] == faults


async def test_a_genuine_back_alone_says_that_no_front_was_read_and_a_forged_one_is_not_genuine(
    page: Page,
) -> None:
    status, told, headers = await page.post(page.file("back.png", pages()[1]))
    assert (200, True) == (status, ">うら面のみ真正<" in told)
    assert "おもて面は読み取られていません" in told
    assert ">真正<" not in told
    assert "no-store" == headers["Cache-Control"]
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    _, told, _ = await page.post(page.file("forged.png", pages(forged=True)[1]))
    assert ">改ざんの疑い<" in told
    assert "forged.png 電子署名が、鍵「10208-2026-sign」によるものではありません。" in told
    assert "data:image/png" not in told


async def test_a_small_file_that_claims_to_be_huge_is_named_and_harms_nothing(page: Page) -> None:
    status, told, _ = await page.post((HTML, png_of(60_000, 60_000)))
    assert 422 == status
    assert HTML not in told
    assert "&lt;img src=x onerror=alert(1)&gt;.png" in told
    assert "読み取れないファイルです：" in told
    assert "画素が多すぎます (more than" in told


async def test_more_than_the_page_takes_is_refused_before_it_is_looked_at(page: Page) -> None:
    status, told, _ = await page.post(("a.png", bytes(MOST_BYTES + 1)))
    assert (413, True) == (status, "40MB" in told)
    status, _, _ = await page.post(*[(f"{number}.png", b"x") for number in range(9)])
    assert 413 == status
    async with aiohttp.ClientSession() as client, client.post(f"{page.address}/check", data=b"x") as answer:
        assert 415 == answer.status


async def test_one_address_cannot_ask_without_end(page: Page) -> None:
    statuses = [(await page.post(("a.png", b"")))[0] for _ in range(4)]
    assert [422, 422, 422, 429] == statuses
    page.seconds = 61.0
    assert 422 == (await page.post(("a.png", b"")))[0]


async def test_no_scan_reaches_a_disk(page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "empty"))
    scan = page.file("back.png", pages()[1])
    before = page.written()
    await page.post(scan)
    assert before == page.written()
