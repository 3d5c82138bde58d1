"""Attacks on one print at each of its moments, and what may never follow.

    python -m tests.contract.print_attacks [--rounds N] [--only ATTACK]

Each attack strikes before, while and after the document is handed over, between the sheets and after the
last, and is mended a moment later. Held against what the printer's engine really delivered:

- DONE means every page, once; NOT_DONE means none, then and later
- no job reaches the engine twice
- the printer is ready again only when neither it nor cupsd has the job, and then nothing comes out any more
- nothing of the document is left in cupsd's folders

Exit status 0 only if no line of the table breaks a rule. The contract suite keeps the most telling of them.
"""

import argparse
import asyncio
import contextlib
import secrets
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from firmware.core.facts import DocumentPrinterLevel, Level
from firmware.core.terms import Certainty
from firmware.logbook import EventId, FieldValue
from firmware.ports import PrintResult
from hw.printer.ipp import IppDocumentPrinter
from tests.contract.test_document_printer import certificate
from tests.simulators.printers import A4Printer, LossyWire, PrintServer

PAGES, SHEETS = 4, 2
MOMENTS = ("before", "submitting", "submitted", "first sheet", "last sheet")
MEND_SECONDS = 2.0
SUBMIT_SECONDS = 4.0
READY_SECONDS = 60.0
SUBMIT = """
import sys
from hw.printer.queue import submit
from firmware.errors import PrintNotSubmitted
name, socket, queue, file = sys.argv[1:]
try:
    submit(open(file, "rb").read(), job_name=name, cups_socket=socket, queue=queue)
except PrintNotSubmitted:
    sys.exit(3)
"""


@dataclass(slots=True)
class Bench:
    """A printer, a print server and the kiosk's adapter between them."""

    paper: A4Printer
    server: PrintServer
    wire: LossyWire
    folder: Path
    printer: IppDocumentPrinter | None = None
    submitting: asyncio.subprocess.Process | None = None
    sheets_out: int = 0
    level: Level = field(default_factory=DocumentPrinterLevel)
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def restart_request(self) -> Path:
        return self.folder / "restart-cups"

    def report(self, level: Level) -> None:
        self.level = level
        self.moved.set()

    def sheets(self, sheets: int) -> None:
        self.sheets_out += sheets
        self.moved.set()

    def log(self, event: EventId, /, **_fields: FieldValue) -> None:
        """Nobody reads it here."""

    async def until(self, condition: Callable[[], bool], seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not condition():
                    self.moved.clear()
                    await self.moved.wait()
        return condition()

    async def start_kiosk(self) -> None:
        """One that knows of no job."""
        self.printer = IppDocumentPrinter(
            printer_uri=self.paper.uri,
            cups_socket=self.server.socket,
            queue=self.server.queue,
            log=self.log,
            poll_seconds=0.2,
            follow_seconds=0.05,
            request_seconds=0.7,
            appear_seconds=10.0,
            stall_seconds=6.0,
            silent_seconds=1.0,
            purge_seconds=2.0,
            restart_request=self.restart_request,
            restart_seconds=MEND_SECONDS,
        )
        self.printer.start(self.report)
        self.moved.set()

    async def stop_kiosk(self) -> None:
        """Its worker dies with it."""
        printer, self.printer = self.printer, None
        self.moved.set()
        if self.submitting is not None and self.submitting.returncode is None:
            self.submitting.kill()
        if printer is not None:
            await printer.close()

    async def followed(self, job_name: str) -> PrintResult:
        """Followed to its end, by the next kiosk if this one goes away."""
        while True:
            await self.until(lambda: self.printer is not None, READY_SECONDS)
            printer = self.printer
            assert printer is not None
            following = asyncio.create_task(printer.follow(job_name, PAGES, lambda _: None, sheets=SHEETS))
            following.add_done_callback(lambda _: self.moved.set())
            while not following.done() and self.printer is printer:
                self.moved.clear()
                await self.moved.wait()
            if following.done():
                return following.result()
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    async def kill_cupsd(self) -> None:
        await self.server.kill()

    async def restart_cupsd(self) -> None:
        await self.server.restart()

    async def hang_cupsd(self) -> None:
        self.restart_request.unlink(missing_ok=True)
        self.server.hang()

    async def resume_cupsd(self) -> None:
        self.server.resume()

    async def have_cupsd_restarted(self) -> None:
        async with asyncio.timeout(READY_SECONDS):
            await self.server.restart_when_asked(self.restart_request)

    async def lose_answer(self) -> None:
        self.wire.lose_answer()

    async def mend_wire(self) -> None:
        self.wire.mend()

    def fault(self, name: str | None) -> Callable[[], Awaitable[None]]:
        return lambda: self.paper.set_fault(name)

    def attacks(self) -> dict[str, tuple[Callable[[], Awaitable[None]], Callable[[], Awaitable[None]]]]:
        """How to strike and how to mend."""
        mend = self.fault(None)
        return {
            "cupsd killed": (self.kill_cupsd, self.restart_cupsd),
            "cupsd hangs": (self.hang_cupsd, self.resume_cupsd),
            "cupsd hangs for good": (self.hang_cupsd, self.have_cupsd_restarted),
            "printer unplugged": (self.fault("offline"), mend),
            "printer power-cycled": (self.fault("power_cycle"), mend),
            "out of paper": (self.fault("empty"), mend),
            "jam": (self.fault("jam"), mend),
            "cover open": (self.fault("cover"), mend),
            "toner empty": (self.fault("toner"), mend),
            "answer lost": (self.lose_answer, self.mend_wire),
            "kiosk killed": (self.stop_kiosk, self.start_kiosk),
        }


@contextlib.asynccontextmanager
async def bench() -> AsyncIterator[Bench]:
    with tempfile.TemporaryDirectory() as folder:
        async with (
            A4Printer(page_ms=100, job_ms=100) as paper,
            LossyWire(paper.port) as wire,
            PrintServer(wire.uri, connect_seconds=1) as server,
        ):
            built = Bench(paper, server, wire, Path(folder))
            paper.on_paper(built.sheets)
            await built.start_kiosk()
            try:
                yield built
            finally:
                await built.stop_kiosk()


async def submitted(bench: Bench, job_name: str) -> int | None:
    """Hand a document over in a process of its own, as the worker does; its exit status, None if it hung."""
    file = bench.folder / "certificate.pdf"
    file.write_bytes(certificate(PAGES))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SUBMIT, job_name, bench.server.socket, bench.server.queue, str(file))
    )
    bench.submitting = process
    try:
        async with asyncio.timeout(SUBMIT_SECONDS):
            return await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
        return None


