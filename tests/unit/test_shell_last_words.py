"""How a run ends is told by the type of the error alone."""

import asyncio
import logging
import threading
import warnings
from collections.abc import Iterator

import pytest

from firmware.errors import ConfigError, DeviceGone, JournalError
from firmware.logbook import FIELDS, EventId, FieldValue
from firmware.shell.last_words import KioskFailed, last_words, no_strays

SECRET = "1234 of a person"


class Log:
    def __init__(self) -> None:
        self.entries: list[tuple[EventId, dict[str, FieldValue]]] = []

    def __call__(self, event: EventId, /, **fields: FieldValue) -> None:
        assert fields.keys() <= FIELDS
        assert SECRET not in str(fields)
        self.entries.append((event, fields))


@pytest.mark.parametrize(
    ("error", "raised", "entry"),
    [
        (asyncio.CancelledError(), asyncio.CancelledError, (EventId.DAEMON_STOPPED, {})),
        (ValueError(SECRET), KioskFailed, (EventId.DAEMON_FAILED, {"error": "ValueError"})),
        (DeviceGone(SECRET), KioskFailed, (EventId.DAEMON_FAILED, {"error": "DeviceGone"})),
        (JournalError("j"), JournalError, (EventId.JOURNAL_FAILED, {})),
        (
            ExceptionGroup("tasks", [ValueError(SECRET), ExceptionGroup("inner", [JournalError("j")])]),
            JournalError,
            (EventId.JOURNAL_FAILED, {}),
        ),
        (
            ExceptionGroup("tasks", [KeyError(SECRET)]),
            KioskFailed,
            (EventId.DAEMON_FAILED, {"error": "KeyError"}),
        ),
    ],
)
def test_the_end_is_logged_by_its_type(
    error: BaseException, raised: type[BaseException], entry: tuple[EventId, dict[str, FieldValue]]
) -> None:
    log = Log()
    with pytest.raises(raised) as ended, last_words(log):
        raise error
    assert [entry] == log.entries
    assert SECRET not in str(ended.value)
    assert ended.value.__cause__ is None


def test_a_configuration_error_keeps_its_text_and_is_no_failure() -> None:
    log = Log()
    with pytest.raises(ConfigError, match=r"^kiosk.toml: key$"), last_words(log):
        raise ExceptionGroup("tasks", [ConfigError("kiosk.toml: key")])
    assert [] == log.entries


@pytest.fixture
def hooks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What the program would say, not what pytest catches, and all of it back afterwards."""
    monkeypatch.setattr("sys.unraisablehook", None)
    monkeypatch.setattr(threading, "excepthook", None)
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    root.handlers.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        yield
        logging.captureWarnings(False)
    root.handlers[:] = before
    root.setLevel(level)


@pytest.mark.usefixtures("hooks")
async def test_what_fails_beside_the_run_is_logged_without_its_text(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def fails() -> None:
        raise ValueError(SECRET)

    log = Log()
    no_strays(log)
    task = asyncio.create_task(fails())
    await asyncio.wait([task])
    del task
    asyncio.get_running_loop().call_exception_handler({"message": SECRET})
    thread = threading.Thread(target=lambda: int("one"))
    thread.start()
    thread.join()
    try:
        dict[str, int]()[SECRET]
    except KeyError:
        logging.getLogger("aiohttp.server").exception("Error handling request %s", SECRET)
    logging.getLogger("asyncio").warning(SECRET)
    logging.getLogger("asyncio").info(SECRET)
    assert [
        (EventId.TASK_FAILED, {"error": "ValueError"}),
        (EventId.TASK_FAILED, {"error": "NoneType"}),
        (EventId.TASK_FAILED, {"error": "ValueError"}),
        (EventId.LIBRARY_WARNED, {"reason": "aiohttp.server", "error": "KeyError"}),
        (EventId.LIBRARY_WARNED, {"reason": "asyncio", "error": "none"}),
    ] == log.entries
    assert ("", "") == capsys.readouterr()


@pytest.mark.usefixtures("hooks")
async def test_what_a_library_warns_of_is_logged_without_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    log = Log()
    no_strays(log)
    warnings.warn(SECRET, UserWarning, stacklevel=1)
    assert [(EventId.LIBRARY_WARNED, {"reason": "py.warnings", "error": "none"})] == log.entries
    assert ("", "") == capsys.readouterr()
