"""The demo command: what it refuses at once, and what it leaves behind when it fails."""

import asyncio
import socket
import sys
from pathlib import Path

import pytest

from tests.simulators.bench.world_api import WorldRefusal
from tests.simulators.world import REPOSITORY, World


async def _demo(*arguments: str) -> tuple[int | None, str]:
    """Exit status and complaints."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.simulators.demo", *arguments),
        cwd=REPOSITORY,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60.0):
        _, complaints = await process.communicate()
    return process.returncode, complaints.decode()


def _taken() -> socket.socket:
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    return taken


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize(("option", "other"), [("--port", "--bench-port"), ("--bench-port", "--port")])
async def test_a_taken_port_is_named_with_the_option_that_changes_it(option: str, other: str) -> None:
    with _taken() as taken:
        port = str(taken.getsockname()[1])
        status, complaints = await _demo(option, port, other, "0")
    assert (1, f"demo: port {port} cannot be used; choose another with {option}\n") == (status, complaints)


async def test_one_port_for_both_pages_is_refused_before_anything_starts() -> None:
    with _taken() as taken:
        port = str(taken.getsockname()[1])
    expected = f"demo: port {port} cannot be both the screen's and the bench panel's\n"
    assert (1, expected) == await _demo("--port", port, "--bench-port", port)


@pytest.mark.parametrize("asked", [("inkan", "1,3"), ("juminhyo", "taro")])
async def test_members_are_keys_and_of_a_household(asked: tuple[str, str], tmp_path: Path) -> None:
    kind, members = asked
    status, complaints = await _demo("--issue", kind, "--members", members, "--out", str(tmp_path))
    assert 2 == status
    assert "--members takes keys such as 1,3" in complaints


async def test_a_visit_that_fails_leaves_timeline_journal_and_log_and_nothing_of_one_before(
    tmp_path: Path,
) -> None:
    (tmp_path / "document.pdf").write_bytes(b"of the visit before")
    status, complaints = await _demo("--issue", "inkan", "--out", str(tmp_path), "--card", "nobody")
    assert 1 == status
    assert complaints.startswith("demo: there is no such card\n")
    assert "Traceback" not in complaints
    assert {"timeline.json", "journal.jsonl", "kiosk.log"} == await asyncio.to_thread(_names, tmp_path)


async def test_the_bench_refuses_what_nobody_can_do() -> None:
    async with World() as world:
        for name in ("nobody", "../../test-pki/cards/shiken_taro"):
            with pytest.raises(WorldRefusal, match="no such card"):
                await world.insert_card(name)
        with pytest.raises(WorldRefusal, match="only be put in"):
            await world.refill_hopper(-1)