async def strike(bench: Bench, attack: str, moment: str) -> tuple[PrintResult, int]:
    """One print under attack: its result, and the sheets out when it was told."""
    begin, mend = bench.attacks()[attack]
    job_name = f"cert-{secrets.token_hex(8)}"
    before = bench.sheets_out

    async def attack_now(wanted_sheets: int) -> None:
        await bench.until(lambda: bench.sheets_out - before >= wanted_sheets, 10.0)
        await begin()
        await asyncio.sleep(MEND_SECONDS)
        await mend()

    waits = {"first sheet": 1, "last sheet": SHEETS}
    assert bench.printer is not None
    await bench.printer.expect(job_name)
    attacking: asyncio.Task[None] | None = None
    if moment == "before":
        attacking = asyncio.create_task(attack_now(0))
        await asyncio.sleep(0.2)
    elif moment != "submitted":
        attacking = asyncio.create_task(attack_now(waits.get(moment, 0)))
    status = await submitted(bench, job_name)
    if attacking is None:
        attacking = asyncio.create_task(attack_now(0))
    if status == 3:
        result = PrintResult(Certainty.NOT_DONE, 0)
    else:
        result = await bench.followed(job_name)
    told = bench.sheets_out - before
    await attacking
    return result, told


async def broken(bench: Bench, result: PrintResult, told: int, before: int) -> list[str]:
    """Which rules the print just made breaks, now that everything is mended."""
    found = []
    if not await bench.until(lambda: bench.level == DocumentPrinterLevel(frozenset()), READY_SECONDS):
        return [f"not ready again: {bench.level}"]
    ready = bench.sheets_out
    await asyncio.sleep(1.5)
    await bench.paper.until_idle()
    jobs = bench.paper.jobs()
    out = bench.sheets_out - before
    if bench.sheets_out != ready:
        found.append("paper came out of a printer that was ready")
    if len(jobs) > 1:
        found.append(f"{len(jobs)} jobs reached the engine")
    if result.certainty is Certainty.DONE and (told, out) != (SHEETS, SHEETS):
        found.append(f"done, but {told} sheets then and {out} in the end")
    if result.certainty is Certainty.NOT_DONE and out:
        found.append(f"not done, but {out} sheets")
    kept = [file for file in bench.server.memory.rglob("*") if file.is_file()]
    found += [f"{file.name} is kept" for file in kept if b"%PDF" in file.read_bytes()]
    return found


async def sweep(rounds: int, only: str | None) -> int:
    """Every attack at every moment; the number of broken rules."""
    faults = 0
    async with bench() as built:
        for attack in [name for name in built.attacks() if only in (None, name)]:
            for moment in MOMENTS * rounds:
                built.paper.forget_jobs()
                before = built.sheets_out
                result, told = await strike(built, attack, moment)
                found = await broken(built, result, told, before)
                faults += len(found)
                out = built.sheets_out - before
                say(f"{attack:22}{moment:14}{result.certainty.value:10}{out} sheets  {'; '.join(found)}")
    return faults


def say(line: str) -> None:
    print(line.rstrip(), flush=True)  # noqa: T201 - the command's answer


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", metavar="ATTACK")
    wanted = parser.parse_args()
    faults = asyncio.run(sweep(wanted.rounds, wanted.only))
    say(f"{faults} rules broken")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
