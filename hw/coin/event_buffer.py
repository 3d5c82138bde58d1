"""The acceptor's buffer of coin events and its counter: pure arithmetic, no IO.

A coin acceptor keeps its last five events and counts all of them: 0 after power-up or reset, then
1–255, and after 255 comes 1. Whoever reads more often than five events go by loses none.
Source: ccTalk part 2, header 229; part 3, error codes and their classes.
"""

import enum
from dataclasses import dataclass

from hw.coin.cctalk import Garbled

SLOTS = 5


@dataclass(frozen=True, slots=True)
class CoinEvent:
    """One event. counter: the event counter after it.

    position: of the credited coin, 1–16, or 0 for an error. code: sorter path or error code.
    """

    counter: int
    position: int
    code: int


@dataclass(frozen=True, slots=True)
class EventBuffer:
    """One reading of header 229. pairs: position and code, newest first."""

    counter: int
    pairs: tuple[tuple[int, int], ...]

    @classmethod
    def parse(cls, data: bytes) -> "EventBuffer":
        """From the data of the reply. Raises Garbled unless they are 11 bytes."""
        if len(data) != 1 + 2 * SLOTS:
            raise Garbled("length of the event buffer")
        return cls(data[0], tuple(zip(data[1::2], data[2::2], strict=True)))


@dataclass(frozen=True, slots=True)
class FreshEvents:
    """What happened since a counter was seen.

    events: oldest first. lost: events before them that the buffer does not hold any more.
    reset: the acceptor has started anew, so that events before its start may be missing too.
    """

    events: tuple[CoinEvent, ...]
    lost: int = 0
    reset: bool = False


def events_since(old: int, new: int) -> int:
    """How many events lie between two readings of the counter (0–255) without a reset between."""
    return new if old == 0 else (new - old) % 255


def counter_after(counter: int, events: int) -> int:
    """The counter after so many more events."""
    return counter if events == 0 else (counter + events - 1) % 255 + 1


def was_reset(old: int, buffer: EventBuffer) -> bool:
    """The acceptor certainly started anew after old was read.

    Its counter went back and the older slots are empty; a counter that wrapped has filled them all.
    """
    empty = all(pair == (0, 0) for pair in buffer.pairs[buffer.counter :])
    return buffer.counter < min(old, SLOTS) and empty


def fresh_events(old: int, buffer: EventBuffer) -> FreshEvents:
    """The events of buffer that came after the counter stood at old."""
    reset = was_reset(old, buffer)
    start = 0 if reset else old
    count = events_since(start, buffer.counter)
    lost = max(0, count - SLOTS)
    known = reversed(buffer.pairs[: count - lost])
    first = counter_after(start, lost)
    events = tuple(CoinEvent(counter_after(first, n), *pair) for n, pair in enumerate(known, start=1))
    return FreshEvents(events, lost, reset)


class ErrorClass(enum.Enum):
    """What an error event means for the person's money and for the acceptor."""

    RETURNED = "returned"  # the coin came back, or there was none
    KEPT = "kept"  # the coin may be in the machine without credit, or a credit was taken back
    FAULT = "fault"  # the acceptor may not be able to work: ask its self-check


KEPT_CODES = frozenset({7, 16, 17, 18, 19, 20, 23, 36, 39, 40, *range(160, 192)})
"""Class "accepted" of ccTalk part 3, table 2, and the cancelled credits 160–191."""

FAULT_CODES = frozenset({9, 10, 11, 13, 14, 15, 26, 29, 30, 31, 32, 33, 34, 35, 255})
"""Gate, sensor, sorter, manifold, security, motor and alarm codes of the same table."""


def error_class(code: int, kept_codes: frozenset[int] = KEPT_CODES) -> ErrorClass:
    """The class of an error code (0–255); codes that no table knows are coins that came back.

    kept_codes: a vendor's own list, since vendors give some numbers other meanings.
    """
    if code in kept_codes:
        return ErrorClass.KEPT
    return ErrorClass.FAULT if code in FAULT_CODES else ErrorClass.RETURNED
