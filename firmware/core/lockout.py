"""The kiosk's own lockout, beyond the card's: mistakes in a row slow it down and then pause it.

A strike is a wrong PIN, a card whose PIN is locked, or a thing that is no My Number Card. A person whom the
municipality knows clears them, and so does a quiet `forget_seconds`. After each strike the kiosk begins no
new visit for as long as the highest step reached says; a visit under way goes on, for the card counts too.
With the shipped steps:

| strikes in a row | after the last one the kiosk |
|---|---|
| 0 to 2  | serves the next person at once |
| 3 and 4 | waits 15 seconds |
| 5 to 7  | waits 1 minute |
| 8 and more | pauses 15 minutes, after every further strike again |

The journal keeps each strike, so that a restart changes nothing. Pure: the time comes in as an argument.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from firmware.core import records as r

SHIPPED_STEPS: Final = ((3, 15.0), (5, 60.0), (8, 900.0))
SHIPPED_FORGET_SECONDS: Final = 3600.0


@dataclass(frozen=True, slots=True)
class LockoutRule:
    """steps: strikes in a row and the seconds the kiosk then waits, both rising.

    forget_seconds: without a strike, after which all are forgotten; not shorter than the longest wait.
    """

    steps: tuple[tuple[int, float], ...] = SHIPPED_STEPS
    forget_seconds: float = SHIPPED_FORGET_SECONDS


@dataclass(frozen=True, slots=True)
class Lockout:
    """Strikes in a row, and when the last one was (aware)."""

    strikes: int = 0
    last: datetime | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """Which record is a mistake of this kind, and which one clears those before."""

    strike: type[r.Record]
    clears: type[r.Record]


VISITORS: Final = Counts(r.CardStrike, r.PersonAuthenticated)
STAFF: Final = Counts(r.StaffRefused, r.StaffAdmitted)
"""Wrong staff codes (`firmware.core.complaints`)."""
ORDERS: Final = Counts(r.MaintenanceRefused, r.MaintenanceOpened)
"""Refused maintenance orders (`firmware.core.maintenance`)."""


def after(
    lockout: Lockout, record: r.Record, at: datetime, rule: LockoutRule, counts: Counts = VISITORS
) -> Lockout:
    """The lockout once this record stands in the journal. at: aware."""
    if isinstance(record, counts.strike):
        return Lockout(current(lockout, at, rule).strikes + 1, at)
    return Lockout() if isinstance(record, counts.clears) else lockout


def current(lockout: Lockout, now: datetime, rule: LockoutRule) -> Lockout:
    """The lockout at now: forgotten after a quiet time; a strike of the future (clock set back) is of now."""
    if lockout.last is None:
        return lockout
    if now - lockout.last > timedelta(seconds=rule.forget_seconds):
        return Lockout()
    return replace(lockout, last=min(lockout.last, now))


def wait_seconds(strikes: int, rule: LockoutRule) -> float:
    """How long the kiosk waits after the last of so many strikes."""
    return max((seconds for least, seconds in rule.steps if strikes >= least), default=0.0)


def waits_until(lockout: Lockout, rule: LockoutRule) -> datetime | None:
    """When the next visit may begin, or None if nothing has to be waited for."""
    seconds = wait_seconds(lockout.strikes, rule)
    return None if lockout.last is None or not seconds else lockout.last + timedelta(seconds=seconds)


class Mistakes:
    """Mistakes in a row of one kind, by a journal that is being read: enter every record once, in order.

    No record is later than those behind it: one of the future was dated by a clock that was ahead. So the
    time of each mistake is kept until something clears them all; nothing else of the journal is.
    """

    def __init__(self, rule: LockoutRule, counts: Counts = VISITORS) -> None:
        self._rule, self._counts = rule, counts
        self._times: list[datetime] = []

    def enter(self, record: r.Record, at: datetime) -> None:
        """at: when the record was written, aware."""
        self._none_later_than(at)
        if isinstance(record, self._counts.strike):
            self._times.append(at)
        elif isinstance(record, self._counts.clears):
            self._times.clear()

    def row(self, now: datetime) -> Lockout:
        """What the whole journal says now."""
        self._none_later_than(now)
        lockout = Lockout()
        for at in self._times:
            lockout = Lockout(current(lockout, at, self._rule).strikes + 1, at)
        return current(lockout, now, self._rule)

    def go_on(self, now: datetime) -> "Strikes":
        """The same from now on, as the kiosk runs."""
        return Strikes(self.row(now), self._rule, self._counts)

    def _none_later_than(self, at: datetime) -> None:
        times, place = self._times, len(self._times)
        while place and times[place - 1] > at:
            place -= 1
            times[place] = at


class Strikes:
    """Mistakes in a row of one kind, by journal and clock: enter every record once, in order.

    row: by the journal so far.
    """

    def __init__(self, row: Lockout, rule: LockoutRule, counts: Counts = VISITORS) -> None:
        self._row, self._rule, self._counts = row, rule, counts

    @property
    def count(self) -> int:
        """How many there are."""
        return self._row.strikes

    def enter(self, record: r.Record, at: datetime) -> None:
        """This record was committed. at: aware."""
        self._row = after(self._row, record, at, self._rule, self._counts)

    def wait(self, now: datetime) -> datetime | None:
        """Until when nothing more is taken; None when there is nothing to wait for. now: aware."""
        self._row = current(self._row, now, self._rule)
        until = waits_until(self._row, self._rule)
        return None if until is None or until <= now else until
