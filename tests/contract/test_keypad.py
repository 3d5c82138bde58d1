"""The keypad on simulated pins: real contacts bounce, real matrices have ghosts."""

import asyncio
import resource
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field

import pytest

from firmware.core.facts import KeypadLevel, Level
from firmware.core.terms import KeypadKey
from firmware.logbook import EventId, FieldValue
from hw.gpio_pins import claimed
from hw.keypad import MatrixKeypad
from tests.contract.pin_boards import board_of_pins
from tests.simulators.gpio.board import Board
from tests.simulators.gpio.contacts import Contacts
from tests.simulators.gpio.outside import Levels
from tests.simulators.gpio.server import until_looked

ROWS, COLUMNS = (5, 6, 13, 19), (12, 16, 20, 21)
LAYOUT = (
    ("1", "2", "3", "cancel"),
    ("4", "5", "6", "correct"),
    ("7", "8", "9", "confirm"),
    ("", "0", "", ""),
)
WIRES = {
    key: (ROWS[row], COLUMNS[column])
    for row, keys in enumerate(LAYOUT)
    for column, key in enumerate(keys)
    if key
}
HOLD_SECONDS = 0.1


@dataclass
class Rig:
    """A keypad, the fingers on it, and what the kiosk heard."""

    board: Board
    contacts: Contacts
    log: list[tuple[EventId, dict[str, FieldValue]]] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    levels: list[Level] = field(default_factory=list)

    def note(self, event: EventId, /, **fields: FieldValue) -> None:
        self.log.append((event, fields))

    def pressed(self, key: KeypadKey) -> None:
        self.heard.append(key.value)

    async def press(self, key: str, seconds: float = HOLD_SECONDS) -> None:
        """So long, and on a busy machine until the keypad has looked and is asleep again."""
        await asyncio.to_thread(self._press, key, time.monotonic() + seconds)

    def _press(self, key: str, until: float) -> None:
        self.contacts.close(*WIRES[key])
        until_looked(self.board, self.asleep)
        time.sleep(max(0.0, until - time.monotonic()))
        self.contacts.open(*WIRES[key])

    async def says_gone(self) -> None:
        async with asyncio.timeout(60):
            while not self.log:  # noqa: ASYNC110 - the log tells nobody
                await asyncio.sleep(0.01)

    async def hold(self, *keys: str) -> None:
        for key in keys:
            await asyncio.to_thread(self.contacts.close, *WIRES[key])

    async def let_go(self, *keys: str) -> None:
        for key in keys:
            await asyncio.to_thread(self.contacts.open, *WIRES[key])

    def asleep(self) -> bool:
        """All rows are driven: the keypad waits for an edge."""
        return all(self.board.driven_by_kiosk(row) is False for row in ROWS)

    async def quiet(self) -> None:
        """Wait until the keypad has judged the last movement; it looks up once more if it must."""
        for _ in range(2):
            assert await asyncio.to_thread(self.board.wait_until, self.asleep, 60)
            await asyncio.sleep(0.02)
        if not self.asleep():
            await self.quiet()


@pytest.fixture
def board() -> Iterator[Board]:
    with board_of_pins() as board:
        yield board


def make_keypad(rig: Rig) -> MatrixKeypad:
    return MatrixKeypad(
        row_pins=ROWS,
        column_pins=COLUMNS,
        layout=LAYOUT,
        scan_seconds=0.01,
        stable_scans=3,
        double_strike_seconds=0.3,
        first_retry_seconds=0.02,
        last_retry_seconds=0.05,
        log=rig.note,
    )


@pytest.fixture
async def rig(board: Board) -> AsyncIterator[Rig]:
    rig = Rig(board, Contacts(board))
    keypad = make_keypad(rig)
    keypad.start(rig.levels.append, rig.pressed)
    await rig.quiet()
    yield rig
    await keypad.close()
    await keypad.close()


