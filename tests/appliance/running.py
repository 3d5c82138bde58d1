"""A machine that was started, with its visitor, and what every scenario does with it."""

import argparse
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.appliance.cuts import Witness, cut_in_a_visit, examine, recovered, words_of
from tests.appliance.machine import tear_superblock
from tests.appliance.report import Report
from tests.appliance.shocks import SHOCKS, Guest
from tests.appliance.store import BOOT_SECONDS, OTHERS, Store
from tests.appliance.technician import looks

EXPECTED = {
    "failed": "0",
    "kiosk": "active",
    "swap": "0",
    "core": "|/bin/false",
    "journal": "/run+",
    "root": "ro",
    "slot": "A-steady-no-keyring",
    "tmp": "tmpfs",
    "watchdog": "active",
    "pcscd-socket": "660-madoguchi",
    "worker-socket": "600-madoguchi",
    "kiosk-user": "madoguchi",
    "kiosk-caps": "0000000000000000",
    "kiosk-seccomp": "2",
    "worker-user": "madoguchi-worker",
    "worker-net": "own",
    "cups-user": "lp",
    "journal-key-by-madoguchi": "no",
    **{f"{what}-by-{who}": "no" for what in ("device-key", "journal-key", "journal") for who in OTHERS},
}
"""What an installed kiosk says of itself."""


@dataclass(slots=True)
class Run:
    """A machine that was started, its visitor, and who notes what was acknowledged."""

    guest: Guest
    witness: Witness
    report: Report

    @property
    def store(self) -> Store:
        return self.guest.store

    async def start(self, plan: str, *words: str) -> None:
        """Switch it on again, with a plan for its next cut and more words."""
        await self.witness.stop()
        self.store.words = ("rig.checked", *words_of(plan), *words)
        self.witness = Witness(self.store)
        self.witness.start()
        await self.store.start_kiosk()


@asynccontextmanager
async def running(
    said: argparse.Namespace, report: Report, *words: str, store: Store | None = None
) -> AsyncIterator[Run]:
    """A machine with these words on its command line, on its start screen."""
    store = store or Store(said.image, directory=said.keep)
    store.words = words
    run = Run(Guest(store, patience=40.0), Witness(store), report)
    run.witness.start()
    try:
        with report.timed("boot to start screen"):
            await store.__aenter__()
            await store.eyes.until_screen("idle", seconds=BOOT_SECONDS)
        yield run
    except BaseException as error:
        error.add_note(store.said()[-4000:])
        raise
    finally:
        await run.witness.stop()
        if stood_still := store.stood_still():
            report.said["stood still and began anew"] = stood_still
        # Not switched off: a machine that was just reset does not hear its button yet.
        await store.kill_kiosk()
        await store.stop()


async def whole_visit(run: Run) -> None:
    await run.store.says("PROBE end ok")
    facts = run.store.probed()
    run.report.said["facts"] = facts
    run.report.said["pins"] = run.store.pins_are(facts["pins"])
    run.report.wrong += [
        f"{name}: {facts.get(name)}, expected {value}"
        for name, value in EXPECTED.items()
        if facts.get(name) != value
    ]
    with run.report.timed("visit"):
        await run.guest.whole_visit(100, 100, 100)
    with run.report.timed("books agree"):
        books = await run.guest.agree()
    run.report.said["earned_yen"] = books.total("earned")
    run.report.said["steps_ms"] = {moment.step: round(moment.milliseconds) for moment in run.guest.timeline}
    with run.report.timed("technician"):
        run.report.wrong += await looks(run.store)


async def shock(run: Run, *names: str) -> None:
    for name in names:
        with run.report.timed(name):
            await SHOCKS[name](run.guest)
        if name != "machine-hung":
            await run.guest.agree()


async def examined(run: Run, cuts: int, luck: random.Random, *, careless: bool = False) -> None:
    with run.report.timed(f"{cuts} cuts of the disk"):
        found = await examine(run.store, run.witness, cuts, luck)
        lied = await examine(run.store, run.witness, max(cuts // 4, 10), luck, lying=True)
    run.report.said["disk"] = {
        "acknowledged": run.witness.seqs[-1],
        "cuts": found.cuts,
        "lost": found.lost,
        "broken": found.broken,
        "of a lying disk": {"cuts": lied.cuts, "lost": len(lied.lost), "broken": len(lied.broken)},
    }
    if careless:
        run.report.wrong += [] if found.lost else ["a journal that does not wait for its disk lost nothing"]
        return
    run.report.wrong += [*found.lost, *found.broken]
    if not lied.lost and not lied.broken:
        run.report.wrong.append("a disk that lies was not noticed")


async def cut_one_after_another(run: Run, plans: list[str], luck: random.Random, *words: str) -> None:
    """The machine runs with the words of the first plan; afterwards with these alone, and the books agree."""
    story = run.report.said.setdefault("cuts", [])
    for number, plan in enumerate(plans):
        with run.report.timed(f"cut {number + 1}, {plan}"):
            if await recovered(run.guest, plan):
                stood = await cut_in_a_visit(run.guest, plan, luck)
            else:
                stood = "recovering"
                await run.store.kill_kiosk()
                run.store.lose_power()
        story.append({"plan": plan, "screen": stood})
        more = number + 1 < len(plans)
        if not more:
            tear_superblock(run.store.data)
        await run.start(plans[number + 1] if more else "", *(() if more else words))
    with run.report.timed("after the last cut"):
        await run.store.says("superblock: .*, and is made anew")
        await recovered(run.guest, "")
