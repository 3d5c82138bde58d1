"""Who may do what at the console: an order's roles, the journal first, and nobody by chance."""

import json
import os
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from firmware.compose.technician import TechnicianDesk
from firmware.console import wire as w
from firmware.console.roles import role_of
from firmware.core.maintenance import OpenSession
from firmware.core.terms import Role
from firmware.core.wording import Sentence, told
from firmware.errors import ConsoleError, MunicipalityDown, OfficeRefused
from firmware.logbook import EventId, FieldValue
from firmware.settings import load
from firmware.shell.event_ring import Event
from firmware.shell.old_log import read_old_log

CONFIG = Path(__file__).resolve().parents[2] / "config" / "kiosk.toml"
NOW = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)
ME = f"uid:{os.getuid()}"


@dataclass
class Bench:
    """A desk whose books and maintenance note what reaches them, in one story."""

    order_always: bool = False
    roles: tuple[Role, ...] = (Role.LOOK, Role.CASH)
    rests: bool = True
    log_command: tuple[str, ...] = ("false",)
    kept: list[Event] = field(default_factory=list)
    story: list[str] = field(default_factory=list)
    on: bool = False
    busy: bool = False
    config: Path = CONFIG

    @property
    def desk(self) -> TechnicianDesk:
        settings = load(CONFIG)
        console = msgspec.structs.replace(settings.file.console, order_always=self.order_always)
        me = cast("Any", self)
        console = msgspec.structs.replace(console, log_command=list(self.log_command))
        return TechnicianDesk(
            settings=replace(settings, file=msgspec.structs.replace(settings.file, console=console)),
            config=self.config,
            office=me,
            runner=me,
            maintenance=me,
            fitness=me,
            ring=me,
            outlook=me,
            metrics=lambda: "",
            books=self.books,
            restart=lambda: self.story.append("restart"),
            log=self.write,
            now=lambda: NOW,
            updates=me,
            last_wish=me,
        )

    def behind(self, _number: int, events: list[str]) -> list[Event]:
        return [one for one in self.kept if not events or one.said["event"] in events]

    def write(self, event: EventId, /, **_: FieldValue) -> None: ...

    async def books(self, request: w.BookRequest, by: str) -> Sentence:
        self.story.append(f"{type(request).__name__} by {by}")
        return told("no entries")

    def authorize(self, token: str, role: Role) -> OpenSession:
        if token != "good" or role not in self.roles:
            raise OfficeRefused("no")
        return OpenSession("order-0001", "tech-17", self.roles, NOW + timedelta(hours=1), "00")

    async def command(self, order_id: str, by: str, command: str) -> None:
        self.story.append(f"journal {order_id} {by} {command}")

    async def switch(self, *, on: bool, by: str) -> None:
        self.story.append(f"switch {on} by {by}")

    async def ask(self, what: str) -> None:
        self.story.append(f"asks {what}")

    def resting(self) -> bool:
        return self.rests

    async def schedule(self, *_: object) -> None:
        self.story.append("schedule")

    async def forget_plan(self, by: str) -> None:
        self.story.append(f"forget by {by}")


async def refused(bench: Bench, request: w.AnyRequest, who: str = ME) -> str:
    with pytest.raises(OfficeRefused) as no:
        await bench.desk.act(request, who)
    return str(no.value)


async def test_a_command_is_in_the_journal_before_it_is_carried_out() -> None:
    bench = Bench()
    await bench.desk.act(w.Refill(3, 50, session="good"), "uid:4711")
    assert ["journal order-0001 tech-17 refill", "Refill by order:order-0001"] == bench.story


async def test_a_role_that_the_order_does_not_have_reaches_nothing() -> None:
    bench = Bench()
    await refused(bench, w.CloseDay(session="good"))
    await refused(bench, w.Reboot(session="good"))
    await refused(bench, w.Refill(3, 50, session="guessed"))
    assert [] == bench.story


