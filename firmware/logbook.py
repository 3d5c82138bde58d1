"""The log: enumerated events, allow-listed fields, one JSON line each.

No free text from outside and no personal data can be written: a field is a number, a
truth value, a member of an enum or a word that matches a narrow pattern.
"""

import contextlib
import enum
import json
import re
import sys
from datetime import UTC, datetime
from typing import Protocol, TextIO


class EventId(enum.Enum):
    """Every event that can stand in the log."""

    DAEMON_STARTED = "daemon-started"
    DAEMON_STOPPED = "daemon-stopped"
    DAEMON_FAILED = "daemon-failed"
    RECOVERED = "recovered"
    STATE_ENTERED = "state-entered"
    LATE_ANSWER_DROPPED = "late-answer-dropped"
    TASK_FAILED = "task-failed"
    LIBRARY_WARNED = "library-warned"
    JOURNAL_FAILED = "journal-failed"
    JOURNAL_FULL = "journal-full"
    JOURNAL_ROOM = "journal-room"
    JOURNAL_DISK_FAILING = "journal-disk-failing"
    STRANDED = "stranded"
    PANEL_GONE = "panel-gone"
    PANEL_BACK = "panel-back"
    SCREEN_GONE = "screen-gone"  # no page draws, for minutes
    SCREEN_BACK = "screen-back"
    SOUND_GONE = "sound-gone"
    SOUND_BACK = "sound-back"
    CLIP_MISSING = "clip-missing"  # a sentence that no file of the voice says
    CARD_READER_GONE = "card-reader-gone"
    CARD_READER_BACK = "card-reader-back"
    CARD_READER_FAILED = "card-reader-failed"
    PCSCD_RESTART_ASKED = "pcscd-restart-asked"
    CARD_READ = "card-read"
    CARD_REFUSED = "card-refused"
    CARD_GONE = "card-gone"
    PIN_REFUSED = "pin-refused"
    PIN_BLOCKED = "pin-blocked"
    PIN_UNCERTAIN = "pin-uncertain"
    LOCKOUT_BEGAN = "lockout-began"
    LOCKOUT_ENDED = "lockout-ended"
    STAFF_REFUSED = "staff-refused"
    STAFF_ADMITTED = "staff-admitted"
    STAFF_CODE_UNUSABLE = "staff-code-unusable"
    KEYPAD_GONE = "keypad-gone"
    KEYPAD_BACK = "keypad-back"
    COIN_ACCEPTOR_FOUND = "coin-acceptor-found"
    COIN_ACCEPTOR_GONE = "coin-acceptor-gone"
    COIN_ACCEPTOR_BACK = "coin-acceptor-back"
    COIN_ACCEPTED = "coin-accepted"
    COIN_REJECTED = "coin-rejected"
    COIN_SUSPECT = "coin-suspect"
    COIN_EVENTS_MISSED = "coin-events-missed"
    CCTALK_GARBLED = "cctalk-garbled"
    HOPPER_GONE = "hopper-gone"
    HOPPER_BACK = "hopper-back"
    HOPPER_MOVED = "hopper-moved"
    HOPPER_FAULT = "hopper-fault"
    COIN_PAID = "coin-paid"
    PRINTER_NOT_READY = "printer-not-ready"
    PRINTER_DEAD = "printer-dead"
    PRINTER_READY = "printer-ready"
    PRINTER_LOW = "printer-low"
    PRINTER_REFILLED = "printer-refilled"
    CUPS_RESTART_ASKED = "cups-restart-asked"
    CUPS_RESTART_NOT_ASKED = "cups-restart-not-asked"
    PRINT_WITNESSED = "print-witnessed"
    EXIT_SENSOR_GONE = "exit-sensor-gone"
    EXIT_SENSOR_BACK = "exit-sensor-back"
    PAPER_LEFT_BEHIND = "paper-left-behind"
    PAPER_TAKEN_AWAY = "paper-taken-away"
    PAPER_FOUND = "paper-found"
    PRINT_SUBMITTED = "print-submitted"
    PRINT_ENDED = "print-ended"
    RECEIPT_PRINTER_GONE = "receipt-printer-gone"
    RECEIPT_PRINTER_BACK = "receipt-printer-back"
    RECEIPT_PAPER_LOW = "receipt-paper-low"
    RECEIPT_ENDED = "receipt-ended"
    DOCUMENT_REFUSED = "document-refused"
    WORKER_ENDED = "worker-ended"
    WORKER_STAYS = "worker-stays"
    CERTIFICATE_RENEWED = "certificate-renewed"
    CERTIFICATE_NOT_RENEWED = "certificate-not-renewed"
    KEY_STORE_BACK = "key-store-back"
    PUBLICATION_TAKEN = "publication-taken"
    PUBLICATION_REFUSED = "publication-refused"
    JOURNAL_COPY_GONE = "journal-copy-gone"
    JOURNAL_COPY_BACK = "journal-copy-back"
    ORDER_STRAY = "order-stray"
    REPORT_UNHEARD = "report-unheard"
    REPORT_CONTRADICTED = "report-contradicted"
    MUNICIPALITY_GONE = "municipality-gone"
    MUNICIPALITY_BACK = "municipality-back"
    MUNICIPALITY_TOLD = "municipality-told"
    MUNICIPALITY_REFUSED = "municipality-refused"
    MUNICIPALITY_ANSWER_INVALID = "municipality-answer-invalid"
    DAY_CLOSED = "day-closed"
    DAY_DIFFERS = "day-differs"
    COINS_HANDLED = "coins-handled"
    TRIAL_COIN_ENDED = "trial-coin-ended"
    CLAIM_SETTLED = "claim-settled"
    CONSOLE_GONE = "console-gone"
    CONSOLE_REFUSED = "console-refused"
    CLOCK_NOT_TRUSTED = "clock-not-trusted"
    CLOCK_TRUSTED = "clock-trusted"
    SCREEN_INTENT_REFUSED = "screen-intent-refused"
    CONFIG_LOADED = "config-loaded"
    SWAP_ON = "swap-on"
    MAINTENANCE_OPENED = "maintenance-opened"
    MAINTENANCE_CLOSED = "maintenance-closed"
    MAINTENANCE_REFUSED = "maintenance-refused"
    MAINTENANCE_BEGAN = "maintenance-began"
    MAINTENANCE_ENDED = "maintenance-ended"
    UPDATE_INSTALLING = "update-installing"
    UPDATE_REFUSED = "update-refused"
    UPDATE_TRIAL = "update-trial"
    UPDATE_GOOD = "update-good"
    UPDATE_UNFIT = "update-unfit"
    UPDATE_ROLLED_BACK = "update-rolled-back"
    ERASE_WANTED = "erase-wanted"
    ERASE_REFUSED = "erase-refused"
    ERASE_BEGAN = "erase-began"
    ERASE_FAILED = "erase-failed"
    ERASE_DONE = "erase-done"
    COMMAND_GIVEN = "command-given"
    PART_TESTED = "part-tested"
    DOOR_OPENED = "door-opened"
    DOOR_SHUT = "door-shut"
    DOOR_OPENED_UNORDERED = "door-opened-unordered"
    DOOR_QUIET = "door-quiet"
    LOOP_SLOW = "loop-slow"
    LOOP_WELL = "loop-well"
    WATCHDOG_HELD = "watchdog-held"


