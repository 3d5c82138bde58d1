"""The journal: what is appended is there, what was touched is found and named."""

import asyncio
import json
import resource
import shutil
import signal
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from firmware.core import records as r
from firmware.core.records import Record
from firmware.core.states import EndReason, PayoutPurpose, Slip
from firmware.core.terms import Certainty, CertificateKind, OrderId, Role, Strike, VisitId
from firmware.core.totals import ClaimTotal, DayTotals, PlaceTotal, SoldTotal
from firmware.errors import JournalError
from firmware.shell.journal import Entry, Journal

KEY = b"0123456789abcdef"
A = VisitId("a" * 32)
ORDER = OrderId(f"{A}-1")
NOW = datetime(2026, 11, 1, 12, 0, 0, 123_000, tzinfo=UTC)
TOTALS = DayTotals(
    visits=2,
    sold=(SoldTotal(CertificateKind.INKAN, 1, 2, 600),),
    taken_yen=1500,
    fees_yen=600,
    paid_out_yen=100,
    claims_yen=700,
    unclaimed_yen=100,
    claims_settled_yen=0,
    suspects=1,
    issued=(ORDER,),
    given_back=(),
    uncertain=(ORDER,),
    claims=(ClaimTotal("AAAA-AAAA", ORDER, 700),),
    cash=(PlaceTotal(None, 500, 3, 0, 0, 0, -1), PlaceTotal(3, 100, 19, 1, 20, 0, 0)),
)
EVERY: tuple[Record, ...] = (
    r.DaemonStarted("0.1.0"),
    r.VisitBegan(A),
    r.PersonAuthenticated(A),
    r.OrderAsked(A, ORDER, CertificateKind.JUMINHYO, 2),
    r.OrderReserved(A, ORDER, 600, 2, 3),
    r.CoinTaken(A, 500, 0xFFFFFF, 255),
    r.CoinUnclaimed(100, 1, 0),
    r.CoinsSuspected("", 3, 254, False, 1, 0),
    r.SlotShut(A, 123456, 7),
    r.IssueIntended(A, ORDER, 600),
    r.IssueCommitted(A, ORDER, "R-2026-000001"),
    r.IssueFailed(A, ORDER, Certainty.UNKNOWN),
    r.PrintIntended(A, ORDER, "cert-aaaa", 3),
    r.PrintEnded(A, ORDER, Certainty.DONE, 3),
    r.StaffDecided(A, ORDER, printed=False),
    r.FeeEarned(A, ORDER, 600),
    r.PayoutBegan(A, PayoutPurpose.CHANGE, 400, None),
    r.PayoutBegan(A, PayoutPurpose.REFUND, 400, EndReason.DOOR_OPENED),
    r.CoinPayIntended(A, 3, 100, 16_777_215),
    r.CoinPayEnded(A, 3, 100, Certainty.NOT_DONE),
    r.HopperFoundEmpty(A, 3, 12),
    r.ClaimOpened(A, "AAAA-AAAA", 400),
    r.PayoutEnded(A, ORDER, PayoutPurpose.REFUND, 0, 400),
    r.SlipEnded(A, Slip.CLAIM, Certainty.UNKNOWN),
    r.VisitEnded(A, EndReason.POWER_CUT),
    r.VisitEnded(A, None),
    r.MunicipalityTold(ORDER, "refund", accepted=True),
    r.ClaimSettled("AAAA-AAAA", 400, "uid:1000"),
    r.ClaimPaidElsewhere("AAAA-AAAA", "counter"),
    r.CoinsRefilled(3, 100, 50, "uid:1000"),
    r.CoinsCollected(None, 500, 12, "uid:0"),
    r.CoinsCounted(None, 100, 0, "uid:0"),
    r.DayClosed("2026-11-25", "2026-11-25T23:00:00.000+09:00"),
    r.DaySettled("2026-11-25", "2026-11-25T23:00:00.000+09:00", TOTALS),
    r.DayCompared("2026-11-25", matched=False, differences=("fees:600:300",)),
    r.CardStrike(A, Strike.WRONG_PIN),
    r.StaffRefused(""),
    r.StaffAdmitted(A),
    r.DefectOpened(A, ORDER, CertificateKind.INKAN, 1, 300, 1, 2, "R-2026-000001", "0" * 64, 1),
    r.SheetsDestroyed(A, ORDER),
    r.ReprintIntended(A, ORDER, 2),
    r.FeeReturned(A, ORDER, CertificateKind.INKAN, 1, 300),
    r.MaintenanceOpened(
        "order-0001", "tech-17", (Role.LOOK, Role.CASH), "2026-11-01T20:00:00+00:00", "ab" * 32
    ),
    r.MaintenanceClosed("order-0001"),
    r.MaintenanceRefused("signature"),
    r.CommandGiven("order-0001", "tech-17", "status"),
    r.CommandRefused("command-1"),
    r.MaintenanceSwitched(on=True, by="order:order-0001"),
    r.MaintenancePlanned("2026-11-02T02:00:00+09:00", "2026-11-02T04:00:00+09:00", "uid:0"),
    r.TrialCoinIntended(3, 100, 16_777_215, "order:order-0001"),
    r.TrialCoinEnded(3, 100, Certainty.UNKNOWN),
    r.SlotOpened(A, 0xFFFFFF, 255, "0101" * 5),
    r.PrinterOff(A, ORDER),
    r.PaperFound(A, ORDER),
)

