"""A simulated pulse acceptor on simulated pins with the kiosk's adapter on it."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager

import gpiozero.devices

from firmware.core.terms import Yen
from firmware.ports import CoinMark
from hw.coin.pulse_acceptor import PulseAcceptor
from hw.coin.pulse_wires import PulsePins
from hw.coin.pulses import PulseTiming
from tests.contract.coin_rig import Ear
from tests.simulators.coin.pulse import Edges, PulseSlot
from tests.simulators.gpio.board import Board

PULSE, INHIBIT = 9, 10
COINS: Mapping[int, Yen] = {1: 100, 5: 500}
TIMING = PulseTiming(shortest_seconds=0.002, longest_seconds=0.015, gap_seconds=0.025, bounce_seconds=0.0005)


class PulseRig:
    """A slot whose two wires lie on a board.

    Edges carry the times at which they would have come, so that a busy machine changes no width.
    """

    def __init__(self, board: Board, *, pulse_level: int, inhibit_level: int, pulled: bool) -> None:
        self.board = board
        self.slot = PulseSlot(
            {yen: pulses for pulses, yen in COINS.items()},
            pulse_seconds=0.005,
            pause_seconds=0.005,
            pulse_level=pulse_level,
            inhibit_level=inhibit_level,
        )
        self._free_at = 0.0
        self.idle()
        if pulled:
            board.pull(INHIBIT, bool(inhibit_level))

    @property
    def pins(self) -> PulsePins:
        return PulsePins(
            PULSE,
            INHIBIT,
            pulse_level=self.slot.pulse_level,
            inhibit_level=self.slot.inhibit_level,
        )

    @property
    def slot_is_open(self) -> bool:
        return self.board.level(INHIBIT) != bool(self.slot.inhibit_level)

    def idle(self) -> None:
        """The line at rest."""
        self.board.drive(PULSE, not self.slot.pulse_level)

    def drop_coin(self, yen: Yen, *, flight_seconds: float = 0.0) -> bool:
        """A coin falls in; True if it is taken, then its pulses come flight_seconds later."""
        edges = self.slot.drop(yen, inhibit_line=self.board.level(INHIBIT))
        if edges is None:
            return False
        if flight_seconds:
            asyncio.get_running_loop().call_later(flight_seconds, self.play, edges)
        else:
            self.play(edges)
        return True

    def play(self, edges: Edges, *, pause_seconds: float = 0.03) -> None:
        """Put edges on the line, pause_seconds after those before."""
        begin = max(time.monotonic(), self._free_at)
        self._free_at = begin + self.slot.seconds(edges) + pause_seconds
        self.board.play(PULSE, [(begin + at, level) for at, level in edges])


@contextmanager
def pulse_rig(*, pulse_level: int = 0, inhibit_level: int = 1, pulled: bool = True) -> Iterator[PulseRig]:
    """pulled: an outside resistor holds the inhibit line while nobody drives it."""
    board = Board()
    device = gpiozero.devices.Device
    before, device.pin_factory = device.pin_factory, board.factory
    try:
        yield PulseRig(board, pulse_level=pulse_level, inhibit_level=inhibit_level, pulled=pulled)
    finally:
        device.pin_factory = before
    assert board.fights == []


@asynccontextmanager
async def pulse_acceptor_on(
    rig: PulseRig,
    ear: Ear,
    *,
    seen: CoinMark | None = None,
    drain_seconds: float = 0.05,
    was_open: bool = False,
) -> AsyncIterator[PulseAcceptor]:
    """A started acceptor; closed at the end."""
    acceptor = PulseAcceptor(
        rig.pins,
        COINS,
        ear.log,
        timing=TIMING,
        drain_seconds=drain_seconds,
        first_pause_seconds=0.02,
        longest_pause_seconds=0.05,
    )
    acceptor.start(ear.level, ear.coin, seen, was_open=was_open)
    try:
        yield acceptor
    finally:
        await acceptor.close()
        await acceptor.close()
