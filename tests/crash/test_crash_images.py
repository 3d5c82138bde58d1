"""The journal on a disk that forgets: reopened from what a power cut at any instant may have left."""

import functools
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from unittest.mock import patch

import pytest

from firmware.core.money import ledger
from firmware.core.records import Record, VisitBegan
from firmware.core.terms import VisitId
from firmware.errors import JournalError
from firmware.shell.journal import Entry, Journal
from tests.crash.recording import Acknowledged, Call, Disk, record
from tests.crash.writer import KEY, transactions

TORN = 30
"""Draws of torn and unordered writes at each instant with something uncertain."""

STEPS = transactions()
MOST = len(STEPS)
FEW = (("17", "1000", "dies"), ("19", "6", "ends"))
LIVES = (*FEW, ("60", "12", "dies"), ("1", "1000", "dies"), ("70", "40", "ends"), (str(MOST), "9", "ends"))
"""Of each start: transactions, pages after which SQLite checkpoints, and how it ends."""

SECOND_CUTS = 10
FAILING_SYNCS = (12, 15, 20)
AFTER_EIO = (("30", "1000", "dies"), ("4", "1000", "dies"))


@pytest.fixture
def folder() -> Iterator[Path]:
    """In memory if the machine has such a folder: syncing is the disk model's part here."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder with a random name is made in it
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        yield Path(name).resolve()


@pytest.fixture(autouse=True)
def remembered() -> Iterator[None]:
    """Each link of the chain, and each entry's record, once: the images differ in their last few alone."""
    reader = Journal(Path("none"), KEY)
    link, decoded = functools.cache(reader._link), functools.cache(partial(reader._decoded, 0))
    with patch.multiple(
        Journal,
        _link=lambda _, *entry: link(*entry),
        _decoded=lambda _, _seq, name, fields: decoded(name, fields),
    ):
        yield


def recorded(folder: Path, settings: str = "product", lives: Sequence[Sequence[str]] = LIVES) -> list[Call]:
    written = folder / "written"
    written.mkdir()
    path = str(written / "journal.db")
    calls = record(written, [("tests.crash.writer", path, settings, *life) for life in lives])
    wanted = min(MOST, sum(int(most) for most, *_ in lives))
    assert wanted == max(call.transactions for call in calls if isinstance(call, Acknowledged))
    return calls


def laid(image: dict[str, bytes], folder: Path) -> Path:
    shutil.rmtree(folder / "image", ignore_errors=True)
    (folder / "image").mkdir()
    for name, content in image.items():
        (folder / "image" / name).write_bytes(content)
    return folder / "image" / "journal.db"


async def opened(path: Path, more: tuple[Record, ...] = ()) -> tuple[Record, ...]:
    journal, entries = Journal(path, KEY), list[Entry]()
    try:
        await journal.open(entries.append)
        if more:
            await journal.append(more)
    finally:
        await journal.close()
    return tuple(entry.record for entry in entries)


def prefix(transactions_done: int) -> tuple[Record, ...]:
    return tuple(record for step in STEPS[:transactions_done] for record in step)


async def verdict(path: Path, acknowledged: int, ahead: int) -> str:
    """What became of the journal: whole, lost, torn, or unreadable.

    ahead: so many transactions may be there whose acknowledgement the process did not live to hear.
    """
    try:
        records = await opened(path)
    except JournalError:
        return "unreadable"
    if records in [prefix(acknowledged + more) for more in range(ahead + 1)]:
        return "whole"
    return "lost" if records in [prefix(done) for done in range(acknowledged)] else "torn"


async def verdicts(
    calls: list[Call], folder: Path, torn: int, disk: Disk | None = None, *, seed: int = 20, ahead: int = 1
) -> Counter[str]:
    """The verdict of every image at every instant of the recording, from an empty disk if none is given."""
    luck, disk, found = random.Random(seed), disk or Disk(), Counter[str]()
    for call in calls:
        disk.apply(call)
        different = {tuple(sorted(image.items())) for image in disk.images(luck, torn)}
        for image in map(dict, different):
            found[await verdict(laid(image, folder), disk.acknowledged, ahead)] += 1
    return found


