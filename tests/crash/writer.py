"""Writes a journal the way a kiosk does, over several lives, and says what it was told is on disk.

Run under strace by `tests.crash.recording`. Each line on standard output is the number of transactions
acknowledged so far.
"""

import asyncio
import os
import sqlite3
import sys
from pathlib import Path

from firmware.core import records as r
from firmware.core.states import EndReason, PayoutPurpose
from firmware.core.terms import Certainty, CertificateKind, OrderId, VisitId
from firmware.errors import JournalError
from firmware.shell import journal as product
from firmware.shell.journal import Journal

KEY = b"the key of the crash images' journal"
VISITS = 26

SETTINGS = {
    "product": {},
    "normal": {"PRAGMA synchronous=FULL": "PRAGMA synchronous=NORMAL"},
    "delete": {"PRAGMA journal_mode=WAL": "PRAGMA journal_mode=DELETE"},
    "unhealed": {"PRAGMA wal_checkpoint(TRUNCATE)": "PRAGMA user_version"},
}
"""What is asked of SQLite instead of what the product asks."""


def transactions() -> list[tuple[r.Record, ...]]:
    """Whole visits, sold, refunded and owed, in the steps in which the engine journals them."""
    steps: list[tuple[r.Record, ...]] = []
    for number in range(VISITS):
        visit = VisitId(f"{number + 1:032x}")
        order = OrderId(f"{visit}-1")
        steps += [
            (r.VisitBegan(visit),),
            (r.OrderAsked(visit, order, CertificateKind.INKAN, 1),),
            (r.OrderReserved(visit, order, 300, 1, 2),),
            (r.CoinTaken(visit, 500, 7, number + 1),),
        ]
        steps += _refunded(visit, order, number) if number % 2 else _sold(visit, order, number)
    return steps


def _sold(visit: VisitId, order: OrderId, number: int) -> list[tuple[r.Record, ...]]:
    return [
        (r.SlotShut(visit, 7, number + 1), r.IssueIntended(visit, order, 300)),
        (r.IssueCommitted(visit, order, "R-1"), r.PrintIntended(visit, order, "cert-1", 2)),
        (
            r.PrintEnded(visit, order, Certainty.DONE, 2),
            r.FeeEarned(visit, order, 300),
            r.PayoutBegan(visit, PayoutPurpose.CHANGE, 200, None),
            r.CoinPayIntended(visit, 3, 100, 2 * number),
        ),
        (r.CoinPayEnded(visit, 3, 100, Certainty.DONE), r.CoinPayIntended(visit, 3, 100, 2 * number + 1)),
        (
            r.CoinPayEnded(visit, 3, 100, Certainty.DONE),
            r.PayoutEnded(visit, order, PayoutPurpose.CHANGE, 200, 0),
        ),
        (r.VisitEnded(visit, None),),
    ]


def _refunded(visit: VisitId, order: OrderId, number: int) -> list[tuple[r.Record, ...]]:
    return [
        (
            r.SlotShut(visit, 7, number + 1),
            r.PayoutBegan(visit, PayoutPurpose.REFUND, 500, EndReason.CANCELLED),
            r.CoinPayIntended(visit, 3, 100, 900),
        ),
        (
            r.CoinPayEnded(visit, 3, 100, Certainty.UNKNOWN),
            r.ClaimOpened(visit, "0000-0000", 500),
            r.PayoutEnded(visit, order, PayoutPurpose.REFUND, 0, 500),
        ),
        (r.VisitEnded(visit, EndReason.CANCELLED),),
    ]


class Substituted(sqlite3.Connection):
    """Asks SQLite for the settings of the run instead of the product's."""

    substitutes: dict[str, str] = {}  # noqa: RUF012 - set once for the process

    def execute(self, sql: str, parameters: object = ()) -> sqlite3.Cursor:
        return super().execute(self.substitutes.get(sql, sql), parameters)  # type: ignore[arg-type]


def _substitute(settings: dict[str, str]) -> None:
    def connect(path: Path, mode: str) -> sqlite3.Connection:
        return sqlite3.connect(path, isolation_level=None, factory=Substituted)

    Substituted.substitutes = settings
    product._connect = connect
    Journal._assert_pragma = lambda *_: None  # type: ignore[method-assign]


async def live(path: Path, *, most: int, checkpoint_pages: int, dies: bool) -> None:
    """Append what is missing, at most so many transactions; then end in order or as SIGKILL would."""
    journal = Journal(path, KEY)
    await journal.open()
    there = journal.head.seq
    steps = transactions()
    done = 0
    while there:
        there -= len(steps[done])
        done += 1
    connection = journal._connection
    assert connection is not None
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(
        journal._thread, connection.execute, f"PRAGMA wal_autocheckpoint={checkpoint_pages}"
    )
    for number, records in enumerate(steps[done : done + most], start=done + 1):
        try:
            await journal.append(records)
        except JournalError:
            os._exit(0)
        os.write(1, b"%d\n" % number)
    if dies:
        os._exit(0)
    await journal.close()


if __name__ == "__main__":
    path, settings, most, pages, dies = sys.argv[1:]
    if substitutes := SETTINGS[settings]:
        _substitute(substitutes)
    asyncio.run(live(Path(path), most=int(most), checkpoint_pages=int(pages), dies=dies == "dies"))
