"""What a command of the emulated machine found, and how long it took."""

import asyncio
import json
import signal
import sys
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Report:
    """What a command found and how long it took, for standard output. wrong: what must not be."""

    seconds: dict[str, float] = field(default_factory=dict)
    said: dict[str, Any] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Note how long this took."""
        begun = time.monotonic()
        sys.stderr.write(f"appliance: {name}\n")
        try:
            yield
        finally:
            self.seconds[name] = round(time.monotonic() - begun, 1)

    def run(self, scenario: Coroutine[Any, Any, None]) -> int:
        """To its end, or to the first thing that goes wrong, which is raised; 1 if anything is wrong.

        Ended from outside, by its clock or a person, nothing of the machine stays behind.
        """
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            asyncio.run(scenario)
        except BaseException:
            self.wrong.append("did not come to its end")
            self.end()
            raise
        return self.end()

    def end(self) -> int:
        sys.stdout.write(
            json.dumps({"seconds": self.seconds, **self.said, "wrong": self.wrong}, indent=1) + "\n"
        )
        return 1 if self.wrong else 0
