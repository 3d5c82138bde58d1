"""Run one program and leave nothing of it behind, also when whoever started us is killed.

    python3 -I -S keeper.py LOG REMOVE [PROGRAM ARGUMENT ...]

LOG receives the program's output; REMOVE is a directory to remove at the end, or "-". The first line
on standard output is the program's process id (0 without a program). Standard input is the leash:
"t" asks the program to terminate, and its end, however it comes, kills every descendant.
"""

import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
TERMINATE_SECONDS = 5.0


def main() -> int:
    log, remove, *program = sys.argv[1:]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        return keep(log, program)
    finally:
        kill_descendants()
        if remove != "-":
            remove_tree(Path(remove))


def keep(log: str, program: list[str]) -> int:
    """Run the program until it ends or the leash does; its exit code, or 0 at the end of the leash."""
    if not program:
        print(0, flush=True)
        while os.read(0, 16):
            pass
        return 0
    with Path(log).open("ab") as output:
        child = subprocess.Popen(program, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    print(child.pid, flush=True)
    ended = os.pidfd_open(child.pid)
    while True:
        ready, _, _ = select.select([0, ended], [], [])
        if ended in ready:
            return child.wait()
        if not os.read(0, 16):
            return 0
        child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(TERMINATE_SECONDS)
        return 0


def kill_descendants() -> None:
    """Kill and reap until no child is left; orphans of our children become ours."""
    while True:
        for pid in descendants():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def descendants() -> list[int]:
    """Every process below this one."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text(errors="replace").rpartition(")")[2].split()
            parents[int(stat.parent.name)] = int(fields[1])
    below = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in below} - below:
        below |= more
    return sorted(below - {os.getpid()})


def remove_tree(directory: Path) -> None:
    """Remove it even if a program that is being killed by another keeper still writes into it."""
    for _ in range(50):
        shutil.rmtree(directory, ignore_errors=True)
        if not directory.exists():
            return
        time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())
