"""Run the reference backend: python -m tests.municipality --pki DIR --db FILE --port N"""

import argparse
import asyncio
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from tests.municipality.application import Clock
from tests.municipality.register import CITY, PEOPLE
from tests.municipality.server import MunicipalityServer, real_time


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.municipality", description=__doc__)
    parser.add_argument("--pki", type=Path, required=True, help="folder made by scripts/make_test_pki")
    parser.add_argument("--db", type=Path, required=True, help="SQLite file, made if absent")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--checking-port", type=int, help="serve the page that checks certificates there")
    parser.add_argument(
        "--now", type=datetime.fromisoformat, help="begin at this moment (ISO 8601 with zone)"
    )
    parser.add_argument("--city", type=Path, default=CITY, help="what the municipality decides")
    parser.add_argument("--people", type=Path, default=PEOPLE, help="the register")
    parser.add_argument("--kiosk", type=Path, action="append", help="certificate to let in; may be repeated")
    arguments = parser.parse_args()
    if arguments.now is not None and arguments.now.tzinfo is None:
        parser.error("--now needs a zone, such as 2026-11-22T09:00:00+09:00")
    server = MunicipalityServer(
        pki=arguments.pki,
        database=arguments.db,
        port=arguments.port,
        now=real_time if arguments.now is None else running_from(arguments.now),
        city=arguments.city,
        people=arguments.people,
        checking_port=arguments.checking_port,
        kiosks=None if arguments.kiosk is None else tuple(arguments.kiosk),
    )
    asyncio.run(serve(server))


def running_from(moment: datetime) -> Clock:
    """A clock that shows moment now and goes on from there."""
    offset = moment - datetime.now(UTC)
    return lambda: datetime.now(UTC) + offset


async def serve(server: MunicipalityServer) -> None:
    """Serve until SIGTERM or SIGINT; the first line on standard output is the address."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await server.start()
    sys.stdout.write(f"{server.url}\n")
    sys.stdout.flush()
    await stop.wait()
    await server.stop()


if __name__ == "__main__":
    main()
