"""Does a page draw on the display: by what the pages themselves say to the screen's server. 画面"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from firmware.core.facts import ScreenLevel
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
        self, silent_seconds: Callable[[], float | None], *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._silent_seconds, self._monotonic = silent_seconds, monotonic
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
        """The level now: a page draws once it has done so steadily, until it is silent for minutes."""
        now, silent = self._monotonic(), self._silent_seconds()
        if silent is None or silent > LATELY_SECONDS:
            self._steady_since = None
        else:
            said_at = now - silent
            if self._steady_since is None:
                self._steady_since = said_at
            if said_at - self._steady_since >= STEADY_SECONDS:
                self._level = ScreenLevel(draws=True)
        if silent is not None and silent >= GONE_SECONDS:
            self._level = ScreenLevel()
        return self._level
