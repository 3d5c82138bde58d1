"""A technician at the machine's serial console, whose daemon answers under all its restrictions."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.appliance.store import SOON, Store
from tests.simulators.vt100 import Vt100

ANSWERS = {
    "status": "Idle, serves people",
    "journal verify": "none missing",
    "certificate show": "days left",
    "config check": "good",
    # More than the kiosk's memory holds of it: journald is asked, too.
    "logs daemon-started 50": "daemon-started",
    "support-bundle": "SHA-256",
}
"""What he types, and what he must see among the answer: what reads files, starts programs and writes."""


@asynccontextmanager
async def admitted(store: Store) -> AsyncIterator[Vt100]:
    """His terminal is plugged in, and his order shown."""
    async with store.technician(seconds=SOON) as line:
        await line.sees("Paste a maintenance order")
        line.says(store.order())
        await line.sees("may look cash service settle system until")
        yield line


async def looks(store: Store) -> list[str]:
    """He looks at everything and leaves; what he did not see."""
    async with admitted(store) as line:
        answers = {command: await line.answers(command) for command in ANSWERS}
        await line.types("logout")
        await line.sees("the order is spent")
    return [
        f"{command}: {answer!r}, expected {ANSWERS[command]!r}"
        for command, answer in answers.items()
        if ANSWERS[command] not in answer
    ]


async def reboots(store: Store) -> None:
    """He has the machine start anew: the kiosk asks logind, which asks polkit.

    The emulator ends where it would start, and is switched on: by a reset its network forgets no line.
    """
    assert store.kiosk is not None
    await store.machine.ask("set-action", reboot="shutdown")
    async with admitted(store) as line:
        await line.types("reboot")
        await line.sees("Are you sure")
        line.says("yes")
        async with asyncio.timeout(SOON):
            await store.kiosk.wait()
    await store.kill_kiosk()
    store.lose_power()
    await store.start_kiosk()
