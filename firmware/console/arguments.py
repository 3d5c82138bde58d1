"""The command line of the books: journal, cash, day, claims."""

import argparse
import os
from pathlib import Path

from firmware.console.sayings import language_of
from firmware.core.records import Record
from firmware.core.terms import Language


def chosen_language(wanted: argparse.Namespace) -> Language:
    """Of the answer: as asked for, else as the terminal says; English for commands that have but one."""
    said = getattr(wanted, "language", "en")
    return language_of(os.environ) if said == "auto" else Language(said)


def add_books(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", configured: argparse.ArgumentParser
) -> None:
    """Add the commands. configured: a parent parser with what each of them needs."""

    def group(name: str, text: str) -> "_Group":
        parser = commands.add_parser(name, help=text, description=text)
        return _Group(parser.add_subparsers(dest="act", required=True), configured)

    journal = group("journal", "the journal: check it, read it")
    journal.add("verify", "check every entry and where it ends")
    show = journal.add("show", "entries for a reader")
    show.add_argument("--visit", metavar="DIGITS", help="only of the visits that begin so")
    show.add_argument("--record", choices=_record_names(), help="only of this kind", metavar="NAME")
    show.add_argument("--last", type=int, metavar="N", help="only the last N of them")
    journal.add("export", "check it and print it as JSON lines")
    journal.add("balance", "check every yen, coin and closed day")

    cash = group("cash", "coins: where they lie, what staff do with them (door open)")
    cash.add("show", "coins by place, as the books say")
    refill = cash.add("refill", "coins were put into a hopper")
    refill.add_argument("hopper", type=int, help="its address")
    refill.add_argument("coins", type=int)
    for name, text in (("collect", "coins were taken out"), ("count", "coins were counted")):
        place = cash.add(name, text)
        place.add_argument("place", type=_place, metavar="PLACE", help="box, or a hopper's address")
        place.add_argument("coin_yen", type=int, metavar="YEN", help="the value of one coin")
        place.add_argument("coins", type=int)

    day = group("day", "business days (日計)")
    day.add("list", "the closed days")
    for name, text in (
        ("show", "one closed day"),
        ("print", "print it on the receipt roll"),
        ("pdf", "write it as a page of A4"),
    ):
        one = day.add(name, text)
        one.add_argument("business_date", metavar="YYYY-MM-DD")
        if name == "pdf":
            one.add_argument("--out", type=Path, required=True, help="the file to write")
    day.add("close", "end the business day now")

    slip = group("slip", "the receipt printer")
    slip.add("test", "print the self-test slip (自己診断)")

    claims = group("claims", "money owed by slips")
    claims.add("list", "all claims of this kiosk")
    for name, text in (
        ("show", "what the municipality knows of one"),
        ("settle", "staff pay one: the municipality notes it first"),
    ):
        claims.add(name, text).add_argument("claim_no", metavar="XXXX-XXXX", type=str.upper)


class _Group:
    """Subcommands of one command."""

    def __init__(
        self,
        parsers: "argparse._SubParsersAction[argparse.ArgumentParser]",
        configured: argparse.ArgumentParser,
    ) -> None:
        self._parsers = parsers
        self._configured = configured

    def add(self, name: str, text: str) -> argparse.ArgumentParser:
        parser = self._parsers.add_parser(name, help=text, description=text, parents=[self._configured])
        parser.add_argument(
            "--language", choices=("auto", "ja", "en"), default="auto", help="default: as the terminal says"
        )
        parser.add_argument("--json", action="store_true", help="the answer for a program, in English")
        return parser


def _place(text: str) -> int | None:
    """None for the cash box."""
    if text == "box":
        return None
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}; expected box or a hopper's address") from None


def _record_names() -> tuple[str, ...]:
    return tuple(sorted(kind.__name__ for kind in Record.__args__))
