"""In place of the kiosk: the simulated pins' host alone, to be compared with."""

import signal
from collections.abc import Sequence


def main(_arguments: Sequence[str]) -> int:
    """Do nothing until a signal ends the process."""
    signal.pause()
    return 0
