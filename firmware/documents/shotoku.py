"""所得課税証明書: income, deductions and tax of one year in three columns.

There is no national form; the lines and their order are the municipality's own.
"""

from collections.abc import Sequence
from datetime import date

from firmware.documents.bitmap import Bitmap
from firmware.documents.contents import Amount, Contents, Count, Shotoku
from firmware.documents.era import era_date, era_year
from firmware.documents.form import Form, TaxList
from firmware.documents.paper import Align, Box, Paper
from firmware.documents.sheet import LEFT, WIDTH, Place, closing, heading

_PERSON_TOP = 36.0
_TABLE_TOP = 80.0
_ROW = 6.8
_LABEL_SHARE = 34 / 60
ROWS_A_SHEET = 23

_Line = tuple[str, str]


def sheets(document: Shotoku, form: Form) -> int:
    return -(-max(len(lines) for _, lines in _columns(document, form)) // ROWS_A_SHEET)


def draw(paper: Paper, contents: Contents, document: Shotoku, seal: Bitmap | None, place: Place) -> None:
    """The front page of one sheet. Raises DocumentRefused."""
    form = paper.settings.form
    heading(
        paper,
        f"{era_year(date(document.fiscal_year, 4, 1), form.eras)}度　{form.wording.shotoku_title}",
        top=16,
    )
    first_day, last_day = (
        era_date(date(document.income_year, *day), form.eras) for day in ((1, 1), (12, 31))
    )
    paper.value(Box(LEFT, 26, WIDTH, 6), f"（{first_day}から{last_day}までの所得）", Align.CENTRE)
    _person(paper, document)
    first = (place.sheet - 1) * ROWS_A_SHEET
    columns = _columns(document, form)
    width = WIDTH / len(columns)
    here = [(title, lines[first : first + ROWS_A_SHEET]) for title, lines in columns]
    rows = max(len(lines) for _, lines in here)
    for at, (title, lines) in enumerate(here):
        _column(paper, Box(LEFT + at * width, _TABLE_TOP, width, _ROW), title, lines, rows)
    closing(paper, contents, form.wording.shotoku_attested, seal, place)


def _person(paper: Paper, document: Shotoku) -> None:
    labels = paper.settings.form.labels
    paper.field(Box(LEFT, _PERSON_TOP, WIDTH, 12), 26, labels.address, document.address)
    on_january_1 = document.address_on_january_1
    paper.field(Box(LEFT, _PERSON_TOP + 12, WIDTH, 12), 26, labels.address_on_january_1, on_january_1)
    paper.field(Box(LEFT, _PERSON_TOP + 24, 110, 12), 26, labels.name, document.name)
    birth_date = era_date(document.birth_date, paper.settings.form.eras)
    paper.field(Box(LEFT + 110, _PERSON_TOP + 24, WIDTH - 110, 12), 18, labels.birth_date, birth_date)
    paper.frame(Box(LEFT, _PERSON_TOP, WIDTH, 36), heavy=True)


def _columns(document: Shotoku, form: Form) -> list[tuple[str, list[_Line]]]:
    """Title and lines of each column, each with the mark behind its last line."""
    closed = (form.wording.rest_blank, "")
    return [
        (column.title, [*(line for name in column.lists for line in lines(document, name, form)), closed])
        for column in form.shotoku_columns
    ]


def lines(document: Shotoku, name: TaxList, form: Form) -> list[_Line]:
    """Label and value of each line of one list; △ marks what is below zero."""
    entries: Sequence[Amount | Count] = getattr(document, name)
    return [(entry.label, _figure(entry, form)) for entry in entries]


def _figure(entry: Amount | Count, form: Form) -> str:
    if isinstance(entry, Count):
        return f"{entry.count:,}人"
    if entry.yen is None:
        return form.wording.not_applicable
    return f"△{-entry.yen:,}" if entry.yen < 0 else f"{entry.yen:,}"


def _column(paper: Paper, head: Box, title: str, lines: Sequence[_Line], rows: int) -> None:
    """One column of a sheet, as long as the longest; what it does not use is crossed out."""
    label_width = head.width * _LABEL_SHARE
    paper.frame(head)
    paper.form_label(head, title)
    for at, (label, value) in enumerate(lines, start=1):
        box = Box(head.left, _TABLE_TOP + at * _ROW, head.width, _ROW)
        if not value:
            paper.frame(box)
            paper.form_label(box, label)
            continue
        paper.field(box, label_width, label, value, Align.RIGHT, most_lines=1, lasting=False)
    whole = Box(head.left, _TABLE_TOP, head.width, (rows + 1) * _ROW)
    if len(lines) < rows:
        paper.rule(head.right, _TABLE_TOP + (len(lines) + 1) * _ROW, head.left, whole.bottom)
    paper.frame(whole, heavy=True)
