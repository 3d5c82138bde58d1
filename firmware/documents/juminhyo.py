"""住民票の写し in the joint form (世帯連記式): four persons a sheet, as many sheets as it takes.

Source: 住民記録システム標準仕様書; the items are those of 住民基本台帳法 第7条 that a terminal may show.
"""

from datetime import date

from firmware.documents.bitmap import Bitmap
from firmware.documents.contents import Contents, Juminhyo, Person
from firmware.documents.era import era_date, western_date
from firmware.documents.form import MY_NUMBER, NEVER_LOST, Form
from firmware.documents.paper import Align, Box, Paper
from firmware.documents.refusals import DocumentRefused, Reason
from firmware.documents.sheet import LEFT, WIDTH, Place, closing, heading

PERSONS_A_SHEET = 4

_HOUSEHOLD_TOP = 20.0
_HOUSEHOLD_ROW = 9.6
_HOUSEHOLD_LABEL = 24.0
_PERSONS_TOP = 40.4
_GAP = 0.8
_NUMBER_WIDTH = 5.0
_DATES = frozenset({"birth_date", "residence_expiry"})


def sheets(document: Juminhyo) -> int:
    return -(-len(document.persons) // PERSONS_A_SHEET)


def draw(paper: Paper, contents: Contents, document: Juminhyo, seal: Bitmap | None, place: Place) -> None:
    """The front page of one sheet. Raises DocumentRefused."""
    wording = paper.settings.form.wording
    _require_room(paper.settings.form, document)
    heading(paper, wording.juminhyo_title, top=8)
    paper.form_label(Box(LEFT, 13.5, WIDTH, 4), wording.juminhyo_subtitle, Align.RIGHT)
    _household(paper, document)
    first = (place.sheet - 1) * PERSONS_A_SHEET
    persons = document.persons[first : first + PERSONS_A_SHEET]
    for at, person in enumerate(persons):
        _person(paper, _top(paper.settings.form, at), first + at + 1, person)
    if len(persons) < PERSONS_A_SHEET:
        _rest(paper, len(persons))
    attested = wording.household_attested if document.whole_household else wording.member_attested
    closing(paper, contents, attested, seal, place)


def shown(person: Person, item: str, form: Form) -> str:
    """What stands in the place of an item: never nothing, so that nothing can be written in."""
    wording = form.wording
    value = getattr(person, item)
    if isinstance(value, date):
        western = item == "residence_expiry" or (item == "birth_date" and person.nationality is not None)
        return western_date(value) if western else era_date(value, form.eras)
    if value:
        return str(value)
    may_be_omitted = item in {"relation", MY_NUMBER} or (
        item in {"domicile", "family_head"} and person.nationality is None
    )
    return wording.omitted if may_be_omitted else wording.not_applicable


def _require_room(form: Form, document: Juminhyo) -> None:
    """Raises DocumentRefused if a person has an item for which this municipality's form has no place."""
    places = {cell.item for row in form.juminhyo_rows for cell in row.cells}
    for item in NEVER_LOST:
        if item not in places and any(getattr(person, item) is not None for person in document.persons):
            raise DocumentRefused(Reason.CONTENTS_INVALID, item)


def _household(paper: Paper, document: Juminhyo) -> None:
    labels, wording = paper.settings.form.labels, paper.settings.form.wording
    rows = ((labels.address, document.address), (labels.head, document.head or wording.omitted))
    for at, (label, value) in enumerate(rows):
        box = Box(LEFT, _HOUSEHOLD_TOP + at * _HOUSEHOLD_ROW, WIDTH, _HOUSEHOLD_ROW)
        paper.field(box, _HOUSEHOLD_LABEL, label, value)
    paper.frame(Box(LEFT, _HOUSEHOLD_TOP, WIDTH, 2 * _HOUSEHOLD_ROW), heavy=True)


def _person(paper: Paper, top: float, number: int, person: Person) -> None:
    """One person's table, as the municipality's form has it."""
    form = paper.settings.form
    height = _height(form)
    numbered = Box(LEFT, top, _NUMBER_WIDTH, height)
    paper.frame(numbered)
    paper.form_label(numbered, str(number))
    row_top = top
    for row in form.juminhyo_rows:
        left = LEFT + _NUMBER_WIDTH
        for cell in row.cells:
            box = Box(left, row_top, cell.width_mm, row.height_mm)
            value = shown(person, cell.item, form)
            most_lines = 1 if cell.item in _DATES else 9
            paper.field(box, cell.label_mm, getattr(form.labels, cell.item), value, most_lines=most_lines)
            left += cell.width_mm
        row_top += row.height_mm
    paper.frame(Box(LEFT, top, WIDTH, height), heavy=True)


def _rest(paper: Paper, used: int) -> None:
    """Close the room of persons who are not there, so that nobody can be written in."""
    form = paper.settings.form
    top = _top(form, used)
    bottom = _top(form, PERSONS_A_SHEET - 1) + _height(form)
    paper.frame(Box(LEFT, top, WIDTH, bottom - top))
    paper.value(Box(LEFT, top + 2, WIDTH, 6), f"＊＊＊　{form.wording.rest_blank}　＊＊＊", Align.CENTRE)
    paper.rule(LEFT + WIDTH, top + 10, LEFT, bottom)


def _top(form: Form, at: int) -> float:
    return _PERSONS_TOP + at * (_height(form) + _GAP)


def _height(form: Form) -> float:
    return sum(row.height_mm for row in form.juminhyo_rows)