@pytest.mark.on_rig
async def test_every_key_with_bounce_is_heard_once(rig: Rig) -> None:
    for key in WIRES:
        await rig.press(key)
        await rig.quiet()
    assert list(WIRES) == rig.heard


async def test_typing_eight_keys_a_second_loses_none(rig: Rig) -> None:
    """A finger rests 55 ms, and on a machine that is too busy to look until it has looked."""
    typed = "1234567890" * 2
    looks = 0

    def note(levels: Levels) -> None:
        nonlocal looks
        looks += levels.get(ROWS[0]) is False

    async def moved(move: Callable[[int, int], None], key: str) -> None:
        before = looks
        await asyncio.to_thread(move, *WIRES[key])
        await asyncio.sleep(0.055)
        assert await asyncio.to_thread(rig.board.wait_until, lambda: looks > before and rig.asleep(), 60)

    rig.board.pull(ROWS[0], level=True)
    rig.board.watch(note)
    for key in typed:
        await moved(rig.contacts.close, key)
        await moved(rig.contacts.open, key)
    assert typed == "".join(rig.heard)


@pytest.mark.on_rig
async def test_a_held_key_does_not_repeat(rig: Rig) -> None:
    await rig.press("5", 1.0)
    await rig.quiet()
    assert ["5"] == rig.heard


async def test_a_double_strike_is_one_press_and_a_later_one_is_another(rig: Rig) -> None:
    await rig.press("7")
    await asyncio.sleep(0.05)
    await rig.press("7")
    await asyncio.sleep(0.3)
    await rig.press("7")
    await rig.quiet()
    assert ["7", "7"] == rig.heard


async def test_three_keys_and_their_ghost_press_nothing(rig: Rig) -> None:
    for wire in ("1", "2", "4"):
        rig.board.switch(*WIRES[wire], closed=True)
    await rig.quiet()
    await rig.let_go("1", "2")
    await rig.quiet()
    await rig.let_go("4")
    await rig.quiet()
    assert [] == rig.heard
    await rig.press("5")
    await rig.quiet()
    assert ["5"] == rig.heard


async def test_the_simulated_matrix_has_ghosts(rig: Rig) -> None:
    """Three corners closed: driving the row of the fourth pulls its column low."""
    for wire in ("1", "2", "4"):
        rig.board.switch(*WIRES[wire], closed=True)
    assert not rig.board.level(WIRES["5"][1])


async def test_a_second_key_counts_only_after_all_were_released(rig: Rig) -> None:
    await rig.hold("1")
    await rig.quiet()
    await rig.hold("8")
    await rig.quiet()
    await rig.let_go("1")
    await rig.quiet()
    await rig.let_go("8")
    await rig.quiet()
    assert ["1"] == rig.heard
    await rig.press("8")
    await rig.quiet()
    assert ["1", "8"] == rig.heard


async def test_a_second_key_in_the_same_column_makes_no_edge_and_no_press(rig: Rig) -> None:
    await rig.hold("1")
    await rig.quiet()
    await rig.hold("7")
    await rig.let_go("1")
    await rig.quiet()
    await rig.let_go("7")
    await rig.quiet()
    await rig.press("2")
    await rig.quiet()
    assert ["1", "2"] == rig.heard


async def test_a_key_stuck_since_before_the_start_is_no_press(board: Board) -> None:
    rig = Rig(board, Contacts(board))
    await rig.hold("confirm")
    keypad = make_keypad(rig)
    keypad.start(rig.levels.append, rig.pressed)
    await rig.quiet()
    await rig.let_go("confirm")
    await rig.quiet()
    await rig.press("3")
    await rig.quiet()
    await keypad.close()
    assert ["3"] == rig.heard


async def test_rows_are_never_driven_high(board: Board) -> None:
    rig = Rig(board, Contacts(board))
    high = list[int]()
    board.watch(lambda _: high.extend(row for row in ROWS if board.driven_by_kiosk(row)))
    keypad = make_keypad(rig)
    keypad.start(rig.levels.append, rig.pressed)
    await rig.quiet()
    await rig.press("9")
    await rig.quiet()
    await keypad.close()
    assert ["9"] == rig.heard
    assert [] == high


