"""The backend's database: one SQLite file, one connection, one thread that writes."""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

SCHEMA = """
CREATE TABLE IF NOT EXISTS kiosk (
    urn TEXT PRIMARY KEY, thumbprint TEXT NOT NULL UNIQUE, active INTEGER NOT NULL,
    seq INTEGER, firmware TEXT, seen_at REAL,
    journal_seq INTEGER NOT NULL DEFAULT 0, journal_head TEXT NOT NULL DEFAULT '') STRICT;

CREATE TABLE IF NOT EXISTS session (
    id TEXT PRIMARY KEY, kiosk TEXT NOT NULL, thumbprint TEXT NOT NULL, kem BLOB NOT NULL, tbs BLOB NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('OPENED', 'CONSUMED', 'AUTHENTICATED', 'REFUSED', 'ENDED')),
    sign_until REAL NOT NULL, ends_at REAL NOT NULL,
    asked BLOB, status INTEGER, answer BLOB, resident TEXT, person_ref TEXT) STRICT;

CREATE TABLE IF NOT EXISTS orders (
    order_id TEXT PRIMARY KEY, kiosk TEXT NOT NULL, session TEXT NOT NULL REFERENCES session (id),
    asked BLOB NOT NULL, kind TEXT NOT NULL, copies INTEGER NOT NULL, total_yen INTEGER NOT NULL,
    number TEXT NOT NULL UNIQUE, register_version TEXT NOT NULL, register_as_of REAL NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('RESERVED', 'RELEASED', 'ISSUED', 'PRINT_FAILED', 'UNCERTAIN',
        'REFUNDED', 'CANCELLED', 'EXPIRED')),
    expires_at REAL NOT NULL, sealed TEXT, authority TEXT, paid_yen INTEGER, receipt_no TEXT UNIQUE,
    pages_out INTEGER, refunded_yen INTEGER, owed_yen INTEGER, released_at REAL, settled_on TEXT,
    wanted TEXT, contents TEXT) STRICT;

CREATE TABLE IF NOT EXISTS reprint (
    order_id TEXT NOT NULL REFERENCES orders (order_id), attempt INTEGER NOT NULL, kem BLOB NOT NULL,
    at REAL NOT NULL, sealed TEXT, authority TEXT, outcome TEXT, pages_out INTEGER,
    PRIMARY KEY (order_id, attempt)) STRICT;

CREATE TABLE IF NOT EXISTS claim (
    claim_no TEXT NOT NULL, kiosk TEXT NOT NULL,
    order_id TEXT NOT NULL UNIQUE REFERENCES orders (order_id),
    yen INTEGER NOT NULL CHECK (yen > 0), settled_by TEXT, settled_at REAL,
    PRIMARY KEY (kiosk, claim_no)) STRICT;
CREATE TABLE IF NOT EXISTS settlement (
    kiosk TEXT NOT NULL, business_date TEXT NOT NULL, asked BLOB NOT NULL, totals TEXT NOT NULL,
    cash_yen INTEGER NOT NULL, differences TEXT NOT NULL, PRIMARY KEY (kiosk, business_date)) STRICT;

CREATE TABLE IF NOT EXISTS event (
    seq INTEGER PRIMARY KEY, order_id TEXT NOT NULL, state TEXT NOT NULL,
    at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP) STRICT;
CREATE TABLE IF NOT EXISTS report (
    order_id TEXT NOT NULL, digest BLOB NOT NULL, PRIMARY KEY (order_id, digest)) STRICT;
CREATE TABLE IF NOT EXISTS counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;

CREATE TABLE IF NOT EXISTS register (version TEXT NOT NULL, as_of REAL NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS household (id TEXT PRIMARY KEY, address TEXT NOT NULL, head TEXT) STRICT;
CREATE TABLE IF NOT EXISTS resident (
    id TEXT PRIMARY KEY, household TEXT NOT NULL REFERENCES household (id), position INTEGER NOT NULL,
    name TEXT NOT NULL, kana TEXT, alias TEXT, former_name TEXT, birth_date TEXT NOT NULL, sex TEXT NOT NULL,
    relation TEXT NOT NULL, resident_since TEXT NOT NULL, address_since TEXT NOT NULL, notified_on TEXT,
    previous_address TEXT, domicile TEXT, family_head TEXT, nationality TEXT, article_30_45 TEXT,
    residence_status TEXT, residence_period TEXT, residence_expiry TEXT) STRICT;
CREATE TABLE IF NOT EXISTS standing (
    resident TEXT PRIMARY KEY REFERENCES resident (id), deceased INTEGER NOT NULL, moved_out INTEGER NOT NULL,
    move_out_planned INTEGER NOT NULL, support_measure INTEGER NOT NULL,
    gaiji_pending INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS seal (
    resident TEXT PRIMARY KEY REFERENCES resident (id), picture BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS tax (
    resident TEXT NOT NULL REFERENCES resident (id), fiscal_year INTEGER NOT NULL, record BLOB NOT NULL,
    PRIMARY KEY (resident, fiscal_year)) STRICT;
CREATE TABLE IF NOT EXISTS card (
    issuer BLOB NOT NULL, serial TEXT NOT NULL, resident TEXT NOT NULL REFERENCES resident (id),
    PRIMARY KEY (issuer, serial)) STRICT;

CREATE TRIGGER IF NOT EXISTS terminal_stays BEFORE UPDATE OF state ON orders
WHEN OLD.state IN ('ISSUED', 'REFUNDED', 'CANCELLED', 'EXPIRED') AND NEW.state <> OLD.state
    AND NOT (OLD.state = 'ISSUED' AND NEW.state = 'REFUNDED' AND OLD.settled_on IS NULL)
BEGIN SELECT RAISE (ABORT, 'a terminal state never changes'); END;
CREATE TRIGGER IF NOT EXISTS orders_stay BEFORE DELETE ON orders
BEGIN SELECT RAISE (ABORT, 'an order is never deleted'); END;
CREATE TRIGGER IF NOT EXISTS reprints_stay BEFORE DELETE ON reprint
BEGIN SELECT RAISE (ABORT, 'a reprint is never deleted'); END;
CREATE TRIGGER IF NOT EXISTS reprint_is_told AFTER INSERT ON reprint
BEGIN INSERT INTO event (order_id, state) VALUES (NEW.order_id, 'REPRINT_' || NEW.attempt); END;
CREATE TRIGGER IF NOT EXISTS reprint_end_is_told AFTER UPDATE OF outcome ON reprint
BEGIN INSERT INTO event (order_id, state)
    VALUES (NEW.order_id, 'REPRINT_' || NEW.attempt || '_' || upper(NEW.outcome)); END;
CREATE TRIGGER IF NOT EXISTS claim_is_settled_once BEFORE UPDATE ON claim WHEN OLD.settled_by IS NOT NULL
BEGIN SELECT RAISE (ABORT, 'a claim is settled once'); END;
CREATE TRIGGER IF NOT EXISTS settlements_stay BEFORE UPDATE ON settlement
BEGIN SELECT RAISE (ABORT, 'a settlement never changes'); END;
CREATE TRIGGER IF NOT EXISTS settlements_never_go BEFORE DELETE ON settlement
BEGIN SELECT RAISE (ABORT, 'a settlement is never deleted'); END;
CREATE TRIGGER IF NOT EXISTS reservation_is_told AFTER INSERT ON orders
BEGIN INSERT INTO event (order_id, state) VALUES (NEW.order_id, NEW.state); END;
CREATE TRIGGER IF NOT EXISTS state_is_told AFTER UPDATE OF state ON orders WHEN NEW.state <> OLD.state
BEGIN INSERT INTO event (order_id, state) VALUES (NEW.order_id, NEW.state); END;
"""


