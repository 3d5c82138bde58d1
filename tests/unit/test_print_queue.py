"""A document that the print server refuses is surely not printed, and its job keeps no queue busy."""

from typing import Any

import cups
import pytest

from firmware.errors import PrintNotSubmitted, PrintUncertain
from hw.printer import queue

JOB = 17
REFUSED, LOST = cups.IPPError(0x040A, "document-format-not-supported"), cups.IPPError(0x0502, "gone")


class PrintServer:
    """pycups' connection to a cupsd that answers as told."""

    def __init__(self, *, sending: int = 100, finishing: object = 0) -> None:
        self.sending, self.finishing = sending, finishing
        self.cancelled: list[int] = []

    def createJob(self, *_: object) -> int:  # noqa: N802 - pycups' name
        return JOB

    def startDocument(self, *_: object) -> int:  # noqa: N802 - pycups' name
        return queue.HTTP_CONTINUE

    def writeRequestData(self, *_: object) -> int:  # noqa: N802 - pycups' name
        return self.sending

    def finishDocument(self, *_: object) -> object:  # noqa: N802 - pycups' name
        if isinstance(self.finishing, Exception):
            raise self.finishing
        return self.finishing

    def cancelJob(self, job_id: int, *, purge_job: bool) -> None:  # noqa: N802 - pycups' name
        assert purge_job
        self.cancelled.append(job_id)


@pytest.mark.parametrize(
    ("answers", "error", "cancelled"),
    [
        ({}, None, []),
        ({"sending": 413}, PrintNotSubmitted, [JOB]),
        ({"finishing": REFUSED}, PrintNotSubmitted, [JOB]),
        ({"finishing": 0x040A}, PrintNotSubmitted, [JOB]),
        ({"finishing": LOST}, PrintUncertain, []),
        ({"finishing": RuntimeError("no reply")}, PrintUncertain, []),
        ({"finishing": 0x0502}, PrintUncertain, []),
    ],
    ids=["taken", "refused on its way", "refused", "refused by its status", "lost", "silent", "failed"],
)
def test_only_what_is_surely_refused_is_cancelled_at_once_and_whatever_happens_is_blanked(
    monkeypatch: pytest.MonkeyPatch,
    answers: dict[str, Any],
    error: type[Exception] | None,
    cancelled: list[int],
) -> None:
    server = PrintServer(**answers)
    blanked: list[str] = []
    monkeypatch.setattr(cups, "Connection", lambda **_: server)
    monkeypatch.setattr(queue, "blank", blanked.append)

    def submitted() -> int:
        return queue.submit(b"%PDF-1.7", job_name="cert-0", cups_socket="/s", queue="q")

    if error is None:
        assert JOB == submitted()
    else:
        with pytest.raises(error):
            submitted()
    assert (cancelled, ["/s"]) == (server.cancelled, blanked)