async def test_closing_lets_all_pins_go(board: Board) -> None:
    rig = Rig(board, Contacts(board))
    keypad = make_keypad(rig)
    keypad.start(rig.levels.append, rig.pressed)
    await rig.quiet()
    await keypad.close()
    await rig.press("1")
    assert [] == rig.heard
    assert [None] * 8 == [board.driven_by_kiosk(pin) for pin in (*ROWS, *COLUMNS)]


async def test_pins_held_by_somebody_else_are_waited_for_and_logged_once(board: Board) -> None:
    rig = Rig(board, Contacts(board))
    keypad = make_keypad(rig)
    with claimed(ROWS[2]):
        keypad.start(rig.levels.append, rig.pressed)
        await rig.says_gone()
        await asyncio.sleep(0.15)
        assert [(EventId.KEYPAD_GONE, {"error": "GPIOPinInUse"})] == rig.log
    await rig.quiet()
    await rig.press("4")
    await keypad.close()
    assert ["4"] == rig.heard
    assert [EventId.KEYPAD_GONE, EventId.KEYPAD_BACK] == [event for event, _ in rig.log]
    assert [KeypadLevel(working=True)] == rig.levels


async def test_a_vanishing_chip_is_logged_once_gone_and_once_back(rig: Rig) -> None:
    rig.board.cut_power()
    await rig.hold("1")
    await rig.says_gone()
    await asyncio.sleep(0.2)
    await rig.let_go("1")
    rig.board.restore_power()
    await rig.quiet()
    await rig.press("2")
    await rig.quiet()
    assert ["2"] == rig.heard
    assert [EventId.KEYPAD_GONE, EventId.KEYPAD_BACK] == [event for event, _ in rig.log]
    assert [KeypadLevel(working) for working in (True, False, True)] == rig.levels


async def test_a_listener_that_fails_does_not_deafen_the_keypad_and_betrays_no_key(
    board: Board, caplog: pytest.LogCaptureFixture
) -> None:
    rig = Rig(board, Contacts(board))

    def pressed(key: KeypadKey) -> None:
        rig.pressed(key)
        if key is KeypadKey.DIGIT_1:
            raise RuntimeError("listener failed")

    keypad = make_keypad(rig)
    keypad.start(rig.levels.append, pressed)
    await rig.quiet()
    await rig.press("1")
    await rig.quiet()
    await rig.press("2")
    await rig.quiet()
    await keypad.close()
    assert ["1", "2"] == rig.heard
    assert 1 == caplog.text.count("RuntimeError: listener failed")
    assert "KeypadKey" not in caplog.text


@pytest.mark.parametrize("held", [(), ("6",)], ids=["idle", "key held"])
async def test_a_quiet_keypad_uses_no_processor_time(rig: Rig, held: tuple[str, ...]) -> None:
    await rig.hold(*held)
    await rig.quiet()
    await asyncio.sleep(0.1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    wakes = wake_count()
    await asyncio.sleep(0.5)
    assert 2 >= wake_count() - wakes
    assert 0.02 > resource.getrusage(resource.RUSAGE_SELF).ru_utime - before
    await rig.let_go(*held)


def wake_count() -> int:
    return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw


async def test_scanning_never_blocks_the_loop_noticeably(rig: Rig) -> None:
    """The most processor time between two turns of the loop, the simulated board's included."""
    slowest_seconds = 0.0
    pressing = asyncio.create_task(rig.press("9", 0.2))
    while not pressing.done():
        started_seconds = time.thread_time()
        await asyncio.sleep(0)
        slowest_seconds = max(slowest_seconds, time.thread_time() - started_seconds)
    assert 0.005 > slowest_seconds
