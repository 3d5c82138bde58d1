"""A finished page that looks otherwise than it reads is never printed, whatever drew it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from firmware.documents import inkan, sheet
from firmware.documents.bitmap import Bitmap, read_seal
from firmware.documents.certificate import Certificate, render
from firmware.documents.fonts import typeface
from firmware.documents.order_check import require_order
from firmware.documents.paper import Box, Paper
from firmware.documents.proof import proofread
from firmware.documents.protection import pages
from firmware.documents.protection.copy_pattern import copy_pattern
from firmware.documents.protection.front_code import front_code
from firmware.documents.protection.reread import reread_backs
from firmware.documents.refusals import DocumentRefused, Reason
from firmware.documents.sealed import Opened
from firmware.documents.settings import DocumentSettings
from firmware.documents.sight import look_over
from firmware.documents.truetype import TrueTypeFile
from tests.municipality.seals import personal_seal
from tests.pages import samples
from tests.pages.gallery import PAGES

SETTINGS = DocumentSettings()
Fault = Callable[[pytest.MonkeyPatch], None]


def checked(opened: Opened, seal: Bitmap | None, settings: DocumentSettings = SETTINGS) -> Certificate:
    made = render(opened, seal, settings)
    look_over(made, opened, seal, settings)
    return made


@pytest.mark.parametrize("name", PAGES)
def test_every_page_looks_as_it_must_before_and_with_the_seal(name: str) -> None:
    opened = samples.opened(PAGES[name].kind, PAGES[name].document)
    checked(opened, None)
    checked(opened, samples.city_seal())


@pytest.mark.parametrize("screen", ["A1", "C5"])
def test_other_screens_and_the_infrared_image_look_as_they_must(screen: str) -> None:
    settings = DocumentSettings(void_screen=screen, detection_image="infrared")
    checked(samples.opened("inkan", samples.inkan()), samples.city_seal(), settings)


def test_variants_marks_and_letters_are_known_by_their_shape() -> None:
    name = "邊󠄏 か゚æ̀ 髙﨑𠮷 ĄŁệ ⦅社⦆■"
    checked(samples.opened("inkan", samples.inkan(name=name)), None)


@pytest.mark.parametrize("name", ["ipamjm.ttf", "IPA ex ゴシック.ttf"])
def test_a_font_is_known_whatever_its_file_is_called(name: str, tmp_path: Path) -> None:
    font = tmp_path / name
    font.write_bytes(SETTINGS.label_fonts[0].read_bytes())
    checked(samples.opened("inkan", samples.inkan()), None, DocumentSettings(label_fonts=(font,)))


@pytest.mark.parametrize(("row", "column"), [(2, 2), (300, 6), (11, 250), (560, 300)])
def test_a_speck_on_a_scanned_seal_spoils_no_page(row: int, column: int) -> None:
    seal = samples.city_seal()
    rows = bytearray(seal.rows)
    width = -(-seal.width // 8)
    rows[row * width + column // 8] &= 0xFF ^ (0x80 >> column % 8)
    checked(samples.opened("inkan", samples.inkan()), Bitmap(seal.width, seal.height, bytes(rows)))


def no_imprint(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(inkan, "_imprint", lambda *_: None)


def another_imprint(patch: pytest.MonkeyPatch) -> None:
    honest, png = inkan._imprint, samples.base64url(personal_seal("佐藤"))
    patch.setattr(inkan, "_imprint", lambda paper, own: honest(paper, msgspec.structs.replace(own, seal=png)))


def small_imprint(patch: pytest.MonkeyPatch) -> None:
    honest = read_seal

    def without_its_last_rows(png: bytes) -> Bitmap:
        read = honest(png)
        kept = read.height * 9 // 10
        return Bitmap(read.width, kept, read.rows[: kept * -(-read.width // 8)])

    patch.setattr("firmware.documents.inkan.read_seal", without_its_last_rows)


def covered(patch: pytest.MonkeyPatch) -> None:
    honest = sheet.closing

    def closing(paper: Paper, *rest: Any) -> None:
        paper.clear(Box(86, 60, 100, 12))
        honest(paper, *rest)

    patch.setattr("firmware.documents.inkan.closing", closing)


def shapes_of_others(patch: pytest.MonkeyPatch) -> None:
    honest = TrueTypeFile.subset
    patch.setattr(TrueTypeFile, "subset", lambda font, glyphs: honest(font, [*glyphs[-1:], *glyphs[:-1]]))


def one_shape_of_another(patch: pytest.MonkeyPatch) -> None:
    """太 drawn as 花, in one font of one document."""
    font = typeface(SETTINGS.value_fonts[0], lasting=False)._file
    wrong, right = font.glyph("花"), font.glyph("太")
    honest = TrueTypeFile.subset
    patch.setattr(
        TrueTypeFile,
        "subset",
        lambda own, glyphs: honest(own, [wrong if own is font and one == right else one for one in glyphs]),
    )


def no_ground(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(pages, "_lay_ground", lambda _: None)


def no_image(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(pages, "draw_detection_image", lambda _: None)


def pattern_of_another(patch: pytest.MonkeyPatch) -> None:
    honest = copy_pattern
    patch.setattr(pages, "copy_pattern", lambda _, sheet: honest(bytes(32), sheet))


def code_of_another(patch: pytest.MonkeyPatch) -> None:
    honest = front_code
    patch.setattr(pages, "front_code", lambda _: honest("MSF1-AAAAAAAAAAAAAAAAAAAAAAAAAA"))


FAULTS: dict[str, Fault] = {
    "no registered seal": no_imprint,
    "the registered seal of somebody else": another_imprint,
    "a part of the registered seal": small_imprint,
    "a field covered": covered,
    "every shape that of another character": shapes_of_others,
    "one shape that of another character": one_shape_of_another,
    "no ground": no_ground,
    "no detection image": no_image,
    "the copy pattern of another": pattern_of_another,
    "the front's code of another": code_of_another,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_the_text_does_not_tell_is_seen(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = samples.opened("inkan", samples.inkan())
    FAULTS[fault](monkeypatch)
    made = render(opened, None, SETTINGS)
    require_order(proofread(made)[::2], opened, SETTINGS.form)  # nothing of it is in the text,
    reread_backs(made)  # nor on the raster of the back
    with pytest.raises(DocumentRefused) as refused:
        look_over(made, opened, None, SETTINGS)
    assert Reason.PROOF_FAILED == refused.value.reason


@pytest.mark.parametrize("drawn", ["none", "another's", "before the authority"])
def test_a_page_without_the_citys_own_seal_is_not_printed(
    drawn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, seal = samples.opened("inkan", samples.inkan()), samples.city_seal()
    honest = sheet._city_seal
    expected: Bitmap | None = seal
    match drawn:
        case "none":
            monkeypatch.setattr(sheet, "_city_seal", lambda *_: None)
        case "another's":
            other = Bitmap(seal.width, seal.height, seal.rows[::-1])
            monkeypatch.setattr(sheet, "_city_seal", lambda paper, _: honest(paper, other))
        case _:
            expected = None
    with pytest.raises(DocumentRefused) as refused:
        look_over(render(opened, seal, SETTINGS), opened, expected, SETTINGS)
    assert Reason.PROOF_FAILED == refused.value.reason
