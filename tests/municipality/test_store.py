"""The store: a group shares a commit and nothing else, and no second process serves from one database."""

import asyncio
from pathlib import Path

import psycopg
import pytest

from tests.municipality import schema
from tests.municipality.databases import edited
from tests.municipality.store import Connection, Store, count


def fails_after_writing(connection: Connection) -> int:
    count(connection, "number")
    raise KeyError("nobody")


async def test_one_that_fails_in_a_group_undoes_itself_alone(either_database: Path | str) -> None:
    store = Store(either_database)
    await store.open()
    good = [store.transact(lambda c: count(c, "number")) for _ in range(40)]
    bad = [store.transact(fails_after_writing) for _ in range(40)]
    mixed = [unit for pair in zip(good, bad, strict=True) for unit in pair]
    answers = await asyncio.gather(*mixed, return_exceptions=True)
    await store.close()
    assert list(range(1, 41)) == answers[::2]
    assert all(isinstance(answer, KeyError) for answer in answers[1::2])


async def test_a_commit_that_fails_is_told_to_everybody_in_the_group(tmp_path: Path) -> None:
    store = Store(tmp_path / "m.sqlite")
    await store.open()
    await store.transact(lambda c: c.execute("PRAGMA max_page_count = 1"))

    def grows(connection: Connection) -> None:
        connection.executemany(
            "INSERT INTO household VALUES (?, ?, NULL)", [(f"{n}", "町" * 500) for n in range(2000)]
        )

    answers = await asyncio.gather(*(store.transact(grows) for _ in range(3)), return_exceptions=True)
    await store.transact(lambda c: c.execute("PRAGMA max_page_count = 1000000"))
    kept = await store.transact(lambda c: c.execute("SELECT count(*) FROM household").fetchone()[0])
    await store.close()
    assert all(isinstance(answer, Exception) for answer in answers)
    assert 0 == kept


async def test_no_second_process_serves_from_one_database(either_database: Path | str) -> None:
    first, second = Store(either_database), Store(either_database)
    await first.open(serving=True)
    with pytest.raises(RuntimeError, match="another process serves"):
        await second.open(serving=True)
    await second.close()
    await first.close()
    third = Store(either_database)
    await third.open(serving=True)
    await third.close()


async def test_tables_of_another_version_are_not_served(either_database: Path | str) -> None:
    store = Store(either_database)
    await store.open()
    await store.transact(lambda c: c.execute("UPDATE meta SET schema_version = schema_version + 1"))
    await store.close()
    with pytest.raises(RuntimeError, match=f"tables of version {schema.VERSION + 1}"):
        await store.open()
    await store.close()


async def test_each_month_has_a_partition_of_its_own(
    either_database: Path | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(either_database)
    await store.open()
    for year, month in ((2026, 11), (2026, 12), (2026, 12), (2027, 1)):
        await store.make_room(year, month)
    await store.close()
    if isinstance(either_database, Path):
        return
    with edited(either_database) as connection:
        rows = connection.execute(
            "SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r' ORDER BY relname"
        ).fetchall()
    assert ["event_2026_11", "event_2026_12", "event_2027_01", "event_else"] == [row[0] for row in rows]


async def test_a_database_that_was_away_is_found_again(either_database: Path | str) -> None:
    store = Store(either_database)
    await store.open(serving=True)
    if isinstance(either_database, str):
        with edited(either_database) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
        with pytest.raises(psycopg.OperationalError):
            await store.transact(lambda c: count(c, "number"))
    assert 1 == await store.transact(lambda c: count(c, "number"))
    await store.close()
