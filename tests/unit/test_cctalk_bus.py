"""The bus believes only what answers the request: no stray byte, no late reply, no other device."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from typing import NoReturn

import pytest

from firmware.errors import DeviceGone
from firmware.logbook import EventId, FieldValue
from hw.coin.bus import CcTalkBus, NotExecuted
from hw.coin.cctalk import Header
from hw.coin.keep import GoneReason, Unfit, keep
from tests.simulators.coin import CoinMachine
from tests.simulators.coin.wire import SeenFrame, frame
from tests.virtual_time import in_virtual_time

HOPPER_SERIAL = b"\x01\x02\x03"


@pytest.fixture
async def machine() -> AsyncIterator[CoinMachine]:
    async with CoinMachine(echo=False, hopper_serial=0x030201) as started:
        yield started


def bus_on(machine: CoinMachine, logged: list[tuple[EventId, int]] | None = None) -> CcTalkBus:
    def log(event: EventId, /, **fields: FieldValue) -> None:
        if logged is not None:
            logged.append((event, int(str(fields["count"]))))

    return CcTalkBus(log, path=machine.path, reply_seconds=0.05, gap_seconds=0.03, silence_seconds=0.03)


async def test_a_late_reply_is_not_taken_for_the_next_answer(machine: CoinMachine) -> None:
    machine.delay_replies(1, 0.06, header=Header.REQUEST_DISPENSE_COUNT)
    async with bus_on(machine) as bus:
        with pytest.raises(DeviceGone):
            await bus.ask_once(3, Header.REQUEST_DISPENSE_COUNT, lengths=(3,))
        assert await bus.ask_once(3, Header.REQUEST_SERIAL_NUMBER, lengths=(3,)) == HOPPER_SERIAL


async def test_a_reply_to_a_cancelled_request_is_not_taken_for_the_next_answer(machine: CoinMachine) -> None:
    machine.delay_replies(2, 0.02)
    heard = asyncio.Event()
    machine.watch_frames(lambda _: heard.set())
    async with bus_on(machine) as bus:
        asking = asyncio.create_task(bus.ask(3, Header.REQUEST_DISPENSE_COUNT, length=3))
        await heard.wait()
        asking.cancel()
        assert await bus.ask_once(3, Header.REQUEST_SERIAL_NUMBER, lengths=(3,)) == HOPPER_SERIAL


async def test_stray_bytes_before_a_request_do_not_spoil_it(machine: CoinMachine) -> None:
    async with bus_on(machine) as bus:
        await bus.ask_once(3, Header.SIMPLE_POLL, lengths=(0,))
        machine.noise(b"\x55\x01\x00")
        assert await bus.ask_once(3, Header.REQUEST_SERIAL_NUMBER, lengths=(3,)) == HOPPER_SERIAL


@pytest.mark.parametrize(
    "answer",
    [
        frame(1, 2, 0, HOPPER_SERIAL),  # of another device
        frame(4, 3, 0, HOPPER_SERIAL),  # to somebody else
        frame(1, 3, 242, HOPPER_SERIAL),  # not a reply
        frame(1, 3, 0, HOPPER_SERIAL[:2]),  # too short
        frame(1, 3, 0, HOPPER_SERIAL)[:-2],  # cut off
        frame(1, 3, 0, HOPPER_SERIAL) + b"\x00",  # too long
    ],
)
async def test_what_does_not_answer_the_request_is_not_believed(machine: CoinMachine, answer: bytes) -> None:
    machine.drop_replies(1)
    machine.watch_frames(lambda _: machine.noise(answer))
    async with bus_on(machine) as bus:
        with pytest.raises(DeviceGone):
            await bus.ask_once(3, Header.REQUEST_SERIAL_NUMBER, lengths=(3,))


async def test_a_refusal_is_not_a_silent_device(machine: CoinMachine) -> None:
    async with bus_on(machine) as bus:
        with pytest.raises(NotExecuted):
            await bus.ask(3, Header.DISPENSE_COINS, HOPPER_SERIAL + b"\x01", length=None)


async def test_a_request_that_must_not_be_repeated_is_sent_once(machine: CoinMachine) -> None:
    machine.drop_replies(9)
    async with bus_on(machine) as bus:
        with pytest.raises(DeviceGone):
            await bus.ask_once(3, Header.DISPENSE_COINS, HOPPER_SERIAL + b"\x01", lengths=(0, 1))
    assert [seen.header for seen in machine.frames] == [Header.DISPENSE_COINS]


async def test_a_babbling_line_is_not_waited_for_without_end(machine: CoinMachine) -> None:
    loop = asyncio.get_running_loop()

    def babble(_: SeenFrame | None = None) -> None:
        machine.noise(b"\xaa" * 20)
        loop.call_later(0.01, babble)

    async with bus_on(machine) as bus, asyncio.timeout(60):
        machine.watch_frames(babble)
        with pytest.raises(DeviceGone):
            await bus.ask(3, Header.REQUEST_SERIAL_NUMBER, length=3)


async def test_garbled_frames_are_logged_more_and_more_rarely(machine: CoinMachine) -> None:
    logged: list[tuple[EventId, int]] = []
    machine.garble_next(9)
    async with bus_on(machine, logged) as bus:
        for _ in range(3):
            with pytest.raises(DeviceGone):
                await bus.ask(3, Header.REQUEST_SERIAL_NUMBER, length=3)
    assert logged == [(EventId.CCTALK_GARBLED, count) for count in (1, 2, 4, 8)]


async def test_a_closed_bus_stays_closed(machine: CoinMachine) -> None:
    bus = bus_on(machine)
    await bus.ask(3, Header.SIMPLE_POLL, length=0)
    bus.close()
    bus.close()
    with pytest.raises(DeviceGone):
        await bus.ask(3, Header.SIMPLE_POLL, length=0)


@in_virtual_time
async def test_pauses_grow_to_their_limit_and_shrink_after_a_good_time() -> None:
    loop = asyncio.get_running_loop()
    began: list[float] = []
    reasons: list[GoneReason] = []

    async def serve() -> NoReturn:
        began.append(loop.time())
        match len(began):
            case 5:
                await asyncio.sleep(0.2)  # well for longer than the longest pause
            case 6:
                raise asyncio.CancelledError
        raise Unfit(GoneReason.FAULT, 3)

    with pytest.raises(asyncio.CancelledError):
        await keep(
            serve,
            lambda reason, _: reasons.append(reason),
            first_pause_seconds=0.02,
            longest_pause_seconds=0.16,
        )
    pauses = [later - earlier for earlier, later in itertools.pairwise(began)]
    assert reasons == [GoneReason.FAULT] * 5
    assert pauses[0] >= 0.02
    assert pauses[3] >= 0.16
    assert pauses[4] - 0.2 < 0.15
