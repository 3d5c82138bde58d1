"""Power cuts on the real image: of the whole machine, and hundreds on its disk alone.

A machine whose power is cut finds on its disk what was flushed before and of the later writes none, all,
some, or some of them torn. Then the journal must be whole, hold every record that was acknowledged, and agree
with coin machine, printer and municipality, who never lost their power, to the yen and the page.
"""

import asyncio
import contextlib
import random
import re
import shutil
from bisect import bisect_right
from dataclasses import dataclass, field
from pathlib import Path

from firmware.errors import JournalError
from firmware.shell.journal import Entry as Line
from firmware.shell.journal import Journal
from tests.appliance.machine import copy_out
from tests.appliance.shocks import Guest
from tests.appliance.store import BOOT_SECONDS, SOON, Store
from tests.appliance.write_log import FLUSH, Later, after_cut, entries, write_sparse

POINTS = tuple(
    f"{moment}:{record}"
    for record in (
        *("CoinTaken", "IssueIntended", "IssueCommitted", "PrintIntended", "PrintEnded", "FeeEarned"),
        *("PayoutBegan", "CoinPayIntended", "CoinPayEnded", "PayoutEnded", "VisitEnded", "OrderReserved"),
        *("VisitBegan", "DaemonStarted"),
    )
    for moment in ("before", "after", "orders")
    if (moment, record) != ("orders", "DaemonStarted")
)
"""Where a machine's power is cut: by what it has on its disk, or not yet."""

AT_RANDOM = ("notice", "pin", "choose_copies", "confirm", "coins", "printing", "paying_out", "take_all")
"""Screens behind which it is cut after a drawn time."""

_LOOK_SECONDS = 0.02


@dataclass(slots=True)
class Witness:
    """Notes how much of the log of writes was there when the machine said that a record is on its disk."""

    store: Store
    seqs: list[int] = field(default_factory=list)
    bytes_of_log: list[int] = field(default_factory=list)
    _task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._watch(), name="witness")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def acknowledged(self, bytes_of_log: int) -> int:
        """The newest record that was acknowledged when the log was so long; 0 if none was."""
        number = bisect_right(self.bytes_of_log, bytes_of_log)
        return self.seqs[number - 1] if number else 0

    async def _watch(self) -> None:
        read = self.store.log.stat().st_size if self.store.log.exists() else 0
        while True:
            if self.store.log.exists() and self.store.log.stat().st_size > read:
                with self.store.log.open("rb") as console:
                    console.seek(read)
                    said = console.read()
                whole = said[: said.rfind(b"\n") + 1]
                read += len(whole)
                length = self.store.log_of_writes.stat().st_size
                for seq in re.findall(rb"ACKNOWLEDGED (\d+)", whole):
                    self.seqs.append(int(seq))
                    self.bytes_of_log.append(length)
            await asyncio.sleep(_LOOK_SECONDS)


@dataclass(slots=True)
class Findings:
    """Of cuts on the disk alone: how many, and a line for each that lost a record or left no journal."""

    cuts: int = 0
    lost: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


async def examine(
    store: Store, witness: Witness, cuts: int, luck: random.Random, *, lying: bool = False
) -> Findings:
    """Cut the power of the machine's disk at so many points since its first record, and read each journal.

    lying: a disk that reports flushes it did not do; then the findings are what shows that cuts are noticed.
    """
    base, log = await asyncio.to_thread(store.data.read_bytes), store.log_of_writes
    done = entries(await asyncio.to_thread(log.read_bytes))
    first = next(n for n, entry in enumerate(done, start=1) if witness.acknowledged(entry.end))
    if lying:
        done = [entry for n, entry in enumerate(done) if n < first or not entry.flags & FLUSH]
    work = store.directory / "examined"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    examiner = Examiner(witness, base, store.directory / "journal.key", work)
    for _ in range(cuts):
        at, later = luck.randrange(first, len(done) + 1), luck.choice(list(Later))
        disk = after_cut(base, done[:at], later, luck)
        await examiner.look(disk, done[at - 1].end, f"behind {at} writes, then {later.value}")
    shutil.rmtree(work)
    return examiner.found


