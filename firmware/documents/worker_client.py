"""The daemon's side of the document worker: it passes sealed bytes on and learns counts and outcomes."""

import asyncio
import contextlib
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence

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
from firmware.errors import PrintNotSubmitted, PrintUncertain
from firmware.logbook import EventId, Logbook
from firmware.ports import OrderRequest, Prepared


class WorkerProcess:
    """firmware.ports.DocumentWorker as a child process; `start` after `end` begins a new one.

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
    ) -> None:
        """command: program and arguments; kiosk: URN that the municipality seals for."""
        self._command = tuple(command)
        self._log = log
        self._kiosk = kiosk
        self._start_seconds = start_seconds
        self._prepare_seconds = prepare_seconds
        self._print_seconds = print_seconds
        self._process: Process | None = None

    async def start(self) -> bytes:
        """Start the process; its X25519 public key, 32 bytes. Raises DocumentRefused."""
        await self.end()
        try:
            # A session of its own: a Ctrl-C at the daemon's terminal must not tear a print in two.
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdin=PIPE, stdout=PIPE, start_new_session=True
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
            ),
            self._prepare_seconds,
        )
        match answer:
            case Laid():
                return Prepared(sheets=answer.sheets, pages=answer.pages)
            case Declined():
                raise self._refused(answer.reason, answer.code_points)
            case _:
                self._kill()
                raise self._refused(Reason.WORKER_GONE)

    async def print(self, authority: bytes, job_name: str) -> None:
        """Have the document completed and submitted.

        Raises PrintNotSubmitted only if the worker said so or could not be asked, else PrintUncertain.
        """
        if not self._alive():
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

    async def end(self) -> None:
        """Kill the process and wait until it is gone; harmless without one."""
        process = self._process
        if process is None:
            return
        self._kill()
        code = await process.wait()
        if self._process is process:
            self._process = None
            self._log(EventId.WORKER_ENDED, code=code)

    def _alive(self) -> bool:
        process = self._process
        return (
            process is not None
            and process.returncode is None
            and process.stdout is not None
            and not process.stdout.at_eof()
        )

    async def _exchange(self, request: Request | None, seconds: float) -> Answer | None:
        """Send request, if any, and read one answer; None and a killed worker if that fails."""
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            return None
        answer = None
        try:
            async with asyncio.timeout(seconds):
                if request is not None:
                    process.stdin.write(to_frame(request))
                    await process.stdin.drain()
                length = body_bytes(await process.stdout.readexactly(HEADER_BYTES))
                answer = to_answer(await process.stdout.readexactly(length))
        except (OSError, asyncio.IncompleteReadError, DocumentRefused):
            return None
        finally:
            if answer is None:
                self._kill()
        return answer

    def _kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    def _refused(self, reason: Reason, code_points: str = "") -> DocumentRefused:
        if code_points:
            self._log(EventId.DOCUMENT_REFUSED, reason=reason, code_points=code_points)
        else:
            self._log(EventId.DOCUMENT_REFUSED, reason=reason)
        return DocumentRefused(reason, code_points)
