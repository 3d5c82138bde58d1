"""One visit, timed step by step from each stimulus to what follows it."""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

from tests.figures.rows import MeasureError
from tests.figures.timed_eyes import Stimulus, TimedEyes, Wanted
from tests.simulators.bench.world_api import Key
from tests.simulators.eyes import Picture
from tests.simulators.world import World

COIN_YEN = 500
LOG_SECONDS = 10.0

LOGGED_STEPS = (
    ("card-seen", "card-laid-down", "ReadingCard"),
    ("card-read", "ReadingCard", "OpeningSession"),
    ("session-opened", "OpeningSession", "EnteringPin"),
    ("slot-shut", "ClosingCoins", "Committing"),
    ("released", "Committing", "Printing"),
    ("document-handed-over", "Printing", "print-submitted"),
    ("print-queue-and-printer", "print-submitted", "last-sheet"),
    ("print-proven", "last-sheet", "print-ended"),
    ("change-paid", "print-ended", "PrintingSlip"),
    ("receipt-printed", "PrintingSlip", "TakingAll"),
)
"""Steps nobody outside can see: name, and from which to which moment of the kiosk's log."""

APART: Mapping[str, str] = {
    "card-to-pin": "card-seen, card-read and session-opened together",
    "card-seen": "pcscd seeing a card laid down",
    "card-taken": "pcscd seeing a card taken away",
    "print-queue-and-printer": "cupsd, its filters and the printer",
    "next-person": "the next look at the printer, with nobody there",
}
"""Steps that are not in the sum of the software's time, and what they are or wait for."""


@dataclass(slots=True)
class TimedVisit:
    """Makes visits of a household's 住民票, paid with one coin of 500 yen, change two coins of 100.

    A touch of the screen stands for each key but those of the PIN, so that no debounce is in any step.
    drain_seconds: subtracted where the slot shuts. steps: milliseconds of the last visit.
    """

    world: World
    eyes: TimedEyes
    drain_seconds: float
    card: str = "shiken_taro"
    pin: str = "1234"
    steps: dict[str, float] = field(default_factory=dict)
    _moments_outside: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.world.printer.on_paper(self._sheet_fell)

    async def run(self) -> Mapping[str, float]:
        """One visit that ends with everything taken and the kiosk at rest. Raises MeasureError."""
        self.steps = {}
        log_from = self.world.log.stat().st_size
        await self._to_the_coins()
        await self._slot_opens()
        await self._step("coin-counted", self._drop_coin, _can_be_confirmed)
        await self._touch("payment-taken", "confirm", "closing_coins", "committing", "printing")
        await self._see("take_all")
        self._add_logged(await self._moments(log_from))
        await self._step("all-taken", self._take_all, _is("thanks"))
        await self._touch("next-person", "confirm", "idle")
        return self.steps

    async def _to_the_coins(self) -> None:
        world = self.world
        await self._see("idle")
        await self._touch("started", "confirm", "notice")
        await self._touch("consented", "confirm", "present_card")
        await self._step("card-to-pin", self._lay_card_down, _is("pin"))
        for digit in self.pin:
            await world.press(cast("Key", digit))
        await self._touch("pin-to-take-card", "confirm", "take_card")
        await self._step("card-taken", world.remove_card, _is("choose_kind"))
        await self._touch("kind-chosen", "1", "choose_subjects")
        await self._touch("subjects-chosen", "2", "choose_items")
        await self._touch("items-chosen", "confirm", "choose_copies")
        await self._touch("copies-chosen", "1", "confirm")
        await self._touch("prepared", "confirm", "coins")

    async def _lay_card_down(self) -> None:
        self._moments_outside["card-laid-down"] = time.time()
        await self.world.insert_card(self.card)

    async def _touch(self, step: str, action: str, *screens: str) -> None:
        await self._step(step, lambda: self.eyes.touched(action, f"visit.{step}"), _is(*screens))

    async def _step(self, step: str, stimulus: Stimulus, wanted: Wanted) -> None:
        self.steps[step] = await self.eyes.milliseconds_to(f"visit.{step}", stimulus, wanted)

    async def _see(self, screen: str) -> None:
        try:
            await self.eyes.until_screen(screen, seconds=60.0)
        except TimeoutError as error:
            raise MeasureError(f"visit: {error}") from error

    async def _slot_opens(self) -> None:
        async with asyncio.timeout(LOG_SECONDS):
            while not self.world.coins.slot_is_open:  # noqa: ASYNC110 - a slot tells nobody
                await asyncio.sleep(0.01)

    async def _drop_coin(self) -> None:
        if not await self.world.drop_coin(COIN_YEN):
            raise MeasureError("visit.coin-counted: the coin fell through")

    async def _take_all(self) -> None:
        await self.world.take_paper()
        await self.world.take_change()
        await self.world.take_receipt()

    def _sheet_fell(self, _sheets: int) -> None:
        self._moments_outside["last-sheet"] = time.time()

    async def _moments(self, log_from: int) -> Mapping[str, float]:
        """When each state was entered and each event happened first, seconds since the epoch."""
        async with asyncio.timeout(LOG_SECONDS):
            while "TakingAll" not in (moments := logged_moments(self._log_since(log_from))):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        return {**moments, **self._moments_outside}

    def _log_since(self, log_from: int) -> Sequence[str]:
        with self.world.log.open("rb") as log:
            log.seek(log_from)
            return log.read().decode(errors="replace").splitlines()

    def _add_logged(self, moments: Mapping[str, float]) -> None:
        for step, begins, ends in LOGGED_STEPS:
            missing = {begins, ends} - moments.keys()
            if missing:
                raise MeasureError(f"visit.{step}: the kiosk logged no {' and no '.join(sorted(missing))}")
            self.steps[step] = (moments[ends] - moments[begins]) * 1000
        self.steps["slot-shut"] -= self.drain_seconds * 1000


def software_ms(steps: Mapping[str, float]) -> float:
    """All steps but those apart."""
    return sum(milliseconds for step, milliseconds in steps.items() if step not in APART)


def logged_moments(lines: Sequence[str]) -> dict[str, float]:
    """When each state or event of these log lines came first, seconds since the epoch."""
    moments: dict[str, float] = {}
    for line in lines:
        if not (line.startswith("{") and line.endswith("}")):
            continue
        entry = json.loads(line)
        name = entry["state"] if entry["event"] == "state-entered" else entry["event"]
        moments.setdefault(name, datetime.fromisoformat(entry["time"]).timestamp())
    return moments


def _is(*screens: str) -> Wanted:
    return lambda picture: picture["screen"] in screens


def _can_be_confirmed(picture: Picture) -> bool:
    money = picture.get("money")
    return (
        money is not None and int(money["paid"]) >= COIN_YEN and bool(picture["keys"]["confirm"]["enabled"])
    )
