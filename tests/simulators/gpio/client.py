"""The outside of the kiosk's pins: fingers, door, sensors, and eyes on the lamps."""

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from typing import Any, Self

from tests.simulators.gpio.wiring import Wiring

KEY_GAP_SECONDS = 0.06
SAME_KEY_GAP_SECONDS = 0.35
"""A human's pause before another key, and before the same key so that it is no double strike."""


@contextlib.asynccontextmanager
async def _connection(path: Path) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


class PinBench:
    """Works the pins of a kiosk run by the host, also over restarts of the kiosk.

    Key, sensor and output names are those of the wiring. While the kiosk does not run, sensors can be
    moved (they are told to the next one); everything else raises ConnectionError.
    """

    def __init__(self, socket_path: Path, wiring: Wiring) -> None:
        self._path = socket_path
        self._wiring = wiring
        self._driven: dict[int, bool] = {}
        self._outputs: dict[str, bool] = {}
        self._times_on: Counter[str] = Counter()
        self._changed = asyncio.Condition()
        self._reached = False
        self._connected = False
        self._telling = asyncio.Lock()
        self._watching: asyncio.Task[None] | None = None

    @classmethod
    async def connect(cls, socket_path: Path, wiring: Wiring, *, wait_seconds: float = 10.0) -> Self:
        """Wait until the kiosk's pins can be reached. Raises TimeoutError."""
        bench = cls(socket_path, wiring)
        bench._watching = asyncio.create_task(bench._keep_watching(), name="pin bench")
        try:
            await bench.until_connected(wait_seconds)
        except TimeoutError:
            await bench.close()
            raise
        return bench

    @property
    def connected(self) -> bool:
        """Whether a kiosk runs on these pins."""
        return self._connected

    async def until_connected(self, seconds: float) -> None:
        """Wait until a kiosk runs. Raises TimeoutError."""
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(lambda: self._connected)

    async def press(self, key: str, *, milliseconds: int = 120) -> None:
        """Press a key, with bounce; returns when it is released and a finger could be at the next.

        On a machine that is too busy to scan its keypad in that time the finger stays a moment longer.
        """
        pressed = {"press": self._wiring.keys[key], "milliseconds": milliseconds, "rows": self._rows()}
        await self._ask(pressed)
        await asyncio.sleep(KEY_GAP_SECONDS)

    async def type_keys(self, keys: Iterable[str]) -> None:
        """Press keys one after the other like a person, the same key again not too soon."""
        last = None
        for key in keys:
            if key == last:
                await asyncio.sleep(SAME_KEY_GAP_SECONDS - KEY_GAP_SECONDS)
            await self.press(key)
            last = key

    async def hold(self, key: str) -> None:
        """Press a key and keep it down."""
        await self._ask({"hold": self._wiring.keys[key]})

    async def release(self, key: str) -> None:
        """Let a held key go."""
        await self._ask({"release": self._wiring.keys[key]})

    async def until_keypad_sleeps(self, *, seconds: float) -> None:
        """Wait until the kiosk drives every row: it believes the keys as they are, and waits for an edge.

        An edge that it has not yet heard of is not waited for. Raises TimeoutError.
        """
        try:
            await self._ask({"until_driven": self._rows(), "level": 0, "seconds": seconds})
        except ValueError as cause:
            raise TimeoutError(f"the keypad does not come to rest in {seconds} s") from cause

    async def set_sensor(self, name: str, active: bool) -> None:
        """Open the door, put paper into the tray, …; or the opposite."""
        await self.drive(self._wiring.sensors[name][0], self._wiring.sensor_level(name, active))

    async def drive(self, pin: int, level: bool) -> None:
        """Drive a pin from outside; told to the next kiosk if none runs now."""
        self._driven[pin] = level
        if self._reached:
            with contextlib.suppress(ConnectionError):
                await self._tell(pin)

    async def play(self, pin: int, edges: Sequence[tuple[float, bool]]) -> None:
        """Play edges on a pin, seconds after the first one and level; returns when they are over.

        Raises ConnectionError when the kiosk does not run or ends meanwhile.
        """
        await self._ask({"play": pin, "edges": [[at, int(level)] for at, level in edges]})

    async def level(self, pin: int) -> bool:
        """The electrical level of a pin now. Raises ConnectionError without a running kiosk."""
        answer = await self._ask({"read": [pin]})
        return bool(answer["levels"][str(pin)])

    def outputs(self) -> dict[str, bool]:
        """Which lamps, and the buzzer, are on now; all off without a running kiosk."""
        return {name: self._outputs.get(name, False) for name in self._wiring.outputs}

    def times_on(self, name: str) -> int:
        """How often this output was turned on since the bench connected: counts beeps too short to see."""
        return self._times_on[name]

    async def until_output(self, name: str, on: bool, *, seconds: float) -> None:
        """Wait until a lamp or the buzzer is on or off. Raises TimeoutError."""
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(lambda: self.outputs()[name] == on)

    async def until_turned_on(self, name: str, *, times: int, seconds: float) -> None:
        """Wait until times_on has reached times. Raises TimeoutError."""
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(lambda: self._times_on[name] >= times)

    async def levels(self) -> dict[int, bool]:
        """Electrical level of every wired pin now."""
        keys = {pin for pins in self._wiring.keys.values() for pin in pins}
        sensors = {pin for pin, _ in self._wiring.sensors.values()}
        answer = await self._ask({"read": sorted(keys | sensors | {*self._wiring.outputs.values()})})
        return {int(pin): bool(level) for pin, level in answer["levels"].items()}

    async def close(self) -> None:
        """Go away; the kiosk's pins keep what was driven."""
        watching, self._watching = self._watching, None
        if watching is not None:
            watching.cancel()
            await asyncio.wait([watching])

    def _rows(self) -> list[int]:
        return sorted({row for row, _ in self._wiring.keys.values()})

    async def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            async with _connection(self._path) as (reader, writer):
                writer.write(json.dumps(request).encode() + b"\n")
                line = await reader.readline()
        except OSError as cause:
            raise ConnectionError("the kiosk does not run") from cause
        if not line.endswith(b"\n"):
            raise ConnectionError("the kiosk ended")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise ValueError(answer["error"])
        return answer

    async def _keep_watching(self) -> None:
        pause_seconds = 0.02
        while True:
            with contextlib.suppress(OSError):
                async with _connection(self._path) as (reader, writer):
                    pause_seconds, self._reached = 0.02, True
                    await self._watch(reader, writer)
            self._reached = False
            await self._note_outputs({}, connected=False)
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, 0.5)

    async def _tell(self, pin: int) -> None:
        """The level that it has by now: of two told at a time the later stays."""
        async with self._telling:
            await self._ask({"drive": pin, "level": int(self._driven[pin])})

    async def _watch(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for pin in list(self._driven):
            await self._tell(pin)
        names = {str(pin): name for name, pin in self._wiring.outputs.items()}
        writer.write(json.dumps({"watch": [*self._wiring.outputs.values()]}).encode() + b"\n")
        while (line := await reader.readline()).endswith(b"\n"):
            levels = json.loads(line)["levels"]
            on = {names[pin]: level == self._wiring.on_level for pin, level in levels.items()}
            await self._note_outputs(self._outputs | on, connected=True)

    async def _note_outputs(self, outputs: dict[str, bool], *, connected: bool) -> None:
        async with self._changed:
            self._times_on.update(name for name, on in outputs.items() if on and not self._outputs.get(name))
            self._outputs = outputs
            self._connected = connected
            self._changed.notify_all()
