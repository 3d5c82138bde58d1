"""The last events of the log, kept in memory for the console."""

import asyncio
import json
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from firmware.logbook import EventId, FieldValue, Logbook, line

KEPT = 2000


@dataclass(frozen=True, slots=True)
class Event:
    """number: from 1 on since the daemon started. said: the JSON object of the log."""

    number: int
    said: dict[str, Any]


class EventRing:
    """A logbook that passes everything on and remembers the last KEPT events."""

    def __init__(self, log: Logbook) -> None:
        self._log = log
        self._events: deque[Event] = deque(maxlen=KEPT)
        self._number = 0
        self._came = asyncio.Event()
        self.counts: dict[str, int] = {}

    def __call__(self, event: EventId, /, **fields: FieldValue) -> None:
        """See Logbook; called on the loop, as every logbook is."""
        self._log(event, **fields)
        self._number += 1
        self._events.append(Event(self._number, json.loads(line(event, datetime.now(UTC), fields))))
        self.counts[event.value] = self.counts.get(event.value, 0) + 1
        self._came.set()

    def behind(self, number: int, events: Collection[str] = ()) -> list[Event]:
        """The events after this number, with one of these ids if there are any.

        A number that was not reached yet is of a run before this one: then all of them.
        """
        number = 0 if number > self._number else number
        return [
            one for one in self._events if one.number > number and (not events or one.said["event"] in events)
        ]

    async def wait_behind(self, number: int, events: Collection[str], seconds: float) -> list[Event]:
        """As behind; waits up to seconds for the first."""
        try:
            async with asyncio.timeout(seconds):
                while not (found := self.behind(number, events)):
                    self._came.clear()
                    await self._came.wait()
                return found
        except TimeoutError:
            return []
