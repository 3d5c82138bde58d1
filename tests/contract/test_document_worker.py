"""The document worker as a real process: what it opens, what it refuses, and what is known when it dies."""

import asyncio
import io
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from pypdf import PdfReader

from firmware.core.terms import CertificateKind, OrderId, Subjects
from firmware.documents.refusals import DocumentRefused, Reason
from firmware.documents.worker_client import WorkerProcess
from firmware.errors import PrintNotSubmitted, PrintUncertain
from firmware.logbook import EventId, FieldValue
from firmware.ports import OrderRequest, Prepared
from tests.pages import samples
from tests.pages.sealing import KIOSK, ORDER, PERSON, SESSION, sealed_authority, sealed_contents

REQUEST = OrderRequest(OrderId(ORDER), CertificateKind.INKAN, Subjects.SELF, frozenset(), 1)
PROJECT = Path(__file__).parents[2]


@dataclass
class Log:
    """Keeps events for looking at."""

    lines: list[tuple[EventId, dict[str, FieldValue]]] = field(default_factory=list)

    def __call__(self, event: EventId, /, **fields: FieldValue) -> None:
        self.lines.append((event, fields))


@dataclass
class Bench:
    """Workers under test and where their print queue writes."""

    tmp_path: Path
    log: Log = field(default_factory=Log)
    workers: list[WorkerProcess] = field(default_factory=list)

    def entry(self, outcome: str) -> list[str]:
        job = str(self.tmp_path / "job")
        return [sys.executable, "-m", "tests.contract.document_worker_entry", outcome, job]

    def worker(self, outcome: str = "take", *, print_seconds: float = 30.0) -> WorkerProcess:
        return self.command(*self.entry(outcome), print_seconds=print_seconds)

    def command(
        self, *command: str, start_seconds: float = 30.0, print_seconds: float = 30.0
    ) -> WorkerProcess:
        worker = WorkerProcess(
            command=command,
            log=self.log,
            kiosk=KIOSK,
            start_seconds=start_seconds,
            prepare_seconds=30.0,
            print_seconds=print_seconds,
        )
        self.workers.append(worker)
        return worker

    def pdf(self, job_name: str) -> PdfReader:
        return PdfReader(io.BytesIO((self.tmp_path / f"{job_name}.pdf").read_bytes()))


@pytest.fixture
async def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    monkeypatch.chdir(PROJECT)
    bench = Bench(tmp_path)
    yield bench
    for worker in bench.workers:
        await worker.end()


async def test_what_was_sealed_for_the_worker_is_printed_whole_with_the_citys_seal(bench: Bench) -> None:
    worker = bench.worker()
    key = await worker.start()
    request = replace(REQUEST, copies=2)
    prepared = await worker.prepare(
        sealed_contents(key, "inkan", samples.inkan(), copies=2), request, SESSION, PERSON
    )
    assert Prepared(sheets=2, pages=4, fingerprint=prepared.fingerprint) == prepared
    assert 64 == len(prepared.fingerprint)
    assert list(bench.tmp_path.iterdir()) == []

    await worker.print(sealed_authority(key), "job-1")

    pages = bench.pdf("job-1").pages
    assert len(pages) == 4
    assert "渋川　太郎" in pages[0].extract_text()
    assert [len(page.images) for page in pages] == [4, 4, 4, 4]
    assert (EventId.PRINT_SUBMITTED, {"job": "job-1"}) in bench.log.lines


async def test_a_job_once_submitted_is_never_submitted_again(bench: Bench) -> None:
    worker, key = await prepared_worker(bench, "take")
    await worker.print(sealed_authority(key), "job-1")
    with pytest.raises(PrintUncertain):
        await worker.print(sealed_authority(key), "job-2")
    assert [path.name for path in bench.tmp_path.iterdir()] == ["job-1.pdf"]


