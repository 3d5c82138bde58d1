"""Signed configurations and calendars: what a kiosk takes, and that everything else leaves it as it was."""

import asyncio
import base64
import errno
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from firmware.__main__ import main
from firmware.compose.checked import checked, checked_or_former, take_next
from firmware.compose.published import shelves
from firmware.core.hours import JST
from firmware.core.terms import ServiceHours
from firmware.errors import ConfigError
from firmware.logbook import EventId
from firmware.settings import Settings, load
from firmware.shell.clock import Clock
from firmware.shell.publications import Publications
from tests.contract.test_municipality import ONCE, Log, Place, Watched, pki, place
from tests.municipality.publications import PublicationKey, calendar_of, make_key
from tests.municipality.register import Closure, load_city

__all__ = ["pki", "place"]  # the fixtures

CONFIG = Path(__file__).resolve().parents[2] / "config"
NOBODY = 65534
PROFILE = (CONFIG / "shibukawa.toml").read_text(encoding="utf-8")
LATER = PROFILE.replace('opens = "06:30"', 'opens = "08:15"')
NOON = datetime(2026, 11, 22, 12, tzinfo=JST)
CLOSED = {"begins": "2026-11-22T00:00:00+09:00", "ends": "2026-11-23T00:00:00+09:00"}


@dataclass
class Machine:
    """A kiosk's configuration in a folder, and what takes publications there. starts: of the machine anew."""

    config: Path
    log: Log = field(default_factory=Log)
    starts: int = 0
    started: Watched = field(default_factory=Watched)

    def __post_init__(self) -> None:
        self.settings: Settings = load(self.config)
        self.clock = Clock(rule=self.settings.hours, tolerance_seconds=2, log=self.log, now=lambda: NOON)
        self.shelves = shelves(self.settings, self.config, self.clock, self.start_anew, self.log)

    async def start_anew(self) -> None:
        self.starts += 1
        self.started(self.starts)

    def again(self) -> "Machine":
        """The machine after a start."""
        take_next(self.config)
        return Machine(self.config, self.log)

    async def take(self, place: Place, kind: str, serial: int) -> None:
        """What the heartbeat would set off; until it is taken or refused."""
        news = Publications(place.kiosk(), self.shelves, self.log, retry_seconds=60)
        news.told(**{"configuration": 0, "calendar": 0} | {kind: serial})
        await news._taken(kind, self.shelves[kind])

    async def take_and_start(self, place: Place, kind: str, serial: int) -> None:
        """And begin anew with it."""
        await self.take(place, kind, serial)
        take_next(self.config)

    def said(self) -> list[tuple[EventId, object]]:
        return [(event, fields.get("reason")) for event, fields in self.log.events]


@pytest.fixture
def machine(pki: Path, tmp_path: Path, place: Place) -> Machine:
    config = tmp_path / "kiosk.toml"
    shutil.copy(CONFIG / "shibukawa.toml", tmp_path)
    text = (CONFIG / "kiosk.toml").read_text(encoding="utf-8")
    for key, value in {
        "messages": str(CONFIG / "messages"),
        "publication_keys": str(pki / "publication" / "public.json"),
        "publication_folder": str(tmp_path / "published"),
        "audience": place.server.audience,
    }.items():
        lines = [
            line if not line.startswith(f"{key} =") else f'{key} = "{value}"' for line in text.splitlines()
        ]
        text = "\n".join(lines)
    config.write_text(text, encoding="utf-8")
    return Machine(config)


async def test_a_signed_configuration_is_kept_and_used_from_the_next_start_on(
    place: Place, machine: Machine
) -> None:
    assert "06:30" == f"{machine.settings.hours.opens:%H:%M}"
    await place.server.publish("configuration", {"profile": LATER})
    await machine.take(place, "configuration", 1)
    assert (1, [(EventId.PUBLICATION_TAKEN, None)]) == (machine.starts, machine.said())

    machine = machine.again()
    assert ("08:15", 1) == (
        f"{machine.settings.hours.opens:%H:%M}",
        machine.shelves["configuration"].serial(),
    )
    await place.server.publish("configuration", {"profile": PROFILE})
    await machine.take(place, "configuration", 2)
    assert "06:30" == f"{machine.again().settings.hours.opens:%H:%M}"


