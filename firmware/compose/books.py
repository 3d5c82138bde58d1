"""The commands of the books: read ones from the journal's file, the others asked of the running kiosk."""

import argparse
import asyncio
import json
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from firmware.compose.console import day_report
from firmware.compose.desk import find_day
from firmware.compose.kiosk import read_journal
from firmware.compose.worker import document_settings
from firmware.console import pages
from firmware.console.arguments import chosen_language
from firmware.console.client import ask
from firmware.console.sayings import left, say_in
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
from firmware.core.wording import Say, Sentence, told
from firmware.documents.day_report import day_pdf
from firmware.errors import ConsoleError, JournalError
from firmware.settings import Settings, load
from firmware.shell.journal import Entry

_Answer = tuple[Iterable[str], dict[str, Any]]
"""For a reader, and the same for a program."""


def run_books(wanted: argparse.Namespace) -> int:
    """Run one command. Raises ConfigError, JournalError, ConsoleError, OfficeRefused."""
    settings = load(wanted.config)
    language = Language.EN if wanted.json else chosen_language(wanted)
    request = _request(wanted)
    if request is not None:
        _answer(wanted, *_asked(settings, msgspec.structs.replace(request, language=language)))
        return 0
    entries, say = asyncio.run(read_journal(settings)), say_in(language)
    match wanted.command, wanted.act:
        case "journal", "verify":
            last = entries[-1].chain.hex() if entries else ""
            _answer(wanted, (say(_verified(entries)),), {"entries": len(entries), "chain": last})
        case "journal", "show":
            chosen = _chosen(entries, wanted)
            page = (pages.record_line(entry.seq, entry.at, entry.record) for entry in chosen)
            _answer(wanted, page, {"entries": [json.loads(entry.line()) for entry in chosen]})
        case "journal", "export":
            _say(entry.line() for entry in entries)
            _complain(entries)
        case "journal", _:
            _answer(wanted, *_balance(entries, say))
        case command, act:
            accounts = Accounts(entry.record for entry in entries)
            _answer(wanted, *_read(settings, accounts, f"{command} {act}", wanted, say))
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


def _asked(settings: Settings, request: AnyRequest) -> _Answer:
    # A claim may wait for the municipality, and behind another question about the same one.
    seconds = 2 * settings.file.municipality.total_seconds + 15.0
    answer = ask(settings.path(settings.file.console.socket), request, seconds=seconds)
    if not answer.done:
        raise ConsoleError("{answer}", answer=answer.text)
    return (answer.text,), answer.facts


def _read(settings: Settings, accounts: Accounts, what: str, wanted: argparse.Namespace, say: Say) -> _Answer:
    match what:
        case "cash show":
            places = msgspec.to_builtins(accounts.open_day().cash)
            return pages.cash_page(accounts, say), {"cash": places}
        case "day list":
            days = [msgspec.to_builtins(day) for day in accounts.days.values()]
            return pages.days_page(accounts, say), {"days": days}
        case "day show":
            day = find_day(accounts.days, wanted.business_date)
            return pages.day_page(day, say), {"day": msgspec.to_builtins(day)}
        case "day pdf":
            day = find_day(accounts.days, wanted.business_date)
            wanted.out.write_bytes(day_pdf(day_report(settings, day), document_settings(settings)))
            return (), {"path": str(wanted.out)}
        case _:
            claims = [msgspec.to_builtins(claim) for claim in accounts.claims.values()]
            return pages.claims_page(accounts, say), {"claims": claims}


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


def _balance(entries: Sequence[Entry], say: Say) -> _Answer:
    _complain(entries)
    books = ledger(entry.record for entry in entries)
    rows = (
        (told("taken"), "taken_yen", books.taken_yen),
        (told("fees"), "fees_yen", books.fees_yen),
        (told("paid out"), "paid_out_yen", books.paid_out_yen),
        (told("claims"), "claims_yen", books.claims_yen),
        (told("unclaimed"), "unclaimed_yen", books.unclaimed_yen),
        (told("held"), "held_yen", books.held_yen),
    )
    page = [f"{left(say(label), 10)} {yen:>10} {say(told('yen'))}" for label, _, yen in rows]
    return page, {name: yen for _, name, yen in rows}


def _complain(entries: Sequence[Entry]) -> None:
    """Raises JournalError if the books contradict themselves."""
    if found := faults(entries):
        raise JournalError("; ".join(found))


def _answer(wanted: argparse.Namespace, lines: Iterable[str], facts: dict[str, Any]) -> None:
    """The lines for a reader; for a program one JSON object as the console's `--json` has it."""
    if wanted.json:
        lines = (json.dumps({"done": True, "text": "\n".join(lines), **facts}),)
    _say(lines)


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)  # noqa: T201 - a command's answer
