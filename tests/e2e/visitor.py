"""A resident in a hurry, who knows the way to every screen, and the kiosk that a test visits."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tests.e2e import hasty_kiosk
from tests.e2e.books import Books, agreed_books
from tests.e2e.clean_log import assert_log_is_clean
from tests.e2e.hasty_kiosk import FastClock
from tests.simulators.eyes import Picture
from tests.simulators.nursery import Nursery
from tests.simulators.resident import Resident
from tests.simulators.world import STAFF_CODE, World

QUICK: Mapping[str, Mapping[str, Any]] = {
    "coins": {"drain_seconds": 0.3, "poll_seconds": 0.1},
    "document_printer": {"poll_seconds": 0.2},
    "receipt_printer": {"poll_seconds": 0.2},
    "municipality": {"heartbeat_seconds": 0.5, "journal_copy_seconds": 1.0},
    "lockout": {"steps": []},  # its hazards have a module of their own
}

PATIENCE = 3.0
"""A limit is there to end a test that is stuck, not to fail one on a busy machine."""


@dataclass(slots=True)
class Visitor(Resident):
    """Touches the screen where a touch will do; only the PIN takes its time.

    pins: all that were ever typed.
    """

    pins: set[str] = field(default_factory=set)

    async def type_pin(self, pin: str) -> None:
        """Type it like a person and confirm it."""
        self.pins.add(pin)
        await self._type_watching(pin)
        await self.touch("confirm")

    async def type_by_keypad(self, pin: str) -> None:
        """Type it and confirm it without a touch."""
        self.pins.add(pin)
        await self._type_watching(pin)
        await self.world.press("confirm")

    async def type_staff_code(self, code: str = STAFF_CODE) -> None:
        """Type it like the store's staff and confirm it."""
        self.pins.add(code)
        await self._type_watching(code)
        await self.world.eyes.until(lambda now: bool(now["keys"]["confirm"]["enabled"]), 10.0 * self.patience)
        await self.touch("confirm")

    async def touch(self, action: str) -> None:
        """Touch the twin of a key on the picture that stands; again if it changed under the finger."""
        async with asyncio.timeout(10.0 * self.patience):
            while True:
                stands = self.world.eyes.now
                if await self.world.eyes.touch(action) != 409:
                    return
                await self._see_another(stands)

    async def stops(self) -> None:
        """取消, and yes where the screen asks whether to stop."""
        before = self.world.eyes.now
        await self.touch("cancel")
        now = await self.world.eyes.until(
            lambda picture: before is None or picture["screen"] != before["screen"], 10.0 * self.patience
        )
        if now["screen"] == "stop":
            await self.touch("confirm")

    async def _see_another(self, picture: Picture | None) -> None:
        await self.world.eyes.until(lambda now: now is not picture, 10.0 * self.patience)

    async def walk_to(self, screen: str, *, kind: str = "1", items: str = "", members: str = "") -> Picture:
        """From the start screen to this one, by the longest way (住民票, whole household, one copy).

        items: keys of those to choose that are not chosen yet. members: keys of single members, not of all.
        """
        world = self.world
        steps: list[tuple[str, Callable[[], Awaitable[None]]]] = [
            ("idle", lambda: self.touch("confirm")),
            ("notice", lambda: self.touch("confirm")),
            ("present_card", lambda: world.insert_card(self.card)),
            ("pin", lambda: self.type_pin(self.pin)),
            ("take_card", world.remove_card),
            ("choose_kind", lambda: self.touch(kind)),
        ]
        if kind == "1":
            steps += [
                ("choose_subjects", lambda: self.touch("3" if members else "2")),
                *(("choose_members", partial(self.touch, member)) for member in members),
                *((("choose_members", lambda: self.touch("confirm")),) if members else ()),
                *(("choose_items", partial(self.touch, item)) for item in items),
                ("choose_items", lambda: self.touch("confirm")),
            ]
        steps += [
            ("choose_copies", lambda: self.touch("1")),
            ("confirm", lambda: self.touch("confirm")),
        ]
        for name, act in steps:
            picture = await self.sees(name, seconds=40.0 if name == "idle" else 10.0)
            if name == screen:
                return picture
            await act()
        return await self.sees(screen)

    async def ends_with(self, reason: str, *, seconds: float = 20.0) -> Picture:
        """The visit ends without a certificate, for this reason."""
        picture = await self.sees("ended", seconds=seconds)
        assert reason == picture["reason"]
        return picture

    async def pays(self, *coins: int) -> None:
        """Throw the coins in and confirm."""
        await self.drop(coins)
        await self.world.eyes.until(
            lambda picture: bool(picture["keys"]["confirm"]["enabled"]), 10.0 * self.patience
        )
        await self.touch("confirm")

    async def pays_and_the_paper_jams(self, *coins: int, seconds: float = 60.0) -> Picture:
        """`walk_to`, these coins, and the first sheet, two pages, is out, the second one inside."""
        await self.walk_to("coins")
        await self.world.printer.set_fault("jam", after_sheets=1)
        await self.pays(*coins)
        return await self.world.eyes.until(
            lambda now: now["screen"] == "printing" and now["pages"]["out"] == 2, seconds
        )

    async def leave(self) -> int:
        """Take everything there is and go; the yen that came back."""
        await self.world.remove_card()
        await self.world.take_paper()
        await self.world.take_receipt()
        back_yen = await self.world.take_change()
        picture = self.world.eyes.now
        if picture is not None and picture["screen"] in {"ended", "thanks"}:
            await self.world.eyes.until(_nothing_left, 20.0 * self.patience)
            await self._say_goodbye()
        return back_yen

    async def _say_goodbye(self) -> None:
        """確定 while the last screen stands; on the start screen after it, it would begin another visit."""
        while (stands := self.world.eyes.now) is not None and stands["screen"] in {"ended", "thanks"}:
            if await self.world.eyes.touch("confirm") != 409:
                return
            await self._see_another(stands)

    async def heal(self) -> None:
        """Make everything well again that a test has spoilt."""
        world = self.world
        world.municipality.forget_faults()
        world.municipality.set_maintenance(False)
        world.coins.clear_faults()
        await world.set_network("ok")
        await world.set_printer_fault(None)
        await world.set_receipt_fault(None)
        await world.jam_hopper(False)
        await world.set_door(False)
        await world.cards_stand.set(self.card, tries_left=3)

    async def rests(self, *, seconds: float = 20.0) -> Picture:
        """The start screen again."""
        return await self.sees("idle", seconds=seconds)