async def test_until_the_next_start_every_process_reads_the_configuration_of_the_running_one(
    place: Place, machine: Machine
) -> None:
    """A worker that begins between the exchange and the start would draw what nobody has checked or paid."""
    await place.server.publish("configuration", {"profile": LATER})
    await machine.take(place, "configuration", 1)
    assert "06:30" == f"{load(machine.config).hours.opens:%H:%M}"
    assert 1 == machine.shelves["configuration"].serial()
    take_next(machine.config)
    take_next(machine.config)
    assert "08:15" == f"{load(machine.config).hours.opens:%H:%M}"


async def test_a_power_cut_while_the_next_configuration_is_exchanged_loses_none_of_the_two(
    place: Place, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await place.server.publish("configuration", {"profile": LATER})
    await machine.take_and_start(place, "configuration", 1)
    kept = machine.config.parent / "published/configuration.jws"
    before = kept.read_bytes()
    await place.server.publish("configuration", {"profile": PROFILE})
    await machine.again().take(place, "configuration", 2)
    with monkeypatch.context() as cut:
        cut.setattr(Path, "replace", _no_space)
        take_next(machine.config)
    assert before == kept.read_bytes()
    again = Machine(machine.config)
    assert ("08:15", 2) == (
        f"{again.settings.hours.opens:%H:%M}",
        again.shelves["configuration"].serial(),
    )
    assert "06:30" == f"{machine.again().settings.hours.opens:%H:%M}"
    assert before == kept.with_suffix(".former.jws").read_bytes()


def _no_space(_self: Path, _target: Path) -> Path:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def open_machine(place: Place, machine: Machine) -> Iterator[Machine]:
    """In a folder that every user may enter."""
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        folder.chmod(0o755)
        keys = place.pki / "publication" / "public.json"
        shutil.copy(keys, folder)
        shutil.copy(CONFIG / "shibukawa.toml", folder)
        text = machine.config.read_text(encoding="utf-8").replace(str(keys), keys.name)
        text = text.replace(str(machine.config.parent / "published"), "published")
        (folder / "kiosk.toml").write_text(text, encoding="utf-8")
        yield Machine(folder / "kiosk.toml")


def _as_a_stranger(config: Path, start: Callable[[Path], Settings] = load) -> str:
    """What a process of another user, as worker and console are, reads of the hours; or its error."""
    reads, writes = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            said = f"{start(config).hours.opens:%H:%M}"
        except Exception as error:  # noqa: BLE001 - the test compares it
            said = f"{type(error).__name__}: {error}"
        os.write(writes, said.encode())
        os._exit(0)
    os.close(writes)
    os.waitpid(child, 0)
    with os.fdopen(reads, encoding="utf-8") as pipe:
        return pipe.read()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
async def test_worker_and_console_use_the_published_configuration_or_say_why_they_cannot(
    place: Place, open_machine: Machine
) -> None:
    """The units' umask leaves nothing to others; and the profile on the machine is no way out."""
    assert "06:30" == _as_a_stranger(open_machine.config)
    await place.server.publish("configuration", {"profile": LATER})
    umask = os.umask(0o077)
    try:
        await open_machine.take_and_start(place, "configuration", 1)
    finally:
        os.umask(umask)
    assert "08:15" == _as_a_stranger(open_machine.config)
    published = open_machine.config.with_name("published")
    published.chmod(0o700)
    for start in (load, checked_or_former):
        said = _as_a_stranger(open_machine.config, start)
        assert said.startswith(f"ConfigError: municipality.publication_folder: {published} cannot be read")


async def test_a_configuration_waits_for_the_end_of_the_visit(place: Place, machine: Machine) -> None:
    """The heartbeat's word sets it off; the machine is asked to begin anew once, when it rests."""
    await place.server.publish("configuration", {"profile": LATER})
    news = Publications(place.kiosk(), machine.shelves, machine.log, retry_seconds=60)
    task = asyncio.create_task(news.run())
    for _ in range(3):
        news.told(configuration=1, calendar=0)
    await machine.started.until(1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert 1 == machine.starts


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"profile": PROFILE.replace('opens = "06:30"', 'opens = "25:30"')}, "content"),
        ({"profile": PROFILE + "\n[city.more]\n"}, "content"),
        ({"profile": PROFILE.replace("yen = 300", "yen = 310")}, "content"),
        # No font has it: the form cannot be drawn, which a start finds out.
        ({"profile": PROFILE.replace("この印は黒色です。", "この印は\U0010fffdです。")}, "content"),
        ({"profile": "no TOML ="}, "content"),
        ({"profile": ""}, "claims"),
        ({"profile": PROFILE, "more": 1}, "claims"),
        ({}, "claims"),
    ],
)
async def test_a_configuration_that_the_check_refuses_leaves_the_old_one(
    place: Place, machine: Machine, content: dict[str, Any], reason: str
) -> None:
    await place.server.publish("configuration", {"profile": LATER})
    await machine.take(place, "configuration", 1)
    await place.server.publish("configuration", content)
    await machine.take(place, "configuration", 2)
    assert (EventId.PUBLICATION_REFUSED, reason) == machine.said()[-1]
    assert (1, "08:15") == (machine.starts, f"{machine.again().settings.hours.opens:%H:%M}")


