"""Whoever does with a machine what no program can: asked at the terminal, one thing after the other."""

import asyncio
import functools
import re
from pathlib import Path
from typing import Final

YES: Final = frozenset({"", "y", "yes"})
ASKED_TO_GO_ON: Final = ", then press Enter: "


class PersonsHands:
    """Each returns when it is done."""

    async def do(self, what: str) -> None:
        """Whatever it is."""
        await _asked(what)

    async def agrees(self, question: str) -> bool:
        """Whether the answer is yes."""
        return await _asked(f"{question} (yes/no)") in YES

    async def drop_coin(self, yen: int) -> bool:
        """Whether the machine kept it."""
        return not await self.agrees(f"Drop one coin of {yen} yen. Did it fall through to the return?")

    async def take_change(self, yen: int) -> int:
        """What lay in the cup."""
        said = await _asked(f"Empty the cup. How many yen lay in it ({yen} expected)?")
        return yen if not said else int(re.sub(r"\D", "", said) or -1)

    async def lit_lamps(self) -> set[str]:
        return set((await _asked("Which lamps are lit: card keypad coin paper change, or none?")).split())


async def _asked(question: str) -> str:
    """The terminal itself: pytest keeps the standard streams to itself."""
    return await asyncio.to_thread(functools.partial(_ask, question))


def _ask(question: str) -> str:
    with Path("/dev/tty").open("r+b", buffering=0) as terminal:
        terminal.write(f"\n{question}{ASKED_TO_GO_ON}".encode())
        line = b""
        while not line.endswith(b"\n"):
            octets = terminal.read(1)
            if not octets:
                raise EOFError("nobody is at the terminal any more")
            line += octets
    return line.decode(errors="replace").strip().lower()
