"""The pages whose pictures are kept: each kind of certificate as it comes, full, and out of the ordinary,
as the form alone, and both sides of each kind with all that protects them.

    python -m tests.pages.gallery

draws them anew into tests/pages/approved. Look at every one that changed before it is committed.
"""

import argparse
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from firmware.documents.bitmap import read_seal
from firmware.documents.certificate import render, render_front
from firmware.documents.paper import Box
from firmware.documents.protection.copy_pattern import copy_pattern_box
from firmware.documents.protection.front_code import front_code_place
from firmware.documents.protection.places import raster_box, with_margin
from firmware.documents.settings import DocumentSettings
from firmware.documents.sheet import Place
from tests.municipality import seals
from tests.pages import samples

APPROVED = Path(__file__).parent / "approved"
DPI = 96
WHOLE_DPI = 100
GREYS = 16
MIDDLE_GREY = 128


_ONLY = Place(1, 1)


@dataclass(frozen=True, slots=True)
class Page:
    """One front to be drawn: what of, and which sheet."""

    kind: str
    document: dict[str, Any]
    place: Place = _ONLY


def picture(page: Page) -> Image.Image:
    """The page as the locked pdfium draws it, in few greys."""
    import pypdfium2

    opened = samples.opened(page.kind, page.document)
    seal = read_seal(seals.city_seal("渋川市長之印"))
    made = render_front(opened, seal, DocumentSettings(), page.place)
    bitmap = pypdfium2.PdfDocument(made.pdf)[0].render(scale=DPI / 72, grayscale=True)
    drawn: Image.Image = bitmap.to_pil()
    return drawn.quantize(GREYS, dither=Image.Dither.NONE).convert("L")


@dataclass(frozen=True, slots=True)
class Whole:
    """One side of the first sheet as it is printed: what of, front (0) or back (1), which detection image."""

    page: str
    side: int
    image: Literal["lines", "infrared"] = "lines"


def whole_picture(whole: Whole) -> Image.Image:
    """The side as the locked pdfium draws it, in few greys.

    What is random on every sheet is grey: the code of the front, the scramble image, the copy pattern.
    """
    import pypdfium2

    page = PAGES[whole.page]
    seal = read_seal(seals.city_seal("渋川市長之印"))
    settings = DocumentSettings(detection_image=whole.image)
    made = render(samples.opened(page.kind, page.document), seal, settings)
    bitmap = pypdfium2.PdfDocument(made.pdf)[whole.side].render(scale=WHOLE_DPI / 72, grayscale=True)
    drawn: Image.Image = bitmap.to_pil()
    for box in _RANDOM[whole.side]:
        drawn.paste(MIDDLE_GREY, _pixels(with_margin(box, 0.5)))
    return drawn.point(lambda grey: round(grey / _STEP) * _STEP)


_STEP = 255 // (GREYS - 1)
_RANDOM = ((front_code_place(),), (raster_box(), copy_pattern_box()))


def _pixels(box: Box) -> tuple[int, int, int, int]:
    left, top, right, bottom = (
        round(edge * WHOLE_DPI / 25.4) for edge in (box.left, box.top, box.right, box.bottom)
    )
    return left, top, right, bottom


