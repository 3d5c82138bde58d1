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
from tests import canaries
from tests.canaries import pin_commands
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
)
from tests.simulators.world import PKI, World
from tests.unit_environment import wiping

DISK_BYTES = 32 << 20
BARE = "STAYS_BARE" in os.environ
"""Look into the kiosk's memory for what is deflated without a header, too: half a minute more a test."""
CARD, PIN, WRONG_PIN = "shiken_taro", "1234", "9753"
ITS_OWN = frozenset({"certificate", "holder's number", "session", "reference", "signature"})
"""What daemon and card have in clear while the visit lasts."""
HELD = b"end of what is held"
HOLDER = f"""
import sys
held = b""
while not held.endswith({HELD!r}):
    held += sys.stdin.buffer.read1()
print("held", end="", flush=True)
sys.stdin.read()
"""
"""A program that holds in its memory what it is given."""
LOOKS = 5
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


@pytest.fixture(scope="module")
def register(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the municipality knows of the card's holder and the household."""
    return canaries.invent(tmp_path_factory.mktemp("register"))


@contextlib.asynccontextmanager
async def watched(temporary: Path, register: Path, *, page_ms: int = 10) -> AsyncIterator[Visitor]:
    """A kiosk that must have forgotten everybody when the block ends."""
    async with kiosk(
        overrides=STALL, page_ms=page_ms, municipality={"people": register}, environment=wiping()
    ) as visitor:
        visitor.card, visitor.pin = CARD, PIN
        yield visitor
        await visitor.sees("thanks", "idle")
        await visitor.leave()
        await visitor.rests()
        assert [] == await remains_at_last(visitor.world, temporary, register)


async def cut_while_printing(visitor: Visitor) -> None:
    """A visit whose kiosk loses its power when the first page is out; everything is taken after the start."""
    world = visitor.world
    await visitor.walk_to("coins")
    await visitor.pays(500)
    await world.eyes.until(lambda now: now["screen"] == "printing" and now["pages"]["out"] >= 1, 60.0)
    await world.kill_kiosk()
    await world.start_kiosk()
    await visitor.sees("take_all", seconds=60.0)
    await visitor.leave()


async def test_a_visit_with_paper_leaves_nothing_behind(temporary: Path, register: Path) -> None:
    async with watched(temporary, register) as visitor:
        await visitor.walk_to("coins", items="3")
        await visitor.pays(500)
        await visitor.sees("take_all")
        await visitor.leave()


async def test_a_visit_cancelled_after_a_wrong_pin_and_the_right_one_leaves_nothing_behind(
    temporary: Path, register: Path
) -> None:
    async with watched(temporary, register) as visitor:
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
    temporary: Path, register: Path
) -> None:
    async with watched(temporary, register) as visitor:
        await visitor.walk_to("coins")
        await visitor.drop([100])
        await visitor.stops()
        await visitor.ends_with("cancelled")
        await visitor.leave()


async def test_a_jam_that_staff_settle_leaves_nothing_behind(temporary: Path, register: Path) -> None:
    async with watched(temporary, register, page_ms=100) as visitor:
        world = visitor.world
        await visitor.walk_to("coins")
        await world.printer.set_fault("jam", after_sheets=1)
        await visitor.pays(500)
        await visitor.sees("attend", seconds=60.0)
        wanted = await asyncio.to_thread(belongings, world, register)
        wanted = {name: forms for name, forms in wanted.items() if name not in ITS_OWN}
        assert [] == await asyncio.to_thread(in_memory, _kiosk_pid(world), wanted)
        await world.set_door(True)
        await world.set_printer_fault(None)
        await world.printer.jobs()[0].ended.wait()
        await world.eyes.until(lambda now: bool(now["keys"]["confirm"]["enabled"]), 60.0)
        await world.press("confirm")
        await visitor.sees("take_all")
        await world.set_door(False)
        await visitor.leave()


async def test_a_power_cut_while_printing_leaves_nothing_behind(temporary: Path, register: Path) -> None:
    async with watched(temporary, register, page_ms=200) as visitor:
        await cut_while_printing(visitor)