SWAP = """
UPDATE entries SET seq = 111 - seq WHERE seq IN (5, 6);
UPDATE entries SET seq = seq - 100 WHERE seq > 100
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal" / "journal.db"


@pytest.fixture
async def journal(path: Path) -> AsyncIterator[Journal]:
    journal = Journal(path, KEY, now=lambda: NOW)
    await journal.open()
    yield journal
    await journal.close()


async def opened(path: Path, key: bytes = KEY) -> tuple[Entry, ...]:
    journal, entries = Journal(path, key), list[Entry]()
    try:
        await journal.open(entries.append)
    finally:
        await journal.close()
    return tuple(entries)


async def written(path: Path, records: tuple[Record, ...] = EVERY) -> Path:
    journal = Journal(path, KEY, now=lambda: NOW)
    await journal.open()
    await journal.append(records)
    await journal.close()
    return path


async def written_by_another(path: Path, record: str, fields: str) -> None:
    """A journal of one entry whose chain fits, of a record that this code does not write."""
    await written(path, ())
    another = Journal(path, KEY)
    row = (1, "2026", record, fields)
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?)", (*row, another._link(bytes(32), *row)))
    await another.close()


def content(path: Path) -> bytes:
    return path.read_bytes()


def put(path: Path, data: bytes) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return path


def tampered(path: Path, statement: str) -> None:
    """What somebody can do who has the file and no respect for triggers."""
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.executescript(f"DROP TRIGGER entries_never_change; DROP TRIGGER entries_never_go; {statement};")


def test_the_list_of_records_here_is_complete() -> None:
    assert set(Record.__args__) == {type(record) for record in EVERY}


async def test_every_record_comes_back_as_it_was_written(path: Path) -> None:
    entries = await opened(await written(path))
    assert EVERY == tuple(entry.record for entry in entries)
    assert list(range(1, len(EVERY) + 1)) == [entry.seq for entry in entries]
    assert {"2026-11-01T12:00:00.123+00:00"} == {entry.at for entry in entries}


async def test_a_line_of_the_export_is_one_json_object(path: Path) -> None:
    entries = await opened(await written(path, (r.CoinTaken(A, 500, 7, 1),)))
    assert {
        "seq": 1,
        "at": "2026-11-01T12:00:00.123+00:00",
        "record": "CoinTaken",
        "visit": A,
        "yen": 500,
        "serial": 7,
        "counter": 1,
        "pairs": "",
    } == msgspec.json.decode(entries[0].line())


async def test_appending_goes_on_after_a_restart(path: Path) -> None:
    await written(path, EVERY[:2])
    await written(path, EVERY[2:5])
    assert EVERY[:5] == tuple(entry.record for entry in await opened(path))


async def test_wal_and_full_synchronisation_are_in_force(journal: Journal, path: Path) -> None:
    await journal.append(EVERY[:1])
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as reader:
        assert ("wal",) == reader.execute("PRAGMA journal_mode").fetchone()
    connection = journal._connection
    assert connection is not None
    asked = asyncio.get_running_loop().run_in_executor(
        journal._thread, lambda: connection.execute("PRAGMA synchronous").fetchone()
    )
    assert (2,) == await asked


async def test_the_journals_pages_do_not_stay_in_memory_as_it_grows(journal: Journal) -> None:
    """SQLite's own limit is 2 MB, which some 600 visits fill."""
    connection = journal._connection
    assert connection is not None
    asked = asyncio.get_running_loop().run_in_executor(
        journal._thread, lambda: connection.execute("PRAGMA cache_size").fetchone()
    )
    (kib,) = await asked
    assert -256 <= kib < 0


