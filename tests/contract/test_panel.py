"""The panel on simulated pins: contacts chatter, wires tear, lamps must not stay on.

Tests that only move sensors and look at lamps run on a real panel too: `tests/hil`.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from threading import Event

import pytest

from firmware.core.facts import Level, PanelLevel
from firmware.logbook import FieldValue
from hw.panel import GpioPanel, SensorPin
from tests.contract.pin_boards import board_of_pins
from tests.simulators.gpio.board import Board
from tests.simulators.gpio.outside import Levels

DOOR, PAPER, CHANGE, BUZZER = 17, 27, 22, 18
SENSORS = {"door": (DOOR, True), "paper": (PAPER, False), "change": (CHANGE, False)}
LAMPS = {"card": 23, "keypad": 24, "coin": 25, "paper": 8, "change": 7}
DEBOUNCE_SECONDS = 0.05
AT_REST = PanelLevel()


@dataclass
class Told:
    """What the kiosk was told."""

    told: asyncio.Queue[Level] = field(default_factory=asyncio.Queue)
    log: list[tuple[str, dict[str, FieldValue]]] = field(default_factory=list)

    def note(self, event: object, /, **fields: FieldValue) -> None:
        self.log.append((str(event), fields))

    async def next_level(self) -> Level:
        async with asyncio.timeout(30):
            return await self.told.get()

    async def tells_nothing(self) -> bool:
        await asyncio.sleep(3 * DEBOUNCE_SECONDS)
        return self.told.empty()


@dataclass
class Rig(Told):
    """A panel's outside, and what the kiosk was told."""

    board: Board = field(default_factory=Board)

    async def move(self, sensor: str, *, active: bool) -> None:
        """The door is opened, paper or change laid down; or the opposite."""
        pin, active_level = SENSORS[sensor]
        self.board.drive(pin, active_level if active else not active_level)

    async def lamps(self) -> set[str]:
        """Those that are lit now."""
        await asyncio.sleep(0.01)
        return self.lit()

    def lit(self) -> set[str]:
        return {name for name, pin in LAMPS.items() if self.board.level(pin)}

    @asynccontextmanager
    async def panel(self, on_level: int = 1) -> AsyncIterator[GpioPanel]:
        panel = GpioPanel(
            door=SensorPin(DOOR, active_level=1),
            paper=SensorPin(PAPER, active_level=0),
            change=SensorPin(CHANGE, active_level=0),
            lamp_pins=LAMPS,
            buzzer_pin=BUZZER,
            on_level=on_level,
            debounce_seconds=DEBOUNCE_SECONDS,
            first_retry_seconds=0.02,
            last_retry_seconds=0.05,
            log=self.note,
        )
        panel.start(self.told.put_nowait)
        try:
            yield panel
        finally:
            await panel.close()
            await panel.close()


@pytest.fixture
def rig() -> Iterator[Rig]:
    with board_of_pins() as board:
        board.drive(DOOR, level=False)
        yield Rig(board=board)


@pytest.mark.on_rig
async def test_tells_at_start_how_the_sensors_stand(rig: Rig) -> None:
    await rig.move("paper", active=True)
    async with rig.panel():
        assert PanelLevel(paper_in_tray=True) == await rig.next_level()
        assert await rig.tells_nothing()


@pytest.mark.on_rig
@pytest.mark.parametrize(
    ("sensor", "expected"),
    [
        ("door", PanelLevel(door_open=True)),
        ("paper", PanelLevel(paper_in_tray=True)),
        ("change", PanelLevel(change_in_cup=True)),
    ],
)
async def test_each_sensor_is_told_when_it_comes_and_when_it_goes(
    rig: Rig, sensor: str, expected: PanelLevel
) -> None:
    async with rig.panel():
        assert AT_REST == await rig.next_level()
        await rig.move(sensor, active=True)
        assert expected == await rig.next_level()
        await rig.move(sensor, active=False)
        assert AT_REST == await rig.next_level()


async def test_a_torn_door_wire_is_an_open_door(rig: Rig) -> None:
    async with rig.panel():
        assert AT_REST == await rig.next_level()
        rig.board.drive(DOOR, None)
        assert PanelLevel(door_open=True) == await rig.next_level()


