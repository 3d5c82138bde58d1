"""The report of a business day (日計表): on the receipt roll for the store, as a page for the city's clerk.

It names no person: certificates by kind, yen, coins, numbers of claims and orders.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from firmware.core.accounts import ClosedDay, sum_yen
from firmware.core.hours import JST
from firmware.core.terms import Yen
from firmware.core.totals import DayTotals, PlaceTotal
from firmware.documents.era import era_date
from firmware.documents.paper import Align, Box, Paper
from firmware.documents.receipt import paragraph, rule, yen_text
from firmware.documents.settings import DocumentSettings
from firmware.documents.sheet import LEFT, TITLES, WIDTH
from firmware.ports import SlipLine

_ROW_MM = 6.2
_BOTTOM_MM = 262.0
_DIFFERENCES = {
    "order-missing": "市に記録のない発行",
    "order-not-reported": "端末に記録のない発行",
    "order-state": "市の記録では発行済みでない",
    "order-settled": "別の日に精算済み",
    "order-twice": "同じ発行が二度ある",
    "fees": "手数料（端末・市）",
    "unbalanced": "収受と内訳の合計",
    "claim-missing": "市に記録のない引換券",
    "claim-yen": "引換券の金額（端末・市）",
    "claims": "引換券の合計",
    "cash": "現金在高（端末・計算）",
    "refused": "市が受け付けない",
    **{f"sold-{kind.value}": f"{title}（端末・市、件-通-円）" for kind, title in TITLES.items()},
}


@dataclass(frozen=True, slots=True)
class DayReport:
    """What stands on the report. municipality: 渋川市; kiosk: its URN."""

    municipality: str
    kiosk: str
    day: ClosedDay


def difference_text(word: str) -> str:
    """A difference in the words of the protocol, for a reader: `fees:600:300`."""
    name, _, rest = word.partition(":")
    return f"{_DIFFERENCES.get(name, name)}　{rest}".rstrip("　")


def day_slip(report: DayReport, *, columns: int = 32) -> tuple[SlipLine, ...]:
    """日計表 on the roll."""
    totals = report.day.totals
    return (
        SlipLine("日計表", scale=2, centred=True),
        SlipLine(),
        SlipLine(report.municipality, centred=True),
        SlipLine("端末", right=report.kiosk.removeprefix("urn:kiosk:")),
        SlipLine("営業日", right=report.day.business_date),
        SlipLine("締め", right=_moment(report.day.closed_at)),
        rule(columns),
        *(line for sold in totals.sold for line in _sold_lines(TITLES[sold.kind], sold.copies, sold.yen)),
        SlipLine(f"計　{sum(sold.issues for sold in totals.sold)}件", right=yen_text(totals.fees_yen)),
        rule(columns),
        *(SlipLine(label, right=yen_text(yen)) for label, yen in _money(totals)),
        rule(columns),
        *(line for place in totals.cash for line in _cash_lines(place)),
        SlipLine("現金在高計", right=yen_text(sum_yen(totals.cash))),
        rule(columns),
        SlipLine("未払いの引換券", right=yen_text(report.day.open_claims_yen)),
        SlipLine("確認を要した発行", right=f"{len(totals.uncertain)}件"),
        SlipLine("硬貨の異常", right=f"{totals.suspects}回"),
        rule(columns),
        *(line for text in _compared(report.day) for line in paragraph(text, columns)),
    )


def day_pdf(report: DayReport, settings: DocumentSettings) -> bytes:
    """日計表 on A4, as many pages as it takes. Raises DocumentRefused for a text no font has."""
    paper = Paper("日計表", settings)
    sheet = _Sheet(paper, report)
    totals = report.day.totals
    sheet.table(
        "証明書の発行",
        ("証明書", "件数", "通数", "手数料"),
        (78, 32, 32, 38),
        [
            *((TITLES[s.kind], f"{s.issues}", f"{s.copies}", yen_text(s.yen)) for s in totals.sold),
            (
                "計",
                f"{sum(s.issues for s in totals.sold)}",
                f"{sum(s.copies for s in totals.sold)}",
                yen_text(totals.fees_yen),
            ),
        ],
    )
    sheet.table(
        "収受と支払",
        ("区分", "金額"),
        (142, 38),
        [(label, yen_text(yen)) for label, yen in _money(totals)],
    )
    sheet.table(
        "現金在高",
        ("場所", "硬貨", "枚数", "うち不確実", "補充", "回収", "過不足", "金額"),
        (32, 22, 20, 22, 18, 18, 18, 30),
        [
            *(_cash_row(place) for place in totals.cash),
            ("計", "", "", "", "", "", "", yen_text(sum_yen(totals.cash))),
        ],
    )
    sheet.table(
        "当日の返金引換券",
        ("引換番号", "発行要求", "金額"),
        (40, 102, 38),
        [
            *((c.claim_no, c.order_id, yen_text(c.yen)) for c in totals.claims),
            ("未払いの累計", "", yen_text(report.day.open_claims_yen)),
        ],
    )
    if totals.uncertain:
        sheet.table(
            "印刷または交付許可を確認できなかった発行",
            ("発行要求",),
            (180,),
            [(order_id,) for order_id in totals.uncertain],
        )
    sheet.table("市区町村の記録との突合", ("結果",), (180,), [(text,) for text in _compared(report.day)])
    sheet.end()
    return paper.finish()


class _Sheet:
    """Tables one below the other; a page that is full is followed by another with the same head."""

    def __init__(self, paper: Paper, report: DayReport) -> None:
        self._paper = paper
        self._report = report
        self._page = 0
        self._top = 0.0
        self._begin()

    def table(
        self, title: str, head: Sequence[str], widths_mm: Sequence[float], rows: Sequence[Sequence[str]]
    ) -> None:
        """One table; the first column is set left, figures right. It goes on on the next page if need be."""
        if self._top + 3 * _ROW_MM > _BOTTOM_MM:
            self._next()
        self._paper.label(Box(LEFT, self._top, WIDTH, _ROW_MM), title, Align.LEFT, points=8)
        self._top += _ROW_MM
        self._row(head, widths_mm, head=True)
        for row in rows:
            if self._top + _ROW_MM > _BOTTOM_MM:
                self._next()
                self._row(head, widths_mm, head=True)
            self._row(row, widths_mm)
        self._top += 3.0

    def end(self) -> None:
        """The last page, with room for who checked it."""
        for at, label in enumerate(("確認", "担当")):
            box = Box(LEFT + WIDTH - 24 * (at + 1), _BOTTOM_MM + 2, 24, 19)
            self._paper.frame(box)
            self._paper.rule(box.left, box.top + 5, box.right, box.top + 5)
            self._paper.label(Box(box.left, box.top, 24, 5), label)
        self._paper.next_page()

    def _row(self, cells: Sequence[str], widths_mm: Sequence[float], *, head: bool = False) -> None:
        left = LEFT
        for at, (text, width) in enumerate(zip(cells, widths_mm, strict=True)):
            box = Box(left, self._top, width, _ROW_MM)
            self._paper.frame(box, heavy=False)
            if head:
                self._paper.label(box, text)
            elif text:
                self._paper.value(box, text, Align.LEFT if at == 0 else Align.RIGHT, largest_points=9)
            left += width
        self._top += _ROW_MM

    def _next(self) -> None:
        self._paper.next_page()
        self._begin()

    def _begin(self) -> None:
        report = self._report
        self._page += 1
        day = date.fromisoformat(report.day.business_date)
        self._paper.value(Box(LEFT, 12, WIDTH, 10), "日　計　表", Align.CENTRE, largest_points=18)
        self._paper.value(Box(LEFT, 25, 90, 7), report.municipality, largest_points=12)
        self._paper.value(
            Box(LEFT, 33, 90, 6),
            f"営業日　{era_date(day, self._paper.settings.form.eras)}",
            largest_points=11,
        )
        right = (f"端末　{report.kiosk}", f"締め　{_moment(report.day.closed_at)}", f"{self._page}ページ")
        for at, text in enumerate(right):
            self._paper.label(Box(LEFT + 90, 24 + 5 * at, 90, 5), text, Align.RIGHT, points=8)
        self._top = 43.0


def _sold_lines(title: str, copies: int, yen: Yen) -> Iterator[SlipLine]:
    yield SlipLine(title)
    yield SlipLine(f"　{copies}通", right=yen_text(yen))


def _money(totals: DayTotals) -> tuple[tuple[str, Yen], ...]:
    return (
        ("収受した硬貨", totals.taken_yen),
        ("　手数料", totals.fees_yen),
        ("　釣銭・返金", totals.paid_out_yen),
        ("　返金引換券", totals.claims_yen),
        ("　申出のない硬貨", totals.unclaimed_yen),
        ("店舗で払った引換券", totals.claims_settled_yen),
    )


def place_text(hopper: int | None) -> str:
    """A place of coins, as staff call it."""
    return "金庫" if hopper is None else f"釣銭{hopper}"


def _cash_lines(place: PlaceTotal) -> Iterator[SlipLine]:
    yield SlipLine(
        f"{place_text(place.hopper)} {place.coin_yen}円×{place.coins}",
        right=yen_text(place.coins * place.coin_yen),
    )
    moved = [
        f"{name}{count:+}"
        for name, count in (
            ("補充", place.refilled),
            ("回収", -place.collected),
            ("過不足", place.difference),
        )
        if count
    ]
    if place.unsure:
        moved.append(f"不確実{place.unsure}")
    if moved:
        yield SlipLine("　" + " ".join(moved))


def _cash_row(place: PlaceTotal) -> tuple[str, ...]:
    return (
        place_text(place.hopper),
        f"{place.coin_yen}円",
        *(f"{count}" for count in (place.coins, place.unsure, place.refilled, place.collected)),
        f"{place.difference:+}" if place.difference else "0",
        yen_text(place.coins * place.coin_yen),
    )


def _compared(day: ClosedDay) -> Iterable[str]:
    match day.compared:
        case None:
            return ("市区町村への報告：未了",)
        case compared if compared.matched:
            return ("市区町村の記録と一致しました。",)
        case compared:
            return (
                f"市区町村の記録と{len(compared.differences)}件の相違があります。",
                *(difference_text(word) for word in compared.differences),
            )


def _moment(closed_at: str) -> str:
    moment = datetime.fromisoformat(closed_at).astimezone(JST)
    return f"{moment.year}年{moment.month}月{moment.day}日 {moment:%H:%M}"
