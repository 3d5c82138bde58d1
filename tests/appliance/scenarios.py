"""What becomes of an image in an emulated machine: a function a command of python -m tests.appliance.

said: the command's words; the findings go to report.
"""

import argparse
import random

from tests.appliance.cuts import drawn_plans, words_of
from tests.appliance.ending import cut_meanwhile, ends
from tests.appliance.pin_tests import contract_tests, press_figures
from tests.appliance.report import Report
from tests.appliance.running import cut_one_after_another, examined, running, shock, whole_visit
from tests.appliance.sealed import (
    KEY_STORE,
    is_renewed,
    is_worthless_elsewhere,
    moves_in,
    opens_to_the_kiosk_alone,
    powers_up,
    soldered,
)
from tests.appliance.shocks import SHOCKS
from tests.appliance.store import Store

AT_ONCE = ("reader-unplugged", "cable-pulled", "clock-a-year-wrong", "disk-full", "disk-read-only")
"""Shocks that leave the machine running as it was."""

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


async def visit(said: argparse.Namespace, report: Report) -> None:
    """One whole visit; the machine says of itself what EXPECTED has, and switches off when asked."""
    async with running(said, report, "rig.probe") as run:
        await whole_visit(run)
        with report.timed("shutdown"):
            await run.store.stop_kiosk()


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


async def disks(said: argparse.Namespace, report: Report) -> None:
    """One visit and then many cuts of its disk; with --careless some must lose a record."""
    async with running(said, report, "rig.acknowledge", *(["rig.careless"] if said.careless else [])) as run:
        with report.timed("visit"):
            await run.guest.whole_visit(500)
        await examined(run, said.cuts, random.Random(said.seed), careless=said.careless)  # noqa: S311


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


async def short(said: argparse.Namespace, report: Report) -> None:
    """A visit that is cut, and what the machine then says of itself; a visit, shocks, cuts of the disk."""
    luck = random.Random(said.seed)  # noqa: S311
    plan = luck.choice((*SALE_POINTS, *CHANGE_POINTS))
    async with running(said, report, *words_of(plan)) as run:
        await cut_one_after_another(run, [plan], luck, "rig.probe")
        await whole_visit(run)
        await shock(run, *AT_ONCE, "coins-unplugged-while-paying")
        await examined(run, said.cuts, luck)
        await shock(run, "daemon-hung")


async def everything(said: argparse.Namespace, report: Report) -> None:
    """A visit, shocks, cuts of the disk, two cuts of the machine, and what watchdogs are for."""
    luck = random.Random(said.seed)  # noqa: S311
    first = luck.choice(CHANGE_POINTS)
    second = luck.choice(SALE_POINTS)
    async with running(said, report, "rig.probe", *words_of(first)) as run:
        await whole_visit(run)
        await shock(run, *AT_ONCE)
        await examined(run, said.cuts, luck)
        await cut_one_after_another(run, [first, second], luck)
        await shock(run, "technician-reboots", "daemon-hung", "machine-hung")


async def possible_shocks(store: Store) -> list[str]:
    """All, or all but what mock pins cannot do."""
    on_mock_pins, _ = await store.shell("test -e /dev/gpio-sim-wires")
    return [name for name in SHOCKS if name != "pins-gone" or not on_mock_pins]