class Store:
    """Transactions one after another, each on disk before its caller goes on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="municipality-store")
        self._connection: sqlite3.Connection | None = None

    async def open(self) -> None:
        """Open the file and make what is missing. Raises RuntimeError if it cannot be made durable."""
        await self._in_thread(self._open)

    async def transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run work in one transaction; whatever it raises undoes all of it."""
        return await self._in_thread(lambda: self._transact(work))

    async def close(self) -> None:
        """Close the file and end the thread; may be called twice."""
        if self._connection is not None:
            await self._in_thread(self._connection.close)
            self._connection = None
        self._thread.shutdown()

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _open(self) -> None:
        connection = sqlite3.connect(self._path, isolation_level=None)
        connection.row_factory = sqlite3.Row
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        found = [
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
        if found != ["wal", 2, 1]:
            connection.close()
            raise RuntimeError(f"{self._path.name}: journal_mode, synchronous, foreign_keys are {found}")
        connection.executescript(SCHEMA)
        self._connection = connection

    def _transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._connection is None:
            raise RuntimeError("the store is closed")
        with self._connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            return work(connection)


def count(connection: sqlite3.Connection, name: str) -> int:
    """The next number of a counter, from 1; a number is never used twice."""
    row = connection.execute(
        "INSERT INTO counter VALUES (?, 1) ON CONFLICT DO UPDATE SET value = value + 1 RETURNING value",
        (name,),
    ).fetchone()
    return int(row[0])
