"""The command `madoguchi`."""

import argparse
import asyncio
import contextlib
import signal
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

from firmware import __version__
from firmware.errors import ConfigError, JournalError
from firmware.shell.last_words import KioskFailed

EXIT_CONFIG = 78  # EX_CONFIG of sysexits.h
EXIT_JOURNAL = 74  # EX_IOERR
EXIT_FAILED = 70  # EX_SOFTWARE


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
        ("document-worker", "serve one visit's documents (started by the kiosk)"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--config", type=Path, required=True, help="path of kiosk.toml")
    _verify_parser(commands.add_parser("verify", help="say whether a certificate is genuine, from scans"))
    return parser


def _verify_parser(command: argparse.ArgumentParser) -> None:
    command.description = (
        "Say offline whether a printed certificate is genuine. Exit status: 0 genuine, 1 altered, "
        "3 unreadable, 4 undecided, 65 not a scan, 78 bad key file."
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


def _run(wanted: argparse.Namespace) -> int:
    from firmware.compose.kiosk import run_kiosk

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
    from firmware.compose.kiosk import texts
    from firmware.settings import load

    settings = load(wanted.config)
    texts(settings)
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


def _document_worker(wanted: argparse.Namespace) -> int:
    from firmware.compose.worker import document_worker

    document_worker(wanted.config)
    return 0


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
        )
    except ScanInvalid as error:
        print(f"madoguchi: {error}", file=sys.stderr)
        return EXIT_SCAN
    print(told.text)
    return told.status


_COMMANDS = {
    "verify": _verify,
    "run": _run,
    "check-config": _check_config,
    "journal": _journal,
    "document-worker": _document_worker,
}

if __name__ == "__main__":
    sys.exit(main())
