"""The staff code at the open door: counted where it is waited for, recorded whether right or wrong, wiped."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from firmware.core import records as r
from firmware.core.terms import KeypadKey, VisitId
from firmware.errors import JournalError
from firmware.shell.door_code import DoorCode

CODE = "80412657"
DIGITS = {key.digit: key for key in KeypadKey if key.digit is not None}
ADMITTED, REFUSED = r.StaffAdmitted(VisitId("")), r.StaffRefused("")


@dataclass
class Door:
    """Keypad, code file and journal around it."""

    wanted: bool = True
    full: bool = False
    tries: list[str] = field(default_factory=list)
    journal: list[r.Record] = field(default_factory=list)
    beeps: int = 0
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.code = DoorCode(
            wanted=lambda: self.wanted, is_right=self.is_right, write=self.write, refused=self.refused
        )

    async def is_right(self, typed: bytearray) -> bool:
        self.tries.append(typed.decode())
        await asyncio.sleep(0)
        return self.tries[-1] == CODE

    async def write(self, records: Sequence[r.Record]) -> None:
        if self.full:
            raise JournalError("full")
        self.journal.extend(records)

    def refused(self) -> None:
        self.beeps += 1

    async def types(self, *typed: str) -> None:
        for word in typed:
            for key in [DIGITS[int(digit)] for digit in word] if word.isdigit() else [KeypadKey(word)]:
                self.code.key(key)
        await self.code.close()


@pytest.mark.parametrize(
    ("typed", "journal", "beeps"),
    [
        ((CODE, "confirm"), [ADMITTED], 0),
        (("80412658", "confirm"), [REFUSED], 1),
        (("99", "correct", CODE, "confirm"), [ADMITTED], 0),
        ((CODE, "cancel", "confirm"), [], 0),
        ((CODE[:7], "confirm", CODE[7:], "confirm"), [], 0),
        ((CODE,), [], 0),
    ],
)
async def test_what_is_typed_is_a_try_or_nothing(
    typed: tuple[str, ...], journal: list[r.Record], beeps: int
) -> None:
    door = Door()
    await door.types(*typed)
    assert (journal, beeps) == (door.journal, door.beeps)


async def test_where_no_code_is_waited_for_no_key_is_kept() -> None:
    door = Door(wanted=False)
    await door.types(CODE, "confirm")
    door.code.key(DIGITS[8])
    door.wanted = True
    await door.types(CODE[1:], "confirm")
    assert ([], []) == (door.tries, door.journal)


async def test_a_door_that_was_shut_forgets_what_was_typed() -> None:
    door = Door()
    for digit in CODE:
        door.code.key(DIGITS[int(digit)])
    door.code.forget()
    await door.types("confirm")
    assert [] == door.tries


async def test_one_code_is_checked_at_a_time() -> None:
    door = Door()
    await door.types(CODE, "confirm", CODE, "confirm")
    assert [CODE] == door.tries
    await door.types(CODE, "confirm")
    assert [ADMITTED, ADMITTED] == door.journal


async def test_a_journal_that_takes_no_record_lets_nobody_in_and_breaks_nothing() -> None:
    door = Door(full=True)
    await door.types("00000000", "confirm")
    assert ([], 0) == (door.journal, door.beeps)
