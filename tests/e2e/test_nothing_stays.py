"""However a visit ends, nothing of the person is left on disk, in the daemon's memory or on the screen."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import zlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import IO, Any

import pytest

from firmware.core.terms import CertificateKind, Subjects
from firmware.documents.frames import (
    HEADER_BYTES,
    Answer,
    Declined,
    Prepare,
    Ready,
    body_bytes,
    to_answer,
    to_frame,
)
from tests.e2e.visitor import Visitor, kiosk
from tests.erasure import (
    Canaries,
    family,
    hits,
    in_files,
    in_memory,
    memory_of,
    personal,
    pieces,
    printed,
    words,
)
from tests.municipality.register import load_people
from tests.simulators.world import World

DISK_BYTES = 32 << 20
BARE = "STAYS_BARE" in os.environ
"""Look into the kiosk's memory for what is deflated without a header, too: half a minute more a test."""
CARD, PIN, WRONG_PIN = "shiken_taro", "1234", "9753"
STALL = {"document_printer": {"stall_seconds": 2.0, "appear_seconds": 4.0}}


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where every process of this test would put a temporary file."""
    with tempfile.TemporaryDirectory(prefix="stays-") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        yield Path(folder)


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk image that is mounted, and a folder beside it."""

    image: Path
    mounted: Path
    world: Path

    def hits(self, wanted: Canaries) -> set[str]:
        """What stands in any block, in use or not."""
        os.sync()
        return {name for piece in pieces(self.image) for name in hits(piece, wanted, bare=True)}


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """A small ext4, on which every process of this test would put a temporary file, too."""
    with tempfile.TemporaryDirectory(prefix="disk-") as folder:
        disk = Disk(*(Path(folder) / name for name in ("image", "mounted", "world")))
        disk.mounted.mkdir()
        disk.world.mkdir()
        with disk.image.open("wb") as image:
            image.truncate(DISK_BYTES)
        path = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"
        subprocess.run(["mkfs.ext4", "-q", disk.image], check=True, env={"PATH": path})
        mounting = subprocess.run(
            ["mount", "-o", "loop", disk.image, disk.mounted], capture_output=True, text=True, check=False
        )
        if mounting.returncode != 0:
            pytest.skip(f"no loop device that this user may mount: {mounting.stderr.strip()}")
        try:
            (disk.mounted / "tmp").mkdir()
            monkeypatch.setenv("TMPDIR", str(disk.mounted / "tmp"))
            yield disk
        finally:
            subprocess.run(["umount", "--lazy", disk.mounted], check=True)


@contextlib.asynccontextmanager
async def watched(temporary: Path, *, page_ms: int = 10) -> AsyncIterator[Visitor]:
    """A kiosk that must have forgotten everybody when the block ends."""
    async with kiosk(overrides=STALL, page_ms=page_ms) as visitor:
        visitor.card, visitor.pin = CARD, PIN
        yield visitor
        await visitor.sees("thanks", "idle")
        await visitor.leave()
        await visitor.rests()
        assert [] == await remains(visitor.world, temporary)


async def cut_while_printing(visitor: Visitor) -> None:
    """A visit whose kiosk loses its power when the first page is out; everything is taken after the start."""
    world = visitor.world
    await visitor.walk_to("coins")
    await visitor.pays(500)
    await world.eyes.until(lambda now: now["screen"] == "printing" and now["pages"]["out"] >= 1, 15.0)
    await world.kill_kiosk()
    await world.start_kiosk()
    await visitor.sees("take_all", seconds=60.0)
    await visitor.leave()


async def test_a_visit_with_paper_leaves_nothing_behind(temporary: Path) -> None:
    async with watched(temporary) as visitor:
        await visitor.walk_to("coins", items="3")
        await visitor.pays(500)
        await visitor.sees("take_all")
        await visitor.leave()


async def test_a_visit_cancelled_after_a_wrong_pin_and_the_right_one_leaves_nothing_behind(
    temporary: Path,
) -> None:
    async with watched(temporary) as visitor:
        await visitor.walk_to("pin")
        await visitor.type_pin(WRONG_PIN)
        await visitor.sees("pin_wrong")
        await visitor.touch("confirm")
        await visitor.sees("pin")
        await visitor.type_pin(PIN)
        await visitor.sees("take_card")
        await visitor.touch("cancel")
        await visitor.ends_with("cancelled")
        await visitor.leave()
        await visitor.walk_to("pin")
        await visitor.type_pin(WRONG_PIN)  # the last that the card is sent
        await visitor.sees("pin_wrong")
        await visitor.touch("cancel")
        await visitor.ends_with("cancelled")
        await visitor.leave()


async def test_a_visit_cancelled_after_the_document_was_prepared_leaves_nothing_behind(
    temporary: Path,
) -> None:
    async with watched(temporary) as visitor:
        await visitor.walk_to("coins")
        await visitor.drop([100])
        await visitor.stops()
        await visitor.ends_with("cancelled")
        await visitor.leave()


