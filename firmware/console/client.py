"""The other end of the console: one request to the running kiosk, from a command."""

import socket
from pathlib import Path

from firmware.console.wire import MOST_ANSWER_BYTES, Answer, AnyRequest, to_answer, to_line
from firmware.errors import ConsoleError


def ask(path: Path, request: AnyRequest, *, seconds: float = 60.0) -> Answer:
    """The kiosk's answer within seconds. Raises ConsoleError.

    When no answer comes the request may have been carried out: the journal says so.
    """
    with socket.socket(socket.AF_UNIX) as kiosk:
        kiosk.settimeout(seconds)
        try:
            kiosk.connect(str(path))
        except OSError as cause:
            raise ConsoleError("{path}: the kiosk does not run, or you may not ask it", path=path) from cause
        try:
            kiosk.sendall(to_line(request))
            with kiosk.makefile("rb") as answers:
                line = answers.readline(MOST_ANSWER_BYTES)
        except OSError as cause:
            raise ConsoleError("no answer: look into the journal whether it was done") from cause
    if not line.endswith(b"\n"):
        raise ConsoleError("no answer: look into the journal whether it was done")
    return to_answer(line)
