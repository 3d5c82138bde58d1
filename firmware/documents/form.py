"""How the certificates of a municipality look and what they say: the part of its profile that is printed.

Everything has a default, the forms of 渋川市 after the standard of 2026, so that a profile names only what
differs. Lengths are millimetres on paper. A form that could lose an item of the record is an error.
Source: 住民記録システム標準仕様書 (世帯連記式, A4 portrait, four persons a sheet).
"""

from collections import Counter
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from firmware.documents.era import ERAS, Era, check_eras

Words = Annotated[str, Meta(min_length=1, max_length=200)]
Millimetres = Annotated[float, Meta(ge=4.0, le=180.0)]
TaxList = Literal["income", "deductions", "tax", "dependants"]
TAX_LISTS = ("income", "deductions", "tax", "dependants")

BLOCK_WIDTH = 175.0
"""Width of the table of one person, beside the column of its number."""

MOST_BLOCK_HEIGHT = 51.6
"""Height that four persons leave to each on a sheet."""

MY_NUMBER = "my_number"
"""個人番号: a municipality whose form has no place for it cannot offer it."""

NEVER_LOST = (MY_NUMBER, "former_name_kana", "residence_card_number")
"""Items that a form may do without as long as no record has them: such a record is not printed on it."""

_OPTIONAL_ITEMS = frozenset({"kana", "notified_on", *NEVER_LOST})


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the profile; a key nobody reads is an error."""


class Wording(_Section, frozen=True, kw_only=True):
    """Sentences that a municipality chooses.

    omitted: an item the applicant left out; not_applicable: an item that does not exist; rest_blank: closes
    the empty end of a table. None of the three leaves room to write in.
    """

    juminhyo_title: Words = "住　民　票"
    juminhyo_subtitle: Words = "（世帯連記式）"
    inkan_title: Words = "印　鑑　登　録　証　明　書"
    shotoku_title: Words = "所　得　課　税　証　明　書"
    household_attested: Words = "この写しは、世帯全員の住民票の原本と相違ないことを証明する。"
    member_attested: Words = "この写しは、世帯一部の住民票の原本と相違ないことを証明する。"
    inkan_attested: Words = "この写しは、登録された印影と相違ないことを証明する。"
    shotoku_attested: Words = "上記のとおり相違ないことを証明する。"
    seal_note: Words = "この印は黒色です。"
    issue_note: Words = "この証明書は、証明書交付端末で交付されたものです。"
    unstapled_note: Words = "複数枚の証明書もとじていません。ページ番号で全ての枚数を確認してください。"
    back_notes: tuple[Words, ...] = (
        "【スクランブル画像】発行した市区町村が署名し、暗号化したおもて面の内容です。",
        "【内容の確認】300dpi以上で読み取ると、おもて面の正しい内容を市区町村の確認ページで表示できます。",
        "【けん制文字】複写すると、両面の地紋に「複写」の文字が現れます。",
        "【偽造防止検出画像】桜の画像に、検出器具で見える潜像が入っています。",
    )
    omitted: Words = "（省略）"
    not_applicable: Words = "＊＊＊＊"
    rest_blank: Words = "以下余白"


class Labels(_Section, frozen=True, kw_only=True):
    """What stands beside each item; a line end breaks the line there. Names of items are the protocol's."""

    address: Words = "住所"
    head: Words = "世帯主"
    name: Words = "氏名"
    kana: Words = "氏名の振り仮名"
    my_number: Words = "個人番号"
    alias: Words = "通称"
    former_name: Words = "旧氏"
    former_name_kana: Words = "旧氏の\n振り仮名"
    birth_date: Words = "生年月日"
    sex: Words = "性別"
    relation: Words = "続柄"
    resident_since: Words = "住民となった\n年月日"
    address_since: Words = "住所を定めた\n年月日"
    notified_on: Words = "届出年月日"
    previous_address: Words = "前住所"
    domicile: Words = "本籍"
    family_head: Words = "筆頭者"
    nationality: Words = "国籍・地域"
    article_30_45: Words = "第30条の\n45規定区分"
    residence_status: Words = "在留資格"
    residence_period: Words = "在留\n期間等"
    residence_expiry: Words = "満了日"
    residence_card_number: Words = "在留カード\n等の番号"
    imprint: Words = "印　影"
    inkan_former_name: Words = "旧氏"
    inkan_alias: Words = "通称"
    inkan_katakana_name: Words = "片仮名表記"
    remarks: Words = "備考"
    address_on_january_1: Words = "１月１日の住所"


class Cell(_Section, frozen=True, kw_only=True):
    """One item in a row: width_mm with its label, label_mm of it for the label."""

    item: Words
    width_mm: Millimetres
    label_mm: Millimetres