@pytest.mark.parametrize(
    ("order_always", "who", "may"),
    [
        (False, ME, True),
        (False, "uid:0", True),
        (False, "uid:4711", False),
        (True, ME, False),
        (True, "uid:0", False),
    ],
)
async def test_without_an_order_only_the_machines_own_users_and_only_if_the_configuration_lets_them(
    order_always: bool, who: str, may: bool
) -> None:
    bench = Bench(order_always=order_always)
    if may:
        await bench.desk.act(w.Refill(3, 50), who)
        assert [f"Refill by {who}"] == bench.story
    else:
        assert "log in with a maintenance order first" == await refused(bench, w.Refill(3, 50), who)
        assert [] == bench.story


@pytest.mark.parametrize(
    "request_",
    [
        w.SwitchMaintenance(on=False),
        w.PlanMaintenance(None, None),
        w.PlanMaintenance("2026-12-01T02:00", "2026-12-01T04:00"),
    ],
)
async def test_nothing_puts_the_kiosk_in_service_while_a_device_is_tested(request_: w.AnyRequest) -> None:
    bench = Bench(busy=True)
    assert "a test is running: say it again when it has ended" == await refused(bench, request_)
    assert len(bench.story) == 1, "it was done all the same"
    await Bench().desk.act(request_, ME)


async def test_what_changes_the_service_is_journaled_also_without_an_order() -> None:
    bench = Bench()
    await bench.desk.act(w.SwitchMaintenance(on=True), ME)
    assert [f"journal  {ME} maintenance on", f"switch True by {ME}"] == bench.story


async def test_a_configuration_that_the_start_would_refuse_is_told_before_it(tmp_path: Path) -> None:
    """A word that no font has shows only when the form is drawn; a reload would end every start."""
    text = CONFIG.read_text(encoding="utf-8").replace(
        'messages = "messages"', f'messages = "{CONFIG.with_name("messages")}"'
    )
    (tmp_path / "kiosk.toml").write_text(text, encoding="utf-8")
    profile = CONFIG.with_name("shibukawa.toml").read_text(encoding="utf-8")
    (tmp_path / "shibukawa.toml").write_text(
        profile.replace("この印は黒色です。", "この印は\U0010fffdです。"), encoding="utf-8"
    )
    bench = Bench(roles=tuple(Role), config=tmp_path / "kiosk.toml")
    for request in (w.CheckConfig(session="good"), w.ReloadConfig(session="good")):
        assert "the form of juminhyo cannot be drawn" in await refused(bench, request)
    assert "restart" not in bench.story


@pytest.mark.parametrize("request_", [w.Reboot(), w.ReloadConfig()])
async def test_nothing_ends_the_program_during_a_visit(request_: w.AnyRequest) -> None:
    bench = Bench(rests=False)
    assert (await refused(bench, request_)).startswith("a visit is under way")
    assert "restart" not in bench.story


async def test_a_kiosk_is_erased_by_an_order_of_the_role_system_alone_and_it_is_journaled_first() -> None:
    bench = Bench(roles=(Role.LOOK, Role.CASH, Role.SERVICE, Role.SETTLE))
    request = w.Decommission("urn:kiosk:demo-0001", session="good")
    await refused(bench, request)
    assert [] == bench.story
    bench = Bench(roles=(Role.SYSTEM,))
    said = await bench.desk.act(request, "uid:4711")
    assert (
        "urn:kiosk:demo-0001 is being erased: leave the machine on until it has switched itself off"
        == str(said)
    )
    assert ["journal order-0001 tech-17 decommission", "asks urn:kiosk:demo-0001"] == bench.story


async def test_a_plan_of_no_day_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="2026-13-45T99:99: no moment"):
        await Bench().desk.act(w.PlanMaintenance("2026-13-45T99:99", "2026-11-26T04:00"), ME)


# --- certificate renew ----------------------------------------------------------------------------


async def test_a_renewal_says_until_when_and_starts_nothing_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    async def renewed(_settings: object, _now: datetime) -> datetime:
        return NOW + timedelta(days=90)

    monkeypatch.setattr("firmware.compose.technician.renewed_now", renewed)
    bench = Bench(roles=(Role.SYSTEM,))
    said = await bench.desk.act(w.RenewCertificate(session="good"), "uid:4711")
    assert isinstance(said, w.Answer)
    assert "renewed, good until 2027-02-23 12:00; in use from the next heartbeat on" == said.text
    assert {"until": "2027-02-23T12:00:00+09:00"} == said.facts
    assert ["journal order-0001 tech-17 renew_certificate"] == bench.story