async def test_cupsd_killed_in_the_middle_and_a_reprint_by_staff_leave_nothing_behind(
    temporary: Path, register: Path
) -> None:
    async with watched(temporary, register, page_ms=200) as visitor:
        world = visitor.world
        await visitor.walk_to("coins")
        await world.printer.set_fault("jam", after_sheets=1)
        await visitor.pays(500)
        await world.eyes.until(lambda now: now["screen"] == "printing" and now["pages"]["out"] >= 1, 60.0)
        await world.print_server.restart()
        await visitor.sees("attend", seconds=60.0)
        await world.set_printer_fault(None)
        await world.printer.jobs()[0].ended.wait()
        await world.take_paper()
        await world.eyes.until(lambda now: bool(now["keys"]["correct"]["enabled"]), 60.0)
        await visitor.touch("correct")
        await visitor.sees("staff_code")
        await visitor.type_staff_code()
        await world.eyes.until(lambda now: bool(now["choices"]), 30.0)
        await visitor.touch("1")
        await visitor.sees("take_all", seconds=60.0)
        await visitor.leave()


async def test_a_printer_whose_power_was_cut_leaves_nothing_with_us(temporary: Path, register: Path) -> None:
    async with watched(temporary, register, page_ms=200) as visitor:
        world = visitor.world
        await visitor.walk_to("coins")
        await visitor.pays(500)
        await world.eyes.until(lambda now: now["screen"] == "printing" and now["pages"]["out"] >= 1, 60.0)
        await world.printer.set_fault("power_cycle")
        await visitor.sees("attend", seconds=60.0)
        await world.set_door(True)
        await world.eyes.until(lambda now: bool(now["keys"]["cancel"]["enabled"]), 20.0)
        await world.press("cancel")
        await visitor.ends_with("print_failed")
        await world.set_door(False)
        await world.printer.set_fault(None)
        await visitor.leave()


async def test_no_block_of_the_disk_keeps_anything_also_of_files_that_are_gone(
    disk: Disk, register: Path
) -> None:
    """All that the kiosk may write on lies on one disk: journal, log, support bundles, temporary files.

    The print server's spool is not there: it is memory (`tests/unit/test_print_server_unit.py`).
    """
    (disk.world / "kiosk.log").symlink_to(disk.mounted / "kiosk.log")
    on_disk: dict[str, dict[str, Any]] = {
        **STALL,
        "journal": {"path": str(disk.mounted / "journal.db"), "minimum_free_mib": 1},
        "console": {"support_folder": str(disk.mounted / "support")},
    }
    municipality = {"people": register}
    async with kiosk(
        overrides=on_disk, page_ms=200, directory=disk.world, municipality=municipality
    ) as visitor:
        world = visitor.world
        visitor.card, visitor.pin = CARD, PIN
        await cut_while_printing(visitor)
        await visitor.sees("thanks", "idle")
        wanted = await asyncio.to_thread(belongings, world, register)
    written = {path.name for path in disk.mounted.iterdir()}
    assert {"journal.db", "kiosk.log", "tmp"} <= written
    assert set() == await asyncio.to_thread(disk.hits, wanted)

    for name, blob in planted(wanted).items():
        (disk.mounted / "tmp" / "planted").write_bytes(blob)
        os.sync()
        (disk.mounted / "tmp" / "planted").unlink()
        assert set(wanted) == await asyncio.to_thread(disk.hits, wanted), f"{name}, in a file that is gone"


async def test_visits_for_the_other_two_kinds_leave_nothing_behind_and_all_of_it_would_be_found(
    temporary: Path, register: Path
) -> None:
    """What was looked for in vain is planted, in each place and in a process, and must be found there."""
    async with watched(temporary, register) as visitor:
        for kind in ("2", "3"):
            await visitor.walk_to("coins", kind=kind)
            await visitor.pays(500)
            await visitor.sees("take_all")
            await visitor.leave()
            await visitor.rests()
        assert [] == await remains_at_last(visitor.world, temporary, register)
        await asyncio.to_thread(finds_all, visitor.world, temporary, register)


