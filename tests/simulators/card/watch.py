"""What pcscd says of its first reader, asked as any program asks; for tests and figures."""

import time
from typing import Any

from smartcard import scard as untyped_scard

scard: Any = untyped_scard


def wait_for_card(*, present: bool, seconds: float) -> float:
    """Block until the first reader tells of a card, or of none; the time of `time.perf_counter` then.

    The process has the stand's environment. Raises TimeoutError.
    """
    _, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_SYSTEM)
    try:
        _, names = scard.SCardListReaders(context, [])
        known = scard.SCARD_STATE_UNAWARE
        deadline = time.perf_counter() + seconds
        while time.perf_counter() < deadline:
            _, states = scard.SCardGetStatusChange(context, 1000, [(names[0], known)])
            _, known, _ = states[0]
            if bool(known & scard.SCARD_STATE_PRESENT) == present:
                return time.perf_counter()
    finally:
        scard.SCardReleaseContext(context)
    raise TimeoutError("pcscd does not tell of the card")