FIELDS = frozenset(
    """
    state answer order reason outcome kind yen coins tries_left status_word header code sheets pages
    copies milliseconds attempt step certainty device error visit job version records refusal count
    code_points
    errors used_percent reserve_gone
    """.split()
)

_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:+/-]{0,79}\Z")

FieldValue = int | float | bool | enum.Enum | str


class Logbook(Protocol):
    """Where events are written."""

    def __call__(self, event: EventId, /, **fields: FieldValue) -> None:
        """Write one event.

        Raises ValueError for a field that is not allow-listed or a value that is no word or finite number.
        """


def line(event: EventId, now: datetime, fields: dict[str, FieldValue]) -> str:
    """One event as a JSON line without the line end."""
    entry: dict[str, int | float | bool | str] = {
        "time": now.astimezone(UTC).isoformat(timespec="milliseconds"),
        "event": event.value,
    }
    for name, value in fields.items():
        if name not in FIELDS:
            raise ValueError(f"log field {name} is not on the list")
        plain = value.value if isinstance(value, enum.Enum) else value
        if isinstance(plain, str) and not _WORD.match(plain):
            raise ValueError(f"log field {name} is not a word")
        if not isinstance(plain, int | float | bool | str):
            raise ValueError(f"log field {name} is not a plain value")  # noqa: TRY004 - one error to catch
        entry[name] = plain
    return json.dumps(entry, ensure_ascii=True, allow_nan=False)


class JsonLog:
    """Writes to a text stream, standard error by default, where journald reads it.

    A stream that takes no more loses the line: no visit ends for want of a log.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream

    def __call__(self, event: EventId, /, **fields: FieldValue) -> None:
        text = line(event, datetime.now(UTC), fields)
        with contextlib.suppress(OSError):
            self._stream.write(text + "\n")
            self._stream.flush()
