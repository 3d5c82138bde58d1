"""The document worker as a unit: systemd starts one for each connection, and nobody but itself can end it."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from firmware.documents.refusals import DocumentRefused, Reason
from firmware.documents.worker_client import WorkerProcess
from firmware.errors import PrintNotSubmitted, PrintUncertain
from firmware.logbook import EventId
from tests.contract.test_document_worker import PROJECT, REQUEST, Log
from tests.pages import samples
from tests.pages.sealing import KIOSK, PERSON, SESSION, sealed_authority, sealed_contents


@dataclass
class Units:
    """madoguchi-worker.socket, played by systemd's own program for it, and workers reached by it."""

    tmp_path: Path
    log: Log = field(default_factory=Log)
    workers: list[WorkerProcess] = field(default_factory=list)
    listener: asyncio.subprocess.Process | None = None

    @property
    def socket(self) -> Path:
        return self.tmp_path / "worker.sock"

    async def listen(self, *command: str) -> None:
        self.listener = await asyncio.create_subprocess_exec(
            *("systemd-socket-activate", "--accept", "--inetd", "--listen", str(self.socket)),
            *("-E", "PATH", *command),
            cwd=PROJECT,
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(30):
            while not self.socket.exists():  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.01)

    async def listen_for(self, outcome: str) -> None:
        job = str(self.tmp_path / "job")
        await self.listen(sys.executable, "-m", "tests.contract.document_worker_entry", outcome, job)

    def worker(
        self, *, start_seconds: float = 30.0, print_seconds: float = 30.0, end_seconds: float = 30.0
    ) -> WorkerProcess:
        worker = WorkerProcess(
            command=["false"],
            log=self.log,
            kiosk=KIOSK,
            start_seconds=start_seconds,
            prepare_seconds=30.0,
            print_seconds=print_seconds,
            socket=self.socket,
            end_seconds=end_seconds,
        )
        self.workers.append(worker)
        return worker

    async def prepared(
        self, outcome: str, *, print_seconds: float = 30.0
    ) -> tuple[WorkerProcess, bytes, psutil.Process]:
        """A worker that has prepared a document, its key and its process."""
        await self.listen_for(outcome)
        worker = self.worker(print_seconds=print_seconds)
        key = await worker.start()
        await worker.prepare(sealed_contents(key, "inkan", samples.inkan()), REQUEST, SESSION, PERSON)
        (process,) = self.running()
        return worker, key, process

    def running(self) -> list[psutil.Process]:
        assert self.listener is not None
        return [child for child in psutil.Process(self.listener.pid).children() if not over(child)]

    def printed(self) -> list[str]:
        return sorted(path.name for path in self.tmp_path.glob("*.pdf"))


@pytest.fixture
async def units(tmp_path: Path) -> AsyncIterator[Units]:
    units = Units(tmp_path)
    yield units
    for worker in units.workers:
        await worker.end()
    if units.listener is not None:
        units.listener.kill()
        await units.listener.wait()


async def test_a_unit_prints_what_was_sealed_for_it_and_its_process_is_gone_before_end_returns(
    units: Units,
) -> None:
    worker, key, process = await units.prepared("take")
    await worker.print(sealed_authority(key), "job-1")
    assert ["job-1.pdf"] == units.printed()
    await worker.end()
    assert over(process)
    assert [(EventId.PRINT_SUBMITTED, {"job": "job-1"}), (EventId.WORKER_ENDED, {})] == units.log.lines


async def test_each_visit_has_a_unit_and_a_key_of_its_own(units: Units) -> None:
    await units.listen_for("take")
    first, second = units.worker(), units.worker()
    keys = [await first.start(), await second.start(), await first.start()]
    assert 3 == len({*keys})
    assert 2 == len(units.running())


async def test_a_unit_silent_for_too_long_kills_itself_and_prints_nothing_later(units: Units) -> None:
    worker, key, process = await units.prepared("hang", print_seconds=0.5)
    with pytest.raises(PrintUncertain):
        await worker.print(sealed_authority(key), "job-1")
    async with asyncio.timeout(20):
        await worker.end()
    assert over(process)


async def test_a_unit_asked_by_one_task_and_ended_by_another_leaves_neither_waiting(units: Units) -> None:
    worker, key, _ = await units.prepared("hang")
    asked = asyncio.create_task(worker.print(sealed_authority(key), "job-1"))
    await asyncio.sleep(0)
    async with asyncio.timeout(20):
        await worker.end()
        with pytest.raises((PrintUncertain, PrintNotSubmitted)):
            await asked


async def test_a_unit_that_died_before_the_print_has_surely_printed_nothing(units: Units) -> None:
    worker, key, process = await units.prepared("take")
    process.kill()
    async with asyncio.timeout(20):
        while worker.alive():  # noqa: ASYNC110 - its end of the socket goes a moment after it
            await asyncio.sleep(0.01)
    with pytest.raises(PrintNotSubmitted):
        await worker.print(sealed_authority(key), "job-1")
    assert [] == units.printed()


async def test_a_unit_dies_with_a_daemon_that_was_killed(units: Units) -> None:
    await units.listen_for("hang")
    script = (
        "import socket, sys, time\n"
        "link = socket.socket(socket.AF_UNIX)\n"
        f"link.connect({str(units.socket)!r})\n"
        "link.recv(4)\n"
        "print(flush=True)\n"
        "time.sleep(600)\n"
    )
    daemon = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE
    )
    assert daemon.stdout is not None
    await daemon.stdout.readline()
    (unit,) = units.running()
    os.kill(daemon.pid, signal.SIGKILL)
    await daemon.wait()
    async with asyncio.timeout(20):
        while unit in units.running():  # noqa: ASYNC110 - it is not our child
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("command", [["true"], ["sleep", "600"], ["echo", "what is this program saying"]])
async def test_a_unit_that_is_no_worker_is_refused(units: Units, command: list[str]) -> None:
    await units.listen(*command)
    worker = units.worker(start_seconds=1.0)
    with pytest.raises(DocumentRefused) as refused:
        await worker.start()
    assert Reason.WORKER_GONE == refused.value.reason
    for process in units.running():
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


async def test_where_nobody_listens_the_document_is_refused(units: Units) -> None:
    with pytest.raises(DocumentRefused) as refused:
        await units.worker().start()
    assert Reason.WORKER_GONE == refused.value.reason


def over(process: psutil.Process) -> bool:
    """It has no memory any more: ended, or on its last steps in the kernel, which come after that. proc(5)"""
    try:
        return Path(f"/proc/{process.pid}/statm").read_text().startswith("0 ")
    except (FileNotFoundError, ProcessLookupError):
        return True


async def test_a_unit_that_ignores_the_hang_up_keeps_nobody_waiting_and_is_known_to_live(
    units: Units,
) -> None:
    await units.listen("sleep", "600")
    worker = units.worker(start_seconds=0.5, end_seconds=0.2)
    with pytest.raises(DocumentRefused):
        await worker.start()
    await worker.end()
    assert worker.alive()
    with pytest.raises(DocumentRefused):
        await worker.start()
    (process,) = units.running()
    process.kill()
    async with asyncio.timeout(20):
        while worker.alive():  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)
    await worker.end()
    assert [EventId.WORKER_STAYS, EventId.WORKER_STAYS, EventId.WORKER_ENDED] == [
        event for event, _ in units.log.lines if event is not EventId.DOCUMENT_REFUSED
    ]
