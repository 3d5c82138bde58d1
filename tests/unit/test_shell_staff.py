"""The staff code: a slow salted hash in a file of the kiosk's user, and a door that follows the journal."""

import asyncio
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from firmware.core import records as r
from firmware.core.complaints import LastSale
from firmware.core.facts import Level, StaffLevel
from firmware.core.lockout import STAFF, LockoutRule, Mistakes
from firmware.core.terms import VisitId
from firmware.errors import ConfigError
from firmware.logbook import EventId, FieldValue, line
from firmware.shell.staff import StaffDoor, hashed, is_right, write_code
from tests.unit.test_core_complaints import SALE, SOLD

CODE = "80412657"
RULE = LockoutRule(((2, 60.0),), 600.0)
NOON = datetime(2026, 6, 1, 3, 0, tzinfo=UTC)


class Bench:
    """A door under a clock of ours."""

    def __init__(self, code_file: Path | None, *records: r.Record) -> None:
        self.now = NOON
        self.levels: list[Level] = []
        self.log: list[str] = []
        mistakes = Mistakes(RULE, STAFF)
        for record in records:
            mistakes.enter(record, NOON)
        self.door = StaffDoor(
            code_file=code_file,
            complaint_seconds=300.0,
            last_sale=LastSale((NOON, record) for record in records),
            strikes=mistakes.go_on(NOON),
            log=self.write,
            now=lambda: self.now,
            door_seconds=900.0,
            monotonic=self.monotonic,
        )
        self.door.start(self.levels.append)

    def monotonic(self) -> float:
        return (self.now - NOON).total_seconds()

    def lets_in(self) -> bool:
        return self.door.may_open

    def write(self, event: EventId, /, **fields: FieldValue) -> None:
        self.log.append(line(event, self.now, fields))

    async def types(self, code: str) -> bool:
        for digit in code:
            self.door.buffer.add(int(digit))
        return await self.door.admits()


@pytest.fixture
def code_file(tmp_path: Path) -> Path:
    path = tmp_path / "staff.code"
    write_code(path, CODE)
    return path


def test_the_file_holds_a_salted_slow_hash_that_nobody_else_reads(code_file: Path) -> None:
    text = code_file.read_text(encoding="ascii")
    assert text.startswith("scrypt$32768$8$1$")
    assert CODE not in text
    assert hashed(CODE.encode()) != text.strip(), "no salt"
    assert 0o600 == stat.S_IMODE(code_file.stat().st_mode)
    assert (True, False) == (is_right(CODE.encode(), text), is_right(b"80412658", text))


@pytest.mark.parametrize(
    "code", ["1234567", "123456789", "1234567a", "11112222", "12345678", "98765432", "１２３４５６７８"]
)
def test_a_code_that_is_short_or_easily_guessed_is_not_set(tmp_path: Path, code: str) -> None:
    with pytest.raises(ConfigError) as caught:
        write_code(tmp_path / "staff.code", code)
    assert code not in str(caught.value)
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "text", ["", "scrypt$1$2$3$4", f"plain$32768$8$1$AA==${'A' * 44}", "scrypt$0$8$1$AA==$AA=="]
)
async def test_a_damaged_file_lets_nobody_in_and_says_so(code_file: Path, text: str) -> None:
    await asyncio.to_thread(code_file.write_text, text, encoding="ascii")
    bench = Bench(code_file)
    assert await bench.types(CODE) is False
    assert any("staff-code-unusable" in said for said in bench.log)
    await bench.door.close()


async def test_what_was_typed_is_wiped_whether_it_was_right_or_not(code_file: Path) -> None:
    bench = Bench(code_file)
    for code, right in ((CODE, True), ("13579246", False)):
        assert right is await bench.types(code)
        assert 0 == bench.door.buffer.count
        assert not any(bench.door.buffer._digits)
        assert all(code not in said for said in bench.log)
    await bench.door.close()


async def test_wrong_codes_in_the_journal_keep_the_door_shut_until_their_time_is_over(
    code_file: Path,
) -> None:
    bench = Bench(code_file, r.StaffRefused(""), r.StaffRefused(""))
    assert [StaffLevel(8, waits=True)] == bench.levels
    bench.now += timedelta(seconds=61)
    bench.door.note(())
    assert StaffLevel(8) == bench.levels[-1]
    bench.door.note([r.StaffRefused("")])
    assert StaffLevel(8, waits=True) == bench.levels[-1]
    await bench.door.close()


async def test_a_sale_can_be_complained_of_for_its_time_also_after_a_restart(code_file: Path) -> None:
    bench = Bench(code_file, *SOLD)
    assert [StaffLevel(8, sale=SALE)] == bench.levels
    bench.now += timedelta(seconds=301)
    bench.door.note(())
    assert StaffLevel(8) == bench.levels[-1]
    await bench.door.close()


async def test_without_a_code_nobody_is_let_in() -> None:
    bench = Bench(None, *SOLD)
    assert 0 == bench.levels[-1].digits  # type: ignore[union-attr]
    assert await bench.types(CODE) is False
    await bench.door.close()


async def test_staff_who_were_let_in_may_have_the_door_open_for_a_time(code_file: Path) -> None:
    bench = Bench(code_file, r.StaffAdmitted(VisitId("")))
    assert not bench.lets_in(), "who was let in before a restart has gone"
    bench.door.note([r.StaffRefused("")])
    assert (False, True) == (bench.lets_in(), bench.door.takes_code)
    bench.door.note([r.StaffAdmitted(VisitId(""))])
    assert bench.lets_in()
    bench.now += timedelta(seconds=901)
    assert not bench.lets_in()
    bench.door.note([r.StaffRefused(""), r.StaffRefused("")])
    assert not bench.door.takes_code, "guessing at the door waits like any other"
    await bench.door.close()
