"""The kiosk's own command in the emulated machine, and what words of the kernel's command line add to it.

    rig.acknowledge            each record is said at the console once it is on disk: "ACKNOWLEDGED 17"
    rig.cut=MOMENT:RECORD      "CUT" is said at the console, and nothing done any more, just "before" the
                               commit of the first record of this kind, right "after" it, or when its
                               "orders" left
    rig.checked                the configuration is not checked before the start
    rig.careless               the journal does not wait for the disk: what the tests must find

Without such a word it is the kiosk's own command and nothing else.
"""

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Never

import firmware.__main__
from firmware.core.records import Record
from firmware.core.steps import Step
from firmware.shell.journal import Entry, Journal
from firmware.shell.runner import Runner

COMMAND_LINE = Path("/proc/cmdline")


def main(arguments: Sequence[str]) -> int:
    """Run the kiosk; its exit status."""
    words = COMMAND_LINE.read_text(encoding="ascii").split()
    if "rig.careless" in words:
        _trust_the_disk()
    if "rig.acknowledge" in words:
        _acknowledge()
    for word in words:
        if word.startswith("rig.cut="):
            moment, _, kind = word.removeprefix("rig.cut=").partition(":")
            _stand_still(moment, kind)
    if "rig.checked" in words:
        arguments = [word for word in arguments if word != "--check"]
    return firmware.__main__.main(arguments)


def _acknowledge() -> None:
    appending = Journal._append

    def append(journal: Journal, records: tuple[Record, ...]) -> None:
        appending(journal, records)
        _say(f"ACKNOWLEDGED {journal.head.seq}")

    Journal._append = append  # type: ignore[method-assign, assignment]


def _stand_still(moment: str, kind: str) -> None:
    appending, taking = Journal._append, Runner._take

    def append(journal: Journal, records: tuple[Record, ...]) -> None:
        if moment == "before" and _named(kind, records):
            _wait_for_the_cut()
        appending(journal, records)
        if moment == "after" and _named(kind, records):
            _wait_for_the_cut()

    async def take(runner: Runner, done: Step) -> None:
        await taking(runner, done)
        if moment == "orders" and _named(kind, done.records):
            _wait_for_the_cut()

    Journal._append = append  # type: ignore[method-assign, assignment]
    Runner._take = take  # type: ignore[method-assign, assignment]


def _trust_the_disk() -> None:
    opening = Journal._open

    def opened(journal: Journal, enter: Callable[[Entry], object]) -> None:
        opening(journal, enter)
        assert journal._connection is not None
        journal._connection.execute("PRAGMA synchronous=NORMAL")

    Journal._open = opened  # type: ignore[method-assign, assignment]


def _named(kind: str, records: Sequence[Record]) -> bool:
    return kind in {type(record).__name__ for record in records}


def _wait_for_the_cut() -> Never:
    _say("CUT")
    while True:
        time.sleep(1)


def _say(words: str) -> None:
    os.write(sys.stdout.fileno(), f"{words}\n".encode())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
