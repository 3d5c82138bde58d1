"""What a store does to a machine: plugs pulled, a disk that fills up, a clock that jumps, programs that hang.

Each is done to the emulated machine on its start screen or in a visit; afterwards it serves again.
"""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.appliance.store import BOOT_SECONDS, COINS, READER, RECEIPTS, SOON, Store
from tests.appliance.technician import reboots
from tests.e2e.books import Books, agreed_books
from tests.e2e.visitor import Visitor

UNPAID = frozenset(
    {"notice", "present_card", "pin", "take_card", "choose_kind", "choose_subjects", "choose_items"}
    | {"choose_copies", "confirm", "coins"}
)


HAND_SECONDS = 60.0
"""For what a hand does: a relay begun while the machine came up may never answer, the next one does."""

MOST_THROWS = 20
"""Of one coin."""


class Guest(Visitor):
    """A visitor of the emulated machine: patient, and ready to end whatever visit a shock has left."""

    @property
    def store(self) -> Store:
        assert isinstance(self.world, Store)
        return self.world

    async def whole_visit(self, *coins: int) -> None:
        """住民票 for the household, by touch; only the PIN is typed on the keypad."""
        await self.walk_to("coins")
        await self.pays(*coins)
        await self.sees("take_all", "thanks", seconds=60.0)
        await self.world.take_paper()
        await self.world.take_change()
        await self.world.take_receipt()
        await self.sees("thanks")
        await self.touch("confirm")
        await self.rests()

    async def drop(self, coins: Iterable[int]) -> int:
        """As a person: a coin that comes back, as from an acceptor that a starved machine has not asked in
        time, goes in again.
        """
        paid_yen = self._paid(self.world.eyes.now)
        for yen in coins:
            for _ in range(MOST_THROWS):
                await self._slot_opens()
                if await self.world.drop_coin(yen):
                    break
            else:
                raise TimeoutError(f"{yen} yen came back {MOST_THROWS} times")
            paid_yen += yen
            await self._sees_paid(paid_yen)
        return paid_yen

    async def until_idle(self, *, seconds: float = BOOT_SECONDS) -> None:
        """End what the screen shows, as a person or the staff would, until the start screen stands."""
        async with asyncio.timeout(seconds):
            while (screen := self._screen()) != "idle":
                with contextlib.suppress(OSError, RuntimeError, TimeoutError):
                    async with asyncio.timeout(SOON if screen == "attend" else HAND_SECONDS):
                        await self._end(screen)
                await asyncio.sleep(0.2)
        await self.world.remove_card()

    async def agree(self) -> Books:
        """Kiosk, coin machine, printer and municipality, who count for themselves, agree."""
        return await agreed_books(self.world, seconds=SOON)

    async def _end(self, screen: str) -> None:
        if screen in UNPAID:
            await self.world.remove_card()
            await self.world.eyes.touch("cancel")
            await self.world.eyes.until(lambda now: now["screen"] != screen, SOON)
        elif screen in {"stop", "go_on"}:
            await self.world.eyes.touch("confirm" if screen == "stop" else "cancel")
        elif screen == "staff_code":
            await self.world.eyes.touch("cancel")
        elif screen == "attend":
            await self._staff_decide()
        elif screen in {"take_all", "thanks", "ended", "out_of_service"}:
            await self.world.remove_card()
            await self.world.take_paper()
            await self.world.take_receipt()
            await self.world.take_change()
            if screen in {"thanks", "ended"}:
                await self.world.eyes.touch("confirm")
                # A second touch would begin the next visit.
                await self.world.eyes.until(lambda now: now["screen"] != screen, SOON)

    async def _staff_decide(self) -> None:
        """They open, look into the tray and say what lies there."""
        world, picture = self.world, self.world.eyes.now
        assert picture is not None
        await world.set_door(True)
        await world.eyes.until(lambda now: bool(now["keys"]["cancel"]["enabled"]), SOON)
        jobs = world.printer.jobs()
        printed = bool(jobs) and jobs[-1].pages_out >= picture["pages"]["total"]
        await world.press("confirm" if printed else "cancel")
        with contextlib.suppress(TimeoutError):
            await world.eyes.until(lambda now: now["screen"] != "attend", 10.0)
        await world.set_door(False)

    def _screen(self) -> str:
        picture = self.world.eyes.now
        return "" if picture is None else str(picture["screen"])


