"""The commands of the books: read ones from the journal's file, the others asked of the running kiosk."""

import argparse
import asyncio
from collections.abc import Iterable, Sequence

from firmware.compose.console import day_report
from firmware.compose.desk import find_day
from firmware.compose.kiosk import read_journal
from firmware.compose.worker import document_settings
from firmware.console import pages
from firmware.console.client import ask
from firmware.console.sayings import say_in
from firmware.console.wire import (
    AnyRequest,
    AskClaim,
    CloseDay,
    Collect,
    Count,
    PrintDay,
    PrintSelfTest,
    Refill,
    SettleClaim,
)
from firmware.core.accounts import Accounts
from firmware.core.money import ledger
from firmware.core.terms import Language
from firmware.core.wording import Sentence, told
from firmware.documents.day_report import day_pdf
from firmware.errors import ConsoleError, JournalError
from firmware.settings import Settings, load
from firmware.shell.journal import Entry


def run_books(wanted: argparse.Namespace) -> int:
    """Run one command. Raises ConfigError, JournalError, ConsoleError, OfficeRefused."""
    settings = load(wanted.config)
    request = _request(wanted)
    if request is not None:
        return _asked(settings, request)
    entries = asyncio.run(read_journal(settings))
    match wanted.command, wanted.act:
        case "journal", "verify":
            _say((say_in(Language(wanted.language))(_verified(entries)),))
        case "journal", "show":
            _say(pages.record_line(entry.seq, entry.at, entry.record) for entry in _chosen(entries, wanted))
        case "journal", "export":
            _say(entry.line() for entry in entries)
            _complain(entries)
        case "journal", _:
            _say(_balance(entries))
        case command, act:
            _read(settings, Accounts(entry.record for entry in entries), f"{command} {act}", wanted)
    return 0


def faults(entries: Sequence[Entry]) -> tuple[str, ...]:
    """Whatever in the books contradicts itself, in words."""
    records = [entry.record for entry in entries]
    return (*ledger(records).faults(), *Accounts(records).faults())


def _request(wanted: argparse.Namespace) -> AnyRequest | None:
    """What must be asked of the running kiosk; None if the journal's file says it."""
    match wanted.command, wanted.act:
        case "cash", "refill":
            return Refill(wanted.hopper, wanted.coins)
        case "cash", "collect":
            return Collect(wanted.place, wanted.coin_yen, wanted.coins)
        case "cash", "count":
            return Count(wanted.place, wanted.coin_yen, wanted.coins)
        case "day", "close":
            return CloseDay()
        case "day", "print":
            return PrintDay(wanted.business_date)
        case "slip", "test":
            return PrintSelfTest()
        case "claims", "show":
            return AskClaim(wanted.claim_no)
        case "claims", "settle":
            return SettleClaim(wanted.claim_no)
        case _:
            return None


def _asked(settings: Settings, request: AnyRequest) -> int:
    # A claim may wait for the municipality, and behind another question about the same one.
    seconds = 2 * settings.file.municipality.total_seconds + 15.0
    answer = ask(settings.path(settings.file.console.socket), request, seconds=seconds)
    if not answer.done:
        raise ConsoleError("{answer}", answer=answer.text)
    _say((answer.text,))
    return 0


def _read(settings: Settings, accounts: Accounts, what: str, wanted: argparse.Namespace) -> None:
    match what:
        case "cash show":
            _say(pages.cash_page(accounts))
        case "day list":
            _say(pages.days_page(accounts))
        case "day show":
            _say(pages.day_page(find_day(accounts.days, wanted.business_date)))
        case "day pdf":
            day = find_day(accounts.days, wanted.business_date)
            wanted.out.write_bytes(day_pdf(day_report(settings, day), document_settings(settings)))
        case _:
            _say(pages.claims_page(accounts))


def _verified(entries: Sequence[Entry]) -> Sentence:
    if not entries:
        return told("no entries")
    last = entries[-1]
    return told(
        "{entries} entries, none missing, the last of {at}: {chain}",
        entries=len(entries),
        at=last.at,
        chain=last.chain.hex(),
    )


def _chosen(entries: Sequence[Entry], wanted: argparse.Namespace) -> Sequence[Entry]:
    chosen = [
        entry
        for entry in entries
        if (wanted.record is None or type(entry.record).__name__ == wanted.record)
        and (wanted.visit is None or getattr(entry.record, "visit", "").startswith(wanted.visit.lower()))
    ]
    return chosen if wanted.last is None else chosen[len(chosen) - max(0, wanted.last) :]


def _balance(entries: Sequence[Entry]) -> Iterable[str]:
    _complain(entries)
    books = ledger(entry.record for entry in entries)
    for label, yen in (
        ("taken", books.taken_yen),
        ("fees", books.fees_yen),
        ("paid out", books.paid_out_yen),
        ("claims", books.claims_yen),
        ("unclaimed", books.unclaimed_yen),
        ("held", books.held_yen),
    ):
        yield f"{label:<10} {yen:>10} yen"


def _complain(entries: Sequence[Entry]) -> None:
    """Raises JournalError if the books contradict themselves."""
    if found := faults(entries):
        raise JournalError("; ".join(found))


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)  # noqa: T201 - a command's answer
