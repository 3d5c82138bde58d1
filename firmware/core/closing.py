"""When a business day ends (締め), and what it is called."""

from datetime import date, datetime, time, timedelta

from firmware.core.hours import JST


def business_date(first_entry: datetime | None, last_closed: date | None, now: datetime) -> date:
    """The date of the open day, in Japan.

    first_entry: of what has happened since the last closing, None if nothing has; now: both aware. An
    entry of the future was written by a clock that was wrong. A day is closed once, so what comes after
    its closing belongs to the next.
    """
    opened = (now if first_entry is None else min(first_entry, now)).astimezone(JST).date()
    return opened if last_closed is None else max(opened, last_closed + timedelta(days=1))


def is_over(day: date, day_ends: time, now: datetime) -> bool:
    """Whether the day has ended by the clock. day_ends: Japan time, time.max for the end of the day."""
    return now >= datetime.combine(day, day_ends, JST)


def may_close(day: date, now: datetime) -> bool:
    """Staff may close a day before its end, but no day that has not begun."""
    return day <= now.astimezone(JST).date()