async def closed_meanwhile(
    guest: Guest, done: Coroutine[Any, Any, object], undone: Coroutine[Any, Any, object]
) -> None:
    """After the one nobody is served, after the other the next person is."""
    with contextlib.closing(undone):
        await done
        await guest.world.eyes.until_screen("out_of_service", seconds=SOON)
        await undone
    await guest.world.eyes.until_screen("idle", seconds=SOON)


async def reader_unplugged(guest: Guest) -> None:
    """No visit begins without a reader; one begins again when it is back."""
    await closed_meanwhile(guest, guest.store.unplug(READER), guest.store.plug(READER))


async def coins_unplugged_while_paying(guest: Guest) -> None:
    """The coin line is pulled with 100 yen paid: they are in the books, given back or owed, to the yen."""
    await guest.walk_to("coins")
    await guest.drop([100])
    await guest.store.unplug(COINS)
    await guest.world.eyes.until(lambda now: now["screen"] != "coins", SOON)
    await guest.store.plug(COINS)
    await guest.until_idle(seconds=2 * SOON)


async def pins_gone(guest: Guest) -> None:
    """The GPIO chip vanishes under the kiosk: it closes, lives on, and serves again when the chip is back."""
    store, process = guest.store, "systemctl show -p MainPID --value madoguchi"
    _, before = await store.shell(process)
    await store.shell("/usr/lib/rig/pull-out-board")
    await guest.world.eyes.until_screen("out_of_service", seconds=SOON)
    status, said = await store.shell("/usr/lib/rig/plug-in-board 2>&1")
    assert not status, said
    await guest.world.eyes.until_screen("idle", seconds=SOON)
    _, after = await store.shell(process)
    assert before == after


async def cable_pulled(guest: Guest) -> None:
    """Without the network nobody is served; the picture of it comes over the same cable, the log does not."""
    store = guest.store
    for state, plugged in (("NotServing", False), ("Idle", True)):
        entered = f'"state": "{state}"'
        times = len(re.findall(entered, store.said()))
        await store.machine.set_cable(plugged=plugged)
        await store.says(entered, seconds=SOON, times=times + 1)
    await guest.world.eyes.until_screen("idle", seconds=SOON)


async def clock_a_year_wrong(guest: Guest) -> None:
    """A clock that jumps a year keeps the kiosk closed until it agrees with the municipality's again."""
    shell = guest.store.shell
    await closed_meanwhile(guest, shell("date -s '+1 year'"), shell("date -s '-1 year'"))


async def disk_full(guest: Guest) -> None:
    """A data partition without room is noticed before anybody pays."""
    shell = guest.store.shell
    await closed_meanwhile(
        guest, shell("dd if=/dev/zero of=/data/filler bs=64k; sync"), shell("rm /data/filler; sync")
    )


async def disk_read_only(guest: Guest) -> None:
    """One that the kernel has made read-only, too."""
    shell = guest.store.shell
    await closed_meanwhile(
        guest,
        shell("mount -o remount,ro /data || echo u >/proc/sysrq-trigger"),
        shell("mount -o remount,rw /data"),
    )


async def plugged_in_late(guest: Guest) -> None:
    """Nothing with a serial line was there when the machine started; it serves once all is plugged in."""
    store = guest.store
    await store.kill_kiosk()
    store.lose_power()
    for socket in (COINS, RECEIPTS):
        await store.unplug(socket)
    await store.start_kiosk()
    await guest.world.eyes.until_screen("out_of_service", seconds=BOOT_SECONDS)
    _, loaded = await store.shell("ls /sys/class/tty | grep ttyUSB")
    assert not loaded, loaded
    for socket in (COINS, RECEIPTS):
        await store.plug(socket)
    await guest.world.eyes.until_screen("idle", seconds=SOON)


