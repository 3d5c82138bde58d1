"""Each printed form drawn once without anybody's data: whether its words fit, and fonts made ready by it.

What a form needs is found here, when the worker starts or the configuration is checked, and not in a visit.
"""

import base64
import io
from datetime import date

import msgspec
from PIL import Image

from firmware.core.terms import CertificateKind
from firmware.documents.certificate import render_front
from firmware.documents.contents import (
    Amount,
    Contents,
    Document,
    Inkan,
    IssuingMunicipality,
    Juminhyo,
    Person,
    Shotoku,
)
from firmware.documents.fonts import chain
from firmware.documents.juminhyo import PERSONS_A_SHEET
from firmware.documents.refusals import DocumentRefused
from firmware.documents.sealed import Opened
from firmware.documents.settings import DocumentSettings
from firmware.documents.sheet import Place
from firmware.errors import ConfigError

_WORD = "見本"
_DAY = date(2026, 1, 1)


def check_forms(settings: DocumentSettings) -> None:
    """Raises ConfigError for a font that is none, and for words of a form that do not fit their places."""
    for kind, document, sheets in _documents():
        try:
            for sheet in range(1, sheets + 1):
                render_front(_opened(kind, document), None, settings, Place(sheet, sheets))
        except DocumentRefused as refused:
            raise ConfigError(
                f"certificates: the form of {kind.value} cannot be drawn: {refused}"
            ) from refused
    for era in settings.form.eras:
        try:
            chain(settings.value_fonts, settings.gaiji_fonts).width(era.name)
        except DocumentRefused as refused:
            raise ConfigError(f"certificates: eras: {era.begins} cannot be drawn: {refused}") from refused


def _documents() -> list[tuple[CertificateKind, Document, int]]:
    """Each form, and how many sheets it takes."""
    amounts = (Amount(label=_WORD, yen=0),)
    return [
        (CertificateKind.JUMINHYO, _record(PERSONS_A_SHEET + 1, whole_household=True), 2),
        (CertificateKind.JUMINHYO, _record(1, whole_household=False), 1),
        (
            CertificateKind.INKAN,
            Inkan(name=_WORD, kana=None, alias=None, birth_date=_DAY, address=_WORD, seal=_seal()),
            1,
        ),
        (
            CertificateKind.SHOTOKU,
            Shotoku(
                fiscal_year=_DAY.year,
                income_year=_DAY.year - 1,
                name=_WORD,
                birth_date=_DAY,
                address=_WORD,
                address_on_january_1=_WORD,
                income=amounts,
                deductions=amounts,
                tax=amounts,
                dependants=(),
            ),
            1,
        ),
    ]


def _record(persons: int, *, whole_household: bool) -> Juminhyo:
    fields = dict.fromkeys(Person.__struct_fields__)
    person = msgspec.convert(fields | {"name": _WORD, "kana": _WORD, "birth_date": _DAY, "sex": "男"}, Person)
    return Juminhyo(address=_WORD, head=None, whole_household=whole_household, persons=(person,) * persons)


def _opened(kind: CertificateKind, document: Document) -> Opened:
    contents = Contents(
        v=1,
        order_id=_WORD,
        session_id=_WORD,
        kiosk=_WORD,
        person_ref=_WORD,
        kind=kind,
        copies=1,
        number=_WORD,
        issued_on=_DAY,
        municipality=IssuingMunicipality(name=_WORD, prefecture=_WORD, mayor=_WORD),
        document=msgspec.Raw(),
        protection=None,
    )
    return Opened(contents, document)


def _seal() -> str:
    """The smallest picture that has ink and paper."""
    picture = Image.new("1", (8, 8), 1)
    picture.putpixel((4, 4), 0)
    file = io.BytesIO()
    picture.save(file, "PNG")
    return base64.urlsafe_b64encode(file.getvalue()).decode("ascii").rstrip("=")
