"""What every certificate has in common: heading, attestation, seal, issue number."""

from dataclasses import dataclass

from firmware.core.terms import CertificateKind
from firmware.documents.bitmap import Bitmap
from firmware.documents.contents import Contents
from firmware.documents.era import era_date
from firmware.documents.paper import Align, Box, Paper

LEFT = 15.0
WIDTH = 180.0
"""Left edge and width of the printed form, in millimetres."""

BODY_TOP = 23.0
BODY_BOTTOM = 250.0

TITLES = {
    CertificateKind.JUMINHYO: "住民票の写し",
    CertificateKind.INKAN: "印鑑登録証明書",
    CertificateKind.SHOTOKU: "所得課税証明書",
}

SEAL_PLACE = Box(163.0, 255.0, 26.0, 26.0)


@dataclass(frozen=True, slots=True)
class Place:
    """One sheet of one certificate: its number and how many there are."""

    sheet: int
    sheets: int

    def __str__(self) -> str:
        return f"{self.sheet}／{self.sheets}"


def heading(paper: Paper, title: str, *, top: float = 10.0) -> None:
    paper.value(Box(LEFT, top, WIDTH, 10), title, Align.CENTRE, largest_points=20)


def closing(paper: Paper, contents: Contents, attested: str, seal: Bitmap | None, place: Place) -> None:
    """The lower end of a front page: attestation, date, mayor, the seal or its empty place, and numbers."""
    wording = paper.settings.form.wording
    paper.value(Box(LEFT + 6, 252, 140, 7), attested, largest_points=11)
    issued_on = era_date(contents.issued_on, paper.settings.form.eras)
    paper.value(Box(LEFT + 12, 260, 60, 6), issued_on, largest_points=11)
    paper.value(Box(70, 267, 92, 9), contents.municipality.mayor, Align.RIGHT, largest_points=14)
    if seal is not None:
        _city_seal(paper, seal)
    paper.label(Box(LEFT, 282.5, 80, 4), f"発行番号　{contents.number}", Align.LEFT)
    paper.label(Box(95, 282.5, 20, 4), str(place))
    paper.form_label(Box(SEAL_PLACE.left - 7, 282.5, 40, 4), wording.seal_note)
    paper.form_label(
        Box(LEFT, 286.5, WIDTH, 3.5), wording.issue_note + wording.unstapled_note, Align.LEFT, points=6
    )


def _city_seal(paper: Paper, seal: Bitmap) -> None:
    """The 公印 in the middle of its place, its longer side as long as the rules of the city say."""
    millimetres = paper.settings.form.city_seal_mm / max(seal.width, seal.height)
    width, height = seal.width * millimetres, seal.height * millimetres
    paper.stamp(
        seal,
        Box(
            SEAL_PLACE.left + (SEAL_PLACE.width - width) / 2,
            SEAL_PLACE.top + (SEAL_PLACE.height - height) / 2,
            width,
            height,
        ),
    )