@contextlib.asynccontextmanager
async def kiosk(
    *,
    timeouts: Mapping[str, float] | None = None,
    overrides: Mapping[str, Mapping[str, Any]] | None = None,
    hours: tuple[str, str] = ("00:00", "24:00"),
    hopper_coins: int = 50,
    page_ms: int = 10,
    pulse_acceptor: bool = False,
    nursery: Nursery | None = None,
    module: str = "firmware.__main__",
    directory: Path | None = None,
    database: str | None = None,
    municipality: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    clock: FastClock | None = None,
) -> AsyncIterator[Visitor]:
    """A kiosk in its world and a visitor before it; at the end everything is held against everything.

    directory: of the world. database: of the municipality, by default a file there. timeouts, overrides: of
    kiosk.toml. municipality: more of its. environment: more of the kiosk's. clock: of both, in place of the
    machine's and of module.
    The test must end every visit it begins.
    """
    changes = {section: dict(keys) for section, keys in QUICK.items()}
    for section, keys in {"timeouts": timeouts or {}, **(overrides or {})}.items():
        changes.setdefault(section, {}).update(keys)
    if clock is not None:
        module, municipality = hasty_kiosk.__name__, {"now": clock.now, **(municipality or {})}
    world = World(
        directory=directory,
        overrides=changes,
        hours=hours,
        hopper_coins=hopper_coins,
        page_ms=page_ms,
        pulse_acceptor=pulse_acceptor,
        database=database,
        nursery=nursery,
        module=module,
        municipality=municipality,
        environment=environment,
    )
    if clock is not None:
        clock.write(world.directory)
    async with world:
        visitor = Visitor(world, patience=PATIENCE)
        try:
            yield visitor
            await settled(visitor)
        except BaseException as error:
            error.add_note(_said_last(world))
            raise


async def settled(visitor: Visitor) -> Books:
    """Books agree, the log is clean, and the daemon goes when asked. Ends the kiosk."""
    world = visitor.world
    books = await agreed_books(world)
    if world.kiosk is not None:
        assert 0 == await world.stop_kiosk(), world.last_words()
    assert_log_is_clean(world, visitor.pins)
    assert not world.receipts.complaints
    return books


def _nothing_left(picture: Picture) -> bool:
    """The kiosk has seen that card, paper and coins were taken."""
    return picture["screen"] not in {"ended", "take_all"} or picture["place"] is None


def _said_last(world: World) -> str:
    """The newest first: a report that is cut keeps what matters."""
    lines = world.log.read_text(encoding="utf-8").splitlines()[-40:]
    return "\n".join(["the kiosk said, the newest first:", *reversed(lines)])
