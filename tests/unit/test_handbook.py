"""What the handbook tells somebody to type exists, and every code of the screen is explained in it."""

import re
import shlex
from pathlib import Path

import pytest

from firmware.__main__ import _parser
from firmware.console.catalogue import catalogue, events_of
from firmware.console.commands import COMMANDS, LOCAL, understand
from firmware.errors import ConsoleError

ROOT = Path(__file__).resolve().parents[2]
HANDBOOKS = ("systemd/README.md", "hw/README.md")
CONSOLE = {command.words[0] for command in COMMANDS} | LOCAL.keys()
EXAMPLES = {"CODE": "P2", "VISIT": "ab12"}
NO_COMMANDS = {"look", "cash", "service", "settle", "system", "receipt", "console", "status.json", "watch"}
"""Words that are a role or a device's name where they stand alone."""


def quoted(book: str) -> list[str]:
    """All that stands in backticks or as an indented block, one line each."""
    text = (ROOT / book).read_text(encoding="utf-8")
    blocks = re.findall(r"```\n(.*?)```", text, re.DOTALL)
    inline = re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    return [*inline, *(line.strip() for block in blocks for line in block.splitlines())]


EVERY = [(book, said) for book in HANDBOOKS for said in quoted(book) if said.strip()]


def beginning(*words: str) -> list[tuple[str, str]]:
    return [one for one in EVERY if one[1].startswith(words)]


def words_of(said: str) -> list[str]:
    return [EXAMPLES.get(word, word) for word in said.split()]


@pytest.mark.parametrize(
    ("book", "said"),
    [(book, said) for book, said in EVERY if said.split()[0] in CONSOLE and said not in NO_COMMANDS],
)
def test_a_line_for_the_console_is_understood_by_it(book: str, said: str) -> None:
    words = words_of(said)
    if words[0] in LOCAL:
        assert len(words) <= 2
        if words[0] in {"events", "watch"} and len(words) > 1:
            assert events_of(words[1])
        return
    if any(
        " ".join(command.words).startswith(f"{said} ") or command.words == (*words,) for command in COMMANDS
    ):
        return  # named without its arguments
    line = understand(" ".join(words))
    if words[0] == "logs" and len(words) > 1:
        assert events_of(words[1]), line


@pytest.mark.parametrize(("book", "said"), [one for one in EVERY if re.match(r"(\S*/)?madoguchi ", one[1])])
def test_a_command_of_the_program_is_one(book: str, said: str) -> None:
    words = shlex.split(" ".join(words_of(said)))
    assert words[1] in _parser().format_help(), said


@pytest.mark.parametrize(("book", "said"), beginning("scripts/", "hw/", "tests/"))
def test_a_file_that_is_named_is_there(book: str, said: str) -> None:
    assert (ROOT / said.split(maxsplit=1)[0]).exists(), said


@pytest.mark.parametrize(("book", "said"), beginning("systemctl "))
def test_a_unit_that_is_named_is_there(book: str, said: str) -> None:
    named = [word for word in said.split()[2:] if word.startswith("madoguchi")]
    for unit in named:
        assert (ROOT / "systemd" / f"{unit}.service").exists(), said


def test_every_code_of_the_screen_is_in_the_table_of_faults_and_no_other() -> None:
    text = (ROOT / "systemd/README.md").read_text(encoding="utf-8")
    table = text.partition("## What faults look like")[2].partition("## Log and figures")[0]
    heads = [line.split("|")[1] for line in table.splitlines() if line.startswith("| ")]
    told = {code for head in heads for code in re.findall(r"\b[A-Z]\d\b", head)}
    assert told == {code for meaning in catalogue().values() for code in meaning.codes}


def test_every_command_of_the_console_that_staff_need_daily_is_in_the_routine() -> None:
    text = (ROOT / "systemd/README.md").read_text(encoding="utf-8")
    routine = text.partition("## Daily routine")[2].partition("## What faults")[0]
    for words in ("cash refill", "cash collect", "cash count", "settle", "day list", "claims settle"):
        assert f"`{words}" in routine, words


def test_a_line_that_no_command_understands_would_be_noticed() -> None:
    with pytest.raises(ConsoleError):
        understand("cash refil 3 50")
