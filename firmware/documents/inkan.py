"""印鑑登録証明書: the registered seal at its true size, and whose it is.

Source: 印鑑登録証明事務処理要領; registered seals lie within a square of 25 mm.
"""

from firmware.documents.bitmap import Bitmap, read_seal
from firmware.documents.contents import Contents, Inkan
from firmware.documents.era import era_date
from firmware.documents.paper import PIXEL_MM, Align, Box, Paper
from firmware.documents.refusals import DocumentRefused, Reason
from firmware.documents.sealed import from_base64url
from firmware.documents.sheet import Place, closing, heading

IMPRINT = Box(20.0, 46.0, 66.0, 58.0)
IMPRINT_CELL = Box(37.0, 47.0, 48.0, 56.0)
"""Within the frame at the right of its label: nothing but the 印影 is in it."""

_FIELDS_LEFT = 86.0
_RIGHT = 190.0
_LABEL = 22.0
_ROWS = (9.0, 14.0, 8.5, 9.0, 8.5, 9.0)
_LARGEST_IMPRINT_MM = 26.0


def draw(paper: Paper, contents: Contents, document: Inkan, seal: Bitmap | None, place: Place) -> None:
    """The front page. Raises DocumentRefused."""
    labels, wording = paper.settings.form.labels, paper.settings.form.wording
    heading(paper, wording.inkan_title, top=24)
    _imprint(paper, document)
    fields = (
        (labels.kana, document.kana or wording.not_applicable),
        (labels.name, document.name),
        (labels.inkan_former_name, document.former_name or wording.not_applicable),
        (labels.inkan_alias, document.alias or wording.not_applicable),
        (labels.inkan_katakana_name, document.katakana_name or wording.not_applicable),
        (labels.birth_date, era_date(document.birth_date, paper.settings.form.eras)),
    )
    top = IMPRINT.top
    for height, (label, value) in zip(_ROWS, fields, strict=True):
        paper.field(Box(_FIELDS_LEFT, top, _RIGHT - _FIELDS_LEFT, height), _LABEL, label, value)
        top += height
    width = _RIGHT - IMPRINT.left
    paper.field(Box(IMPRINT.left, top, width, 18), 16, labels.address, document.address)
    paper.field(Box(IMPRINT.left, top + 18, width, 14), 16, labels.remarks, wording.not_applicable)
    paper.frame(Box(IMPRINT.left, IMPRINT.top, width, top + 32 - IMPRINT.top), heavy=True)
    paper.value(Box(IMPRINT.left, top + 36, width, 6), wording.rest_blank, Align.CENTRE)
    closing(paper, contents, wording.inkan_attested, seal, place)


def _imprint(paper: Paper, document: Inkan) -> None:
    """The 印影, one pixel of 600 dpi for each of its own, on the printer's own grid."""
    imprint = read_seal(from_base64url(document.seal))
    width, height = imprint.width * PIXEL_MM, imprint.height * PIXEL_MM
    if max(width, height) > _LARGEST_IMPRINT_MM:
        raise DocumentRefused(Reason.IMAGE_INVALID, "larger than a registered seal")
    paper.frame(Box(IMPRINT.left, IMPRINT.top, 16, IMPRINT.height))
    paper.form_label(Box(IMPRINT.left, IMPRINT.top, 16, IMPRINT.height), paper.settings.form.labels.imprint)
    paper.frame(Box(IMPRINT.left + 16, IMPRINT.top, IMPRINT.width - 16, IMPRINT.height))
    left = IMPRINT.left + 16 + (IMPRINT.width - 16 - width) / 2
    top = IMPRINT.top + (IMPRINT.height - height) / 2
    paper.stamp(imprint, Box(_on_grid(left), _on_grid(top), width, height))


def _on_grid(millimetres: float) -> float:
    return round(millimetres / PIXEL_MM) * PIXEL_MM
