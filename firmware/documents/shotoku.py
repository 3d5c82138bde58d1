"""所得課税証明書: income, deductions and tax of one year in three columns.

There is no national form; the lines and their order are the municipality's own.
"""

from collections.abc import Sequence
from datetime import date

from firmware.documents.bitmap import Bitmap
from firmware.documents.contents import Amount, Contents, Count, Shotoku
from firmware.documents.era import era_date, era_year
from firmware.documents.paper import Align, Box, Paper
from firmware.documents.sheet import LEFT, REST_BLANK, WIDTH, Place, closing, heading

_PERSON_TOP = 36.0
_TABLE_TOP = 80.0
_ROW = 6.8
_COLUMN = WIDTH / 3
_LABEL = 34.0
_ROWS_A_SHEET = 23

_Line = tuple[str, str]


def sheets(document: Shotoku) -> int:
    return -(-max(len(lines) for _, lines in _columns(document)) // _ROWS_A_SHEET)


def draw(paper: Paper, contents: Contents, document: Shotoku, seal: Bitmap | None, place: Place) -> None:
    """The front page of one sheet. Raises DocumentRefused."""
    heading(paper, f"{era_year(date(document.fiscal_year, 4, 1))}度　所得課税証明書", top=16)
    first_day, last_day = date(document.income_year, 1, 1), date(document.income_year, 12, 31)
    paper.value(
        Box(LEFT, 26, WIDTH, 6), f"（{era_date(first_day)}から{era_date(last_day)}までの所得）", Align.CENTRE
    )
    _person(paper, document)
    first = (place.sheet - 1) * _ROWS_A_SHEET
    for at, (title, lines) in enumerate(_columns(document)):
        _column(paper, LEFT + at * _COLUMN, title, lines[first : first + _ROWS_A_SHEET])
    closing(paper, contents, paper.settings.wording.shotoku_attested, seal, place)


def _person(paper: Paper, document: Shotoku) -> None:
    paper.field(Box(LEFT, _PERSON_TOP, WIDTH, 12), 26, "住所", document.address)
    paper.field(Box(LEFT, _PERSON_TOP + 12, WIDTH, 12), 26, "１月１日の住所", document.address_on_january_1)
    paper.field(Box(LEFT, _PERSON_TOP + 24, 110, 12), 26, "氏名", document.name)
    paper.field(
        Box(LEFT + 110, _PERSON_TOP + 24, WIDTH - 110, 12), 18, "生年月日", era_date(document.birth_date)
    )
    paper.frame(Box(LEFT, _PERSON_TOP, WIDTH, 36), heavy=True)


def _columns(document: Shotoku) -> tuple[tuple[str, list[_Line]], ...]:
    """Title and lines of each column; the dependants follow the tax."""
    return (
        ("収入・所得の内訳（円）", _closed(_amounts(document.income))),
        ("所得控除の内訳（円）", _closed(_amounts(document.deductions))),
        ("課税の内訳（円）・扶養の人数", _closed(_amounts(document.tax) + _counts(document.dependants))),
    )


def _column(paper: Paper, left: float, title: str, lines: Sequence[_Line]) -> None:
    """One column of a sheet; unused rows stay without frames under the closing line."""
    head = Box(left, _TABLE_TOP, _COLUMN, _ROW)
    paper.frame(head)
    paper.label(head, title)
    for at, (label, value) in enumerate(lines, start=1):
        top = _TABLE_TOP + at * _ROW
        if not value:
            paper.frame(Box(left, top, _COLUMN, _ROW))
            paper.label(Box(left, top, _COLUMN, _ROW), label)
            continue
        paper.frame(Box(left, top, _LABEL, _ROW))
        paper.label(Box(left, top, _LABEL, _ROW), label)
        paper.frame(Box(left + _LABEL, top, _COLUMN - _LABEL, _ROW))
        paper.value(Box(left + _LABEL, top, _COLUMN - _LABEL, _ROW), value, Align.RIGHT, most_lines=1)
    paper.frame(Box(left, _TABLE_TOP, _COLUMN, (len(lines) + 1) * _ROW), heavy=True)


def _closed(lines: list[_Line]) -> list[_Line]:
    """The lines with the mark behind the last one, so that nothing can be added."""
    return [*lines, (REST_BLANK, "")]


def _amounts(lines: Sequence[Amount]) -> list[_Line]:
    return [(line.label, f"△{-line.yen:,}" if line.yen < 0 else f"{line.yen:,}") for line in lines]


def _counts(lines: Sequence[Count]) -> list[_Line]:
    return [(line.label, f"{line.count}人") for line in lines]
