"""A resident at the kiosk: knows what to do on each screen, and times it."""

import asyncio
import contextlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, cast

from tests.simulators.bench.world_api import Key, WorldRefusal
from tests.simulators.eyes import Picture
from tests.simulators.world import World

Kind = Literal["juminhyo", "inkan", "shotoku"]
KIND_DIGITS: dict[Kind, Literal["1", "2", "3"]] = {"juminhyo": "1", "inkan": "2", "shotoku": "3"}

_NO_DOT_SECONDS = 10.0
"""However patient, a person presses again after this."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A step of the visit and the milliseconds since the step before it."""

    step: str
    milliseconds: float


@dataclass(slots=True)
class Resident:
    """Makes visits in a world. card and pin: of an invented person. timeline: of the last visit.

    gives_up: a visit that ends without a certificate raises WorldRefusal instead of being waited for.
    patience: how many times longer than usual everything may take.
    """

    world: World
    card: str = "shiken_taro"
    pin: str = "1234"
    gives_up: bool = False
    patience: float = 1.0
    timeline: list[Moment] = field(default_factory=list)
    _last: float = 0.0

    async def visit(
        self,
        kind: Kind,
        *,
        copies: int = 1,
        coins: Sequence[int] | None = None,
        household: bool = True,
        members: str = "",
    ) -> None:
        """One whole visit that ends with everything taken. Raises TimeoutError where it gets stuck."""
        await self.until_choice()
        await self.choose(kind, copies=copies, household=household, members=members)
        await self.pay(coins if coins is not None else (100,) * (3 * copies))
        await self.take_everything()

    async def until_choice(self) -> None:
        """From the start screen to the list of certificates."""
        self.timeline.clear()
        self._last = time.perf_counter()
        await self.sees("idle", seconds=40.0)
        await self.world.press("confirm")
        await self.sees("notice")
        await self.world.press("confirm")
        await self.sees("present_card")
        await self.world.insert_card(self.card)
        await self.sees("pin")
        await self.type_pin(self.pin)
        await self.sees("take_card")
        await self.world.remove_card()
        await self.sees("choose_kind")

    async def type_pin(self, pin: str) -> None:
        """Type it like a person and confirm it."""
        await self._type_watching(pin)
        await self.world.press("confirm")

    async def choose(self, kind: Kind, *, copies: int = 1, household: bool = True, members: str = "") -> None:
        """From the list of certificates to the coin slot.

        members: keys of single members of the household. Raises WorldRefusal if they cannot be chosen.
        """
        await self.world.press(KIND_DIGITS[kind])
        picture = await self.sees("choose_subjects", "choose_items", "choose_copies")
        if picture["screen"] == "choose_subjects":
            await self.world.press(("2" if household else "1") if not members else "3")
            if members:
                await self._choose_members(members)
            picture = await self.sees("choose_items")
        elif members:
            raise WorldRefusal("single members of this household cannot be chosen")
        if picture["screen"] == "choose_items":
            await self._type("12")
            await self.world.press("confirm")
            await self.sees("choose_copies")
        await self._type(str(copies))
        await self.sees("confirm")
        await self.world.press("confirm")
        await self.sees("coins")

    async def _choose_members(self, keys: str) -> None:
        """Press each key and see it take effect."""
        picture = await self.sees("choose_members")
        for key in keys:
            if key not in [choice["key"] for choice in picture["choices"]]:
                raise WorldRefusal(f"no member has the key {key}")
            await self.world.press(cast("Key", key))
            before = picture["choices"]
            picture = await self._sees_other_choices(before)
        await self.world.press("confirm")

    async def _sees_other_choices(self, before: object) -> Picture:
        return await self.world.eyes.until(lambda now: now["choices"] != before, 20.0 * self.patience)

    async def pay(self, coins: Iterable[int]) -> None:
        """Throw the coins in and confirm."""
        await self.drop(coins)
        await self.world.eyes.until(
            lambda picture: bool(picture["keys"]["confirm"]["enabled"]), 20.0 * self.patience
        )
        self._note("paid")
        await self.world.press("confirm")

    async def drop(self, coins: Iterable[int]) -> int:
        """Throw coins one after the other, each when the one before is counted; yen taken."""
        paid_yen = self._paid(self.world.eyes.now)
        await self._slot_opens()
        for yen in coins:
            if not await self.world.drop_coin(yen):
                break
            paid_yen += yen
            await self._sees_paid(paid_yen)
        return paid_yen

    async def take_everything(self) -> None:
        """Wait for the print, take sheets, change and receipt, and leave."""
        await self.sees("printing", "paying_out", "take_all", "thanks")
        await self.sees("take_all", "thanks", seconds=60.0)
        await self.world.take_paper()
        await self.world.take_change()
        await self.world.take_receipt()
        await self.sees("thanks")
        await self.world.press("confirm")
        await self.sees("idle")

    async def sees(self, *screens: str, seconds: float = 20.0) -> Picture:
        """Wait for one of the screens and note when it came."""
        looked_for = (*screens, "ended") if self.gives_up else screens
        picture = await self.world.eyes.until_screen(*looked_for, seconds=seconds * self.patience)
        if picture["screen"] not in screens:
            raise WorldRefusal(f"expected {' or '.join(screens)}, but the visit ended: {picture['headline']}")
        self._note(picture["screen"])
        return picture

    async def _sees_paid(self, yen: int) -> None:
        await self.world.eyes.until(lambda picture: self._paid(picture) >= yen, 20.0 * self.patience)

    async def _slot_opens(self) -> None:
        """The slot opens a moment after the screen asks for coins; a person tries again."""
        async with asyncio.timeout(20.0 * self.patience):
            while not await self.world.slot_is_open():  # noqa: ASYNC110 - a slot tells nobody
                await asyncio.sleep(0.01)

    async def _type(self, keys: str) -> None:
        for key in keys:
            await self.world.press(cast("Key", key))

    async def _type_watching(self, digits: str) -> None:
        """A keypad that the machine has starved misses a press; who sees no dot presses again."""
        for typed, digit in enumerate(digits, start=1):
            await self._type_until(cast("Key", digit), typed)

    async def _type_until(self, digit: Key, typed: int) -> None:
        async with asyncio.timeout(20.0 * self.patience):
            while True:
                await self.world.press(digit)
                with contextlib.suppress(TimeoutError):
                    await self.world.eyes.until(
                        lambda now: (now["pin_digits"] or 0) >= typed,
                        min(2.0 * self.patience, _NO_DOT_SECONDS),
                    )
                    return

    def _paid(self, picture: Picture | None) -> int:
        money = None if picture is None else picture.get("money")
        return 0 if money is None else int(money["paid"])

    def _note(self, step: str) -> None:
        now = time.perf_counter()
        self.timeline.append(Moment(step, (now - self._last) * 1000))
        self._last = now
