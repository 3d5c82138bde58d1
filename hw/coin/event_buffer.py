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
    """One reading of header 229. pairs: position and code, newest first; fewer than five of an old one."""

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
    counter: where the counter stands after all of it. reset: the acceptor has started anew, so that
    events before its start may be missing too. unclear: the buffer contradicts what was read before
    and is no fresh start either; nothing of it can be believed.
    """

    events: tuple[CoinEvent, ...]
    lost: int
    counter: int
    reset: bool = False
    unclear: bool = False


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
    return buffer.counter < old and _is_young(buffer)


def hides_reset(old: int, buffer: EventBuffer) -> bool:
    """Neither when old was read nor now has the acceptor had an event since power-up.

    Had it lost its power between, with all that came in before, it would look just the same.
    """
    return old == 0 and buffer.counter == 0


def contradicts(seen: EventBuffer, buffer: EventBuffer) -> bool:
    """No run of events leads from the reading seen to the reading buffer.

    What both must still hold differs: the counter may have been reset and have caught up since.
    """
    count = events_since(seen.counter, buffer.counter)
    kept = seen.pairs[: max(0, SLOTS - count)]
    return buffer.pairs[count : count + len(kept)] != kept


def pairs_text(pairs: tuple[tuple[int, int], ...]) -> str:
    """Event pairs as a mark keeps them: hexadecimal, newest first."""
    return bytes(octet for pair in pairs for octet in pair).hex()


def reading(counter: int, text: str) -> EventBuffer | None:
    """The reading of which a mark tells, or as much of it as is known; None if nothing is.

    Raises ValueError if text is none of `pairs_text`.
    """
    octets = bytes.fromhex(text)
    return EventBuffer(counter, tuple(zip(octets[::2], octets[1::2], strict=True))) if octets else None


def fresh_events(old: int, buffer: EventBuffer, seen: EventBuffer | None = None) -> FreshEvents:
    """The events of buffer that came after the counter stood at old.

    seen: the reading that old is from, if it is still known; with it a reset shows also when the
    counter has caught up again.
    """
    contradictory = seen is not None and contradicts(seen, buffer)
    reset = was_reset(old, buffer) or (contradictory and _is_young(buffer))
    start = 0 if reset else old
    count = events_since(start, buffer.counter)
    if contradictory and not reset:
        return FreshEvents((), count, buffer.counter, unclear=True)
    lost = max(0, count - SLOTS)
    known = reversed(buffer.pairs[: count - lost])
    first = counter_after(start, lost)
    events = tuple(CoinEvent(counter_after(first, n), *pair) for n, pair in enumerate(known, start=1))
    return FreshEvents(events, lost, buffer.counter, reset)


def _is_young(buffer: EventBuffer) -> bool:
    """So few events since power-up that slots are left which have never held one."""
    return buffer.counter < SLOTS and all(pair == (0, 0) for pair in buffer.pairs[buffer.counter :])


def coins_missing(before: int, after: int, told: int) -> int:
    """Coins that the accept counter (header 225, 24 bits) has counted between and nobody told of.

    0 where the counter has gone back, which is another unit's or a new one's.
    """
    missing = (after - before - told) % (1 << 24)
    return missing if missing < 1 << 23 else 0


class ErrorClass(enum.Enum):
    """What an error event means for the person's money."""

    RETURNED = "returned"  # the coin came back, or there was none
    KEPT = "kept"  # the coin is in the machine without credit, or a credit was taken back
    DOUBTFUL = "doubtful"  # it may have come back, may be stuck, may be in: nobody knows


_REJECTED = frozenset({1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15, 22, 24, 25, 30, 32, 33, 37, 38})
_INHIBITED_TYPES = frozenset(range(128, 160))
_NO_COIN = frozenset({0, 26, 27, 28, 253, 254, 255})
"""Null event, blocked reject sensor, wrong settings of a totaliser, requests and alarms."""

_ACCEPTED = frozenset({7, 16, 17, 18, 19, 20, 23, 31, 36, 39, 40})
_CREDIT_CANCELLED = frozenset(range(160, 192))

REJECTED_CODES = _REJECTED | _INHIBITED_TYPES
"""A coin was there and came back."""

RETURNED_CODES = REJECTED_CODES | _NO_COIN
KEPT_CODES = _ACCEPTED | _CREDIT_CANCELLED

SUSPECT_CODES = frozenset(range(256)) - RETURNED_CODES
"""All codes after which staff must look: kept ones, those that leave it open (time-outs at wake-up,
validation, credit sensor and double entry, an open gate, security and motor: 4, 5, 6, 21, 29, 34, 35),
and those that no table knows."""

CHECK_CODES = frozenset({6, 13, 14, 15, 21, 26, 29, 30, 31, 32, 34, 35, 36, 40, 255})
"""Sensors, gate, sorter, manifold, security and motor: the acceptor may not be able to work, which
its self-check (header 232) tells."""


def error_class(code: int) -> ErrorClass:
    """The class of an error code (0–255).

    Source: ccTalk part 3, table 2, its column "coin rejected": yes, no or possible. Codes that it does
    not know are doubtful.
    """
    if code in KEPT_CODES:
        return ErrorClass.KEPT
    return ErrorClass.RETURNED if code in RETURNED_CODES else ErrorClass.DOUBTFUL
