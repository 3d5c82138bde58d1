"""The staff code (係員コード): typed on the keypad, compared as a slow salted hash, limited like a PIN.

Its file holds one line, `scrypt$N$r$p$salt$hash` (RFC 7914, base64), made by `madoguchi staff-code`. How
hopeless guessing is, is reckoned in `firmware.core.complaints`.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from firmware.core import records as r
from firmware.core.complaints import CODE_DIGITS, LastSale
from firmware.core.facts import StaffLevel
from firmware.core.lockout import Strikes
from firmware.errors import ConfigError
from firmware.logbook import EventId, Logbook
from firmware.ports import ReportLevel
from firmware.shell.pin import PinBuffer
from firmware.whole_file import write_whole

_COST, _BLOCK, _LANES = 1 << 15, 8, 1
_HASH_BYTES, _SALT_BYTES = 32, 16
_MOST_MEMORY_BYTES = 256 * 1024 * 1024
_LOOK_SECONDS = 1.0


def hashed(code: bytes) -> str:
    """The line of the code file, with a fresh salt."""
    salt = secrets.token_bytes(_SALT_BYTES)
    words = (_COST, _BLOCK, _LANES, _text(salt), _text(_digest(code, salt, _COST, _BLOCK, _LANES)))
    return "$".join(("scrypt", *map(str, words)))


def write_code(path: Path, code: str) -> None:
    """Put the hash of this code into its file, whole or not at all; the kiosk's user alone can read it.

    Raises ConfigError for a code that is not 8 digits or is easily guessed, or a file that cannot be written.
    """
    if len(code) != CODE_DIGITS or not (code.isascii() and code.isdigit()):
        raise ConfigError(f"a staff code has {CODE_DIGITS} digits")
    if len(set(code)) < 4 or code in "01234567890" or code in "09876543210":
        raise ConfigError("this staff code is easily guessed; expected at least 4 different digits, no row")
    try:
        write_whole(path, f"{hashed(code.encode('ascii'))}\n".encode("ascii"), mode=0o600)
    except OSError as cause:
        raise ConfigError(f"staff.code_file: {path} cannot be written") from cause


def is_right(code: bytes | bytearray, line: str) -> bool:
    """Whether this code was hashed into line. Raises ValueError for a line that is none."""
    try:
        name, cost, block, lanes, salt, digest = line.strip().split("$")
        expected = base64.b64decode(digest, validate=True)
        found = _digest(code, base64.b64decode(salt, validate=True), int(cost), int(block), int(lanes))
    except (ValueError, binascii.Error) as cause:
        raise ValueError("no line of a staff code") from cause
    if name != "scrypt" or len(expected) != _HASH_BYTES:
        raise ValueError("no line of a staff code")
    return hmac.compare_digest(found, expected)


def _digest(code: bytes | bytearray, salt: bytes, cost: int, block: int, lanes: int) -> bytes:
    return hashlib.scrypt(
        code, salt=salt, n=cost, r=block, p=lanes, maxmem=_MOST_MEMORY_BYTES, dklen=_HASH_BYTES
    )


def _text(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")


class StaffDoor:
    """Lets staff in, and reports StaffLevel: what they can be called for now.

    code_file: None or an absent file sets no code. complaint_seconds: how long after a sale its print may
    be complained of. last_sale, strikes: by the journal so far; the strikes are wrong staff codes.
    door_seconds: how long after they were let in the door may stand open.
    """

    def __init__(
        self,
        *,
        code_file: Path | None,
        complaint_seconds: float,
        last_sale: LastSale,
        strikes: Strikes,
        log: Logbook,
        now: Callable[[], datetime],
        door_seconds: float = 0.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.buffer = PinBuffer(CODE_DIGITS)
        self._code_file = code_file
        self._complaint_seconds = complaint_seconds
        self._log = log
        self._now = now
        self._last_sale = last_sale
        self._strikes = strikes
        self._level = StaffLevel()
        self._report: ReportLevel | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._door_seconds, self._monotonic = door_seconds, monotonic
        self._admitted_monotonic: float | None = None
        self._code_set = False

    def start(self, report: ReportLevel) -> None:
        """Begin to report."""
        self._report = report
        self._look_at_file()
        self._look()

    def note(self, records: Sequence[r.Record]) -> None:
        """These records were committed to the journal now."""
        now = self._now()
        for record in records:
            self._strikes.enter(record, now)
            self._last_sale.enter(now, record)
            if isinstance(record, r.StaffRefused):
                self._log(EventId.STAFF_REFUSED, count=self._strikes.count)
            if isinstance(record, r.StaffAdmitted):
                self._admitted_monotonic = self._monotonic()
                self._log(EventId.STAFF_ADMITTED)
        self._look_at_file()
        self._look()

    async def admits(self) -> bool:
        """Whether what was typed is the code; the buffer is empty and wiped afterwards."""
        return await self.is_right(self.buffer.take())

    async def is_right(self, typed: bytearray) -> bool:
        """Whether these digits are the code; they are wiped."""
        try:
            return await asyncio.to_thread(self._is_right, typed)
        finally:
            typed[:] = bytes(len(typed))

    @property
    def takes_code(self) -> bool:
        """Whether a code is set and may be tried now."""
        return bool(self._level.digits) and not self._level.waits

    @property
    def may_open(self) -> bool:
        """Whether staff were let in so short a time ago that the door may stand open without an order."""
        admitted = self._admitted_monotonic
        return admitted is not None and self._monotonic() - admitted <= self._door_seconds

    async def close(self) -> None:
        """Report no more, forget what was typed."""
        self.buffer.clear()
        self._report = None
        self._stop_timer()

    def _is_right(self, typed: bytearray) -> bool:
        """A file that cannot be read lets nobody in."""
        try:
            if self._code_file is None:
                return False
            return is_right(typed, self._code_file.read_text(encoding="ascii"))
        except (OSError, ValueError) as error:
            self._log(EventId.STAFF_CODE_UNUSABLE, error=type(error).__name__)
            return False

    def _look_at_file(self) -> None:
        self._code_set = self._code_file is not None and self._code_file.exists()

    def _look(self) -> None:
        now = self._now()
        self._stop_timer()
        if self._report is None:
            return
        waits = self._strikes.wait(now) is not None
        sale = self._last_sale.sale(now, self._complaint_seconds)
        level = StaffLevel(CODE_DIGITS if self._code_set else 0, waits, sale)
        if waits or sale is not None:
            self._timer = asyncio.get_running_loop().call_later(_LOOK_SECONDS, self._look)
        before, self._level = self._level, level
        if level != before:
            self._report(level)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
