"""The command behind scripts/bench: every figure measured in one run, as a table and as JSON.

Nothing is remembered from earlier runs: what a figure is compared with is measured in the same run, or is a
limit that stands in the protocol or the settings. The simulators run in this process, on the same cores as
the kiosk; their time is in the figures of a visit.
"""

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.figures import coin, console, documents, engine, journal, kiosk, scramble, screen
from tests.figures.rows import FULL, QUICK, Effort, MeasureError, Row, table, to_json
from tests.simulators.bench.world_api import WorldRefusal
from tests.simulators.world import REPOSITORY

BUILD = REPOSITORY / "build"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure everything; 0 with every figure, 1 if one could not be measured."""
    wanted = _parser().parse_args(arguments)
    began = time.monotonic()
    try:
        rows = asyncio.run(_until_told(QUICK if wanted.quick else FULL))
    except (MeasureError, WorldRefusal, RuntimeError, OSError, TimeoutError) as error:
        print(f"bench: {error or type(error).__name__}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except asyncio.CancelledError:
        return 143
    print(table(rows))
    print(f"\n{len(rows)} figures in {time.monotonic() - began:.0f} s")
    if wanted.json is not None:
        wanted.json.write_text(to_json(rows), encoding="utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description="Measure the kiosk in its world, and its parts beside their peers."
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write the figures as a list of objects too"
    )
    parser.add_argument(
        "--quick", action="store_true", help="few repetitions: whether it works, not how well"
    )
    return parser


async def _until_told(effort: Effort) -> list[Row]:
    """Measure; SIGTERM ends it like Ctrl-C, with everything that was started."""
    measuring = asyncio.ensure_future(_measure(effort))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, measuring.cancel)
    return await measuring


async def _measure(effort: Effort) -> list[Row]:
    """The whole first, which is what a resident meets; then its parts alone."""
    rows = await kiosk.rows(effort)
    rows += engine.rows(effort)
    BUILD.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=BUILD) as directory:
        rows += await journal.rows(Path(directory), effort)
    with tempfile.TemporaryDirectory(prefix="console-") as directory:
        rows += await console.rows(Path(directory))
    rows += await asyncio.to_thread(lambda: list(documents.rows(effort)))
    rows += await asyncio.to_thread(lambda: list(documents.page_rows(effort)))
    rows += await asyncio.to_thread(lambda: list(scramble.rows(effort)))
    rows += [row async for row in coin.rows(effort)]
    rows += await screen.rows(effort)
    _require_names_once(rows)
    return rows


def _require_names_once(rows: Sequence[Row]) -> None:
    twice = [name for name, times in Counter(row.name for row in rows).items() if times > 1]
    if twice:
        raise MeasureError(f"measured twice: {', '.join(twice)}")


if __name__ == "__main__":
    sys.exit(main())