@pytest.mark.timeout(1800)
async def test_ten_thousand_power_cuts_lose_nothing_that_was_acknowledged(folder: Path) -> None:
    found = await verdicts(recorded(folder), folder, TORN)
    assert ["whole"] == list(found)
    assert found["whole"] >= 10_000


@pytest.mark.parametrize("settings", ["normal", "delete"])
async def test_the_images_show_what_weaker_settings_lose(folder: Path, settings: str) -> None:
    """WAL with NORMAL, and DELETE with FULL, whose deleted journal comes back when its folder forgets."""
    found = await verdicts(recorded(folder, settings, FEW), folder, torn=1)
    assert found["lost"] > 0
    assert found["whole"] > 0


async def test_a_journal_reopened_after_a_cut_goes_on(folder: Path) -> None:
    """At every acknowledgement: the worst image is opened, written to, and opened again."""
    disk = Disk()
    late = (VisitBegan(VisitId("f" * 32)),)
    for call in recorded(folder, lives=FEW):
        disk.apply(call)
        if isinstance(call, Acknowledged):
            *_, worst = disk.images(random.Random(call.transactions), 1)
            path = laid(worst, folder)
            before = await opened(path, late)
            assert (*before, *late) == await opened(path)


def test_after_every_transaction_the_books_are_right() -> None:
    for done in range(MOST + 1):
        assert () == ledger(prefix(done)).faults()


def test_a_disk_that_keeps_everything_is_one_image() -> None:
    assert [{}] == list(Disk().images(random.Random(0), TORN))


@pytest.mark.timeout(1800)
async def test_a_second_cut_while_the_journal_is_opened_after_the_first_loses_nothing_either(
    folder: Path,
) -> None:
    """Some of the worst images of the first cut are opened under strace, written to, and cut again."""
    luck, disk, found = random.Random(21), Disk(), Counter[str]()
    worst: list[tuple[dict[str, bytes], int]] = []
    for call in recorded(folder, lives=FEW):
        disk.apply(call)
        if disk.uncertain and disk.acknowledged:
            *_, image = disk.images(luck, 2)
            worst.append((image, disk.acknowledged))
    for image, acknowledged in luck.sample(worst, SECOND_CUTS):
        path = laid(image, folder)
        there = len(await opened(laid(image, folder)))
        path = laid(image, folder)
        files = {n: bytearray(image[name]) for n, name in enumerate(sorted(image), start=1)}
        names = {name: n for n, name in enumerate(sorted(image), start=1)}
        again = Disk(files=files, names=names, acknowledged=done_of(there))
        assert again.acknowledged in {acknowledged, acknowledged + 1}
        calls = record(path.parent, [("tests.crash.writer", str(path), "product", "2", "1000", "dies")])
        shutil.rmtree(path.parent)
        found += await verdicts(calls, folder, 8, again, seed=acknowledged)
    assert ["whole"] == list(found)
    assert found["whole"] > 50 * SECOND_CUTS


def done_of(records: int) -> int:
    """The transactions that so many records are."""
    return next(done for done in range(MOST + 1) if len(prefix(done)) == records)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("settings", ["product", "unhealed"])
async def test_what_is_acknowledged_after_a_failed_sync_and_a_restart_outlives_a_cut(
    folder: Path, settings: str
) -> None:
    """The kernel calls clean what never reached the disk: a hole before which the log is built on, or not."""
    found = Counter[str]()
    for failing in FAILING_SYNCS:
        written = folder / f"written-{failing}"
        written.mkdir()
        path = str(written / "journal.db")
        lives = [("tests.crash.writer", path, settings, *life) for life in AFTER_EIO]
        calls = record(written, lives, failing_sync=failing)
        shutil.rmtree(written)
        found += await verdicts(calls, folder, 2, ahead=2)
    if settings == "product":
        assert ["whole"] == list(found)
    else:
        assert found["lost"] > 0
