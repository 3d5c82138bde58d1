"""The command `madoguchi verify`: what it says, what it writes and how it ends."""

import base64
import enum
import io
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from firmware.documents.scramble.keys import load_keys
from firmware.documents.scramble.sheet import front_secret
from firmware.documents.settings import DocumentSettings
from firmware.documents.verification.scans import pictures
from firmware.documents.verification.verdict import Report, SheetReport, Verdict, judge
from firmware.errors import ConfigError


class Status(enum.IntEnum):
    """Exit statuses. A file that is no scan ends with EX_DATAERR (65), a bad key file with EX_CONFIG (78)."""

    GENUINE = 0
    ALTERED = 1
    UNREADABLE = 3
    UNDECIDED = 4
    BACK_ONLY = 5


EXIT_SCAN = 65  # EX_DATAERR of sysexits.h

_HEADLINES = {
    Verdict.GENUINE: (
        "GENUINE 真正: 市区町村が署名したとおりの内容です。 / "
        "what the front must say is what the municipality signed"
    ),
    Verdict.ALTERED: "ALTERED 改ざん: 発行したときのままではありません。 / not as the municipality made it",
    Verdict.UNREADABLE: (
        "UNREADABLE 読取不能: 判定できません。300dpiで読み取り直してください。 / "
        "nothing can be said; scan again with 300 dpi"
    ),
    Verdict.UNDECIDED: (
        "UNDECIDED 未確定: 読み取れた部分は真正ですが、すべては確認できていません。 / "
        "what was read is genuine, but not all could be checked"
    ),
    Verdict.BACK_ONLY: (
        "BACK ONLY うら面のみ: うら面は真正です・おもて面は読み取られていません。 / "
        "the back is genuine, the front was not read"
    ),
}
_SHORT = {
    Verdict.GENUINE: "真正",
    Verdict.ALTERED: "改ざん",
    Verdict.UNREADABLE: "読取不能",
    Verdict.UNDECIDED: "未確定",
    Verdict.BACK_ONLY: "うら面のみ",
}
_PICTURES = {"drawn": "drawn おもて面の内容", "compared": "compared 並べた画像"}


@dataclass(frozen=True, slots=True)
class Told:
    """What the command prints, and its exit status."""

    text: str
    status: Status


def verify(
    scans: list[Path],
    *,
    public: list[Path],
    opening: list[Path],
    code: str | None,
    out: Path | None,
    as_json: bool,
    with_pictures: bool = False,
) -> Told:
    """Judge the certificate in these scans, offline.

    out: folder for the pictures of the fronts, which show a person's data and are for their owner only.
    with_pictures: the same pictures within the JSON, as base64 of PNG.
    Raises ConfigError for a key file, code or folder; ScanInvalid for a scan.
    """
    secret = None
    if code is not None and (secret := front_secret(code)) is None:
        raise ConfigError("--code: not the text of a front's code, which begins with MSF1-")
    keys = load_keys(public, opening)
    found = (picture for scan in scans for picture in pictures(scan))
    report = judge(found, keys, DocumentSettings(), secret)
    written = _write(report, out) if out is not None else {}
    facts = _facts(report, written)
    if with_pictures:
        for sheet, each in zip(facts["sheets"], report.sheets, strict=True):
            sheet.update(_inline(each))
    text = json.dumps(facts, ensure_ascii=False, indent=2) if as_json else _words(facts)
    return Told(text, Status[report.verdict.name])


def _facts(report: Report, written: dict[int, dict[str, str]]) -> dict[str, Any]:
    return {
        "verdict": report.verdict.value,
        "findings": [
            {
                "verdict": each.verdict.value,
                "picture": each.picture,
                "words": each.words.en,
                "words_ja": each.words.ja,
            }
            for each in report.findings
        ],
        "sheets": [_sheet(each) | written.get(at, {}) for at, each in enumerate(report.sheets)],
    }


def _sheet(report: SheetReport) -> dict[str, Any]:
    claims = report.sheet.claims
    return {
        "picture": report.picture,
        "sheet": claims.sheet,
        "sheets": claims.sheets,
        "number": claims.number,
        "issued_on": claims.issued_on.isoformat(),
        "issuer": claims.issuer,
        "certificate_id": claims.certificate_id.hex(),
        "key_id": report.sheet.key_id,
        "front": None if report.lines is None else list(report.lines),
        "copy_score": None if report.copy_score is None else round(report.copy_score, 3),
        "differences": None
        if report.compared is None
        else [[each.left, each.top, each.width, each.height] for each in report.compared.differences],
    }


def _words(facts: dict[str, Any]) -> str:
    lines = [_HEADLINES[Verdict(facts["verdict"])]]
    for finding in facts["findings"]:
        where = f"{finding['picture']}: " if finding["picture"] else ""
        short = _SHORT[Verdict(finding["verdict"])]
        lines.append(f"  {finding['verdict']} {short}: {where}{finding['words_ja']} / {finding['words']}")
    for sheet in facts["sheets"]:
        lines.append(
            f"sheet 枚 {sheet['sheet']}/{sheet['sheets']}  {sheet['issuer']}  発行番号 {sheet['number']}  "
            f"発行日 {sheet['issued_on']}  key 鍵 {sheet['key_id']}"
        )
        if sheet["copy_score"] is not None:
            lines.append(
                f"  copy score 複写検出 {sheet['copy_score']:.2f} "
                "(この機種の原本の値と比べてください / originals of this printer say what is good)"
            )
        lines += [f"    {line}" for line in sheet["front"] or [] if line]
        lines += [f"  {what}: {sheet[name]}" for name, what in _PICTURES.items() if name in sheet]
    return "\n".join(lines)


def _write(report: Report, out: Path) -> dict[int, dict[str, str]]:
    """Pictures of what the fronts must say, and of the scanned ones; paths by place in the report."""
    written: dict[int, dict[str, str]] = {}
    try:
        out.mkdir(mode=0o700, parents=True, exist_ok=True)
        for at, each in enumerate(report.sheets):
            written[at] = {}
            if each.drawn is not None:
                written[at]["drawn"] = _png(out / f"front-{at + 1}.png", each.drawn)
            if each.compared is not None:
                written[at]["compared"] = _png(out / f"compared-{at + 1}.png", each.compared.side_by_side)
    except OSError as cause:
        raise ConfigError(f"{out}: pictures cannot be written there") from cause
    return written


def _inline(report: SheetReport) -> dict[str, str]:
    shown = {"drawn_png": report.drawn}
    if report.compared is not None:
        shown["compared_png"] = report.compared.side_by_side
    inline = {}
    for name, picture in shown.items():
        if picture is not None:
            file = io.BytesIO()
            Image.fromarray(picture).save(file, "PNG")
            inline[name] = base64.b64encode(file.getvalue()).decode("ascii")
    return inline


def _png(path: Path, picture: NDArray[np.uint8]) -> str:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        Image.fromarray(picture).save(file, "PNG")
    return str(path)
