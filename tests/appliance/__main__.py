"""The image in an emulated machine: python -m tests.appliance layer DIR | visit IMAGE [--keep DIR]

layer: writes what `scripts/image/build OUT --layer DIR` lays over the tree for these tests.
visit: boots IMAGE, makes one whole visit, compares the books; writes times and what the machine says of
itself to standard output as JSON.
"""

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path

from tests.appliance.store import Store, write_layer
from tests.e2e.books import agreed_books
from tests.e2e.visitor import Visitor

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
    **{
        f"{what}-by-{who}": "no"
        for what in ("device-key", "journal-key", "journal")
        for who in ("madoguchi-screen", "madoguchi-console", "madoguchi-worker", "lp")
    },
}
"""What an installed kiosk says of itself."""


async def visit(image: Path, keep: Path | None) -> int:
    """One whole visit in the emulated machine. 0 if the books agree and nothing of EXPECTED differs."""
    begun = time.monotonic()
    async with Store(image, directory=keep) as store:
        times = {"boot-to-pins": time.monotonic() - begun}
        resident = Visitor(store, patience=10.0)
        await store.eyes.until_screen("idle", seconds=600.0)
        times["boot-to-idle"] = time.monotonic() - begun
        async with asyncio.timeout(600):
            while "end" not in store.probed():  # noqa: ASYNC110 - a file tells nobody
                await asyncio.sleep(1)
        at = time.monotonic()
        await one_visit(resident)
        times["visit"] = time.monotonic() - at
        at = time.monotonic()
        await store.stop_kiosk()
        times["shutdown"] = time.monotonic() - at
        books = await agreed_books(store)
        facts = store.probed()
        differs = {name: facts.get(name) for name, value in EXPECTED.items() if facts.get(name) != value}
        steps = {moment.step: round(moment.milliseconds) for moment in resident.timeline}
        said = {
            "seconds": {name: round(value, 1) for name, value in times.items()},
            "steps_ms": steps,
            "facts": facts,
            "earned_yen": books.total("earned"),
            "differs": differs,
        }
        sys.stdout.write(json.dumps(said, indent=1) + "\n")
        return 1 if differs else 0


async def one_visit(visitor: Visitor) -> None:
    """住民票 for the household, by touch; only the PIN is typed on the keypad."""
    world = visitor.world
    await visitor.walk_to("coins")
    await visitor.pays(100, 100, 100)
    await visitor.sees("take_all", "thanks", seconds=60.0)
    await world.take_paper()
    await world.take_change()
    await world.take_receipt()
    await visitor.sees("thanks")
    await visitor.touch("confirm")
    await visitor.rests()


def main() -> int:
    parser = argparse.ArgumentParser(description="the image in an emulated machine")
    commands = parser.add_subparsers(dest="command", required=True)
    layer = commands.add_parser("layer", help="write the layer that these tests lay over an image")
    layer.add_argument("to", type=Path, metavar="DIR")
    visiting = commands.add_parser("visit", help="boot an image and make one visit")
    visiting.add_argument("image", type=Path)
    visiting.add_argument("--keep", type=Path, metavar="DIR", help="leave disk, console and pages there")
    said = parser.parse_args()
    if said.command == "layer":
        write_layer(said.to)
        return 0
    return asyncio.run(visit(said.image, said.keep))


if __name__ == "__main__":
    sys.exit(main())
