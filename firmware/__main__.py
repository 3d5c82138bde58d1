"""The command `madoguchi`."""

import argparse
import asyncio
import contextlib
import getpass
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from firmware import __version__
from firmware.console.arguments import add_books, chosen_language
from firmware.console.sayings import say_in
from firmware.errors import (
    CardGone,
    ConfigError,
    ConsoleError,
    DeviceGone,
    JournalError,
    MunicipalityError,
    OfficeRefused,
)
from firmware.shell.last_words import KioskFailed
from firmware.shell.no_core import no_core_dump

EXIT_CONFIG = 78  # EX_CONFIG of sysexits.h
EXIT_JOURNAL = 74  # EX_IOERR
EXIT_FAILED = 70  # EX_SOFTWARE
EXIT_REFUSED = EXIT_DEVICE = 69  # EX_UNAVAILABLE

CARD_WAIT_SECONDS = 60.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status for the shell."""
    wanted = _parser().parse_args(arguments)
    try:
        return _COMMANDS[wanted.command](wanted)
    except ConfigError as error:
        print(f"madoguchi: {error}", file=sys.stderr)
        return EXIT_CONFIG
    except JournalError as error:
        _complain(wanted, f"journal: {error}", f"journal: {error}")
        return EXIT_JOURNAL
    except (ConsoleError, OfficeRefused) as error:
        _complain(wanted, say_in(chosen_language(wanted))(error.sentence), str(error))
        return EXIT_REFUSED
    except KioskFailed as error:
        print(f"madoguchi: {error}", file=sys.stderr)
        return EXIT_FAILED


def _complain(wanted: argparse.Namespace, text: str, for_program: str) -> None:
    """Why nothing was done; a program that asked for JSON gets it where it reads the answers."""
    if getattr(wanted, "json", False):
        print(json.dumps({"done": False, "text": for_program}))
    else:
        print(f"madoguchi: {text}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="madoguchi", description="Kiosk that issues municipal certificates")
    parser.add_argument("--version", action="version", version=f"madoguchi {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    configured = argparse.ArgumentParser(add_help=False)
    configured.add_argument("--config", type=Path, required=True, help="path of kiosk.toml")
    text = "run the kiosk"
    run = commands.add_parser("run", help=text, description=text, parents=[configured])
    run.add_argument(
        "--check",
        action="store_true",
        help="only if check-config --or-former --without-tpm finds nothing wrong",
    )
    for name, text in (
        ("lockout", "say whether mistakes in a row hold the kiosk, and until when"),
        ("staff-code", "set the code by which the store's staff are let in"),
        ("card-test", "read a My Number Card without its PIN and say whether the reader is fit"),
        ("document-worker", "serve one visit's documents (started by the kiosk)"),
        ("renewal-worker", "renew the kiosk's certificate (started by the kiosk)"),
    ):
        commands.add_parser(name, help=text, description=text, parents=[configured])
    text = "read the configuration and say what is wrong with it"
    check = commands.add_parser("check-config", help=text, description=text, parents=[configured])
    check.add_argument(
        "--or-former",
        action="store_true",
        help="put the published configuration before it in the place of one that is no longer good",
    )
    check.add_argument(
        "--without-tpm",
        action="store_true",
        help="ask no TPM: the kiosk serves nobody before its own answers",
    )
    certificate = commands.add_parser(
        "certificate", help="the kiosk's own certificate at the municipality", parents=[configured]
    )
    certificate.add_argument(
        "act", choices=("enrol", "renew"), help="the first one, or the next when it is due"
    )
    certificate.add_argument("--url", help="where the first one is asked for; else the municipality's")
    slip = commands.add_parser(
        "slip-worker", help="print one slip on A4 (started by the kiosk)", parents=[configured]
    )
    slip.add_argument("job_name", help="the opaque name of the job")
    add_books(commands, configured)
    _console_parser(commands, configured)
    events = commands.add_parser("events", help="what an event of the log or a code of the screen means")
    events.add_argument("words", nargs="*", metavar="EVENT|CODE", help="all of them if none is given")
    events.add_argument("--language", choices=("ja", "en"), default="en", help="default: en")
    events.add_argument("--markdown", action="store_true", help="the whole catalogue as a document")
    sheet = commands.add_parser(
        "calibration-sheet",
        help="write the sheet by which a new model of printer is set up",
        parents=[configured],
    )
    sheet.add_argument("--out", type=Path, required=True, metavar="PDF")
    _verify_parser(commands.add_parser("verify", help="say whether a certificate is genuine, from scans"))
    return parser


def _console_parser(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", configured: argparse.ArgumentParser
) -> None:
    text = "the technician's console of the running kiosk; see its help"
    console = commands.add_parser("console", help=text, description=text, parents=[configured])
    console.add_argument("--language", choices=("auto", "ja", "en"), default="auto", help="default: auto")
    console.add_argument("--command", help="one command instead of a terminal", dest="once")
    console.add_argument("--order-file", type=Path, help="log in with the maintenance order in this file")
    console.add_argument("--json", action="store_true", help="answers for a program")
    console.add_argument("--yes", action="store_true", help="ask nothing before a command")


def _verify_parser(command: argparse.ArgumentParser) -> None:
    command.description = (
        "Say offline whether a printed certificate is genuine. Exit status: 0 genuine, 1 altered, "
        "3 unreadable, 4 undecided, 5 a genuine back whose front was not read, 65 not a scan, "
        "78 bad key file."
    )
    command.add_argument(
        "scans", type=Path, nargs="+", metavar="SCAN", help="PNG, JPEG, TIFF or PDF, any side"
    )
    command.add_argument(
        "--keys", type=Path, action="append", required=True, help="public keys of a municipality (JWK Set)"
    )
    command.add_argument(
        "--opening-keys", type=Path, action="append", default=[], help="keys that only the municipality has"
    )
    command.add_argument("--code", help="text of the small code on the front, if no scan shows it")
    command.add_argument("--out", type=Path, help="folder for pictures of what the fronts must say")
    command.add_argument("--json", action="store_true", help="print the report as JSON")
    command.add_argument("--pictures", action="store_true", help="with --json: the pictures within it")


def _run(wanted: argparse.Namespace) -> int:
    """The check runs beside the reading of the program, which takes as long: no part moves before its end."""
    no_core_dump()
    check = _checking(wanted.config) if wanted.check else None
    from firmware.compose.kiosk import run_kiosk

    if check is not None and (status := check.wait()):
        return status
    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(_until_signalled(run_kiosk(wanted.config)))
    return 0


def _checking(config: Path) -> "subprocess.Popen[bytes]":
    """A process of its own: what draws every form would else stay in the kiosk's memory."""
    check = ("check-config", "--or-former", "--without-tpm", "--config", str(config))
    return subprocess.Popen([sys.executable, "-P", "-m", "firmware", *check])