class Row(_Section, frozen=True, kw_only=True):
    """One row of a person's table, from left to right."""

    height_mm: Millimetres
    cells: Annotated[list[Cell], Meta(min_length=1)]


class Column(_Section, frozen=True, kw_only=True):
    """One column of the 所得課税証明書: lists of the municipality one below the other."""

    title: Words
    lists: Annotated[list[TaxList], Meta(min_length=1)]


def _row(height_mm: float, *cells: tuple[str, float, float]) -> Row:
    return Row(
        height_mm=height_mm,
        cells=[Cell(item=item, width_mm=width, label_mm=label) for item, width, label in cells],
    )


_ROWS = [
    _row(6.6, ("kana", 113, 19), (MY_NUMBER, 62, 19)),
    _row(8.4, ("name", 113, 19), ("alias", 62, 19)),
    _row(6.8, ("birth_date", 59, 19), ("sex", 17, 9), ("relation", 37, 9), ("resident_since", 62, 19)),
    _row(
        6.2,
        ("address_since", 51, 15),
        ("notified_on", 46, 12),
        ("former_name", 39, 9),
        ("former_name_kana", 39, 10),
    ),
    _row(8.3, ("previous_address", 122, 19), ("residence_card_number", 53, 15)),
    _row(8.4, ("domicile", 122, 19), ("family_head", 53, 12)),
    _row(
        6.8,
        ("nationality", 41.0, 19),
        ("article_30_45", 37.0, 15),
        ("residence_status", 34.6, 12.6),
        ("residence_period", 24.4, 10.6),
        ("residence_expiry", 38.0, 10.6),
    ),
]

_COLUMNS = [
    Column(title="収入・所得の内訳（円）", lists=["income"]),
    Column(title="所得控除の内訳（円）", lists=["deductions"]),
    Column(title="課税の内訳（円）・扶養の人数", lists=["tax", "dependants"]),
]

_PERSON_ITEMS = frozenset(
    """
    kana name alias former_name birth_date sex relation resident_since address_since notified_on
    previous_address domicile family_head nationality article_30_45 residence_status residence_period
    residence_expiry
    """.split()
) | frozenset(NEVER_LOST)


class Form(_Section, frozen=True, kw_only=True):
    """The printed forms.

    city_seal_mm: longer side of the 公印, as the municipality's seal rules give it. juminhyo_rows: the table
    of one person; 住民票コード is no item and cannot be one. shotoku_columns: from left to right.
    eras: 元号 from the first to today's.
    """

    city_seal_mm: Annotated[float, Meta(ge=15.0, le=26.0)] = 24.0
    wording: Wording = Wording()
    labels: Labels = Labels()
    juminhyo_rows: Annotated[list[Row], Meta(min_length=1)] = msgspec.field(default_factory=lambda: [*_ROWS])
    shotoku_columns: Annotated[list[Column], Meta(min_length=1, max_length=4)] = msgspec.field(
        default_factory=lambda: [*_COLUMNS]
    )
    eras: Annotated[list[Era], Meta(min_length=1)] = msgspec.field(default_factory=lambda: [*ERAS])

    def __post_init__(self) -> None:
        """Raises ValueError: an item shown twice or lost, a form larger than its paper, a gap in the eras."""
        _check_rows(self.juminhyo_rows)
        check_eras(self.eras)
        lists = Counter(name for column in self.shotoku_columns for name in column.lists)
        if lists != Counter(TAX_LISTS):
            raise ValueError("shotoku_columns: each of income, deductions, tax, dependants once")


def _check_rows(rows: list[Row]) -> None:
    items = Counter(cell.item for row in rows for cell in row.cells)
    for item, times in items.items():
        if item not in _PERSON_ITEMS or times > 1:
            raise ValueError(f"juminhyo_rows: {item} is no item, or stands there twice")
    if missing := _PERSON_ITEMS - _OPTIONAL_ITEMS - items.keys():
        raise ValueError(f"juminhyo_rows: {', '.join(sorted(missing))} would never be printed")
    for row in rows:
        width = sum(cell.width_mm for cell in row.cells)
        if abs(width - BLOCK_WIDTH) > 0.05:
            raise ValueError(f"juminhyo_rows: {row.cells[0].item}: {width} mm wide, expected {BLOCK_WIDTH}")
        if any(cell.label_mm > cell.width_mm - 4 for cell in row.cells):
            raise ValueError(f"juminhyo_rows: {row.cells[0].item}: no room beside a label")
    if (height := sum(row.height_mm for row in rows)) > MOST_BLOCK_HEIGHT + 0.05:
        raise ValueError(f"juminhyo_rows: {height} mm high, at most {MOST_BLOCK_HEIGHT}")
