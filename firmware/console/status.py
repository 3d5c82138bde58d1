"""The state of the kiosk on one screen of a terminal: 24 lines of 80 columns at most."""

from collections.abc import Iterator
from typing import Any

import msgspec

from firmware.console.sayings import cut, left
from firmware.core.wording import Say, Sentence, told


class DeviceStatus(msgspec.Struct, frozen=True):
    """well: it works now. says: what it says of itself, a few words."""

    name: str
    well: bool
    says: str = ""


class Status(msgspec.Struct, frozen=True):
    """What the kiosk says of itself, in the language of whoever asks; nothing of a person is in it.

    obstacles: why no visit can begin. certificate_days: until the kiosk's own certificate ends, None if it
    cannot be read. visits: how many of the last ended so, by outcome. change_yen: by place.
    untold: reports that wait for the municipality; untold_seconds: since when it took none, 0 while it does;
    untold_refusal: why not the last one. contradicted: reports that its books contradict, order and subject.
    strays: orders that it waits for and nobody here knows of, with their state there.
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
    untold: int
    untold_seconds: int
    untold_refusal: str
    contradicted: tuple[str, ...]
    strays: tuple[str, ...]
    business_day: str
    maintenance: str
    session: str
    loop_milliseconds: int
    health: str
    update: str = ""

    def facts(self) -> dict[str, Any]:
        """For a program."""
        facts: dict[str, Any] = msgspec.to_builtins(self)
        return facts


def status_page(status: Status, say: Say = str) -> Iterator[str]:
    """One screen."""
    yield f"{status.kiosk}  {status.version}  {status.now}  {say(_up(status.up_seconds))}"
    serves = told("serves people")
    if status.obstacles:
        serves = told(
            "serves nobody: {obstacles}", obstacles=" ".join(say(told(one)) for one in status.obstacles)
        )
    yield cut(f"{say(told(status.state))}, {say(serves)}", 80)
    devices = [_device(device, say) for device in status.devices]
    for one, other in zip(devices[::2], [*devices[1::2], ""], strict=False):
        yield f"{left(one, 40)}{other}".rstrip()
    for label, line in _lines(status, say):
        yield f"{left(say(label), 9)} {cut(line, 70)}"


def _lines(status: Status, say: Say) -> Iterator[tuple[Sentence, str]]:
    yield (
        told("change"),
        "  ".join(
            say(told("{place} {yen} yen", place=place, yen=yen)) for place, yen in status.change_yen.items()
        ),
    )
    yield told("hours"), status.hours
    yield told("clock"), status.clock
    days = told("{days} days left", days=status.certificate_days)
    yield told("cert"), say(told("cannot be read") if status.certificate_days is None else days)
    yield (
        told("visits"),
        "  ".join(f"{say(told(k))} {n}" for k, n in status.visits.items()) or say(told("none")),
    )
    if unsure := tuple(_unsure(status, say)):
        yield told("unsure"), "  ".join(unsure)
    claims = say(told("{n} open, {yen} yen", n=status.open_claims, yen=status.open_claims_yen))
    yield told("claims"), "  ".join((claims, *_untold(status, say)))
    yield told("day"), status.business_day
    yield told("maint."), status.maintenance
    if status.update:
        yield told("update"), status.update
    yield told("session"), status.session
    health = told(
        "{health}, loop {milliseconds} ms late at worst in a minute",
        health=status.health or told("well"),
        milliseconds=status.loop_milliseconds,
    )
    yield told("health"), say(health)


def _unsure(status: Status, say: Say) -> Iterator[str]:
    """Strays and contradictions first: they are what the city will ask about."""
    if status.strays:
        orders = " ".join(f"{one[:8]}" for one in status.strays)
        yield say(told("municipality waits for {orders}", orders=orders))
    if status.contradicted:
        orders = " ".join(f"{one[:8]}" for one in status.contradicted)
        yield say(told("municipality contradicts {orders}", orders=orders))
    if status.unsure:
        yield " ".join(visit[:8] for visit in status.unsure)


def _untold(status: Status, say: Say) -> Iterator[str]:
    if status.untold:
        minutes = status.untold_seconds // 60
        yield say(told("untold {n}, for {minutes} minutes", n=status.untold, minutes=minutes))
    if status.untold and status.untold_refusal:
        yield status.untold_refusal


def _device(device: DeviceStatus, say: Say) -> str:
    well = left(say(told("ok") if device.well else told("BAD")), 3)
    return cut(f"{well} {left(say(device_named(device.name)), 12)} {device.says}", 39)


def device_named(name: str) -> Sentence:
    """For a reader; a hopper is named with its address."""
    hopper = name.removeprefix("hopper-")
    return told(name) if hopper == name else told("hopper-{hopper}", hopper=hopper)


def _up(seconds: int) -> Sentence:
    hours, rest = divmod(seconds, 3600)
    return told("up {days}d {clock}", days=hours // 24, clock=f"{hours % 24:02}:{rest // 60:02}")
