"""Plant each fault in a copy of the sources, one at a time, and see that the tests notice it.

A fault is caught when the tests that passed without it fail with it. Exit status 1 if one was not.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from tests.faults.planted import FAULTS, Fault

ROOT = Path(__file__).parents[2]
OPTIONS = ("-p", "no:cacheprovider", "--timeout=30")
LIGHTER = {"HANDS_VISITS": "2000"}
"""Long draws are shortened: a fault shows early, or not at all."""
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
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="copies side by side")
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


def _planted(faults: Sequence[Fault], folder: Path, jobs: int) -> Iterator[Outcome]:
    copies = SimpleQueue[Path]()
    for number in range(jobs):
        copies.put(_copied(folder / str(number)))
    chosen = {fault.tests for fault in faults}
    whole = {tests for tests in chosen if "-k" not in tests}
    for words in (sorted(whole), *(tests.split() for tests in sorted(chosen - whole))):
        if words and (failed := _run(folder / "0", words)):
            raise SystemExit(f"the tests fail without any fault:\n{failed[1]}")

    def one(fault: Fault) -> Outcome:
        copy = copies.get()
        try:
            return _outcome(copy, fault)
        finally:
            copies.put(copy)

    with ThreadPoolExecutor(jobs) as threads:
        for outcome in threads.map(one, faults):
            print(outcome.line, flush=True)
            yield outcome


def _outcome(copy: Path, fault: Fault) -> Outcome:
    began = time.monotonic()
    with _with(copy / fault.path, fault):
        found = _run(copy, fault.tests.split())
    status = 0 if found is None else found[0]
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


def _run(copy: Path, words: Sequence[str]) -> tuple[int, str] | None:
    """pytest's exit status and output, None if all is well."""
    command = (sys.executable, "-B", "-m", "pytest", "-x", "-q", *OPTIONS, *words)
    done = subprocess.run(
        command, cwd=copy, env=os.environ | LIGHTER, capture_output=True, text=True, check=False
    )
    return (done.returncode, done.stdout) if done.returncode else None


def _copied(copy: Path) -> Path:
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
    return copy


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
