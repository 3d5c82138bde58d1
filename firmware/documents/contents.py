"""What the municipality seals for a document, after opening: one struct per plaintext.

Field names, types and the meaning of null are the protocol's, version 1; an unknown field is an error.
"""

from datetime import date
from typing import Annotated, Literal

import msgspec

from firmware.core.terms import CertificateKind

Text = Annotated[str, msgspec.Meta(min_length=1)]
"""Text that a certificate cannot do without."""

MyNumber = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{12}\Z")]
"""個人番号: eleven digits and a check digit."""

Year = Annotated[int, msgspec.Meta(ge=1873, le=9999)]


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


def check_digit(digits: str) -> str:
    """The twelfth digit of a 個人番号 by the eleven before it (検査用数字).

    Source: 平成26年総務省令第85号, article 5 (番号法による通知カード・個人番号カード・情報提供に関する省令).
    """
    total = sum(int(digit) * (at % 6 + 2) for at, digit in enumerate(reversed(digits)))
    return str(11 - total % 11) if total % 11 > 1 else "0"


class IssuingMunicipality(_Strict, frozen=True):
    """name: 渋川市; prefecture: 群馬県; mayor: office and name as they stand under the certificate."""

    name: Text
    prefecture: Text
    mayor: Text


class Protection(_Strict, frozen=True):
    """What the municipality signed for the backs. scramble/FORMAT.md, section 5.

    backs: a signed message for each sheet, base64url; secret: that of the front's small code, 16 bytes, with
    which the backs can be checked, base64url; front_code: whether the fronts shall bear it.
    copy_pattern: from which the copy-detection patterns are drawn, 32 bytes, base64url.
    """

    backs: tuple[str, ...]
    secret: str
    front_code: bool
    copy_pattern: str


class Contents(_Strict, frozen=True):
    """Plaintext of the sealed contents; document is decoded by kind.

    protection: None on a page drawn again from its back, which has no back of its own.
    members: numbers of the persons of a 住民票 of some of the household, in their order; else empty.
    """

    v: Literal[1]
    order_id: str
    session_id: str
    kiosk: str
    person_ref: str
    kind: CertificateKind
    copies: int
    number: Text
    issued_on: date
    municipality: IssuingMunicipality
    protection: Protection | None
    document: msgspec.Raw
    members: tuple[int, ...] = ()


class Person(_Strict, frozen=True):
    """One member of the household; None: not chosen by the applicant, or not applicable."""

    name: Text
    kana: str
    birth_date: date
    sex: str
    relation: str | None  # 続柄
    resident_since: date | None  # 住民となった年月日
    address_since: date | None  # 住所を定めた年月日
    notified_on: date | None  # 届出日
    previous_address: str | None  # 前住所
    domicile: str | None  # 本籍
    family_head: str | None  # 筆頭者
    alias: str | None  # 通称
    former_name: str | None  # 旧氏
    nationality: str | None  # 国籍・地域
    article_30_45: str | None  # 法第30条の45に規定する区分
    residence_status: str | None  # 在留資格
    residence_period: str | None  # 在留期間等
    residence_expiry: date | None  # 在留期間の満了の日
    # A back signed before one of these existed lacks it.
    my_number: MyNumber | None = None  # 個人番号
    former_name_kana: str | None = None  # 旧氏の振り仮名
    residence_card_number: str | None = None  # 在留カード等の番号

    def __post_init__(self) -> None:
        """Raises ValueError for a 個人番号 with a wrong check digit; the message has no digit of it."""
        if self.my_number is not None and self.my_number[-1] != check_digit(self.my_number[:-1]):
            raise ValueError("my_number: wrong check digit")


class Juminhyo(_Strict, frozen=True):
    """住民票の写し. head: 世帯主, None if not chosen."""

    address: Text
    head: str | None
    whole_household: bool
    persons: tuple[Person, ...]


class Inkan(_Strict, frozen=True):
    """印鑑登録証明書. seal: base64url of a 1-bit PNG, 25 mm at 600 dpi.

    alias: 通称; in a back signed before 旧氏 and 片仮名表記 had fields of their own, whichever of the three.
    """

    name: Text
    kana: str | None
    alias: str | None
    birth_date: date
    address: Text
    seal: str
    former_name: str | None = None  # 旧氏
    katakana_name: str | None = None  # 氏名の片仮名表記


class Amount(_Strict, frozen=True):
    """One line of money. yen: None for a line that does not apply (非該当)."""

    label: Text
    yen: int | None


class Count(_Strict, frozen=True):
    """One line of persons."""

    label: Text
    count: int


class Shotoku(_Strict, frozen=True):
    """所得課税証明書. fiscal_year: 年度; income_year: the calendar year of the income, western."""

    fiscal_year: Year
    income_year: Year
    name: Text
    birth_date: date
    address: Text
    address_on_january_1: Text
    income: tuple[Amount, ...]
    deductions: tuple[Amount, ...]
    tax: tuple[Amount, ...]
    dependants: tuple[Count, ...]


Document = Juminhyo | Inkan | Shotoku


class Authority(_Strict, frozen=True):
    """Plaintext of the authority, given after the money: it brings the city's seal. 公印"""

    v: Literal[1]
    order_id: str
    number: str
    receipt_no: str
    city_seal: str
