"""The printed pages, read back by two readers and looked at in pixels."""

import io
import re
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
from PIL import Image, ImageChops, ImageFont
from pypdf import PdfReader

from firmware.documents.certificate import Certificate, render, render_front
from firmware.documents.form import BLOCK_WIDTH, Form
from firmware.documents.proof import proofread
from firmware.documents.refusals import DocumentRefused, Reason
from firmware.documents.settings import DocumentSettings
from firmware.documents.sheet import Place
from tests.pages import samples

SETTINGS = DocumentSettings()
COMPOSITES = Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf")
NAME_PLACE = (2560, 1320, 4480, 1610)
SEAL_PLACE = (900, 1200, 1933, 2350)


def certificate(kind: str, document: dict[str, Any], **changes: Any) -> Certificate:
    made = render(samples.opened(kind, document, **changes), samples.city_seal(), SETTINGS)
    proofread(made)
    return made


def texts(made: Certificate) -> list[str]:
    """Text of each page without white space and line ends."""
    return ["".join(page.extract_text().split()) for page in PdfReader(io.BytesIO(made.pdf)).pages]


def run(program: str, made: Certificate, *arguments: str) -> bytes:
    return subprocess.run([program, *arguments], input=made.pdf, capture_output=True, check=True).stdout


def pixels(made: Certificate) -> Image.Image:
    """The first page as a printer of 600 dpi sees it."""
    picture = run("pdftoppm", made, *"-r 600 -gray -aa no -aaVector no -f 1 -l 1 -".split())
    page = Image.open(io.BytesIO(picture))
    assert page.size == (4960, 7016)
    return page


def test_every_field_of_r14_at_its_maximum_prints_whole_four_persons_on_a_sheet() -> None:
    document = samples.juminhyo(
        [samples.longest_person()] * 4, address=samples.longest("address"), head=samples.longest("head")
    )
    made = certificate("juminhyo", document)
    assert made.sheets == 1
    front = texts(made)[0]
    for field in samples.R14_LIMITS:
        expected = "".join(samples.longest(field).split())
        assert (1 if field in {"address", "head"} else 4) <= front.count(expected), field


@pytest.mark.parametrize("kind", ["inkan", "shotoku"])
def test_the_longest_name_and_address_print_whole_on_the_other_certificates(kind: str) -> None:
    longest = {"name": samples.longest("name"), "address": samples.longest("address")}
    document = (
        samples.inkan(alias=samples.longest("alias"), **longest)
        if kind == "inkan"
        else samples.shotoku(**longest)
    )
    front = texts(certificate(kind, document))[0]
    for expected in longest.values():
        assert "".join(expected.split()) in front


def test_a_household_of_nine_takes_three_sheets_each_with_its_number_on_both_sides() -> None:
    persons = [samples.person(name=f"渋川　{name}") for name in "一二三四五六七八九"]
    made = certificate("juminhyo", samples.juminhyo(persons), copies=2)
    assert (made.sheets, made.pages, made.pages_a_copy) == (6, 12, 6)
    pages = texts(made)
    assert pages[:6] == pages[6:]
    for at, place in enumerate(["1／3", "2／3", "3／3"]):
        front, back = pages[2 * at : 2 * at + 2]
        assert f"発行番号{samples.NUMBER}{place}" in front
        assert f"発行番号{samples.NUMBER}うら面{place}" in back
        assert "住民票の写しのうら面です" in back
    assert [
        "".join(name for name in "一二三四五六七八九" if f"氏名渋川{name}" in pages[at]) for at in (0, 2, 4)
    ] == ["一二三四", "五六七八", "九"]
    assert ["以下余白" in pages[at] for at in (0, 2, 4)] == [False, False, True]


@pytest.mark.parametrize(
    ("whole_household", "expected"),
    [
        (True, "この写しは、世帯全員の住民票の原本と相違ないことを証明する。"),
        (False, "この写しは、世帯一部の住民票の原本と相違ないことを証明する。"),
    ],
)
def test_the_attestation_says_whether_the_household_is_whole(whole_household: bool, expected: str) -> None:
    document = samples.juminhyo([samples.person()] * 2, whole_household=whole_household)
    assert expected + "令和８年１１月２２日渋川市長渋川太郎" in texts(certificate("juminhyo", document))[0]


