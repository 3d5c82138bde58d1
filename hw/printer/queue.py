"""Hand a finished document to the kiosk's own print server.

Used inside the one-shot document worker: it blocks, and a hang of cupsd ends with the worker's life.
cupsd prints nothing until it has the whole document, so every failure before the last call is sure.
"""

import contextlib
import socket
from collections.abc import Mapping

import cups

from firmware.errors import PrintNotSubmitted, PrintUncertain

A4_DUPLEX: Mapping[str, str] = {
    "media": "iso_a4_210x297mm",
    "sides": "two-sided-long-edge",
    "print-scaling": "none",
    "print-color-mode": "monochrome",
    "print-quality": "5",
    "copies": "1",
    "job-sheets": "none,none",
}
"""IPP job attributes of a certificate: both sides, unscaled, black, no banner; copies are in the PDF."""

IN_COLOUR: Mapping[str, str] = {"print-color-mode": "color"}
"""What differs where a page has toners beside black (PWG 5100.13)."""

USER = "kiosk"
PDF = "application/pdf"
CHUNK_BYTES = 65536
HTTP_CONTINUE = 100
ANSWER_SECONDS = 5.0

_BLANK = bytes(1 << 18)
_ASK_FOR_NOTHING = (
    b"\x02\x00\x40\x01\x00\x00\x00\x01\x01"
    b"\x47\x00\x12attributes-charset\x00\x05utf-8"
    b"\x48\x00\x1battributes-natural-language\x00\x02en\x03"
)
"""IPP CUPS-Get-Default (RFC 8010; CUPS Implementation of IPP), which changes nothing."""
IPP_SERVER_ERROR = 0x0500


def submit(
    pdf: bytes | memoryview,
    *,
    job_name: str,
    cups_socket: str,
    queue: str,
    options: Mapping[str, str] = A4_DUPLEX,
) -> int:
    """Stream pdf to the queue; the job's number at cupsd. No file is written on our side.

    job_name: opaque, `cert-` and 16 random hexadecimal digits; it is all a printer shows of the job.
    cups_socket: path of cupsd's Unix socket.
    Raises PrintNotSubmitted, or PrintUncertain when cupsd fell silent after the last byte.
    """
    cups.setUser(USER)
    try:
        server = cups.Connection(host=cups_socket)
        job_id: int = server.createJob(queue, job_name, dict(options))
    except (RuntimeError, cups.IPPError) as cause:
        raise PrintNotSubmitted("the print server takes no job") from cause
    try:
        _send(server, queue, job_id, job_name, pdf)
        _finish(server, queue)
    except PrintNotSubmitted:
        # Else cupsd waits minutes for the document of this job, and nobody is served meanwhile.
        with contextlib.suppress(RuntimeError, cups.IPPError):
            server.cancelJob(job_id, purge_job=True)
        raise
    finally:
        blank(cups_socket)
    return job_id


def blank(cups_socket: str) -> None:
    """Have cupsd read 256 KiB of nothing: it keeps the last piece it read of a document on its stack, 32 KiB
    of somebody's certificate (CUPS 2.4, cupsdReadClient), until it reads something as long.

    A cupsd that does not take it is one that will be started anew.
    """
    head = (
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/ipp\r\n"
        f"Content-Length: {len(_ASK_FOR_NOTHING) + len(_BLANK)}\r\n\r\n"
    )
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as server:
        server.settimeout(ANSWER_SECONDS)
        server.connect(cups_socket)
        server.sendall(head.encode("ascii") + _ASK_FOR_NOTHING + _BLANK)
        server.recv(1)


def _send(server: cups.Connection, queue: str, job_id: int, job_name: str, pdf: bytes | memoryview) -> None:
    try:
        status = server.startDocument(queue, job_id, job_name, PDF, 1)
        for start in range(0, len(pdf), CHUNK_BYTES):
            if status != HTTP_CONTINUE:
                break
            chunk = bytes(pdf[start : start + CHUNK_BYTES])
            status = server.writeRequestData(chunk, len(chunk))
    except (RuntimeError, cups.IPPError, cups.HTTPError) as cause:
        raise PrintNotSubmitted("the print server did not take the document") from cause
    if status != HTTP_CONTINUE:
        raise PrintNotSubmitted(f"the print server answered HTTP {status} to the document")


def _finish(server: cups.Connection, queue: str) -> None:
    """The last byte: from here on cupsd may print.

    A refusal (IPP 0x04xx) is sure; libcups reports a lost connection as a server error (0x05xx).
    """
    try:
        status: int = server.finishDocument(queue)
    except cups.IPPError as cause:
        if 0x0400 <= cause.args[0] < IPP_SERVER_ERROR:
            raise PrintNotSubmitted("the print server refused the document") from cause
        raise PrintUncertain("the print server did not confirm the document") from cause
    except RuntimeError as cause:
        raise PrintUncertain("the print server did not confirm the document") from cause
    if status >= IPP_SERVER_ERROR:
        raise PrintUncertain("the print server did not confirm the document")
    if status >= 0x0400:
        raise PrintNotSubmitted("the print server refused the document")
