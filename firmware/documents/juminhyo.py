"""住民票の写し in the joint form (世帯連記式): four persons a sheet, as many sheets as it takes.

Source: 住民記録システム標準仕様書; the items are those of 住民基本台帳法 第7条 that a terminal may show.
"""

from datetime import date

from firmware.documents.bitmap import Bitmap
from firmware.documents.contents import Contents, Juminhyo, Person
from firmware.documents.era import era_date, western_date
from firmware.documents.paper import Align, Box, Paper
from firmware.documents.sheet import LEFT, OMITTED, REST_BLANK, WIDTH, Place, closing, heading

PERSONS_A_SHEET = 4

_HOUSEHOLD_TOP = 21.0
_HOUSEHOLD_ROW = 10.5
_PERSONS_TOP = 43.4
_ROWS = (6.4, 8.6, 6.2, 6.2, 8.4, 8.4, 6.6)
_PERSON_HEIGHT = sum(_ROWS)
_PERSON_PITCH = _PERSON_HEIGHT + 0.8
_NUMBER_WIDTH = 5.0
_LABEL = 18.0


def sheets(document: Juminhyo) -> int:
    return -(-len(document.persons) // PERSONS_A_SHEET)


def draw(paper: Paper, contents: Contents, document: Juminhyo, seal: Bitmap | None, place: Place) -> None:
    """The front page of one sheet. Raises DocumentRefused."""
    wording = paper.settings.wording
    heading(paper, "住　民　票", top=8)
    paper.label(Box(LEFT, 14.5, WIDTH, 4), "（世帯連記式）", Align.RIGHT)
    _household(paper, document)
    first = (place.sheet - 1) * PERSONS_A_SHEET
    persons = document.persons[first : first + PERSONS_A_SHEET]
    for at, person in enumerate(persons):
        _person(paper, _PERSONS_TOP + at * _PERSON_PITCH, first + at + 1, person)
    if len(persons) < PERSONS_A_SHEET:
        _rest(paper, len(persons))
    attested = wording.household_attested if document.whole_household else wording.member_attested
    closing(paper, contents, attested, seal, place)


def _household(paper: Paper, document: Juminhyo) -> None:
    rows = (("住所", document.address), ("世帯主", _optional(document.head)))
    for at, (label, value) in enumerate(rows):
        paper.field(
            Box(LEFT, _HOUSEHOLD_TOP + at * _HOUSEHOLD_ROW, WIDTH, _HOUSEHOLD_ROW), _LABEL, label, value
        )
    paper.frame(Box(LEFT, _HOUSEHOLD_TOP, WIDTH, 2 * _HOUSEHOLD_ROW), heavy=True)


def _person(paper: Paper, top: float, number: int, person: Person) -> None:
    """One block; columns in millimetres from the page's left edge, rows from _ROWS."""
    tops = [top + sum(_ROWS[:at]) for at in range(len(_ROWS))]
    numbered = Box(LEFT, top, _NUMBER_WIDTH, _PERSON_HEIGHT)
    paper.frame(numbered)
    paper.label(numbered, str(number))
    born = era_date(person.birth_date) if person.nationality is None else western_date(person.birth_date)
    previous = paper.settings.wording.previous_address

    def field(
        row: int, columns: tuple[float, float], label_width: float, label: str, value: str | None
    ) -> None:
        left, right = columns
        box = Box(left, tops[row], right - left, _ROWS[row])
        paper.field(box, label_width, label, value or "")

    field(0, (20, 131), _LABEL, "氏名の振り仮名", person.kana)
    field(0, (131, 195), 14, "個人番号", OMITTED)
    field(1, (20, 131), _LABEL, "氏名", person.name)
    field(1, (131, 195), 14, "通称", person.alias)
    field(2, (20, 77), _LABEL, "生年月日", born)
    field(2, (77, 95), 8, "性別", person.sex)
    field(2, (95, 131), 8, "続柄", _optional(person.relation))
    field(2, (131, 195), 21, "住民となった年月日", _when(person.resident_since))
    field(3, (20, 77), _LABEL, "住所を定めた年月日", _when(person.address_since))
    field(3, (77, 131), 13, "届出日", _when(person.notified_on))
    field(3, (131, 195), 14, "旧氏", person.former_name)
    field(4, (20, 195), _LABEL, previous, person.previous_address)
    field(5, (20, 144), _LABEL, "本籍", _optional(person.domicile))
    field(5, (144, 195), 12, "筆頭者", _optional(person.family_head))
    field(6, (20, 64), _LABEL, "国籍・地域", person.nationality)
    field(6, (64, 102), 14, "第30条の45規定区分", person.article_30_45)
    field(6, (102, 137), 11, "在留資格", person.residence_status)
    field(6, (137, 160), 11, "在留期間等", person.residence_period)
    expiry = "" if person.residence_expiry is None else western_date(person.residence_expiry)
    paper.field(Box(160, tops[6], 35, _ROWS[6]), 8, "満了日", expiry, most_lines=1)
    paper.frame(Box(LEFT, top, WIDTH, _PERSON_HEIGHT), heavy=True)


def _rest(paper: Paper, used: int) -> None:
    """Close the room of persons who are not there, so that nobody can be written in."""
    top = _PERSONS_TOP + used * _PERSON_PITCH
    bottom = _PERSONS_TOP + (PERSONS_A_SHEET - 1) * _PERSON_PITCH + _PERSON_HEIGHT
    paper.frame(Box(LEFT, top, WIDTH, bottom - top))
    paper.value(Box(LEFT, top + 2, WIDTH, 6), f"＊＊＊　{REST_BLANK}　＊＊＊", Align.CENTRE)
    paper.rule(LEFT + WIDTH, top + 10, LEFT, bottom)


def _optional(value: str | None) -> str:
    """An item that the applicant may leave out."""
    return OMITTED if value is None else value


def _when(day: date | None) -> str:
    return "" if day is None else era_date(day)