async def _until_signalled(kiosk: Coroutine[Any, Any, None]) -> None:
    """Cancel once: a second cancel would tear the shutting of the coin slot in two."""
    running = asyncio.create_task(kiosk)
    signalled = asyncio.Event()

    def stop() -> None:
        if not signalled.is_set():
            signalled.set()
            running.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    await running


_NOT_CALIBRATED = (
    "けん制文字 not calibrated for this printer: 「複写」 may be seen on originals. "
    "Choose documents.void_screen by `madoguchi calibration-sheet`, "
    "and name the printer in documents.void_screen_calibrated_for"
)
_NO_ERASURE = (
    "console.log_command names no unit madoguchi-erase: `logs` at the console does not show why an erasure "
    "was refused; add --unit=madoguchi-erase"
)


def _check_config(wanted: argparse.Namespace) -> int:
    from firmware.compose.checked import checked, checked_or_former
    from firmware.compose.enrolment import key_store_trouble
    from firmware.shell.swap import refuse_swap

    settings = (checked_or_former if wanted.or_former else checked)(wanted.config)
    print(f"{wanted.config}: {settings.city.name}, {len(settings.fees)} fees: good")
    if not settings.file.documents.void_screen_calibrated_for.strip():
        print(_NOT_CALIBRATED, file=sys.stderr)
    command = settings.file.console.log_command
    if Path(command[0]).name == "journalctl" and not any("madoguchi-erase" in word for word in command):
        print(_NO_ERASURE, file=sys.stderr)
    if not wanted.without_tpm and (said := key_store_trouble(settings)):
        print(said, file=sys.stderr)
    if areas := refuse_swap(allowed=True):
        where = f"this machine swaps to {areas}"
        print(f"{where}: outside of its unit the kiosk starts only with allow_swap", file=sys.stderr)
    return 0


def _lockout(wanted: argparse.Namespace) -> int:
    from firmware.compose.kiosk import open_journal
    from firmware.core.hours import JST
    from firmware.core.lockout import Mistakes, waits_until
    from firmware.settings import load

    settings = load(wanted.config)
    rule = settings.file.lockout.rule
    mistakes = Mistakes(rule)
    for entry in open_journal(settings).read():
        mistakes.enter(entry.record, datetime.fromisoformat(entry.at))
    now = datetime.now(UTC)
    lockout = mistakes.row(now)
    until = waits_until(lockout, rule)
    print(f"strikes in a row: {lockout.strikes}")
    for strikes, seconds in rule.steps:
        print(f"from {strikes} strikes on: {seconds:g} s wait")
    if until is not None and until > now:
        print(f"no visit begins until {until.astimezone(JST):%Y-%m-%d %H:%M:%S} (Japan)")
    else:
        print("visits can begin")
    return 0


def _staff_code(wanted: argparse.Namespace) -> int:
    """Typed twice, never echoed; only its hash is written, for the kiosk's user alone."""
    from firmware.settings import load
    from firmware.shell.staff import write_code

    settings = load(wanted.config)
    if not settings.file.staff.code_file:
        raise ConfigError("staff.code_file is empty; expected where the code's hash is kept")
    code = getpass.getpass("staff code, 8 digits: ")
    if code != getpass.getpass("once more: "):
        raise ConfigError("the two codes differ; nothing is changed")
    write_code(settings.path(settings.file.staff.code_file), code)
    print("the staff code is set")
    return 0


