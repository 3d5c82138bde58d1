"""The backend's database: one writer, and a group of transactions for each commit.

SQLite by default; `postgresql://…` takes a PostgreSQL server. On both, work is done one unit after
another, each in a savepoint of its own, and nobody is answered before the group is on disk.
"""

import asyncio
import fcntl
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import IO, Any, Protocol, TypeVar

from tests.municipality import schema

T = TypeVar("T")

MOST_IN_A_GROUP = 64
"""Transactions that share one commit at most."""


class Row(Protocol):
    """One row, by name or by place."""

    def __getitem__(self, key: Any, /) -> Any: ...
    def keys(self) -> Iterable[str]:
        """The names of its columns."""


class Cursor(Protocol):
    """What a statement gave. rowcount: rows it changed."""

    @property
    def rowcount(self) -> int: ...
    def fetchone(self) -> Any:
        """The next row or None."""

    def fetchall(self) -> list[Any]:
        """All rows left."""

    def __iter__(self) -> Any: ...


class Connection(Protocol):
    """What the rules of the protocol may do with a database; `?` marks a parameter."""

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> Cursor:
        """Run one statement."""

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> Cursor:
        """Run one statement for each set of parameters."""


class Engine(Protocol):
    """A kind of database. Every method runs in the store's own thread."""

    def open(self, *, serving: bool) -> Connection:
        """Make what is missing. serving: nobody else may serve from it meanwhile. Raises RuntimeError."""

    def begin(self) -> None:
        """Begin a group; it waits for another process that writes."""

    def commit(self) -> None:
        """Put the group on disk."""

    def rollback(self) -> None:
        """Undo the group; does nothing outside of one."""

    def keep_up(self, year: int, month: int) -> None:
        """Make room for a month's events."""

    def close(self) -> None:
        """Give everything back."""


class Unit:
    """One transaction and who waits for it."""

    def __init__(self, work: Callable[[Connection], Any]) -> None:
        self.work = work
        self.loop = asyncio.get_running_loop()
        self.done: asyncio.Future[Any] = self.loop.create_future()
        self.result: Any = None
        self.failure: BaseException | None = None

    def settle(self) -> None:
        """Tell who waits, in its loop."""
        if self.done.done():  # nobody waits any more
            return
        if self.failure is None:
            self.done.set_result(self.result)
        else:
            self.done.set_exception(self.failure)