def _unknown_key(token: str, _sign: Callable[..., str], tmp_path: Path) -> str:
    make_key(tmp_path / "stranger")
    stranger = PublicationKey.load(tmp_path / "stranger", "urn:municipality:10208")
    stranger._key_id = "publication-2"
    return stranger.sign("configuration", 2, {"profile": LATER}, NOON, "urn:kiosk:every")


def _stolen_name(token: str, _sign: Callable[..., str], tmp_path: Path) -> str:
    """Another key under the name of ours."""
    make_key(tmp_path / "stranger")
    stranger = PublicationKey.load(tmp_path / "stranger", "urn:municipality:10208")
    return stranger.sign("configuration", 2, {"profile": LATER}, NOON, "urn:kiosk:every")


def _altered(token: str, _sign: Callable[..., str], _path: Path) -> str:
    head, body, seal = token.split(".")
    return f"{head}.{body[:-4]}{'AAAA' if body[-4:] != 'AAAA' else 'BBBB'}.{seal}"


def _other_kiosk(token: str, sign: Callable[..., str], _path: Path) -> str:
    return sign("configuration", 2, {"profile": LATER}, NOON, "urn:kiosk:somewhere-else")


def _other_kind(token: str, sign: Callable[..., str], _path: Path) -> str:
    return sign("calendar", 2, {"closures": []}, NOON, "urn:kiosk:every")


def _older(token: str, sign: Callable[..., str], _path: Path) -> str:
    return sign("configuration", 1, {"profile": LATER}, NOON, "urn:kiosk:every")


def _unsigned(token: str, _sign: Callable[..., str], _path: Path) -> str:
    """By an algorithm that is none, with what was signed otherwise."""
    head = json.dumps({"alg": "none", "typ": "madoguchi-configuration+jwt", "kid": "publication-1"}).encode()
    _, body, seal = token.split(".")
    return f"{base64.urlsafe_b64encode(head).rstrip(b'=').decode()}.{body}.{seal}"


