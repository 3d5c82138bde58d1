"""The image in an emulated machine: python -m tests.appliance COMMAND

    layer DIR [--gpio-sim KO]       what `scripts/image/build OUT --layer DIR` lays over the tree for this
    visit IMAGE                     boots it, makes one visit, compares the books and what the machine says
    pins IMAGE --presses N          keypad and panel on a GPIO chip of the kernel (layer --gpio-sim)
    cuts IMAGE --cuts N --seed S    cuts the power of the machine N times, each time in a visit
    shocks IMAGE [NAME...]          pulls plugs, fills the disk, lets programs hang: tests/appliance/shocks.py
    sealed IMAGE                    a machine with a TPM: its key moves in (`build --with tpm`)
    disks IMAGE --cuts N --seed S   one visit, and N cuts of its disk; --careless: with a journal that does
                                    not wait for its disk
    ending IMAGE --cuts N --seed S  one visit, and the machine's last day: erased by an order, cut meanwhile
    all IMAGE --seed S              what scripts/test_appliance runs: all of these, each in short
    short IMAGE --seed S            what every run of scripts/test has: a visit that is cut, what the machine
                                    says of itself, a visit, the reader pulled, cuts of the disk

--keep DIR leaves disk, console and pages there. Times and findings are JSON on standard output; the exit
status is 0 only if nothing was lost.
"""

import argparse
import random
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.appliance.cuts import Witness, cut_in_a_visit, drawn_plans, examine, recovered, words_of
from tests.appliance.ending import cut_meanwhile, ends
from tests.appliance.pin_tests import contract_tests, press_figures
from tests.appliance.report import Report
from tests.appliance.sealed import (
    KEY_STORE,
    is_renewed,
    is_worthless_elsewhere,
    moves_in,
    opens_to_the_kiosk_alone,
    powers_up,
    soldered,
)
from tests.appliance.shocks import SHOCKS, Guest
from tests.appliance.store import BOOT_SECONDS, OTHERS, Store, write_layer
from tests.appliance.technician import looks

