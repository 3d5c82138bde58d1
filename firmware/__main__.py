"""The command `madoguchi`."""

import argparse
import asyncio
import contextlib
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from firmware import __version__
from firmware.errors import ConfigError, JournalError

EXIT_CONFIG = 78  # EX_CONFIG of sysexits.h
EXIT_JOURNAL = 74  # EX_IOERR


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
    return parser


def _run(wanted: argparse.Namespace) -> int:
    from firmware.compose.kiosk import run_kiosk

    async def until_signalled() -> None:
        running = asyncio.ensure_future(run_kiosk(wanted.config))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, running.cancel)
        await running

    try:
        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(until_signalled())
    except* (ConfigError, JournalError) as group:
        raise group.exceptions[0] from None
    return 0


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


_COMMANDS = {
    "run": _run,
    "check-config": _check_config,
    "journal": _journal,
    "document-worker": _document_worker,
}

if __name__ == "__main__":
    sys.exit(main())
