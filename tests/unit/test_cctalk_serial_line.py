"""SerialLine on a pseudo-terminal: bytes arrive, deadlines end, an unplugged line is an error."""

import asyncio
import os
import tty
from collections.abc import Iterator

import pytest

from firmware.errors import DeviceGone
from hw.serial_line import SerialLine


class FarEnd:
    """The other end of the line; `unplug` hangs it up."""

    def __init__(self) -> None:
        self.fd, slave = os.openpty()
        tty.setraw(slave)
        self.path = os.ttyname(slave)
        self._spare = slave

    def unplug(self) -> None:
        for fd in (self.fd, self._spare):
            if fd >= 0:
                os.close(fd)
        self.fd = self._spare = -1


@pytest.fixture
def far() -> Iterator[FarEnd]:
    end = FarEnd()
    yield end
    end.unplug()


async def test_bytes_go_both_ways(far: FarEnd) -> None:
    line = SerialLine(far.path)
    line.open()
    await line.write(b"\x00\x11\x13\x7f\xff", seconds=1)
    assert os.read(far.fd, 16) == b"\x00\x11\x13\x7f\xff"
    os.write(far.fd, b"\x03\x04\r\n\xff")
    assert await line.read(3, seconds=1) == b"\x03\x04\r"
    assert await line.read_some(seconds=1) == b"\n\xff"
    line.close()


async def test_too_few_bytes_time_out_and_are_kept(far: FarEnd) -> None:
    line = SerialLine(far.path)
    line.open()
    os.write(far.fd, b"ab")
    with pytest.raises(TimeoutError):
        await line.read(3, seconds=0.05)
    os.write(far.fd, b"c")
    assert await line.read(3, seconds=1) == b"abc"
    line.close()


async def test_discarded_input_is_not_read(far: FarEnd) -> None:
    line = SerialLine(far.path)
    line.open()
    os.write(far.fd, b"old")
    line.discard_input()
    with pytest.raises(TimeoutError):
        await line.read_some(seconds=0.05)
    assert line.is_open
    line.close()


async def test_a_far_end_that_takes_nothing_times_out(far: FarEnd) -> None:
    line = SerialLine(far.path)
    line.open()
    with pytest.raises(TimeoutError):
        await line.write(bytes(200_000), seconds=0.05)
    assert line.is_open
    line.close()


async def test_a_long_write_waits_for_a_slow_far_end(far: FarEnd) -> None:
    line = SerialLine(far.path)
    line.open()
    taken = bytearray()
    whole = asyncio.Event()

    def take_a_little() -> None:
        taken.extend(os.read(far.fd, 256))
        if len(taken) == 100_000:
            whole.set()

    loop = asyncio.get_running_loop()
    loop.add_reader(far.fd, take_a_little)
    await line.write(bytes(100_000), seconds=60)
    await asyncio.wait_for(whole.wait(), 60)
    loop.remove_reader(far.fd)
    line.close()


async def test_an_unplugged_line_ends_a_waiting_read(far: FarEnd) -> None:
    line = SerialLine(far.path)
    line.open()
    reading = asyncio.create_task(line.read(1, seconds=5))
    await asyncio.sleep(0)
    far.unplug()
    with pytest.raises(DeviceGone):
        await reading
    assert not line.is_open


async def test_an_unplugged_line_ends_a_waiting_write(far: FarEnd) -> None:
    line = SerialLine(far.path)
    line.open()
    writing = asyncio.create_task(line.write(bytes(200_000), seconds=5))
    await asyncio.sleep(0)
    far.unplug()
    with pytest.raises(DeviceGone):
        await writing
    assert not line.is_open


async def test_what_came_before_the_line_was_lost_can_still_be_read(far: FarEnd) -> None:
    line = SerialLine(far.path)
    line.open()
    os.write(far.fd, b"last")
    assert await line.read(1, seconds=1) == b"l"
    far.unplug()
    assert await line.read(3, seconds=1) == b"ast"
    with pytest.raises(DeviceGone):
        await line.read(1, seconds=1)


async def test_writing_to_an_unplugged_line_is_device_gone(far: FarEnd) -> None:
    line = SerialLine(far.path)
    line.open()
    far.unplug()
    with pytest.raises(DeviceGone):
        await line.write(b"x", seconds=1)
    assert not line.is_open


async def test_discarding_the_input_of_an_unplugged_line_is_device_gone(far: FarEnd) -> None:
    line = SerialLine(far.path)
    line.open()
    far.unplug()
    with pytest.raises(DeviceGone):
        line.discard_input()
    assert not line.is_open


async def test_closing_ends_a_waiting_read_and_may_be_done_twice(far: FarEnd) -> None:
    line = SerialLine(far.path)
    line.open()
    line.open()
    reading = asyncio.create_task(line.read(1, seconds=5))
    await asyncio.sleep(0)
    line.close()
    line.close()
    with pytest.raises(DeviceGone):
        await reading


async def test_a_line_is_held_by_one_only_and_can_be_opened_again(far: FarEnd) -> None:
    first, second = SerialLine(far.path), SerialLine(far.path)
    first.open()
    with pytest.raises(DeviceGone):
        second.open()
    first.close()
    second.open()
    second.close()


async def test_a_line_that_is_not_there_is_device_gone() -> None:
    with pytest.raises(DeviceGone):
        SerialLine("/dev/serial/by-path/nothing").open()


async def test_bytes_that_came_while_the_loop_stalled_past_the_deadline_count(far: FarEnd) -> None:
    line = SerialLine(far.path)
    line.open()
    reading = asyncio.create_task(line.read(2, seconds=0.02))
    await asyncio.sleep(0)
    os.write(far.fd, b"in")
    _stall(0.05)
    assert await reading == b"in"
    line.close()


def _stall(seconds: float) -> None:
    """Block the loop as a busy machine does."""
    deadline = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < deadline:
        pass
