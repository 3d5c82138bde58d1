"""The state of the kiosk on one screen of a terminal: 24 lines of 80 columns at most."""

from collections.abc import Iterator
from typing import Any

import msgspec


class DeviceStatus(msgspec.Struct, frozen=True):
    """well: it works now. says: what it says of itself, a few words."""

    name: str
    well: bool
    says: str = ""


class Status(msgspec.Struct, frozen=True):
    """What the kiosk says of itself; nothing of a person is in it.

    obstacles: why no visit can begin. certificate_days: until the kiosk's own certificate ends, None if it
    cannot be read. visits: how many of the last ended so, by outcome. change_yen: by place.
    """

    kiosk: str
    version: str
    now: str
    up_seconds: int
    state: str
    obstacles: tuple[str, ...]
    devices: tuple[DeviceStatus, ...]
    change_yen: dict[str, int]
    hours: str
    clock: str
    certificate_days: int | None
    visits: dict[str, int]
    unsure: tuple[str, ...]
    open_claims: int
    open_claims_yen: int
    business_day: str
    maintenance: str
    session: str
    loop_milliseconds: int
    health: str

    def facts(self) -> dict[str, Any]:
        """For a program."""
        facts: dict[str, Any] = msgspec.to_builtins(self)
        return facts


def status_page(status: Status) -> Iterator[str]:
    """One screen."""
    serves = "serves people" if not status.obstacles else f"serves nobody: {' '.join(status.obstacles)}"
    yield f"{status.kiosk}  {status.version}  {status.now}  up {_duration(status.up_seconds)}"
    yield f"{status.state}, {serves}"[:80]
    devices = [_device(device) for device in status.devices]
    for left, right in zip(devices[::2], [*devices[1::2], ""], strict=False):
        yield f"{left:<40}{right}".rstrip()
    yield "change    " + "  ".join(f"{place} {yen} yen" for place, yen in status.change_yen.items())[:70]
    yield f"hours     {status.hours}"
    yield f"clock     {status.clock}"
    days = "cannot be read" if status.certificate_days is None else f"{status.certificate_days} days left"
    yield f"cert      {days}"
    yield "visits    " + ("  ".join(f"{k} {n}" for k, n in status.visits.items()) or "none")[:70]
    if status.unsure:
        yield "unsure    " + " ".join(visit[:8] for visit in status.unsure)[:70]
    yield f"claims    {status.open_claims} open, {status.open_claims_yen} yen"
    yield f"day       {status.business_day}"
    yield f"maint.    {status.maintenance}"
    yield f"session   {status.session}"
    yield f"health    {status.health or 'well'}, loop {status.loop_milliseconds} ms late at worst in a minute"


def _device(device: DeviceStatus) -> str:
    return f"{'ok ' if device.well else 'BAD'} {device.name:<12} {device.says}"[:39]


def _duration(seconds: int) -> str:
    hours, rest = divmod(seconds, 3600)
    return f"{hours // 24}d {hours % 24:02}:{rest // 60:02}"