def test_items_left_out_are_closed_and_foreign_residents_have_western_dates() -> None:
    person = samples.person(nationality="ブラジル", relation="妻", birth_date="1990-07-08")
    front = texts(certificate("juminhyo", samples.juminhyo([person])))[0]
    assert "生年月日１９９０年７月８日" in front
    assert "世帯主（省略）" in front
    assert "個人番号（省略）" in front
    assert "続柄妻" in front
    assert "本籍＊＊＊＊筆頭者＊＊＊＊" in front


def test_a_number_that_was_ordered_is_printed_where_it_is_left_out_otherwise() -> None:
    document = samples.juminhyo([samples.person(my_number=samples.MY_NUMBER), samples.person()])
    assert ["123456789018", "（省略）"] == re.findall(
        "個人番号([0-9]+|（省略）)", texts(certificate("juminhyo", document))[0]
    )


def test_the_kana_of_a_former_name_and_the_number_of_a_residence_card_are_printed_behind_their_labels() -> (
    None
):
    named = samples.person(former_name="見本", former_name_kana="ミホン")
    foreign = samples.person(nationality="ブラジル", residence_card_number="ZZ00000000ZZ")
    front = texts(certificate("juminhyo", samples.juminhyo([named, foreign])))[0]
    assert ["ミホン", "＊＊＊＊"] == re.findall("旧氏の振り仮名(ミホン|＊＊＊＊)", front)
    assert ["＊＊＊＊", "ZZ00000000ZZ"] == re.findall("在留カード等の番号(ZZ0+ZZ|＊＊＊＊)", front)


def test_whoever_has_a_former_name_and_an_alias_is_shown_with_both_on_the_seal_certificate() -> None:
    names = {"former_name": "見本", "alias": "渋川　明", "katakana_name": "カタカナ　ミホン"}
    front = texts(certificate("inkan", samples.inkan(**names)))[0]
    assert "旧氏見本通称渋川明片仮名表記カタカナミホン生年月日" in front


@pytest.mark.parametrize(
    ("item", "value"),
    [
        ("my_number", samples.MY_NUMBER),
        ("former_name_kana", "ミホン"),
        ("residence_card_number", "ZZ00000000ZZ"),
    ],
)
def test_a_form_without_a_place_for_an_item_prints_no_record_that_has_one(item: str, value: str) -> None:
    rows = []
    for row in Form().juminhyo_rows:
        kept = [cell for cell in row.cells if cell.item != item]
        freed = (BLOCK_WIDTH - sum(cell.width_mm for cell in kept)) / len(kept)
        rows.append(
            msgspec.structs.replace(
                row,
                cells=[msgspec.structs.replace(cell, width_mm=cell.width_mm + freed) for cell in kept],
            )
        )
    form = msgspec.structs.replace(Form(), juminhyo_rows=rows)
    with_item = samples.opened("juminhyo", samples.juminhyo([samples.person(**{item: value})]))
    with pytest.raises(DocumentRefused, match=item):
        render(with_item, None, DocumentSettings(form=form))
    render(
        samples.opened("juminhyo", samples.juminhyo([samples.person()])), None, DocumentSettings(form=form)
    )


def test_a_seal_certificate_has_no_field_that_could_be_filled_in() -> None:
    front = texts(certificate("inkan", samples.inkan(kana=None, alias=None)))[0]
    assert front.count("＊＊＊＊") == 5


def test_losses_and_the_end_of_each_column_cannot_be_altered() -> None:
    front = texts(certificate("shotoku", samples.shotoku()))[0]
    assert "令和８年度所得課税証明書（令和７年１月１日から令和７年１２月３１日までの所得）" in front
    assert "不動産所得△310,000以下余白" in front
    assert front.count("以下余白") == 3


def test_more_lines_of_tax_than_a_sheet_holds_go_on_the_next() -> None:
    lines = [{"label": f"控除{number}", "yen": number} for number in range(1, 31)]
    made = certificate("shotoku", samples.shotoku(deductions=lines))
    pages = texts(made)
    assert made.sheets == 2
    assert "控除23" in pages[0]
    assert "控除24" in pages[2]
    assert "以下余白" in pages[2]


