"""The device's certificate is renewed in good time, between two visits, without anybody's hand."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import datetime

from firmware.errors import KeyStoreFault, MadoguchiError
from firmware.logbook import EventId, Logbook
from firmware.rounds import outlived, pause

_LOOK_SECONDS = 1.0
_WORD = re.compile(r"[a-z0-9-]{1,40}")


class Renewal:
    """Asks every so often whether it is time, and renews while no visit runs.

    renewed: renews if it is time; until when the new certificate is good, None while the old one has time.
    Pauses are drawn from half to one and a half of every_seconds; after a failure they begin at
    retry_seconds and double up to every_seconds.
    """

    def __init__(
        self,
        *,
        renewed: Callable[[], Awaitable[datetime | None]],
        resting: Callable[[], bool],
        every_seconds: float,
        retry_seconds: float,
        log: Logbook,
    ) -> None:
        self._renewed, self._resting = renewed, resting
        self._every_seconds, self._retry_seconds = every_seconds, retry_seconds
        self._log = log
        self._told = False

    async def run(self) -> None:
        """Look until cancelled."""
        seconds, failing = self._every_seconds, False
        while True:
            await pause(seconds)
            while not self._resting():  # noqa: ASYNC110 - a state has no event of its own
                await asyncio.sleep(_LOOK_SECONDS)
            if await outlived(self._looked(), False, task="certificate-renewal", log=self._log):
                seconds, failing, self._told = self._every_seconds, False, False
            else:
                seconds = min(2 * seconds, self._every_seconds) if failing else self._retry_seconds
                failing = True

    async def _looked(self) -> bool:
        """Whether nothing is wrong; what is, is told once."""
        try:
            await self._renewed()
        except MadoguchiError as error:
            if not self._told:
                self._told = True
                self._log(
                    EventId.CERTIFICATE_NOT_RENEWED, error=type(error).__name__, reason=reason_of(error)
                )
            return False
        return True


def reason_of(error: MadoguchiError) -> str:
    """The word for it of the key store or the municipality's client, "other" where that is no word."""
    said = error.reason if isinstance(error, KeyStoreFault) else str(error).rpartition(": ")[2]
    word = said.replace(" ", "-")
    return word if _WORD.fullmatch(word) else "other"
