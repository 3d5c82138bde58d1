"""The report of a business day: every figure on paper and on the roll, and differences in words."""

import io
from dataclasses import replace

import pytest
from pypdf import PdfReader

from firmware.core import records as r
from firmware.core.accounts import Accounts, ClosedDay
from firmware.core.terms import OrderId
from firmware.core.totals import ClaimTotal
from firmware.documents.day_report import DayReport, day_pdf, day_slip, difference_text
from firmware.documents.settings import DocumentSettings
from firmware.ports import SlipLine
from tests.unit.test_core_accounts import CLOSED, LOADED, OWED, SOLD

RECORDS = (
    LOADED,
    *SOLD,
    *OWED,
    r.CoinUnclaimed(100, 7, 3),
    r.CoinsCounted(None, 100, 3, "uid:0"),
    r.CoinsCollected(None, 500, 1, "uid:0"),
    CLOSED,
)
DAY = Accounts(RECORDS).days["2026-11-25"]
AGREES = r.DayCompared("2026-11-25", matched=True, differences=())
DIFFERS = r.DayCompared("2026-11-25", matched=False, differences=("fees:300:600", "order-missing:abc-1"))


def report(day: ClosedDay = DAY) -> DayReport:
    return DayReport("渋川市", "urn:kiosk:demo-0001", day)


def pages(day: ClosedDay = DAY) -> list[str]:
    """The text of each page without its blanks."""
    reader = PdfReader(io.BytesIO(day_pdf(report(day), DocumentSettings())))
    return ["".join(page.extract_text().split()) for page in reader.pages]


def test_the_page_has_every_figure_of_the_day() -> None:
    [page] = pages()
    for text in (
        "日計表",
        "渋川市",
        "urn:kiosk:demo-0001",
        "令和８年１１月２５日",
        "2026年11月25日23:00",
        "印鑑登録証明書11300円",
        "収受した硬貨1,100円",
        "手数料300円",
        "釣銭・返金300円",
        "返金引換券400円",
        "申出のない硬貨100円",
        "金庫100円3000+2300円",
        "金庫500円10010500円",
        "釣銭3100円171200",
        "2,500円",
        "BBBB-BBBB",
        "未払いの累計400円",
        f"{'a' * 32}-1",
        "市区町村への報告：未了",
    ):
        assert text in page, text


def test_many_claims_go_on_on_further_pages_with_the_same_head() -> None:
    claims = tuple(
        ClaimTotal(f"{number:04X}-0000", OrderId(f"{number:032x}-1"), 100) for number in range(1, 101)
    )
    found = pages(replace(DAY, totals=replace(DAY.totals, claims=claims)))
    assert 4 == len(found)
    assert all("日計表" in page and "渋川市" in page for page in found)
    assert all(any(f"{number:04X}-0000" in page for page in found) for number in range(1, 101))
    assert ["担当" in page for page in found] == [False, False, False, True]


@pytest.mark.parametrize(
    ("compared", "lines"),
    [
        (None, ["市区町村への報告：未了"]),
        (AGREES, ["市区町村の記録と一致しました。"]),
        (
            DIFFERS,
            [
                "市区町村の記録と2件の相違があります。",
                "手数料（端末・市）　300:600",
                "市に記録のない発行　abc-1",
            ],
        ),
    ],
)
def test_what_the_municipality_says_stands_at_the_end(
    compared: r.DayCompared | None, lines: list[str]
) -> None:
    day = replace(DAY, compared=compared)
    [page] = pages(day)
    roll = "".join(line.text for line in day_slip(report(day), columns=64))
    for text in lines:
        assert "".join(text.split()) in page
        assert text in roll


def test_the_roll_has_the_same_figures() -> None:
    lines = day_slip(report())
    for line in (
        SlipLine("日計表", scale=2, centred=True),
        SlipLine("端末", right="demo-0001"),
        SlipLine("営業日", right="2026-11-25"),
        SlipLine("　1通", right="300円"),
        SlipLine("計　1件", right="300円"),
        SlipLine("収受した硬貨", right="1,100円"),
        SlipLine("金庫 500円×1", right="500円"),
        SlipLine("　回収-1"),
        SlipLine("　過不足+2"),
        SlipLine("　補充+20 不確実1"),
        SlipLine("現金在高計", right="2,500円"),
        SlipLine("未払いの引換券", right="400円"),
        SlipLine("確認を要した発行", right="1件"),
    ):
        assert line in lines, line


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("cash:5300:5800", "現金在高（端末・計算）　5300:5800"),
        ("sold-juminhyo:1-1-300:none", "住民票の写し（端末・市、件-通-円）　1-1-300:none"),
        ("order-twice", "同じ発行が二度ある"),
        ("something-new:7", "something-new　7"),
    ],
)
def test_each_difference_has_its_words_and_an_unknown_one_its_own(word: str, text: str) -> None:
    assert text == difference_text(word)
