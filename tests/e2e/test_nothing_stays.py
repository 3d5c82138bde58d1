"""However a visit ends, nothing of the person is left on disk, in the daemon's memory or on the screen."""

import asyncio
import contextlib
import json
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path

import pytest

from tests.e2e.visitor import Visitor, kiosk
from tests.municipality.register import load_people
from tests.simulators.world import World

CARD, PIN, WRONG_PIN = "shiken_taro", "1234", "9753"
STALL = {"document_printer": {"stall_seconds": 2.0, "appear_seconds": 4.0}}
ENCODINGS = ("utf-8", "utf-16-le", "cp932")
PDF_SLICE_BYTES = 32
PDF_SLICES = 8
CHUNK_BYTES = 1 << 22

Canaries = Mapping[str, Iterable[bytes]]
"""What must not be found, by a name that may be told."""


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where every process of this test would put a temporary file."""
    with tempfile.TemporaryDirectory(prefix="stays-") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        yield Path(folder)


@contextlib.asynccontextmanager
async def watched(temporary: Path, *, page_ms: int = 10) -> AsyncIterator[Visitor]:
    """A kiosk that must have forgotten everybody when the block ends."""
    async with kiosk(overrides=STALL, page_ms=page_ms) as visitor:
        visitor.card, visitor.pin = CARD, PIN
        yield visitor
        await visitor.sees("thanks", "idle")
        await visitor.leave()
        await visitor.rests()
        assert [] == await asyncio.to_thread(remains, visitor.world, temporary)


async def test_a_visit_with_paper_leaves_nothing_behind(temporary: Path) -> None:
    async with watched(temporary) as visitor:
        await visitor.walk_to("coins")
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


async def test_a_visit_cancelled_after_the_document_was_prepared_leaves_nothing_behind(
    temporary: Path,
) -> None:
    async with watched(temporary) as visitor:
        await visitor.walk_to("coins")
        await visitor.drop([100])
        await visitor.touch("cancel")
        await visitor.ends_with("cancelled")
        await visitor.leave()


async def test_a_jam_that_staff_settle_leaves_nothing_behind(temporary: Path) -> None:
    async with watched(temporary, page_ms=100) as visitor:
        world = visitor.world
        await visitor.walk_to("coins")
        await world.printer.set_fault("jam", after_sheets=1)
        await visitor.pays(500)
        await visitor.sees("attend", seconds=60.0)
        wanted = people(CARD) | pin_commands(PIN, WRONG_PIN) | printed_files(world)
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
        world = visitor.world
        await visitor.walk_to("coins")
        await visitor.pays(500)
        await world.eyes.until(lambda now: now["screen"] == "printing" and now["pages"]["out"] >= 1, 15.0)
        await world.kill_kiosk()
        await world.start_kiosk()
        await visitor.sees("take_all", seconds=60.0)
        await visitor.leave()


async def test_what_was_planted_is_found(temporary: Path) -> None:
    async with kiosk() as visitor:
        world = visitor.world
        await visitor.rests()
        assert [] == await asyncio.to_thread(remains, world, temporary)
        word = next(iter(people(CARD)))
        for encoding in ENCODINGS:
            planted = world.print_server.spool / "planted"
            planted.write_bytes(b"..." + word.encode(encoding) + b"...")
            assert [f"planted: {word}"] == await asyncio.to_thread(remains, world, temporary)
            planted.unlink()
        for pin in (PIN, WRONG_PIN):
            (temporary / "core").write_bytes(bytes.fromhex("0020008004") + pin.encode())
            assert ["core: PIN command"] == await asyncio.to_thread(remains, world, temporary)
            (temporary / "core").unlink()
        # The daemon's own name for the municipality surely lies in its memory.
        audience = {"audience": [world.municipality.audience.encode()]}
        assert ["memory: audience"] == in_memory(_kiosk_pid(world), audience)


def remains(world: World, temporary: Path) -> list[str]:
    """Where something of the visit still is; the printer's own memory and the register are apart."""
    words = people(CARD)
    wanted = words | pin_commands(PIN, WRONG_PIN) | printed_files(world)
    kept = {job.pdf.parents[1] for job in world.printer.jobs()}
    folders = [
        world.directory,
        world.print_server.spool.parents[1],
        Path(world.receipts.path).parent,
        Path(world.cards_stand.environment["PCSCLITE_CSOCK_NAME"]).parent,
        temporary,
    ]
    found = [hit for folder in folders for hit in _in_files(folder, wanted, kept)]
    found += in_memory(_kiosk_pid(world), wanted)
    shown = json.dumps(world.eyes.pictures, ensure_ascii=False)
    return found + [f"screen: {word}" for word in words if word in shown]


def people(card: str) -> dict[str, list[bytes]]:
    """Every personal word of the card holder's household, in every encoding that has it."""
    household = next(
        household
        for household, resident in load_people(date.today()).residents()  # noqa: DTZ011 - any day will do
        if resident.id == card
    )
    words = {household.address} | {resident.name for resident in household.resident}
    words |= {word.replace("　", "") for word in words}
    return {word: list(_encoded(word)) for word in sorted(words)}


def pin_commands(*pins: str) -> dict[str, list[bytes]]:
    """VERIFY with each of these PINs, as it goes to the card."""
    return {"PIN command": [bytes.fromhex("0020008004") + pin.encode("ascii") for pin in pins]}


def printed_files(world: World) -> dict[str, list[bytes]]:
    """Slices of every PDF that was printed: its text is compressed and would not be found as words."""
    return {f"sheets of job {n}": list(_slices(job.pdf)) for n, job in enumerate(world.printer.jobs())}


def _slices(pdf: Path) -> Iterator[bytes]:
    content = pdf.read_bytes()
    step = len(content) // (PDF_SLICES + 1)
    return (content[at : at + PDF_SLICE_BYTES] for at in range(step, step * PDF_SLICES + 1, step))


def _encoded(word: str) -> Iterator[bytes]:
    for encoding in ENCODINGS:
        with contextlib.suppress(UnicodeEncodeError):
            yield word.encode(encoding)


def _in_files(folder: Path, canaries: Canaries, kept: set[Path]) -> Iterator[str]:
    for path in folder.rglob("*"):
        foreign = path.name.startswith("municipality.db") or not kept.isdisjoint(path.parents)
        if foreign or not path.is_file():
            continue
        content = path.read_bytes()
        yield from (f"{path.name}: {name}" for name in _hits(content, canaries))


def in_memory(pid: int, canaries: Canaries) -> list[str]:
    """Every page that the process itself may have written."""
    overlap = max(len(canary) for several in canaries.values() for canary in several)
    found: set[str] = set()
    maps = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8").splitlines()
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in maps:
            span, rights = line.split()[:2]
            start, end = (int(edge, 16) for edge in span.split("-"))
            if not rights.startswith("rw"):
                continue
            for at in range(start, end, CHUNK_BYTES):
                memory.seek(at)
                with contextlib.suppress(OSError):
                    content = memory.read(min(CHUNK_BYTES + overlap, end - at))
                    found.update(_hits(content, canaries))
    return [f"memory: {name}" for name in sorted(found)]


def _hits(content: bytes, canaries: Canaries) -> list[str]:
    return [name for name, several in canaries.items() if any(canary in content for canary in several)]


def _kiosk_pid(world: World) -> int:
    assert world.kiosk is not None
    return world.kiosk.pid
