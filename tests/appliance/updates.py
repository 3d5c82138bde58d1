"""Updates in an emulated machine: python -m tests.appliance.updates image DIR | run DIR [STAGE …]

image: makes five systems (0.2.0, 0.3.0, 0.4.0 which never gets fit, 0.5.0 which does not start, 0.6.0 which
comes up to emergency mode), their signed bundles and bad ones on a technician's USB stick, and the disk, by
scripts/image/disk, with 0.2.0 in slot A. run: the stages, which follow each other in a machine's life:

    good      a foreign signer's, an older, another machine's and a damaged bundle change nothing; 0.3.0 is
              installed, starts by itself, is tried and marked good
    rollback  it has stayed; 0.4.0 is installed and tried as often as a new system is
    dead      0.3.0 runs again by itself; the same of 0.5.0
    stuck     the same of 0.6.0, where nobody could log in
    sticks    a file that the kiosk has written to a technician's stick is on it, whatever comes then
    cuts      the power goes at each tenth of the update of `good`; it starts from what is on disk then
    disks     the power goes at many more points; what the disk holds is read, and no machine started

The systems are Debian with RAUC, the kiosk's own units, journal and side of updates, without its devices. The
firmware that selects the slot is played here (`Firmware`).
"""

import argparse
import asyncio
import json
import logging
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from firmware.core.updates import TRIES
from tests.appliance.updates_cuts import INSTALL_SECONDS, cuts, disks, keep_noted
from tests.appliance.updates_image import SECOND, make_images
from tests.appliance.updates_machine import Guest, Record, Rig, expect, run, standing_of

BAD = {"foreign": "signature", "older": "older", "other": "other-machine", "damaged": "write"}
"""Bundles that are refused, and why."""


async def good(rig: Rig) -> None:
    """Nothing that is not signed, whole, newer and for this machine is ever started; what is, stays."""
    rig.renew()
    async with rig.on(noted=True) as guest:
        expect("A", guest.slot.value, "the first slot")
        await guest.writes(3)
        for file, reason in BAD.items():
            await _is_refused(rig, guest, file, reason)
        length = rig.log.stat().st_size
        rig.figures["install_seconds"] = await _installs(guest, "good")
    keep_noted(rig, "installing", "fresh.img", length)
    rig.keep("trial.img")
    async with rig.on(noted=True) as guest:
        expect("B", guest.slot.value, "the slot on trial")
        expect("trial", standing_of(guest.ready), "how it stands")
        began = time.monotonic()
        state = await guest.stands("confirmed")
        rig.figures["fit_seconds"] = round(time.monotonic() - began, 1)
        expect(SECOND, state["version"], "the version that was confirmed")
        await guest.writes(3)
    keep_noted(rig, "trial", "trial.img", 0)


async def rollback(rig: Rig) -> None:
    """The good one stays, over a power cut. One that never gets fit is tried as often as it may be."""
    async with rig.on() as guest:
        expect("B", guest.slot.value, "the slot that stays")
        expect("steady", standing_of(guest.ready), "how it stands")
        await guest.writes(2)
        await _is_refused(rig, guest, "older", "older")
        await _installs(guest, "unfit")
    for attempt in range(TRIES):
        async with rig.on() as guest:
            expect("A", guest.slot.value, f"the slot of try {attempt + 1}")
            expect("trial", standing_of(guest.ready), "how it stands")
            await guest.starts_anew()


async def dead(rig: Rig) -> None:
    """The former one runs again, also after a version that does not start at all."""
    async with rig.on() as guest:
        _runs_again(guest)
        await guest.writes(2)
        await _installs(guest, "dead")
    await _dies_and_runs_again(rig)


async def stuck(rig: Rig) -> None:
    """One whose file systems do not mount starts the machine anew by itself, until the former one is back."""
    async with rig.on() as guest:
        expect("B", guest.slot.value, "the slot that stays")
        await _installs(guest, "stuck")
    await _dies_and_runs_again(rig)


