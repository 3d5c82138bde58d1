"""The kiosk's own command on another wall clock: a fast one, so that a day passes in less than an hour, or
one ahead, so that no day ends under a test.

Usage: python -m tests.simulators.gpio.host --module tests.e2e.hasty_kiosk … -- run --config FILE

Beside FILE lies clock.json (FastClock). Devices, screens and time-outs keep their own time, as wires and
hands do; hours, business days, plans, orders and certificates go by the fast one.
"""

import datetime as dt
import importlib
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import firmware.__main__
from firmware.core.hours import JST

CLOCK = "clock.json"
_LOADED = ("firmware.compose.kiosk", "firmware.compose.enrolment", "firmware.settings", "firmware.__main__")


@dataclass(frozen=True, slots=True)
class FastClock:
    """began: seconds since the epoch when both clocks showed the same, but for ahead: seconds.
    speed: simulated seconds a second.
    """

    began: float
    speed: float = 1.0
    ahead: float = 0.0

    @classmethod
    def from_noon(cls) -> "FastClock":
        """It shows the next noon of Japan now and is no faster. One behind would see no certificate valid."""
        began = time.time()
        now = dt.datetime.fromtimestamp(began, JST)
        noon = now.replace(hour=12, minute=0, second=0, microsecond=0)
        return cls(began, ahead=((noon - now) % dt.timedelta(days=1)).total_seconds())

    def seconds(self) -> float:
        """Simulated seconds since the epoch."""
        return self.began + self.ahead + (time.time() - self.began) * self.speed

    def now(self, tz: dt.tzinfo | None = dt.UTC) -> dt.datetime:
        """The simulated moment, aware."""
        return dt.datetime.fromtimestamp(self.seconds(), tz)

    def monotonic(self) -> float:
        """A clock that never jumps and runs as fast."""
        return time.monotonic() * self.speed

    def write(self, folder: Path) -> None:
        """For the kiosk whose configuration lies there."""
        (folder / CLOCK).write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> "FastClock":
        """What write wrote."""
        return cls(**json.loads((folder / CLOCK).read_text(encoding="utf-8")))


class _FastDatetime:
    """Stands for the class datetime in a module: only its now is another."""

    def __init__(self, now: Callable[..., dt.datetime]) -> None:
        self.now = now

    def __call__(self, *arguments: Any, **named: Any) -> dt.datetime:
        return dt.datetime(*arguments, **named)  # noqa: DTZ001 - as the caller says

    def __getattr__(self, name: str) -> Any:
        return getattr(dt.datetime, name)


def hasten(clock: FastClock) -> int:
    """Every loaded module of the kiosk takes its time from this clock from now on; how many there are."""
    stand_in, hastened = _FastDatetime(clock.now), 0
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] in {"firmware", "hw"} and getattr(module, "datetime", None) is dt.datetime:
            vars(module)["datetime"] = stand_in
            hastened += 1
    from firmware.municipality import challenge
    from firmware.shell.clock import Clock

    # A person types the PIN at a person's pace.
    challenge.LONGEST_SECONDS = round(challenge.LONGEST_SECONDS * clock.speed)
    Clock.__init__.__kwdefaults__["monotonic"] = clock.monotonic  # type: ignore[index]
    return hastened


def main(arguments: Sequence[str]) -> int:
    """Run the kiosk; its exit status."""
    for name in _LOADED:
        importlib.import_module(name)
    hasten(FastClock.read(Path(arguments[-1]).parent))
    return firmware.__main__.main(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
