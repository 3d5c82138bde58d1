"""The pulse acceptor of the whole world: its wires lie on the kiosk's pins, its coins in the coin machine."""

import asyncio
import contextlib
from typing import Any

from tests.simulators.coin.machine import CoinMachine
from tests.simulators.coin.pulse import PulseSlot
from tests.simulators.gpio.client import PinBench

PULSE_PIN, INHIBIT_PIN = 9, 10
BETWEEN_COINS_SECONDS = 0.3


class PulseOnPins:
    """Coins fall one after the other; while the kiosk does not run, the pull of the inhibit line holds."""

    def __init__(self, machine: CoinMachine) -> None:
        self._machine = machine
        self.slot = PulseSlot({100: 1, 500: 5}, cash_box=machine.acceptor.cash_box)
        self._falling = asyncio.Lock()

    @property
    def config(self) -> dict[str, Any]:
        """Section coins.pulse of kiosk.toml."""
        return {
            "pulse_pin": PULSE_PIN,
            "pulse_level": self.slot.pulse_level,
            "inhibit_pin": INHIBIT_PIN,
            "inhibit_level": self.slot.inhibit_level,
            "coins": [{"pulses": pulses, "yen": yen} for yen, pulses in self.slot.pulses_of.items()],
        }

    async def drop(self, yen: int, pins: PinBench | None) -> bool:
        """Put a coin in; True: taken, False: it fell through to the return."""
        async with self._falling:
            edges = self.slot.drop(yen, inhibit_line=await self._inhibit_line(pins))
            self._machine.acceptor.returned_yen += self.slot.returned_yen
            self.slot.returned_yen = 0
            if edges is None:
                return False
            if pins is not None:
                with contextlib.suppress(ConnectionError):  # pulses that nobody counts
                    await pins.play(PULSE_PIN, edges)
            await asyncio.sleep(BETWEEN_COINS_SECONDS)
            return True

    async def is_open(self, pins: PinBench | None) -> bool:
        """A coin would be taken now."""
        return await self._inhibit_line(pins) != bool(self.slot.inhibit_level)

    async def _inhibit_line(self, pins: PinBench | None) -> bool:
        if pins is not None:
            with contextlib.suppress(ConnectionError):
                return await pins.level(INHIBIT_PIN)
        return bool(self.slot.inhibit_level)

    async def disturb(self, pins: PinBench) -> None:
        """A spike on the pulse line."""
        await pins.play(PULSE_PIN, self.slot.spike())