async def test_a_jam_that_staff_settle_leaves_nothing_behind(temporary: Path) -> None:
    async with watched(temporary, page_ms=100) as visitor:
        world = visitor.world
        await visitor.walk_to("coins")
        await world.printer.set_fault("jam", after_sheets=1)
        await visitor.pays(500)
        await visitor.sees("attend", seconds=60.0)
        wanted = people(CARD) | pin_commands(PIN, WRONG_PIN)
        sheets = printed("sheets", world.printer.jobs()[0].pdf.read_bytes())
        wanted |= await asyncio.to_thread(nobody_elses, world, sheets)
        assert [] == await asyncio.to_thread(in_memory, _kiosk_pid(world), wanted)
        await world.set_door(True)
        await world.set_printer_fault(None)
        await world.printer.jobs()[0].ended.wait()
        await world.eyes.until(lambda now: bool(now["keys"]["confirm"]["enabled"]), 10.0)
        await world.press("confirm")
        await visitor.sees("take_all")
        await world.set_door(False)
        await visitor.leave()


async def test_a_power_cut_while_printing_leaves_nothing_behind(temporary: Path) -> None:
    async with watched(temporary, page_ms=200) as visitor:
        await cut_while_printing(visitor)


async def test_cupsd_killed_in_the_middle_and_a_reprint_by_staff_leave_nothing_behind(
    temporary: Path,
) -> None:
    async with watched(temporary, page_ms=200) as visitor:
        world = visitor.world
        await visitor.walk_to("coins")
        await world.printer.set_fault("jam", after_sheets=1)
        await visitor.pays(500)
        await world.eyes.until(lambda now: now["screen"] == "printing" and now["pages"]["out"] >= 1, 15.0)
        await world.print_server.restart()
        await visitor.sees("attend", seconds=60.0)
        await world.set_printer_fault(None)
        await world.printer.jobs()[0].ended.wait()
        await world.take_paper()
        await world.eyes.until(lambda now: bool(now["keys"]["correct"]["enabled"]), 10.0)
        await visitor.touch("correct")
        await visitor.sees("staff_code")
        await visitor.type_staff_code()
        await world.eyes.until(lambda now: bool(now["choices"]), 30.0)
        await visitor.touch("1")
        await visitor.sees("take_all", seconds=60.0)
        await visitor.leave()


async def test_a_printer_whose_power_was_cut_leaves_nothing_with_us(temporary: Path) -> None:
    async with watched(temporary, page_ms=200) as visitor:
        world = visitor.world
        await visitor.walk_to("coins")
        await visitor.pays(500)
        await world.eyes.until(lambda now: now["screen"] == "printing" and now["pages"]["out"] >= 1, 15.0)
        await world.printer.set_fault("power_cycle")
        await visitor.sees("attend", seconds=60.0)
        await world.set_door(True)
        await world.eyes.until(lambda now: bool(now["keys"]["cancel"]["enabled"]), 20.0)
        await world.press("cancel")
        await visitor.ends_with("print_failed")
        await world.set_door(False)
        await world.printer.set_fault(None)
        await visitor.leave()


async def test_no_block_of_the_disk_keeps_anything_also_of_files_that_are_gone(disk: Disk) -> None:
    """All that the kiosk may write on lies on one disk: journal, log, support bundles, temporary files.

    The print server's spool is not there: it is memory (`tests/unit/test_print_server_unit.py`).
    """
    (disk.world / "kiosk.log").symlink_to(disk.mounted / "kiosk.log")
    on_disk: dict[str, dict[str, Any]] = {
        **STALL,
        "journal": {"path": str(disk.mounted / "journal.db"), "minimum_free_mib": 1},
        "console": {"support_folder": str(disk.mounted / "support")},
    }
    async with kiosk(overrides=on_disk, page_ms=200, directory=disk.world) as visitor:
        world = visitor.world
        visitor.card, visitor.pin = CARD, PIN
        await cut_while_printing(visitor)
        await visitor.sees("thanks", "idle")
        sheets = printed("sheets", world.printer.jobs()[0].pdf.read_bytes())
        sheets = await asyncio.to_thread(nobody_elses, world, sheets)
    wanted = people(CARD) | pin_commands(PIN) | sheets
    written = {path.name for path in disk.mounted.iterdir()}
    assert {"journal.db", "kiosk.log", "tmp"} <= written
    assert set() == await asyncio.to_thread(disk.hits, wanted)

    word = next(iter(people(CARD)))
    planted = disk.mounted / "tmp" / "planted"
    planted.write_bytes(zlib.compress(b"..." + word.encode("euc_jp") + b"..."))
    os.sync()
    planted.unlink()
    assert word in await asyncio.to_thread(disk.hits, wanted), "the scanner sees no file that is gone"


