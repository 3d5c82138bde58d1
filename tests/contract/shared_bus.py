"""Acceptor and hopper on one bus as in the kiosk, the slot open, and how late each poll came."""

import asyncio
import contextlib
import itertools
from collections.abc import Callable

from firmware.logbook import EventId, FieldValue
from hw.coin.acceptor import CcTalkAcceptor
from hw.coin.bus import CcTalkBus
from hw.coin.hopper import CcTalkHopper
from tests.simulators.coin import CoinMachine
from tests.simulators.coin.wire import Manner, SeenFrame

POLL = 229
LIFE = 1000


async def poll_gaps_seconds(
    manner: Manner | None, polls: int, *, pay: bool, silent_hoppers: int = 0
) -> list[float]:
    """The times between so many polls of the open slot while the hopper speaks in this manner.

    pay: a coin is asked of the hopper all the while. silent_hoppers: more of them, without power.
    """
    async with CoinMachine(paced=True) as machine, CcTalkBus(_no_log, path=machine.path) as bus:
        acceptor = CcTalkAcceptor(bus, _no_log)
        hopper = CcTalkHopper(bus, _no_log, coins=50)
        hoppers = [
            hopper,
            *(CcTalkHopper(bus, _no_log, coins=50, address=4 + n) for n in range(silent_hoppers)),
        ]
        works = asyncio.Event()
        acceptor.start(lambda _: works.set(), lambda _: None, None)
        for each in hoppers:
            each.start(lambda _: None)
        paying = None
        try:
            await works.wait()
            await acceptor.accept(frozenset({100, 500}))
            machine.hopper_speaks(manner)
            if pay:
                paying = asyncio.create_task(_pay_on(hopper))
            polled_at = await _polled_at(machine, polls)
        finally:
            if paying is not None:
                paying.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await paying
            for each in hoppers:
                await each.close()
            await acceptor.close()
    return [later - earlier for earlier, later in itertools.pairwise(polled_at)]


async def _pay_on(hopper: CcTalkHopper) -> None:
    while True:
        await hopper.pay_one(LIFE)
        await asyncio.sleep(0.01)


async def _polled_at(machine: CoinMachine, polls: int) -> list[float]:
    seen: list[float] = []
    enough = asyncio.Event()

    def note(frame: SeenFrame) -> None:
        if frame.header == POLL:
            seen.append(frame.at)
            if len(seen) > polls:
                enough.set()

    _watch(machine, note)
    await enough.wait()
    return seen


def _watch(machine: CoinMachine, note: Callable[[SeenFrame], None]) -> None:
    machine.watch_frames(note)


def _no_log(event: EventId, /, **fields: FieldValue) -> None:
    """The bench and the tests look at frames."""