def main(arguments: Sequence[str] | None = None) -> None:
    """Approve all pages as they are drawn now."""
    about = "approves every printed page as it is drawn now (tests/pages/approved); look at each that changed"
    argparse.ArgumentParser(prog="python -m tests.pages.gallery", description=about).parse_args(arguments)
    APPROVED.mkdir(exist_ok=True)
    drawn = {name: picture(page) for name, page in PAGES.items()}
    drawn |= {name: whole_picture(whole) for name, whole in WHOLE.items()}
    for name, page in drawn.items():
        file = io.BytesIO()
        page.quantize(GREYS, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
        (APPROVED / f"{name}.png").write_bytes(file.getvalue())


_FAMILY = [
    samples.relative("渋川　太郎", "シブカワ　タロウ", "世帯主", "1980-05-05", "男"),
    samples.relative(
        "渋川　花子",
        "シブカワ　ハナコ",
        "妻",
        "1982-12-01",
        "女",
        former_name="見本",
        former_name_kana="ミホン",
    ),
    samples.relative("渋川　一子", "シブカワ　イチコ", "子", "2008-07-21", "女"),
    samples.relative("渋川　二郎", "シブカワ　ジロウ", "子", "2019-05-01", "男"),
]

_MANY = [
    samples.relative(f"渋川　{name}", f"シブカワ　{kana}", relation, born, sex, family_head="渋川　壱")
    for name, kana, relation, born, sex in (
        ("壱", "ハジメ", "世帯主", "1951-02-03", "男"),
        ("弐", "フタエ", "妻", "1953-04-05", "女"),
        ("参", "サン", "子", "1976-06-07", "男"),
        ("四", "ヨツ", "子の妻", "1978-08-09", "女"),
        ("五", "ゴウ", "子の子", "2001-10-11", "男"),
        ("六", "ムツ", "子の子", "2003-12-13", "女"),
        ("七", "ナナ", "子の子", "2005-01-15", "男"),
        ("八", "ヤエ", "妹", "1955-03-17", "女"),
        ("九", "キュウ", "縁故者", "1989-01-07", "男"),
    )
]

_ARRIVED = {"resident_since": "2019-04-01", "address_since": "2019-04-01", "notified_on": "2019-04-05"}
"""Foreign residents stand in the register since 2012."""

_FOREIGN = [
    samples.person(
        name="NGUYỄN THỊ MINH KHAI",
        kana="グエン　ティ　ミン　カイ",
        birth_date="1996-02-29",
        sex="女",
        relation="世帯主",
        alias="渋川　明",
        nationality="ベトナム",
        article_30_45="中長期在留者",
        residence_status="技術・人文知識・国際業務",
        residence_period="５年",
        residence_expiry="2029-03-31",
        residence_card_number=samples.CARD_NUMBER,
        **_ARRIVED,
    ),
    samples.person(
        name="JOSÉ ÅNGSTRÖM ŁUKASZ",
        kana="ホセ　オングストレーム　ルーカス",
        birth_date="1994-11-30",
        relation="夫",
        nationality="ブラジル",
        article_30_45="中長期在留者",
        residence_status="永住者",
        residence_period="無期限",
        residence_card_number="ZZ00000001ZZ",
        **_ARRIVED,
    ),
    samples.person(
        name="渋川　ひかる",
        kana="シブカワ　ヒカル",
        birth_date="2021-04-01",
        relation="子",
        domicile=samples.ADDRESS,
        family_head="渋川　ひかる",
    ),
]


def _amounts(words: str) -> list[dict[str, Any]]:
    pairs = (word.split(":") for word in words.split())
    return [{"label": label, "yen": None if yen == "-" else int(yen)} for label, yen in pairs]


_TAX = samples.shotoku(
    income=_amounts(
        "給与収入:4200000 給与所得:2920000 公的年金等収入:0 雑所得（公的年金等）:0 営業等所得:0 "
        "農業所得:0 "
        "不動産所得:-310000 利子所得:0 配当所得:12000 雑所得（業務・その他）:- 総合譲渡所得:- "
        "一時所得:- "
        "合計所得金額:2622000 総所得金額等:2622000 "
    ),
    deductions=_amounts(
        "雑損控除:- 医療費控除:86000 社会保険料控除:612340 小規模企業共済等掛金控除:276000 "
        "生命保険料控除:56000 "
        "地震保険料控除:12500 障害者控除:- ひとり親・寡婦控除:- 勤労学生控除:- 配偶者控除:330000 "
        "配偶者特別控除:- "
        "扶養控除:450000 特定親族特別控除:- 基礎控除:430000 所得控除合計:2252840 "
    ),
    tax=_amounts(
        "課税総所得金額:369000 分離課税所得金額:- 市民税所得割額:20600 市民税均等割額:3000 "
        "県民税所得割額:13700 "
        "県民税均等割額:1700 森林環境税（国税）:1000 年税額:40000 "
    ),
    dependants=[
        {"label": "控除対象配偶者", "count": 1},
        {"label": "扶養親族（一般）", "count": 0},
        {"label": "１６歳未満", "count": 2},
    ],
)

_LONGEST_TAX = samples.shotoku(
    name=samples.longest("name"),
    address=samples.longest("address"),
    address_on_january_1=samples.longest("address"),
    income=[{"label": f"土地等に係る事業所得の金額（{at:02}）", "yen": -999_999_999_999} for at in range(22)],
    deductions=[{"label": f"控除{at:02}", "yen": at} for at in range(30)],
    tax=[{"label": f"税額{at:02}", "yen": 999_999_999} for at in range(20)],
    dependants=[{"label": f"扶養親族（{at:02}）", "count": at} for at in range(9)],
)

PAGES: Mapping[str, Page] = {
    "juminhyo-typical": Page("juminhyo", samples.juminhyo(_FAMILY, head="渋川　太郎")),
    "juminhyo-my-number": Page(
        "juminhyo",
        samples.juminhyo([person | {"my_number": samples.MY_NUMBER} for person in _FAMILY[:2]]),
    ),
    "juminhyo-self": Page("juminhyo", samples.juminhyo([samples.person()])),
    "juminhyo-maximum": Page(
        "juminhyo",
        samples.juminhyo(
            [samples.longest_person()] * 4, address=samples.longest("address"), head=samples.longest("head")
        ),
    ),
    "juminhyo-many": Page("juminhyo", samples.juminhyo(_MANY, head="渋川　壱"), Place(3, 3)),
    "juminhyo-foreign": Page("juminhyo", samples.juminhyo(_FOREIGN, head="NGUYỄN THỊ MINH KHAI")),
    "juminhyo-variants": Page("juminhyo", samples.household_with_variants()),
    "inkan-typical": Page("inkan", samples.inkan(seal=samples.base64url(seals.personal_seal("渋川")))),
    "inkan-names": Page(
        "inkan",
        samples.inkan(
            name="NGUYỄN THỊ MINH KHAI",
            kana=None,
            former_name="見本",
            alias="渋川　明",
            katakana_name="グエン　ティ　ミン　カイ",
        ),
    ),
    "inkan-maximum": Page(
        "inkan",
        samples.inkan(
            former_name="勘解由小路左衛門佐三郎",
            katakana_name="ヤマベサキタカヨシタロウザエモン・" * 3,
            **{field: samples.longest(field) for field in ("name", "alias", "address")},
            kana="ヤマベサキタカヨシタロウザエモン・" * 4,
        ),
    ),
    "shotoku-typical": Page("shotoku", _TAX),
    "shotoku-maximum": Page("shotoku", _LONGEST_TAX, Place(1, 2)),
    "shotoku-second-sheet": Page("shotoku", _LONGEST_TAX, Place(2, 2)),
}

WHOLE: Mapping[str, Whole] = {
    f"whole-{kind}-{side}": Whole(f"{kind}-typical", at)
    for kind in ("juminhyo", "inkan", "shotoku")
    for at, side in enumerate(("front", "back"))
} | {"whole-inkan-back-infrared": Whole("inkan-typical", 1, "infrared")}
"""Printed sides, protection and all."""

if __name__ == "__main__":
    main()
