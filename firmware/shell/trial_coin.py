"""One coin of a hopper, paid to a technician who wants to see that it works (試験払出).

It is a coin of the change, nobody's fee and nobody's refund. Its intent is on disk before the hopper moves;
what came of it decides where the books say that the coin is: with the technician as if collected, still in
the hopper, or not sure. A power cut between the two is settled at the next start, before anything else is
asked of the hopper, by the same counter as a coin of a visit.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from firmware.core import records as r
from firmware.core.facts import Facts
from firmware.core.terms import Certainty, VisitId
from firmware.ports import CoinPayout

_NO_VISIT = VisitId("")

Write = Callable[[Sequence[r.Record]], Awaitable[None]]


class TrialCoins:
    """Pays and settles them. write: commits records of the office, raises JournalError.

    desk: held meanwhile, so that nobody counts the same coins. facts: the levels as last reported.
    """

    def __init__(
        self,
        *,
        payouts: Mapping[int, CoinPayout],
        facts: Callable[[], Facts],
        write: Write,
        desk: asyncio.Lock,
    ) -> None:
        self._payouts = payouts
        self._facts = facts
        self._write = write
        self._desk = desk

    async def pay(self, hopper: int, by: str) -> Certainty:
        """Pay one coin out of this hopper. Raises JournalError; then the next start settles it."""
        async with self._desk:
            level = self._facts().hopper(hopper)
            intended = r.TrialCoinIntended(hopper, level.coin_yen, level.life_count, by, level.serial)
            await self._write((intended,))
            certainty = await self._payouts[hopper].pay_one(level.life_count)
            believed_coins = level.coins - (certainty is not Certainty.NOT_DONE)
            # The hopper itself is asked: its report waits for the runner's turn. At 0 where coins should lie
            # it has tried in vain.
            if believed_coins > 0 and not self._payouts[hopper].coins:
                return await self._ended(
                    intended, certainty, r.HopperFoundEmpty(_NO_VISIT, hopper, believed_coins)
                )
            return await self._ended(intended, certainty)

    async def settle(self, intended: r.TrialCoinIntended) -> Certainty:
        """Find out what came of a coin whose end is not in the journal; a hopper that is gone: UNKNOWN.

        One that surely paid nothing may have run in vain for all that time, and says so to nobody after its
        own restart: no coin in it is sure until it is counted.
        """
        async with self._desk:
            payout = self._payouts.get(intended.hopper)
            if payout is None:
                return await self._ended(intended, Certainty.UNKNOWN)
            certainty = await payout.reconcile(intended.life_count, intended.serial)
            if certainty is Certainty.NOT_DONE and payout.coins > 0:
                unsure = r.HopperFoundEmpty(_NO_VISIT, intended.hopper, payout.coins)
                return await self._ended(intended, certainty, unsure)
            return await self._ended(intended, certainty)

    async def _ended(
        self, intended: r.TrialCoinIntended, certainty: Certainty, *found: r.HopperFoundEmpty
    ) -> Certainty:
        await self._write((*found, r.TrialCoinEnded(intended.hopper, intended.coin_yen, certainty)))
        return certainty
