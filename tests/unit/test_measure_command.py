"""The command behind scripts/bench as a whole: its figures, its exit status, and what it leaves behind."""

import asyncio
import json
import os
import secrets
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

PROJECT = Path(__file__).parents[2]
MARK = "MADOGUCHI_BENCH_TEST"
DIFFERENCES = {"key.beyond-debounce-p50", "card.laid-down-to-picture", "card.taken-away-to-picture"}
"""Between two who are told of the same: on a machine without a free processor either may be first."""

FIGURES = frozenset(
    """
    start.first-picture start.ready-for-a-visit
    rest.cpu-with-spare-worker rest.rss rest.pss rest.threads rest.descriptors rest.spare-worker-rss
    visits.rss-after
    key.press-to-picture-p50 key.press-to-picture-p99 key.press-to-frame-p50 key.press-to-frame-p99
    key.beyond-debounce-p50
    visit.software visit.card-to-pin visit.pin-to-take-card visit.prepared visit.released
    visit.document-handed-over visit.change-paid visit.receipt-printed visit.all-taken
    card.apdus-of-a-visit card.bytes-of-a-visit card.apdus-beyond-the-least
    opensc.apdus-for-the-same opensc.bytes-for-the-same
    card.laid-down-to-picture card.taken-away-to-picture
    tls.requests-of-a-visit tls.bytes-sent-of-a-visit tls.bytes-received-of-a-visit
    worker.start-to-key worker.prepare worker.print-to-handed-over worker.peak-memory
    document.juminhyo.render-first document.page.first.beside-reportlab document.inkan.peak-memory
    document.shotoku.pdf
    scramble.ordinary-300dpi.read scramble.heavy-300dpi.read scramble.heavy-300dpi.time
    journal.commits journal.check-10000-entries
    coin.longest-poll-gap-hopper-healthy coin.longest-poll-gap-hopper-babbling
    screen.page-weight screen.cold-start-to-picture screen.first-paint
    screen.change-to-frame-p50 screen.change-to-frame-p99 screen.browser-pss screen.browser-rest-cpu
    engine.steps municipality.release-to-receipt-number
    """.split()
)


@dataclass(frozen=True)
class Place:
    """A temporary folder of its own for the command, and a mark on every process it starts."""

    folder: Path
    mark: str

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.figures.measure", *arguments),
            cwd=PROJECT,
            env={**os.environ, "TMPDIR": str(self.folder), MARK: self.mark},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    def running(self) -> list[str]:
        """Command lines of all marked processes."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == self.mark and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(" ".join(process.cmdline()))
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found

    async def until_nothing_runs(self) -> None:
        async with asyncio.timeout(60):
            while self.running():  # noqa: ASYNC110 - processes of others' children tell nobody
                await asyncio.sleep(0.05)


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    folder = Path(tempfile.mkdtemp(prefix="b-"))  # short, because sockets are made in it
    os.chmod(folder, 0o1777)  # noqa: PTH101, S103 - cupsd's filters run as another user, as in /tmp
    place = Place(folder, secrets.token_hex(8))
    yield place
    await place.until_nothing_runs()
    left = os.listdir(folder)  # noqa: PTH208 - a folder that nobody writes to any more
    shutil.rmtree(folder)
    assert [] == left


@pytest.mark.timeout(600)
async def test_a_quick_run_measures_every_figure_and_leaves_nothing(place: Place, tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    bench = await place.start("--quick", "--json", str(out))
    printed, complaints = await bench.communicate()
    assert 0 == bench.returncode, complaints.decode()
    assert "" == complaints.decode()

    rows = json.loads(out.read_text(encoding="utf-8"))
    assert all(["name", "value", "unit", "against", "ratio"] == list(row) for row in rows)
    assert set() == FIGURES - {row["name"] for row in rows}
    assert [] == [row for row in rows if row["value"] <= 0 and row["name"] not in DIFFERENCES]
    assert all(row["name"] in printed.decode() for row in rows)
    figures = {row["name"]: row["value"] for row in rows}
    assert 6 == figures["tls.requests-of-a-visit"]


async def test_a_run_that_is_told_to_end_takes_its_whole_world_with_it(place: Place) -> None:
    bench = await place.start("--quick")
    async with asyncio.timeout(60):
        while not any("gpio.host" in command for command in place.running()):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.05)
    bench.send_signal(signal.SIGTERM)
    _, complaints = await bench.communicate()
    assert (143, "") == (bench.returncode, complaints.decode())
