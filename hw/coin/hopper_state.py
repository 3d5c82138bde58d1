"""What a hopper says about itself and its last coin: pure, no IO.

Source: ccTalk part 2, headers 163, 166 and 168; technical manual of the Serial Compact Hopper 2
(TSP016), sections on power-fail recovery.
"""

from dataclasses import dataclass

from firmware.core.terms import Certainty
from hw.coin.cctalk import Garbled
from hw.coin.event_buffer import counter_after

LIFE_COUNT_MODULUS = 1 << 24

_FAULT_BITS = 0b0111_1101_0011_1001
"""Bits of the first two flag bytes, first byte low, with which a hopper must not be used: current,
opto fraud idle (two), opto blocked; opto short in payout, four checksums, failed write at power loss."""

_NV_LOST_BIT = 1 << 14


@dataclass(frozen=True, slots=True)
class HopperStatus:
    """Header 166. counter: dispense commands since power-up, 0 then, 255 is followed by 1.

    remaining: coins still to pay. paid, unpaid: of the last command, kept through power cuts.
    """

    counter: int
    remaining: int
    paid: int
    unpaid: int

    @classmethod
    def parse(cls, data: bytes) -> "HopperStatus":
        """From the data of the reply. Raises Garbled unless they are 4 bytes."""
        if len(data) != 4:
            raise Garbled("length of the hopper status")
        return cls(*data)


@dataclass(frozen=True, slots=True)
class HopperFlags:
    """Header 163. bits: all flag bytes of the reply, first byte low."""

    bits: int

    @property
    def fault(self) -> int:
        """The bits with which it must not be used; 0 if there are none."""
        return self.bits & _FAULT_BITS

    @property
    def counters_lost(self) -> bool:
        """The power failed while it wrote its counters down."""
        return bool(self.bits & _NV_LOST_BIT)


def is_low(bits: int) -> bool:
    """Header 217: the low-level sensor is fitted (bit 4) and free of coins (bit 0)."""
    return bits & 0x11 == 0x11


@dataclass(frozen=True, slots=True)
class Finding:
    """All that a hopper at rest says about its last coin. life_count: coins ever paid, 24 bits."""

    status: HopperStatus
    life_count: int
    flags: HopperFlags


@dataclass(frozen=True, slots=True)
class Command:
    """A dispense command that was sent. counter_before: the event counter before it.

    answered: the hopper confirmed that it begins.
    """

    counter_before: int
    answered: bool

    def was_heard(self, counter: int) -> bool:
        """The hopper heard it, since it answered or its event counter is now another one."""
        return self.answered or counter != self.counter_before


def verdict(life_count: int, found: Finding, command: Command | None) -> Certainty:
    """Was the coin paid for which the life counter stood at life_count before?

    command: None if it is not known whether one was sent. The life counter decides where it can;
    the last command's result may be an earlier coin's and counts only for a command it belongs to.
    """
    if found.life_count == (life_count + 1) % LIFE_COUNT_MODULUS:
        return Certainty.DONE
    if found.life_count != life_count or found.flags.counters_lost:
        return Certainty.UNKNOWN
    if found.status.paid == 0:
        return Certainty.NOT_DONE
    counter = found.status.counter
    if command is None:
        return Certainty.NOT_DONE if counter else Certainty.UNKNOWN
    if command.answered and counter == counter_after(command.counter_before, 1):
        return Certainty.DONE
    return Certainty.UNKNOWN if command.was_heard(counter) else Certainty.NOT_DONE
