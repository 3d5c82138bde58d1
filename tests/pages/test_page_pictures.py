"""Each page looks as it did when somebody last looked at it and approved it."""

from pathlib import Path

import pytest
from PIL import Image, ImageChops

from tests.pages.gallery import APPROVED, PAGES, picture

BUILD = Path(__file__).parents[2] / "build" / "pages"
VISIBLE_GREYS = 40
STRAY_PIXELS = 4  # where another processor rounds an edge otherwise; a dot of a kanji has more


@pytest.mark.parametrize("name", PAGES)
def test_the_page_looks_as_approved(name: str) -> None:
    drawn = picture(PAGES[name])
    with Image.open(APPROVED / f"{name}.png") as file:
        approved = file.convert("L")
    assert approved.size == drawn.size
    difference = ImageChops.difference(approved, drawn).point(lambda grey: 255 * (grey > VISIBLE_GREYS))
    differing = difference.histogram()[255]
    if differing > STRAY_PIXELS:
        BUILD.mkdir(parents=True, exist_ok=True)
        drawn.save(BUILD / f"{name}.png")
        ImageChops.invert(difference).save(BUILD / f"{name}-difference.png")
    assert differing <= STRAY_PIXELS, f"see {BUILD}; if right: python -m tests.pages.gallery"


def test_one_dot_in_a_name_is_seen() -> None:
    approved = picture(PAGES["juminhyo-typical"])
    page = PAGES["juminhyo-typical"]
    persons = [dict(person) for person in page.document["persons"]]
    persons[0]["name"] = "渋川　大郎"
    altered = picture(type(page)(page.kind, page.document | {"persons": persons}, page.place))
    difference = ImageChops.difference(approved, altered).point(lambda grey: 255 * (grey > VISIBLE_GREYS))
    assert difference.histogram()[255] > STRAY_PIXELS


def test_every_picture_that_is_kept_is_compared() -> None:
    assert set(PAGES) == {path.stem for path in APPROVED.glob("*.png")}