async def test_a_character_that_no_font_has_stands_in_the_log_by_its_code_points_alone(bench: Bench) -> None:
    worker = bench.worker()
    key = await worker.start()
    sealed = sealed_contents(key, "inkan", samples.inkan(name="渡邊\U000e0100"))
    with pytest.raises(DocumentRefused):
        await worker.prepare(sealed, REQUEST, SESSION, PERSON)
    told = {"reason": Reason.GLYPH_MISSING, "code_points": "U+908A/U+E0100"}
    assert bench.log.lines == [(EventId.DOCUMENT_REFUSED, told)]


async def test_contents_sealed_for_another_worker_are_refused_and_nothing_is_printed(bench: Bench) -> None:
    worker = bench.worker()
    await worker.start()
    other_key = X25519PrivateKey.generate().public_key().public_bytes_raw()
    with pytest.raises(DocumentRefused) as refused:
        await worker.prepare(sealed_contents(other_key, "inkan", samples.inkan()), REQUEST, SESSION, PERSON)
    assert refused.value.reason == Reason.SEALED_INVALID
    assert bench.log.lines == [(EventId.DOCUMENT_REFUSED, {"reason": Reason.SEALED_INVALID})]
    with pytest.raises(PrintNotSubmitted):
        await worker.print(sealed_authority(other_key), "job-1")
    assert list(bench.tmp_path.iterdir()) == []


@pytest.mark.parametrize("spoiled", [{"sealed_for": "order-2"}, {"order_id": "order-2"}, {"number": "1-2-3"}])
async def test_the_authority_of_another_order_prints_nothing(bench: Bench, spoiled: dict[str, str]) -> None:
    worker, key = await prepared_worker(bench, "take")
    with pytest.raises(PrintNotSubmitted):
        await worker.print(sealed_authority(key, **spoiled), "job-1")
    assert list(bench.tmp_path.iterdir()) == []
    await worker.print(sealed_authority(key), "job-1")
    assert len(bench.pdf("job-1").pages) == 2


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        ("refuse", PrintNotSubmitted),
        ("lose", PrintUncertain),
        ("die", PrintUncertain),
        ("break", PrintUncertain),
    ],
)
async def test_what_is_not_known_of_a_print_is_called_uncertain(
    bench: Bench, outcome: str, expected: type[Exception]
) -> None:
    worker, key = await prepared_worker(bench, outcome)
    with pytest.raises(expected):
        await worker.print(sealed_authority(key), "job-1")


async def test_a_worker_silent_for_too_long_is_killed_so_that_it_cannot_print_later(bench: Bench) -> None:
    worker, key = await prepared_worker(bench, "hang", print_seconds=0.5)
    with pytest.raises(PrintUncertain):
        await worker.print(sealed_authority(key), "job-1")
    assert worker._link is not None
    async with asyncio.timeout(60):
        assert await worker._link.gone() == -signal.SIGKILL


async def test_an_unforeseen_error_tells_its_name_and_place_and_no_value(
    bench: Bench, capfd: pytest.CaptureFixture[str]
) -> None:
    worker, key = await prepared_worker(bench, "break")
    with pytest.raises(PrintUncertain):
        await worker.print(sealed_authority(key), "job-1")
    await worker.end()
    told = capfd.readouterr().err
    assert re.fullmatch(r"document worker: RuntimeError at document_worker_entry\.py:\d+\n", told)


async def test_a_worker_killed_before_the_print_has_surely_printed_nothing(bench: Bench) -> None:
    worker, key = await prepared_worker(bench, "take")
    child().kill()
    assert worker._link is not None
    await worker._link.gone()
    with pytest.raises(PrintNotSubmitted):
        await worker.print(sealed_authority(key), "job-1")


