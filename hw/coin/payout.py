"""Paying one coin with a ccTalk hopper so that it is known afterwards whether it was paid."""

import asyncio
import contextlib
from dataclasses import dataclass

from firmware.core.terms import Certainty
from firmware.errors import DeviceGone
from hw.coin.bus import CcTalkBus, NotExecuted
from hw.coin.cctalk import Header, unsigned
from hw.coin.hopper_state import Command, Finding, HopperFlags, HopperStatus, verdict

ATTEMPTS = 2
"""The first, and one more when it is proven that the first paid nothing."""

_ENABLE, _DISABLE = b"\xa5", b"\x00"


@dataclass(frozen=True, slots=True)
class Payment:
    """How it ended. empty: the motor ran and no coin came, twice: the hopper is empty or jammed."""

    certainty: Certainty
    empty: bool = False


@dataclass(frozen=True, slots=True)
class Payout:
    """One hopper's way to pay. serial: its serial number as it stands on the wire, 3 bytes.

    poll_seconds: between questions. payout_seconds: the longest one coin may take, also when the
    hopper falls silent meanwhile. settle_seconds: how long its life counter may lag behind.
    retry_seconds: before the second attempt.
    """

    bus: CcTalkBus
    address: int
    serial: bytes
    poll_seconds: float
    payout_seconds: float
    settle_seconds: float
    retry_seconds: float

    async def pay_one(self, life_count: int) -> Payment:
        """Pay the coin of the intent made at life_count, unless the hopper shows it paid already."""
        payment = await self._attempt(life_count)
        for _ in range(ATTEMPTS - 1):
            if not payment.empty:
                break
            await asyncio.sleep(self.retry_seconds)
            payment = await self._attempt(life_count)
        with contextlib.suppress(DeviceGone, NotExecuted):
            await self._ask(Header.ENABLE_HOPPER, _DISABLE, length=0)
        return payment

    async def find_out(self, life_count: int, seconds: float) -> Certainty:
        """Wait up to seconds for the hopper to answer and be at rest; then judge. Pays nothing."""
        found = await self._wait_for_rest(life_count, seconds)
        return Certainty.UNKNOWN if found is None else verdict(life_count, found, None)

    async def _attempt(self, life_count: int) -> Payment:
        try:
            before = await self._look()
            if before.life_count != life_count or before.status.remaining:
                return Payment(await self.find_out(life_count, self.payout_seconds))
            if before.flags.fault:
                return Payment(Certainty.NOT_DONE)
            await self._ask(Header.ENABLE_HOPPER, _ENABLE, length=0)
        except (DeviceGone, NotExecuted):
            return Payment(Certainty.NOT_DONE)
        return await self._dispense(life_count, before.status.counter)

    async def _dispense(self, life_count: int, counter_before: int) -> Payment:
        """Send the command; once more if the event counter proves that the hopper never saw it."""
        payment = Payment(Certainty.NOT_DONE)
        for _ in range(ATTEMPTS):
            try:
                command = Command(counter_before, answered=await self._send_dispense())
            except NotExecuted:
                return Payment(Certainty.NOT_DONE)
            found = await self._wait_for_rest(life_count, self.payout_seconds)
            if found is None:
                return Payment(Certainty.UNKNOWN)
            certainty = verdict(life_count, found, command)
            heard = command.was_heard(found.status.counter)
            unpaid = certainty is Certainty.NOT_DONE and found.status.unpaid > 0
            payment = Payment(certainty, empty=heard and unpaid)
            if heard or certainty is not Certainty.NOT_DONE:
                break
        return payment

    async def _send_dispense(self) -> bool:
        """True when the hopper confirmed; False when nothing usable came and it may be paying."""
        try:
            await self.bus.ask_once(
                self.address, Header.DISPENSE_COINS, self.serial + b"\x01", lengths=(0, 1)
            )
        except DeviceGone:
            return False
        return True

    async def _wait_for_rest(self, life_count: int, seconds: float) -> Finding | None:
        """What the hopper says when nothing is left to pay; None if that cannot be learned."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                return await self._rest(life_count)
        with contextlib.suppress(DeviceGone, NotExecuted):
            await self._ask(Header.EMERGENCY_STOP, length=1)
            found = await self._look()
            return None if found.status.remaining else found
        return None

    async def _rest(self, life_count: int) -> Finding:
        while True:
            with contextlib.suppress(DeviceGone, NotExecuted):
                found = await self._look()
                if found.status.paid and found.life_count == life_count:
                    await asyncio.sleep(self.settle_seconds)
                    found = await self._look()
                if not found.status.remaining:
                    return found
            await asyncio.sleep(self.poll_seconds)

    async def _look(self) -> Finding:
        status = HopperStatus.parse(await self._ask(Header.REQUEST_HOPPER_STATUS, length=4))
        life_count = unsigned(await self._ask(Header.REQUEST_DISPENSE_COUNT, length=3))
        flags = HopperFlags(unsigned(await self._ask(Header.TEST_HOPPER, length=None)))
        return Finding(status, life_count, flags)

    async def _ask(self, header: Header, data: bytes = b"", *, length: int | None) -> bytes:
        return await self.bus.ask(self.address, header, data, length=length)
