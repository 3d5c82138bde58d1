"""Whatever staff are told at the console has its Japanese, and nothing else has."""

import ast
import re
import string
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.console.sayings import cut, in_japanese, left, right, say_in, sayings, width
from firmware.console.status import DeviceStatus, Status, status_page
from firmware.console.wire import Part
from firmware.core.facts import Facts, MaintenanceLevel, PanelLevel
from firmware.core.rules import unfit
from firmware.core.screens import Place
from firmware.core.states import EndReason, State
from firmware.core.terms import (
    CardRefusal,
    Certainty,
    KeypadKey,
    Language,
    PrinterReason,
    PrinterSupply,
    Role,
    ServiceHours,
    VisitId,
)
from firmware.core.updates import Standing, UpdateRefusal
from firmware.core.wording import Sentence, listed, told
from firmware.settings import load

NAMED = (
    *(CardRefusal, Certainty, KeypadKey, Part, Place, PrinterReason, PrinterSupply, Role),
    *(ServiceHours,),
)
"""Terms that stand in sentences by their values."""

DEVICES = {
    *"card screen keypad coin printer receipt door outlets municipality journal clock paper change".split()
}
"""As the status has them."""

REPOSITORY = Path(__file__).resolve().parents[2]
SAYING = {"told", "OfficeRefused", "ConsoleError", "OrderInvalid"}
"""Whose first argument is a sentence."""


def calls() -> Iterator[tuple[str, ast.expr]]:
    """Where in the code, and what is said there."""
    for path in sorted((REPOSITORY / "firmware").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in SAYING:
                yield f"{path.relative_to(REPOSITORY)}:{node.lineno}", node.args[0]


def in_the_code() -> dict[str, str]:
    """Every sentence that stands in the code, with a place."""
    return {
        one.value: where
        for where, one in calls()
        if isinstance(one, ast.Constant) and isinstance(one.value, str)
    }


def words() -> set[str]:
    """What is said by the value of something else: hours, obstacles, outcomes of visits."""
    rules = load(REPOSITORY / "config" / "kiosk.toml").rules
    worst = Facts(next_visit=VisitId("0" * 32), maintenance=MaintenanceLevel(on=True))
    panel = PanelLevel(door_open=True, paper_in_tray=True, change_in_cup=True)
    worst = replace(worst, panel=panel, lockout=replace(worst.lockout, waits=True))
    worst = replace(worst, journal=replace(worst.journal, room=False))
    outcomes = {"sold", *(reason.value for reason in EndReason)}
    named = {one.value for kind in NAMED for one in kind} - {*"0123456789"}
    states = {"Starting", *(state.__name__ for state in get_args(State))}
    updates = {one.value for one in (*Standing, *UpdateRefusal)} | {"installing", "good", "bad"}
    return named | states | DEVICES | unfit(worst, rules, worker=False) | outcomes | updates


def names(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def test_every_sentence_has_its_japanese() -> None:
    missing = {text: where for text, where in in_the_code().items() if text not in sayings()}
    assert {} == missing
    assert set() == words() - sayings().keys()


def test_nothing_is_translated_that_nobody_says() -> None:
    assert set() == sayings().keys() - in_the_code().keys() - words()


def test_no_sentence_is_put_together_where_nobody_can_translate_it() -> None:
    assert [] == [where for where, one in calls() if isinstance(one, ast.JoinedStr | ast.BinOp)]


@pytest.mark.parametrize("en", sorted(sayings()))
def test_both_say_the_same_values_and_each_is_of_its_language(en: str) -> None:
    saying = sayings()[en]
    assert names(en) == names(saying.ja)
    assert en.isascii()
    bare = "".join(text for text, *_ in string.Formatter().parse(saying.ja))
    assert not bare.strip() or en == saying.ja or not bare.isascii(), "not translated"


def test_a_sentence_within_a_sentence_is_said_in_the_same_language() -> None:
    sentence = told("{now}, planned {begins} to {ends}", now=told("on"), begins="{a}", ends="b")
    assert "on, planned {a} to b" == say_in(Language.EN)(sentence) == str(sentence)
    outer = told("maintenance {maintenance}", maintenance=told("off"))
    assert "off" not in say_in(Language.JA)(outer)
    assert "unknown to the file 3" == in_japanese(Sentence("unknown to the file {n}", {"n": 3}))


def test_a_list_is_said_in_the_language_of_whoever_asks() -> None:
    words = ["media-empty", "cover-open", "toner-low"]
    assert "media-empty, cover-open, toner-low" == str(listed(words))
    assert "用紙切れ、カバー開、トナー少" == in_japanese(listed(words))
    assert "" == str(listed([])) == in_japanese(listed([]))


def test_a_japanese_status_has_no_english_word_but_names_of_the_machine() -> None:
    devices = tuple(DeviceStatus(name, well=False) for name in sorted(DEVICES - {"paper", "change"}))
    blank: dict[str, Any] = dict.fromkeys(Status.__struct_fields__, "")
    status = msgspec.structs.replace(
        Status(**blank),
        state="Idle",
        obstacles=("door",),
        devices=(*devices, DeviceStatus("hopper-3", well=True)),
        up_seconds=60,
        change_yen={},
        visits={"sold": 2},
        certificate_days=3,
        unsure=("ab12",),
    )
    page = list(status_page(status, in_japanese))
    for line in page:
        words = set(re.findall(r"[A-Za-z]{2,}", line)) - {"ms", "ab", "OK"}
        assert set() == words, line
    assert all(width(line) <= 80 for line in page)


@given(st.text(alphabet="ab漢字、", max_size=12), st.integers(0, 20))
def test_columns_are_those_of_a_terminal(text: str, columns: int) -> None:
    assert width(left(text, columns)) == width(right(text, columns)) == max(columns, width(text))
    assert width(cut(text, columns)) <= columns
    assert text.startswith(cut(text, columns))
