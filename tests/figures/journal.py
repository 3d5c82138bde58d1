"""Rows of the journal, beside SQLite alone with the same settings on the same file system."""

import gc
import os
import sqlite3
import time
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

from firmware.core.lockout import LockoutRule
from firmware.core.records import CoinTaken
from firmware.core.terms import VisitId
from firmware.shell.journal import Journal
from firmware.shell.past import MistakeRules, Past
from tests.figures.rows import Effort, MeasureError, Row, median
from tests.sold_days import sold_days

COMMITS_A_ROUND = 100
ENTRIES = 10_000
ENTRIES_A_COMMIT = 500
SHORT_DAYS, LONG_DAYS = 1, 10
VISITS_A_DAY = 100

_KEY = bytes(range(32))
_AT = "2026-11-22T03:00:00.000+00:00"
_FIELDS = '{"counter": 1, "serial": 123456, "visit": "0123456789abcdef0123456789abcdef", "yen": 100}'
_TABLE = (
    "CREATE TABLE entries (seq INTEGER PRIMARY KEY, at TEXT, record TEXT, fields TEXT, chain BLOB) STRICT"
)
_INSERT = "INSERT INTO entries VALUES (?, ?, ?, ?, ?)"


async def rows(directory: Path, effort: Effort) -> tuple[Row, ...]:
    """Commits a second with one record each, in rounds that take turns, and the check of a long journal.

    The raw loop inserts rows of the same size in a transaction each, in WAL with synchronous=FULL; it has
    no thread, no chain and no triggers. The memory is the most that Python has allocated while a start reads
    the journal of so many busy days; beside it that of one day.
    """
    ours, raw = await _commit_rates(directory, effort.journal_rounds)
    check_ms, read_ms = await _check_milliseconds(directory, effort.repetitions)
    long_kb, short_kb = [await _start_kilobytes(directory, days) for days in (LONG_DAYS, SHORT_DAYS)]
    where = f"on {_file_system(directory)}"
    return (
        Row.beside("journal.commits", ours, "/s", f"raw sqlite3 WAL+FULL {where}", raw),
        Row.beside(
            f"journal.check-{ENTRIES}-entries", check_ms, "ms", "sqlite3 reading the same rows", read_ms
        ),
        Row.beside(f"journal.start-memory-{LONG_DAYS}-days", long_kb, "kB", f"{SHORT_DAYS} day", short_kb),
    )


async def _commit_rates(directory: Path, rounds: int) -> tuple[float, float]:
    """Commits a second by the journal and by SQLite alone."""
    journal = Journal(directory / "bench.db", _KEY)
    raw = _open_raw(directory / "raw.db")
    ours_rates, raw_rates = [], []
    await journal.open()
    try:
        for number in range(rounds):
            ours_rates.append(await _journal_round(journal))
            raw_rates.append(_raw_round(raw, 1 + number * COMMITS_A_ROUND))
    finally:
        await journal.close()
        raw.close()
    return median("journal.commits", ours_rates), median("raw commits", raw_rates)


async def _journal_round(journal: Journal) -> float:
    began = time.perf_counter()
    for number in range(COMMITS_A_ROUND):
        await journal.append((_record(number),))
    return COMMITS_A_ROUND / (time.perf_counter() - began)


def _open_raw(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(_TABLE)
    return connection


def _raw_round(connection: sqlite3.Connection, first: int) -> float:
    began = time.perf_counter()
    for number in range(first, first + COMMITS_A_ROUND):
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(_INSERT, (number, _AT, "CoinTaken", _FIELDS, bytes(32)))
        connection.execute("COMMIT")
    return COMMITS_A_ROUND / (time.perf_counter() - began)


async def _check_milliseconds(directory: Path, repetitions: int) -> tuple[float, float]:
    """Opening and checking a journal of ENTRIES entries; reading its rows with SQLite alone."""
    path = directory / "long.db"
    journal = Journal(path, _KEY)
    await journal.open()
    for first in range(0, ENTRIES, ENTRIES_A_COMMIT):
        await journal.append([_record(first + number) for number in range(ENTRIES_A_COMMIT)])
    await journal.close()
    checks, reads = [], []
    for _ in range(repetitions):
        checks.append(await _check_once(path))
        reads.append(_read_once(path))
    return median("journal.check", checks), median("reading rows", reads)


async def _check_once(path: Path) -> float:
    journal = Journal(path, _KEY)
    began = time.perf_counter()
    await journal.open()
    took_ms = (time.perf_counter() - began) * 1000
    await journal.close()
    _require_all(journal.head.seq)
    return took_ms


def _read_once(path: Path) -> float:
    began = time.perf_counter()
    connection = sqlite3.connect(path)
    try:
        read: Sequence[object] = connection.execute("SELECT * FROM entries ORDER BY seq").fetchall()
        took_ms = (time.perf_counter() - began) * 1000
    finally:
        connection.close()
    _require_all(len(read))
    return took_ms


async def _start_kilobytes(directory: Path, days: int) -> float:
    path = directory / f"days-{days}.db"
    writer, reader = Journal(path, _KEY), Journal(path, _KEY)
    await writer.open()
    await writer.append(tuple(sold_days(days, VISITS_A_DAY)))
    await writer.close()
    past = Past(MistakeRules(LockoutRule(), LockoutRule(), LockoutRule()))
    gc.collect()
    tracemalloc.start()
    try:
        await reader.open(past.enter)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        await reader.close()
    if days != len(past.books.accounts.days):
        raise MeasureError(f"journal.start-memory: {len(past.books.accounts.days)} days, expected {days}")
    return peak / 1000


def _require_all(entries: int) -> None:
    if entries != ENTRIES:
        raise MeasureError(f"journal.check: {entries} entries, expected {ENTRIES}")


def _record(number: int) -> CoinTaken:
    return CoinTaken(VisitId("0123456789abcdef0123456789abcdef"), 100, 123456, number % 255 + 1)


def _file_system(directory: Path) -> str:
    """Type of the file system that holds directory, from the longest mount point above it."""
    real = os.path.realpath(directory)
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    holding = [(point, kind) for point, kind in mounts if f"{real}/".startswith(f"{point.rstrip('/')}/")]
    return max(holding, key=lambda mount: len(mount[0]))[1]
