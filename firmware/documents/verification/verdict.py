"""What to think of a certificate: genuine, altered, unreadable, undecided. 真正・改ざん・読取不能・未確定

A verdict of genuine is given only for a good signature and a front that was laid over what it must say;
a good back alone is a verdict of its own, for its front may be forged. Damage never makes one of altered.
"""

import enum
from collections.abc import Iterable
from dataclasses import dataclass, replace

import cv2
import numpy as np
import pypdfium2
from numpy.typing import NDArray

from firmware.documents.bitmap import Bitmap, read_seal
from firmware.documents.certificate import render_front
from firmware.documents.refusals import DocumentRefused
from firmware.documents.scramble import reader
from firmware.documents.scramble.errors import NoImage, NotGenuine, Sentence, Unreadable
from firmware.documents.scramble.keys import Keys
from firmware.documents.scramble.sheet import (
    LAYOUT,
    OpenedSheet,
    Sheet,
    check,
    front_secret,
    open_sheet,
    set_faults,
)
from firmware.documents.settings import DocumentSettings
from firmware.documents.verification.compare import DPI, Comparison, Difference, compare
from firmware.documents.verification.copy_score import copy_score
from firmware.documents.verification.scans import Picture, rasterised

_SEAL_PLACE = Difference(160.0, 253.0, 32.0, 30.0)
_CODE_PLACE = Difference(14.0, 6.0, 15.0, 15.0)
_MICROTEXT_PLACE = Difference(13.0, 290.6, 184.0, 3.0)
_CORNER, _CORNER_PIXELS = 0.35, (1200, 620)


_NO_IMAGE = Sentence(
    "スクランブル画像が見つかりません。うら面全体を300dpi以上で読み取ってください。",
    "no scramble image found",
)
_NO_PICTURE = Sentence("画像がありません。", "no picture")
_CLOSED = Sentence(
    "おもて面の内容を開く鍵もコードもありません。おもて面も一緒に読み取ってください。",
    "no key and no code of a front opens what the front must say",
)
_FRONT_UNREAD = Sentence(
    "うら面は真正です。おもて面は読み取られていません。おもて面も一緒に読み取ってください。",
    "the back is genuine; its front was not read and may say anything: scan it, too",
)
_NO_FRONT = Sentence(
    "うら面でも、この証明書のおもて面でもありません。",
    "neither a scramble image nor the front of one of these sheets",
)


class Verdict(enum.Enum):
    """The worst that was found decides, in this order."""

    ALTERED = "altered"  # 改ざん: a forged or foreign code, or sheets that do not belong together
    UNREADABLE = "unreadable"  # 読取不能: nothing can be said of a sheet
    UNDECIDED = "undecided"  # 未確定: no fault found, but a sheet is missing, closed, or its front differs
    BACK_ONLY = "back_only"  # うら面のみ真正: nothing is wrong, but a front was not read
    GENUINE = "genuine"  # 真正: every sheet is there, both its sides, and the municipality made it so


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that keeps a certificate from being genuine; picture: where, or None for the whole."""

    verdict: Verdict
    words: Sentence
    picture: str | None = None


@dataclass(frozen=True, slots=True)
class SheetReport:
    """One genuine back. lines and drawn: what its front must say; None while it is closed.

    with_seal: the city's seal stands in drawn; compared: the scanned front that was found for it.
    copy_score: see that module.
    """

    sheet: Sheet
    picture: str
    lines: tuple[str, ...] | None = None
    drawn: NDArray[np.uint8] | None = None
    with_seal: bool = False
    compared: Comparison | None = None
    copy_score: float | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """sheets: genuine ones in their order."""

    findings: tuple[Finding, ...]
    sheets: tuple[SheetReport, ...]

    @property
    def verdict(self) -> Verdict:
        found = {finding.verdict for finding in self.findings}
        return next((each for each in Verdict if each in found), Verdict.GENUINE)


def judge(
    pictures: Iterable[Picture], keys: Keys, settings: DocumentSettings, secret: bytes | None = None
) -> Report:
    """The verdict on the sheets in these pictures, fronts and backs in any order.

    settings: by which a front is drawn again, with the forms of its issuer where the keys say them.
    secret: of the front's small code, where no picture shows it. Raises ScanInvalid from the pictures.
    """
    findings: list[Finding] = []
    backs: list[tuple[Picture, Sheet]] = []
    scores: dict[str, float | None] = {}
    fronts: list[Picture] = []
    for picture in pictures:
        try:
            found = reader.find(picture.grey)
            sheet = check(found.body, keys)
            scores[picture.name] = copy_score(picture.grey, found.placement, sheet, keys)
            backs.append((picture, sheet))
        except NoImage:
            fronts.append(picture)
        except Unreadable as fault:
            findings.append(Finding(Verdict.UNREADABLE, fault.sentence, picture.name))
        except NotGenuine as fault:
            findings.append(Finding(Verdict.ALTERED, fault.sentence, picture.name))
    if not backs:
        findings += [Finding(Verdict.UNREADABLE, _NO_IMAGE, front.name) for front in fronts]
        if not findings:
            findings.append(Finding(Verdict.UNREADABLE, _NO_PICTURE))
        return Report(tuple(findings), ())
    faults, missing = set_faults([sheet for _, sheet in backs])
    findings += [Finding(Verdict.ALTERED, fault) for fault in faults]
    findings += [Finding(Verdict.UNDECIDED, _missing(number)) for number in missing]
    secrets = [each for each in (secret, *map(_secret_on, fronts)) if each is not None]
    reports = []
    for picture, sheet in sorted(backs, key=lambda each: each[1].claims.sheet):
        report, faulty = _look_into(picture, sheet, keys, settings, secrets)
        findings += faulty
        reports.append(replace(report, copy_score=scores[picture.name]))
    compared, unknown = _with_fronts(reports, fronts)
    unread = [
        Finding(Verdict.BACK_ONLY, _FRONT_UNREAD, each.picture)
        for each in compared
        if each.drawn is not None and each.compared is None
    ]
    return Report((*findings, *unknown, *unread), tuple(compared))


def _missing(number: int) -> Sentence:
    return Sentence(f"{number}枚目がありません。", f"sheet {number} is missing")


def _look_into(
    picture: Picture, sheet: Sheet, keys: Keys, settings: DocumentSettings, secrets: list[bytes]
) -> tuple[SheetReport, list[Finding]]:
    closed = SheetReport(sheet, picture.name)
    try:
        opened = _opened(sheet, keys, secrets)
        if opened is None:
            return closed, [Finding(Verdict.UNDECIDED, _CLOSED, picture.name)]
        if opened.front.layout != LAYOUT:
            layout = opened.front.layout
            words = Sentence(
                f"様式{layout}の証明書を、この版では描けません。", f"printed form {layout} is not known here"
            )
            return closed, [Finding(Verdict.UNDECIDED, words, picture.name)]
        seal = _seal(opened, keys)
        form = keys.forms.get(sheet.claims.issuer, settings.form)
        certificate = render_front(opened.opened, seal, replace(settings, form=form), opened.place)
    except NotGenuine as fault:
        return closed, [Finding(Verdict.ALTERED, fault.sentence, picture.name)]
    except DocumentRefused as fault:
        words = Sentence(
            f"おもて面に書かれているべき内容を描けません（{fault.reason.value}）。",
            f"what the front must say cannot be drawn: {fault.reason.value}",
        )
        return closed, [Finding(Verdict.UNDECIDED, words, picture.name)]
    drawn = _first_page(certificate.pdf)
    return SheetReport(sheet, picture.name, certificate.lines[0], drawn, seal is not None), []


def _opened(sheet: Sheet, keys: Keys, secrets: list[bytes]) -> OpenedSheet | None:
    """By the municipality's key or a front's secret. Raises NotGenuine for another certificate's secret."""
    opened = open_sheet(sheet, keys)
    for secret in secrets:
        by_front = open_sheet(sheet, replace(keys, opening={}), secret)
        opened = opened or by_front
    return opened


