"""The kiosk's own cupsd. 印刷サーバ  One that hangs for good is asked to be restarted."""

import contextlib
from functools import partial
from pathlib import Path

from firmware.errors import DeviceGone
from firmware.logbook import EventId, Logbook
from hw.printer.ipp_partner import IppPartner
from hw.restart import RestartRequest


class PrintServer(IppPartner):
    """Asked like any IPP server, and never restarted while it answers anything.

    socket_path: cupsd's Unix socket. queue: the one that the document worker submits to.
    restart_request, restart_seconds: the file, and how long no question at all was answered before it is
    written; see `hw.restart`. What a restart does to a job is what a crash of cupsd does.
    """

    def __init__(
        self,
        socket_path: str,
        queue: str,
        *,
        request_seconds: float,
        log: Logbook,
        restart_request: Path | None,
        restart_seconds: float,
    ) -> None:
        uri = f"ipp://localhost/printers/{queue}"
        super().__init__(uri, request_seconds=request_seconds, socket_path=socket_path)
        self._silent = False
        self._restart = RestartRequest(
            restart_request,
            restart_seconds,
            asked=partial(log, EventId.CUPS_RESTART_ASKED),
            failed=partial(log, EventId.CUPS_RESTART_NOT_ASKED),
            still_hangs=self._still_silent,
        )

    async def close(self) -> None:
        """Nobody waits for it any more."""
        self._restart.withdraw()
        await super().close()

    def _heard(self, *, answered: bool) -> None:
        self._silent = not answered
        if answered:
            self._restart.withdraw()
        else:
            self._restart.begin()

    async def _still_silent(self) -> bool:
        with contextlib.suppress(DeviceGone):
            await self.condition()
        return self._silent
