"""Service hours in Japan time (R3)."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta, timezone

from firmware.core.terms import ServiceHours

JST = timezone(timedelta(hours=9), "JST")
"""日本標準時; Japan has had no summer time since 1952."""


@dataclass(frozen=True, slots=True)
class Closure:
    """No service from begins until before ends (aware datetimes)."""

    begins: datetime
    ends: datetime

    @classmethod
    def said(cls, begins: datetime, ends: datetime) -> "Closure":
        """In Japan time, whatever offsets it was said with."""
        return cls(_in_japan(begins), _in_japan(ends))


@dataclass(frozen=True, slots=True)
class HoursRule:
    """Daily hours in Japan time; in the last minutes before closing no new visit begins.

    closes: time.max for the end of the day.
    """

    opens: time
    closes: time
    last_minutes: int
    closures: tuple[Closure, ...] = ()

    @property
    def round_the_clock(self) -> bool:
        return self.opens == time.min and self.closes == time.max


def service_hours(now: datetime, rule: HoursRule) -> ServiceHours:
    """Whether a visit may begin at now (aware)."""
    if any(closure.begins <= now < closure.ends for closure in rule.closures):
        return ServiceHours.MAINTENANCE
    local = now.astimezone(JST)
    if not rule.round_the_clock and not rule.opens <= local.time() < rule.closes:
        return ServiceHours.CLOSED
    ends = [closure.begins for closure in rule.closures if closure.begins > now]
    if not rule.round_the_clock:
        ends.append(datetime.combine(local.date(), rule.closes, JST))
    last = timedelta(minutes=rule.last_minutes)
    return ServiceHours.CLOSING if any(end - now <= last for end in ends) else ServiceHours.OPEN


def opens_next(now: datetime, rule: HoursRule) -> datetime | None:
    """The next instant at which the service is open, now if it is open already.

    None if nobody knows: a closure until further notice ends with the calendar (9999-12-31).
    """
    try:
        return _opens_next(now, rule)
    except OverflowError:
        return None


def _opens_next(now: datetime, rule: HoursRule) -> datetime:
    moment = now
    for _ in range(2 * len(rule.closures) + 3):
        if blocking := [c for c in rule.closures if c.begins <= moment < c.ends]:
            moment = max(c.ends for c in blocking)
            continue
        local = moment.astimezone(JST)
        opening = local.replace(hour=rule.opens.hour, minute=rule.opens.minute, second=0, microsecond=0)
        if local.time() < rule.opens:
            moment = opening
        elif local.time() >= rule.closes and not rule.round_the_clock:
            moment = opening + timedelta(days=1)
        else:
            break
    return moment


def _in_japan(moment: datetime) -> datetime:
    """As late or early as Japan's calendar goes for a moment of 9999 or of the year 1 beyond it."""
    try:
        return moment.astimezone(JST)
    except OverflowError:
        return datetime.max.replace(tzinfo=JST) if moment.year > 1 else datetime.min.replace(tzinfo=JST)