def _seal(opened: OpenedSheet, keys: Keys) -> Bitmap | None:
    """The city's seal of that day, if the key file has it."""
    png = keys.seals.get(opened.front.city_seal)
    return None if png is None else read_seal(png)


def _first_page(pdf: bytes) -> NDArray[np.uint8]:
    with pypdfium2.PdfDocument(pdf) as document:
        return rasterised(document[0], DPI)


def _secret_on(front: Picture) -> bytes | None:
    """The secret of the small code on a front, which is near a corner of the page, if it can be read."""
    height, width = (round(_CORNER * side) for side in front.grey.shape)
    detector = cv2.QRCodeDetector()
    for long_side in _CORNER_PIXELS:
        for rows in (slice(None, height), slice(-height, None)):
            for columns in (slice(None, width), slice(-width, None)):
                corner = np.ascontiguousarray(front.grey[rows, columns])
                factor = long_side / max(corner.shape)
                size = (max(1, round(corner.shape[1] * factor)), max(1, round(corner.shape[0] * factor)))
                scaled = cv2.resize(corner, size, interpolation=cv2.INTER_AREA)
                # One code in some three hundred is read in black and white alone.
                _, sharp = cv2.threshold(scaled, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
                for picture in (scaled, sharp):
                    text, *_ = detector.detectAndDecode(picture)
                    if (secret := front_secret(text)) is not None:
                        return secret
    return None


def _with_fronts(
    reports: list[SheetReport], fronts: list[Picture]
) -> tuple[list[SheetReport], list[Finding]]:
    """Every front beside the sheet it shows most of; findings for what differs or belongs to no sheet."""
    findings = []
    for front in fronts:
        likest: tuple[int, int, Comparison] | None = None
        for at, report in enumerate(reports):
            comparison = _beside(front, report)
            if comparison is not None and (likest is None or len(comparison.differences) < likest[0]):
                likest = (len(comparison.differences), at, comparison)
        if likest is None:
            if any(report.drawn is not None for report in reports):
                findings.append(Finding(Verdict.UNREADABLE, _NO_FRONT, front.name))
            continue
        count, at, comparison = likest
        reports[at] = replace(reports[at], compared=comparison)
        if count:
            words = Sentence(
                f"おもて面に、市区町村が署名した内容と違うところが{count}か所あります。"
                "並べた画像の赤枠をご覧ください（印刷のかすれや汚れも枠に入ります）。",
                f"the front differs in {count} places from what the municipality signed; see the picture, "
                "where worn toner and stains are marked, too",
            )
            findings.append(Finding(Verdict.UNDECIDED, words, front.name))
    return reports, findings


def _beside(front: Picture, report: SheetReport) -> Comparison | None:
    if report.drawn is None:
        return None
    ignored = (_CODE_PLACE, _MICROTEXT_PLACE, *(() if report.with_seal else (_SEAL_PLACE,)))
    return compare(front.grey, report.drawn, ignored)