def _card_test(wanted: argparse.Namespace) -> int:
    from firmware.compose.card_test import card_test

    no_core_dump()
    print("Lay a My Number Card on the reader.", file=sys.stderr, flush=True)
    try:
        text, is_fit = card_test(wanted.config, CARD_WAIT_SECONDS)
    except (CardGone, DeviceGone) as error:
        print(f"madoguchi: card reader: {error}", file=sys.stderr)
        return EXIT_DEVICE
    print(text)
    return 0 if is_fit else 1


def _certificate(wanted: argparse.Namespace) -> int:
    """The code of `enrol` comes by standard input, so that it stands in no list of processes."""
    from firmware.compose.enrolment import enrolled, renewed
    from firmware.settings import load

    settings = load(wanted.config)
    try:
        if wanted.act == "enrol":
            code = sys.stdin.readline().strip()
            until: datetime | None = asyncio.run(enrolled(settings, wanted.url, code, datetime.now(UTC)))
        else:
            until = asyncio.run(renewed(settings, datetime.now(UTC)))
    except MunicipalityError as error:
        print(f"madoguchi: {error}", file=sys.stderr)
        return EXIT_REFUSED
    print("not due yet" if until is None else f"certificate: good until {until:%Y-%m-%d}")
    return 0


def _document_worker(wanted: argparse.Namespace) -> int:
    from firmware.compose.worker import document_worker

    no_core_dump()
    document_worker(wanted.config)
    return 0


def _renewal_worker(wanted: argparse.Namespace) -> int:
    from firmware.compose.renewing import renewal_worker

    no_core_dump()
    return renewal_worker(wanted.config)


def _slip_worker(wanted: argparse.Namespace) -> int:
    from firmware.compose.a4_slips import slip_worker

    no_core_dump()
    return slip_worker(wanted.config, wanted.job_name, sys.stdin.buffer)


def _verify(wanted: argparse.Namespace) -> int:
    from firmware.documents.verification.command import EXIT_SCAN, verify
    from firmware.documents.verification.scans import ScanInvalid

    try:
        told = verify(
            wanted.scans,
            public=wanted.keys,
            opening=wanted.opening_keys,
            code=wanted.code,
            out=wanted.out,
            as_json=wanted.json,
            with_pictures=wanted.pictures,
        )
    except ScanInvalid as error:
        print(f"madoguchi: {error}", file=sys.stderr)
        return EXIT_SCAN
    print(told.text)
    return told.status


def _console(wanted: argparse.Namespace) -> int:
    import os

    from firmware.console.terminal import Terminal
    from firmware.settings import load

    settings = load(wanted.config)
    state = os.environ.get("STATE_DIRECTORY", "")
    terminal = Terminal(
        settings.path(settings.file.console.socket),
        seconds=max(2 * settings.file.municipality.total_seconds, settings.file.console.journal_seconds)
        + 15.0,
        language=chosen_language(wanted),
        history=Path(state.split(":")[0]) / "history" if state else None,
        as_json=wanted.json,
        sure=wanted.yes,
        idle_seconds=settings.file.console.idle_seconds,
    )
    if wanted.order_file is not None and not terminal.login(wanted.order_file.read_text(encoding="utf-8")):
        return EXIT_REFUSED
    return terminal.run() if wanted.once is None else terminal.once(wanted.once)


def _events(wanted: argparse.Namespace) -> int:
    from firmware.console.catalogue import explain, markdown
    from firmware.core.terms import Language
    from firmware.logbook import EventId

    if wanted.markdown:
        print("\n".join(markdown()))
        return 0
    for word in wanted.words or [event.value for event in EventId]:
        print("\n".join(explain(word, Language(wanted.language))))
    return 0


def _calibration_sheet(wanted: argparse.Namespace) -> int:
    from firmware.compose.worker import document_settings
    from firmware.documents.protection.calibration import calibration_sheet
    from firmware.settings import load

    sheet = calibration_sheet(document_settings(load(wanted.config)))
    try:
        wanted.out.write_bytes(sheet)
    except OSError as cause:
        raise ConfigError(f"{wanted.out}: cannot be written") from cause
    return 0


def _books(wanted: argparse.Namespace) -> int:
    from firmware.compose.books import run_books

    return run_books(wanted)


_COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "verify": _verify,
    "calibration-sheet": _calibration_sheet,
    "run": _run,
    "check-config": _check_config,
    "lockout": _lockout,
    "card-test": _card_test,
    "certificate": _certificate,
    "staff-code": _staff_code,
    "document-worker": _document_worker,
    "renewal-worker": _renewal_worker,
    "console": _console,
    "events": _events,
    "slip-worker": _slip_worker,
    **dict.fromkeys(("journal", "cash", "day", "claims", "slip"), _books),
}

if __name__ == "__main__":
    sys.exit(main())
