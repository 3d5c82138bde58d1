"""What processes take: memory, threads, descriptors, processor time."""

import asyncio
import contextlib
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.figures.rows import MeasureError, median
from tests.simulators.gpio.wiring import Wiring
from tests.simulators.world import REPOSITORY

MB = 1024 * 1024
HOST_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Taken:
    """What one process takes now. MB are 1024² bytes.

    private_mb: what would be free without it; a share of pages (pss_mb) changes also with the others.
    """

    rss_mb: float
    pss_mb: float
    private_mb: float
    threads: int
    descriptors: int


def taken(pid: int) -> Taken:
    """Figures of this process."""
    process = psutil.Process(pid)
    memory = process.memory_full_info()
    return Taken(memory.rss / MB, memory.pss / MB, memory.uss / MB, process.num_threads(), process.num_fds())


def spare_worker(pid: int) -> int:
    """The document worker that this kiosk keeps ready. Raises MeasureError unless there is exactly one."""
    children = psutil.Process(pid).children()
    if len(children) != 1:
        raise MeasureError(f"the kiosk has {len(children)} children, expected its spare worker")
    return children[0].pid


def rss_mb(pid: int) -> float:
    """Resident memory; the kernel shows this also of a process that hides its memory."""
    return float(psutil.Process(pid).memory_info().rss / MB)


def peak_mb(pid: int) -> float:
    """Most memory that the process ever had. Raises MeasureError."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise MeasureError(f"the kernel does not tell the memory of process {pid}")


def cpu_seconds(pid: int) -> float:
    """Processor time of the process and its children, all threads that live now.

    From the scheduler, in nanoseconds: a host that does nothing takes less than the ticks of cpu_times.
    """
    processes = (psutil.Process(pid), *psutil.Process(pid).children(recursive=True))
    tasks = [task for each in processes for task in Path(f"/proc/{each.pid}/task").iterdir()]
    return sum(int((task / "schedstat").read_text(encoding="ascii").split()[0]) for task in tasks) / 1e9


@dataclass(frozen=True, slots=True)
class BarePython:
    """A Python that does nothing: start to end in milliseconds, and most memory."""

    start_ms: float
    peak_mb: float


def bare_python(repetitions: int) -> BarePython:
    """Measure `python -c pass`, and the memory of one that only looks at its own."""
    starts = []
    for _ in range(repetitions):
        began = time.perf_counter()
        subprocess.run((sys.executable, "-c", "pass"), check=True)
        starts.append((time.perf_counter() - began) * 1000)
    look = "print(next(l.split()[1] for l in open('/proc/self/status') if l.startswith('VmHWM')))"
    told = subprocess.run((sys.executable, "-c", look), check=True, capture_output=True, text=True)
    return BarePython(median("python -c pass", starts), int(told.stdout) / 1024)


@contextlib.asynccontextmanager
async def host_alone() -> AsyncIterator[int]:
    """The simulated pins' host without a kiosk in it; its process id."""
    with tempfile.TemporaryDirectory(prefix="madoguchi-pins-") as folder:
        socket = Path(folder) / "pins"
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.simulators.gpio.host", "--socket", str(socket)),
            *(
                "--wiring",
                Wiring(keys={}, sensors={}, outputs={}).to_json(),
                "--module",
                "tests.figures.nobody",
            ),
            cwd=REPOSITORY,
            stdin=asyncio.subprocess.DEVNULL,
        )
        try:
            async with asyncio.timeout(HOST_SECONDS):
                while not socket.exists():  # noqa: ASYNC110 - another process makes it
                    await asyncio.sleep(0.02)
            yield process.pid
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            await process.wait()
