"""Cancels jobs where they can still print, until printer and cupsd are proven empty of them."""

import asyncio

from firmware.errors import DeviceGone
from hw.printer.ipp_partner import IppPartner

OURS = ("cert-", "slip-")
"""How the names of the kiosk's own jobs begin."""

CLEAN_LOOKS = 2
"""The second look catches a backend that handed the job over while it was cancelled."""
LAST_LOOK_SECONDS = 0.02
"""Between the looks for a job that is all out: everybody waits for them."""


class Canceller:
    """Keeps the names of jobs that may still come out; `hunt` looks for them until they are gone."""

    def __init__(self, printer: IppPartner, server: IppPartner, *, look_seconds: float) -> None:
        self._printer = printer
        self._server = server
        self._look_seconds = look_seconds
        self._clean_looks: dict[str, int] = {}
        self._purging: set[str] = set()
        self._ending: set[str] = set()
        self._followed: set[str] = set()
        self._stray_looks = CLEAN_LOOKS

    @property
    def leftovers(self) -> bool:
        """Some cancelled job is not proven gone, or strays are not proven absent."""
        return bool(self._clean_looks.keys() - self._ending) or self._stray_looks < CLEAN_LOOKS

    def hunt_strays(self) -> None:
        """From the next `hunt` on look for jobs of ours that nobody follows, left by a run before."""
        self._stray_looks = 0

    def spare(self, job_name: str) -> None:
        """This job is followed: it is no stray."""
        if self._stray_looks < CLEAN_LOOKS:
            self._followed.add(job_name)

    async def end(self, job_name: str, seconds: float) -> None:
        """`purge` of a job that is all out, quickly, and without a word of it while it takes no longer."""
        self._ending.add(job_name)
        try:
            await self._purge(job_name, seconds, min(LAST_LOOK_SECONDS, self._look_seconds))
        finally:
            self._ending.discard(job_name)

    async def purge(self, job_name: str, seconds: float) -> bool:
        """Cancel the job everywhere; True when both are proven empty of it within seconds."""
        return await self._purge(job_name, seconds, self._look_seconds)

    async def hunt(self) -> None:
        """Look for strays while they are not proven absent, and once for every job not proven gone yet."""
        while self._stray_looks < CLEAN_LOOKS:
            if not await self._adopt_strays():
                self._stray_looks = 0
                break
            self._stray_looks += 1
        for job_name in self._clean_looks.keys() - self._purging:
            await self._look_for(job_name)

    async def _purge(self, job_name: str, seconds: float, look_seconds: float) -> bool:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        self._clean_looks[job_name] = 0
        self._purging.add(job_name)
        try:
            while not await self._look_for(job_name):
                if not self._clean_looks[job_name] and loop.time() > deadline:
                    return False
                await asyncio.sleep(look_seconds)
        finally:
            self._purging.discard(job_name)
        return True

    async def _adopt_strays(self) -> bool:
        """Have every stray cancelled; True if both have answered and there was none."""
        found = [await self._strays_at(partner) for partner in (self._server, self._printer)]
        for strays in found:
            for job_name in strays or ():
                self._clean_looks.setdefault(job_name, 0)
        return not any(strays is None or strays for strays in found)

    async def _strays_at(self, partner: IppPartner) -> frozenset[str] | None:
        """None from a partner that is silent."""
        try:
            waiting = await partner.waiting()
        except DeviceGone:
            return None
        return frozenset(name for name in waiting - self._followed if name.startswith(OURS))

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
