"""One printer for everything, and three who say what came out of it: its own job store as `ipptool` reads
it, a sensor at its exit, and the kiosk's journal."""

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.e2e.books import SLIP, read_books
from tests.e2e.clean_log import events
from tests.e2e.visitor import kiosk
from tests.simulators.world import World

MACHINE: Mapping[str, Mapping[str, Any]] = {
    "receipt_printer": {"kind": "a4", "device": ""},
    "document_printer": {
        "exit_sensor": {"pin": 11, "active_level": 0, "shortest_seconds": 0.03, "wait_seconds": 5.0}
    },
}
JOBS = """{
  OPERATION Get-Jobs
  GROUP operation-attributes-tag
  ATTR charset attributes-charset utf-8
  ATTR language attributes-natural-language en
  ATTR uri printer-uri $uri
  ATTR keyword which-jobs completed
  ATTR keyword requested-attributes job-name,job-state,job-impressions-completed
  STATUS successful-ok
  DISPLAY job-name
  DISPLAY job-state
  DISPLAY job-impressions-completed
}
"""


async def job_store(world: World, folder: Path) -> dict[str, tuple[str, int]]:
    """State and printed sides by job name, asked of the printer with CUPS' own tool."""
    test = folder / "jobs.test"
    test.write_text(JOBS)
    process = await asyncio.create_subprocess_exec(
        *("ipptool", "-tv", world.printer.uri, str(test)), stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    assert 0 == process.returncode, said.decode()
    answers = said.decode().partition("RECEIVED")[2].split("job-name (")[1:]
    found = {}
    for answer in answers:
        name = re.search(r"= (\S+)", answer)
        state = re.search(r"job-state \(enum\) = (\S+)", answer)
        sides = re.search(r"job-impressions-completed \(integer\) = (\d+)", answer)
        if name and state and sides and name[1].startswith(("cert-", SLIP)):
            found[name[1]] = (state[1], int(sides[1]))
    return found


async def test_every_witness_agrees_with_the_journal_or_staff_decide(tmp_path: Path) -> None:
    async with kiosk(overrides=MACHINE) as visitor:
        world = visitor.world
        await visitor.walk_to("coins")
        await visitor.pays(100, 100, 100)
        picture = await visitor.sees("take_all", seconds=60.0)
        assert "paper" == picture["reason"]
        books = await read_books(world)
        [certificate, receipt] = world.printer.jobs()
        assert (books.last.job_name, SLIP) == (certificate.name, receipt.name[: len(SLIP)])
        assert [("receipt", "done")] == books.last.slips
        assert {
            certificate.name: ("completed", books.last.pages),
            receipt.name: ("completed", 1),
        } == await job_store(world, tmp_path)
        assert [(2, "done"), (1, "done")] == witnessed(world)
        assert certificate.sheets + receipt.sheets == 3
        await visitor.leave()
        await visitor.sees("thanks", "idle")

        await visitor.walk_to("coins")
        world.sheets_unseen = 1
        await visitor.pays(100, 100, 100)
        picture = await visitor.sees("attend", seconds=60.0)
        assert "print_unknown" == picture["reason"]
        assert (1, "unknown") == witnessed(world)[-1]
        await world.set_door(True)
        await world.eyes.until(lambda now: bool(now["keys"]["confirm"]["enabled"]), 20.0)
        await world.press("confirm")
        await visitor.sees("take_all", seconds=60.0)
        await world.set_door(False)
        await visitor.leave()
        books = await read_books(world)
        assert ["unknown"] == books.last.print_outcomes
        store = await job_store(world, tmp_path)
        assert ("completed", books.last.pages) == store[books.last.job_name]


def witnessed(world: World) -> list[tuple[int, str]]:
    """What the sensor at the exit saw of each job, and what became of it."""
    return [(entry["sheets"], entry["certainty"]) for entry in events(world, "print-witnessed")]
