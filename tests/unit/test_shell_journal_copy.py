"""Who asks for a copy of the journal at once waits for the one under way: no line goes twice."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from firmware.logbook import EventId
from firmware.ports import JournalHead, JournalKept, JournalLine
from firmware.shell.journal_copy import JournalCopy

LINES = tuple(JournalLine(seq, "now", "VisitBegan", "{}", bytes([seq]) * 32) for seq in range(1, 6))


@dataclass
class Keeper:
    """A municipality that takes its time. sent: the last line of each message."""

    kept: JournalKept = JournalKept(0, bytes(32), bytes(32))  # noqa: RUF009 - frozen
    sent: list[int] = field(default_factory=list)
    head: JournalHead = JournalHead(5, LINES[-1].chain)  # noqa: RUF009 - frozen

    async def journal_kept(self) -> JournalKept:
        await asyncio.sleep(0)
        return self.kept

    async def keep_journal(self, kept: JournalKept, lines: Sequence[JournalLine]) -> JournalKept:
        assert kept.seq == self.kept.seq, "not the last line that is kept here"
        await asyncio.sleep(0)
        self.sent.append(lines[-1].seq)
        self.kept = replace(self.kept, seq=lines[-1].seq, chain=lines[-1].chain)
        return self.kept

    def journal_link(self, link: bytes, lines: Sequence[JournalLine]) -> bytes:
        assert lines
        return link

    async def lines(self, first_seq: int, most: int, most_characters: int) -> Sequence[JournalLine]:
        assert most_characters
        return LINES[first_seq - 1 : first_seq - 1 + most]

    def log(self, event: EventId, /, **fields: Any) -> None:
        raise AssertionError(event, fields)


async def test_two_who_ask_at_once_send_each_line_once() -> None:
    keeper = Keeper()
    copy = JournalCopy(keeper, keeper, keeper.log, every_seconds=60)
    await asyncio.gather(copy.send(), copy.send())
    assert ([5], 5) == (keeper.sent, copy.kept_seq)
