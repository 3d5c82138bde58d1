"""How a run ends, and what fails beside it, is told by the type of the error alone.

The text of an unforeseen error and the values of a traceback may be what nobody may read.
"""

import asyncio
import contextlib
import logging
import sys
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

from firmware.errors import ConfigError, JournalError, MadoguchiError
from firmware.logbook import EventId, Logbook


class KioskFailed(MadoguchiError, RuntimeError):
    """An error that nobody foresaw ended the run; the log has its type."""


@contextlib.contextmanager
def last_words(log: Logbook, *foreseen: type[Exception]) -> Iterator[None]:
    """Log how the run inside ended.

    foreseen: errors that whoever asked for the run puts into words; they pass as they are.

    Raises KioskFailed for an error that is neither ConfigError nor JournalError; these two come out of
    the groups they are in.
    """
    try:
        yield
    except asyncio.CancelledError:
        log(EventId.DAEMON_STOPPED)
        raise
    except foreseen:
        raise
    except Exception as error:  # noqa: BLE001 - the last place that can keep its text from standard error
        raise _told(error, log) from None


def no_strays(log: Logbook) -> None:
    """Log what asyncio, threads and libraries would write to standard error with all its values.

    asyncio's: of the running loop, if one runs.
    """

    def stray(error: BaseException | None) -> None:
        log(EventId.TASK_FAILED, error=type(error).__name__)

    def from_loop(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        stray(context.get("exception"))

    with contextlib.suppress(RuntimeError):
        asyncio.get_running_loop().set_exception_handler(from_loop)
    threading.excepthook = lambda raised: stray(raised.exc_value)
    sys.unraisablehook = lambda raised: stray(raised.exc_value)
    logging.basicConfig(handlers=[_Wordless(log)], level=logging.WARNING, force=True)
    logging.captureWarnings(True)


class _Wordless(logging.Handler):
    """Passes on which library warned, not what it said."""

    def __init__(self, log: Logbook) -> None:
        super().__init__()
        self._warned = partial(log, EventId.LIBRARY_WARNED)

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[0] if record.exc_info else None
        self._warned(reason=record.name, error="none" if error is None else error.__name__)


def _told(error: Exception, log: Logbook) -> MadoguchiError:
    causes = list(_single(error))
    for cause in causes:
        if isinstance(cause, JournalError):
            log(EventId.JOURNAL_FAILED)
            return cause
    if isinstance(causes[0], ConfigError):
        return causes[0]
    name = type(causes[0]).__name__
    log(EventId.DAEMON_FAILED, error=name)
    return KioskFailed(f"ended by {name}, see the log")


def _single(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from _single(part)
    else:
        yield error