async def slot_said_late(guest: Guest) -> None:
    """Root cannot say which system runs, as the choice's partition has no name yet; it says it by itself."""
    shell, name, away = guest.store.shell, "/dev/disk/by-partlabel/madoguchi-choice", "/dev/choice"
    unnamed = f"systemctl stop madoguchi madoguchi-slot; mv {name} {away}; rm /run/madoguchi-update/state"
    again = f"{unnamed}; systemctl start --no-block madoguchi"
    await closed_meanwhile(guest, shell(again), shell(f"mv {away} {name}"))


async def technician_reboots(guest: Guest) -> None:
    """By an order for it, at rest."""
    await reboots(guest.store)
    await guest.world.eyes.until_screen("idle", seconds=BOOT_SECONDS)


async def daemon_hung(guest: Guest) -> None:
    """A kiosk that stands still is killed and begun anew by systemd's watchdog."""
    store = guest.store
    _, before = await store.shell("systemctl show -p MainPID --value madoguchi.service")
    await store.shell(f"kill -STOP {before.strip()}")
    await store.says("madoguchi.service: Watchdog timeout", seconds=SOON)
    await store.says(r"systemd\[1\]: Started madoguchi.service", times=2)
    await guest.world.eyes.until_screen("idle", seconds=BOOT_SECONDS)
    _, after = await store.shell("systemctl show -p MainPID --value madoguchi.service")
    assert before.strip() != after.strip()


async def machine_hung(guest: Guest) -> None:
    """A kernel that stands still is reset by the machine's watchdog, and starts."""
    store = guest.store
    bitten = store.machine.monitor.expect("WATCHDOG", action="reset")
    starts = r"systemd\[1\]: Started systemd-udevd"
    times = len(await store.says(starts))
    crashing = asyncio.create_task(store.shell("echo 0 >/proc/sys/kernel/panic; echo c >/proc/sysrq-trigger"))
    try:
        async with asyncio.timeout(SOON):
            await bitten
        await store.says(starts, times=times + 1)
    finally:
        crashing.cancel()
        await asyncio.gather(crashing, return_exceptions=True)


async def started_a_year_behind(guest: Guest) -> None:
    """A machine whose clock's battery was empty stays closed until its time is the municipality's."""
    store = guest.store
    await store.kill_kiosk()
    store.lose_power()
    store.clock = (datetime.now(UTC) - timedelta(days=365)).strftime("%Y-%m-%dT%H:%M:%S")
    await store.start_kiosk()
    store.clock = "utc"
    await guest.world.eyes.until_screen("out_of_service", seconds=BOOT_SECONDS)
    await store.says(r'"municipality-gone"|"clock-not-trusted"', seconds=SOON)
    screen = guest.world.eyes.now
    assert screen is not None
    assert screen["screen"] == "out_of_service"
    await store.shell(f"date -s @{int(datetime.now(UTC).timestamp())}")
    await guest.world.eyes.until_screen("idle", seconds=SOON)


Shock = Callable[[Guest], Awaitable[None]]

SHOCKS: Mapping[str, Shock] = {
    "reader-unplugged": reader_unplugged,
    "coins-unplugged-while-paying": coins_unplugged_while_paying,
    "pins-gone": pins_gone,
    "cable-pulled": cable_pulled,
    "clock-a-year-wrong": clock_a_year_wrong,
    "disk-full": disk_full,
    "disk-read-only": disk_read_only,
    "started-a-year-behind": started_a_year_behind,
    "plugged-in-late": plugged_in_late,
    "slot-said-late": slot_said_late,
    "technician-reboots": technician_reboots,
    "daemon-hung": daemon_hung,
    "machine-hung": machine_hung,
}
"""In the order in which one machine can bear them; the last one leaves it starting."""
