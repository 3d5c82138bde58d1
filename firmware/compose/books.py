"""The commands of the books: read ones from the journal's file, the others asked of the running kiosk."""

import argparse
import json
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from firmware.compose.console import day_report
from firmware.compose.desk import find_day
from firmware.compose.kiosk import open_journal
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
from firmware.core.money import Ledger, ledger
from firmware.core.records import Record
from firmware.core.terms import Language
from firmware.core.wording import Say, Sentence, told
from firmware.documents.day_report import day_pdf
from firmware.errors import ConsoleError, JournalError
from firmware.settings import Settings, load
from firmware.shell.journal import Entry, Journal

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
    journal, say = open_journal(settings), say_in(language)
    match wanted.command, wanted.act:
        case "journal", "verify":
            last = _last(journal)
            facts = {"entries": last.seq, "chain": last.chain.hex()} if last else {"entries": 0, "chain": ""}
            _answer(wanted, (say(_verified(last)),), facts)
        case "journal", "show":
            _show(journal, wanted)
        case "journal", "export":
            _, found = _books(journal)
            _say(entry.line() for entry in journal.read())
            _complain(found)
        case "journal", _:
            _answer(wanted, *_balance(journal, say))
        case command, act:
            accounts = Accounts(entry.record for entry in journal.read())
            _answer(wanted, *_read(settings, accounts, f"{command} {act}", wanted, say))
    return 0


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


def _last(journal: Journal) -> Entry | None:
    """The last entry, once all are checked."""
    last: deque[Entry] = deque(journal.read(), maxlen=1)
    return last[0] if last else None


def _verified(last: Entry | None) -> Sentence:
    if last is None:
        return told("no entries")
    return told(
        "{entries} entries, none missing, the last of {at}: {chain}",
        entries=last.seq,
        at=last.at,
        chain=last.chain.hex(),
    )


def _show(journal: Journal, wanted: argparse.Namespace) -> None:
    """Nothing is shown of a journal that is not whole: one that is shown whole is read twice, not kept."""
    if wanted.json or wanted.last is not None:
        most = None if wanted.last is None else max(0, wanted.last)
        chosen: Iterable[Entry] = deque(_chosen(journal, wanted), maxlen=most)
    else:
        _last(journal)
        chosen = _chosen(journal, wanted)
    page = (pages.record_line(entry.seq, entry.at, entry.record) for entry in chosen)
    facts = {"entries": [json.loads(entry.line()) for entry in chosen]} if wanted.json else {}
    _answer(wanted, page, facts)


def _chosen(journal: Journal, wanted: argparse.Namespace) -> Iterator[Entry]:
    for entry in journal.read():
        if (wanted.record is None or type(entry.record).__name__ == wanted.record) and (
            wanted.visit is None or getattr(entry.record, "visit", "").startswith(wanted.visit.lower())
        ):
            yield entry


def _books(journal: Journal) -> tuple[Ledger, tuple[str, ...]]:
    """Every yen, and whatever in the books contradicts itself, in words. Keeps a balance of each visit."""
    accounts = Accounts()

    def entered() -> Iterator[Record]:
        for entry in journal.read():
            accounts.enter(entry.record)
            yield entry.record

    books = ledger(entered())
    return books, (*books.faults(), *accounts.faults())


def _balance(journal: Journal, say: Say) -> _Answer:
    books, found = _books(journal)
    _complain(found)
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


def _complain(found: tuple[str, ...]) -> None:
    """Raises JournalError if the books contradict themselves."""
    if found:
        raise JournalError("; ".join(found))


def _answer(wanted: argparse.Namespace, lines: Iterable[str], facts: dict[str, Any]) -> None:
    """The lines for a reader; for a program one JSON object as the console's `--json` has it."""
    if wanted.json:
        lines = (json.dumps({"done": True, "text": "\n".join(lines), **facts}),)
    _say(lines)


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)  # noqa: T201 - a command's answer
