"""The kiosk's own side of an update and its journal, in the machine of `updates`.

Told what to do by lines on standard input; answers are JSON:

install FILE     as `update install FILE` at the console
keep FILE        writes it to the stick that takes files away, as a support bundle
write            a record into the journal, on disk when it is answered
chain N          the chain value of that entry
"""

import asyncio
import json
import os
import sys
import termios
from dataclasses import asdict
from pathlib import Path
from typing import Any

from firmware import __version__
from firmware.core.records import DaemonStarted
from firmware.logbook import EventId, FieldValue
from firmware.shell.journal import Journal
from firmware.shell.updates import UpdateFiles, UpdateWatch
from firmware.whole_file import write_whole

KEPT = Path("/var/lib/madoguchi/journal.db")
UNFIT = Path("/usr/lib/rig-unfit")
STICK, EXPORT = Path("/media/stick"), Path("/media/export")


def say(**words: Any) -> None:
    sys.stdout.write("#" + json.dumps(words) + "\n")
    sys.stdout.flush()


def log(event: EventId, /, **fields: FieldValue) -> None:
    say(event=event.value, **{name: str(getattr(value, "value", value)) for name, value in fields.items()})


async def obey(line: str, watch: UpdateWatch, journal: Journal) -> None:
    word, _, rest = line.strip().partition(" ")
    if word == "install":
        await _mounted(STICK)
        await watch.ask(rest)
        say(asked=rest)
    elif word == "keep":
        await _mounted(EXPORT)
        await _mounted(STICK)
        await asyncio.to_thread(write_whole, EXPORT / rest, b"kept\n", mode=0o600)
        say(kept=rest, reads_updates=os.access(STICK, os.R_OK))
    elif word == "write":
        await journal.append([DaemonStarted(__version__)])
        say(written=journal.head.seq, chain=journal.head.chain.hex())
    elif word == "chain":
        say(chain_at=(await journal.chain_at(int(rest))).hex())


async def _mounted(stick: Path) -> None:
    """An emulated USB takes its time."""
    while not await asyncio.to_thread(stick.is_mount):  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.5)


async def main(key: bytes) -> None:
    mode = termios.tcgetattr(0)
    mode[3] &= ~(termios.ECHO | termios.ICANON)
    termios.tcsetattr(0, termios.TCSANOW, mode)
    held: list[bool] = []
    journal = Journal(KEPT, key)
    await journal.open()
    files = UpdateFiles(
        Path("/run/madoguchi-update/state"),
        Path("/run/madoguchi/update-wanted"),
        Path("/run/madoguchi/update-fit"),
    )
    watch = UpdateWatch(files, hold=held.append, log=log)
    watch.start(lambda: frozenset({"reader"} if UNFIT.exists() else ()), lambda: held[-1])
    say(ready=True, entries=journal.head.seq, **asdict(watch.state))
    told: dict[str, Any] = {}
    lines: asyncio.Queue[str] = asyncio.Queue()
    asyncio.get_running_loop().add_reader(0, lambda: lines.put_nowait(sys.stdin.readline()))
    while True:
        now = asdict(watch.state) | {"held": held[-1]}
        if now != told:
            told = now
            say(state=now)
        try:
            async with asyncio.timeout(0.3):
                line = await lines.get()
        except TimeoutError:
            continue
        try:
            await obey(line, watch, journal)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other side must hear of it
            say(error=str(error))


if __name__ == "__main__":
    asyncio.run(main(Path(os.environ["CREDENTIALS_DIRECTORY"], "journal.key").read_bytes()))
