"""PostgreSQL behind the store (--db postgresql://…): same rules, same order, one writer at a time.

A group begins with an advisory lock, so that several server processes on one database write one after
another, as the one process of SQLite does. Production: a primary with a synchronous standby
(synchronous_commit = on, synchronous_standby_names = 'ANY 1 (…)'): a commit is answered when both have
it, and the standby is promoted by the operator, never by itself.
"""

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg.rows import RowMaker

from tests.municipality import schema
from tests.municipality.store import Connection, Cursor, check_version

_WRITING, _SERVING = 1_020_801, 1_020_802
"""Keys of the advisory locks: for a group of transactions, and for a process that serves."""


class Record(tuple[Any, ...]):
    """A row by name or by place."""

    names: dict[str, int]

    def __getitem__(self, key: Any) -> Any:
        return super().__getitem__(self.names[key] if isinstance(key, str) else key)

    def keys(self) -> Iterable[str]:
        """The names of the columns."""
        return self.names.keys()


def records(cursor: "psycopg.Cursor[Record]") -> RowMaker[Record]:
    """Rows of one answer share their names."""
    described = cursor.description or ()
    names = {column.name: place for place, column in enumerate(described)}

    def make(values: Sequence[Any]) -> Record:
        record = Record(values)
        record.names = names
        return record

    return make


class Marked:
    """A connection that takes `?` for a parameter."""

    def __init__(self, engine: "Postgresql") -> None:
        self._engine = engine

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> Cursor:
        """Run one statement, prepared when it comes again."""
        return self._engine.connection.execute(_marked(sql), parameters)

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> Cursor:
        """Run one statement for each set of parameters."""
        cursor = self._engine.connection.cursor()
        cursor.executemany(_marked(sql), parameters)
        return cursor


class Postgresql:
    """One connection; commits are synchronous."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._is_serving = False
        self._connection: psycopg.Connection[Record] | None = None

    def open(self, *, serving: bool) -> Connection:
        """Connect and make what is missing."""
        self._is_serving = serving
        self._connect()
        name = urlsplit(self._url).path.lstrip("/")
        marked = Marked(self)
        with self.connection.transaction():
            self.connection.execute("SELECT pg_advisory_xact_lock(%s)", (_WRITING,))
            self.connection.execute(schema.for_postgresql().encode())
            check_version(marked, name)
        return marked

    def begin(self) -> None:
        """Wait until nobody else writes; a server that was away is asked again."""
        if self.connection.closed:
            self._connect()
        self.connection.execute("BEGIN")
        self.connection.execute("SELECT pg_advisory_xact_lock(%s)", (_WRITING,))

    def commit(self) -> None:
        """One sync for the group."""
        self.connection.execute("COMMIT")

    def rollback(self) -> None:
        """Undo the group; a connection that is gone has undone it."""
        if self.connection.closed:
            return
        if self.connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            self.connection.execute("ROLLBACK")

    def keep_up(self, year: int, month: int) -> None:
        """A partition for a month's events."""
        self.connection.execute(schema.partition(year, month).encode())

    def close(self) -> None:
        """Disconnect."""
        if self._connection is not None:
            self._connection.close()

    @property
    def connection(self) -> "psycopg.Connection[Record]":
        """The connection in use. Raises RuntimeError when there is none."""
        if self._connection is None:
            raise RuntimeError("the store is closed")
        return self._connection

    def _connect(self) -> None:
        name = urlsplit(self._url).path.lstrip("/")
        self._connection = psycopg.connect(self._url, autocommit=True, row_factory=records)
        row = self.connection.execute("SHOW synchronous_commit").fetchone()
        if row is None or row[0] in ("off", "local"):
            raise RuntimeError(f"{name}: synchronous_commit is off")
        if self._is_serving and not self._locked(_SERVING):
            raise RuntimeError(f"{name}: another process serves from it")

    def _locked(self, key: int) -> bool:
        row = self.connection.execute("SELECT pg_try_advisory_lock(%s)", (key,)).fetchone()
        return row is not None and bool(row[0])


def _marked(sql: str) -> bytes:
    return sql.replace("?", "%s").encode()
