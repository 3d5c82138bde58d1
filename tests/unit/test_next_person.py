"""Whoever comes next finds no aid of the person before, also when no start screen was drawn between them.

The daemon, its engine, runner, staff door and speaker are the real ones.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from firmware.core import facts as f
from firmware.core.screens import Screen, ScreenId
from firmware.core.terms import Aid, KeypadKey, Language
from firmware.screen.speaker import Speaker
from firmware.shell.daemon import Parts
from firmware.shell.past import Past
from firmware.shell.staff import StaffDoor
from tests.unit import test_daemon_memory as memory
from tests.unit.test_voice import TEXTS, EveryClip, Mouth

CHOSEN = frozenset(Aid)
KEYS = {Aid.LARGE: KeypadKey.DIGIT_8, Aid.CONTRAST: KeypadKey.DIGIT_9, Aid.VOICE: KeypadKey.DIGIT_0}
LOUDER, FASTER, CALL_STAFF = KeypadKey.DIGIT_2, KeypadKey.DIGIT_6, KeypadKey.CORRECT


@dataclass
class Kiosk(memory.Kiosk):
    """One with a staff code and a voice."""

    code_file: Path = Path("/nowhere")
    aids: frozenset[Aid] = frozenset()

    def _parts(self, past: Past) -> Parts:
        self.mouth = Mouth()
        self.speaker = Speaker(EveryClip(), self.mouth, self.ring)
        door = StaffDoor(
            code_file=self.code_file,
            complaint_seconds=600.0,
            last_sale=past.last_sale,
            strikes=past.staff_mistakes.go_on(self.machine.today),
            log=self.ring,
            now=lambda: self.machine.today,
        )
        return replace(
            super()._parts(past),
            staff=door,
            show=self._tell,
            voice_key=self.speaker.key,
            next_person=self.speaker.next_person,
        )

    def _tell(self, screen: Screen, language: Language, aids: frozenset[Aid]) -> None:
        self.aids = aids
        self.speaker.tell(TEXTS.snapshot(screen, language, aids), language, aids)
        self._show(screen)

    async def until(self, wanted: ScreenId) -> None:
        """Go on with the visit until this screen is there."""
        while self.screen is None or self.screen.id is not wanted:
            before = self.screen
            self.does_what_is_asked()
            await self.another(before)

    async def adapts(self) -> None:
        """Ask for every aid on the start screen."""
        for key in KEYS.values():
            self.daemon.runner.key(key)
        async with asyncio.timeout(60):
            while self.aids != CHOSEN:
                self._drawn.clear()
                await self._drawn.wait()

    def manner(self) -> tuple[float, float]:
        """How loud and how fast the person hears it who asks for it again."""
        self.daemon._plug(True)
        self.speaker.key(KeypadKey.DIGIT_0)
        self.daemon._plug(False)
        return self.mouth.manner


@pytest.fixture
async def kiosk(tmp_path: Path) -> AsyncIterator[Kiosk]:
    code_file = tmp_path / "code"
    code_file.touch()
    kiosk = Kiosk(code_file=code_file)
    async with kiosk.running():
        yield kiosk


async def test_who_lays_a_card_while_staff_are_called_in_vain_has_no_aid_of_the_person_before(
    kiosk: Kiosk,
) -> None:
    runner = kiosk.daemon.runner
    await kiosk.adapts()
    await kiosk.until(ScreenId.NOTICE)
    assert CHOSEN == kiosk.aids, "chosen on the start screen, and kept"
    await kiosk.until(ScreenId.THANKS)
    for key in (LOUDER, FASTER):
        kiosk.speaker.key(key)
    assert (CHOSEN, (6.0, 1.25)) == (kiosk.aids, kiosk.mouth.manner)
    runner.key(CALL_STAFF)
    await kiosk.sees(ScreenId.STAFF_CODE)
    runner.report(f.ReaderLevel(working=True, card_present=True))
    runner.key(KeypadKey.CANCEL)
    await kiosk.sees(ScreenId.NOTICE)

    assert frozenset() == kiosk.aids
    assert (0.0, 1.0) == kiosk.manner()


async def test_the_start_screen_takes_every_aid_back(kiosk: Kiosk) -> None:
    await kiosk.adapts()
    await kiosk.until(ScreenId.THANKS)
    for key in (LOUDER, FASTER):
        kiosk.speaker.key(key)
    await kiosk.until(ScreenId.IDLE)

    assert frozenset() == kiosk.aids
    assert (0.0, 1.0) == kiosk.manner()


async def test_an_earphone_that_is_still_in_its_socket_asks_for_the_voice_alone(kiosk: Kiosk) -> None:
    runner = kiosk.daemon.runner
    await kiosk.adapts()
    kiosk.daemon._plug(True)
    await kiosk.until(ScreenId.THANKS)
    runner.key(CALL_STAFF)
    await kiosk.sees(ScreenId.STAFF_CODE)
    runner.report(f.ReaderLevel(working=True, card_present=True))
    runner.key(KeypadKey.CANCEL)
    await kiosk.sees(ScreenId.NOTICE)

    assert frozenset({Aid.VOICE}) == kiosk.aids
