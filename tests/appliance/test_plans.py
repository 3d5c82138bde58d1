"""Where the emulated machine's power is cut, and what is asked of its monitor."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from firmware.core import records as r
from tests.appliance.cuts import POINTS, drawn_plans, words_of
from tests.appliance.monitor import Monitor
from tests.appliance.scenarios import CHANGE_POINTS, SALE_POINTS

KINDS = {kind.__name__ for kind in r.Record.__args__}


def test_every_point_is_a_moment_of_a_record_that_there_is() -> None:
    for point in {*POINTS, *CHANGE_POINTS, *SALE_POINTS}:
        moment, _, record = point.partition(":")
        assert moment in {"before", "after", "orders"}
        assert record in KINDS


def test_the_same_seed_cuts_at_the_same_points_and_many_cuts_come_to_all_of_them() -> None:
    first, second = (drawn_plans(80, random.Random(7)) for _ in range(2))  # noqa: S311
    assert first == second
    assert {plan for plan in first if ":" in plan} == set(POINTS)


def test_a_cut_by_time_has_no_word_for_the_machine() -> None:
    assert ("rig.acknowledge",) == words_of("coins+1.5")
    assert ("rig.acknowledge", "rig.cut=after:CoinTaken") == words_of("after:CoinTaken")


class Running:
    """A process of QEMU that runs."""

    returncode = None


@asynccontextmanager
async def _asked(socket: Path, answers: dict[str, list[dict[str, Any]]]) -> AsyncIterator[Monitor]:
    """A monitor at QEMU's end that greets, and says what is in answers for each command."""
    hung_up = asyncio.Event()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'{"QMP": {}}\n')
        try:
            while line := await reader.readline():
                for said in answers.get(json.loads(line)["execute"], [{"return": {}}]):
                    writer.write(json.dumps(said).encode() + b"\n")
        finally:
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)
            hung_up.set()

    server = await asyncio.start_unix_server(converse, socket)
    monitor = Monitor()
    async with asyncio.timeout(60):
        await monitor.open(socket, cast("Any", Running()))
        try:
            yield monitor
        finally:
            await monitor.close()
            await hung_up.wait()
            server.close()


async def test_an_event_among_the_answers_reaches_who_expects_it(tmp_path: Path) -> None:
    gone = {"event": "DEVICE_DELETED", "data": {"device": "usb1"}}
    async with _asked(tmp_path / "qmp", {"device_del": [gone, {"return": {}}]}) as monitor:
        expected = monitor.expect("DEVICE_DELETED", device="usb1")
        assert {} == await monitor.ask("device_del", id="usb1")
        assert gone == await expected


async def test_a_refusal_names_the_command(tmp_path: Path) -> None:
    async with _asked(tmp_path / "qmp", {"device_del": [{"error": {"desc": "no such device"}}]}) as monitor:
        with pytest.raises(RuntimeError, match="device_del: no such device"):
            await monitor.ask("device_del", id="usb9")
