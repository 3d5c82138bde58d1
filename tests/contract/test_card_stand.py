"""The card simulator leaves nothing behind, however the one who started it ends."""

import asyncio
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest

from tests.simulators.card import CardStand

STARTS_A_STAND = """
import asyncio, pathlib, signal, sys
from tests.simulators.card import CardStand

async def main() -> None:
    stand = CardStand(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[1]))
    await stand.start()
    await stand.insert("licence")
    print(stand.environment["PCSCLITE_CSOCK_NAME"], flush=True)
    await asyncio.sleep(60)

# Whoever runs the tests in the background has SIGINT ignored, and children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
asyncio.run(main())
"""


@contextmanager
def watched(processes: list[psutil.Process]) -> Iterator[Callable[[], None]]:
    """Gives a function that waits until all have ended, reaped or not, and fails after 5 s."""
    assert processes
    with ExitStack() as files:
        ends = [os.pidfd_open(process.pid) for process in processes]
        for end in ends:
            files.callback(os.close, end)

        def all_ended() -> None:
            for end in ends:
                assert [end] == select.select([end], [], [], 5)[0]

        yield all_ended


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that started a stand and waits."""
    command = [sys.executable, "-c", STARTS_A_STAND, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_stand_ends_with_the_process_that_started_it(
    owner: subprocess.Popen[str], end: signal.Signals
) -> None:
    assert owner.stdout is not None
    socket = Path(owner.stdout.readline().strip())
    inside = psutil.Process(owner.pid).children(recursive=True)
    assert "pcscd" in {process.name() for process in inside}
    assert socket.is_socket()
    with watched(inside) as ended:
        owner.send_signal(end)
        ended()
    assert not socket.parent.exists()


async def test_a_killed_simulator_takes_its_pcscd_along(tmp_path: Path) -> None:
    stand = CardStand(tmp_path, tmp_path)
    others = set(psutil.Process(os.getpid()).children())
    await stand.start()
    (inside,) = set(psutil.Process(os.getpid()).children()) - others
    pcscd = inside.children(recursive=True)
    with watched(pcscd) as ended:
        inside.kill()
        await asyncio.to_thread(ended)
    await stand.stop()
    assert not Path(stand.environment["PCSCLITE_CSOCK_NAME"]).parent.exists()


async def test_a_stand_whose_socket_path_is_too_long_says_where_its_log_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("x" * 108)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    stand = CardStand(tmp_path, tmp_path)
    with pytest.raises(RuntimeError, match=r"card-stand\.log"):
        await stand.start()
    assert "too long" in (tmp_path / "card-stand.log").read_text()
    assert [] == list(long.iterdir())


async def test_an_unknown_card_is_refused_in_words(tmp_path: Path) -> None:
    stand = CardStand(tmp_path, tmp_path)
    await stand.start()
    with pytest.raises(ValueError, match="nobody"):
        await stand.insert("nobody")
    await stand.stop()
    await stand.stop()
