"""印鑑登録証明書: the registered seal at its true size, and whose it is.

Source: 印鑑登録証明事務処理要領; registered seals lie within a square of 25 mm.
"""

from firmware.documents.bitmap import Bitmap, read_seal
from firmware.documents.contents import Contents, Inkan
from firmware.documents.era import era_date
from firmware.documents.paper import PIXEL_MM, Align, Box, Paper
from firmware.documents.refusals import DocumentRefused, Reason
from firmware.documents.sealed import from_base64url
from firmware.documents.sheet import OMITTED, REST_BLANK, Place, closing, heading

IMPRINT = Box(20.0, 46.0, 66.0, 58.0)
_FIELDS_LEFT = 86.0
_RIGHT = 190.0
_LABEL = 22.0
_ROWS = (12.0, 17.0, 17.0, 12.0)
_LARGEST_IMPRINT_MM = 26.0


def draw(paper: Paper, contents: Contents, document: Inkan, seal: Bitmap | None, place: Place) -> None:
    """The front page. Raises DocumentRefused."""
    heading(paper, "印　鑑　登　録　証　明　書", top=24)
    _imprint(paper, document)
    fields = (
        ("氏名の振り仮名", document.kana or OMITTED),
        ("氏名", document.name),
        ("旧氏・通称", document.alias or OMITTED),
        ("生年月日", era_date(document.birth_date)),
    )
    top = IMPRINT.top
    for height, (label, value) in zip(_ROWS, fields, strict=True):
        paper.field(Box(_FIELDS_LEFT, top, _RIGHT - _FIELDS_LEFT, height), _LABEL, label, value)
        top += height
    paper.field(Box(IMPRINT.left, top, _RIGHT - IMPRINT.left, 18), 16, "住所", document.address)
    paper.field(Box(IMPRINT.left, top + 18, _RIGHT - IMPRINT.left, 14), 16, "備考", OMITTED)
    paper.frame(Box(IMPRINT.left, IMPRINT.top, _RIGHT - IMPRINT.left, top + 32 - IMPRINT.top), heavy=True)
    paper.value(Box(IMPRINT.left, top + 36, _RIGHT - IMPRINT.left, 6), REST_BLANK, Align.CENTRE)
    closing(paper, contents, paper.settings.wording.inkan_attested, seal, place)


def _imprint(paper: Paper, document: Inkan) -> None:
    """The 印影, one pixel of 600 dpi for each of its own, on the printer's own grid."""
    imprint = read_seal(from_base64url(document.seal))
    width, height = imprint.width * PIXEL_MM, imprint.height * PIXEL_MM
    if max(width, height) > _LARGEST_IMPRINT_MM:
        raise DocumentRefused(Reason.IMAGE_INVALID, "larger than a registered seal")
    paper.frame(Box(IMPRINT.left, IMPRINT.top, 16, IMPRINT.height))
    paper.label(Box(IMPRINT.left, IMPRINT.top, 16, IMPRINT.height), "印　影")
    paper.frame(Box(IMPRINT.left + 16, IMPRINT.top, IMPRINT.width - 16, IMPRINT.height))
    left = IMPRINT.left + 16 + (IMPRINT.width - 16 - width) / 2
    top = IMPRINT.top + (IMPRINT.height - height) / 2
    paper.stamp(imprint, Box(_on_grid(left), _on_grid(top), width, height))


def _on_grid(millimetres: float) -> float:
    return round(millimetres / PIXEL_MM) * PIXEL_MM
