"""One order opens one session; session, lockout and maintenance outlive a restart."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from firmware.core import records as r
from firmware.core.facts import Level, MaintenanceLevel
from firmware.core.lockout import LockoutRule
from firmware.core.maintenance import Maintenance, MaintenanceOrder, after
from firmware.core.terms import Role
from firmware.errors import OfficeRefused, OrderInvalid
from firmware.logbook import EventId, FieldValue
from firmware.shell.maintenance import LoggedIn, MaintenanceWatch

NOON = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)
RULE = LockoutRule(((2, 60.0), (3, 900.0)), 3600.0)


@dataclass
class Bench:
    """A watch over a journal that outlives it."""

    journal: list[tuple[datetime, r.Record]] = field(default_factory=list)
    levels: list[Level] = field(default_factory=list)
    log: list[EventId] = field(default_factory=list)
    now: datetime = NOON
    seconds: float = 0.0
    trusted: bool = True
    watch: MaintenanceWatch = field(init=False)

    def start(self) -> "Bench":
        """The daemon starts."""
        state = Maintenance()
        for at, record in self.journal:
            state = after(state, record, at, RULE)
        self.watch = MaintenanceWatch(
            state=state,
            read_order=self.read,
            rule=RULE,
            log=self.write_event,
            now=lambda: self.now,
            trusted=lambda: self.trusted,
            monotonic=lambda: self.seconds,
        )
        self.watch.start(self.levels.append, self.write)
        return self

    async def restart(self) -> None:
        await self.watch.close()
        self.start()

    def write_event(self, event: EventId, /, **_: FieldValue) -> None:
        self.log.append(event)

    async def write(self, records: tuple[r.Record, ...]) -> None:
        await asyncio.sleep(0)
        self.journal += [(self.now, record) for record in records]

    def read(self, text: str, *, now: datetime | None, nonce: str) -> MaintenanceOrder:
        if not text.startswith("order-"):
            raise OrderInvalid("form")
        if now is None and not (nonce and text.endswith(nonce)):
            raise OrderInvalid("nonce")
        roles = (Role.LOOK, Role.CASH)
        ends = self.now + timedelta(hours=8)
        return MaintenanceOrder(text.split(maxsplit=1)[0], "tech-17", roles, self.now, ends)

    def records(self, kind: type[r.Record]) -> list[r.Record]:
        return [record for _, record in self.journal if isinstance(record, kind)]

    async def refused(self, text: str = "nonsense") -> str:
        with pytest.raises(OfficeRefused) as refused:
            await self.watch.login(text)
        return str(refused.value)

    def may(self, opened: LoggedIn, role: Role = Role.CASH) -> bool:
        try:
            self.watch.authorize(opened.token, role)
        except OfficeRefused:
            return False
        return True

    def age(self, **time: float) -> None:
        self.now += timedelta(**time)
        self.seconds += timedelta(**time).total_seconds()


@pytest.fixture
async def bench() -> Bench:
    return Bench().start()


async def test_an_order_allows_its_roles_and_no_other(bench: Bench) -> None:
    opened = await bench.watch.login("order-1")
    assert [True, True, False] == [bench.may(opened, role) for role in (Role.LOOK, Role.CASH, Role.SYSTEM)]
    assert not bench.may(LoggedIn(opened.token + "x", opened.order))
    assert not bench.may(LoggedIn("", opened.order))
    assert opened.token not in repr(bench.journal)


async def test_a_session_outlives_the_daemon_and_a_lost_line(bench: Bench) -> None:
    """The daemon starts anew: the console goes on. The line is lost: the same order goes on, alone."""
    first = await bench.watch.login("order-1")
    await bench.restart()
    assert bench.may(first)
    second = await bench.watch.login("order-1")
    assert (False, True) == (bench.may(first), bench.may(second))


@pytest.mark.parametrize("how", ["logout", "expiry", "another"])
async def test_an_order_opens_no_second_session(bench: Bench, how: str) -> None:
    opened = await bench.watch.login("order-1")
    if how == "logout":
        await bench.watch.logout(opened.token)
    elif how == "expiry":
        bench.age(hours=9)
    else:
        await bench.watch.login("order-2")
    assert not bench.may(opened)
    await bench.restart()
    if how != "expiry":  # an expired one is refused when it is read
        assert "no maintenance order: spent" == await bench.refused("order-1")
    assert not bench.may(opened)


async def test_a_session_ends_by_its_length_when_nobody_knows_the_time(bench: Bench) -> None:
    bench.trusted = False
    nonce = bench.watch.nonce()
    assert "no maintenance order: nonce" == await bench.refused("order-1")
    opened = await bench.watch.login(f"order-1 {nonce}")
    assert nonce != bench.watch.nonce(), "a nonce is good for one order"
    bench.seconds += 8 * 3600 - 1
    assert bench.may(opened)
    bench.seconds += 1
    assert not bench.may(opened)


async def test_a_lost_line_costs_no_order_when_nobody_knows_the_time_and_gives_no_time_either(
    bench: Bench,
) -> None:
    bench.trusted = False
    text = f"order-1 {bench.watch.nonce()}"
    await bench.watch.login(text)
    bench.seconds += 5 * 3600
    again = await bench.watch.login(text)
    assert bench.may(again)
    assert "no maintenance order: nonce" == await bench.refused(text.replace("order-1", "order-2"))
    bench.seconds += 3 * 3600
    assert not bench.may(again), "it began anew"
    assert "no maintenance order: nonce" == await bench.refused(text)


@pytest.mark.parametrize("jump", [timedelta(hours=-5), timedelta(days=-400), timedelta(hours=7)])
async def test_a_clock_that_jumps_makes_no_session_longer(bench: Bench, jump: timedelta) -> None:
    opened = await bench.watch.login("order-1")
    bench.now += jump
    bench.seconds += 8 * 3600 - 1
    assert bench.may(opened)
    bench.seconds += 1
    assert not bench.may(opened)


async def test_refused_orders_make_it_wait_also_after_a_restart_and_are_not_counted_while_it_does(
    bench: Bench,
) -> None:
    await bench.refused()
    await bench.refused()
    for _ in range(50):
        assert (await bench.refused("order-1")).startswith("too many refused orders")
    await bench.restart()
    assert (await bench.refused("order-1")).startswith("too many refused orders")
    assert 2 == len(bench.records(r.MaintenanceRefused))
    bench.age(seconds=60)
    await bench.refused()
    bench.age(seconds=899)
    assert (await bench.refused("order-1")).startswith("too many refused orders")
    bench.age(seconds=1)
    await bench.watch.login("order-1")
    await bench.refused()
    await bench.watch.login("order-1"), "a good order ends the row"


async def test_maintenance_stays_on_over_a_restart_and_is_told_once(bench: Bench) -> None:
    await bench.watch.switch(on=True, by="uid:0")
    await bench.watch.switch(on=True, by="uid:0")
    assert [MaintenanceLevel(on=True)] == bench.levels
    await bench.restart()
    assert [MaintenanceLevel(on=True)] * 2 == bench.levels
    await bench.watch.switch(on=False, by="uid:0")
    assert MaintenanceLevel(on=False) == bench.levels[-1]
    assert [EventId.MAINTENANCE_BEGAN, EventId.MAINTENANCE_BEGAN, EventId.MAINTENANCE_ENDED] == bench.log


async def test_a_plan_begins_and_ends_by_the_clock(bench: Bench) -> None:
    await bench.watch.schedule(NOON + timedelta(hours=1), NOON + timedelta(hours=2), "uid:0")
    seen = []
    for minutes in (0, 59, 1, 59, 1):
        bench.age(minutes=minutes)
        seen.append(bench.watch.on)
    assert [False, False, True, True, False] == seen
    assert bench.watch.plan is None


async def test_a_plan_that_ends_during_a_test_lets_nobody_in_before_its_end(bench: Bench) -> None:
    await bench.watch.schedule(NOON - timedelta(hours=1), NOON + timedelta(hours=1), "order:a")
    with bench.watch.kept_on():
        bench.age(hours=2)
        seen = [bench.watch.on]
    assert [True, False] == [*seen, bench.watch.on]
    assert [MaintenanceLevel(on=True), MaintenanceLevel(on=False)] == bench.levels


async def test_the_end_of_a_test_is_reported_though_maintenance_goes_on(bench: Bench) -> None:
    """Nothing else may move then, and the slot that the test opened is to be written down as shut."""
    await bench.watch.switch(on=True, by="uid:0")
    on = MaintenanceLevel(on=True)
    with bench.watch.kept_on():
        assert ([on], True) == (bench.levels, bench.watch.testing)
    assert ([on, on], False) == (bench.levels, bench.watch.testing)
    assert [EventId.MAINTENANCE_BEGAN] == bench.log


async def test_a_command_from_afar_that_was_refused_is_known_as_that_after_a_restart(bench: Bench) -> None:
    await bench.watch.command("command-1", "municipality", "reboot")
    await bench.watch.command("command-2", "municipality", "reboot")
    await bench.watch.refuse("command-1")
    for _ in range(2):
        assert [True, True] == [bench.watch.given(one) for one in ("command-1", "command-2")]
        assert [True, False] == [bench.watch.undone(one) for one in ("command-1", "command-2")]
        await bench.restart()


async def test_switching_off_ends_a_running_plan_and_leaves_a_later_one(bench: Bench) -> None:
    await bench.watch.schedule(NOON, NOON + timedelta(hours=2), "uid:0")
    await bench.watch.switch(on=False, by="uid:0")
    assert (False, None) == (bench.watch.on, bench.watch.plan)
    await bench.watch.schedule(NOON + timedelta(hours=1), NOON + timedelta(hours=2), "uid:0")
    await bench.watch.switch(on=False, by="uid:0")
    assert bench.watch.plan is not None


@pytest.mark.parametrize("hours", [(2, 1), (1, 1), (-3, -1), (1, 24 * 8)])
async def test_a_plan_that_is_none_is_refused(bench: Bench, hours: tuple[int, int]) -> None:
    begins, ends = (NOON + timedelta(hours=one) for one in hours)
    with pytest.raises(OfficeRefused):
        await bench.watch.schedule(begins, ends, "uid:0")
    assert [] == bench.records(r.MaintenancePlanned)


async def test_a_kiosk_that_is_to_be_erased_stays_closed_whatever_an_update_or_the_switch_says() -> None:
    bench = Bench().start()
    bench.watch.retire(True)
    bench.watch.hold(True)
    bench.watch.hold(False)
    await bench.watch.switch(on=False, by="uid:0")
    assert bench.watch.on
    assert [MaintenanceLevel(on=True)] == bench.levels
    bench.watch.retire(False)
    assert [MaintenanceLevel(on=True), MaintenanceLevel(on=False)] == bench.levels
    await bench.watch.close()
