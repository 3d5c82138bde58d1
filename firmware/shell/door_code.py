"""The staff code typed at the open door: staff who load paper have no order and need no alarm (係員の開扉).

Digits count only while the door is open, nobody with an order is there and no visit wants keys. They are
tries like any other: a wrong one is in the journal and slows the next (`firmware.core.complaints`).
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from firmware.core import records as r
from firmware.core.complaints import CODE_DIGITS
from firmware.core.terms import KeypadKey, VisitId
from firmware.errors import JournalError
from firmware.shell.pin import PinBuffer

_NO_VISIT = VisitId("")

Write = Callable[[Sequence[r.Record]], Awaitable[None]]


class DoorCode:
    """Overhears the keypad.

    wanted: whether a code is waited for now. is_right: whether these digits are the code; wipes them.
    write: commits records and tells whoever follows them; raises JournalError, which ends the run by itself.
    refused: what the person hears after a wrong one.
    """

    def __init__(
        self,
        *,
        wanted: Callable[[], bool],
        is_right: Callable[[bytearray], Awaitable[bool]],
        write: Write,
        refused: Callable[[], None],
    ) -> None:
        self._wanted = wanted
        self._is_right = is_right
        self._write = write
        self._refused = refused
        self._typed = PinBuffer(CODE_DIGITS)
        self._checking: asyncio.Task[None] | None = None

    def key(self, key: KeypadKey) -> None:
        """A key was pressed at the keypad itself."""
        if not self._wanted() or self._checking is not None:
            self._typed.clear()
            return
        if key.digit is not None:
            self._typed.add(key.digit)
        elif key is KeypadKey.CONFIRM and self._typed.full:
            self._checking = asyncio.create_task(self._check(self._typed.take()), name="door-code")
        else:
            self._typed.clear()

    def forget(self) -> None:
        """The door is shut: wipe what was typed."""
        self._typed.clear()

    async def close(self) -> None:
        """Forget what was typed; a check under way ends first. May be called twice."""
        self._typed.clear()
        if self._checking is not None:
            await asyncio.wait([self._checking])

    async def _check(self, typed: bytearray) -> None:
        try:
            right = await self._is_right(typed)
            try:
                await self._write((r.StaffAdmitted(_NO_VISIT) if right else r.StaffRefused(""),))
            except JournalError:
                return
            if not right:
                self._refused()
        finally:
            self._checking = None
