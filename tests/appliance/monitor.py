"""QEMU's monitor: its machine protocol (QMP) over a Unix socket."""

import asyncio
import contextlib
import json
from asyncio.subprocess import Process
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

_PAUSE_SECONDS = 0.05


class Monitor:
    """Asks and is told. Source: QEMU 7.2, docs/interop/qmp-spec.txt."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._answers: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._happened = asyncio.Condition()
        self._asking = asyncio.Lock()

    async def open(self, socket: Path, process: Process) -> None:
        """Connect once QEMU listens. Raises RuntimeError with its complaint if it ends before."""
        while True:
            if process.returncode is not None:
                assert process.stderr is not None
                raise RuntimeError(f"the machine ended: {(await process.stderr.read()).decode()}")
            with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
                reader, self._writer = await asyncio.open_unix_connection(socket, limit=1 << 20)
                break
            await asyncio.sleep(_PAUSE_SECONDS)
        await reader.readline()
        self._reading = asyncio.create_task(self._read(reader), name="monitor")
        await self.ask("qmp_capabilities")

    async def close(self) -> None:
        """Hang up; may be called twice."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        if self._writer is not None:
            self._writer.close()
            await asyncio.gather(self._writer.wait_closed(), return_exceptions=True)

    async def ask(self, command: str, **arguments: Any) -> Any:
        """One command. Raises RuntimeError with its refusal, ConnectionError when the machine is off."""
        if self._writer is None:
            raise ConnectionError("the machine is off")
        async with self._asking:
            self._writer.write(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
            answer = await self._answers.get()
        if "gone" in answer:
            self._answers.put_nowait(answer)
            raise ConnectionError("the machine is off")
        if "error" in answer:
            raise RuntimeError(f"{command}: {answer['error']['desc']}")
        return answer["return"]

    def expect(self, name: str, **said: Any) -> Awaitable[dict[str, Any]]:
        """The next event from now on of this name that says this."""
        return self._until(len(self.events), name, said)

    async def _until(self, since: int, name: str, said: dict[str, Any]) -> dict[str, Any]:
        async with self._happened:
            while True:
                for event in self.events[since:]:
                    told = event.get("data", {})
                    if event["event"] == name and all(told.get(key) == value for key, value in said.items()):
                        return event
                await self._happened.wait()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while line := await reader.readline():
                said = json.loads(line)
                if "event" not in said:
                    self._answers.put_nowait(said)
                    continue
                async with self._happened:
                    self.events.append(said)
                    self._happened.notify_all()
        except ConnectionError:
            pass
        finally:
            self._answers.put_nowait({"gone": True})
