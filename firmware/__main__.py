"""The command `madoguchi`."""

import argparse
import asyncio
import contextlib
import signal
import sys
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from firmware import __version__
from firmware.errors import CardGone, ConfigError, DeviceGone, JournalError
from firmware.shell.last_words import KioskFailed
from firmware.shell.no_core import no_core_dump

EXIT_CONFIG = 78  # EX_CONFIG of sysexits.h
EXIT_JOURNAL = 74  # EX_IOERR
EXIT_DEVICE = 69  # EX_UNAVAILABLE
EXIT_FAILED = 70  # EX_SOFTWARE

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
        print(f"madoguchi: journal: {error}", file=sys.stderr)
        return EXIT_JOURNAL
    except (CardGone, DeviceGone) as error:
        print(f"madoguchi: card reader: {error}", file=sys.stderr)
        return EXIT_DEVICE
    except KioskFailed as error:
        print(f"madoguchi: {error}", file=sys.stderr)
        return EXIT_FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="madoguchi", description="Kiosk that issues municipal certificates")
    parser.add_argument("--version", action="version", version=f"madoguchi {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("run", "run the kiosk"),
        ("check-config", "read the configuration and say what is wrong with it"),
        ("journal", "check the journal and print it as JSON lines"),
        ("lockout", "say whether mistakes in a row hold the kiosk, and until when"),
        ("card-test", "read a My Number Card without its PIN and say whether the reader is fit"),
        ("document-worker", "serve one visit's documents (started by the kiosk)"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--config", type=Path, required=True, help="path of kiosk.toml")
    return parser


def _run(wanted: argparse.Namespace) -> int:
    from firmware.compose.kiosk import run_kiosk

    no_core_dump()
    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(_until_signalled(run_kiosk(wanted.config)))
    return 0


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


def _check_config(wanted: argparse.Namespace) -> int:
    from firmware.compose.kiosk import card_acceptance, texts
    from firmware.settings import load

    settings = load(wanted.config)
    texts(settings)
    card_acceptance(settings.file.card_reader)
    print(f"{wanted.config}: {settings.city.name}, {len(settings.fees)} fees: good")
    return 0


def _journal(wanted: argparse.Namespace) -> int:
    from firmware.compose.kiosk import read_journal
    from firmware.core.money import ledger

    entries = asyncio.run(read_journal(wanted.config))
    for entry in entries:
        print(entry.line())
    books = ledger(entry.record for entry in entries)
    for fault in books.faults():
        print(f"madoguchi: journal: {fault}", file=sys.stderr)
    return EXIT_JOURNAL if books.faults() else 0


def _lockout(wanted: argparse.Namespace) -> int:
    from firmware.compose.kiosk import read_journal
    from firmware.core.hours import JST
    from firmware.core.lockout import from_journal, waits_until
    from firmware.settings import load

    rule = load(wanted.config).file.lockout.rule
    entries = asyncio.run(read_journal(wanted.config))
    now = datetime.now(UTC)
    dated = [(datetime.fromisoformat(entry.at), entry.record) for entry in entries]
    lockout = from_journal(dated, now, rule)
    until = waits_until(lockout, rule)
    print(f"strikes in a row: {lockout.strikes}")
    for strikes, seconds in rule.steps:
        print(f"from {strikes} strikes on: {seconds:g} s wait")
    if until is not None and until > now:
        print(f"no visit begins until {until.astimezone(JST):%Y-%m-%d %H:%M:%S} (Japan)")
    else:
        print("visits can begin")
    return 0


def _card_test(wanted: argparse.Namespace) -> int:
    from firmware.compose.card_test import card_test

    print("Lay a My Number Card on the reader.", file=sys.stderr, flush=True)
    text, is_fit = card_test(wanted.config, CARD_WAIT_SECONDS)
    print(text)
    return 0 if is_fit else 1


def _document_worker(wanted: argparse.Namespace) -> int:
    from firmware.compose.worker import document_worker

    no_core_dump()
    document_worker(wanted.config)
    return 0


_COMMANDS = {
    "run": _run,
    "check-config": _check_config,
    "journal": _journal,
    "lockout": _lockout,
    "card-test": _card_test,
    "document-worker": _document_worker,
}

if __name__ == "__main__":
    sys.exit(main())
