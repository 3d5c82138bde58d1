"""When the city serves and what it takes: hours, closures and fees, each with the days it holds (R3)."""

from datetime import date, datetime, timedelta, timezone

from tests.municipality.register import City, Kind

JST = timezone(timedelta(hours=9), "JST")


def closed_because(city: City, now: datetime) -> str | None:
    """Why no visit may begin at this moment, or None."""
    local = now.astimezone(JST)
    if any(not closure.kinds and closure.begins <= local.date() <= closure.ends for closure in city.closures):
        return "maintenance"
    return None if city.opens <= local.time() < city.closes else "outside_hours"


def kind_closed(city: City, kind: Kind, today: date) -> bool:
    """Whether this certificate alone is not issued today, as when its fee is being changed."""
    return any(kind in closure.kinds and closure.begins <= today <= closure.ends for closure in city.closures)


def fee_yen(city: City, kind: Kind, today: date) -> int:
    """The fee of a copy by the latest table in force on this day in Japan."""
    changes = [change for change in city.fee_changes if change.begins <= today and kind in change.fee_yen]
    if not changes:
        return city.fee_yen[kind]
    return max(changes, key=lambda change: change.begins).fee_yen[kind]
