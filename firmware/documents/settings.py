"""What differs between municipalities and machines on the printed page."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True)
class Wording:
    """Sentences and labels that a municipality chooses. Defaults: 渋川市, standard form of 2026."""

    household_attested: str = "この写しは、世帯全員の住民票の原本と相違ないことを証明する。"
    member_attested: str = "この写しは、世帯一部の住民票の原本と相違ないことを証明する。"
    inkan_attested: str = "この写しは、登録された印影と相違ないことを証明する。"
    shotoku_attested: str = "上記のとおり相違ないことを証明する。"
    previous_address: str = "前住所"
    seal_note: str = "この印は黒色です。"
    issue_note: str = "この証明書は、証明書交付端末で交付されたものです。"
    back_notes: tuple[str, ...] = (
        "【スクランブル画像】発行した市区町村が署名し、暗号化したおもて面の内容です。",
        "【内容の確認】300dpi以上で読み取ると、おもて面の正しい内容を市区町村の確認ページで表示できます。",
        "【けん制文字】複写すると、両面の地紋に「複写」の文字が現れます。",
        "【偽造防止検出画像】桜の画像に、検出器具で見える潜像が入っています。",
    )
    unstapled_note: str = "複数枚の証明書もとじていません。ページ番号で全ての枚数を確認してください。"


@dataclass(frozen=True, slots=True)
class DocumentSettings:
    """Fonts in order of preference, sizes of type in points, the seal's size in millimetres.

    value_fonts: what the municipality wrote, with all characters of names; label_fonts: the form itself.
    limits: most characters of a field by its name in the protocol, see `limits.FIELDS`.
    void_screen: dots of the けん制文字 by their name on the calibration sheet.
    detection_image: as the printer can have it.
    city_seal_mm: longer side of the 公印 on paper, as the municipality's seal rules give it.
    """

    value_fonts: tuple[Path, ...] = (Path("/usr/share/fonts/truetype/ipamj/ipamjm.ttf"),)
    label_fonts: tuple[Path, ...] = (Path("/usr/share/fonts/opentype/ipaexfont-gothic/ipaexg.ttf"),)
    largest_points: float = 10.5
    smallest_points: float = 6.0
    city_seal_mm: float = 24.0
    void_screen: str = "B3"
    detection_image: Literal["lines", "infrared"] = "lines"
    wording: Wording = Wording()
    limits: Mapping[str, int] = field(default_factory=dict)
