"""A coin acceptor that says each coin by pulses on a wire, behind the same port as a ccTalk one.

It has no serial number, no event counter and no memory: the counter of its marks is this adapter's own and
goes on from the journal's last one. What came while nobody watched cannot be asked for, so the inhibit
line is closed whenever nobody does; where it was found open, staff are told.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import NoReturn

from firmware.core.facts import AcceptorLevel
from firmware.core.terms import Yen
from firmware.errors import DeviceGone
from firmware.logbook import EventId, Logbook
from firmware.ports import CoinAccepted, CoinMark, CoinReturned, CoinsSuspect, ReportLevel
from hw.coin.event_buffer import counter_after
from hw.coin.keep import GoneReason, keep
from hw.coin.pulse_wires import PulsePins, PulseWires
from hw.coin.pulses import PulseFault, PulseGroup, PulseGroups, PulseTiming
from hw.gpio_pins import pin_faults
from hw.pulse import Pulse

ReportCoin = Callable[[CoinAccepted | CoinsSuspect | CoinReturned], None]

NO_SERIAL = 0
"""The serial number in the marks of a unit that has none."""

WATCH_SECONDS = 1.0
"""How often the pins are looked at when nothing happens: a chip that is gone makes no edge."""

CRACKLE_SECONDS = 10.0
"""Doubts within this time of each other, with the slot shut, are one: a bad wire fills no disk."""


class PulseAcceptor:
    """Implements CoinAcceptor on two GPIO pins.

    coins: yen by the number of pulses; the unit takes all of them or none. drain_seconds: how long after
    inhibiting a coin may still be on its way. first_pause_seconds, longest_pause_seconds: between
    attempts to claim the pins again.
    """

    def __init__(
        self,
        pins: PulsePins,
        coins: Mapping[int, Yen],
        log: Logbook,
        *,
        timing: PulseTiming,
        drain_seconds: float = 2.0,
        first_pause_seconds: float = 0.1,
        longest_pause_seconds: float = 5.0,
    ) -> None:
        self._pins = pins
        self._coins = dict(coins)
        self._log = log
        self._timing = timing
        self._drain_seconds = drain_seconds
        self._first_pause_seconds = first_pause_seconds
        self._longest_pause_seconds = longest_pause_seconds
        self._report: ReportLevel
        self._coin: ReportCoin
        self._task: asyncio.Task[NoReturn] | None = None
        self._wires: PulseWires | None = None
        self._first_counter = 0
        self._counter: int | None = None
        self._working: bool | None = None
        self._gone_reason: GoneReason | None = None
        self._gone_at = 0.0
        self._is_open = False
        self._was_open = False
        self._doubted_at = float("-inf")
        self._closed_at = 0.0
        self._quiet = False
        self._moved = asyncio.Event()
        self._turned = asyncio.Event()
        self._pulse = Pulse()

    @property
    def mark(self) -> CoinMark | None:
        """How many coins and doubts were told, by this adapter's own count; None before the first contact."""
        return None if self._counter is None else CoinMark(NO_SERIAL, self._counter)

    def busy_seconds(self) -> float:
        """How long the watcher has not come round; see `firmware.ports.Watched`."""
        return self._pulse.silent_seconds()

    def start(
        self, report: ReportLevel, coin: ReportCoin, seen: CoinMark | None, *, was_open: bool = False
    ) -> None:
        """Watch the line; see CoinAcceptor. seen: of another unit, the count begins anew."""
        self._report = report
        self._coin = coin
        self._first_counter = seen.counter if seen is not None and seen.serial == NO_SERIAL else 0
        self._was_open = was_open
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
        """Let coins in. Raises DeviceGone when it is not working, or when it takes others than these too.

        A unit with one inhibit line cannot take some coins and not others: where only some may come, it
        says for a moment that it does not work, so that the visit ends instead of waiting.
        """
        if not self._working or self._wires is None:
            raise DeviceGone("coin acceptor does not work")
        if not denominations.issuperset(self._coins.values()):
            self._report(AcceptorLevel(working=False))
            asyncio.get_running_loop().call_soon(self._report_as_is)
            raise DeviceGone("coin acceptor cannot take only these coins")
        with pin_faults():
            self._wires.let_in(True)
        self._is_open = self._was_open = True
        self._quiet = False
        self._moved.set()

    async def stop(self) -> None:
        """Inhibit, and wait until no coin and no pulse can come any more; see CoinAcceptor."""
        self._shut()
        self._moved.set()
        while not self._quiet:
            patience = None if self._working else self._gone_at + self._drain_seconds - _now()
            try:
                async with asyncio.timeout(patience):
                    await self._turned.wait()
            except TimeoutError:
                return

    async def close(self) -> None:
        """Inhibit and let the pins go; their outside pull keeps the acceptor inhibited."""
        task, self._task = self._task, None
        if task is None:
            return
        self._pulse.end()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    # the watch

    async def _serve(self) -> NoReturn:
        woken = partial(asyncio.get_running_loop().call_soon_threadsafe, self._moved.set)
        try:
            with pin_faults(), PulseWires(self._pins, woken) as self._wires:
                await self._watch(self._wires)
        finally:
            self._wires, self._is_open = None, False

    async def _watch(self, wires: PulseWires) -> NoReturn:
        self._note_unwatched(wires)
        groups = PulseGroups(self._timing, most_pulses=max(self._coins), active=wires.active())
        arrived_at = self._closed_at = _now()
        while True:
            self._pulse.beat()
            self._moved.clear()
            if self._take(wires, groups):
                arrived_at = _now()
            elif groups.pending and _now() - arrived_at >= self._timing.rest_seconds:
                self._tell(groups.rest())
                arrived_at = _now()
            wires.active()  # raises when the chip is gone
            self._judge(groups)
            await self._pause(groups, arrived_at)

    def _take(self, wires: PulseWires, groups: PulseGroups) -> bool:
        edges, lost = wires.take_edges()
        if lost:
            groups.lose()
        for at, active in edges:
            self._tell(groups.edge(at, active))
        return bool(edges)

    def _judge(self, groups: PulseGroups) -> None:
        """How the line is now; whoever waits for the slot to be quiet is told."""
        broken = groups.stuck or groups.noisy
        if broken:
            self._shut()
            self._gone(GoneReason.LINE_STUCK if groups.stuck else GoneReason.LINE_NOISY, 0)
        elif not groups.pending:
            self._back()
        self._quiet = self._drained and (broken or not groups.pending)
        self._was_open = self._was_open and not self._quiet
        self._turned.set()
        self._turned.clear()

    @property
    def _drained(self) -> bool:
        """No coin can come any more, though its pulses may."""
        return not self._is_open and _now() - self._closed_at >= self._drain_seconds

    async def _pause(self, groups: PulseGroups, arrived_at: float) -> None:
        due = [WATCH_SECONDS]
        if groups.pending:
            due.append(arrived_at + self._timing.rest_seconds - _now())
        if not self._is_open and not self._quiet:
            due.append(self._closed_at + self._drain_seconds - _now())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, min(due))):
                await self._moved.wait()

    def _note_unwatched(self, wires: PulseWires) -> None:
        """Coins may have come while nobody watched: before this process, or while the chip was gone."""
        if self._counter is None:
            self._counter = self._first_counter
        if wires.found_open or self._was_open:
            self._suspect(0, GoneReason.UNGUARDED)
        self._was_open = False

    def _shut(self) -> None:
        if self._is_open:
            self._is_open, self._quiet = False, False
            self._closed_at = _now()
            with contextlib.suppress(DeviceGone), pin_faults():
                if self._wires is not None:
                    self._wires.let_in(False)

    def _gone(self, reason: GoneReason, code: int) -> None:
        if self._gone_reason != reason:
            self._gone_reason = reason
            self._log(EventId.COIN_ACCEPTOR_GONE, reason=reason, code=code)
        self._report_working(False)
        self._turned.set()
        self._turned.clear()

    def _back(self) -> None:
        if self._gone_reason is not None:
            self._gone_reason = None
            self._log(EventId.COIN_ACCEPTOR_BACK)
        self._report_working(True)

    def _report_working(self, working: bool) -> None:
        if working != self._working:
            self._working = working
            self._gone_at = _now()
            self._report_as_is()

    def _report_as_is(self) -> None:
        self._report(AcceptorLevel(bool(self._working)))

    # coins

    def _tell(self, groups: Iterable[PulseGroup]) -> None:
        for group in groups:
            yen = None if group.fault else self._coins.get(group.pulses)
            if yen is None:
                self._doubt(group.fault or PulseFault.COUNT)
            else:
                mark = self._next_mark()
                self._log(EventId.COIN_ACCEPTED, yen=yen, count=mark.counter)
                self._coin(CoinAccepted(yen, mark))

    def _doubt(self, fault: PulseFault) -> None:
        """Told each time as long as a coin may come; else once, until the line has been good for a while."""
        crackles = self._drained and _now() - self._doubted_at < CRACKLE_SECONDS
        self._doubted_at = _now()
        if not crackles:
            self._shut()
            self._suspect(1, fault)

    def _suspect(self, lost: int, reason: PulseFault | GoneReason) -> None:
        self._log(EventId.COIN_SUSPECT, count=lost, code=0, reason=reason)
        self._coin(CoinsSuspect(lost, 0, self._next_mark()))

    def _next_mark(self) -> CoinMark:
        self._counter = counter_after(self._counter or 0, 1)
        return CoinMark(NO_SERIAL, self._counter)


def _now() -> float:
    return asyncio.get_running_loop().time()
