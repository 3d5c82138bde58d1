"""A line of the console is one request or a clear refusal, and no secret stays in its history."""

from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.console import wire as w
from firmware.console.commands import COMMANDS, LOCAL, completions, help_page, understand
from firmware.console.history import CommandHistory, CommandMemory, is_command
from firmware.console.roles import ROLE_OF, command_word
from firmware.console.sayings import language_of, say_in, width
from firmware.core.terms import Language
from firmware.errors import ConsoleError

EVERY = set(get_args(w.AnyRequest))


@pytest.mark.parametrize(
    ("line", "request_"),
    [
        ("status", w.AskStatus()),
        ("logs", w.AskEvents()),
        ("logs 50", w.AskEvents(last=50)),
        ("logs coin-accepted 5", w.AskEvents(event="coin-accepted", last=5)),
        ("test card", w.TestPart(w.Part.CARD)),
        ("test lamp unseen", w.TestPart(w.Part.LAMP, seen=False)),
        ("cash refill 3 50", w.Refill(3, 50)),
        ("cash collect box 500 12", w.Collect(None, 500, 12)),
        ("cash count 3 100 0", w.Count(3, 100, 0)),
        ("settle", w.CloseDay()),
        ("day print 2026-11-25", w.PrintDay("2026-11-25")),
        ("journal show 7", w.AskJournal("show", 7)),
        ("journal export", w.AskJournal("export")),
        ("claims settle 0123-ABCD", w.SettleClaim("0123-ABCD")),
        ("visit resolve ab12cd34 not-printed", w.ResolveVisit("ab12cd34", printed=False)),
        ("visit printer-off ab12cd34", w.SayPrinterOff("ab12cd34")),
        ("maintenance on", w.SwitchMaintenance(on=True)),
        (
            "maintenance plan 2026-11-26T02:00 2026-11-26T04:00",
            w.PlanMaintenance("2026-11-26T02:00", "2026-11-26T04:00"),
        ),
        ("maintenance unplan", w.PlanMaintenance()),
        ("update install /media/stick/a.raucb", w.InstallUpdate("/media/stick/a.raucb")),
        ("decommission urn:kiosk:demo-0001", w.Decommission("urn:kiosk:demo-0001")),
    ],
)
def test_a_line_is_one_request(line: str, request_: w.AnyRequest) -> None:
    assert request_ == understand(line).request
    assert request_ == w.to_request(w.to_line(request_))


@pytest.mark.parametrize(
    "line",
    [
        "open door",
        "cash",
        "cash refill 3",
        "cash refill 3 -5",
        "cash refill three 5",
        "cash collect safe 500 1",
        "cash count box 5000 1",
        "test",
        "test brain",
        "settle now",
        "claims settle 1234",
        "visit resolve ../.. printed",
        "visit printer-off",
        "visit resolve ab12cd34 maybe",
        "maintenance",
        "maintenance plan tomorrow 4",
        "logs 0",
        "journal verify 3",
        "update",
        "update install a.raucb",
        "decommission",
        "decommission urn:kiosk:demo-0001 now",
        "'",
        "",
    ],
)
def test_a_line_that_is_none_says_what_was_expected(line: str) -> None:
    with pytest.raises(ConsoleError, match=r"\A(no command|expected|cannot be read): "):
        understand(line)


@given(
    st.text(max_size=80)
    | st.sampled_from([c.usage for c in COMMANDS]).flatmap(
        lambda usage: st.text(max_size=20).map(lambda more: f"{usage} {more}")
    )
)
def test_whatever_is_typed_is_a_request_or_a_refusal(line: str) -> None:
    try:
        understand(line)
    except ConsoleError:
        return


def test_every_request_has_a_role_and_a_command() -> None:
    local = {w.Login, w.Logout, w.AskNonce}
    assert EVERY == set(ROLE_OF)
    made = {type(understand(_example(command.words)).request) for command in COMMANDS}
    assert EVERY - local == made