async def test_a_database_that_keeps_no_write_ahead_log_is_refused(journal: Journal) -> None:
    with closing(sqlite3.connect(":memory:")) as memory:
        memory.execute("PRAGMA journal_mode=WAL")
        with pytest.raises(JournalError, match=r"^journal.db: journal_mode is memory, expected wal$"):
            journal._assert_pragma(memory, "journal_mode", "wal")


@pytest.mark.parametrize(
    "statement", ["UPDATE entries SET fields = '{}' WHERE seq = 1", "DELETE FROM entries WHERE seq = 1"]
)
async def test_an_entry_can_be_neither_changed_nor_deleted(path: Path, statement: str) -> None:
    await written(path)
    with (
        closing(sqlite3.connect(path)) as raw,
        pytest.raises(sqlite3.IntegrityError, match="the journal is append-only"),
    ):
        raw.execute(statement)
    assert len(EVERY) == len(await opened(path))


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("UPDATE entries SET at = '2026-11-01T12:00:00.124+00:00' WHERE seq = 3", "entry 3 does not match"),
        ("UPDATE entries SET record = 'VisitEnded' WHERE seq = 3", "entry 3 does not match"),
        ("UPDATE entries SET fields = replace(fields, '500', '600') WHERE seq = 6", "entry 6 does not match"),
        ("UPDATE entries SET chain = zeroblob(32) WHERE seq = 4", "entry 4 does not match"),
        ("UPDATE entries SET seq = 99 WHERE seq = 25", "entry 25 is missing"),
        ("DELETE FROM entries WHERE seq = 1", "entry 1 is missing"),
        ("DELETE FROM entries WHERE seq = 7", "entry 7 is missing"),
        (SWAP, "entry 5 does not match"),
        ("UPDATE entries SET fields = CAST(x'ff' AS TEXT) WHERE seq = 2", "entry 2 does not match"),
    ],
)
async def test_a_touched_entry_is_named(path: Path, statement: str, named: str) -> None:
    tampered(await written(path), statement)
    with pytest.raises(JournalError, match=f"^journal.db: {named}"):
        await opened(path)


async def test_a_flipped_bit_never_changes_what_is_read(path: Path, tmp_path: Path) -> None:
    """Every bit of the last entry as it lies in the file, its types and lengths too.

    One of them is no part of the entry: SQLite does not read the type of a row's own number.
    """
    records = (r.VisitBegan(A), r.CoinTaken(A, 500, 7, 1))
    sound = content(await written(path, records))
    begin = sound.index(b"2026-11-01T12:00:00.123+00:00CoinTaken") - 7
    end = sound.index(b"2026-11-01T12:00:00.123+00:00VisitBegan") - 8
    harmless = 0
    for bit in range(8 * begin, 8 * end):
        damaged = bytearray(sound)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            entries = await opened(put(tmp_path / "copy.db", bytes(damaged)))
        except JournalError:
            continue
        harmless += 1
        assert records == tuple(entry.record for entry in entries)
    assert 1 == harmless


@pytest.mark.parametrize("name", [b"entries_never_go", b"entri\xf2s_never_go"])
async def test_a_damaged_schema_is_a_journal_error(path: Path, name: bytes) -> None:
    """In the statement alone, or in the name too, which then stands undecodable in SQLite's complaint."""
    sound = content(await written(path))
    damaged = sound.replace(b"CREATE TRIGGER entries_never_go", b"CREATE TRIGGEX entries_never_go")
    put(path, damaged.replace(b"triggerentries_never_go", b"trigger" + name))
    with pytest.raises(JournalError, match=r"^journal.db: "):
        await opened(path)


async def test_another_key_finds_nothing_it_can_trust(path: Path) -> None:
    await written(path)
    with pytest.raises(JournalError, match=r"^journal.db: entry 1 does not match its chain$"):
        await opened(path, b"another key, also 16 bytes")


