"""Whoever does with a machine what no program can: lays down a card, drops a coin, takes one out."""

import asyncio
import functools
from pathlib import Path
from typing import Protocol

from tests.simulators.world import World


class Hands(Protocol):
    """Each returns when it is done."""

    async def lay_card(self) -> None: ...

    async def take_card(self) -> None: ...

    async def drop_coin(self, yen: int) -> None: ...

    async def take_change(self, yen: int) -> None:
        """Raises AssertionError if something else lies in the cup."""


class SimulatedHands:
    """At the simulators."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def lay_card(self) -> None:
        await self._world.insert_card("shiken_taro")

    async def take_card(self) -> None:
        await self._world.remove_card()

    async def drop_coin(self, yen: int) -> None:
        assert await self._world.drop_coin(yen), "the slot lets no coin in"

    async def take_change(self, yen: int) -> None:
        assert yen == await self._world.take_change()


class PersonsHands:
    """Asks a person at the terminal."""

    async def lay_card(self) -> None:
        await _asked("Lay a My Number Card on the reader")

    async def take_card(self) -> None:
        await _asked("Take the card away")

    async def drop_coin(self, yen: int) -> None:
        await _asked(f"Drop one coin of {yen} yen")

    async def take_change(self, yen: int) -> None:
        said = await _asked(f"Take the coins out of the cup: {yen} yen, and nothing else? (yes/no)")
        assert said in {"", "y", "yes"}, f"the cup does not hold {yen} yen"


async def _asked(question: str) -> str:
    """The terminal itself: pytest keeps the standard streams to itself."""
    return await asyncio.to_thread(functools.partial(_ask, question))


def _ask(question: str) -> str:
    with Path("/dev/tty").open("r+", encoding="utf-8", buffering=1) as terminal:
        terminal.write(f"\n{question}, then press Enter: ")
        return terminal.readline().strip().lower()
