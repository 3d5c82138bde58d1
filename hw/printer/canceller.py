"""Cancels jobs where they can still print, until printer and cupsd are proven empty of them."""

import asyncio

from firmware.errors import DeviceGone
from hw.printer.ipp_partner import IppPartner

CLEAN_LOOKS = 2
"""The second look catches a backend that handed the job over while it was cancelled."""


class Canceller:
    """Keeps the names of jobs that may still come out; `hunt` looks for them until they are gone."""

    def __init__(self, printer: IppPartner, server: IppPartner, *, look_seconds: float) -> None:
        self._printer = printer
        self._server = server
        self._look_seconds = look_seconds
        self._clean_looks: dict[str, int] = {}
        self._purging: set[str] = set()

    @property
    def leftovers(self) -> bool:
        """Some cancelled job is not proven gone."""
        return bool(self._clean_looks)

    async def purge(self, job_name: str, seconds: float) -> bool:
        """Cancel the job everywhere; True when both are proven empty of it within seconds."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        self._clean_looks[job_name] = 0
        self._purging.add(job_name)
        try:
            while not await self._look_for(job_name):
                if not self._clean_looks[job_name] and loop.time() > deadline:
                    return False
                await asyncio.sleep(self._look_seconds)
        finally:
            self._purging.discard(job_name)
        return True

    async def hunt(self) -> None:
        """One look for every job that is not proven gone yet."""
        for job_name in self._clean_looks.keys() - self._purging:
            await self._look_for(job_name)

    async def _look_for(self, job_name: str) -> bool:
        clean = self._clean_looks.get(job_name, 0) + 1 if await self._cancel_active(job_name) else 0
        if clean < CLEAN_LOOKS:
            self._clean_looks[job_name] = clean
            return False
        self._clean_looks.pop(job_name, None)
        return True

    async def _cancel_active(self, job_name: str) -> bool:
        """Cancel the job where it can still print, cupsd first; True if there was nothing to cancel.

        A silent printer keeps nobody from cancelling at cupsd, which would send the job later.
        """
        clean = True
        for partner in (self._server, self._printer):
            try:
                for job in await partner.jobs(job_name):
                    if job.state.active:
                        clean = False
                        await partner.cancel(job.job_id)
            except DeviceGone:
                clean = False
        return clean
