"""A simulated coin machine with the kiosk's adapters on it, and everything they told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from firmware.core.facts import AcceptorLevel, HopperLevel, Level
from firmware.core.terms import Yen
from firmware.logbook import EventId, FieldValue, line
from firmware.ports import CoinAccepted, CoinMark, CoinReturned, CoinsSuspect
from hw.coin.acceptor import ANY_UNIT, CcTalkAcceptor
from hw.coin.bus import CcTalkBus
from hw.coin.hopper import CcTalkHopper
from hw.coin.identity import Commissioned
from tests.simulators.coin import CoinMachine

PATIENCE_SECONDS = 30.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Ear:
    """Hears levels, coins and log lines, and lets a test wait for them."""

    def __init__(self) -> None:
        self.levels: list[Level] = []
        self.coins: list[CoinAccepted | CoinsSuspect] = []
        self.returned = 0
        self.gone: tuple[FieldValue, FieldValue] | None = None
        self.logged: list[EventId] = []
        self._heard = asyncio.Event()

    def level(self, level: Level) -> None:
        self.levels.append(level)
        self._heard.set()

    def coin(self, coin: CoinAccepted | CoinsSuspect | CoinReturned) -> None:
        if isinstance(coin, CoinReturned):
            self.returned += 1
        else:
            self.coins.append(coin)
        self._heard.set()

    def log(self, event: EventId, /, **fields: FieldValue) -> None:
        line(event, _EPOCH, fields)  # raises for anything that must not be logged
        self.logged.append(event)
        if event is EventId.COIN_ACCEPTOR_GONE:
            self.gone = fields["reason"], fields["code"]
        self._heard.set()

    async def until(self, happened: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not happened():
                self._heard.clear()
                await self._heard.wait()

    @property
    def acceptor_works(self) -> bool:
        levels = [level for level in self.levels if isinstance(level, AcceptorLevel)]
        return bool(levels) and levels[-1].working

    @property
    def hopper(self) -> HopperLevel:
        levels = [level for level in self.levels if isinstance(level, HopperLevel)]
        return levels[-1] if levels else HopperLevel()

    @property
    def credited_yen(self) -> Yen:
        return sum(coin.yen for coin in self.coins if isinstance(coin, CoinAccepted))

    @property
    def yen(self) -> list[Yen]:
        return [coin.yen for coin in self.coins if isinstance(coin, CoinAccepted)]

    @property
    def suspects(self) -> list[CoinsSuspect]:
        return [coin for coin in self.coins if isinstance(coin, CoinsSuspect)]


def fast_bus(machine: CoinMachine, ear: Ear) -> CcTalkBus:
    """A bus with short time-outs: the simulator answers at once."""
    return CcTalkBus(ear.log, path=machine.path, reply_seconds=0.05, gap_seconds=0.03, silence_seconds=0.02)


@asynccontextmanager
async def acceptor_on(
    machine: CoinMachine,
    ear: Ear,
    *,
    seen: CoinMark | None = None,
    commissioned: Commissioned = ANY_UNIT,
    denominations: frozenset[Yen] = frozenset(),
    drain_seconds: float = 0.05,
    self_inhibit_seconds: float = 0.9,
    was_open: bool = False,
) -> AsyncIterator[CcTalkAcceptor]:
    """A started acceptor; closed with its bus at the end."""
    async with fast_bus(machine, ear) as bus:
        acceptor = CcTalkAcceptor(
            bus,
            ear.log,
            commissioned=commissioned,
            denominations=denominations,
            poll_seconds=0.02,
            idle_poll_seconds=0.02,
            self_inhibit_seconds=self_inhibit_seconds,
            drain_seconds=drain_seconds,
            slow_reply_seconds=0.05,
            first_pause_seconds=0.02,
            longest_pause_seconds=0.1,
        )
        acceptor.start(ear.level, ear.coin, seen, was_open=was_open)
        try:
            yield acceptor
        finally:
            await acceptor.close()


@asynccontextmanager
async def hopper_on(
    machine: CoinMachine,
    ear: Ear,
    *,
    coins: int = 50,
    expected_serial: int | None = None,
    payout_seconds: float = 2.0,
    answer_seconds: float = 2.0,
) -> AsyncIterator[CcTalkHopper]:
    """A started hopper; closed with its bus at the end."""
    async with fast_bus(machine, ear) as bus:
        hopper = CcTalkHopper(
            bus,
            ear.log,
            coins=coins,
            low_sensor_coins=9,
            expected_serial=expected_serial,
            poll_seconds=0.02,
            idle_poll_seconds=0.02,
            payout_seconds=payout_seconds,
            settle_seconds=0.05,
            retry_seconds=0.05,
            answer_seconds=answer_seconds,
            first_pause_seconds=0.02,
            longest_pause_seconds=0.1,
        )
        hopper.start(ear.level)
        try:
            yield hopper
        finally:
            await hopper.close()
