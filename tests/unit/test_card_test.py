"""`madoguchi card-test` with a card that no virtual reader has, and what it says when it fails."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from firmware.compose.card_test import report
from firmware.core.terms import CardRefusal
from hw.card.fitness import measure
from tests.unit.card_fuzz import ACCEPTANCE, NOW, Answer, PlayedCard, good_answers, played

VERSION_AT = 12
"""In the DER of the certificate: four bytes each of two sequences, then A0 03 02 01."""


def test_a_card_with_a_damaged_certificate_is_named_unreadable_and_not_the_readers_fault() -> None:
    answers: list[Answer] = [(0, answer) for answer in good_answers()]
    first = next(at for at, (_, answer) in enumerate(answers) if answer.startswith(b"\x30\x82"))
    damaged = bytearray(answers[first][1])
    assert 2 == damaged[VERSION_AT]
    damaged[VERSION_AT] ^= 1
    answers[first] = (0, bytes(damaged))
    with played(PlayedCard(answers)):
        found = measure("played", ACCEPTANCE, NOW)
    assert CardRefusal.UNREADABLE == found.refusal
    said = list(report(found))
    assert "card             cannot be used: unreadable" in said
    assert said[-1].startswith("verdict          not tested")


ROOT = Path(__file__).parents[2]
SECRET = "serial 4711 of a person"
FAILING = """
import resource, sys, threading, warnings
from firmware import __main__
from firmware.compose import card_test

def fails(*_):
    assert resource.getrlimit(resource.RLIMIT_CORE)[0] < 4096, "a core could be written"
    {does}

card_test.wait_for_card = lambda *_: "played"
card_test.measure = fails
sys.exit(__main__.main(["card-test", "--config", "config/kiosk.toml"]))
"""


@pytest.mark.parametrize(
    ("does", "event", "error"),
    [
        (f"raise ValueError({SECRET!r})", "daemon-failed", "ValueError"),
        (f"warnings.warn({SECRET!r}); raise KeyError", "library-warned", "none"),
        (
            f"t = threading.Thread(target=int, args=({SECRET!r},)); t.start(); t.join(); raise KeyError",
            "task-failed",
            "ValueError",
        ),
    ],
)
def test_what_fails_in_the_test_is_told_by_its_type_alone(does: str, event: str, error: str) -> None:
    ended = subprocess.run(
        (sys.executable, "-c", FAILING.format(does=does)),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (70, "") == (ended.returncode, ended.stdout), ended.stderr
    assert SECRET not in ended.stderr
    assert "Traceback" not in ended.stderr
    first, *_, last = (
        line for line in ended.stderr.splitlines() if line[:1] == "{" or line[:9] == "madoguchi"
    )
    logged = json.loads(first)
    assert (event, error) == (logged["event"], logged["error"])
    assert last.startswith("madoguchi: ended by ")
