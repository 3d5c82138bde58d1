"""Our Shift_JIS slips against receiptline (npm, Open Foodservice System Consortium Japan).

Pictures of slips are held against those that another renderer drew, see `slips_by_emupos`.
"""

import json
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from firmware.ports import SlipLine
from hw.printer import escpos, raster
from tests.contract.slips_by_emupos import COLUMNS, FONT, differs, slips

DRAWN = Path(__file__).resolve().parents[1] / "pages" / "slips"
ORACLES = Path(__file__).resolve().parents[1] / "oracles"
JAPANESE = (b"\x1bt\x01", b"\x1cC1", b"\x1bR\x08")
"""Katakana page, Shift_JIS, Japan. receiptline writes the mode as a digit, we as a number: both are good."""


def sent_by_receiptline(texts: Sequence[str]) -> list[bytes]:
    """The whole receipt of each text."""
    answer = subprocess.run(
        ["node", "slip.js"],
        cwd=ORACLES,
        input="".join(json.dumps(text) + "\n" for text in texts),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return [bytes.fromhex(line) for line in answer.stdout.splitlines()]


def all_texts() -> list[str]:
    """Every text on every kind of slip that means nothing in receiptline's own markup."""
    lines = [line for slip in slips().values() for line in slip]
    texts = {text.strip() for line in lines for text in (line.text, line.right)}
    return sorted(text for text in texts if text.strip("-") and not re.search(r"[|\\{}~_\"^`#$%&@¥]", text))


def test_every_text_of_every_slip_goes_as_the_same_bytes() -> None:
    texts = all_texts()
    assert {"領収番号", "返金引換券", "日計表", "自己診断"} <= {*texts}
    wrong = [
        text
        for text, sent in zip(texts, sent_by_receiptline(texts), strict=True)
        if JAPANESE[-1] + escpos.encoded(text) not in sent
    ]
    assert [] == wrong


@pytest.mark.parametrize("name", slips())
def test_every_slip_as_a_picture_has_the_dots_that_emupos_drew_of_it(name: str) -> None:
    slip = raster.slip(slips()[name], columns=COLUMNS, font=FONT)
    with Image.open(DRAWN / f"{name}.png") as drawn:
        assert differs(drawn, slip) is None, "run tests.contract.slips_by_emupos and look at the pictures"


def test_the_printer_is_set_up_and_the_slip_cut_and_asked_about_as_others_do() -> None:
    [theirs] = sent_by_receiptline(["領収証書"])
    ours = escpos.slip([SlipLine("領収証書")], columns=32)
    assert b"".join(JAPANESE) in theirs
    assert ours.startswith(b"\x1b@" + b"".join(JAPANESE).replace(b"\x1cC1", b"\x1cC\x01"))
    assert theirs.endswith(escpos.FEED_AND_CUT + b"\x1dr1")
    assert ours.endswith(escpos.FEED_AND_CUT + escpos.ASK_PAPER_IN_ORDER)
