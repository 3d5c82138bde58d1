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
from firmware.logbook import EventId, FieldValue, Logbook
from firmware.ports import CoinAccepted, CoinMark, CoinReturned, CoinsSuspect, ReportLevel
from hw.coin.acceptor_unit import AcceptorUnit, CoinPositions
from hw.coin.bus import CcTalkBus, NotExecuted
from hw.coin.event_buffer import (
    CHECK_CODES,
    REJECTED_CODES,
    SUSPECT_CODES,
    CoinEvent,
    EventBuffer,
    FreshEvents,
    coins_missing,
    counter_after,
    error_class,
    fresh_events,
    hides_reset,
    pairs_text,
    reading,
)
from hw.coin.identity import Commissioned, Identity, log_word
from hw.coin.keep import GoneReason, Unfit, keep
from hw.pulse import Pulse

ReportCoin = Callable[[CoinAccepted | CoinsSuspect | CoinReturned], None]

ANY_UNIT = Commissioned()


class CcTalkAcceptor:
    """Implements CoinAcceptor on a shared bus.

    address: 2 unless changed. commissioned: the unit that was installed, another one is refused.
    denominations: a unit that does not know all of these coins is refused.
    poll_seconds: between polls while coins may come, less if the unit asks for less.
    idle_poll_seconds: between polls else. self_inhibit_seconds: a unit that was not polled for so long
    may have inhibited itself and is told again what to take. drain_seconds: how long after closing
    the slot a coin may still be on its way. suspect_codes: error codes after which a coin may be in the
    machine without credit. first_pause_seconds, longest_pause_seconds: between attempts to find it
    again. slow_reply_seconds: for identity and self-check.
    """

    def __init__(
        self,
        bus: CcTalkBus,
        log: Logbook,
        *,
        address: int = 2,
        commissioned: Commissioned = ANY_UNIT,
        denominations: frozenset[Yen] = frozenset(),
        poll_seconds: float = 0.2,
        idle_poll_seconds: float = 0.5,
        self_inhibit_seconds: float = 0.9,
        drain_seconds: float = 2.0,
        suspect_codes: frozenset[int] = SUSPECT_CODES,
        slow_reply_seconds: float = 1.5,
        first_pause_seconds: float = 0.1,
        longest_pause_seconds: float = 2.0,
    ) -> None:
        self._unit = AcceptorUnit(bus, address, slow_reply_seconds)
        self._log = log
        self._commissioned = commissioned
        self._denominations = denominations
        self._poll_seconds = poll_seconds
        self._idle_poll_seconds = idle_poll_seconds
        self._self_inhibit_seconds = self_inhibit_seconds
        self._drain_seconds = drain_seconds
        self._suspect_codes = suspect_codes
        self._first_pause_seconds = first_pause_seconds
        self._longest_pause_seconds = longest_pause_seconds
        self._report: ReportLevel
        self._coin: ReportCoin
        self._task: asyncio.Task[NoReturn] | None = None
        self._mark: CoinMark | None = None
        self._identity: Identity | None = None
        self._positions = CoinPositions({}, 0)
        self._counts_accepts = False
        self._accepted_before: int | None = None
        self._told_since = 0
        self._fastest_poll_seconds = poll_seconds
        self._polled_at = 0.0
        self._overdue = False
        self._working: bool | None = None
        self._gone_reason: GoneReason | None = None
        self._wanted_mask = 0
        self._mask_in_force: int | None = None
        self._closed_at = 0.0
        self._gone_at = 0.0
        self._quiet = False
        self._was_open = False
        self._left_open = False
        self._wake = asyncio.Event()
        self._turned = asyncio.Event()
        self._pulse = Pulse()

    @property
    def mark(self) -> CoinMark | None:
        """Where the event counter stands now, rejected coins included; None before the first contact."""
        return self._mark

    def busy_seconds(self) -> float:
        """How long the watcher has not come round; see `firmware.ports.Watched`."""
        return self._pulse.silent_seconds()

    def start(
        self, report: ReportLevel, coin: ReportCoin, seen: CoinMark | None, *, was_open: bool = False
    ) -> None:
        """Watch the acceptor; see CoinAcceptor.

        seen: the last mark that was journaled. None, or another unit's: every coin counts that came
        since power-up, for nobody but this kiosk has opened the slot since then.
        """
        self._report = report
        self._coin = coin
        self._mark = seen
        self._was_open = was_open
        self._left_open = was_open and seen is not None
        self._gone_at = _now()
        self._task = asyncio.get_running_loop().create_task(
            keep(
                self._serve,
                self._gone,
                first_pause_seconds=self._first_pause_seconds,
                longest_pause_seconds=self._longest_pause_seconds,
                beat=self._pulse.beat,
            ),
            name="coin-acceptor",
        )

    async def accept(self, denominations: frozenset[Yen]) -> None:
        """Open the slot for these coins only; returns when the acceptor has confirmed it.

        Raises DeviceGone when it is not working, when it knows none of these coins, or when the
        slot was closed again before it was open. Cancelled before it returns, the slot is closed again.
        """
        mask = self._positions.mask(denominations)
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
        self._pulse.end()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        if self._mask_in_force is not None:
            with contextlib.suppress(DeviceGone, NotExecuted):
                await self._unit.close()
        self._mask_in_force = None

    # the watch

    async def _serve(self) -> NoReturn:
        try:
            await self._identify()
            await self._tell_fresh()
            await self._turn_slot()
            self._back()
            while True:
                self._pulse.beat()
                await self._turn_slot()
                began = _now()
                fresh = await self._tell_fresh()
                if fresh.reset:
                    raise Unfit(GoneReason.RESTARTED)
                if any(event.position == 0 and event.code in CHECK_CODES for event in fresh.events):
                    await self._close_and_check()
                self._note_poll(began)
                self._quiet = self._mask_in_force == 0 and began - self._closed_at >= self._drain_seconds
                self._was_open = self._was_open and not self._quiet
                self._tell_turn()
                await self._pause()
        except NotExecuted as cause:
            raise DeviceGone("coin acceptor refuses") from cause

    async def _identify(self) -> None:
        identity = await self._unit.identity()
        self._commissioned.require(identity)
        if identity != self._identity:
            self._log(
                EventId.COIN_ACCEPTOR_FOUND,
                device=identity.serial,
                kind=log_word(identity.product),
                version=log_word(identity.software),
            )
        self._identity = identity
        await self._unit.check_itself()
        self._positions = await self._unit.positions()
        self._positions.require_all(self._denominations)
        self._fastest_poll_seconds = min(
            self._poll_seconds, await self._unit.polling_seconds() or self._poll_seconds
        )
        self._counts_accepts = await self._unit.accepted() is not None
        if self._mark is None or self._mark.serial != identity.serial:
            # Nothing says whether this unit's slot was shut.
            self._mark, self._was_open, self._left_open = CoinMark(identity.serial, 0), True, False
        self._polled_at = _now()

    async def _turn_slot(self) -> None:
        """Make the acceptor take what is wanted now, and see from its answer that it does."""
        mask = self._wanted_mask
        if mask == self._mask_in_force and not self._overdue:
            return
        if mask:
            self._was_open, self._quiet = True, False
            self._accepted_before = await self._unit.accepted() if self._counts_accepts else None
            self._told_since = 0
        await self._unit.turn(mask, self._positions)
        self._mask_in_force, self._overdue = mask, False
        self._closed_at = _now()

    def _note_poll(self, began: float) -> None:
        """A unit that was not polled in time may have inhibited itself: its state is told anew."""
        self._overdue = bool(self._mask_in_force) and began - self._polled_at > self._self_inhibit_seconds
        self._polled_at = began

    async def _pause(self) -> None:
        seconds = self._idle_poll_seconds if self._quiet else self._fastest_poll_seconds
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

    async def _tell_fresh(self) -> FreshEvents:
        """Report what is fresh, oldest first, each with its own mark.

        Lost events are the oldest: a kiosk that dies in between finds the others again. Nothing moves
        before all that has to be asked is known, so that a line lost meanwhile loses no report.
        """
        mark = self._mark or CoinMark(0, 0)
        buffer = await self._unit.events()
        fresh = fresh_events(mark.counter, buffer, reading(mark.counter, mark.pairs))
        # Only at the start: a line that was lost for a moment is no sign of a lost supply.
        unseen = self._left_open and hides_reset(mark.counter, buffer)
        if unseen or self._may_lack_coins(fresh):
            await self._tell_doubt(mark, buffer, fresh)
        elif fresh.lost or fresh.unclear:
            self._log(EventId.COIN_EVENTS_MISSED, count=fresh.lost)
        self._was_open, self._left_open = self._was_open and not fresh.reset, False
        for later, event in zip(reversed(range(len(fresh.events))), fresh.events, strict=True):
            self._mark = CoinMark(mark.serial, event.counter, pairs_text(buffer.pairs[later:]))
            self._tell_event(event, self._mark)
        self._mark = CoinMark(mark.serial, buffer.counter, pairs_text(buffer.pairs))
        return fresh

    def _may_lack_coins(self, fresh: FreshEvents) -> bool:
        """Events are missing, and coins may be among them: not while the slot was surely shut."""
        missing = fresh.lost > 0 or fresh.unclear or fresh.reset
        return missing and (self._was_open or any(event.position for event in fresh.events))

    async def _tell_doubt(self, mark: CoinMark, buffer: EventBuffer, fresh: FreshEvents) -> None:
        """Nobody knows what came: close the slot, tell staff how much may be missing, credit nothing."""
        if not fresh.reset:
            await self._unit.close()
        coins = await self._count_missing(fresh)
        self._want(0)
        self._mask_in_force = None
        start = 0 if fresh.reset else mark.counter
        self._mark = CoinMark(
            mark.serial, counter_after(start, fresh.lost), pairs_text(buffer.pairs[len(fresh.events) :])
        )
        self._suspect(fresh.lost, 0, self._mark, coins)

    def _tell_event(self, event: CoinEvent, mark: CoinMark) -> None:
        yen = self._positions.yen_of.get(event.position)
        if yen is not None:
            self._told_since += 1
            self._log(EventId.COIN_ACCEPTED, yen=yen, count=event.counter)
            self._coin(CoinAccepted(yen, mark))
        elif event.position:
            self._suspect(1, 0, mark, None)
        elif event.code in self._suspect_codes:
            self._suspect(0, event.code, mark, None)
        elif event.code:
            self._log(EventId.COIN_REJECTED, code=event.code)
            if event.code in REJECTED_CODES:
                self._coin(CoinReturned())

    def _suspect(self, lost: int, code: int, mark: CoinMark, coins: int | None) -> None:
        more: dict[str, FieldValue] = {} if coins is None else {"coins": coins}
        if code:
            more["reason"] = error_class(code)
        self._log(EventId.COIN_SUSPECT, count=lost, code=code, **more)
        self._coin(CoinsSuspect(lost, code, mark, coins))

    async def _count_missing(self, fresh: FreshEvents) -> int | None:
        """Coins accepted since the slot was opened and never told; None if nobody can know."""
        accepted = await self._unit.accepted() if self._counts_accepts else None
        if accepted is None or self._accepted_before is None:
            return None
        about_to_be_told = sum(event.position in self._positions.yen_of for event in fresh.events)
        return coins_missing(self._accepted_before, accepted, self._told_since + about_to_be_told)

    async def _close_and_check(self) -> None:
        """A self-check may take longer than the acceptor waits for a poll: no coin may come meanwhile."""
        await self._unit.close()
        self._mask_in_force = None
        await self._unit.check_itself()


def _now() -> float:
    return asyncio.get_running_loop().time()
