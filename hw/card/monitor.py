"""Watches one reader through pcscd's restarts and the reader's comings and goings.

pyscard's CardMonitor is not used: its thread ends silently when pcscd does.

pcscd 1.9 looks into a slot every 0.4 s. A card that leaves in the midst of a command and is back before the
next look it calls gone, and sees again only once it has found the slot empty: it has to be lifted once more.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from hw.card.pcsc import PNP_NOTIFICATION, READER_UNAVAILABLE, PcscContext, PcscError, ReaderState

FIRST_RETRY_SECONDS = 0.1
LIST_AGAIN_SECONDS = 30.0
"""A reader plugged in between listing and waiting is found after this time at the latest."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """The reader as it is now; reader: its PC/SC name, empty when there is none."""

    reader: str = ""
    card_present: bool = False


class ReaderMonitor:
    """Blocks in one thread and tells every change.

    reader_name: a part of the reader's name, "" takes the first. reconnect_seconds: longest pause
    between two attempts to reach pcscd. tell: called in that thread, first with what is there at the
    start; a card swapped between two looks is told as taken away and put down.
    """

    def __init__(
        self, *, reader_name: str, reconnect_seconds: float, tell: Callable[[Sighting], None]
    ) -> None:
        self._reader_name = reader_name
        self._reconnect_seconds = reconnect_seconds
        self._tell = tell
        self._told: Sighting | None = None
        self._stopped = threading.Event()
        self._context: PcscContext | None = None
        self._retry_seconds = self._first_retry_seconds = min(FIRST_RETRY_SECONDS, reconnect_seconds)

    def run(self) -> None:
        """Watch until stopped; may be called again after an error."""
        self._told = None
        while not self._stopped.is_set():
            try:
                self._watch()
            except PcscError:
                self._say(Sighting())
                self._stopped.wait(self._retry_seconds)
                self._retry_seconds = min(self._retry_seconds * 2, self._reconnect_seconds)

    def stop(self) -> None:
        """Make `run` return; from any thread. To be repeated until it did: a wait may just begin."""
        self._stopped.set()
        if (context := self._context) is not None:
            context.cancel()

    def _watch(self) -> None:
        context = self._context = PcscContext()
        try:
            known = [ReaderState(PNP_NOTIFICATION)]
            while not self._stopped.is_set():
                known = self._choose(context, known)
                known = self._look(context, known)
                self._retry_seconds = self._first_retry_seconds
        finally:
            self._context = None
            context.release()

    def _choose(self, context: PcscContext, known: list[ReaderState]) -> list[ReaderState]:
        """The states to wait on: the list of readers, and our reader if there is one."""
        names = [name for name in context.readers() if self._reader_name in name]
        if not names:
            self._say(Sighting())
            return known[:1]
        if [state.reader for state in known[1:]] == names[:1]:
            return known
        return [known[0], ReaderState(names[0])]

    def _look(self, context: PcscContext, known: list[ReaderState]) -> list[ReaderState]:
        try:
            seen = context.wait_for_change(known, LIST_AGAIN_SECONDS)
        except PcscError as error:
            if error.is_timeout:
                return known
            raise
        for before, now in zip(known[1:], seen[1:], strict=True):
            if not now.is_available:
                raise PcscError("SCardGetStatusChange", READER_UNAVAILABLE)
            if before.card_present and now.card_present and before.moves != now.moves:
                self._say(Sighting(now.reader))
            self._say(Sighting(now.reader, now.card_present))
        return seen

    def _say(self, sighting: Sighting) -> None:
        if sighting != self._told:
            self._told = sighting
            self._tell(sighting)
