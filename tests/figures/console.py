"""Rows of the technician's console: what a line of 9600 baud has to carry."""

import asyncio
import sys
from pathlib import Path

from firmware.console.server import ConsoleServer
from firmware.console.status import DeviceStatus, Status, status_page
from firmware.console.wire import Answer, AnyRequest, Login
from firmware.logbook import EventId, FieldValue
from tests.figures.rows import Row
from tests.simulators.vt100 import vt100
from tests.simulators.world import REPOSITORY

OCTETS_A_SECOND = 960
"""9600 baud, 8N1."""

_START = """
import sys
from pathlib import Path
from firmware.console.terminal import Terminal
from firmware.core.terms import Language
sys.exit(Terminal(Path(sys.argv[1]), seconds=10.0, language=Language.EN).run())
"""


async def rows(directory: Path) -> tuple[Row, ...]:
    """Bytes that the console sends, as time on the line."""
    socket = directory / "console"
    server = ConsoleServer(socket, _act, _silent)
    await server.start()
    try:
        async with vt100((sys.executable, "-c", _START, str(socket)), REPOSITORY) as line:
            await line.sees("Paste a maintenance order")
            line.says("order")
            await line.sees("may look")
            await line.prompted()
            before = line.octets
            await line.keys("status")
            a_key = (line.octets - before) / 6
            before = line.octets
            line.says("")
            await line.sees("health")
            await line.prompted()
            a_screen = line.octets - before
    finally:
        await server.close()
    return (
        Row("console.key-at-9600-baud", 1000 * a_key / OCTETS_A_SECOND, "ms"),
        Row("console.status-at-9600-baud", a_screen / OCTETS_A_SECOND, "s"),
    )


async def _act(request: AnyRequest, _who: str) -> Answer:
    await asyncio.sleep(0)
    if isinstance(request, Login):
        return Answer(done=True, text="order-0001: tech-17 may look", facts={"token": "token"})
    return Answer(done=True, text="\n".join(status_page(_STATUS)))


def _silent(_event: EventId, /, **_fields: FieldValue) -> None:
    """Nobody reads a log here."""


_STATUS = Status(
    kiosk="urn:kiosk:demo-0001",
    version="0.1.0",
    now="11-25 12:00:00",
    up_seconds=93_784,
    state="Idle",
    obstacles=(),
    devices=tuple(DeviceStatus(f"device-{n}", well=True, says="50 x 100 yen") for n in range(12)),
    change_yen={"cash box": 123_400, "hopper 3": 5000},
    hours="06:30-23:00, now open",
    clock="agrees with the municipality",
    certificate_days=712,
    visits={"sold": 14, "cancelled": 3, "timed_out": 2},
    unsure=(),
    open_claims=1,
    open_claims_yen=400,
    untold=0,
    untold_seconds=0,
    untold_refusal="",
    contradicted=(),
    strays=(),
    business_day="2026-11-25",
    maintenance="off",
    session="order order-0123456789ab, tech-17, until 11-25 20:00",
    loop_milliseconds=4,
    health="",
)
