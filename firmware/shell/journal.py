"""The journal: one append-only SQLite table, one connection, one thread. 業務記録

WAL with synchronous=FULL is set and read back, triggers refuse UPDATE and DELETE, and each entry
carries an HMAC over itself and the entry before it, so that a changed bit, a gap or a reordering
is found; a tail cut off is found by a word beside the file and by the municipality.
A record is on disk when `append` returns. Entries are read one by one and not kept: a year of them would be
more than the memory that the kiosk may have.
"""

import asyncio
import hashlib
import hmac
import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol, get_args

import msgspec

from firmware.core.records import Record
from firmware.errors import JournalError
from firmware.ports import JournalHead, JournalLine
from firmware.shell.journal_head import HeadFile

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    seq INTEGER PRIMARY KEY CHECK (seq > 0),
    at TEXT NOT NULL,
    record TEXT NOT NULL,
    fields TEXT NOT NULL,
    chain BLOB NOT NULL CHECK (length(chain) = 32)
) STRICT;
CREATE TRIGGER IF NOT EXISTS entries_never_change BEFORE UPDATE ON entries
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER IF NOT EXISTS entries_never_go BEFORE DELETE ON entries
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
"""

_TYPES: dict[str, type[Any]] = {kind.__name__: kind for kind in get_args(Record)}
_FULL = 2
_CACHE_KIB = 256
"""Of pages in memory. Who only appends needs the last few; SQLite by itself keeps 2 MB of them."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the journal. at: ISO 8601 UTC; chain: 32 bytes."""

    seq: int
    at: str
    record: Record
    chain: bytes

    def line(self) -> str:
        """The entry as one JSON line, for export."""
        fields = msgspec.to_builtins(self.record)
        return json.dumps(
            {"seq": self.seq, "at": self.at, "record": type(self.record).__name__, **fields},
            ensure_ascii=False,
        )


class Appender(Protocol):
    """The journal as those need it who only write."""

    async def append(self, records: Sequence[Record]) -> None:
        """Commit the records in one transaction, in order. Raises JournalError."""