async def test_an_entry_whose_chain_fits_and_whose_record_is_unknown_is_named(path: Path) -> None:
    await written_by_another(path, "CoinMinted", "{}")
    with pytest.raises(JournalError, match=r"^journal.db: entry 1 is no CoinMinted$"):
        await opened(path)


async def test_a_field_that_only_a_newer_version_writes_is_passed_over(path: Path) -> None:
    await written_by_another(path, "DaemonStarted", '{"made_at": "here", "version": "9"}')
    assert [r.DaemonStarted("9")] == [entry.record for entry in await opened(path)]


async def test_a_file_that_is_no_journal_is_named(path: Path) -> None:
    put(path, b"no database, but longer than its header would be" * 100)
    with pytest.raises(JournalError, match=r"^journal.db: file is not a database$"):
        await opened(path)


async def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(JournalError, match=r"^journal.db: its folder cannot be made$"):
        await opened(tmp_path / "file" / "journal.db")


async def test_a_journal_that_is_not_open_takes_nothing(path: Path) -> None:
    journal = Journal(path, KEY)
    with pytest.raises(JournalError, match=r"^journal.db: is not open$"):
        await journal.append(EVERY[:1])
    await journal.close()
    await journal.close()


async def test_an_append_that_hangs_is_seen_to_hang(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The watchdog goes by it."""
    journal, goes_on = Journal(path, KEY), threading.Event()
    await journal.open()
    assert 0.0 == journal.busy_seconds()
    append = journal._append
    monkeypatch.setattr(journal, "_append", lambda records: goes_on.wait() and append(records))
    writing = asyncio.create_task(journal.append(EVERY[:1]))
    await asyncio.sleep(0)
    assert 0.0 < journal.busy_seconds()
    goes_on.set()
    await writing
    assert 0.0 == journal.busy_seconds()
    await journal.close()


def test_a_short_key_is_refused(path: Path) -> None:
    with pytest.raises(ValueError, match="shorter than 16 bytes"):
        Journal(path, KEY[:-1])


async def test_a_full_disk_is_a_journal_error_and_the_entries_before_stay(
    journal: Journal, path: Path
) -> None:
    """The kernel refuses to let a file grow, as a full disk does."""
    await journal.append(EVERY[:2])
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(
            resource.RLIMIT_FSIZE, (path.with_name("journal.db-wal").stat().st_size, limits[1])
        )
        with pytest.raises(JournalError, match=r"^journal.db: (disk I/O error|database or disk is full)$"):
            await journal.append(EVERY[2:])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    with pytest.raises(JournalError, match=r"^journal.db: takes nothing after a record that failed$"):
        await journal.append(EVERY[-1:])
    await journal.close()
    assert EVERY[:2] == tuple(entry.record for entry in await opened(path))
    await written(path, EVERY[2:])
    assert EVERY == tuple(entry.record for entry in await opened(path))


async def test_what_only_the_log_holds_is_copied_into_the_database_at_the_next_start(
    journal: Journal, path: Path
) -> None:
    """A copy of the files now is what a killed kiosk leaves, perhaps after a sync that failed."""
    await journal.append(EVERY)
    crashed = path.parent / "crashed.db"
    shutil.copy(path, crashed)
    shutil.copy(path.with_name("journal.db-wal"), crashed.with_name("crashed.db-wal"))
    restarted = Journal(crashed, KEY)
    await restarted.open()
    log_bytes = crashed.with_name("crashed.db-wal").stat().st_size
    await restarted.close()
    assert 0 == log_bytes


async def test_a_row_that_another_process_wrote_ends_this_one(journal: Journal, path: Path) -> None:
    """Two daemons on one journal: the second to write stops and forks no chain."""
    await journal.append(EVERY[:1])
    await written(path, EVERY[1:2])
    with pytest.raises(JournalError, match="UNIQUE constraint failed"):
        await journal.append(EVERY[2:3])


async def test_a_transaction_is_there_whole_or_not_at_all(path: Path, journal: Journal) -> None:
    """A copy of the files at this instant is what a power cut would leave."""
    await journal.append(EVERY[:3])
    crashed = path.parent / "crashed.db"
    shutil.copy(path, crashed)
    wal = path.with_name("journal.db-wal").read_bytes()
    before = len(wal)
    await journal.append(EVERY[3:6])
    grown = path.with_name("journal.db-wal").read_bytes()
    for cut in range(before, len(grown), 512):
        crashed.with_name("crashed.db-wal").write_bytes(grown[:cut])
        assert EVERY[:3] == tuple(entry.record for entry in await opened(crashed))
        shutil.copy(path, crashed)


async def test_reading_beside_the_daemon_changes_nothing(journal: Journal, path: Path) -> None:
    await journal.append(EVERY)
    before = content(path), content(path.with_name("journal.db-wal"))
    reader = Journal(path, KEY)
    assert EVERY == tuple(entry.record for entry in reader.read())
    await reader.close()
    assert before == (content(path), content(path.with_name("journal.db-wal")))


async def test_reading_makes_no_journal(path: Path) -> None:
    reader = Journal(path, KEY)
    with pytest.raises(JournalError, match=r"^journal.db: unable to open database file$"):
        next(reader.read())
    await reader.close()
    assert [] == list(path.parent.parent.glob("*/*"))


async def test_two_who_close_at_once_close_once(path: Path) -> None:
    journal = Journal(path, KEY)
    await journal.open()
    await asyncio.gather(journal.close(), journal.close())
    with pytest.raises(RuntimeError, match="shutdown"):
        await journal.append(EVERY[:1])


async def test_an_append_cancelled_in_its_queue_is_on_disk_all_the_same(path: Path) -> None:
    disk_is_slow = threading.Event()

    def now() -> datetime:
        disk_is_slow.wait(30)
        return NOW

    journal = Journal(path, KEY, now=now)
    await journal.open()
    appending = [asyncio.ensure_future(journal.append((record,))) for record in EVERY[:3]]
    await asyncio.sleep(0)
    for task in appending:
        task.cancel()
    await asyncio.gather(*appending, return_exceptions=True)
    disk_is_slow.set()
    await journal.close()
    assert EVERY[:3] == tuple(entry.record for entry in await opened(path))


async def test_an_entry_of_an_older_copy_does_not_fit_into_the_chain(path: Path, tmp_path: Path) -> None:
    """Same key, same number, same moment, another history before it."""
    await written(path, (r.VisitBegan(A), r.CoinTaken(A, 500, 7, 1)))
    other = await written(tmp_path / "other.db", (r.DaemonStarted("1"), r.CoinTaken(A, 100, 7, 1)))
    tampered(path, "DELETE FROM entries WHERE seq = 2")
    with closing(sqlite3.connect(other)) as source, closing(sqlite3.connect(path)) as raw, raw:
        row = source.execute("SELECT * FROM entries WHERE seq = 2").fetchone()
        raw.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?)", row)
    with pytest.raises(JournalError, match=r"^journal.db: entry 2 does not match its chain$"):
        await opened(path)


async def test_a_cancelled_append_is_on_disk_all_the_same(journal: Journal, path: Path) -> None:
    appending = asyncio.ensure_future(journal.append(EVERY[:3]))
    await asyncio.sleep(0)
    appending.cancel()
    await asyncio.gather(appending, return_exceptions=True)
    await journal.close()
    assert EVERY[:3] == tuple(entry.record for entry in await opened(path))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"visit": A, "yen": 500, "serial": 7, "counter": 1}, r.CoinTaken(A, 500, 7, 1)),
        ({"yen": 500, "serial": 7, "counter": 1}, r.CoinUnclaimed(500, 7, 1)),
        ({"visit": A, "serial": 7, "counter": 1}, r.SlotShut(A, 7, 1)),
        (
            {"visit": A, "lost": 1, "code": 0, "withdrawn": False, "serial": 7, "counter": 1},
            r.CoinsSuspected(A, 1, 0, False, 7, 1),
        ),
        ({"visit": A, "hopper": 3, "yen": 100, "life_count": 9}, r.CoinPayIntended(A, 3, 100, 9, None)),
        (
            {"hopper": 3, "coin_yen": 100, "life_count": 9, "by": "uid:0"},
            r.TrialCoinIntended(3, 100, 9, "uid:0", None),
        ),
    ],
)
def test_records_written_before_marks_had_events_and_intents_a_serial_are_read(
    path: Path, fields: dict[str, object], expected: Record
) -> None:
    name = type(expected).__name__
    assert expected == Journal(path, KEY)._decoded(1, name, json.dumps(fields))
