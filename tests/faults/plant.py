"""Plant each fault in a copy of the sources, one at a time, and see that the tests notice it.

A fault is caught when the tests that passed without it fail with it. Exit status 1 if one was not.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from tests.faults.planted import FAULTS, Fault

ROOT = Path(__file__).parents[2]
OPTIONS = ("-x", "-q", "-p", "no:cacheprovider")
SOUND_SECONDS = 600.0
"""For each test without a fault, on a machine however busy."""
HUNG_SECONDS, TIMES_SOUND = 30.0, 4
"""A test with a fault hangs after so long, and so many times what its file took without."""
COMPILED = ("firmware", "hw", "tests")
LIGHTER = {"HANDS_VISITS": "2000"}
"""Long draws are shortened: a fault shows early, or not at all."""
JOBS = (os.cpu_count() or 1) + 1
"""Some faults show by a wait that does not end: meanwhile the others use the processors."""
TESTS_FAILED = 1
"""pytest's exit status; anything else means that the tests did not run."""


@dataclass(frozen=True, slots=True)
class Outcome:
    fault: Fault
    verdict: str
    seconds: float

    @property
    def caught(self) -> bool:
        return self.verdict == "caught"

    @property
    def line(self) -> str:
        """The row of the table."""
        return f"{self.verdict:8} {self.seconds:5.1f} s  {self.fault.path:28} {self.fault.hazard}"


def misplaced(fault: Fault) -> str:
    """Why the fault cannot be planted; empty if it can."""
    found = (ROOT / fault.path).read_text(encoding="utf-8").count(fault.text)
    return "" if found == 1 else f"its text stands {found} times in {fault.path}"


def main(arguments: Sequence[str]) -> int:
    """Plant them and print a table."""
    parser = argparse.ArgumentParser(
        prog="plant_faults", description="Plant faults that the tests must notice"
    )
    parser.add_argument("hazard", nargs="?", default="", help="only those with this in their words")
    parser.add_argument("--jobs", type=int, default=JOBS, help="copies side by side")
    options = parser.parse_args(arguments)
    chosen = [fault for fault in FAULTS if options.hazard in fault.hazard]
    unfit = [f"{fault.hazard}: {why}" for fault in chosen if (why := misplaced(fault))]
    if unfit or not chosen:
        print("\n".join(unfit) or "no such fault", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        outcomes = list(_planted(chosen, Path(folder), options.jobs))
    missed = [outcome for outcome in outcomes if not outcome.caught]
    print(f"{len(outcomes) - len(missed)} of {len(outcomes)} faults caught")
    return 1 if missed else 0


class Nest:
    """A folder in which one run of pytest after the other takes place, each in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process = subprocess.Popen(
            (sys.executable, "-m", "tests.faults.nest"),
            cwd=folder,
            env=os.environ | LIGHTER,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, words: Sequence[str], test_seconds: float) -> tuple[int, str]:
        """pytest's exit status and output. test_seconds: after which a test fails for taking too long."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(
            json.dumps([*OPTIONS, f"--timeout={test_seconds}", *words]), file=self._process.stdin, flush=True
        )
        answer = self._process.stdout.readline()
        if not answer:
            raise SystemExit(f"no test can be run in {self.folder}: status {self._process.wait()}")
        status, said = json.loads(answer)
        return status, said

    def close(self) -> None:
        """End what runs the tests."""
        self._process.communicate()


def _planted(faults: Sequence[Fault], folder: Path, jobs: int) -> Iterator[Outcome]:
    copies = SimpleQueue[Nest]()

    @contextmanager
    def copy() -> Iterator[Nest]:
        taken = copies.get()
        try:
            yield taken
        finally:
            copies.put(taken)

    took_seconds: dict[str, float] = {}

    def sound(tests: str) -> str:
        with copy() as taken:
            began = time.monotonic()
            status, said = taken.run(tests.split(), SOUND_SECONDS)
            took_seconds[tests] = time.monotonic() - began
        return said if status else ""

    def one(fault: Fault) -> Outcome:
        tests = fault.tests if fault.tests in took_seconds else _file(fault.tests)
        with copy() as taken:
            return _outcome(taken, fault, HUNG_SECONDS + TIMES_SOUND * took_seconds[tests])

    with ExitStack() as ending, ThreadPoolExecutor(jobs) as threads:
        for taken in threads.map(_copied, [folder / str(number) for number in range(jobs)]):
            ending.callback(taken.close)
            copies.put(taken)
        chosen = {fault.tests for fault in faults}
        # Of a file that is run whole, no part is run once more.
        wholes = {tests for tests in chosen if tests == _file(tests) or _file(tests) not in chosen}
        if failed := "".join(threads.map(sound, sorted(wholes))):
            raise SystemExit(f"the tests fail without any fault:\n{failed}")
        for outcome in threads.map(one, faults):
            print(outcome.line, flush=True)
            yield outcome


def _file(tests: str) -> str:
    return tests.split(maxsplit=1)[0]


def _outcome(copy: Nest, fault: Fault, test_seconds: float) -> Outcome:
    began = time.monotonic()
    with _with(copy.folder / fault.path, fault):
        status, _ = copy.run(fault.tests.split(), test_seconds)
    verdict = {0: "MISSED", TESTS_FAILED: "caught"}.get(status, "BROKEN")
    return Outcome(fault, verdict, time.monotonic() - began)


@contextmanager
def _with(path: Path, fault: Fault) -> Iterator[None]:
    sound = path.read_text(encoding="utf-8")
    path.write_text(sound.replace(fault.text, fault.instead), encoding="utf-8")
    try:
        yield
    finally:
        path.write_text(sound, encoding="utf-8")


def _copied(copy: Path) -> Nest:
    """The files that git knows or could know, as they are now."""
    listed = subprocess.run(
        ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes((ROOT / name).read_bytes())
    # Told by their content, not by their age: a source that was changed within a second is read again.
    compiling = ("-m", "compileall", "-q", "--invalidation-mode", "checked-hash", *COMPILED)
    subprocess.run((sys.executable, *compiling), cwd=copy, check=True)
    return Nest(copy)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
