"""The kiosk's own command, in a process that kills itself where a file beside its journal says.

Usage: python -m tests.simulators.gpio.host --module tests.e2e.dying_kiosk … -- run --config FILE

The file `die` holds JSON: record, the kind of a record; moment: "before" its commit, right "after" it, or
when its "orders" left; and seconds, how much later still. It is read whenever a record is journaled.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import firmware.__main__
from firmware.core.records import Record
from firmware.core.steps import Step
from firmware.shell.journal import Journal
from firmware.shell.runner import Runner


def main(arguments: Sequence[str]) -> int:
    """Run the kiosk; its exit status, if it lives so long."""
    orders_file = Path(arguments[-1]).with_name("die")
    appending, taking = Journal._append, Runner._take

    def append(journal: Journal, records: tuple[Record, ...]) -> None:
        if _named(orders_file, "before", records) is not None:
            _die()
        appending(journal, records)
        if _named(orders_file, "after", records) is not None:
            _die()

    async def take(runner: Runner, done: Step) -> None:
        told = _named(orders_file, "orders", done.records)
        await taking(runner, done)
        if told is not None:
            asyncio.get_running_loop().call_later(told["seconds"], _die)

    Journal._append = append  # type: ignore[method-assign, assignment]
    Runner._take = take  # type: ignore[method-assign, assignment]
    return firmware.__main__.main(arguments)


def _named(orders_file: Path, moment: str, records: Sequence[Record]) -> dict[str, Any] | None:
    try:
        told: dict[str, Any] = json.loads(orders_file.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    kinds = {type(record).__name__ for record in records}
    return told if told["moment"] == moment and told["record"] in kinds else None


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
