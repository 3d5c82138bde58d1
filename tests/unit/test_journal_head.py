"""The word about how far the journal went: a tail cut off is found, a damaged word says nothing."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firmware.core import records as r
from firmware.errors import JournalError
from firmware.ports import JournalHead
from firmware.shell.journal import Entry, Journal
from firmware.shell.journal_head import HeadFile

KEY = b"0123456789abcdef"
HEAD = JournalHead(1234, bytes(range(32)))


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """A journal of five entries, closed; and what it was at three."""
    path = tmp_path / "journal.db"
    journal = Journal(path, KEY)
    await journal.open()
    for number in range(5):
        await journal.append((r.CoinUnclaimed(100, 7, number),))
        if number == 2:
            shutil.copytree(tmp_path, tmp_path / "then")
    await journal.close()
    return path


async def opened(path: Path) -> int:
    journal = Journal(path, KEY)
    try:
        await journal.open()
        return journal.head.seq
    finally:
        await journal.close()


async def test_entries_deleted_from_the_end_are_named(path: Path) -> None:
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.executescript("DROP TRIGGER entries_never_go; DELETE FROM entries WHERE seq > 3")
    with pytest.raises(JournalError) as cut:
        await opened(path)
    assert "journal.db: its tail is cut off, entries 4 to 5 are missing" == str(cut.value)
    with pytest.raises(JournalError, match="its tail is cut off"):
        tuple(Journal(path, KEY).read())


async def test_an_older_copy_of_the_journal_is_named(path: Path) -> None:
    for name in ("journal.db", "journal.db-wal"):
        shutil.copy(path.parent / "then" / name, path.parent / name)
    path.with_name("journal.db-shm").unlink(missing_ok=True)
    with pytest.raises(JournalError, match="entries 4 to 5 are missing"):
        await opened(path)


async def test_a_tail_that_was_written_anew_is_named(path: Path) -> None:
    head = path.with_name("journal.db.head")
    kept = head.read_bytes()
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.executescript("DROP TRIGGER entries_never_go; DELETE FROM entries WHERE seq > 4")
    head.unlink()
    journal = Journal(path, KEY)
    await journal.open()
    await journal.append((r.CoinUnclaimed(500, 7, 9), r.CoinUnclaimed(500, 7, 10)))
    await journal.close()
    head.write_bytes(kept)
    with pytest.raises(JournalError, match="entry 5 is not the one that was written"):
        await opened(path)


async def test_a_word_that_is_older_than_the_journal_is_no_fault(path: Path) -> None:
    shutil.copy(path.parent / "then" / "journal.db.head", path.with_name("journal.db.head"))
    assert 5 == await opened(path)


@pytest.mark.parametrize(
    "damage", [None, b"", b"\xff" * 80, b"5 00 00\n", b"99999 " + b"ab" * 32 + b" " + b"00" * 16]
)
async def test_a_word_that_is_gone_or_damaged_says_nothing(path: Path, damage: bytes | None) -> None:
    head = path.with_name("journal.db.head")
    head.unlink()
    if damage is not None:
        head.write_bytes(damage)
    assert 5 == await opened(path)


async def test_a_journal_goes_on_where_no_word_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "journal.db.head").mkdir()
    journal = Journal(tmp_path / "journal.db", KEY)
    await journal.open()
    await journal.append((r.DaemonStarted("1"),))
    assert 1 == journal.head.seq
    await journal.close()
    assert 1 == await opened(tmp_path / "journal.db")


async def test_the_chain_of_any_entry_can_be_asked_for(path: Path) -> None:
    journal = Journal(path, KEY)
    with pytest.raises(JournalError, match="is not open"):
        await journal.chain_at(1)
    entries = list[Entry]()
    await journal.open(entries.append)
    assert [entry.chain for entry in entries] == [await journal.chain_at(seq) for seq in range(1, 6)]
    assert b"" == await journal.chain_at(6)
    assert JournalHead(5, entries[-1].chain) == journal.head
    await journal.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 200), st.integers(0, 255))
def test_any_octet_changed_in_the_word_makes_it_say_nothing(tmp_path: Path, at: int, octet: int) -> None:
    path = tmp_path / "head"
    file = HeadFile(path, KEY)
    file.write(HEAD)
    file.close()
    assert HEAD == HeadFile(path, KEY).read()
    octets = bytearray(path.read_bytes())
    octets[at] = octet
    path.write_bytes(octets)
    assert HeadFile(path, KEY).read() in (HEAD, None)
    assert HeadFile(path, b"another key of 16").read() is None
    path.unlink()


async def test_lines_come_as_they_lie_there_and_never_more_than_asked_for(path: Path) -> None:
    journal = Journal(path, KEY)
    with pytest.raises(JournalError, match="is not open"):
        await journal.lines(1, 5, 10**6)
    entries = list[Entry]()
    await journal.open(entries.append)
    lines = await journal.lines(2, 3, 10**6)
    assert [(entry.seq, entry.chain) for entry in entries[1:4]] == [(line.seq, line.chain) for line in lines]
    length = len(lines[0].fields)
    assert (1, 2) == tuple([len(await journal.lines(2, 5, most)) for most in (1, 2 * length)])
    assert () == await journal.lines(6, 5, 10**6)
    await journal.close()