class Store:
    """Transactions one after another, each on disk before its caller goes on.

    database: a file of SQLite, made if absent, or postgresql://…
    """

    def __init__(self, database: Path | str) -> None:
        self._engine = engine_of(database)
        self._units: queue.SimpleQueue[Unit | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._connection: Connection | None = None

    async def open(self, *, serving: bool = False) -> None:
        """Open and make what is missing. Raises RuntimeError if it cannot be made durable, is of another
        version, or (serving) another process serves from it (I8)."""
        self._thread = threading.Thread(target=self._run, name="municipality-store", daemon=True)
        self._thread.start()
        await self._submit(lambda _: self._open(serving=serving))

    async def transact(self, work: Callable[[Connection], T]) -> T:
        """Run work in one transaction; whatever it raises undoes all of it."""
        if self._connection is None:
            raise RuntimeError("the store is closed")
        result: T = await self._submit(work)
        return result

    async def make_room(self, year: int, month: int) -> None:
        """Make room for the events of a month, where the database keeps months apart."""
        await self.transact(lambda _: self._engine.keep_up(year, month))

    async def close(self) -> None:
        """Close the database and end the thread; may be called twice."""
        if self._thread is not None:
            self._connection = None
            self._units.put(None)
            await asyncio.to_thread(self._thread.join)
            self._thread = None

    async def _submit(self, work: Callable[[Connection], Any]) -> Any:
        unit = Unit(work)
        self._units.put(unit)
        return await unit.done

    def _open(self, *, serving: bool) -> None:
        self._connection = self._engine.open(serving=serving)

    def _run(self) -> None:
        try:
            while (unit := self._units.get()) is not None:
                if self._connection is None:
                    self._alone(unit)
                    continue
                group = [unit]
                ended = False
                while len(group) < MOST_IN_A_GROUP and not self._units.empty():
                    if (another := self._units.get()) is None:
                        ended = True
                        break
                    group.append(another)
                self._together(group, self._connection)
                if ended:
                    return
        finally:
            self._engine.close()

    def _alone(self, unit: Unit) -> None:
        """Opening is no transaction."""
        try:
            unit.work(_NOTHING)
        except BaseException as failure:  # noqa: BLE001 - its caller raises it
            unit.failure = failure
        _answer([unit])

    def _together(self, group: list[Unit], connection: Connection) -> None:
        try:
            self._engine.begin()
            for unit in group:
                self._in_savepoint(unit, connection)
            self._engine.commit()
        except BaseException as failure:  # noqa: BLE001 - every caller of the group raises it
            for unit in group:
                unit.failure = unit.failure or failure
            self._engine.rollback()
        _answer(group)

    def _in_savepoint(self, unit: Unit, connection: Connection) -> None:
        connection.execute("SAVEPOINT unit")
        try:
            unit.result = unit.work(connection)
        except BaseException as failure:  # noqa: BLE001 - its caller raises it
            unit.failure = failure
            connection.execute("ROLLBACK TO SAVEPOINT unit")
        connection.execute("RELEASE SAVEPOINT unit")


class Sqlite:
    """One file, WAL, every commit synced."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._serving: IO[bytes] | None = None

    def open(self, *, serving: bool) -> Connection:
        """Open or make the file."""
        if serving:
            self._serve_alone()
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
        connection.executescript(schema.for_sqlite())
        self._connection = connection
        check_version(connection, self._path.name)
        return connection

    def begin(self) -> None:
        """Take the write lock at once."""
        self._opened.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """One sync for the group."""
        self._opened.execute("COMMIT")

    def rollback(self) -> None:
        """SQLite may have done it already, when the disk was full."""
        if self._opened.in_transaction:
            self._opened.execute("ROLLBACK")

    def keep_up(self, year: int, month: int) -> None:
        """One table holds every month."""

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()
        if self._serving is not None:
            self._serving.close()

    @property
    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            raise RuntimeError("the store is closed")
        return self._connection

    def _serve_alone(self) -> None:
        """A program for one server must not run on two (高松 2024)."""
        self._serving = self._path.with_name(f"{self._path.name}.serving").open("wb")
        try:
            fcntl.flock(self._serving, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as cause:
            raise RuntimeError(f"{self._path.name}: another process serves from it") from cause


def engine_of(database: Path | str) -> Engine:
    """The engine for a file or a URL."""
    if isinstance(database, str) and database.startswith(("postgresql://", "postgres://")):
        from tests.municipality.postgresql import Postgresql

        return Postgresql(database)
    return Sqlite(Path(database))


def check_version(connection: Connection, name: str) -> None:
    """Note our version in a new database. Raises RuntimeError for one of another version (I8)."""
    row = connection.execute("SELECT schema_version FROM meta").fetchone()
    if row is None:
        connection.execute("INSERT INTO meta VALUES (?)", (schema.VERSION,))
    elif row["schema_version"] != schema.VERSION:
        raise RuntimeError(f"{name}: tables of version {row['schema_version']}, not {schema.VERSION}")


def count(connection: Connection, name: str) -> int:
    """The next number of a counter, from 1; a number is never used twice."""
    row = connection.execute(
        "INSERT INTO counter VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET value = counter.value + 1"
        " RETURNING value",
        (name,),
    ).fetchone()
    return int(row[0])


def _answer(group: list[Unit]) -> None:
    """Wake each loop once, however many wait in it: a wake-up is a system call."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Unit]] = {}
    for unit in group:
        by_loop.setdefault(unit.loop, []).append(unit)
    for loop, units in by_loop.items():
        loop.call_soon_threadsafe(_settle_all, units)


def _settle_all(units: list[Unit]) -> None:
    for unit in units:
        unit.settle()


class _Nothing:
    """Opening has no connection yet."""

    def execute(self, _sql: str, _parameters: Sequence[Any] = (), /) -> Cursor:
        raise RuntimeError("the store is not open")

    def executemany(self, _sql: str, _parameters: Iterable[Sequence[Any]], /) -> Cursor:
        raise RuntimeError("the store is not open")


_NOTHING = _Nothing()
