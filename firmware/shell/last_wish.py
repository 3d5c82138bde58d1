"""The kiosk's side of its own end: closes for good and asks root, by a file in memory, to erase it. 廃止"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from firmware.core.wording import Sentence
from firmware.errors import OfficeRefused
from firmware.logbook import EventId, Logbook
from firmware.ports import JournalHead
from firmware.whole_file import write_whole

_REST_SECONDS: Final = 10.0
_ANSWER_SECONDS: Final = 0.5
"""For the answer to reach the technician: root stops the kiosk as soon as it reads the wish."""


class LastWish:
    """Asked once, it never serves again in this run; without root's answer a new start does.

    wish: None where nothing erases a kiosk. urn: its own name. hold: keeps the kiosk out of service.
    resting: out of service, and no visit. to_do: what refuses, if the municipality keeps the journal up to
    this entry. copy_journal: sends what it lacks, and says how far it keeps it then. head: the journal's end.
    """

    def __init__(
        self,
        wish: Path | None,
        *,
        urn: str,
        hold: Callable[[bool], None],
        resting: Callable[[], bool],
        to_do: Callable[[int | None], Sentence | None],
        copy_journal: Callable[[], Awaitable[int | None]],
        head: Callable[[], JournalHead],
        log: Logbook,
    ) -> None:
        self._wish, self._urn, self._hold, self._log = wish, urn, hold, log
        self._resting, self._to_do, self._copy_journal, self._head = resting, to_do, copy_journal, head
        self._asked = False
        self._task: asyncio.Task[None] | None = None
        self._desk = asyncio.Lock()

    async def close(self) -> None:
        """Write nothing any more; may be called twice."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def ask(self, urn: str) -> None:
        """Be erased. Raises OfficeRefused with what is to be done first; then nothing has changed."""
        async with self._desk:
            wish = self._wish
            if wish is None:
                raise OfficeRefused("nothing erases this machine from here: console.erase_request is empty")
            if urn != self._urn:
                raise OfficeRefused("this kiosk is not {urn}: nothing was done", urn=urn)
            if self._asked:
                raise OfficeRefused("this kiosk is already being erased")
            # The journal is sent last: what is refused before costs no line.
            self._refuse(self._to_do(self._head().seq))
            self._hold(True)
            try:
                await self._rest()
                kept_seq = await self._copy_journal()
                self._refuse(self._to_do(kept_seq))
            except BaseException:
                self._hold(False)
                raise
            self._asked = True
            self._log(EventId.ERASE_WANTED)
            self._task = asyncio.create_task(self._write(wish, self._head()), name="last-wish")

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(_REST_SECONDS):
                while not self._resting():  # noqa: ASYNC110 - a state has no event of its own
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise OfficeRefused(
                "a visit is under way: maintenance on, and say it again when it has ended"
            ) from None

    async def _write(self, wish: Path, head: JournalHead) -> None:
        await asyncio.sleep(_ANSWER_SECONDS)
        said = {"urn": self._urn, "seq": head.seq, "chain": head.chain.hex()}
        try:
            await asyncio.to_thread(write_whole, wish, json.dumps(said).encode(), mode=0o644)
        except OSError as error:
            self._log(EventId.ERASE_REFUSED, reason="unwritten", error=type(error).__name__)
            self._asked = False
            self._hold(False)

    def _refuse(self, to_do: Sentence | None) -> None:
        if to_do is not None:
            raise OfficeRefused(to_do)
