"""The kiosk asks to be erased only when all is done, closed and copied; refused, it is what it was."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from firmware.core.wording import Sentence, told
from firmware.errors import OfficeRefused
from firmware.logbook import EventId
from firmware.ports import JournalHead
from firmware.shell import last_wish
from firmware.shell.last_wish import LastWish

URN = "urn:kiosk:demo-0001"


@dataclass
class Rig:
    """kept: how far the municipality keeps the journal once it was sent. story: what happened, in order."""

    wish: Path | None
    kept: int | None = 7
    head: JournalHead = JournalHead(7, b"\x07" * 32)  # noqa: RUF009 - frozen
    first: Sentence | None = None
    resting: bool = True
    held: bool = False
    story: list[str] = field(default_factory=list)

    def hold(self, held: bool) -> None:
        self.held = held
        self.story.append("held" if held else "free")

    def to_do(self, kept_seq: int | None) -> Sentence | None:
        if self.first is None and kept_seq != self.head.seq:
            return told("this kiosk is already being erased")
        return self.first

    async def copy(self) -> int | None:
        self.story.append("copied")
        return self.kept

    def log(self, event: EventId, /, **fields: Any) -> None:
        self.story.append(" ".join([event.value, *map(str, fields.values())]))

    @asynccontextmanager
    async def kiosk(self) -> AsyncIterator[LastWish]:
        made = LastWish(
            self.wish,
            urn=URN,
            hold=self.hold,
            resting=lambda: self.resting and self.held,
            to_do=self.to_do,
            copy_journal=self.copy,
            head=lambda: self.head,
            log=self.log,
        )
        try:
            yield made
        finally:
            await made.close()


async def comes(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110 - files tell nobody
            await asyncio.sleep(0.02)


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    monkeypatch.setattr(last_wish, "_ANSWER_SECONDS", 0.0)
    monkeypatch.setattr(last_wish, "_REST_SECONDS", 0.1)
    return Rig(tmp_path / "erase-wanted")


async def test_it_is_closed_and_copied_before_root_is_asked_and_stays_closed(rig: Rig) -> None:
    wish = rig.wish
    assert wish is not None
    async with rig.kiosk() as kiosk:
        await kiosk.ask(URN)
        assert ["held", "copied", "erase-wanted"] == rig.story
        await comes(wish.exists)
        with pytest.raises(OfficeRefused, match="already being erased"):
            await kiosk.ask(URN)
    assert rig.held
    assert {"urn": URN, "seq": 7, "chain": "07" * 32} == json.loads(wish.read_text())


@pytest.mark.parametrize("urn", ["urn:kiosk:demo-0002", "", "URN:KIOSK:DEMO-0001", f"{URN} "])
async def test_another_kiosks_name_changes_nothing(rig: Rig, urn: str) -> None:
    async with rig.kiosk() as kiosk:
        with pytest.raises(OfficeRefused, match="this kiosk is not"):
            await kiosk.ask(urn)
    assert ([], False) == (rig.story, rig.wish is not None and rig.wish.exists())


async def test_what_is_to_be_done_first_is_said_without_closing_anything(rig: Rig) -> None:
    rig.first = told("an update is under way")
    async with rig.kiosk() as kiosk:
        with pytest.raises(OfficeRefused, match="an update is under way"):
            await kiosk.ask(URN)
    assert [] == rig.story


async def test_a_journal_that_is_not_kept_whole_opens_the_kiosk_again(rig: Rig) -> None:
    rig.kept = 6
    async with rig.kiosk() as kiosk:
        with pytest.raises(OfficeRefused):
            await kiosk.ask(URN)
        assert ["held", "copied", "free"] == rig.story
        rig.kept = 7
        await kiosk.ask(URN)
    assert "erase-wanted" == rig.story[-1]


async def test_a_visit_that_does_not_end_opens_the_kiosk_again(rig: Rig) -> None:
    """It may have begun between the question and the closing."""
    rig.resting = False
    async with rig.kiosk() as kiosk:
        with pytest.raises(OfficeRefused, match="a visit is under way"):
            await kiosk.ask(URN)
    assert ["held", "free"] == rig.story


async def test_a_wish_that_cannot_be_written_opens_the_kiosk_again_and_is_logged(rig: Rig) -> None:
    assert rig.wish is not None
    rig.wish = rig.wish.parent / "nowhere" / "erase-wanted"
    async with rig.kiosk() as kiosk:
        await kiosk.ask(URN)
        await comes(lambda: not rig.held)
    assert ["erase-refused unwritten FileNotFoundError", "free"] == rig.story[-2:]


async def test_where_nothing_erases_a_kiosk_it_says_so(rig: Rig) -> None:
    rig.wish = None
    async with rig.kiosk() as kiosk:
        with pytest.raises(OfficeRefused, match=r"console\.erase_request is empty"):
            await kiosk.ask(URN)
    assert [] == rig.story
