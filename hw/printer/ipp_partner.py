"""One IPP server, a printer or our own cupsd, asked by pyipp without a thread.

pyipp silently drops request attributes that its tag map does not know: only those listed in
`REQUEST_ATTRIBUTES` are used, and a test holds them against the map.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import aiohttp
import pyipp
from pyipp.enums import IppOperation

from firmware.errors import DeviceGone

REQUEST_ATTRIBUTES = frozenset({"requesting-user-name", "requested-attributes", "which-jobs", "job-id"})
USER = "kiosk"


class JobState(IntEnum):
    """RFC 8011, section 5.3.7."""

    PENDING = 3
    HELD = 4
    PROCESSING = 5
    STOPPED = 6
    CANCELED = 7
    ABORTED = 8
    COMPLETED = 9

    @property
    def active(self) -> bool:
        """Pages may still come out."""
        return self < JobState.CANCELED


@dataclass(frozen=True, slots=True)
class JobReport:
    """A job as this server knows it.

    impressions: printed sides out, None if it does not count. created_seconds: on the scale of the
    same server's `Condition.clock_seconds`.
    """

    job_id: int
    state: JobState
    reasons: frozenset[str]
    impressions: int | None
    created_seconds: int | None


@dataclass(frozen=True, slots=True)
class Condition:
    """A printer or queue as a whole.

    clock_seconds: printer-up-time; seconds since power-on at a printer, Unix time at cupsd.
    trays: printer-input-tray as PWG 5100.13 writes it. meter: printed sides in the printer's whole life.
    """

    clock_seconds: int
    stopped: bool
    accepting: bool
    reasons: frozenset[str]
    jobs_waiting: int
    trays: tuple[str, ...] = ()
    meter: int | None = None


class IppPartner:
    """Questions to one server; every one answered within request_seconds or DeviceGone.

    uri: ipp://host:port/path. socket_path: reach the server by this Unix socket instead.
    """

    def __init__(self, uri: str, *, request_seconds: float, socket_path: str | None = None) -> None:
        self._uri = uri
        self._request_seconds = request_seconds
        self._socket_path = socket_path
        self._session: aiohttp.ClientSession | None = None

    async def condition(self) -> Condition:
        """Raises DeviceGone."""
        wanted = (
            "printer-state",
            "printer-state-reasons",
            "printer-is-accepting-jobs",
            "printer-up-time",
            "queued-job-count",
            "printer-input-tray",
            "printer-impressions-completed",
        )
        answer = await self._ask(IppOperation.GET_PRINTER_ATTRIBUTES, {"requested-attributes": list(wanted)})
        try:
            return _condition(answer["printers"][0])
        except (LookupError, TypeError, ValueError) as cause:
            raise DeviceGone("printer attributes are missing or malformed") from cause

    async def jobs(self, job_name: str) -> tuple[JobReport, ...]:
        """Every job of this name the server still remembers, whatever its state. Raises DeviceGone.

        By name, because a printer's job numbers begin again at 1 when it is switched on. In this
        order, because a job can only move from the first list to the second between the questions.
        """
        known: dict[int, JobReport] = {}
        for which in ("not-completed", "completed"):
            known |= {job.job_id: job for job in await self._jobs(which, job_name)}
        return tuple(known.values())

    async def waiting(self) -> frozenset[str]:
        """Names of all jobs whose pages may still come out. Raises DeviceGone."""
        found = await self._listed("not-completed")
        return frozenset(str(job["job-name"]) for job in found if job.get("job-name") is not None)

    async def cancel(self, job_id: int) -> None:
        """Ask to cancel; what came of it only another look tells. Raises DeviceGone."""
        await self._ask(IppOperation.CANCEL_JOB, {"job-id": job_id})

    async def close(self) -> None:
        """May be called twice."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _jobs(self, which: str, job_name: str) -> Iterable[JobReport]:
        found = await self._listed(which)
        try:
            return [_job(job) for job in found if job.get("job-name") == job_name]
        except (LookupError, TypeError, ValueError) as cause:
            raise DeviceGone("job attributes are missing or malformed") from cause

    async def _listed(self, which: str) -> list[dict[str, Any]]:
        wanted = (
            "job-id",
            "job-name",
            "job-state",
            "job-state-reasons",
            "job-impressions-completed",
            "time-at-creation",
        )
        question = {"which-jobs": which, "requested-attributes": list(wanted)}
        answer = await self._ask(IppOperation.GET_JOBS, question)
        try:
            return [dict(job) for job in answer["jobs"]]
        except (LookupError, TypeError, ValueError) as cause:
            raise DeviceGone("the list of jobs is missing or malformed") from cause

    async def _ask(self, operation: IppOperation, question: dict[str, Any]) -> dict[str, Any]:
        attributes = {"requesting-user-name": USER, **question}
        try:
            async with asyncio.timeout(self._request_seconds):
                answer = await self._client().execute(operation, {"operation-attributes-tag": attributes})
        except (pyipp.IPPConnectionError, aiohttp.ClientError, OSError, TimeoutError) as cause:
            self._heard(answered=False)
            raise DeviceGone(f"no answer to {operation.name}") from cause
        except (pyipp.IPPError, UnicodeDecodeError) as cause:
            self._heard(answered=True)
            raise DeviceGone(f"no good answer to {operation.name}") from cause
        self._heard(answered=True)
        return answer

    def _heard(self, *, answered: bool) -> None:
        """After each question: whether anything came back, be it a refusal."""

    def _client(self) -> pyipp.IPP:
        if self._session is None:
            # Printers close idle connections without a word: a new one for every question.
            connector = (
                aiohttp.TCPConnector(force_close=True)
                if self._socket_path is None
                else aiohttp.UnixConnector(self._socket_path, force_close=True)
            )
            self._session = aiohttp.ClientSession(connector=connector)
        return pyipp.IPP(self._uri, session=self._session)


def _condition(printer: dict[str, Any]) -> Condition:
    return Condition(
        clock_seconds=int(printer["printer-up-time"]),
        stopped=int(printer["printer-state"]) == 5,
        accepting=bool(printer["printer-is-accepting-jobs"]),
        reasons=_keywords(printer["printer-state-reasons"]),
        jobs_waiting=int(printer.get("queued-job-count", 0)),
        trays=_texts(printer.get("printer-input-tray", ())),
        meter=_number(printer.get("printer-impressions-completed")),
    )


def _job(job: dict[str, Any]) -> JobReport:
    return JobReport(
        job_id=int(job["job-id"]),
        state=JobState(int(job["job-state"])),
        reasons=_keywords(job.get("job-state-reasons", "none")),
        impressions=_number(job.get("job-impressions-completed")),
        created_seconds=_number(job.get("time-at-creation")),
    )


def _keywords(value: str | list[str]) -> frozenset[str]:
    return frozenset(_texts(value)) - {"none"}


def _texts(value: str | Iterable[object]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(str(text) for text in value)


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None