def finds_all(world: World, temporary: Path, register: Path) -> None:
    wanted = belongings(world, register)
    blobs = planted(wanted)
    files = {
        folder / f"{how}-{number}": blob
        for how, blob in blobs.items()
        for number, folder in enumerate(looked_into(world, temporary))
    }
    for path, blob in files.items():
        path.write_bytes(blob)
    found = set(in_places(world, temporary, wanted))
    for path in files:
        path.unlink()
        assert set() == {f"{path.name}: {name}" for name in wanted} - found, path
    for how, blob in blobs.items():
        with subprocess.Popen(
            (sys.executable, "-c", HOLDER), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as holder:
            assert holder.stdin is not None
            assert holder.stdout is not None
            holder.stdin.write(blob + HELD)
            holder.stdin.flush()
            assert holder.stdout.read(4) == b"held"
            hit = {hit.partition(": ")[2] for hit in in_memory(holder.pid, wanted)}
            holder.kill()
        assert set(wanted) == hit, f"{how}, in memory"


async def test_what_surely_lies_in_the_kiosks_memory_is_found_there() -> None:
    """The daemon's own name for the municipality; and the seeker may look into each process."""
    async with kiosk() as visitor:
        world = visitor.world
        await visitor.rests()
        audience = {"audience": (world.municipality.audience.encode(),)}
        assert any("audience" in hit for hit in in_memory(_kiosk_pid(world), audience, deep=False))
        for pid in (world.print_server.pid, await world.cards_stand.pcscd_pid()):
            assert any(len(content) for content in memory_of(pid))


async def remains_at_last(world: World, temporary: Path, register: Path) -> list[str]:
    """The same once the visit's end is over, which goes on beside the start screen for a moment."""
    for _ in range(LOOKS):
        if not (found := await remains(world, temporary, register)):
            break
        await asyncio.sleep(1)
    return found


async def remains(world: World, temporary: Path, register: Path) -> list[str]:
    """Where something of the visits still is; the printer's own memory and the register are apart."""
    return await asyncio.to_thread(_remains, world, temporary, register, await world.cards_stand.pcscd_pid())


def _remains(world: World, temporary: Path, register: Path, pcscd: int) -> list[str]:
    wanted = belongings(world, register)
    found = in_places(world, temporary, wanted)
    for pid in family(_kiosk_pid(world)):
        found += in_memory(pid, wanted, bare=BARE)
    for pid in family(world.print_server.pid):
        found += in_memory(pid, wanted, bare=True)
    # pcscd's own buffers keep a piece of what the last card said until the next one (decision 46).
    found += in_memory(pcscd, {name: wanted[name] for name in wanted.keys() - ITS_OWN}, bare=True)
    shown = json.dumps(world.eyes.pictures, ensure_ascii=False)
    return found + [f"screen: {word}" for word in canaries.people(register) if word in shown]


def belongings(world: World, register: Path) -> Canaries:
    """All that passed the kiosk in the visits until now."""
    sheets: dict[str, tuple[bytes, ...]] = {}
    for number, job in enumerate(world.printer.jobs()):
        sheets |= printed(f"sheets of job {number}", job.pdf.read_bytes())
    return (
        canaries.people(register)
        | canaries.seal((PKI / "seals" / f"{CARD}.png").read_bytes())
        | canaries.certificate(PKI / "cards")
        | canaries.sessions(world.directory / "municipality.db", PKI / "cards")
        | pin_commands(PIN, WRONG_PIN)
        | (nobody_elses(world, sheets) if sheets else {})
    )


def planted(wanted: Canaries) -> dict[str, bytes]:
    """One of the forms of each, another for each name, as it is and deflated."""
    forms = [every[number % len(every)] for number, every in enumerate(wanted.values())]
    plain = b"\0\xff".join(forms)
    return {"plain": plain, "deflated": zlib.compress(plain)}


def looked_into(world: World, temporary: Path) -> list[Path]:
    """A folder in each of the places on disk and on RAM disks."""
    pcscd = Path(world.cards_stand.environment["PCSCLITE_CSOCK_NAME"]).parent
    return [world.print_server.spool, world.print_server.memory / "tmp", world.directory, temporary, pcscd]


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


def _kiosk_pid(world: World) -> int:
    assert world.kiosk is not None
    return world.kiosk.pid
