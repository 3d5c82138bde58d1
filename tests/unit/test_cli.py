"""The command line: exit statuses and what stands on standard output and standard error."""

import asyncio
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from cryptography.hazmat.primitives.serialization import Encoding

from firmware.__main__ import (
    EXIT_CONFIG,
    EXIT_FAILED,
    EXIT_JOURNAL,
    EXIT_REFUSED,
    _checking,
    _parser,
    main,
)
from firmware.compose.journal_process import JournalProcess
from firmware.core import records as r
from firmware.core.states import EndReason
from firmware.core.terms import CertificateKind, OrderId, Strike, VisitId
from firmware.errors import OfficeRefused
from firmware.shell.journal import Journal
from tests.municipality.pki import make_authority, make_kiosk

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "config"
KEY = b"0123456789abcdef"
A = VisitId("a" * 32)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The shipped configuration with a journal and an identity of its own."""
    table = tomllib.loads((CONFIG / "kiosk.toml").read_text(encoding="utf-8"))
    table["kiosk"]["messages"] = str(CONFIG / "messages")
    table["kiosk"]["profiles"] = [str(CONFIG / "shibukawa.toml")]
    table["kiosk"]["allow_swap"] = True
    table["journal"] = {"path": "journal.db", "key_file": "journal.key"}
    table["screen"]["port"] = 0
    table["console"]["socket"] = str(tmp_path / "console")
    table["municipality"] |= {
        "ca_file": "authority.pem",
        "certificate_file": "kiosk/certificate.pem",
        "key_file": "kiosk/key.pem",
    }
    now = datetime.now(UTC)
    authority = make_authority("Test", now)
    make_kiosk(tmp_path / "kiosk", authority, table["kiosk"]["urn"], now)
    (tmp_path / "authority.pem").write_bytes(authority.certificate.public_bytes(Encoding.PEM))
    (tmp_path / "journal.key").write_bytes(KEY)
    path = tmp_path / "kiosk.toml"
    path.write_text(tomli_w.dumps(table), encoding="utf-8")
    return path


def write_journal(config: Path, records: Iterable[r.Record]) -> Path:
    async def write() -> None:
        journal = Journal(config.with_name("journal.db"), KEY)
        await journal.open()
        await journal.append(tuple(records))
        await journal.close()

    asyncio.run(write())
    return config.with_name("journal.db")


def run(command: str, config: Path) -> int:
    return main([*command.split(), "--config", str(config)])


def test_a_good_configuration_is_said_to_be_good(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == run("check-config", CONFIG / "kiosk.toml")
    assert capsys.readouterr().out.endswith("kiosk.toml: 渋川市, 3 fees: good\n")


def test_a_copy_screen_that_no_calibration_sheet_chose_is_told_and_is_no_error(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    remark = "けん制文字 not calibrated for this printer"
    assert 0 == run("check-config", config)
    assert remark in capsys.readouterr().err
    table = tomllib.loads(config.read_text(encoding="utf-8"))
    table["documents"]["void_screen_calibrated_for"] = "見本レーザー 600"
    config.write_text(tomli_w.dumps(table), encoding="utf-8")
    assert 0 == run("check-config", config)
    assert remark not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (
            ["journalctl", "--unit=madoguchi", "--output=cat", "--no-pager", "--reverse", "--lines=100000"],
            True,
        ),
        (["/usr/bin/journalctl", "-u", "madoguchi", "--reverse"], True),
        (["journalctl", "--unit=madoguchi", "--unit=madoguchi-erase", "--output=cat"], False),
        (["tac", "/var/log/kiosk"], False),
    ],
)
def test_an_older_machines_log_command_without_the_erasures_unit_is_told_and_is_no_error(
    config: Path, capsys: pytest.CaptureFixture[str], command: list[str], told: bool
) -> None:
    table = tomllib.loads(config.read_text(encoding="utf-8"))
    table["console"]["log_command"] = command
    config.write_text(tomli_w.dumps(table), encoding="utf-8")
    assert 0 == run("check-config", config)
    assert told is ("add --unit=madoguchi-erase" in capsys.readouterr().err)


def test_a_start_waits_for_no_tpm_and_a_technicians_check_asks_it(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = tmp_path / "asked"
    openssl = tmp_path / "bin" / "openssl"
    openssl.parent.mkdir()
    openssl.write_text(f"#!/bin/sh\n: >'{asked}'\nexit 1\n", encoding="ascii")
    openssl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{openssl.parent}:{os.environ['PATH']}")
    table = tomllib.loads(config.read_text(encoding="utf-8"))
    table["municipality"] |= {"key_store": "tpm", "tpm_provider": str(tmp_path)}
    config.write_text(tomli_w.dumps(table), encoding="utf-8")
    assert 0 == _checking(config).wait(120)
    assert not asked.exists()
    assert 0 == run("check-config", config)
    assert asked.exists()
    assert "municipality.key_store: tpm-failing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("poll_seconds", "poll_ms", "kiosk.toml: coins: Object contains unknown field `poll_ms`"),
        (str(CONFIG / "messages"), "nowhere", "nowhere"),
    ],
)
def test_a_bad_configuration_ends_with_ex_config(
    config: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, complaint: str
) -> None:
    config.write_text(config.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    assert EXIT_CONFIG == run("check-config", config) == 78
    captured = capsys.readouterr()
    assert "" == captured.out
    assert captured.err.startswith("madoguchi: ")
    assert complaint in captured.err


def test_the_journal_is_printed_as_json_lines(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_journal(config, (r.DaemonStarted("1"), r.CoinUnclaimed(100, 7, 1)))
    assert 0 == run("journal export", config)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert ["DaemonStarted", "CoinUnclaimed"] == [line["record"] for line in lines]


def test_a_broken_chain_ends_with_ex_ioerr_and_prints_no_entry(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_journal(config, (r.DaemonStarted("1"), r.CoinUnclaimed(100, 7, 1)))
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.executescript("DROP TRIGGER entries_never_change; UPDATE entries SET at = '2026' WHERE seq = 2")
    assert EXIT_JOURNAL == run("journal export", config) == 74
    captured = capsys.readouterr()
    assert ("", "madoguchi: journal: journal.db: entry 2 does not match its chain\n") == captured


def test_the_console_exports_past_the_kiosks_memory_and_a_broken_journal_leaves_no_file(config: Path) -> None:
    path = write_journal(config, (r.DaemonStarted("1"), r.CoinUnclaimed(100, 7, 1)))
    exported = config.with_name("bundles") / "journal.jsonl"
    reading = JournalProcess(config, 60.0)
    assert 2 == asyncio.run(reading.export(exported))
    lines = [json.loads(line) for line in exported.read_text(encoding="utf-8").splitlines()]
    assert ["DaemonStarted", "CoinUnclaimed"] == [line["record"] for line in lines]
    exported.unlink()
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.executescript("DROP TRIGGER entries_never_change; UPDATE entries SET at = '2026' WHERE seq = 2")
    with pytest.raises(OfficeRefused, match=r"cannot be relied on: .*entry 2 does not match its chain"):
        asyncio.run(reading.export(exported))
    assert [] == list(exported.parent.iterdir())


def test_an_export_that_cannot_be_written_is_told_with_its_path(config: Path) -> None:
    write_journal(config, (r.DaemonStarted("1"),))
    exported = config / "journal.jsonl"
    with pytest.raises(
        OfficeRefused, match=r"journal\.jsonl cannot be written: (Not a directory|File exists)"
    ):
        asyncio.run(JournalProcess(config, 60.0).export(exported))


def test_a_reading_that_ends_without_a_word_is_told_by_its_status(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("firmware.compose.journal_process.sys.executable", "/bin/false")
    exported = config.with_name("journal.jsonl")
    with pytest.raises(OfficeRefused, match=r"journal\.jsonl cannot be written: status 1$"):
        asyncio.run(JournalProcess(config, 60.0).export(exported))
    assert not exported.with_name("journal.jsonl.part").exists()
    with pytest.raises(OfficeRefused, match=r"cannot be relied on: status 1$"):
        asyncio.run(JournalProcess(config, 60.0).says("verify", 1))


def test_books_that_do_not_balance_end_with_ex_ioerr(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_journal(config, (r.VisitBegan(A), r.CoinTaken(A, 100, 7, 1), r.VisitEnded(A, None)))
    assert EXIT_JOURNAL == run("journal export", config)
    expected = "madoguchi: journal: visit aaaaaaaa: ended with 100 yen nobody owns\n"
    assert expected == capsys.readouterr().err


@pytest.mark.parametrize(
    ("key", "status", "complaint"),
    [
        (KEY, EXIT_JOURNAL, "journal.db: unable to open database file\n"),
        (b"short", EXIT_CONFIG, "journal.key has 5 bytes; expected at least 16\n"),
        (None, EXIT_CONFIG, "journal.key cannot be read; expected a key file\n"),
    ],
)
def test_what_the_journal_needs_and_is_not_there_is_named(
    config: Path, capsys: pytest.CaptureFixture[str], key: bytes | None, status: int, complaint: str
) -> None:
    key_file = config.with_name("journal.key")
    key_file.unlink()
    if key is not None:
        key_file.write_bytes(key)
    assert status == run("journal export", config)
    assert capsys.readouterr().err.endswith(complaint)


def test_no_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main([])
    assert 2 == raised.value.code
    assert "usage: madoguchi" in capsys.readouterr().err


def events(standard_error: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in standard_error.splitlines() if line.startswith("{")]


def run_kiosk(
    config: Path, *program: str, under: tuple[str, ...] = (), **environment: str
) -> subprocess.Popen[str]:
    """The kiosk without any device: it starts all the same and waits for them. under: a tracer."""
    return subprocess.Popen(
        [*under, sys.executable, *(program or ("-m", "firmware", "run", "--config", str(config)))],
        cwd=ROOT,
        env={**os.environ, "GPIOZERO_PIN_FACTORY": "mock", **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_kiosk_told_to_stop_twice_stops_once_and_cleanly(config: Path) -> None:
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as manager:
        manager.bind(str(config.with_name("notify")))
        manager.settimeout(30)
        with run_kiosk(config, NOTIFY_SOCKET=str(config.with_name("notify"))) as kiosk:
            assert b"READY=1" == _heard(manager)
            kiosk.send_signal(signal.SIGTERM)
            assert b"STOPPING=1" == _heard(manager)
            kiosk.send_signal(signal.SIGTERM)
            _, standard_error = kiosk.communicate(timeout=30)
    assert 0 == kiosk.returncode
    assert "daemon-stopped" == events(standard_error)[-1]["event"]
    assert events(standard_error)[-1] == json.loads(standard_error.splitlines()[-1])
    assert 0 == run("journal export", config)


def test_an_installed_kiosk_is_never_started_unchecked() -> None:
    unit = (ROOT / "systemd" / "madoguchi.service").read_text(encoding="utf-8")
    [command] = re.findall(r"^ExecStart=\S+/madoguchi (.*)$", unit, re.MULTILINE)
    wanted = _parser().parse_args(command.split())
    assert ("run", True) == (wanted.command, wanted.check)


def test_a_kiosk_whose_configuration_is_good_starts_after_its_check(config: Path) -> None:
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as manager:
        manager.bind(str(config.with_name("notify")))
        manager.settimeout(120)
        program = ("-m", "firmware", "run", "--check", "--config", str(config))
        with run_kiosk(config, *program, NOTIFY_SOCKET=str(config.with_name("notify"))) as kiosk:
            assert b"READY=1" == _heard(manager)
            kiosk.send_signal(signal.SIGTERM)
            kiosk.communicate(timeout=120)
    assert 0 == kiosk.returncode


def test_what_only_the_check_finds_keeps_the_kiosk_from_touching_its_journal(config: Path) -> None:
    table = tomllib.loads(config.read_text(encoding="utf-8"))
    table["card_reader"]["smartphone_labels"] = ["JPKIAPICCTOKEN2"]
    config.write_text(tomli_w.dumps(table), encoding="utf-8")
    with run_kiosk(config, "-m", "firmware", "run", "--check", "--config", str(config)) as kiosk:
        _, standard_error = kiosk.communicate(timeout=120)
    assert EXIT_CONFIG == kiosk.returncode
    assert "card_reader.smartphone_labels" in standard_error
    assert "config-loaded" not in standard_error
    assert not config.with_name("journal.db").exists()


def test_an_unforeseen_error_ends_with_ex_software_and_without_its_text(config: Path) -> None:
    broken = (
        "import sys; from firmware.__main__ import main; from firmware.shell.runner import Runner;"
        "Runner._event = lambda self, item: {}['1234 of a person'];"
        "sys.exit(main(['run', '--config', sys.argv[1]]))"
    )
    with run_kiosk(config, "-c", broken, str(config)) as kiosk:
        _, standard_error = kiosk.communicate(timeout=30)
    assert EXIT_FAILED == kiosk.returncode == 70
    last = events(standard_error)[-1]
    assert ("daemon-failed", "KeyError") == (last["event"], last["error"])
    assert "madoguchi: ended by KeyError, see the log" == standard_error.splitlines()[-1]
    assert "Traceback" not in standard_error
    assert "1234" not in standard_error


def test_a_journal_that_cannot_be_trusted_ends_with_ex_ioerr(config: Path) -> None:
    config.with_name("journal.db").write_bytes(b"no database at all" * 100)
    with run_kiosk(config) as kiosk:
        _, standard_error = kiosk.communicate(timeout=30)
    assert EXIT_JOURNAL == kiosk.returncode
    assert "journal-failed" == events(standard_error)[-1]["event"]
    assert "madoguchi: journal: journal.db: file is not a database" == standard_error.splitlines()[-1]


def test_a_start_beside_a_damaged_journal_adds_nothing_to_it(config: Path) -> None:
    """It is tried again for ever, every ten seconds."""
    path = write_journal(config, (r.DaemonStarted("1"), r.CoinUnclaimed(100, 7, 1)))
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.executescript("DROP TRIGGER entries_never_change; UPDATE entries SET at = '2026' WHERE seq = 2")
    for _ in range(2):
        with run_kiosk(config) as kiosk:
            _, standard_error = kiosk.communicate(timeout=30)
        assert EXIT_JOURNAL == kiosk.returncode, standard_error
        with closing(sqlite3.connect(path)) as raw:
            assert (2,) == raw.execute("SELECT count(*) FROM entries").fetchone()


def _heard(manager: socket.socket) -> bytes:
    """What the kiosk says next, but for the time that it asks for."""
    while (said := manager.recv(64)).startswith(b"EXTEND_TIMEOUT_USEC="):
        pass
    return said


@pytest.mark.parametrize(
    ("error", "call"), [("EIO", "fdatasync"), ("ENOSPC", "pwrite64"), ("EROFS", "pwrite64")]
)
def test_a_kiosk_whose_journal_takes_no_record_waits_and_stops_when_told(
    config: Path, error: str, call: str
) -> None:
    """Not even the start can be written down, and the disk stays as it is."""
    write_journal(config, ())
    tracer = ("strace", "-D", "-f", "-o", os.devnull, "-e", f"trace={call},fsync")
    failing = (*tracer, "-e", f"inject={call}:error={error}", "-e", f"inject=fsync:error={error}")
    with run_kiosk(config, "-m", "firmware", "run", "--config", str(config), under=failing) as kiosk:
        assert kiosk.stderr is not None
        said = ""
        while '"stranded"' not in said:
            line = kiosk.stderr.readline()
            assert line, said
            said += line
        kiosk.send_signal(signal.SIGTERM)
        _, standard_error = kiosk.communicate(timeout=30)
    assert 0 == kiosk.returncode
    assert "daemon-stopped" == events(standard_error)[-1]["event"]


def test_the_label_of_a_card_is_no_smartphones(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tomllib.loads(config.read_text(encoding="utf-8"))
    table["card_reader"]["smartphone_labels"] = ["JPKIAPICCTOKEN2"]
    config.write_text(tomli_w.dumps(table), encoding="utf-8")
    assert EXIT_CONFIG == run("check-config", config)
    assert "card_reader.smartphone_labels: JPKIAPICCTOKEN2 is the label of a card" in capsys.readouterr().err


def test_the_lockout_is_told_to_the_technician(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_journal(config, [r.CardStrike(A, Strike.WRONG_PIN)] * 8)
    assert 0 == run("lockout", config)
    said = capsys.readouterr().out
    assert "strikes in a row: 8\n" in said
    assert "from 8 strikes on: 900 s wait\n" in said
    assert "no visit begins until " in said


def test_a_kiosk_without_strikes_can_begin(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_journal(config, [r.CardStrike(A, Strike.WRONG_PIN)] * 8 + [r.PersonAuthenticated(A)])
    assert 0 == run("lockout", config)
    assert capsys.readouterr().out.endswith("visits can begin\n")


DAY = (
    r.CoinsRefilled(3, 100, 20, "commissioning"),
    r.VisitBegan(A),
    r.OrderAsked(A, OrderId(f"{A}-1"), CertificateKind.INKAN, 1),
    r.CoinTaken(A, 500, 7, 1),
    r.ClaimOpened(A, "AAAA-AAAA", 500),
    r.VisitEnded(A, EndReason.PRINT_FAILED),
    r.DayClosed("2026-11-25", "2026-11-25T23:00:00.000+09:00"),
)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("journal verify", "7 entries, none missing, the last of "),
        ("journal show --last 1", " DayClosed         business_date=2026-11-25 closed_at="),
        ("journal show --record CoinTaken", " CoinTaken         visit=aaaaaaaa yen=500 serial=7 counter=1"),
        (
            "journal show --visit AAAA --record VisitEnded",
            " VisitEnded        visit=aaaaaaaa reason=print_failed",
        ),
        ("journal balance", "claims            500 yen"),
        ("cash show", "hopper 3     100     20       0      0      0     +0      2000"),
        ("cash show", "all                                                       2500"),
        ("claims list", "AAAA-AAAA     500  not paid"),
        ("day list", "2026-11-25 2026-11-25 23:00      0        0     500      0  not answered yet"),
        ("day show 2026-11-25", "  claims                                              500 yen"),
    ],
)
def test_the_books_are_shown(
    config: Path, capsys: pytest.CaptureFixture[str], command: str, said: str
) -> None:
    write_journal(config, DAY)
    assert 0 == run(command, config)
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("journal verify", "7 件"),
        ("journal balance", "返金券            500 円"),
        ("cash show", "ホッパー3    100     20"),
        ("claims list", "AAAA-AAAA     500  未払い"),
        ("day list", "2026-11-25 2026-11-25 23:00      0        0     500      0  回答待ち"),
        ("day show 2026-11-25", "2026-11-25"),
    ],
)
def test_the_books_are_shown_in_japanese_by_option_and_by_the_terminal(
    config: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    said: str,
) -> None:
    write_journal(config, DAY)
    assert 0 == run(f"{command} --language ja", config)
    asked_for = capsys.readouterr().out
    assert said in asked_for
    monkeypatch.setenv("LC_ALL", "ja_JP.UTF-8")
    assert 0 == run(command, config)
    assert asked_for == capsys.readouterr().out
    assert 0 == run(f"{command} --language en", config)
    assert capsys.readouterr().out.isascii()


@pytest.mark.parametrize(
    ("command", "facts"),
    [
        ("journal verify", {"entries": 7}),
        ("journal balance", {"taken_yen": 500, "claims_yen": 500, "held_yen": 0}),
        (
            "claims list",
            {
                "claims": [
                    {"claim_no": "AAAA-AAAA", "order_id": f"{A}-1", "yen": 500, "settled_by": None},
                ]
            },
        ),
    ],
)
def test_a_program_is_answered_in_json_and_english_at_any_terminal(
    config: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    facts: dict[str, object],
) -> None:
    monkeypatch.setenv("LC_ALL", "ja_JP.UTF-8")
    write_journal(config, DAY)
    assert 0 == run(f"{command} --json", config)
    answer = json.loads(capsys.readouterr().out)
    assert (True, True) == (answer["done"], answer["text"].isascii())
    assert facts == {name: answer[name] for name in facts}


def test_every_page_of_the_books_is_there_for_a_program(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_journal(config, DAY)
    found: dict[str, Any] = {}
    for command in ("journal show --last 1", "cash show", "day list", "day show 2026-11-25"):
        assert 0 == run(f"{command} --json", config)
        found |= json.loads(capsys.readouterr().out)
    assert "DayClosed" == found["entries"][0]["record"]
    assert {"hopper": 3, "coin_yen": 100, "coins": 20}.items() <= next(
        place for place in found["cash"] if place["hopper"] == 3
    ).items()
    assert "2026-11-25" == found["days"][0]["business_date"] == found["day"]["business_date"]


def test_a_refusal_is_said_in_japanese_and_to_a_program_in_json(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_journal(config, DAY)
    assert EXIT_REFUSED == run("day show 2026-11-24 --language ja", config)
    assert "madoguchi: 締めた業務日 2026-11-24 はありません\n" == capsys.readouterr().err
    assert EXIT_REFUSED == run("day show 2026-11-24 --json --language ja", config)
    assert {"done": False, "text": "no day 2026-11-24 is closed"} == json.loads(capsys.readouterr().out)


def test_only_what_was_asked_for_is_shown(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_journal(config, DAY)
    for command, lines in (
        ("journal show", 7),
        ("journal show --last 3", 3),
        ("journal show --last 0", 0),
        ("journal show --visit bbbb", 0),
        ("journal show --visit a", 5),
    ):
        assert 0 == run(command, config)
        assert lines == len(capsys.readouterr().out.splitlines()), command


def test_an_empty_journal_is_said_to_be_so(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_journal(config, ())
    assert 0 == run("journal verify", config)
    assert "no entries\n" == capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        ("day show 2026-11-24", "madoguchi: no day 2026-11-24 is closed\n"),
        ("day show yesterday", "madoguchi: a day is written YYYY-MM-DD\n"),
        ("day close", "/console: the kiosk does not run, or you may not ask it\n"),
        ("claims settle AAAA-AAAA", "/console: the kiosk does not run, or you may not ask it\n"),
    ],
)
def test_what_cannot_be_done_now_is_named(
    config: Path, capsys: pytest.CaptureFixture[str], command: str, complaint: str
) -> None:
    write_journal(config, DAY)
    assert EXIT_REFUSED == run(command, config) == 69
    captured = capsys.readouterr()
    assert ("", True) == (captured.out, captured.err.endswith(complaint))


def test_a_page_of_the_day_is_written(config: Path) -> None:
    write_journal(config, DAY)
    out = config.with_name("day.pdf")
    assert 0 == main(["day", "pdf", "2026-11-25", "--out", str(out), "--config", str(config)])
    assert out.read_bytes().startswith(b"%PDF-1.7")


def test_a_cut_tail_is_named_by_every_command_that_reads(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_journal(config, DAY)
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.executescript("DROP TRIGGER entries_never_go; DELETE FROM entries WHERE seq > 5")
    for command in ("journal verify", "journal export", "cash show", "day list"):
        assert EXIT_JOURNAL == run(command, config)
        expected = "madoguchi: journal: journal.db: its tail is cut off, entries 6 to 7 are missing\n"
        assert ("", expected) == capsys.readouterr()


@pytest.mark.parametrize(
    "words", [["cash", "collect", "attic", "100", "1"], ["cash"], ["day", "pdf", "2026-11-25"]]
)
def test_a_command_that_is_not_whole_is_a_usage_error(words: list[str], config: Path) -> None:
    with pytest.raises(SystemExit) as raised:
        main([*words, "--config", str(config)])
    assert 2 == raised.value.code
