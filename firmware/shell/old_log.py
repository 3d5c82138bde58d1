"""The log beyond what the daemon remembers: journald's, read by a process that may hang or be missing."""

import asyncio
import contextlib
import json
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final

from firmware.errors import OfficeRefused

MOST_BYTES: Final = 16 * 1024 * 1024
"""Of what the command may say; a line of the log has some 150."""

SECONDS: Final = 20.0
_MOST_LINE_BYTES: Final = 65_536


async def read_old_log(
    command: Sequence[str], events: Collection[str], last: int, *, seconds: float = SECONDS
) -> list[dict[str, Any]]:
    """The last events with one of these ids (none: all), oldest first, from what command says newest first.

    It is ended as soon as enough of them have come. Raises OfficeRefused when it cannot be run, or fails or
    is silent before anything came.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            limit=_MOST_LINE_BYTES,
        )
    except OSError as cause:
        raise OfficeRefused(
            "the older log cannot be read: {error}", error=f"{command[0]}: {cause.strerror}"
        ) from cause
    found: list[dict[str, Any]] = []
    try:
        async with asyncio.timeout(seconds):
            complete = await _collect(process, frozenset(events), last, found)
    except TimeoutError:
        complete = bool(found)
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        # A pipe that nobody empties keeps asyncio from seeing that the process has ended (CPython 3.11).
        await process.communicate()
    if not complete:
        raise OfficeRefused("the older log cannot be read: {error}", error=f"{command[0]}")
    return found[::-1]


async def _collect(
    process: asyncio.subprocess.Process, events: frozenset[str], last: int, found: list[dict[str, Any]]
) -> bool:
    """Whether the log was read as far as it was wanted."""
    assert process.stdout is not None  # noqa: S101 - it was asked for
    octets = 0
    while len(found) < last and octets < MOST_BYTES:
        try:
            line = await process.stdout.readline()
        except ValueError:  # a line longer than any of ours
            octets += _MOST_LINE_BYTES
            continue
        if not line:
            return await process.wait() == 0 or bool(found)
        octets += len(line)
        event = _event(line)
        if event is not None and (not events or event["event"] in events):
            found.append(event)
    return True


def _event(line: bytes) -> dict[str, Any] | None:
    """One event of ours; what else stands in the log is none."""
    try:
        event = json.loads(line)
        datetime.fromisoformat(event["time"])
        return event if isinstance(event["event"], str) else None
    except (ValueError, TypeError, KeyError):
        return None
