"""Every event can be looked up in both languages, and every code that the screen shows leads to one."""

import re
from pathlib import Path

import pytest

from firmware.console.catalogue import catalogue, events_of, explain, markdown
from firmware.core.terms import Language
from firmware.errors import ConsoleError
from firmware.logbook import EventId

ROOT = Path(__file__).resolve().parents[2]
MESSAGES = sorted((ROOT / "config" / "messages").glob("*.toml"))


def test_every_event_has_its_meaning_and_no_other_has() -> None:
    assert set(EventId) == set(catalogue())
    for meaning in catalogue().values():
        assert all((meaning.en, meaning.do_en, meaning.ja, meaning.do_ja))
        assert (meaning.en + meaning.do_en).isascii()
        assert not meaning.ja.isascii()


def test_every_code_of_the_screen_leads_to_an_event() -> None:
    codes = {
        code
        for path in MESSAGES
        for code in re.findall(
            r"^note = .*[(（]([A-Z]\d)[)）]", path.read_text(encoding="utf-8"), re.MULTILINE
        )
    }
    assert {"C1", "K1", "M1", "M2", "P1", "N1", "J1", "D1", "T1"} <= codes
    for code in codes:
        assert list(explain(code, Language.JA)), code


@pytest.mark.parametrize(
    ("code", "event"),
    [
        ("C1", "card-reader-gone"),
        ("K1", "keypad-gone"),
        ("M1", "coin-acceptor-gone"),
        ("M2", "hopper-gone"),
        ("M2", "hopper-fault"),
        ("M3", "coin-suspect"),
        ("P1", "printer-not-ready"),
        ("P2", "printer-not-ready"),
        ("P3", "printer-not-ready"),
        ("P4", "receipt-printer-gone"),
        ("P5", "printer-low"),
        ("N1", "municipality-gone"),
        ("N2", "clock-not-trusted"),
        ("J1", "journal-full"),
        ("J2", "journal-failed"),
        ("D1", "door-opened-unordered"),
        ("T1", "state-entered"),
        ("L1", "lockout-began"),
        ("A1", "print-ended"),
    ],
)
def test_a_code_finds_the_event_that_was_logged_when_it_came(code: str, event: str) -> None:
    assert EventId(event) in events_of(code)


def test_an_event_says_what_happened_and_what_to_do() -> None:
    assert [
        "hopper-gone [M2]",
        "  A hopper does not answer.",
        "  -> Check power and bus cable; then test hopper.",
    ] == list(explain("hopper-gone", Language.EN))


def test_what_is_neither_is_refused() -> None:
    with pytest.raises(ConsoleError, match="no event and no code of the screen: Z9"):
        list(explain("Z9", Language.EN))


def test_the_document_is_what_the_code_says() -> None:
    document = (ROOT / "systemd" / "events.md").read_text(encoding="utf-8")
    assert [*markdown()] == document.splitlines(), "madoguchi events --markdown > systemd/events.md"
