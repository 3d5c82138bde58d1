"""The one-shot process that alone holds a person's data in clear.

Its key pair is made in its memory and never leaves it; when it ends, so does everything it could read.
It writes to the print queue and to its two pipes, to no file, and no message of it carries a value.
"""

import ctypes
import logging
import os
import resource
import select
import signal
import stat
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, assert_never

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from firmware.documents.frames import (
    HEADER_BYTES,
    Answer,
    End,
    Prepare,
    Print,
    Ready,
    Request,
    body_bytes,
    to_frame,
    to_request,
)
from firmware.documents.settings import DocumentSettings
from firmware.documents.submitting import Submit

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_PR_SET_DUMPABLE = 4


def serve(
    requests: BinaryIO,
    answers: BinaryIO,
    submit: Submit,
    settings: DocumentSettings,
    *,
    tidy: Callable[[], None],
) -> None:
    """Serve one visit: send the public key, then answer until `End` or the end of requests.

    tidy: removes what a worker killed while it submitted may have left with others; it may take seconds.
    Raises ConfigError if a font cannot be used, DocumentRefused if the requests make no sense.
    """
    seclude()
    private_key = X25519PrivateKey.generate()
    _send(answers, Ready(private_key.public_key().public_bytes_raw()))
    # The key is wanted at once, the page much later: reportlab loads while the resident reads the screen.
    from firmware.documents.issue import Issue  # noqa: PLC0415

    tidy()
    issue = Issue(private_key=private_key, submit=submit, settings=settings)
    while (request := _next(requests)) is not None:
        match request:
            case Prepare():
                _send(answers, issue.prepare(request))
            case Print():
                _send(answers, issue.print(request))
            case End():
                return
            case _:
                assert_never(request)


def seclude() -> None:
    """No core dump, no reading by other processes of the user, no life without the parent, no words.

    Raises OSError if the kernel refuses.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc = ctypes.CDLL(None, use_errno=True)
    for option, argument in ((_PR_SET_DUMPABLE, 0), (_PR_SET_PDEATHSIG, signal.SIGKILL)):
        if libc.prctl(option, argument, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl")
    if stat.S_ISSOCK(os.fstat(sys.stdin.fileno()).st_mode):
        threading.Thread(target=_end_with_peer, args=(sys.stdin.fileno(),), daemon=True).start()
    sys.excepthook = _report
    sys.unraisablehook = lambda raised: _report(raised.exc_type, raised.exc_value, raised.exc_traceback)
    logging.disable()
    warnings.simplefilter("ignore")


def _end_with_peer(link: int) -> None:
    """Die at once when the daemon hangs up: it cannot kill what systemd started as another user."""
    watch = select.poll()
    watch.register(link, select.POLLRDHUP)
    watch.poll()
    os.kill(os.getpid(), signal.SIGKILL)


def _report(kind: type[BaseException], _: BaseException | None, traceback: TracebackType | None) -> None:
    """Name and place of an error, never its message: a message may quote a value.

    A daemon killed while we started hears no answer, and its log is not ours to write in.
    """
    if issubclass(kind, BrokenPipeError):
        return
    place = "unknown"
    while traceback is not None:
        place = f"{Path(traceback.tb_frame.f_code.co_filename).name}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    sys.stderr.write(f"document worker: {kind.__name__} at {place}\n")


def _next(requests: BinaryIO) -> Request | None:
    """The next request, None at the end, also at an end within a frame."""
    header = requests.read(HEADER_BYTES)
    if len(header) < HEADER_BYTES:
        return None
    length = body_bytes(header)
    body = requests.read(length)
    return to_request(body) if len(body) == length else None


def _send(answers: BinaryIO, answer: Answer) -> None:
    answers.write(to_frame(answer))
    answers.flush()
