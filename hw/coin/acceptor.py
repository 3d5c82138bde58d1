"""A ccTalk coin acceptor: every coin is told once, in order, whatever happens to the line.

The acceptor's event counter is the truth: what came between the last counter seen and the one read
now is reported, after a lost line, a restart of the kiosk or a burst just as in normal running.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import NoReturn

from firmware.core.facts import AcceptorLevel
from firmware.core.terms import Yen
from firmware.errors import DeviceGone
from firmware.logbook import EventId, Logbook
from firmware.ports import CoinAccepted, CoinMark, CoinsSuspect, ReportLevel
from hw.coin.bus import CcTalkBus, NotExecuted
from hw.coin.cctalk import Header, unsigned
from hw.coin.coin_ids import POSITIONS, coin_yen
from hw.coin.event_buffer import (
    KEPT_CODES,
    CoinEvent,
    ErrorClass,
    EventBuffer,
    FreshEvents,
    counter_after,
    error_class,
    fresh_events,
)
from hw.coin.keep import GoneReason, Unfit, keep

ReportCoin = Callable[[CoinAccepted | CoinsSuspect], None]

_KIND = b"Coin Acceptor"


class CcTalkAcceptor:
    """Implements CoinAcceptor on a shared bus.

    address: 2 unless changed. expected_serial: the commissioned unit, another one is refused; None
    takes any. poll_seconds: between polls while coins may come; units inhibit themselves when not
    polled for 1 s. idle_poll_seconds: between polls else. drain_seconds: how long after closing
    the slot a coin may still be on its way. kept_codes: error codes that mean a coin kept without
    credit. first_pause_seconds, longest_pause_seconds: between attempts to find it again.
    slow_reply_seconds: for identity and self-check.
    """

    def __init__(
        self,
        bus: CcTalkBus,
        log: Logbook,
        *,
        address: int = 2,
        expected_serial: int | None = None,
        poll_seconds: float = 0.2,
        idle_poll_seconds: float = 0.5,
        drain_seconds: float = 2.0,
        kept_codes: frozenset[int] = KEPT_CODES,
        slow_reply_seconds: float = 1.5,
        first_pause_seconds: float = 0.1,
        longest_pause_seconds: float = 2.0,
    ) -> None:
        self._bus = bus
        self._log = log
        self._address = address
        self._expected_serial = expected_serial
        self._poll_seconds = poll_seconds
        self._idle_poll_seconds = idle_poll_seconds
        self._drain_seconds = drain_seconds
        self._kept_codes = kept_codes
        self._slow_reply_seconds = slow_reply_seconds
        self._first_pause_seconds = first_pause_seconds
        self._longest_pause_seconds = longest_pause_seconds
        self._report: ReportLevel
        self._coin: ReportCoin
        self._task: asyncio.Task[NoReturn] | None = None
        self._mark: CoinMark | None = None
        self._yen_of: dict[int, Yen] = {}
        self._working: bool | None = None
        self._gone_reason: GoneReason | None = None
        self._wanted_mask = 0
        self._mask_in_force: int | None = None
        self._closed_at = 0.0
        self._gone_at = 0.0
        self._quiet = False
        self._opened_here = False
        self._wake = asyncio.Event()
        self._turned = asyncio.Event()

    @property
    def mark(self) -> CoinMark | None:
        """Where the event counter stands now, rejected coins included; None before the first contact."""
        return self._mark

    def start(self, report: ReportLevel, coin: ReportCoin, seen: CoinMark | None) -> None:
        """Watch the acceptor; see CoinAcceptor.

        seen: the last mark that was journaled. None, or another unit's: every coin counts that came
        since power-up, for nobody but this kiosk has opened the slot since then.
        """
        self._report = report
        self._coin = coin
        self._mark = seen
        self._gone_at = _now()
        self._task = asyncio.get_running_loop().create_task(
            keep(
                self._serve,
                self._gone,
                first_pause_seconds=self._first_pause_seconds,
                longest_pause_seconds=self._longest_pause_seconds,
            )
        )

    async def accept(self, denominations: frozenset[Yen]) -> None:
        """Open the slot for these coins only; returns when the acceptor has confirmed it.

        Raises DeviceGone when it is not working, when it knows none of these coins, or when the
        slot was closed again before it was open. Cancelled before it returns, the slot is closed again.
        """
        mask = sum(1 << position - 1 for position, yen in self._yen_of.items() if yen in denominations)
        if not self._working or mask == 0:
            raise DeviceGone("coin acceptor cannot take these coins")
        self._want(mask)
        try:
            while self._mask_in_force != mask:
                await self._turned.wait()
                if self._wanted_mask != mask:
                    raise DeviceGone("coin slot was closed before it was open")
        except asyncio.CancelledError:
            if self._wanted_mask == mask:
                self._want(0)
            raise

    async def stop(self) -> None:
        """Inhibit all coins and wait until none can come any more; see CoinAcceptor.

        An acceptor that is gone is waited for as long as coins could be on their way; it inhibits
        itself when nobody polls it, and what it took is told when it answers again.
        """
        self._want(0)
        while not self._quiet:
            patience = None if self._working else self._gone_at + self._drain_seconds - _now()
            try:
                async with asyncio.timeout(patience):
                    await self._turned.wait()
            except TimeoutError:
                return

    async def close(self) -> None:
        """Inhibit all coins if the acceptor answers, and end the watch."""
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        if self._mask_in_force is not None:
            with contextlib.suppress(DeviceGone, NotExecuted):
                await self._ask(Header.MODIFY_MASTER_INHIBIT, b"\x00", length=0)
        self._mask_in_force = None

    # the watch

    async def _serve(self) -> NoReturn:
        try:
            mark = await self._identify()
            mark = self._tell(mark, fresh_events(mark.counter, await self._read_events()))
            self._back()
            while True:
                await self._turn_slot()
                began = _now()
                fresh = fresh_events(mark.counter, await self._read_events())
                mark = self._tell(mark, fresh)
                if fresh.reset:
                    raise Unfit(GoneReason.RESTARTED)
                if any(self._class_of(event) is ErrorClass.FAULT for event in fresh.events):
                    await self._check_itself()
                self._quiet = self._mask_in_force == 0 and began - self._closed_at >= self._drain_seconds
                self._opened_here = self._opened_here and not self._quiet
                self._tell_turn()
                await self._pause()
        except NotExecuted as cause:
            raise DeviceGone("coin acceptor refuses") from cause

    async def _identify(self) -> CoinMark:
        await self._ask(Header.SIMPLE_POLL, length=0)
        kind = await self._ask_slowly(Header.REQUEST_EQUIPMENT_CATEGORY)
        if kind.strip().lower() != _KIND.lower():
            raise Unfit(GoneReason.OTHER_KIND)
        serial = unsigned(await self._ask_slowly(Header.REQUEST_SERIAL_NUMBER, length=3))
        if self._expected_serial not in (None, serial):
            raise Unfit(GoneReason.OTHER_UNIT)
        await self._check_itself()
        self._yen_of = await self._read_coin_ids()
        if self._mark is None or self._mark.serial != serial:
            self._mark = CoinMark(serial, 0)
        return self._mark

    async def _check_itself(self) -> None:
        verdict = await self._ask_slowly(Header.PERFORM_SELF_CHECK)
        if not verdict or verdict[0]:
            raise Unfit(GoneReason.FAULT, verdict[0] if verdict else 0)

    async def _read_coin_ids(self) -> dict[int, Yen]:
        values = {}
        for position in POSITIONS:
            coin_id = await self._ask_slowly(Header.REQUEST_COIN_ID, bytes((position,)))
            if yen := coin_yen(coin_id):
                values[position] = yen
        return values

    async def _turn_slot(self) -> None:
        mask = self._wanted_mask
        if mask == self._mask_in_force:
            return
        if mask:
            self._opened_here, self._quiet = True, False
        else:
            await self._ask(Header.MODIFY_MASTER_INHIBIT, b"\x00", length=0)
        await self._ask(Header.MODIFY_INHIBIT_STATUS, mask.to_bytes(2, "little"), length=0)
        if mask:
            await self._ask(Header.MODIFY_MASTER_INHIBIT, b"\x01", length=0)
        self._mask_in_force = mask
        self._closed_at = _now()

    async def _pause(self) -> None:
        seconds = self._idle_poll_seconds if self._quiet else self._poll_seconds
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        self._wake.clear()

    def _want(self, mask: int) -> None:
        self._wanted_mask = mask
        self._wake.set()
        if mask != self._mask_in_force:
            self._quiet = False

    def _tell_turn(self) -> None:
        self._turned.set()
        self._turned.clear()

    def _gone(self, reason: GoneReason, code: int) -> None:
        self._mask_in_force, self._wanted_mask, self._quiet = None, 0, False
        if self._gone_reason != reason:
            self._gone_reason = reason
            self._log(EventId.COIN_ACCEPTOR_GONE, reason=reason, code=code)
        self._report_working(False)
        self._tell_turn()

    def _back(self) -> None:
        if self._gone_reason is not None:
            self._gone_reason = None
            self._log(EventId.COIN_ACCEPTOR_BACK)
        self._report_working(True)

    def _report_working(self, working: bool) -> None:
        if working != self._working:
            self._working = working
            self._gone_at = _now()
            self._report(AcceptorLevel(working))

    # coins

    def _tell(self, mark: CoinMark, fresh: FreshEvents) -> CoinMark:
        """Report what is fresh, oldest first, each with its own mark; the mark after all of it.

        Lost events are the oldest: a kiosk that dies in between finds the others again.
        """
        if fresh.reset:
            mark = self._move_to(CoinMark(mark.serial, 0))
            if self._opened_here:
                self._suspect(0, 0, mark)
            self._opened_here = False
        if fresh.lost:
            mark = self._move_to(CoinMark(mark.serial, counter_after(mark.counter, fresh.lost)))
            self._want(0)
            self._suspect(fresh.lost, 0, mark)
        for event in fresh.events:
            mark = self._move_to(CoinMark(mark.serial, event.counter))
            self._tell_event(event, mark)
        return mark

    def _tell_event(self, event: CoinEvent, mark: CoinMark) -> None:
        yen = self._yen_of.get(event.position)
        if yen is not None:
            self._log(EventId.COIN_ACCEPTED, yen=yen, count=event.counter)
            self._coin(CoinAccepted(yen, mark))
        elif event.position:
            self._suspect(1, 0, mark)
        elif self._class_of(event) is ErrorClass.KEPT:
            self._suspect(0, event.code, mark)
        elif event.code:
            self._log(EventId.COIN_REJECTED, code=event.code)

    def _suspect(self, lost: int, code: int, mark: CoinMark) -> None:
        self._log(EventId.COIN_SUSPECT, count=lost, code=code)
        self._coin(CoinsSuspect(lost, code, mark))

    def _class_of(self, event: CoinEvent) -> ErrorClass | None:
        return None if event.position else error_class(event.code, self._kept_codes)

    def _move_to(self, mark: CoinMark) -> CoinMark:
        self._mark = mark
        return mark

    # requests

    async def _read_events(self) -> EventBuffer:
        return EventBuffer.parse(await self._ask(Header.READ_BUFFERED_CREDIT, length=11))

    async def _ask(self, header: Header, data: bytes = b"", *, length: int | None) -> bytes:
        return await self._bus.ask(self._address, header, data, length=length)

    async def _ask_slowly(self, header: Header, data: bytes = b"", *, length: int | None = None) -> bytes:
        return await self._bus.ask(
            self._address, header, data, length=length, reply_seconds=self._slow_reply_seconds
        )


def _now() -> float:
    return asyncio.get_running_loop().time()
