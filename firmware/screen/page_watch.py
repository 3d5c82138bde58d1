"""Does a page draw on the display: by what the pages themselves say to the screen's server. 画面"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from firmware.core.facts import ScreenLevel
from firmware.core.terms import Page
from firmware.logbook import EventId, Logbook
from firmware.ports import ReportLevel
from firmware.screen.server import LATELY_SECONDS

STEADY_SECONDS: Final = 20.0
"""A page that starts, draws once and dies, again and again, draws nothing for anybody."""

GONE_SECONDS: Final = 300.0
"""A browser is begun anew each night, and whenever it freezes."""

_LOOK_SECONDS: Final = 1.0


class PageWatch:
    """silent_seconds: since a page last said that it draws, None if none ever did."""

    def __init__(
        self,
        silent_seconds: Callable[[], float | None],
        log: Logbook,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._silent_seconds, self._log, self._monotonic = silent_seconds, log, monotonic
        self._began = monotonic()
        self._steady_since: float | None = None
        self._level = ScreenLevel()

    async def run(self, report: ReportLevel) -> None:
        """Report the level whenever it changes, until cancelled."""
        while True:
            before = self._level
            if self.look() != before:
                report(self._level)
            await asyncio.sleep(_LOOK_SECONDS)

    def look(self) -> ScreenLevel:
        """The level now: a page draws once it has done so steadily, until it is silent for minutes.

        Logged once gone, once back.
        """
        now, silent = self._monotonic(), self._silent_seconds()
        if silent is None or silent > LATELY_SECONDS:
            self._steady_since = None
        else:
            said_at = now - silent
            if self._steady_since is None:
                self._steady_since = said_at
            if said_at - self._steady_since >= STEADY_SECONDS:
                self._become(Page.DRAWS)
        if (now - self._began if silent is None else silent) >= GONE_SECONDS and not self._level.dark:
            self._become(Page.GONE if self._level.draws else Page.MISSING)
        return self._level

    def _become(self, page: Page) -> None:
        before, self._level = self._level, ScreenLevel(page)
        if self._level.dark:
            self._log(EventId.SCREEN_GONE, reason=page)
        elif before.dark:
            self._log(EventId.SCREEN_BACK)
