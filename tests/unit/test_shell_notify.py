"""What systemd hears, on its own kind of socket."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from firmware.shell.notify import ServiceManager
from tests import virtual_time


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as listener:
        name = f"{tmp_path}/notify"
        listener.bind(name if request.param == "path" else f"\0{name}")
        listener.setblocking(False)
        yield listener, name if request.param == "path" else f"@{name}"


def test_ready_and_stopping_are_told(systemd: tuple[socket.socket, str]) -> None:
    listener, address = systemd
    manager = ServiceManager({"NOTIFY_SOCKET": address})
    manager.ready()
    manager.stopping()
    assert [b"READY=1", b"STOPPING=1"] == [listener.recv(64), listener.recv(64)]


async def test_a_start_that_takes_long_asks_for_time_and_asks_no_more_once_it_is_done(
    systemd: tuple[socket.socket, str],
) -> None:
    listener, address = systemd
    manager = ServiceManager({"NOTIFY_SOCKET": address})
    async with manager.takes_long():
        said = await asyncio.get_running_loop().sock_recv(listener, 64)
    assert b"EXTEND_TIMEOUT_USEC=20000000" == said
    assert "start" not in {task.get_name() for task in asyncio.all_tasks()}


async def test_the_watchdog_is_fed_until_cancelled(systemd: tuple[socket.socket, str]) -> None:
    listener, address = systemd
    manager = ServiceManager({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "2000"})
    feeding = asyncio.create_task(manager.keep_alive())
    loop = asyncio.get_running_loop()
    assert [b"WATCHDOG=1"] * 3 == [await loop.sock_recv(listener, 64) for _ in range(3)]
    feeding.cancel()
    await asyncio.gather(feeding, return_exceptions=True)


@pytest.mark.parametrize("watchdog_seconds", [20, 4])
def test_an_illness_seen_once_that_has_passed_does_not_starve_the_watchdog(watchdog_seconds: int) -> None:
    fed: list[float] = []
    looks = 0

    async def with_one_ill_look() -> None:
        manager = ServiceManager({"WATCHDOG_USEC": str(watchdog_seconds * 1_000_000)})

        def well() -> bool:
            nonlocal looks
            looks += 1
            if looks != 3:
                fed.append(asyncio.get_running_loop().time())
            return looks != 3

        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(manager.keep_alive(well), watchdog_seconds * 3)

    virtual_time.run(with_one_ill_look)
    assert looks > 3
    assert max(later - before for before, later in pairwise(fed)) <= watchdog_seconds / 2


@pytest.mark.parametrize("watchdog", ["", "never"])
async def test_without_a_watchdog_nothing_is_fed(watchdog: str) -> None:
    await ServiceManager({"WATCHDOG_USEC": watchdog}).keep_alive()


@pytest.mark.parametrize("address", ["", "/nowhere/notify"])
def test_a_manager_that_does_not_listen_stops_nobody(address: str) -> None:
    ServiceManager({"NOTIFY_SOCKET": address}).ready()