async def test_chatter_is_told_once_and_a_flicker_not_at_all(rig: Rig) -> None:
    async with rig.panel():
        assert AT_REST == await rig.next_level()
        await asyncio.to_thread(chatter, rig.board, PAPER, last=False)
        assert PanelLevel(paper_in_tray=True) == await rig.next_level()
        rig.board.drive(CHANGE, level=False)
        rig.board.drive(CHANGE, level=True)
        assert await rig.tells_nothing()


async def test_a_chattering_paper_sensor_does_not_hide_the_door(rig: Rig) -> None:
    async with rig.panel():
        assert AT_REST == await rig.next_level()
        told = Event()
        chattering = asyncio.create_task(asyncio.to_thread(chatter_until, told, rig.board, PAPER))
        rig.board.drive(DOOR, level=True)
        try:
            assert PanelLevel(door_open=True) == await rig.next_level()
        finally:
            told.set()
            await chattering


def chatter_until(told: Event, board: Board, pin: int) -> None:
    while not told.is_set():
        chatter(board, pin, last=True)


def chatter(board: Board, pin: int, *, last: bool, times: int = 20) -> None:
    for number in range(times):
        board.drive(pin, last if number % 2 else not last)
        time.sleep(0.001)
    board.drive(pin, last)


@pytest.mark.on_rig
async def test_one_lamp_at_a_time(rig: Rig) -> None:
    async with rig.panel() as panel:
        await rig.next_level()
        seen = []
        for place in ("card", "coin", None):
            panel.light(place)
            seen.append(await rig.lamps())
        assert [{"card"}, {"coin"}, set()] == seen


@pytest.mark.on_rig
async def test_a_lamp_that_is_not_there_is_refused(rig: Rig) -> None:
    async with rig.panel() as panel:
        with pytest.raises(ValueError, match="no lamp at floor"):
            panel.light("floor")


async def test_alarm_sounds_three_times(rig: Rig) -> None:
    sounded: list[bool] = []

    def note(levels: Levels) -> None:
        if BUZZER in levels:
            sounded.append(levels[BUZZER])

    async with rig.panel() as panel:
        await rig.next_level()
        rig.board.watch(note)
        panel.buzz("alarm")
        assert await asyncio.to_thread(rig.board.wait_until, lambda: len(sounded) >= 6, 60)
        await asyncio.sleep(0.5)  # a fourth would sound by then
    assert [True, False] * 3 == sounded


async def test_closing_puts_lamps_out_and_silences_the_buzzer(rig: Rig) -> None:
    async with rig.panel() as panel:
        await rig.next_level()
        panel.light("paper")
        panel.buzz("alarm")
        sounds = partial(rig.board.level, BUZZER)
        assert await asyncio.to_thread(rig.board.wait_until, sounds, 60)
        assert {"paper"} == rig.lit()
    assert (set(), False) == (rig.lit(), rig.board.level(BUZZER))
    assert [None] * 6 == [rig.board.driven_by_kiosk(pin) for pin in (*LAMPS.values(), BUZZER)]


async def test_lamps_that_are_on_when_low_are_off_at_start(rig: Rig) -> None:
    async with rig.panel(on_level=0) as panel:
        await rig.next_level()
        at_start = rig.lit()
        panel.light("coin")
        await asyncio.sleep(0.01)
        assert (set(LAMPS), set(LAMPS) - {"coin"}) == (at_start, rig.lit())


async def test_a_vanished_chip_is_an_open_door_until_it_is_back_and_the_lamp_returns(rig: Rig) -> None:
    async with rig.panel() as panel:
        assert AT_REST == await rig.next_level()
        rig.board.cut_power()
        panel.light("change")
        assert PanelLevel(door_open=True) == await rig.next_level()
        await asyncio.sleep(0.15)
        rig.board.restore_power()
        assert AT_REST == await rig.next_level()
        await asyncio.sleep(0.01)
        assert {"change"} == rig.lit()
        assert 2 == len(rig.log)
