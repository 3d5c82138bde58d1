"""R14: a field of as many characters as allowed fits its place, whatever characters these are."""

import io
from itertools import cycle, islice
from typing import Any

import pytest
from pypdf import PdfReader

from firmware.documents.certificate import render_front
from firmware.documents.limits import check_limits
from firmware.documents.order_check import require_order
from firmware.documents.settings import DocumentSettings
from firmware.documents.sheet import Place
from tests.pages import samples

SETTINGS = DocumentSettings(limits=samples.R14_LIMITS)
HOUSEHOLD = {"address", "head"}
PATTERNS = {
    "kanji": "鬱",
    "letters as wide as can be": "W",
    "letters with marks": "Ễ",
    "words of letters": ["M"] * 11 + [" "],
    "marks that begin no line": "ー",
    "brackets that end no line": "（",
    "brackets in turn": "「」",
    "variants": ["邊\U000e0109"],
    "kanji beyond the basic plane": "𠮷",
    "spaces between": "鬱　",
}


def filled(pattern: str) -> dict[str, str]:
    return {
        field: "".join(islice(cycle(PATTERNS[pattern]), most)) for field, most in samples.R14_LIMITS.items()
    }


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_field_is_printed_whole_whatever_it_is_made_of(pattern: str) -> None:
    fields = filled(pattern)
    person = samples.person(**{field: text for field, text in fields.items() if field not in HOUSEHOLD})
    others = {field: fields[field] for field in ("name", "address")}
    documents: list[tuple[str, dict[str, Any]]] = [
        ("juminhyo", samples.juminhyo([person] * 4, **{field: fields[field] for field in HOUSEHOLD})),
        ("inkan", samples.inkan(alias=fields["alias"], **others)),
        ("shotoku", samples.shotoku(address_on_january_1=fields["address"], **others)),
    ]
    for kind, document in documents:
        opened = samples.opened(kind, document)
        check_limits(opened.document, SETTINGS.limits)
        made = render_front(opened, samples.city_seal(), SETTINGS, Place(1, 1))
        [page] = PdfReader(io.BytesIO(made.pdf)).pages
        require_order(["".join(page.extract_text().split())], opened, SETTINGS.form)