def _example(words: tuple[str, ...]) -> str:
    more = {
        ("test",): "card",
        ("cash", "refill"): "3 1",
        ("cash", "collect"): "3 100 1",
        ("cash", "count"): "3 100 1",
        ("day", "print"): "2026-11-25",
        ("claims", "show"): "0000-0000",
        ("claims", "settle"): "0000-0000",
        ("visit", "resolve"): "abcd printed",
        ("visit", "printer-off"): "abcd",
        ("update", "install"): "/media/stick/kiosk.raucb",
        ("decommission",): "urn:kiosk:demo-0001",
        ("maintenance", "plan"): "2026-11-26T02:00 2026-11-26T04:00",
    }
    return " ".join((*words, more.get(words, ""))).strip()


def test_a_claim_is_not_named_in_the_journal_of_commands() -> None:
    assert "settle_claim" == command_word(w.SettleClaim("0123-ABCD"))
    assert "test card" == command_word(w.TestPart(w.Part.CARD))
    assert "maintenance off" == command_word(w.SwitchMaintenance(on=False))


@pytest.mark.parametrize(
    ("before", "words"),
    [
        ("st", ["status"]),
        ("cash ", ["collect", "count", "refill", "show"]),
        ("cash re", ["refill"]),
        ("test h", ["hopper"]),
        ("journal ", ["export", "show", "verify"]),
        ("status ", []),
        ("help ca", ["cash"]),
        ("lo", ["login", "logout", "logs"]),
    ],
)
def test_tab_completes_what_can_stand_there(before: str, words: list[str]) -> None:
    assert words == list(completions(before))


@pytest.mark.parametrize("language", list(Language)[:2])
def test_help_says_every_command_and_what_it_warns_of(language: Language) -> None:
    say = say_in(language)
    page = "\n".join(help_page(say))
    assert all(command.usage in page and say(command.says) in page for command in COMMANDS)
    assert all(word in page for word in LOCAL)
    for command in COMMANDS:
        if command.warns is not None:
            assert say(command.warns) in "\n".join(help_page(say, command.words[0]))


@pytest.mark.parametrize("language", list(Language)[:2])
def test_no_line_of_the_help_is_broken_by_a_terminal(language: Language) -> None:
    say = say_in(language)
    lines = [*help_page(say), *(line for command in COMMANDS for line in help_page(say, command.words[0]))]
    assert [] == [line for line in lines if width(line) > 80]


def test_english_is_ascii() -> None:
    page = "".join(help_page(str)) + "".join(str(c.warns) for c in COMMANDS if c.warns)
    assert page.isascii()


def test_an_order_pasted_at_the_prompt_is_not_kept(tmp_path: Path) -> None:
    secret = "eyJhbGciOiJFZERTQSJ9." + "a" * 300
    file = tmp_path / "history"
    kept, memory = CommandHistory(str(file)), CommandMemory()
    for line in ("status", secret, f"login {secret}", "cash show"):
        kept.store_string(line)
        memory.append_string(line)
    assert secret not in file.read_text(encoding="utf-8")
    assert ["cash show", "status"] == list(kept.load_history_strings())
    assert ["status", "cash show"] == memory.get_strings()
    assert not is_command(secret)


@pytest.mark.parametrize(
    "line",
    [
        *("1234", "80412657", "status 80412657", "login 80412657", "help 1234", "events 1234", "watch 1234"),
        *("lang 1234", "exit 1234", "test card 1234", "settle 80412657", "\x1b[200~80412657\x1b[201~", ""),
        *("claims show 0123-ABCD", "claims settle 0123-ABCD", "cash count box 100 80412657"),
    ],
)
def test_a_code_that_somebody_types_is_not_kept_and_no_claim_is(line: str) -> None:
    assert not is_command(line)


@pytest.mark.parametrize(
    "line",
    ["logs P2 50", "events P2", "watch hopper-fault", "help cash", "lang ja", "cash refill 3 50 --yes"],
)
def test_what_was_a_command_is_there_again(line: str) -> None:
    assert is_command(line)


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({"LANG": "ja_JP.UTF-8"}, Language.JA),
        ({"LANG": "ja_JP.eucJP"}, Language.EN),
        ({"LANG": "C.UTF-8"}, Language.EN),
        ({"LC_ALL": "C", "LANG": "ja_JP.UTF-8"}, Language.EN),
        ({}, Language.EN),
    ],
)
def test_japanese_only_where_the_terminal_takes_it(environment: dict[str, str], language: Language) -> None:
    assert language is language_of(environment)
