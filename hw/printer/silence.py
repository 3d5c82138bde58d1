"""When a printer that does not answer counts as dead. Pure: looks and times in.

Only the print server beside it can say that nothing will be sent to it any more. cupsd kills the backend of
a cancelled job after 30 s (JobKillDelay), and until then the backend could hand the job over by itself: a
printer is dead only after it was silent, and the server empty, at every look of a longer time.
"""

from hw.printer.ipp_partner import Condition


class Silence:
    """Takes in looks at both, seconds of one clock; dead_seconds: of silence with an empty print server."""

    def __init__(self, dead_seconds: float) -> None:
        self._dead_seconds = dead_seconds
        self._since: float | None = None

    def see(self, now: float, *, server: Condition | None, printer: Condition | None) -> None:
        """One look at both; None of whoever did not answer."""
        if printer is not None or server is None or server.jobs_waiting > 0:
            self._since = None
        elif self._since is None:
            self._since = now

    def broken(self) -> None:
        """The printer has answered."""
        self._since = None

    def is_dead(self, now: float) -> bool:
        """Whether what is left of a job can lie in the printer's own memory alone."""
        return self._since is not None and now - self._since >= self._dead_seconds
