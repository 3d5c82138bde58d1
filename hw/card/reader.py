"""The card reader as the kiosk sees it: watched, one session at a time, powered down on every way out."""

import asyncio
import contextlib
import re
import threading
import time
from collections.abc import Callable, Coroutine
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from firmware.core.facts import ReaderLevel
from firmware.errors import CardGone, CardUnusable, DeviceGone, PinBlocked, PinUncertain, PinWrong
from firmware.logbook import EventId, Logbook
from firmware.ports import CardReading, CardSignature, ReportLevel
from hw.card.monitor import ReaderMonitor, Sighting
from hw.card.session import Acceptance, CardSession, CardStats, shut
from hw.one_thread import OneThread
from hw.restart import RestartRequest

T = TypeVar("T")

CANCEL_AGAIN_SECONDS = 0.05


class PcscCardReader:
    """A `firmware.ports.CardReader` on pcscd.

    reader_name: a part of the reader's PC/SC name, "" takes the first there is.
    apdu_timeout_seconds: a card that works on one command for longer (up to twice that) is given up and
        the reader counts as gone until the command comes back. Cards may take 2.5 s by their standard.
    reconnect_seconds: longest pause between two attempts to reach pcscd, and before a watch that failed
        in a way that nobody foresaw begins again.
    now: aware; judges the certificate's dates.
    acceptance: which cards are taken.
    domain: what every message that is signed here begins with, so that no card signs anything else.
    restart_request, restart_seconds: see `hw.restart`.

    The environment variable PCSCLITE_CSOCK_NAME is read by libpcsclite itself. `stats` counts sessions,
    APDUs and bytes.
    """

    def __init__(
        self,
        *,
        log: Logbook,
        reader_name: str,
        apdu_timeout_seconds: float,
        reconnect_seconds: float,
        now: Callable[[], datetime],
        acceptance: Acceptance,
        domain: bytes,
        restart_request: Path | None = None,
        restart_seconds: float = 10.0,
    ) -> None:
        self.stats = CardStats()
        self._log = log
        self._apdu_timeout_seconds = apdu_timeout_seconds
        self._reconnect_seconds = reconnect_seconds
        self._now = now
        self._acceptance = acceptance
        self._domain = domain
        self._restart = RestartRequest(
            restart_request,
            restart_seconds,
            asked=partial(log, EventId.PCSCD_RESTART_ASKED),
            failed=partial(log, EventId.CARD_READER_FAILED, step="restart-request"),
        )
        self._monitor = ReaderMonitor(
            reader_name=reader_name, reconnect_seconds=reconnect_seconds, tell=self._tell_from_thread
        )
        self._monitor_thread = OneThread("card-monitor")
        self._worker = OneThread("card-worker")
        self._session: CardSession | None = None
        self._reading: CardReading | None = None
        self._sighting = Sighting()
        self._under_way: threading.Event | None = None
        self._stuck = False
        self._working: bool | None = None
        self._level: ReaderLevel | None = None
        self._report: ReportLevel | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._watching: asyncio.Future[None] | None = None
        self._background: set[asyncio.Future[Any]] = set()

    def start(self, report: ReportLevel) -> None:
        """Watch the reader; reports ReaderLevel first for what is there now, then after each change."""
        self._loop = asyncio.get_running_loop()
        self._report = report
        self._watch()

    def busy_seconds(self) -> float:
        """How long the present command to reader or card has taken; 0 without one.

        One that was given up does not count: it is told as a level, and pcscd's restart is asked for.
        """
        return 0.0 if self._stuck else self._worker.busy_seconds()

    async def read(self) -> CardReading:
        """See `firmware.ports.CardReader.read`."""
        if not self._sighting.reader:
            raise DeviceGone("no card reader")
        began = time.monotonic()
        try:
            reading = await self._watched(partial(self._read_blocking, self._sighting.reader, self._now()))
        except CardUnusable as error:
            self._log(EventId.CARD_REFUSED, refusal=error.refusal)
            raise
        except CardGone as error:
            self._log(EventId.CARD_GONE, step="read", reason=_word(error))
            raise
        except DeviceGone as error:
            self._log_failed("read", error)
            raise
        milliseconds = round((time.monotonic() - began) * 1000)
        self._log(EventId.CARD_READ, tries_left=reading.tries_left, milliseconds=milliseconds)
        return reading

    async def sign(self, pin: bytearray, message: bytes) -> CardSignature:
        """See `firmware.ports.CardReader.sign`.

        Raises ValueError for a pin that is not 4 digits or a message of another domain, before any command.
        """
        try:
            if not message.startswith(self._domain):
                raise ValueError("the message is not of this kiosk's domain")
            return await self._watched(partial(self._sign_blocking, pin, message))
        except PinWrong as error:
            self._log(EventId.PIN_REFUSED, tries_left=error.tries_left)
            raise
        except PinBlocked:
            self._log(EventId.PIN_BLOCKED)
            raise
        except PinUncertain:
            self._log(EventId.PIN_UNCERTAIN)
            raise
        except CardGone as error:
            self._log(EventId.CARD_GONE, step="sign", reason=_word(error))
            raise
        except DeviceGone as error:
            self._log_failed("sign", error)
            raise
        finally:
            pin[:] = bytes(len(pin))

    async def release(self, reading: CardReading) -> None:
        """See `firmware.ports.CardReader.release`."""
        await self._release(partial(self._end_session_of, reading))

    async def close(self) -> None:
        """End the session, both threads and the watch; returns also when a command is stuck."""
        self._report = None
        self._restart.withdraw()
        if self._watching is not None:
            await self._stop_watching(self._watching)
            self._watching = None
            await self._release(self._end_session)
        await self._monitor_thread.close(timeout_seconds=self._apdu_timeout_seconds)
        await self._worker.close(timeout_seconds=self._apdu_timeout_seconds)

    async def _stop_watching(self, watching: asyncio.Future[None]) -> None:
        """A pcscd that hangs is not waited for: its thread ends with the process."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._apdu_timeout_seconds
        cancelling = OneThread("card-cancel")
        while not watching.done() and loop.time() < deadline:
            stop = asyncio.ensure_future(cancelling.run(self._monitor.stop))
            await asyncio.wait({watching, stop}, timeout=CANCEL_AGAIN_SECONDS)
        await cancelling.close(timeout_seconds=0.0)

    # --- in the worker thread

    def _read_blocking(self, reader: str, now: datetime) -> CardReading:
        self._end_session()
        self._session = CardSession(reader, self.stats, self._is_abandoned)
        with contextlib.ExitStack() as undo:
            undo.callback(self._end_session)
            reading = self._reading = self._session.read(now, self._acceptance)
            undo.pop_all()
        return reading

    def _sign_blocking(self, pin: bytearray, message: bytes) -> CardSignature:
        if self._session is None:
            raise CardGone("no session with a card")
        with contextlib.ExitStack() as undo:
            undo.callback(self._end_session)
            try:
                return self._session.sign(pin, message)
            except PinWrong:
                undo.pop_all()
                raise

    def _end_session_of(self, reading: CardReading) -> None:
        if self._reading is reading:
            self._end_session()

    def _end_session(self) -> None:
        self._reading = None
        session, self._session = self._session, None
        if session is not None:
            session.end()

    def _wanted(self, abandoned: threading.Event, call: Callable[[], T]) -> T:
        """Run call; abandoned is set from the loop once nobody waits for it."""
        self._under_way = abandoned
        try:
            return call()
        finally:
            self._under_way = None

    def _is_abandoned(self) -> bool:
        return self._under_way is not None and self._under_way.is_set()

    def _shut_blocking(self, reader: str) -> None:
        if self._session is None:
            shut(reader)

    # --- on the loop

    async def _watched(self, call: Callable[[], T], end: Callable[[], None] | None = None) -> T:
        """Run call in the worker as long as it makes progress. Raises DeviceGone while one is stuck.

        When nobody waits any more, because the caller was cancelled or the card does not answer, no
        further command goes to the card, and the session ends right behind the one under way: by end, if
        not every session may.
        A call that waits behind another one, for which somebody waits, leaves it to him to give that up.
        """
        if self._stuck:
            raise DeviceGone("a command to the card has not come back")
        abandoned = threading.Event()
        work = asyncio.ensure_future(self._worker.run(self._wanted, abandoned, call))
        with contextlib.ExitStack() as undo:
            undo.callback(self._abandon, work, end or self._end_session)
            undo.callback(abandoned.set)
            while not work.done():
                apdus = self.stats.apdus
                done, _ = await asyncio.wait({work}, timeout=self._apdu_timeout_seconds)
                if not done and apdus == self.stats.apdus and not self._somebody_waits_before(abandoned):
                    raise self._give_up()
            undo.pop_all()
        return work.result()

    def _somebody_waits_before(self, mine: threading.Event) -> bool:
        """Whether another's call is under way, and not given up."""
        under_way = self._under_way
        return under_way not in (None, mine) and not under_way.is_set()

    async def _release(self, end: Callable[[], None]) -> None:
        # A stuck session ends when its command comes back, also one whose `sign` was cancelled in VERIFY.
        with contextlib.suppress(DeviceGone, CardGone, PinUncertain):
            await self._watched(end, end)

    def _give_up(self) -> Exception:
        self._stuck = True
        self._tell()
        if self._report is not None:
            self._restart.begin()
        if self._session is not None and self._session.verify_in_flight:
            return PinUncertain("VERIFY, no answer in time")
        return CardGone("no answer in time")

    def _abandon(self, work: asyncio.Future[Any], end: Callable[[], None]) -> None:
        work.cancel()
        self._in_background(work)
        self._in_background(self._end_abandoned(end))

    async def _end_abandoned(self, end: Callable[[], None]) -> None:
        await self._worker.run(end)
        self._stuck = False
        self._restart.withdraw()
        self._tell()

    def _tell_from_thread(self, sighting: Sighting) -> None:
        assert self._loop is not None  # noqa: S101 - the monitor runs only after start
        self._loop.call_soon_threadsafe(self._on_sighting, sighting)

    def _on_sighting(self, sighting: Sighting) -> None:
        if sighting.card_present and not self._sighting.reader:
            self._in_background(self._worker.run(self._shut_blocking, sighting.reader))
        self._sighting = sighting
        self._tell()

    def _watch(self) -> None:
        if self._report is not None:
            self._watching = asyncio.ensure_future(self._monitor_thread.run(self._monitor.run))
            self._watching.add_done_callback(self._on_watch_ended)

    def _on_watch_ended(self, watching: asyncio.Future[None]) -> None:
        """The watch ends by close alone; should it fail, the loop is told why and it begins again."""
        self._on_sighting(Sighting())
        if not watching.cancelled():
            watching.get_loop().call_later(self._reconnect_seconds, self._watch)
        watching.result()

    def _log_failed(self, step: str, error: DeviceGone) -> None:
        """A reader that is gone was told once already."""
        if self._working:
            self._log(EventId.CARD_READER_FAILED, step=step, reason=_word(error))

    def _tell(self) -> None:
        """Log a change of working, report a change of the level."""
        if self._report is None:
            return
        working = bool(self._sighting.reader) and not self._stuck
        if working != self._working and not (working and self._working is None):
            self._log(EventId.CARD_READER_BACK if working else EventId.CARD_READER_GONE)
        self._working = working
        level = ReaderLevel(working=working, card_present=working and self._sighting.card_present)
        if level != self._level:
            self._level = level
            self._report(level)

    def _in_background(self, work: asyncio.Future[Any] | Coroutine[Any, Any, Any]) -> None:
        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Future[Any]) -> None:
        self._background.discard(task)
        if not task.cancelled():
            task.exception()


def _word(error: CardGone | DeviceGone) -> str:
    """Why, as a word of the log: these two say what PC/SC or the card did, and nothing of a person."""
    return re.sub(r"[^A-Za-z0-9_.:]+", "-", str(error)).strip("-")
