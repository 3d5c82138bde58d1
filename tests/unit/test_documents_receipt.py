"""The slips: their sums balance and every line fits the roll."""

import unicodedata
from datetime import datetime, timedelta, timezone

import pytest

from firmware.core.terms import CertificateKind
from firmware.documents.receipt import Sold, claim_slip, receipt, self_test_slip
from firmware.ports import SlipLine

WHEN = datetime(2026, 11, 22, 9, 5, tzinfo=timezone(timedelta(hours=9)))
SOLD = (Sold(CertificateKind.JUMINHYO, 2, 300), Sold(CertificateKind.INKAN, 1, 300))


def slip(paid_yen: int = 1000, change_yen: int = 100) -> tuple[SlipLine, ...]:
    return receipt(
        municipality="渋川市",
        receipt_no="R-20261122-0007",
        issued_at=WHEN,
        sold=SOLD,
        paid_yen=paid_yen,
        change_yen=change_yen,
    )


def test_a_receipt_says_what_was_sold_paid_and_given_back() -> None:
    rows = [(line.text, line.right) for line in slip()]
    for expected in (
        ("領収証書", ""),
        ("2026年11月22日", "09:05"),
        ("領収番号", "R-20261122-0007"),
        ("住民票の写し", ""),
        ("　300円×2通", "600円"),
        ("印鑑登録証明書", ""),
        ("　300円×1通", "300円"),
        ("合計", "900円"),
        ("お預かり", "1,000円"),
        ("お釣り", "100円"),
    ):
        assert expected in rows
    assert "委託を受けて領収しました" in "".join(line.text for line in slip())


@pytest.mark.parametrize(("paid_yen", "change_yen"), [(800, 0), (1000, 101), (1000, -1)])
def test_a_receipt_that_does_not_balance_is_not_printed(paid_yen: int, change_yen: int) -> None:
    with pytest.raises(ValueError, match="yen"):
        slip(paid_yen, change_yen)


def test_a_claim_slip_says_how_much_and_where() -> None:
    lines = claim_slip(
        kiosk="urn:kiosk:demo-0001",
        municipality="渋川市",
        claim_no="C-0042",
        issued_at=WHEN,
        yen=700,
        where="市民課（本庁舎１階）",
    )
    assert SlipLine("C-0042", scale=2, centred=True) in lines
    assert SlipLine("返金額", right="700円", scale=2) in lines
    assert SlipLine("市民課（本庁舎１階）") in lines


def test_a_self_test_shows_every_kind_of_type_and_how_wide_the_roll_is() -> None:
    lines = self_test_slip(
        kiosk="urn:kiosk:demo-0001",
        version="0.1.0",
        issued_at=WHEN,
        found=(("桁数", "32"),),
    )
    texts = [line.text for line in lines]
    assert "12345678901234567890123456789012" in texts
    assert {"自己診断", "ｱｲｳｶﾞﾊﾟ アイウガパ あいうがぱ", "桁数"} <= {*texts}


def test_a_claim_slip_for_nothing_is_not_printed() -> None:
    with pytest.raises(ValueError, match="0 yen"):
        claim_slip(
            kiosk="urn:kiosk:demo-0001",
            municipality="渋川市",
            claim_no="C-1",
            issued_at=WHEN,
            yen=0,
            where="市民課",
        )


@pytest.mark.parametrize("columns", [32, 48])
def test_every_line_fits_the_roll(columns: int) -> None:
    lines = (
        *receipt(
            municipality="渋川市",
            receipt_no="R-20261122-0007",
            issued_at=WHEN,
            sold=SOLD,
            paid_yen=1000,
            change_yen=100,
            columns=columns,
        ),
        *claim_slip(
            kiosk="urn:kiosk:demo-0001",
            municipality="渋川市",
            claim_no="C-0042",
            issued_at=WHEN,
            yen=700,
            where="渋川市役所市民課または最寄りの行政センターの窓口（平日午前８時３０分から）",
            columns=columns,
        ),
        *self_test_slip(
            kiosk="urn:kiosk:demo-0001",
            version="0.1.0",
            issued_at=WHEN,
            found=(("印字方式", "raster"),),
            columns=columns,
        ),
    )
    for line in lines:
        assert cells(line.text + line.right) * line.scale <= columns


def cells(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "FWA" else 1 for char in text)