EXPECTED = {
    "failed": "0",
    "kiosk": "active",
    "swap": "0",
    "core": "|/bin/false",
    "journal": "volatile",
    "root": "ro",
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


IN_SHORT = ("reader-unplugged", "cable-pulled", "clock-a-year-wrong", "disk-full", "disk-read-only")
"""Shocks of `all` that leave the machine running as it was."""

CHANGE_POINTS = (
    "before:CoinPayIntended",
    "after:CoinPayIntended",
    "before:CoinPayEnded",
    "after:CoinPayEnded",
)
"""Points that a visit without change does not come to."""

SALE_POINTS = tuple(
    f"{moment}:{record}"
    for record in ("CoinTaken", "IssueIntended", "IssueCommitted", "PrintIntended", "PrintEnded")
    for moment in ("before", "after", "orders")
)
"""Points that come before it."""


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
        # Not switched off: a machine that was just reset does not hear its button yet.
        await store.kill_kiosk()
        await store.stop()


async def visit(said: argparse.Namespace, report: Report) -> None:
    """One whole visit; the machine says of itself what EXPECTED has, and switches off when asked."""
    async with running(said, report, "rig.probe") as run:
        await whole_visit(run)
        with report.timed("shutdown"):
            await run.store.stop_kiosk()


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


async def pins(said: argparse.Namespace, report: Report) -> None:
    """A visit on a GPIO chip of the kernel, which vanishes and comes back; the tests of the pins on it."""
    async with running(said, report, "rig.probe") as run:
        await whole_visit(run)
        if run.store.probed()["pins"] != "gpio-sim":
            report.wrong.append("this image has mock pins: make its layer with --gpio-sim")
            return
        await shock(run, "pins-gone")
        shell = run.store.shell
        await shell("systemctl stop madoguchi.service rig-board.service; mkdir -p /run/lg")
        with report.timed("figures of presses"):
            report.said["presses"] = await press_figures(shell, said.presses)
        with report.timed("contract tests of the pins"):
            report.said["contract"], wrong = await contract_tests(shell)
        report.wrong += wrong


async def sealed(said: argparse.Namespace, report: Report) -> None:
    """Its key moves into its TPM, works from there after a power cut, and beside another TPM not."""
    store = Store(said.image, directory=said.keep, municipality=KEY_STORE)
    async with soldered(store), running(said, report, "rig.acknowledge", store=store) as run:
        with report.timed("key moves into the TPM"):
            await moves_in(run.guest)
        with report.timed("a renewal beside the running kiosk"):
            await is_renewed(run.guest)
        report.wrong += await opens_to_the_kiosk_alone(store)
        with report.timed("visit"):
            await run.guest.whole_visit(500)
            await run.guest.agree()
        with report.timed("start after a power cut"):
            await powers_up(run.guest)
        with report.timed("visit after it"):
            await run.guest.whole_visit(500)
            await run.guest.agree()
        with report.timed("another TPM"):
            await is_worthless_elsewhere(run.guest)


async def ending(said: argparse.Namespace, report: Report) -> None:
    """One visit, then a technician's order erases the machine; its disk is cut meanwhile."""
    async with running(said, report, "rig.acknowledge") as run:
        await run.guest.whole_visit(500)
        await run.guest.agree()
        with report.timed("from the order until the machine is off"):
            report.wrong += await ends(run.guest)
        with report.timed(f"{said.cuts} cuts of the disk, and a start from one"):
            report.wrong += await cut_meanwhile(run.guest, said.cuts, random.Random(said.seed))  # noqa: S311


async def shocks(said: argparse.Namespace, report: Report) -> None:
    """Those named, or all."""
    async with running(said, report, "rig.acknowledge") as run:
        await shock(run, *(said.names or await possible_shocks(run.store)))


async def possible_shocks(store: Store) -> list[str]:
    """All, or all but what mock pins cannot do."""
    on_mock_pins, _ = await store.shell("test -e /dev/gpio-sim-wires")
    return [name for name in SHOCKS if name != "pins-gone" or not on_mock_pins]


async def shock(run: Run, *names: str) -> None:
    for name in names:
        with run.report.timed(name):
            await SHOCKS[name](run.guest)
        if name != "machine-hung":
            await run.guest.agree()


async def disks(said: argparse.Namespace, report: Report) -> None:
    """One visit and then many cuts of its disk; with --careless some must lose a record."""
    async with running(said, report, "rig.acknowledge", *(["rig.careless"] if said.careless else [])) as run:
        with report.timed("visit"):
            await run.guest.whole_visit(500)
        await examined(run, said.cuts, random.Random(said.seed), careless=said.careless)  # noqa: S311


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


async def cuts(said: argparse.Namespace, report: Report) -> None:
    """So many cuts of the machine, one after the other; after the last it serves once more."""
    luck = random.Random(said.seed)  # noqa: S311 - the same luck each time
    plans = [
        plan for plan in drawn_plans(said.cuts + 2, luck) if "DaemonStarted" not in plan or said.cuts > 8
    ]
    plans = plans[: said.cuts]
    while "DaemonStarted" in plans[0]:
        plans.append(plans.pop(0))
    async with running(said, report, *words_of(plans[0])) as run:
        await cut_one_after_another(run, plans, luck)
        with report.timed("last visit"):
            await run.guest.whole_visit(500)
            await run.guest.agree()


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
        await run.start(plans[number + 1] if more else "", *(() if more else words))
    with run.report.timed("after the last cut"):
        await recovered(run.guest, "")


async def short(said: argparse.Namespace, report: Report) -> None:
    """A visit that is cut; the machine starts and says how it stands; a visit, a plug pulled, disks cut."""
    luck = random.Random(said.seed)  # noqa: S311
    plan = luck.choice((*SALE_POINTS, *CHANGE_POINTS))
    async with running(said, report, *words_of(plan)) as run:
        await cut_one_after_another(run, [plan], luck, "rig.probe")
        await whole_visit(run)
        await shock(run, "reader-unplugged")
        await examined(run, said.cuts, luck)


async def everything(said: argparse.Namespace, report: Report) -> None:
    """A visit, shocks, cuts of the disk, two cuts of the machine, and what watchdogs are for."""
    luck = random.Random(said.seed)  # noqa: S311
    first = luck.choice(CHANGE_POINTS)
    second = luck.choice(SALE_POINTS)
    async with running(said, report, "rig.probe", *words_of(first)) as run:
        await whole_visit(run)
        await shock(run, *IN_SHORT)
        await examined(run, said.cuts, luck)
        await cut_one_after_another(run, [first, second], luck)
        await shock(run, "technician-reboots", "daemon-hung", "machine-hung")


def main() -> int:
    parser = argparse.ArgumentParser(description="the image in an emulated machine")
    commands = parser.add_subparsers(dest="command", required=True)
    layer = commands.add_parser("layer", help="write the layer that these tests lay over an image")
    layer.add_argument("to", type=Path, metavar="DIR")
    layer.add_argument(
        "--gpio-sim", type=Path, metavar="KO", help="of tests/appliance/board/build, for its kernel"
    )
    doing: dict[str, Callable[[argparse.Namespace, Report], Coroutine[None, None, None]]] = {
        "visit": visit,
        "pins": pins,
        "cuts": cuts,
        "shocks": shocks,
        "sealed": sealed,
        "disks": disks,
        "ending": ending,
        "all": everything,
        "short": short,
    }
    for name, command in doing.items():
        one = commands.add_parser(name, help=(command.__doc__ or "").splitlines()[0])
        one.add_argument("image", type=Path, help="what scripts/image/build made")
        one.add_argument("--keep", type=Path, metavar="DIR", help="leave disk, console and pages there")
        one.add_argument("--seed", type=int, default=1, help="draws points and what a disk loses")
        one.add_argument(
            "--cuts", type=int, default={"disks": 400, "cuts": 3, "short": 16}.get(name, 40), metavar="N"
        )
        if name == "pins":
            one.add_argument("--presses", type=int, default=200, metavar="N")
        if name == "shocks":
            one.add_argument(
                "names", nargs="*", choices=[*SHOCKS, []], metavar="NAME", help=", ".join(SHOCKS)
            )
        if name == "disks":
            one.add_argument(
                "--careless", action="store_true", help="synchronous=NORMAL: some cuts must lose"
            )
    said = parser.parse_args()
    if said.command == "layer":
        write_layer(said.to, said.gpio_sim)
        return 0
    report = Report()
    return report.run(doing[said.command](said, report))


if __name__ == "__main__":
    sys.exit(main())