@pytest.mark.parametrize(
    ("forge", "reason"),
    [
        (_unknown_key, "key"),
        (_stolen_name, "signature"),
        (_altered, "signature"),
        (_other_kiosk, "other-kiosk"),
        (_other_kind, "form"),
        (_older, "older"),
        (_unsigned, "claims"),
    ],
)
async def test_what_is_forged_meant_for_others_or_older_is_refused_and_asked_for_once(
    place: Place, machine: Machine, tmp_path: Path, forge: Callable[..., str], reason: str
) -> None:
    await place.server.publish("configuration", {"profile": PROFILE.replace('"06:30"', '"07:00"')})
    await machine.take(place, "configuration", 1)
    await place.server.publish("configuration", {"profile": LATER})

    key = PublicationKey.load(place.pki / "publication", place.server.audience)

    def forged(body: bytes) -> bytes:
        answer = json.loads(body)
        return json.dumps(answer | {"signed": forge(answer["signed"], key.sign, tmp_path)}).encode()

    place.server.alter_next("/v1/publications/configuration", forged)
    await machine.take(place, "configuration", 2)
    assert (EventId.PUBLICATION_REFUSED, reason) == machine.said()[-1]
    assert "07:00" == f"{machine.again().settings.hours.opens:%H:%M}"


async def test_a_municipality_with_another_name_publishes_nothing_here(
    place: Place, machine: Machine
) -> None:
    key = PublicationKey.load(place.pki / "publication", "urn:municipality:99999")
    text = key.sign("configuration", 1, {"profile": LATER}, NOON, "urn:kiosk:every")
    await place.server.publish("configuration", {"profile": LATER})
    place.server.alter_next(
        "/v1/publications/configuration",
        lambda body: json.dumps(json.loads(body) | {"signed": text}).encode(),
    )
    await machine.take(place, "configuration", 1)
    assert (EventId.PUBLICATION_REFUSED, "issuer") == machine.said()[-1]


async def test_a_lost_line_changes_nothing_and_the_next_heartbeat_gets_it(
    place: Place, machine: Machine
) -> None:
    await place.server.publish("calendar", {"closures": [CLOSED]})
    for _ in range(500):
        place.server.drop_next("after", "/v1/publications/calendar")
    news = Publications(place.kiosk(patience=ONCE), machine.shelves, machine.log, retry_seconds=60)
    news.told(configuration=0, calendar=1)
    assert not await news._taken("calendar", machine.shelves["calendar"])
    place.server.forget_faults()
    assert await news._taken("calendar", machine.shelves["calendar"])
    assert [(EventId.PUBLICATION_TAKEN, None)] == machine.said()


async def test_a_calendar_shuts_the_kiosk_at_once_and_after_a_start_without_a_line(
    place: Place, machine: Machine
) -> None:
    levels = Watched()
    machine.clock.start(levels)
    await machine.clock.close()
    machine.clock.heard(NOON)
    assert ServiceHours.OPEN is levels.values[-1].hours
    await place.server.publish("calendar", {"closures": [CLOSED]})
    await machine.take(place, "calendar", 1)
    assert (ServiceHours.MAINTENANCE, (11, 23, 6, 30)) == (levels.values[-1].hours, levels.values[-1].reopens)

    again = machine.again()
    assert 1 == again.shelves["calendar"].serial()
    assert len(machine.settings.hours.closures) + 1 == len(again.clock.rule.closures)
    await place.server.publish("calendar", {"closures": []})
    await again.take(place, "calendar", 2)
    assert again.settings.hours == again.clock.rule
    assert 0 == machine.starts + again.starts


async def test_a_calendar_until_further_notice_shuts_the_kiosk_also_after_a_start(
    place: Place, machine: Machine
) -> None:
    """And another one opens it again."""
    further = {"begins": "2026-11-01T00:00:00+09:00", "ends": "9999-12-31T23:59:59Z"}
    await place.server.publish("calendar", {"closures": [further]})
    await machine.take(place, "calendar", 1)
    again = machine.again()
    levels = Watched()
    again.clock.start(levels)
    await again.clock.close()
    again.clock.heard(NOON)
    assert (ServiceHours.MAINTENANCE, None) == (levels.values[-1].hours, levels.values[-1].reopens)
    assert [(EventId.PUBLICATION_TAKEN, None), (EventId.CLOCK_TRUSTED, None)] == again.said()
    await place.server.publish("calendar", {"closures": []})
    await again.take(place, "calendar", 2)
    assert ServiceHours.OPEN is levels.values[-1].hours


