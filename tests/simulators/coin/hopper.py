"""A simulated ccTalk hopper in serial-number mode: the slave at address 3."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from tests.simulators.coin.wire import Silence

PAYOUT_TIMED_OUT, OPTO_FRAUD, POWERED_UP, DISABLED = 0x02, 0x08, 0x40, 0x80


@dataclass(slots=True)
class SimulatedHopper:
    """A motor, an exit eye and counters in EEPROM.

    coins: that lie in it. coin_id: what it says it pays. unknown_headers: it does not answer these.
    coin_seconds: the motor's time for a coin; timeout_seconds: after which
    it gives up. paid_out: is told about each coin that falls out.
    """

    serial: int
    coins: int
    low_below: int
    coin_seconds: float
    timeout_seconds: float
    restart_seconds: float
    paid_out: Callable[[], None]
    paid_coins: int = 0
    life_count: int = 1000
    jammed: bool = False
    category: bytes = b"Payout"
    coin_id: bytes = b"------"
    unknown_headers: frozenset[int] = frozenset()
    flags: int = POWERED_UP
    later_flags: int = 0
    counter: int = 0
    remaining: int = 0
    paid: int = 0
    unpaid: int = 0
    enabled: bool = False
    nak_counts: bool = False
    ack_only: bool = False
    _motor: asyncio.TimerHandle | None = None
    _deaf_until: float = float("-inf")

    def answer(self, header: int, data: bytes) -> bytes | None:
        """The reply's data, None for NAK; raises Silence while it starts and for unknown headers."""
        if asyncio.get_running_loop().time() < self._deaf_until or header in self.unknown_headers:
            raise Silence
        match header, list(data):
            case ((254 | 245 | 242 | 171), []):
                return {
                    254: b"",
                    245: self.category,
                    242: self.serial.to_bytes(3, "little"),
                    171: self.coin_id,
                }[header]
            case 163, []:
                return bytes((self.flags | (0 if self.enabled else DISABLED), self.later_flags))
            case 217, []:
                return bytes((0x10 | (self.coins < self.low_below),))
            case 168, []:
                return self.life_count.to_bytes(3, "little")
            case 164, [code]:
                self.enabled = code == 0xA5
                return b""
            case 166, []:
                return bytes((self.counter, self.remaining, self.paid, self.unpaid))
            case 167, [*serial, count]:
                return self._dispense(int.from_bytes(bytes(serial), "little"), count)
            case 172, []:
                return self._emergency_stop()
            case _:
                raise Silence

    def power_cycle(self) -> None:
        """Power is lost and comes back: the motor stops, a coin on its way stays unpaid."""
        self.halt()
        self.unpaid += self.remaining
        self.remaining, self.counter, self.enabled = 0, 0, False
        self.flags = POWERED_UP
        self._deaf_until = asyncio.get_running_loop().time() + self.restart_seconds

    def halt(self) -> None:
        """Stop the motor where it is."""
        if self._motor is not None:
            self._motor.cancel()
            self._motor = None

    def _dispense(self, serial: int, count: int) -> bytes | None:
        if not self.enabled or serial != self.serial or count > 1 or self.remaining:
            self.counter = self.counter % 255 + 1 if self.nak_counts else self.counter
            return None
        self.counter = self.counter % 255 + 1
        self.remaining, self.paid, self.unpaid = count, 0, 0
        self.flags &= ~(PAYOUT_TIMED_OUT | POWERED_UP)
        if count:
            self._start_motor()
        return b"" if self.ack_only else bytes((self.counter,))

    def _start_motor(self) -> None:
        loop = asyncio.get_running_loop()
        if self.coins and not self.jammed:
            self._motor = loop.call_later(self.coin_seconds, self._coin_falls)
        else:
            self._motor = loop.call_later(self.timeout_seconds, self._give_up)

    def _coin_falls(self) -> None:
        self._motor = None
        self.coins -= 1
        self.remaining -= 1
        self.paid += 1
        self.paid_coins += 1
        self.life_count = (self.life_count + 1) % (1 << 24)
        self.paid_out()

    def _give_up(self) -> None:
        self._motor = None
        self.unpaid, self.remaining = self.remaining, 0
        self.flags |= PAYOUT_TIMED_OUT

    def _emergency_stop(self) -> bytes:
        unpaid = self.remaining
        self.halt()
        self.unpaid, self.remaining, self.enabled = unpaid, 0, False
        return bytes((unpaid,))