class Journal:
    """Appends and reads records.

    path: the database file; key: at least 16 bytes for the chain; now: an aware clock.
    """

    def __init__(
        self, path: Path, key: bytes, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        if len(key) < 16:
            raise ValueError("the journal key is shorter than 16 bytes")
        self._path = path
        self._key = key
        self._now = now
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")
        self._connection: sqlite3.Connection | None = None
        self._failed = False
        self._appending: set[float] = set()
        self._head_file = HeadFile(path.with_name(f"{path.name}.head"), key)
        self._head = JournalHead(0, bytes(32))

    @property
    def head(self) -> JournalHead:
        """The last entry that is certainly on disk."""
        return self._head

    async def chain_at(self, seq: int) -> bytes:
        """The chain value of an entry of the open journal; empty if there is none. Raises JournalError."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._chain_at, seq)

    async def lines(self, first_seq: int, most: int, most_characters: int) -> tuple[JournalLine, ...]:
        """Entries of the open journal as they lie there, from first_seq on in a row: at most so many, and of
        so many characters unless the first alone has more. Raises JournalError."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._lines, first_seq, most, most_characters)

    async def open(self, enter: Callable[[Entry], object] = lambda _: None) -> None:
        """Open or create, and check every entry. enter: is given each of them once, in order, as it passes
        by, in the journal's thread; what it was given is worth nothing before this returns.

        Raises JournalError naming file and entry when it cannot be trusted.
        """
        await asyncio.get_running_loop().run_in_executor(self._thread, self._open, enter)

    def read(self) -> Iterator[Entry]:
        """Check and yield every entry of a journal that another process may have open; changes nothing.
        Blocks: for who has no loop. What it yields is worth nothing before it has ended.

        Raises JournalError as `open` does, and if there is no journal.
        """
        # The word about the head first: the kiosk may append meanwhile.
        said = self._head_file.read()
        with self._named(), closing(_connect(self._path, "ro")) as connection:
            yield from self._whole(said, connection)

    async def append(self, records: Sequence[Record]) -> None:
        """Commit the records in one transaction, in order. Raises JournalError.

        After that nobody knows whether they are on disk, and no later record may stand where they are
        missing: every further call raises too, until the journal is opened anew.
        """
        began = time.monotonic()
        self._appending.add(began)
        writing = asyncio.get_running_loop().run_in_executor(self._thread, self._append, tuple(records))
        writing.add_done_callback(lambda _: self._appending.discard(began))
        await asyncio.shield(writing)

    def busy_seconds(self) -> float:
        """How long the oldest append that is not on disk yet has taken; 0 without one."""
        return max((time.monotonic() - began for began in self._appending), default=0.0)

    async def close(self) -> None:
        """Close the file; may be called twice."""
        if self._connection is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown(wait=False)

    def _open(self, enter: Callable[[Entry], object]) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as cause:
            raise JournalError(f"{self._path.name}: its folder cannot be made") from cause
        with ExitStack() as undo, self._named():
            connection = undo.enter_context(closing(_connect(self._path, "rwc")))
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
            self._assert_pragma(connection, "journal_mode", "wal")
            self._assert_pragma(connection, "synchronous", _FULL)
            connection.executescript(_SCHEMA)
            # After a failed sync the kernel may call pages clean that never reached the disk. Copying what
            # the log says into the database writes and syncs them anew, and the log begins afresh.
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            head = JournalHead(0, bytes(32))
            for entry in self._whole(self._head_file.read(), connection):
                enter(entry)
                head = JournalHead(entry.seq, entry.chain)
            undo.pop_all()
        self._head, self._connection = head, connection

    def _whole(self, said: JournalHead | None, connection: sqlite3.Connection) -> Iterator[Entry]:
        """Every entry, checked, up to where the journal once went at least."""
        last, there = 0, b""
        for entry in self._checked(connection):
            last = entry.seq
            if said is not None and said.seq == last:
                there = entry.chain
            yield entry
        if said is None or said.seq == 0:
            return
        if said.seq > last:
            missing = f"entries {last + 1} to {said.seq} are missing"
            raise JournalError(f"{self._path.name}: its tail is cut off, {missing}")
        if not hmac.compare_digest(there, said.chain):
            raise JournalError(f"{self._path.name}: entry {said.seq} is not the one that was written")

    def _chain_at(self, seq: int) -> bytes:
        if self._connection is None:
            raise JournalError(f"{self._path.name}: is not open")
        with self._named():
            row = self._connection.execute("SELECT chain FROM entries WHERE seq = ?", (seq,)).fetchone()
        return b"" if row is None else bytes(row[0])

    def _lines(self, first_seq: int, most: int, most_characters: int) -> tuple[JournalLine, ...]:
        if self._connection is None:
            raise JournalError(f"{self._path.name}: is not open")
        found: list[JournalLine] = []
        with self._named():
            rows = self._connection.execute(
                "SELECT seq, at, record, fields, chain FROM entries WHERE seq >= ? ORDER BY seq LIMIT ?",
                (first_seq, most),
            )
            for seq, at, name, fields, chain in rows:
                most_characters -= len(fields)
                if found and most_characters < 0:
                    break
                found.append(JournalLine(seq, at, name, fields, bytes(chain)))
        return tuple(found)

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as cause:
            raise JournalError(f"{self._path.name}: {cause}") from cause
        except UnicodeDecodeError as cause:  # from sqlite3, for a name in a damaged schema
            raise JournalError(f"{self._path.name}: its schema is damaged") from cause

    def _assert_pragma(self, connection: sqlite3.Connection, name: str, wanted: str | int) -> None:
        (found,) = connection.execute(f"PRAGMA {name}").fetchone()
        if found != wanted:
            raise JournalError(f"{self._path.name}: {name} is {found}, expected {wanted}")

    def _checked(self, connection: sqlite3.Connection) -> Iterator[Entry]:
        chain = bytes(32)
        rows = connection.execute("SELECT seq, at, record, fields, chain FROM entries ORDER BY seq")
        for expected, (seq, at, name, fields, found) in enumerate(rows, start=1):
            if seq != expected:
                raise JournalError(f"{self._path.name}: entry {expected} is missing")
            sound = all(isinstance(column, str) for column in (at, name, fields)) and isinstance(found, bytes)
            chain = self._link(chain, seq, at, name, fields) if sound else b""
            if not sound or not hmac.compare_digest(chain, found):
                raise JournalError(f"{self._path.name}: entry {seq} does not match its chain")
            yield Entry(seq, at, self._decoded(seq, name, fields), chain)

    def _decoded(self, seq: int, name: str, fields: str) -> Record:
        try:
            record: Record = msgspec.convert(json.loads(fields), _TYPES[name], strict=True)
        except (KeyError, ValueError, msgspec.ValidationError) as cause:
            raise JournalError(f"{self._path.name}: entry {seq} is no {name}") from cause
        return record

    def _link(self, before: bytes, seq: int, at: str, name: str, fields: str) -> bytes:
        text = json.dumps([seq, at, name, fields]).encode()
        return hmac.digest(self._key, before + text, hashlib.sha256)

    def _append(self, records: tuple[Record, ...]) -> None:
        if self._connection is None:
            raise JournalError(f"{self._path.name}: is not open")
        if self._failed:
            raise JournalError(f"{self._path.name}: takes nothing after a record that failed")
        at = self._now().astimezone(UTC).isoformat(timespec="milliseconds")
        seq, chain, rows = self._head.seq, self._head.chain, []
        for record in records:
            seq += 1
            fields = json.dumps(msgspec.to_builtins(record), sort_keys=True)
            chain = self._link(chain, seq, at, type(record).__name__, fields)
            rows.append((seq, at, type(record).__name__, fields, chain))
        self._failed = True
        with self._named():
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany("INSERT INTO entries VALUES (?, ?, ?, ?, ?)", rows)
            self._connection.execute("COMMIT")
        self._head, self._failed = JournalHead(seq, chain), False
        self._head_file.write(self._head)

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
        self._head_file.close()


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None)
    # A damaged text must reach the chain, which names its entry.
    connection.text_factory = partial(str, encoding="utf-8", errors="surrogateescape")
    return connection
