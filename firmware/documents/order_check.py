"""Whether the finished pages say what was ordered: their text against the municipality's data.

The layout is not asked what it drew. What stands in the data must be read on the page of the right sheet, in
the order of the form and each value behind its own label: a field that a layout forgot, cut, or put in the
place of another is found before the money.
"""

from collections.abc import Iterator, Sequence
from datetime import date

from firmware.documents import juminhyo, shotoku
from firmware.documents.contents import Inkan, Juminhyo, Shotoku
from firmware.documents.era import era_date, era_year
from firmware.documents.form import Form
from firmware.documents.refusals import DocumentRefused, Reason
from firmware.documents.sealed import Opened


def require_order(fronts: Sequence[str], opened: Opened, form: Form) -> None:
    """Raises DocumentRefused: PROOF_FAILED. fronts: text of one copy's front pages, without white space."""
    for at, front in enumerate(fronts):
        read = 0
        for words in _said(opened, form, at, len(fronts)):
            bare = "".join(words.split())
            found = front.find(bare, read)
            if found < 0:
                raise DocumentRefused(Reason.PROOF_FAILED, "a page does not say what was ordered")
            read = found + len(bare)
    if len(fronts) != _sheets(opened, form):
        raise DocumentRefused(Reason.PROOF_FAILED, "sheets")


def _sheets(opened: Opened, form: Form) -> int:
    match opened.document:
        case Juminhyo(persons=persons):
            return -(-len(persons) // juminhyo.PERSONS_A_SHEET)
        case Shotoku() as document:
            return shotoku.sheets(document, form)
        case _:
            return 1


def _said(opened: Opened, form: Form, sheet: int, sheets: int) -> Iterator[str]:
    """What one front must say, from top to bottom."""
    contents, wording = opened.contents, form.wording
    match opened.document:
        case Juminhyo() as document:
            yield from _record(document, form, sheet)
            yield wording.household_attested if document.whole_household else wording.member_attested
        case Inkan() as document:
            yield from _seal_certificate(document, form)
            yield wording.inkan_attested
        case Shotoku() as document:
            yield from _tax_certificate(document, form, sheet)
            yield wording.shotoku_attested
    yield era_date(contents.issued_on, form.eras)
    yield contents.municipality.mayor
    yield f"発行番号{contents.number}{sheet + 1}／{sheets}"


def _record(document: Juminhyo, form: Form, sheet: int) -> Iterator[str]:
    labels, wording = form.labels, form.wording
    yield wording.juminhyo_title
    yield labels.address + document.address
    yield labels.head + (document.head or wording.omitted)
    first = sheet * juminhyo.PERSONS_A_SHEET
    for number, person in enumerate(
        document.persons[first : first + juminhyo.PERSONS_A_SHEET], start=first + 1
    ):
        yield str(number)
        for row in form.juminhyo_rows:
            for cell in row.cells:
                yield getattr(labels, cell.item) + juminhyo.shown(person, cell.item, form)


def _seal_certificate(document: Inkan, form: Form) -> Iterator[str]:
    labels, wording = form.labels, form.wording
    yield wording.inkan_title
    yield labels.kana + (document.kana or wording.not_applicable)
    yield labels.name + document.name
    yield labels.inkan_former_name + (document.former_name or wording.not_applicable)
    yield labels.inkan_alias + (document.alias or wording.not_applicable)
    yield labels.inkan_katakana_name + (document.katakana_name or wording.not_applicable)
    yield labels.birth_date + era_date(document.birth_date, form.eras)
    yield labels.address + document.address


def _tax_certificate(document: Shotoku, form: Form, sheet: int) -> Iterator[str]:
    labels = form.labels
    yield f"{era_year(date(document.fiscal_year, 4, 1), form.eras)}度{form.wording.shotoku_title}"
    first_day, last_day = (
        era_date(date(document.income_year, *day), form.eras) for day in ((1, 1), (12, 31))
    )
    yield f"（{first_day}から{last_day}までの所得）"
    yield labels.address + document.address
    yield labels.address_on_january_1 + document.address_on_january_1
    yield labels.name + document.name
    yield labels.birth_date + era_date(document.birth_date, form.eras)
    first = sheet * shotoku.ROWS_A_SHEET
    for column in form.shotoku_columns:
        yield column.title
        lines = [line for name in column.lists for line in shotoku.lines(document, name, form)]
        yield from (label + value for label, value in lines[first : first + shotoku.ROWS_A_SHEET])
