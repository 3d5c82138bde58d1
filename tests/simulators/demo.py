"""The command behind scripts/demo: the whole world for a person, or one visit without one."""

import argparse
import asyncio
import json
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Coroutine, Sequence
from pathlib import Path

from tests.simulators.bench.panel import BenchPanel
from tests.simulators.bench.world_api import WorldRefusal
from tests.simulators.books import check_books
from tests.simulators.resident import KIND_DIGITS, Kind, Moment, Resident
from tests.simulators.world import World, page_png

FEE_YEN = 300
COIN_YEN = 500
REPORT_SECONDS = 10.0
SCREEN_SECONDS = 30.0
PAGE_DPI = 150
LEFT = ("document*.pdf", "document*.png", "receipt*.*", "journal.jsonl", "kiosk.log", "timeline.json")
"""Names of what a visit leaves in the folder."""


class DemoError(Exception):
    """The demo cannot go on; the message is for the person who started it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; 0 if everything that was asked for happened, 1 if a visit failed, 2 for wrong use."""
    parser = _parser()
    wanted = parser.parse_args(arguments)
    if (wanted.issue is None) != (wanted.out is None):
        parser.error("--issue and --out go together")
    if wanted.members and (wanted.issue != "juminhyo" or not wanted.members.replace(",", "").isdigit()):
        parser.error("--members takes keys such as 1,3 and goes with --issue juminhyo")
    if not 1 <= wanted.copies <= 9:
        parser.error("--copies takes 1 to 9")
    try:
        return asyncio.run(_issue(wanted) if wanted.issue else _show(wanted))
    except (DemoError, WorldRefusal, RuntimeError, OSError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/demo",
        description="Start every simulator, the reference municipality and the kiosk, or make one visit.",
    )
    parser.add_argument("--port", type=int, default=8080, help="the kiosk's screen (default 8080)")
    parser.add_argument("--bench-port", type=int, default=8081, help="the bench panel (default 8081)")
    parser.add_argument("--issue", choices=sorted(KIND_DIGITS), help="make one whole visit and end")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where the visit leaves what came out")
    parser.add_argument("--copies", type=int, default=1, metavar="N", help="copies to buy (default 1)")
    parser.add_argument(
        "--members",
        default="",
        metavar="KEYS",
        help="single members of the household for juminhyo, by their keys on the screen: 1,3",
    )
    parser.add_argument(
        "--card", default="shiken_taro", metavar="NAME", help="whose card (an invented person)"
    )
    parser.add_argument(
        "--pulse", action="store_true", help="a kiosk whose coin acceptor speaks by pulses, not ccTalk"
    )
    parser.add_argument("--json", action="store_true", help="print the timeline as JSON")
    parser.add_argument(
        "--city-hours",
        action="store_true",
        help="keep the city's hours 6:30-23:00 instead of round the clock",
    )
    return parser


def _hours(wanted: argparse.Namespace) -> tuple[str, str]:
    return ("06:30", "23:00") if wanted.city_hours else ("00:00", "24:00")


async def _show(wanted: argparse.Namespace) -> int:
    """Everything runs until Ctrl-C."""
    for option, port in (("--port", wanted.port), ("--bench-port", wanted.bench_port)):
        _check_free(option, port)
    if wanted.port == wanted.bench_port != 0:
        raise DemoError(f"port {wanted.port} cannot be both the screen's and the bench panel's")
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    starting = asyncio.create_task(_world_until(stop, wanted))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done() and not stop.is_set():
        starting.cancel()
    stopping.cancel()
    return await starting


async def _world_until(stop: asyncio.Event, wanted: argparse.Namespace) -> int:
    frames = [f"http://{host}:{wanted.bench_port}" for host in ("127.0.0.1", "localhost")]
    async with World(
        hours=_hours(wanted),
        screen_port=wanted.port,
        page_ms=1500,
        pulse_acceptor=wanted.pulse,
        overrides={"screen": {"framed_by": frames}},
    ) as world:
        panel = BenchPanel(world, port=wanted.bench_port, kiosk_url=world.screen_url)
        await panel.start()
        try:
            await _unless_the_kiosk_ends(world, _screen_shows(world))
            print(f"screen       {world.screen_url}")
            print(f"bench panel  {panel.url}")
            print(f"証明書の確認 http://127.0.0.1:{world.municipality.checking_port}")
            print("Ctrl-C ends everything.", flush=True)
            await stop.wait()
            print("ending …", flush=True)
        finally:
            await panel.close()
    return 0