@dataclass(slots=True)
class Examiner:
    """Reads journals on disks after cuts; work: a folder of its own."""

    witness: Witness
    base: bytes
    key: Path
    work: Path
    found: Findings = field(default_factory=Findings)

    async def look(self, disk: bytearray, bytes_of_log: int, name: str) -> None:
        """One disk, of a cut when the log was so long."""
        wanted = self.witness.acknowledged(bytes_of_log)
        file, out = self.work / "disk.ext4", self.work / "out"
        shutil.rmtree(out, ignore_errors=True)
        await asyncio.to_thread(write_sparse, disk, file)
        await copy_out(file, "/madoguchi", out)
        self.found.cuts += 1
        try:
            lines = await read_journal(out / "madoguchi/journal.db", self.key)
        except JournalError as error:
            self.found.broken.append(f"{name}: {error}")
            return
        if len(lines) < wanted:
            self.found.lost.append(f"{name}: {len(lines)} records, {wanted} were acknowledged")


async def read_journal(path: Path, key: Path) -> tuple[Line, ...]:
    """Open it as the kiosk does at its start. Raises JournalError."""
    journal, lines = Journal(path, await asyncio.to_thread(key.read_bytes)), list[Line]()
    try:
        await journal.open(lines.append)
    finally:
        await journal.close()
    return tuple(lines)


def drawn_plans(cuts: int, luck: random.Random) -> list[str]:
    """So many plans: each point once, in a drawn order; one in four is a time after a drawn screen."""
    points = luck.sample(POINTS, len(POINTS))
    plans = []
    for number in range(cuts):
        by_time = number % 4 == 3 or not points
        plans.append(f"{luck.choice(AT_RANDOM)}+{luck.uniform(0.0, 5.0):.1f}" if by_time else points.pop())
    return plans


def words_of(plan: str) -> tuple[str, ...]:
    """What the kernel's command line says for a plan."""
    return ("rig.acknowledge", *([f"rig.cut={plan}"] if ":" in plan else []))


async def cut_in_a_visit(guest: Guest, plan: str, luck: random.Random) -> str:
    """A visit in the machine, which runs with the words of the plan, until its power is cut; where it stood.

    Afterwards the machine is off, and its disk is as the cut left it.
    """
    coins = luck.choice([(100, 100, 100), (500,)])
    if ":Pay" in plan or "CoinPay" in plan or plan.startswith("paying_out"):
        coins = (500,)
    visiting = asyncio.create_task(guest.whole_visit(*coins), name="visit")
    waiting = asyncio.create_task(_until_cut(guest, plan), name="cut")
    try:
        async with asyncio.timeout(BOOT_SECONDS):
            await asyncio.wait({visiting, waiting}, return_when=asyncio.FIRST_COMPLETED)
        picture, cut = guest.world.eyes.now, waiting.done()
    finally:
        for task in (visiting, waiting):
            task.cancel()
        failed, _ = await asyncio.gather(visiting, waiting, return_exceptions=True)
    # A machine that stands still shows its visitor nothing any more.
    if isinstance(failed, Exception) and not cut and not re.search(r"\bCUT\b", guest.store.said()):
        raise failed
    await guest.world.kill_kiosk()
    guest.store.lose_power(luck.choice(list(Later)), luck)
    return "" if picture is None else str(picture["screen"])


async def _until_cut(guest: Guest, plan: str) -> None:
    if ":" in plan:
        await guest.store.says(r"\bCUT\b")
        return
    screen, _, seconds = plan.partition("+")
    with contextlib.suppress(TimeoutError):
        await guest.world.eyes.until_screen(screen, seconds=SOON)
    await asyncio.sleep(float(seconds))


async def recovered(guest: Guest, plan: str) -> bool:
    """Wait until the machine serves and the books agree; False if it comes to the plan's point first."""
    waiting = asyncio.create_task(guest.store.says(r"\bCUT\b", seconds=2 * BOOT_SECONDS))
    ending = asyncio.create_task(_settle(guest))
    if ":" not in plan:
        waiting.cancel()
    try:
        await asyncio.wait(
            {waiting, ending} if ":" in plan else {ending}, return_when=asyncio.FIRST_COMPLETED
        )
        if ending.done():
            ending.result()
            return True
        return False
    finally:
        for task in (waiting, ending):
            task.cancel()
        await asyncio.gather(waiting, ending, return_exceptions=True)


async def _settle(guest: Guest) -> None:
    await guest.until_idle()
    await guest.agree()
