"""A crash leaves no memory image behind: neither of the kiosk nor of a document worker."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CRASHES = """
import os, resource, sys
_, hard = resource.getrlimit(resource.RLIMIT_CORE)
resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
if sys.argv[1] == "guarded":
    from firmware.shell.no_core import no_core_dump
    no_core_dump()
child = os.fork()
if child == 0:
    os.abort()
print(os.WCOREDUMP(os.waitpid(child, 0)[1]))
"""
ASKS = """
import resource
from firmware.__main__ import main
main([{command!r}, "--config", "nowhere.toml"])
print(resource.getrlimit(resource.RLIMIT_CORE))
"""


def said_by(program: str, folder: Path, *arguments: str) -> str:
    ended = subprocess.run(
        (sys.executable, "-c", program, *arguments),
        cwd=folder,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return ended.stdout.strip()


def test_a_crash_of_a_guarded_process_leaves_no_core(tmp_path: Path) -> None:
    assert "False" == said_by(CRASHES, tmp_path, "guarded")
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["run", "document-worker", "renewal-worker"])
def test_kiosk_and_workers_guard_themselves_before_anything_else(tmp_path: Path, command: str) -> None:
    limits = said_by(ASKS.format(command=command), tmp_path).splitlines()[-1]
    assert limits in {"(1, 1)", "(0, 0)"}