async def test_a_calendar_that_cannot_be_used_is_neither_kept_nor_in_the_way_of_a_start(
    place: Place, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever goes wrong with it: the one before stays, and a kept one is fetched anew."""
    await place.server.publish("calendar", {"closures": [CLOSED]})
    await machine.take(place, "calendar", 1)
    shut = machine.clock.rule
    look = Clock._look

    def stumbles(clock: Clock) -> None:
        if len(clock.rule.closures) > len(machine.settings.hours.closures) + 1:
            raise OverflowError("date value out of range")
        look(clock)

    monkeypatch.setattr(Clock, "_look", stumbles)
    later = {"begins": "2027-11-22T00:00:00+09:00", "ends": "2027-11-23T00:00:00+09:00"}
    await place.server.publish("calendar", {"closures": [CLOSED, later]})
    await machine.take(place, "calendar", 2)
    assert (EventId.PUBLICATION_REFUSED, "closure") == machine.said()[-1]
    assert (shut, 1) == (machine.clock.rule, machine.shelves["calendar"].serial())
    assert 1 == machine.again().shelves["calendar"].serial()

    monkeypatch.setattr(Clock, "_look", look)
    await machine.again().take(place, "calendar", 2)
    monkeypatch.setattr(Clock, "_look", stumbles)
    again = machine.again()
    assert (EventId.PUBLICATION_REFUSED, "kept-file") == again.said()[-1]
    assert (0, machine.settings.hours) == (again.shelves["calendar"].serial(), again.clock.rule)


@pytest.mark.parametrize(
    "closure",
    [
        {"begins": CLOSED["ends"], "ends": CLOSED["begins"]},
        {"begins": "2026-11-22T00:00:00", "ends": "2026-11-23T00:00:00"},
        {"begins": "soon", "ends": "later"},
    ],
)
async def test_a_calendar_that_makes_no_sense_is_refused(
    place: Place, machine: Machine, closure: dict[str, str]
) -> None:
    await place.server.publish("calendar", {"closures": [closure]})
    await machine.take(place, "calendar", 1)
    assert EventId.PUBLICATION_REFUSED is machine.said()[-1][0]
    assert machine.settings.hours == machine.clock.rule


async def test_a_kept_configuration_that_was_touched_keeps_the_kiosk_from_starting(
    place: Place, machine: Machine
) -> None:
    await place.server.publish("configuration", {"profile": LATER})
    await machine.take_and_start(place, "configuration", 1)
    (kept,) = machine.config.parent.glob("published/*.jws")
    kept.write_text(kept.read_text(encoding="ascii").replace(".", ".A", 1), encoding="ascii")
    for start in (load, checked_or_former):
        with pytest.raises(ConfigError, match="expected a configuration signed by the municipality"):
            start(machine.config)


@pytest.mark.parametrize("harm", ["file", "keys"])
async def test_a_kept_configuration_that_is_good_no_more_gives_its_place_to_the_one_before(
    place: Place, machine: Machine, tmp_path: Path, harm: str
) -> None:
    """In the file, for the worker reads it too; it is told, and the municipality's newest taken again."""
    await place.server.publish("configuration", {"profile": LATER})
    await machine.take_and_start(place, "configuration", 1)
    await place.server.publish("configuration", {"profile": PROFILE.replace('"06:30"', '"07:00"')})
    await machine.take_and_start(place, "configuration", 2)
    kept = machine.config.parent / "published/configuration.jws"
    good = kept.read_text(encoding="ascii")
    if harm == "file":
        kept.write_text(good.replace(".", ".A", 1), encoding="ascii")
    else:
        make_key(tmp_path / "stranger")
        stranger = PublicationKey.load(tmp_path / "stranger", place.server.audience)
        kept.write_text(
            stranger.sign("configuration", 2, {"profile": PROFILE}, NOON, "urn:kiosk:every"), encoding="ascii"
        )
    with pytest.raises(ConfigError):
        checked(machine.config)
    assert 0 == main(["check-config", "--or-former", "--config", str(machine.config)])

    again = machine.again()
    assert ("08:15", 1) == (f"{again.settings.hours.opens:%H:%M}", again.shelves["configuration"].serial())
    assert (EventId.PUBLICATION_REFUSED, "kept-file") == again.said()[-1]
    await again.take_and_start(place, "configuration", 2)
    assert good == kept.read_text(encoding="ascii")
    last = again.again()
    assert ("07:00", (EventId.PUBLICATION_TAKEN, None)) == (
        f"{last.settings.hours.opens:%H:%M}",
        last.said()[-1],
    )


async def test_a_start_that_the_former_configuration_would_not_save_changes_no_file(
    place: Place, machine: Machine
) -> None:
    for serial, profile in ((1, LATER), (2, PROFILE)):
        await place.server.publish("configuration", {"profile": profile})
        await machine.take_and_start(place, "configuration", serial)
    before = {file.name: file.read_bytes() for file in machine.config.parent.glob("published/*")}
    text = machine.config.read_text(encoding="utf-8")
    machine.config.write_text(text.replace(str(CONFIG / "messages"), "nowhere"), encoding="utf-8")
    with pytest.raises(ConfigError, match="nowhere"):
        checked_or_former(machine.config)
    assert before == {file.name: file.read_bytes() for file in machine.config.parent.glob("published/*")}
    assert {"configuration.jws", "configuration.former.jws"} == set(before)


async def test_a_kept_calendar_that_was_touched_is_fetched_anew(place: Place, machine: Machine) -> None:
    await place.server.publish("calendar", {"closures": [CLOSED]})
    await machine.take(place, "calendar", 1)
    (kept,) = machine.config.parent.glob("published/*.jws")
    kept.write_text("x", encoding="ascii")
    again = machine.again()
    assert (0, (EventId.PUBLICATION_REFUSED, "kept-file")) == (
        again.shelves["calendar"].serial(),
        again.said()[-1],
    )
    await again.take(place, "calendar", 1)
    assert 1 == again.shelves["calendar"].serial()


async def test_a_full_disk_leaves_what_was_in_use(
    place: Place, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    await place.server.publish("calendar", {"closures": [CLOSED]})
    with monkeypatch.context() as patched:
        patched.setattr("firmware.whole_file.os.fsync", full)
        await machine.take(place, "calendar", 1)
    assert (EventId.PUBLICATION_REFUSED, "not-written") == machine.said()[-1]
    assert machine.settings.hours == machine.clock.rule
    await machine.take(place, "calendar", 1)
    assert machine.settings.hours != machine.clock.rule


def test_a_kiosk_without_keys_takes_nothing(machine: Machine) -> None:
    text = machine.config.read_text(encoding="utf-8")
    lines = [
        'publication_keys = ""' if line.startswith("publication_keys =") else line
        for line in text.splitlines()
    ]
    machine.config.write_text("\n".join(lines), encoding="utf-8")
    assert {} == machine.again().shelves


def test_a_calendar_of_whole_days_covers_them_to_midnight() -> None:
    day = NOON.date()
    city = msgspec.structs.replace(load_city(), closures=(Closure(day, day + timedelta(days=1)),))
    whole = {"begins": "2026-11-22T00:00:00+09:00", "ends": "2026-11-24T00:00:00+09:00"}
    assert [whole] == calendar_of(city)["closures"]
