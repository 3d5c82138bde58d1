"""The light barrier at the printer's exit counts sheets, not bounce and not a sheet that is stuck."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from gpiozero.devices import Device
from gpiozero.pins import mock

from firmware.logbook import EventId, FieldValue
from hw.gpio_pins import claimed
from hw.printer.exit_sensor import ExitSensor

PIN = 11


class Line:
    """The wire of the barrier, whose edges carry the time that the test says."""

    def __init__(self, pin: Any) -> None:
        self._pin = pin
        self.now_seconds = 0.0

    def covered(self, covered: bool) -> None:
        (self._pin.drive_low if covered else self._pin.drive_high)()


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    factory = mock.MockFactory()  # type: ignore[no-untyped-call]
    monkeypatch.setattr(Device, "pin_factory", factory)
    line = Line(factory.pin(PIN))  # type: ignore[no-untyped-call]
    monkeypatch.setattr(mock, "monotonic", lambda: line.now_seconds)
    yield line
    factory.reset()  # type: ignore[no-untyped-call]


@pytest.fixture
def log() -> list[EventId]:
    return []


@pytest.fixture
async def sensor(line: Line, log: list[EventId]) -> AsyncIterator[ExitSensor]:
    def note(event: EventId, /, **_fields: FieldValue) -> None:
        log.append(event)

    sensor = ExitSensor(pin=PIN, active_level=0, log=note, shortest_seconds=0.05, retry_seconds=0.001)
    yield sensor
    await sensor.close()
    await sensor.close()


async def watching(sensor: ExitSensor) -> None:
    async with asyncio.timeout(60):
        while sensor.sheets is None:  # noqa: ASYNC110 - it tells nobody that it watches
            await asyncio.sleep(0)


async def barrier(line: Line, *covered_seconds: float) -> None:
    """Paper covers the barrier for so long, again and again, and leaves it."""
    for seconds in covered_seconds:
        line.covered(True)
        line.now_seconds += seconds
        line.covered(False)
        line.now_seconds += 1.0
    await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("hazard", "covered_seconds", "expected"),
    [
        ("two sheets", (1.2, 1.2), 2),
        ("a contact that chatters", (0.01, 0.02, 0.01), 0),
        ("light through a hole", (0.03, 1.2, 0.04), 1),
        ("exactly long enough", (0.0500001,), 1),
    ],
)
async def test_every_sheet_is_counted_once(
    sensor: ExitSensor,
    line: Line,
    hazard: str,
    covered_seconds: tuple[float, ...],
    expected: int,
) -> None:
    sensor.start()
    await watching(sensor)
    await barrier(line, *covered_seconds)

    assert expected == sensor.sheets, hazard


async def test_a_sheet_stuck_in_the_barrier_is_not_out(sensor: ExitSensor, line: Line) -> None:
    sensor.start()
    await watching(sensor)
    line.covered(True)
    line.now_seconds += 60
    await sensor.until(1, seconds=0.05)
    assert 0 == sensor.sheets

    line.covered(False)
    await sensor.until(1, seconds=60)
    assert 1 == sensor.sheets


async def test_a_sensor_that_cannot_be_read_counts_nothing_and_is_told_of_once(
    sensor: ExitSensor, log: list[EventId]
) -> None:
    with claimed(PIN):
        sensor.start()
        async with asyncio.timeout(60):
            while not log:  # noqa: ASYNC110 - the log tells nobody
                await asyncio.sleep(0.002)
        assert sensor.sheets is None
    await watching(sensor)

    assert [EventId.EXIT_SENSOR_GONE, EventId.EXIT_SENSOR_BACK] == log