async def test_a_renewal_that_failed_is_refused_by_its_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    async def renewed(_settings: object, _now: datetime) -> datetime:
        raise MunicipalityDown("certificate: status 403")

    monkeypatch.setattr("firmware.compose.technician.renewed_now", renewed)
    why = await refused(Bench(), w.RenewCertificate())
    assert "not renewed, the old certificate stays in use: certificate: status 403" == why


async def test_no_certificate_is_renewed_during_a_visit(monkeypatch: pytest.MonkeyPatch) -> None:
    async def renewed(_settings: object, _now: datetime) -> datetime:
        raise AssertionError("a visit is under way")

    monkeypatch.setattr("firmware.compose.technician.renewed_now", renewed)
    assert (await refused(Bench(rests=False), w.RenewCertificate())).startswith("a visit is under way")


def logged(event: str, minute: int) -> dict[str, Any]:
    return {"time": f"2026-11-25T02:{minute:02}:00.000+00:00", "event": event}


OLD = [logged("printer-not-ready", 1), logged("door-opened-unordered", 2), logged("coin-accepted", 3)]


async def seen(bench: Bench, request: w.AskEvents) -> tuple[list[str], str]:
    answer = await bench.desk.act(request, ME)
    assert isinstance(answer, w.Answer)
    return [one["event"] for one in answer.facts["events"]], answer.text


async def test_the_log_from_before_the_last_start_is_found_by_event_and_by_the_screens_code(
    tmp_path: Path,
) -> None:
    log = tmp_path / "log"
    lines = [json.dumps(one) for one in OLD]
    log.write_text("\n".join(["systemd: Started.", *lines, "{", "[1]", '{"event": 1}']), encoding="utf-8")
    bench = Bench(log_command=("tac", str(log)), kept=[Event(1, OLD[2])])
    assert ["printer-not-ready", "door-opened-unordered", "coin-accepted"] == (
        await seen(bench, w.AskEvents())
    )[0]
    assert ["coin-accepted"] == (await seen(bench, w.AskEvents(last=1)))[0], "the kiosk remembers enough"
    assert (["door-opened-unordered"], True) == (
        (await seen(bench, w.AskEvents(event="D1")))[0],
        "11:02:00" in (await seen(bench, w.AskEvents(event="D1")))[1],
    )
    assert [] == (await seen(bench, w.AskEvents(event="card-reader-gone")))[0]
    with pytest.raises(ConsoleError, match="no event and no code of the screen: Z9"):
        await bench.desk.act(w.AskEvents(event="Z9"), ME)


@pytest.mark.parametrize("command", [("false",), ("/nowhere/journalctl",)])
async def test_a_log_that_cannot_be_read_costs_nothing_that_is_remembered(command: tuple[str, ...]) -> None:
    events, text = await seen(Bench(log_command=command, kept=[Event(1, OLD[2])]), w.AskEvents())
    assert (["coin-accepted"], True) == (events, "the older log cannot be read" in text)


async def test_a_log_that_is_silent_is_waited_for_only_so_long() -> None:
    with pytest.raises(OfficeRefused, match="the older log cannot be read: sleep"):
        await read_old_log(("sleep", "1000"), (), 5, seconds=0.05)


async def test_a_log_without_end_is_read_only_as_far_as_it_is_wanted() -> None:
    said = await read_old_log(("yes", json.dumps(OLD[0])), ("printer-not-ready",), 3)
    assert [OLD[0]] * 3 == said
    assert [] == await read_old_log(("yes", "x" * 70_000), (), 3)


async def test_a_hoppers_test_lets_a_coin_out_and_needs_the_role_for_coins() -> None:
    bench = Bench(roles=(Role.LOOK, Role.SERVICE))
    assert "no" == await refused(bench, w.TestPart(w.Part.HOPPER, session="good"))
    assert [] == bench.story
    assert Role.SERVICE is role_of(w.TestPart(w.Part.COIN))
