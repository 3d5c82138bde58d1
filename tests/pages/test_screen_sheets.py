"""Every screen on every panel in every language: it fits, reads well, and looks as a person approved it.

MADOGUCHI_EVERY_PICTURE=1 takes also each aid by itself in every language.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from PIL import Image
from playwright.async_api import Browser

from firmware.core.terms import Language
from tests.pages.fed import fed_pictures, names, texts
from tests.pages.screen_sheets import (
    INDEX,
    MODES,
    PANELS,
    Frames,
    Panel,
    Taken,
    approved_names,
    chromium,
    differs,
    file_of,
    frames,
    languages_of,
    panel_of,
    strange,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

EVERYTHING = bool(os.environ.get("MADOGUCHI_EVERY_PICTURE"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=PANELS, ids=lambda panel: panel.name)
async def kiosks(browser: Browser, request: pytest.FixtureRequest) -> AsyncIterator[Frames]:
    async with frames(browser, request.param) as kiosks:
        yield kiosks


@pytest.mark.parametrize("language", Language)
async def test_every_screen_fits_reads_well_and_looks_as_approved(
    kiosks: Frames, language: Language, tmp_path: Path
) -> None:
    """What differs is drawn into the test's folder: approved, now, and where they differ."""
    faults = []
    for mode in MODES:
        approved = language in languages_of(kiosks.panel, mode)
        if approved or EVERYTHING:
            taken = await kiosks.take(language, mode)
            faults += [f"{mode}: {fault}" for fault in taken.faults]
            if approved:
                faults += await asyncio.to_thread(found, taken, kiosks.panel, language, mode, tmp_path)
    assert not faults, "\n".join(faults)
    assert not kiosks.complaints


def found(taken: Taken, panel: Panel, language: Language, mode: str, folder: Path) -> list[str]:
    """A sentence for each screen that does not look as it was approved."""
    told = []
    with Image.open(file_of(panel, language, mode)) as approved:
        drawn = panel_of(panel, mode)
        for name, picture in strange(taken.sheet(), approved.convert("RGB"), drawn):
            kept = folder / f"{panel.name}-{language.value}-{mode}-{name}.png"
            picture.save(kept)
            told.append(
                f"{name} does not look as approved, see {kept}; scripts/pictures --approve approves it"
            )
    return told


async def test_the_sheets_have_every_screen_of_the_storyboard_and_no_other() -> None:
    assert names() == approved_names(), f"{INDEX} differs: scripts/pictures --approve takes all sheets anew"
    expected = {
        file_of(panel, language, mode)
        for panel in PANELS
        for mode in MODES
        for language in languages_of(panel, mode)
    }
    assert expected == set(INDEX.parent.glob("*.webp"))


async def test_a_digit_that_changes_is_seen(browser: Browser) -> None:
    """The eye of these tests: one digit of the amount, a key that is off."""
    async with frames(browser, PANELS[0]) as kiosks:
        pictures = {str(one["name"]): one for one in fed_pictures(texts(), Language.JA)}
        approved = await tile(kiosks, pictures["coins"])
        assert not differs(approved, await tile(kiosks, pictures["coins"]))
        for old, new in (("1,050", "1,060"), ('"enabled": true', '"enabled": false')):
            changed = json.loads(json.dumps(pictures["coins"]).replace(old, new))
            assert changed != pictures["coins"]
            assert differs(approved, await tile(kiosks, changed)), old


async def tile(kiosks: Frames, picture: dict[str, object]) -> Image.Image:
    """This picture alone, as on a sheet."""
    await kiosks.page.evaluate("([part, smallest]) => showAll(part, smallest)", [[picture], 28.0])
    shot = await kiosks.page.screenshot(animations="disabled")
    return Taken((shot,), ()).sheet()
