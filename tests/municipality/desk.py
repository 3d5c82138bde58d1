"""One request at the desk: the transaction, the kiosk that asks, the city's rules and the moment."""

from dataclasses import dataclass
from datetime import UTC, date, datetime

from tests.municipality.calendar import JST
from tests.municipality.register import City
from tests.municipality.store import Connection

__all__ = ["JST", "Desk", "Kiosk", "utc"]


@dataclass(frozen=True, slots=True)
class Kiosk:
    """The kiosk at the other end of the connection; thumbprint: SHA-256 of its certificate, base64url."""

    urn: str
    thumbprint: str


@dataclass(frozen=True, slots=True)
class Desk:
    """What every rule of the protocol needs; all of it holds for one transaction."""

    connection: Connection
    kiosk: Kiosk
    city: City
    now: datetime

    @property
    def today(self) -> date:
        """The day in Japan."""
        return self.now.astimezone(JST).date()

    @property
    def moment(self) -> float:
        """Seconds since 1970, as the database keeps time."""
        return self.now.timestamp()


def utc(moment: datetime) -> str:
    """ISO 8601 in UTC with Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
