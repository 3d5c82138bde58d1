"""A ccTalk hopper: watched, and paying one coin a command with certainty about each.

A dispense command is never repeated unless the hopper's own counters prove that it was not carried
out; see `payout.py` for the way and `hopper_state.py` for the judgement.
"""

import asyncio
import contextlib
from typing import NoReturn

from firmware.core.facts import HopperLevel
from firmware.core.terms import Certainty, Yen
from firmware.errors import DeviceGone
from firmware.logbook import EventId, Logbook
from firmware.ports import ReportLevel
from hw.coin.bus import CcTalkBus, NotExecuted
from hw.coin.cctalk import Header, unsigned
from hw.coin.coin_ids import coin_yen, is_programmed
from hw.coin.hopper_state import HopperFlags, is_low
from hw.coin.keep import GoneReason, Unfit, keep
from hw.coin.payout import Payout
from hw.pulse import Pulse

_KIND = b"Payout"


class CcTalkHopper:
    """Implements CoinPayout on a shared bus; the hopper is in serial-number mode.

    coins: how many lie in it, from the journal or the technician; the hopper cannot count them.
    coin_yen: their denomination. low_sensor_coins: what lies in it at most once its low-level
    sensor is free. address: 3 unless changed. expected_serial: the commissioned unit, another one
    is refused; None takes any. poll_seconds: between questions while it pays; idle_poll_seconds:
    else. payout_seconds: the longest a coin may take, longer than the hopper's own time-out.
    settle_seconds: how long its life counter may lag behind. retry_seconds: before the one retry
    of an empty or jammed hopper. answer_seconds: how long `reconcile` waits for a silent hopper.
    first_pause_seconds, longest_pause_seconds: between attempts to find it again.
    """

    def __init__(
        self,
        bus: CcTalkBus,
        log: Logbook,
        *,
        coins: int,
        coin_yen: Yen = 100,
        low_sensor_coins: int = 20,
        address: int = 3,
        expected_serial: int | None = None,
        poll_seconds: float = 0.1,
        idle_poll_seconds: float = 1.0,
        payout_seconds: float = 20.0,
        settle_seconds: float = 0.3,
        retry_seconds: float = 1.0,
        answer_seconds: float = 10.0,
        first_pause_seconds: float = 0.1,
        longest_pause_seconds: float = 2.0,
    ) -> None:
        self._bus = bus
        self._log = log
        self._coins = coins
        self._coin_yen = coin_yen
        self._low_sensor_coins = low_sensor_coins
        self._address = address
        self._expected_serial = expected_serial
        self._poll_seconds = poll_seconds
        self._idle_poll_seconds = idle_poll_seconds
        self._payout_seconds = payout_seconds
        self._settle_seconds = settle_seconds
        self._retry_seconds = retry_seconds
        self._answer_seconds = answer_seconds
        self._first_pause_seconds = first_pause_seconds
        self._longest_pause_seconds = longest_pause_seconds
        self._report: ReportLevel
        self._reported: HopperLevel | None = None
        self._task: asyncio.Task[NoReturn] | None = None
        self._turn = asyncio.Lock()
        self._identified = asyncio.Event()
        self._serial = b""
        self._working = False
        self._knows_level = True
        self._low = False
        self._life_count = 0
        self._gone_reason: GoneReason | None = None
        self._pulse = Pulse()

    def busy_seconds(self) -> float:
        """How long the watcher has not come round; see `firmware.ports.Watched`."""
        return self._pulse.silent_seconds()

    def start(self, report: ReportLevel) -> None:
        """Watch the hopper; see CoinPayout."""
        self._report = report
        self._task = asyncio.get_running_loop().create_task(
            keep(
                self._serve,
                self._gone,
                first_pause_seconds=self._first_pause_seconds,
                longest_pause_seconds=self._longest_pause_seconds,
                beat=self._pulse.beat,
            ),
            name=f"hopper-{self._address}",
        )

    @property
    def coins(self) -> int:
        """How many coins lie in it by its own count; see CoinPayout."""
        return self._coins

    def set_coins(self, coins: int) -> None:
        """A technician has filled or emptied the hopper; raises ValueError below 0."""
        if coins < 0:
            raise ValueError(f"{coins} coins")
        self._coins = coins
        self._report_level()

    async def pay_one(self, life_count: int) -> Certainty:
        """Pay one coin; see CoinPayout. Pays nothing if the life counter shows it paid already.

        UNKNOWN when the hopper fell silent after the command, or its counters contradict the intent.
        """
        async with self._turn:
            if not self._identified.is_set():
                return Certainty.NOT_DONE
            payment = await self._payout().pay_one(life_count)
            self._log(EventId.COIN_PAID, certainty=payment.certainty, yen=self._coin_yen)
            if payment.empty:
                self._log(EventId.HOPPER_FAULT, reason="empty")
                self._coins = 0
            if payment.certainty is not Certainty.NOT_DONE:
                self._coins = max(0, self._coins - 1)
            await self._refresh_after_payment()
        return payment.certainty

    async def reconcile(self, life_count: int, serial: int | None) -> Certainty:
        """Was the coin paid whose intent was journaled at life_count? Pays nothing; see CoinPayout.

        coins was counted before this answer: unless NOT_DONE, one fewer lies in the hopper.
        """
        try:
            async with asyncio.timeout(self._answer_seconds):
                await self._identified.wait()
        except TimeoutError:
            return Certainty.UNKNOWN
        async with self._turn:
            certainty = Certainty.UNKNOWN
            if serial in (None, unsigned(self._serial)):
                certainty = await self._payout().find_out(life_count, self._answer_seconds)
            if certainty is not Certainty.NOT_DONE:
                self._coins = max(0, self._coins - 1)
            await self._refresh_after_payment()
        return certainty

    async def close(self) -> None:
        """End the watch; a coin on its way is paid all the same and found by `reconcile`."""
        task, self._task = self._task, None
        if task is None:
            return
        self._pulse.end()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    def _payout(self) -> Payout:
        return Payout(
            bus=self._bus,
            address=self._address,
            serial=self._serial,
            poll_seconds=self._poll_seconds,
            payout_seconds=self._payout_seconds,
            settle_seconds=self._settle_seconds,
            retry_seconds=self._retry_seconds,
        )

    async def _serve(self) -> NoReturn:
        try:
            self._identified.clear()
            while True:
                self._pulse.beat()
                async with self._turn:
                    if not self._identified.is_set():
                        await self._identify()
                    await self._refresh()
                await asyncio.sleep(self._idle_poll_seconds)
        except NotExecuted as cause:
            raise DeviceGone("hopper refuses") from cause

    async def _identify(self) -> None:
        await self._ask(Header.SIMPLE_POLL, length=0)
        kind = await self._ask(Header.REQUEST_EQUIPMENT_CATEGORY, length=None)
        if kind.strip().lower() != _KIND.lower():
            raise Unfit(GoneReason.OTHER_KIND)
        serial = await self._ask(Header.REQUEST_SERIAL_NUMBER, length=3)
        if self._expected_serial not in (None, unsigned(serial)):
            raise Unfit(GoneReason.OTHER_UNIT, unsigned(serial))
        await self._require_coin()
        self._knows_level = await self._ask_if_known(Header.REQUEST_PAYOUT_LEVEL, length=1) is not None
        self._serial = serial
        self._identified.set()

    async def _require_coin(self) -> None:
        """Raises Unfit if it says that it is made for another coin; most say nothing."""
        coin_id = await self._ask_if_known(Header.REQUEST_HOPPER_COIN, length=6)
        if coin_id is not None and is_programmed(coin_id) and coin_yen(coin_id) != self._coin_yen:
            raise Unfit(GoneReason.OTHER_COIN, coin_yen(coin_id) or 0)

    async def _refresh(self) -> None:
        """Ask how the hopper is and report it. Raises Unfit when it says that it cannot work."""
        self._life_count = unsigned(await self._ask(Header.REQUEST_DISPENSE_COUNT, length=3))
        flags = HopperFlags(unsigned(await self._ask(Header.TEST_HOPPER, length=None)))
        if flags.fault:
            raise Unfit(GoneReason.FAULT, flags.fault)
        if self._knows_level:
            (bits,) = await self._ask(Header.REQUEST_PAYOUT_LEVEL, length=1)
            self._low = is_low(bits)
        if self._gone_reason is not None:
            self._gone_reason = None
            self._log(EventId.HOPPER_BACK)
        self._working = True
        self._report_level()

    async def _refresh_after_payment(self) -> None:
        """The level must be true before the result is: the next intent is made from it."""
        try:
            await self._refresh()
        except Unfit as unfit:
            self._gone(unfit.reason, unfit.code)
        except (DeviceGone, NotExecuted):
            self._gone(GoneReason.SILENT, 0)

    def _gone(self, reason: GoneReason, code: int) -> None:
        if reason is not GoneReason.FAULT:
            self._identified.clear()
        if self._gone_reason != reason:
            self._gone_reason = reason
            event = EventId.HOPPER_FAULT if reason is GoneReason.FAULT else EventId.HOPPER_GONE
            self._log(event, reason=reason, code=code)
        self._working = False
        self._report_level()

    def _report_level(self) -> None:
        coins = min(self._coins, self._low_sensor_coins) if self._low else self._coins
        level = HopperLevel(
            self._address,
            self._working,
            coins,
            self._coin_yen,
            self._life_count,
            unsigned(self._serial) if self._serial else None,
        )
        if level != self._reported:
            self._reported = level
            self._report(level)

    async def _ask_if_known(self, header: Header, *, length: int | None) -> bytes | None:
        return await self._bus.ask_if_known(self._address, header, length=length)

    async def _ask(self, header: Header, data: bytes = b"", *, length: int | None) -> bytes:
        return await self._bus.ask(self._address, header, data, length=length)