async def sticks(rig: Rig) -> None:
    """What is said to be on the stick is there, though the power went then. The other stick is root's."""
    rig.export.unlink(missing_ok=True)
    run("mkfs.vfat", "-n", "MADO-EXPORT", "-C", str(rig.export), "65536")
    try:
        async with rig.on() as guest:
            guest.tell("keep bundle.txt")
            said = await guest.hears(lambda one: "kept" in one)
            expect(False, said["reads_updates"], "whether the kiosk reads the other stick")
        there = ["mtype", "-i", str(rig.export), "::bundle.txt"]
        found = await asyncio.to_thread(subprocess.run, there, capture_output=True, text=True, check=True)
        expect("kept\n", found.stdout, "the file on the stick")
    finally:
        rig.export.unlink()


async def _is_refused(rig: Rig, guest: Guest, file: str, reason: str) -> None:
    before, began = rig.slot_bytes(guest.slot), time.monotonic()
    guest.tell(f"install /media/stick/{file}.raucb")
    told = await guest.hears(lambda said: said.get("event") == "update-refused", INSTALL_SECONDS)
    expect(reason, told["reason"], f"why {file} was refused")
    said = await guest.hears(lambda said: said.get("state", {}).get("held") is False)
    rig.figures.setdefault("refused_seconds", {})[file] = round(time.monotonic() - began, 1)
    expect("steady", said["state"]["standing"], "how it stands then")
    expect(before, rig.slot_bytes(guest.slot), "the running slot")


async def _installs(guest: Guest, file: str) -> float:
    """Until the machine has gone down by itself to start anew; seconds."""
    began = time.monotonic()
    guest.tell(f"install /media/stick/{file}.raucb")
    await guest.stands("installing", INSTALL_SECONDS)
    await guest.starts_anew(INSTALL_SECONDS)
    return round(time.monotonic() - began, 1)


async def _dies_and_runs_again(rig: Rig) -> None:
    """What was written is tried as often as it may be, and never comes to a word."""
    for attempt in range(TRIES):
        expect("A", (await rig.dies()).value, f"the slot of try {attempt + 1}")
    async with rig.on() as guest:
        _runs_again(guest)
        await guest.writes(1)
        rig.figures["journal_entries"] = guest.kept[-1].seq


def _runs_again(guest: Guest) -> None:
    """The former system, in its slot, told so and open for the next update."""
    expect("B", guest.slot.value, "the slot after the last try")
    expect("rolled-back", standing_of(guest.ready), "how it stands")
    expect(SECOND, guest.ready["version"], "the version that runs")
    expect("bad", guest.ready["other"], "the slot of the update")


STAGES = {"good": good, "rollback": rollback, "dead": dead, "stuck": stuck, "sticks": sticks}


async def perform(rig: Rig, stages: Sequence[str], said: argparse.Namespace) -> None:
    """The stages in this order."""
    for stage in stages:
        began = time.monotonic()
        luck = random.Random(said.seed)  # noqa: S311
        if stage == "cuts":
            await cuts(rig, said.cuts, luck)
        elif stage == "disks":
            await disks(rig, luck, said.drawn)
        else:
            await STAGES[stage](rig)
        rig.figures.setdefault("stage_seconds", {})[stage] = round(time.monotonic() - began, 1)


def main(arguments: Sequence[str]) -> int:
    """The command line; figures as JSON on standard output and in DIR/figures.json."""
    parser = argparse.ArgumentParser(prog="updates", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("act", choices=("image", "run"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("stages", nargs="*", default=[])
    parser.add_argument("--cuts", type=int, nargs="*", default=list(range(1, 11)), metavar="TENTH")
    parser.add_argument("--drawn", type=int, default=60, help="cuts of `disks`, of each of two starts")
    parser.add_argument("--seed", type=int, default=1)
    said = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    if said.act == "image":
        make_images(said.folder)
        return 0
    kept, journal = said.folder / "figures.json", said.folder / "kept.json"
    figures = json.loads(kept.read_text()) if kept.exists() else {}
    records = json.loads(journal.read_text()) if journal.exists() else []
    rig = Rig(said.folder, figures, [Record(*record) for record in records])
    try:
        asyncio.run(perform(rig, said.stages or [*STAGES, "cuts", "disks"], said))
    finally:
        kept.write_text(json.dumps(figures, indent=1))
        journal.write_text(json.dumps([[record.seq, record.chain] for record in rig.kept]))
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
