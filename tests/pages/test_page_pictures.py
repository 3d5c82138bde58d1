"""Each page looks as it did when somebody last looked at it and approved it."""

from pathlib import Path

import pytest
from PIL import Image, ImageChops

from tests.pages import gallery
from tests.pages.gallery import APPROVED, PAGES, WHOLE, picture, whole_picture

BUILD = Path(__file__).parents[2] / "build" / "pages"
VISIBLE_GREYS = 40
STRAY_PIXELS = 4  # where another processor rounds an edge otherwise; a dot of a kanji has more


def differing(approved: Image.Image, drawn: Image.Image) -> Image.Image:
    """White where the eye would see a difference."""
    difference = ImageChops.difference(approved, drawn)
    return difference.point(lambda grey: 255 * (grey > VISIBLE_GREYS))


def require_as_approved(name: str, drawn: Image.Image) -> None:
    with Image.open(APPROVED / f"{name}.png") as file:
        approved = file.convert("L")
    assert approved.size == drawn.size
    difference = differing(approved, drawn)
    count = difference.histogram()[255]
    if count > STRAY_PIXELS:
        BUILD.mkdir(parents=True, exist_ok=True)
        drawn.save(BUILD / f"{name}.png")
        ImageChops.invert(difference).save(BUILD / f"{name}-difference.png")
    assert count <= STRAY_PIXELS, f"see {BUILD}; if right: python -m tests.pages.gallery"


@pytest.mark.parametrize("name", PAGES)
def test_the_page_looks_as_approved(name: str) -> None:
    require_as_approved(name, picture(PAGES[name]))


@pytest.mark.parametrize("name", WHOLE)
def test_the_printed_side_looks_as_approved_with_all_that_protects_it(name: str) -> None:
    require_as_approved(name, whole_picture(WHOLE[name]))


@pytest.mark.parametrize(("words", "status"), [(["--help"], 0), (["juminhyo-self"], 2)])
def test_whoever_asks_for_help_or_mistypes_approves_nothing(
    words: list[str], status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gallery, "APPROVED", tmp_path / "approved")
    monkeypatch.setattr(gallery, "picture", lambda _: pytest.fail("a page was drawn"))
    with pytest.raises(SystemExit) as ended:
        gallery.main(words)
    assert (status, False) == (ended.value.code, gallery.APPROVED.exists())


def nothing(*_: object) -> None:
    """Instead of a part of the page."""


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("certificate.draw_under_front", "whole-juminhyo-front"),
        ("certificate.draw_under_front", "whole-shotoku-front"),
        ("protection.pages._lay_ground", "whole-inkan-front"),
        ("protection.pages._lay_ground", "whole-inkan-back"),
        ("protection.pages._microtext", "whole-inkan-front"),
        ("protection.pages.draw_detection_image", "whole-inkan-back"),
        ("protection.pages.draw_detection_image", "whole-inkan-back-infrared"),
    ],
)
def test_a_part_of_the_protection_that_is_not_drawn_is_seen(
    part: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"firmware.documents.{part}", nothing)
    with Image.open(APPROVED / f"{name}.png") as approved:
        difference = differing(approved.convert("L"), whole_picture(WHOLE[name]))
    assert difference.histogram()[255] > 10 * STRAY_PIXELS


def test_one_dot_in_a_name_is_seen() -> None:
    approved = picture(PAGES["juminhyo-typical"])
    page = PAGES["juminhyo-typical"]
    persons = [dict(person) for person in page.document["persons"]]
    persons[0]["name"] = "渋川　大郎"
    altered = picture(type(page)(page.kind, page.document | {"persons": persons}, page.place))
    assert differing(approved, altered).histogram()[255] > STRAY_PIXELS


def test_every_picture_that_is_kept_is_compared() -> None:
    assert set(PAGES) | set(WHOLE) == {path.stem for path in APPROVED.glob("*.png")}
