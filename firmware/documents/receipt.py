"""What goes on the receipt roll: the receipt and the claim slip. They name no person.

Lines are made for a roll of so many columns of half-width type; full-width type takes two.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from firmware.core.terms import CertificateKind, Yen
from firmware.documents.sheet import TITLES
from firmware.ports import SlipLine


@dataclass(frozen=True, slots=True)
class Sold:
    """One kind of certificate on the receipt."""

    kind: CertificateKind
    copies: int
    fee_yen: Yen

    @property
    def total_yen(self) -> Yen:
        return self.copies * self.fee_yen


def receipt(
    *,
    municipality: str,
    receipt_no: str,
    issued_at: datetime,
    sold: Sequence[Sold],
    paid_yen: Yen,
    change_yen: Yen,
    columns: int = 32,
) -> tuple[SlipLine, ...]:
    """領収証書. municipality: 渋川市; issued_at: Japan time; change_yen: what really was paid out.

    Raises ValueError if less was paid than sold, or more given back than was over.
    """
    total_yen = sum(item.total_yen for item in sold)
    if not 0 <= change_yen <= paid_yen - total_yen:
        raise ValueError(f"{paid_yen} yen paid for {total_yen} yen, {change_yen} yen change")
    return (
        *_head("領収証書", municipality, issued_at),
        SlipLine("領収番号", right=receipt_no),
        rule(columns),
        *(line for item in sold for line in _item(item)),
        rule(columns),
        SlipLine("合計", right=yen_text(total_yen), scale=2),
        SlipLine("お預かり", right=yen_text(paid_yen)),
        SlipLine("お釣り", right=yen_text(change_yen)),
        rule(columns),
        *paragraph(f"上記の証明書交付手数料を、{municipality}の委託を受けて領収しました。", columns),
        *paragraph("この領収証書に個人情報は記載されていません。", columns),
    )


def claim_slip(
    *,
    municipality: str,
    claim_no: str,
    kiosk: str,
    issued_at: datetime,
    yen: Yen,
    where: str,
    columns: int = 32,
) -> tuple[SlipLine, ...]:
    """返金引換券 for money that the machine owes and could not give back.

    where: the counter or the store's staff, as configured. kiosk: its URN, which a clerk asks for.
    Raises ValueError unless something is owed.
    """
    if yen <= 0:
        raise ValueError(f"{yen} yen owed")
    return (
        *_head("返金引換券", municipality, issued_at),
        SlipLine("引換番号"),
        SlipLine(claim_no, scale=2, centred=True),
        SlipLine("端末", right=kiosk.removeprefix("urn:kiosk:")),
        rule(columns),
        SlipLine("返金額", right=yen_text(yen), scale=2),
        rule(columns),
        *paragraph("お返しできなかったお金があります。この引換券を次の窓口へお持ちください。", columns),
        *paragraph(where, columns),
        *paragraph("この引換券をなくさないでください。個人情報は記載されていません。", columns),
    )


def self_test_slip(
    *, kiosk: str, version: str, issued_at: datetime, found: Sequence[tuple[str, str]], columns: int = 32
) -> tuple[SlipLine, ...]:
    """自己診断: does the roll show every kind of type, and what the kiosk says of its parts.

    found: part and finding, in the words of log and screen.
    """
    return (
        SlipLine("自己診断", scale=2, centred=True),
        SlipLine(f"{issued_at.year}年{issued_at.month}月{issued_at.day}日", right=f"{issued_at:%H:%M}"),
        SlipLine("端末", right=kiosk.removeprefix("urn:kiosk:")),
        SlipLine("ファームウェア", right=version),
        rule(columns),
        SlipLine("".join(str(at % 10) for at in range(1, columns + 1))),
        SlipLine("ABCXYZ abcxyz ¥#$%&@"),
        SlipLine("ｱｲｳｶﾞﾊﾟ アイウガパ あいうがぱ"),
        SlipLine("証明書交付手数料領収返金引換券"),
        SlipLine("倍角 123円", scale=2),
        rule(columns),
        *(SlipLine(part, right=finding) for part, finding in found),
        rule(columns),
        SlipLine("ここまで読めれば正常です。", centred=True),
    )


def _head(title: str, municipality: str, issued_at: datetime) -> Iterator[SlipLine]:
    yield SlipLine(title, scale=2, centred=True)
    yield SlipLine()
    yield SlipLine(municipality, centred=True)
    yield SlipLine(f"{issued_at.year}年{issued_at.month}月{issued_at.day}日", right=f"{issued_at:%H:%M}")


def _item(item: Sold) -> Iterator[SlipLine]:
    yield SlipLine(TITLES[item.kind])
    yield SlipLine(f"　{yen_text(item.fee_yen)}×{item.copies}通", right=yen_text(item.total_yen))


def yen_text(yen: Yen) -> str:
    """1,200円"""
    return f"{yen:,}円"


def rule(columns: int) -> SlipLine:
    """A line across the roll."""
    return SlipLine("-" * columns)


def paragraph(text: str, columns: int) -> Iterator[SlipLine]:
    """The text in lines that fit; no line begins with a full stop, comma or closing bracket."""
    line = ""
    for char in text:
        if _cells(line + char) > columns:
            kept, carried = (line[:-1], line[-1]) if char in "。、）」" else (line, "")
            yield SlipLine(kept)
            line = carried
        line += char
    if line:
        yield SlipLine(line)


def _cells(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "FWA" else 1 for char in text)