def test_only_embedded_subsets_of_fonts_are_used() -> None:
    rows = run("pdffonts", certificate("inkan", samples.inkan()), "-").decode().splitlines()[2:]
    assert len(rows) >= 3
    for row in rows:
        assert row.split()[-5:-2] == ["yes", "yes", "yes"]


def test_both_readers_give_back_characters_beyond_the_basic_plane() -> None:
    made = certificate("inkan", samples.inkan(name="𠮷田　𠮟髙﨑"))
    assert "𠮷田𠮟髙﨑" in texts(made)[0]
    assert "𠮷田" in run("pdftotext", made, "-layout", "-", "-").decode()


def test_narrow_letters_end_with_their_field() -> None:
    made = certificate("juminhyo", samples.juminhyo([samples.longest_person()]))
    contents = PdfReader(io.BytesIO(made.pdf)).pages[0].get_contents()
    assert contents is not None
    scales = re.findall(rb"([0-9.]+) Tz", contents.get_data())
    assert len(scales) > 10
    assert set(scales[1::2]) == {b"100"}


def test_the_file_names_no_person_and_runs_no_program() -> None:
    made = certificate("juminhyo", samples.juminhyo([samples.person()]))
    reader = PdfReader(io.BytesIO(made.pdf))
    assert reader.metadata is not None
    assert {"住民票の写し", "", "/False"} == {
        str(value) for name, value in reader.metadata.items() if not name.endswith("Date")
    }
    assert reader.xmp_metadata is None
    for word in (b"/JavaScript", b"/OpenAction", b"/EmbeddedFile", b"Helvetica"):
        assert word not in made.pdf


def test_the_page_is_a_whole_number_of_printer_pixels() -> None:
    made = certificate("inkan", samples.inkan())
    boxes = {tuple(map(float, page.mediabox)) for page in PdfReader(io.BytesIO(made.pdf)).pages}
    assert {(0.0, 0.0, 595.2, 841.92)} == boxes


def test_the_registered_seal_is_printed_pixel_for_pixel_at_600_dpi() -> None:
    printed = ImageChops.invert(pixels(certificate("inkan", samples.inkan())).crop(SEAL_PLACE))
    with Image.open(io.BytesIO(samples.png(591))) as seal:
        registered = ImageChops.invert(seal.convert("L"))
    printed, registered = (picture.crop(picture.getbbox()) for picture in (printed, registered))
    assert registered.size == printed.size
    assert registered.tobytes() == printed.tobytes()


def test_letters_composed_of_parts_are_drawn_with_all_of_them() -> None:
    settings = DocumentSettings(value_fonts=(COMPOSITES, *SETTINGS.value_fonts))
    made = render_front(samples.opened("inkan", samples.inkan(name="ÉÜÇ")), None, settings, Place(1, 1))
    ink = ImageChops.invert(pixels(made).crop(NAME_PLACE)).getbbox()
    assert ink is not None
    reference = ImageFont.truetype(COMPOSITES, 10.5 * 600 / 72).getmask("ÉÜÇ").getbbox()
    assert (ink[2] - ink[0], ink[3] - ink[1]) == pytest.approx(
        (reference[2] - reference[0], reference[3] - reference[1]), abs=3
    )


def test_without_authority_the_place_of_the_city_seal_is_empty() -> None:
    prepared = render(samples.opened("shotoku", samples.shotoku()), None, SETTINGS)
    complete = certificate("shotoku", samples.shotoku())
    assert [len(PdfReader(io.BytesIO(made.pdf)).pages[0].images) for made in (prepared, complete)] == [2, 3]
    assert prepared.lines == complete.lines


@pytest.mark.parametrize("hazard", ["page lost", "text differs", "truncated"])
def test_pages_that_do_not_read_as_drawn_are_never_printed(hazard: str) -> None:
    made = certificate("inkan", samples.inkan())
    lines, pdf = made.lines, made.pdf
    match hazard:
        case "page lost":
            lines = lines[:1]
        case "text differs":
            lines = (("別人", *lines[0]), *lines[1:])
        case "truncated":
            pdf = pdf[: len(pdf) // 2]
    with pytest.raises(DocumentRefused) as refused:
        proofread(Certificate(pdf, lines, made.sheets, made.pages_a_copy, made.backs))
    assert refused.value.reason == Reason.PROOF_FAILED
