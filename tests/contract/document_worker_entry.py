"""The document worker as its own process, with a file in place of the print queue.

Usage: python -m tests.contract.document_worker_entry OUTCOME FILE
OUTCOME: take (the PDF goes to FILE), refuse, lose (the queue's answer), hang, die or break (in submitting).
"""

import os
import signal
import sys
from pathlib import Path

from firmware.documents.settings import DocumentSettings
from firmware.documents.worker import serve
from firmware.errors import PrintNotSubmitted, PrintUncertain


def main() -> None:
    outcome, file = sys.argv[1], Path(sys.argv[2])

    tidied: list[bool] = []

    def submit(pdf: bytes, job_name: str) -> None:
        if not tidied:
            raise RuntimeError("a print before what others left was removed")
        match outcome:
            case "take":
                file.with_name(f"{job_name}.pdf").write_bytes(pdf)
            case "refuse":
                raise PrintNotSubmitted
            case "lose":
                raise PrintUncertain
            case "hang":
                signal.pause()
            case "die":
                os.kill(os.getpid(), signal.SIGKILL)
            case "break":
                raise RuntimeError(f"渋川 {pdf[:4]!r}")

    serve(sys.stdin.buffer, sys.stdout.buffer, submit, DocumentSettings(), tidy=lambda: tidied.append(True))


if __name__ == "__main__":
    main()