async def test_a_worker_killed_while_it_prepares_refuses_the_document(bench: Bench) -> None:
    worker = bench.worker()
    key = await worker.start()
    process = child()
    process.suspend()
    asked = asyncio.create_task(
        worker.prepare(sealed_contents(key, "inkan", samples.inkan()), REQUEST, SESSION, PERSON)
    )
    await asyncio.sleep(0)
    process.kill()
    with pytest.raises(DocumentRefused) as refused:
        await asked
    assert refused.value.reason == Reason.WORKER_GONE


@pytest.mark.parametrize(
    "command",
    [
        ["/nonexistent/worker"],
        ["false"],
        ["sleep", "60"],
        ["echo", "what is this program saying"],
        ["printf", r"\000\000\000\002{}"],
    ],
)
async def test_a_program_that_is_no_worker_is_refused_and_killed(bench: Bench, command: list[str]) -> None:
    worker = bench.command(*command, start_seconds=0.5)
    with pytest.raises(DocumentRefused) as refused:
        await worker.start()
    assert refused.value.reason == Reason.WORKER_GONE
    await worker.end()
    assert psutil.Process().children() == []


async def test_the_worker_leaves_no_core_hears_no_ctrl_c_and_is_not_left_behind(bench: Bench) -> None:
    worker = bench.worker()
    await worker.start()
    assert child().rlimit(psutil.RLIMIT_CORE) == (0, 0)
    assert os.getsid(child().pid) == child().pid
    await worker.end()
    await worker.end()
    assert psutil.Process().children() == []
    assert bench.log.lines == [(EventId.WORKER_ENDED, {"code": -signal.SIGKILL})]


async def test_each_start_makes_another_key(bench: Bench) -> None:
    worker = bench.worker()
    assert await worker.start() != await worker.start()
    assert len(psutil.Process().children()) == 1


@pytest.mark.parametrize("last_words", [b"", b"\0\0", b"\0\0\0\x09{"])
async def test_the_worker_leaves_when_the_daemon_is_gone(bench: Bench, last_words: bytes) -> None:
    process = await asyncio.create_subprocess_exec(
        *bench.entry("take"), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    stdout, _ = await process.communicate(last_words)
    assert process.returncode == 0
    assert b'"frame":"ready"' in stdout


async def test_a_worker_whose_daemon_was_killed_meanwhile_says_nothing(bench: Bench) -> None:
    nobody_reads, answers = os.pipe()
    os.close(nobody_reads)
    worker = await asyncio.create_subprocess_exec(
        *bench.entry("take"), stdin=asyncio.subprocess.DEVNULL, stdout=answers, stderr=asyncio.subprocess.PIPE
    )
    os.close(answers)
    _, said = await worker.communicate()
    assert b"" == said
    assert 0 != worker.returncode


async def test_the_worker_dies_with_a_daemon_that_was_killed(bench: Bench) -> None:
    script = (
        "import subprocess, sys, time\n"
        f"worker = subprocess.Popen({bench.entry('take')!r}, stdout=subprocess.PIPE)\n"
        "worker.stdout.read(4)\n"
        "print(worker.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    requests, kept_open = os.pipe()  # so that the worker never sees the end of its requests
    try:
        daemon = await asyncio.create_subprocess_exec(
            sys.executable, "-c", script, stdin=requests, stdout=asyncio.subprocess.PIPE
        )
        assert daemon.stdout is not None
        worker = psutil.Process(int(await daemon.stdout.readline()))
        daemon.kill()
        await daemon.wait()
        gone, _ = await asyncio.to_thread(psutil.wait_procs, [worker], 10)
        assert gone == [worker]
    finally:
        os.close(requests)
        os.close(kept_open)


def child() -> psutil.Process:
    (process,) = psutil.Process().children()
    return process


async def prepared_worker(
    bench: Bench, outcome: str, *, print_seconds: float = 30.0
) -> tuple[WorkerProcess, bytes]:
    worker = bench.worker(outcome, print_seconds=print_seconds)
    key = await worker.start()
    await worker.prepare(sealed_contents(key, "inkan", samples.inkan()), REQUEST, SESSION, PERSON)
    return worker, key
