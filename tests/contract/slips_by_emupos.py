"""Our slips as pictures, rendered by a simulator that nobody here wrote, and its status bytes read.

    python -m tests.contract.slips_by_emupos PATH_OF_EMUPOS [--keep tests/pages/slips]

emupos (PyPI) needs a newer Python than Debian 12 has: install it in an environment of its own. What it drew
is kept in tests/pages/slips, and the tests hold every slip of today against that. It knows no kanji commands;
the Shift_JIS slips are held against receiptline in `test_escpos_oracle`. Exit status 0 only if every dot is
where we put it and every fault is read right.
"""

import argparse
import asyncio
import contextlib
import io
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from PIL import Image, ImageChops

from firmware.core.terms import CertificateKind
from firmware.documents.day_report import day_slip
from firmware.documents.receipt import Sold, claim_slip, receipt, self_test_slip
from firmware.ports import SlipLine
from hw.printer import escpos, raster
from tests.simulators.ports import free_port
from tests.simulators.printers import roll
from tests.unit.test_documents_day_report import report

COLUMNS = 48
FONT = Path("/usr/share/fonts/opentype/ipaexfont-gothic/ipaexg.ttf")
NOW = datetime(2026, 11, 25, 10, 30, tzinfo=UTC)
FAULTS = {
    "paper-out": "paper-out",
    "cover-open": "cover-open",
    "offline": "offline",
    "paper-near-end": None,
}
START_SECONDS = 60.0


def slips() -> dict[str, tuple[SlipLine, ...]]:
    """One of each kind of slip that a person, the store or a technician may get."""
    return {
        "receipt": receipt(
            municipality="渋川市",
            receipt_no="R-0001",
            issued_at=NOW,
            sold=(Sold(CertificateKind.JUMINHYO, 2, 300),),
            paid_yen=1000,
            change_yen=400,
            columns=COLUMNS,
        ),
        "claim": claim_slip(
            municipality="渋川市",
            claim_no="0042-ABCD",
            kiosk="urn:kiosk:demo-0001",
            issued_at=NOW,
            yen=400,
            where="市民課",
            columns=COLUMNS,
        ),
        "self-test": self_test_slip(
            kiosk="urn:kiosk:demo-0001",
            version="0.1.0",
            issued_at=NOW,
            found=(("桁数", "48"),),
            columns=COLUMNS,
        ),
        "settlement": day_slip(report(), columns=COLUMNS),
    }


@dataclass(slots=True)
class Emupos:
    """A running simulator. program: its command."""

    program: Path
    folder: Path
    api: str
    port: int

    async def tell(self, *words: str) -> str:
        """Run one of its commands; what it said. Raises RuntimeError."""
        process = await asyncio.create_subprocess_exec(
            *(str(self.program), "--api", self.api, *words),
            cwd=self.folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        if process.returncode != 0:
            raise RuntimeError(f"emupos {' '.join(words)}: {said.decode()}")
        return said.decode()

    async def ask(self, sent: bytes, answers: int) -> bytes:
        """Send bytes on a connection of their own and read so many answers."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(sent)
            async with asyncio.timeout(START_SECONDS):
                return await reader.readexactly(answers)
        finally:
            writer.close()

    async def picture(self) -> Image.Image:
        """The latest receipt, black on white."""
        saved = self.folder / "slip.png"
        await self.tell("receipt", "show", "--save", str(saved))
        return Image.open(io.BytesIO(saved.read_bytes())).convert("L")


@contextlib.asynccontextmanager
async def running(program: Path, folder: Path) -> AsyncIterator[Emupos]:
    """The simulator, ready to take bytes."""
    api_port, port = free_port(), free_port()
    (folder / "emupos.yaml").write_text(
        f"schema: 1\napi: {{host: 127.0.0.1, port: {api_port}}}\ndevices:\n"
        f"  - id: front\n    type: printer\n    profile: epson-tm-t20iii\n"
        f"    connections:\n      - tcp: {{ port: {port} }}\n"
    )
    process = await asyncio.create_subprocess_exec(
        *(str(program), "run"),
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(START_SECONDS):
            while not answers(port):  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.1)
        yield Emupos(program, folder, f"http://127.0.0.1:{api_port}", port)
    finally:
        process.terminate()
        await process.wait()


async def compare(emupos: Emupos, name: str, lines: tuple[SlipLine, ...]) -> str | None:
    """Print one slip; what is wrong with its picture, None if every dot agrees."""
    slip = raster.slip(lines, columns=COLUMNS, font=FONT)
    [answer] = await emupos.ask(slip, 1)
    if not (escpos.is_paper_answer(answer) and escpos.paper_left(answer)):
        return f"{name}: {answer:02x} is no answer of a printer with paper"
    fault = differs(await emupos.picture(), slip)
    return None if fault is None else f"{name}: {fault}"


def differs(drawn: Image.Image, slip: bytes) -> str | None:
    """In what a picture drawn by others differs from the dots that the slip means, None if in nothing."""
    [ours] = roll.pictures(slip)
    ink = drawn.convert("L").point(lambda level: 255 if level < 128 else 0)
    box, our_box = ink.getbbox(), ours.getbbox()
    if box is None or our_box is None:
        return "nothing is printed"
    difference = ImageChops.difference(ink.crop(box), ours.convert("L").crop(our_box))
    return None if difference.getbbox() is None else f"dots differ in {difference.getbbox()}"


async def check(program: Path, keep: Path | None) -> list[str]:
    """Everything that is wrong, in words."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        async with running(program, Path(folder)) as emupos:
            for name, lines in slips().items():
                found.append(await compare(emupos, name, lines))
                if keep is not None:
                    (await emupos.picture()).save(keep / f"{name}.png")
            for fault, trouble in FAULTS.items():
                await emupos.tell("fault", "set", "front", fault)
                questions = b"".join(map(escpos.ask_status, escpos.STATUS_GROUPS))
                read = escpos.status(await emupos.ask(questions, len(escpos.STATUS_GROUPS)))
                if read.trouble != trouble or (trouble is None and not read.paper_low):
                    found.append(f"{fault} is read as {read}")
                await emupos.tell("fault", "clear", "front", fault)
    return [what for what in found if what is not None]


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("emupos", type=Path)
    parser.add_argument("--keep", type=Path)
    wanted = parser.parse_args()
    found = asyncio.run(check(wanted.emupos.resolve(), wanted.keep))
    good = f"{len(slips())} slips agree dot for dot, {len(FAULTS)} faults are read right"
    print("\n".join(found) or good)  # noqa: T201 - the command's answer
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