def _check_free(option: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as cause:
            raise DemoError(f"port {port} cannot be used; choose another with {option}") from cause


async def _issue(wanted: argparse.Namespace) -> int:
    """One visit; what there is ends in the folder, also after a failure."""
    out: Path = wanted.out
    await asyncio.to_thread(_empty, out)
    kind: Kind = wanted.issue
    work = Path(tempfile.mkdtemp(prefix="madoguchi-"))
    timeline: list[Moment] = []
    log = work / "kiosk.log"
    try:
        async with World(directory=work, hours=_hours(wanted), pulse_acceptor=wanted.pulse) as world:
            resident = Resident(world, card=wanted.card, gives_up=True)
            timeline = resident.timeline
            try:
                failure = await _visit(resident, kind, wanted.copies, wanted.members.replace(",", ""))
            finally:
                await world.stop_kiosk()
                problems = await _collect(world, out)
    finally:
        _write_timeline(out, timeline)
        if log.exists():
            shutil.copyfile(log, out / "kiosk.log")
        shutil.rmtree(work, ignore_errors=True)
    _print_timeline(timeline, as_json=wanted.json)
    for problem in filter(None, (failure, *problems)):
        print(f"demo: {problem}", file=sys.stderr)
    return 1 if failure or problems else 0


def _empty(out: Path) -> None:
    """Make the folder; what an earlier visit left there must not look like this one's."""
    out.mkdir(parents=True, exist_ok=True)
    for pattern in LEFT:
        for file in out.glob(pattern):
            file.unlink()


async def _visit(resident: Resident, kind: Kind, copies: int, members: str) -> str | None:
    """None, or what went wrong in words."""
    coins = (COIN_YEN,) * -(-FEE_YEN * copies // COIN_YEN)
    try:
        await _unless_the_kiosk_ends(
            resident.world, resident.visit(kind, copies=copies, coins=coins, members=members)
        )
        async with asyncio.timeout(REPORT_SECONDS):
            await resident.world.logged("municipality-told")
    except TimeoutError as error:
        return str(error) or "the municipality was not told how the print ended"
    except WorldRefusal as error:
        return str(error)
    return None


async def _screen_shows(world: World) -> None:
    await world.eyes.until(lambda _: True, SCREEN_SECONDS)


async def _unless_the_kiosk_ends(world: World, visit: Coroutine[None, None, None]) -> None:
    """Raises WorldRefusal with the kiosk's last words if it does not live through the visit."""
    visiting = asyncio.create_task(visit)
    ending = asyncio.create_task(world.kiosk_ended())
    await asyncio.wait({visiting, ending}, return_when=asyncio.FIRST_COMPLETED)
    ending.cancel()
    if not visiting.done():
        visiting.cancel()
        await asyncio.gather(visiting, return_exceptions=True)
        raise WorldRefusal(f"the kiosk ended: {world.last_words()}")
    await visiting


async def _collect(world: World, out: Path) -> list[str]:
    """Leave what came out in the folder; what contradicts a good visit."""
    jobs = world.printer.jobs()
    for number, slip in enumerate(world.receipts.slips):
        name = "receipt" if number == 0 else f"receipt-{number + 1}"
        (out / f"{name}.bin").write_bytes(slip)
        (out / f"{name}.txt").write_text(world.receipts.text(slip), encoding="utf-8")
        (out / f"{name}.png").write_bytes(world.receipts.render_png(slip))
    status, lines, complaints = await world.journal_lines()
    (out / "journal.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    problems = [complaints.strip()] if status else []
    if len(jobs) != 1 or jobs[0].pages_out != jobs[0].pages:
        problems.append("the paper did not come out")
    for number, job in enumerate(jobs):
        name = "document" if number == 0 else f"document-{number + 1}"
        shutil.copyfile(job.pdf, out / f"{name}.pdf")
        for page in range(1, job.pages + 1):
            (out / f"{name}-page-{page}.png").write_bytes(await page_png(job.pdf, page, dpi=PAGE_DPI))
    return problems + await check_books(world, lines)


def _write_timeline(out: Path, timeline: Sequence[Moment]) -> None:
    entries = [{"step": moment.step, "milliseconds": round(moment.milliseconds, 1)} for moment in timeline]
    (out / "timeline.json").write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")


def _print_timeline(timeline: Sequence[Moment], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps([{"step": m.step, "milliseconds": round(m.milliseconds, 1)} for m in timeline]))
        return
    for moment in timeline:
        print(f"{moment.step:18} {moment.milliseconds:9.1f} ms")
    print(f"{'whole visit':18} {sum(moment.milliseconds for moment in timeline):9.1f} ms")


if __name__ == "__main__":
    sys.exit(main())