async def test_what_was_planted_is_found(temporary: Path) -> None:
    """Of the places; that each encoding is found, the scanner's own tests say."""
    async with kiosk() as visitor:
        world = visitor.world
        await visitor.rests()
        assert [] == await remains(world, temporary)
        word = next(iter(people(CARD)))
        for folder in (
            world.print_server.spool,
            world.print_server.memory / "tmp",
            world.directory,
            temporary,
        ):
            planted = folder / "planted"
            planted.write_bytes(zlib.compress(b"..." + word.encode("euc_jp") + b"..."))
            assert f"planted: {word}" in await asyncio.to_thread(in_places, world, temporary, people(CARD))
            planted.unlink()
        for pin in (PIN, WRONG_PIN):
            (temporary / "core").write_bytes(bytes.fromhex("0020008004") + pin.encode())
            commands = pin_commands(PIN, WRONG_PIN)
            assert ["core: PIN command"] == await asyncio.to_thread(in_places, world, temporary, commands)
            (temporary / "core").unlink()
        # The daemon's own name for the municipality surely lies in its memory.
        audience = {"audience": (world.municipality.audience.encode(),)}
        assert any("audience" in hit for hit in in_memory(_kiosk_pid(world), audience, deep=False))


async def remains(world: World, temporary: Path) -> list[str]:
    """Where something of the visit still is; the printer's own memory and the register are apart."""
    return await asyncio.to_thread(_remains, world, temporary, await world.cards_stand.pcscd_pid())


def _remains(world: World, temporary: Path, pcscd: int) -> list[str]:
    named = people(CARD)
    sheets: dict[str, tuple[bytes, ...]] = {}
    for number, job in enumerate(world.printer.jobs()):
        sheets |= printed(f"sheets of job {number}", job.pdf.read_bytes())
    wanted = named | pin_commands(PIN, WRONG_PIN) | (nobody_elses(world, sheets) if sheets else {})
    found = in_places(world, temporary, wanted)
    for pid in family(_kiosk_pid(world)):
        found += in_memory(pid, wanted, bare=BARE)
    for pid in (*family(world.print_server.pid), pcscd):
        found += in_memory(pid, wanted, bare=True)
    shown = json.dumps(world.eyes.pictures, ensure_ascii=False)
    return found + [f"screen: {word}" for word in named if word in shown]


def in_places(world: World, temporary: Path, wanted: Canaries) -> list[str]:
    """Where it is on disk and on RAM disks."""
    folders = [
        world.directory,
        world.print_server.spool.parents[1],
        Path(world.receipts.path).parent,
        Path(world.cards_stand.environment["PCSCLITE_CSOCK_NAME"]).parent,
        temporary,
    ]
    spared = [
        *(job.pdf.parents[1] for job in world.printer.jobs()),
        *world.directory.glob("municipality.db*"),
    ]
    return in_files(folders, wanted, spared=spared)


def nobody_elses(world: World, sheets: Canaries) -> dict[str, tuple[bytes, ...]]:
    """Of printed sheets what a worker that has seen nobody yet does not hold: it has the forms ready."""
    command = (sys.executable, "-m", "firmware", "document-worker", "--config", str(world.config))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        assert isinstance(_answer(worker.stdout), Ready)
        nobody = Prepare(
            sealed=b"",
            order_id="",
            kind=CertificateKind.JUMINHYO,
            subjects=Subjects.SELF,
            items=frozenset(),
            copies=1,
            session_id="",
            kiosk="",
            person_ref="",
        )
        worker.stdin.write(to_frame(nobody))
        worker.stdin.flush()
        assert isinstance(_answer(worker.stdout), Declined)
        own = personal(sheets, memory_of(worker.pid))
        worker.kill()
    return own


def _answer(answers: IO[bytes]) -> Answer:
    return to_answer(answers.read(body_bytes(answers.read(HEADER_BYTES))))


def people(card: str) -> dict[str, tuple[bytes, ...]]:
    """Every personal word of the card holder's household, in every form."""
    household = next(
        household
        for household, resident in load_people(date.today()).residents()  # noqa: DTZ011 - any day will do
        if resident.id == card
    )
    numbers = {resident.my_number for resident in household.resident if resident.my_number}
    grouped = {f"{number[:4]} {number[4:8]} {number[8:]}" for number in numbers}
    return words({household.address} | {resident.name for resident in household.resident} | numbers | grouped)


def pin_commands(*pins: str) -> dict[str, tuple[bytes, ...]]:
    """VERIFY with each of these PINs, as it goes to the card."""
    return {"PIN command": tuple(bytes.fromhex("0020008004") + pin.encode("ascii") for pin in pins)}


def _kiosk_pid(world: World) -> int:
    assert world.kiosk is not None
    return world.kiosk.pid
