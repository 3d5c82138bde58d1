"""The daemon's side of the document worker: it passes sealed bytes on and learns counts and outcomes."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from firmware.documents.frames import (
    HEADER_BYTES,
    Answer,
    Declined,
    Laid,
    NotSubmitted,
    Prepare,
    Print,
    Ready,
    Request,
    Submitted,
    body_bytes,
    to_answer,
    to_frame,
)
from firmware.documents.refusals import DocumentRefused, Reason
from firmware.documents.worker_link import ChildLink, UnitLink, WorkerLink
from firmware.errors import PrintNotSubmitted, PrintUncertain
from firmware.logbook import EventId, Logbook
from firmware.ports import OrderRequest, Prepared


class WorkerProcess:
    """firmware.ports.DocumentWorker as a process of its own; `start` after `end` begins a new one.

    A worker that dies, is silent for too long, or says something unexpected is killed, and stays so.
    """

    def __init__(
        self,
        *,
        command: Sequence[str],
        log: Logbook,
        kiosk: str,
        start_seconds: float,
        prepare_seconds: float,
        print_seconds: float,
        socket: Path | None = None,
        end_seconds: float = 5.0,
    ) -> None:
        """command: program and arguments; kiosk: URN that the municipality seals for.

        end_seconds: how long `end` waits for the proof that the process is over.

        socket: where systemd starts workers (madoguchi-worker.socket); the command is not used then.
        """
        self._command = tuple(command)
        self._log = log
        self._kiosk = kiosk
        self._start_seconds = start_seconds
        self._prepare_seconds = prepare_seconds
        self._print_seconds = print_seconds
        self._socket = socket
        self._end_seconds = end_seconds
        self._link: WorkerLink | None = None

    async def start(self) -> bytes:
        """Start the process; its X25519 public key, 32 bytes. Raises DocumentRefused."""
        await self.end()
        if self._link is not None:
            raise self._refused(Reason.WORKER_GONE)
        try:
            self._link = (
                await ChildLink.open(self._command)
                if self._socket is None
                else await UnitLink.open(self._socket)
            )
        except OSError as cause:
            raise self._refused(Reason.WORKER_GONE) from cause
        answer = await self._exchange(None, self._start_seconds)
        if not isinstance(answer, Ready) or len(answer.public_key) != 32:
            self._kill()
            raise self._refused(Reason.WORKER_GONE)
        return answer.public_key

    async def prepare(
        self, sealed: bytes, request: OrderRequest, session_id: str, person_ref: str
    ) -> Prepared:
        """Have the document made and checked. Raises DocumentRefused."""
        answer = await self._exchange(
            Prepare(
                sealed=sealed,
                order_id=request.order_id,
                kind=request.kind,
                subjects=request.subjects,
                items=request.items,
                copies=request.copies,
                session_id=session_id,
                kiosk=self._kiosk,
                person_ref=person_ref,
                members=request.members,
            ),
            self._prepare_seconds,
        )
        match answer:
            case Laid():
                return Prepared(answer.sheets, answer.pages, answer.fingerprint)
            case Declined():
                raise self._refused(answer.reason, answer.code_points)
            case _:
                self._kill()
                raise self._refused(Reason.WORKER_GONE)

    async def print(self, authority: bytes, job_name: str) -> None:
        """Have the document completed and submitted.

        Raises PrintNotSubmitted only if the worker said so or could not be asked, else PrintUncertain.
        """
        if not self.alive():
            raise PrintNotSubmitted(Reason.WORKER_GONE.value)
        answer = await self._exchange(Print(authority, job_name), self._print_seconds)
        match answer:
            case Submitted():
                self._log(EventId.PRINT_SUBMITTED, job=job_name)
            case NotSubmitted(reason=None):
                raise PrintNotSubmitted
            case NotSubmitted(reason=Reason() as reason):
                raise PrintNotSubmitted from self._refused(reason)
            case _:
                raise PrintUncertain

    def alive(self) -> bool:
        """See firmware.ports.DocumentWorker."""
        return self._link is not None and self._link.alive()

    async def end(self) -> None:
        """Kill the process and wait until it is gone; harmless without one.

        One that does not go, because it is another user's and ignores the hang-up, stays `alive`.
        """
        link = self._link
        if link is None:
            return
        self._kill()
        try:
            async with asyncio.timeout(self._end_seconds):
                code = await link.gone()
        except TimeoutError:
            self._log(EventId.WORKER_STAYS)
            return
        if self._link is link:
            self._link = None
            self._log(EventId.WORKER_ENDED, **({} if code is None else {"code": code}))

    async def _exchange(self, request: Request | None, seconds: float) -> Answer | None:
        """Send request, if any, and read one answer; None and a killed worker if that fails."""
        link = self._link
        if link is None:
            return None
        answer = None
        try:
            async with asyncio.timeout(seconds):
                if request is not None:
                    await link.send(to_frame(request))
                length = body_bytes(await link.receive(HEADER_BYTES))
                answer = to_answer(await link.receive(length))
        except (OSError, EOFError, DocumentRefused):
            return None
        finally:
            if answer is None:
                self._kill()
        return answer

    def _kill(self) -> None:
        if self._link is not None:
            self._link.kill()

    def _refused(self, reason: Reason, code_points: str = "") -> DocumentRefused:
        if code_points:
            self._log(EventId.DOCUMENT_REFUSED, reason=reason, code_points=code_points)
        else:
            self._log(EventId.DOCUMENT_REFUSED, reason=reason)
        return DocumentRefused(reason, code_points)
