"""The certificate's renewal by itself: in time, between two visits, and not given up."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from firmware.errors import (
    ConfigError,
    KeyStoreFault,
    MadoguchiError,
    MunicipalityAnswerInvalid,
    MunicipalityDown,
)
from firmware.logbook import FIELDS, EventId, FieldValue
from firmware.shell.renewal import Renewal, reason_of
from tests.virtual_time import run

NEXT = datetime(2027, 2, 20, tzinfo=UTC)
HOUR, RETRY = 3600.0, 300.0


@dataclass
class Machine:
    """When it was asked to renew, by the loop's clock, and what came of it."""

    fails: int = 0
    busy_until: float = 0.0
    asked_at: list[float] = field(default_factory=list)
    log: list[EventId] = field(default_factory=list)

    async def renewed(self) -> datetime | None:
        self.asked_at.append(asyncio.get_running_loop().time())
        if self.fails:
            self.fails -= 1
            raise MunicipalityDown("certificate: time-out")
        return NEXT

    def write(self, event: EventId, /, **fields: FieldValue) -> None:
        assert fields.keys() <= FIELDS
        self.log.append(event)

    async def runs(self, seconds: float) -> None:
        renewal = Renewal(
            renewed=self.renewed,
            resting=lambda: asyncio.get_running_loop().time() >= self.busy_until,
            every_seconds=HOUR,
            retry_seconds=RETRY,
            log=self.write,
        )
        task = asyncio.create_task(renewal.run())
        await asyncio.sleep(seconds)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    @property
    def pauses(self) -> list[float]:
        before = [0.0, *self.asked_at]
        return [later - earlier for earlier, later in zip(before, self.asked_at, strict=False)]


def test_it_is_looked_after_about_every_hour_at_another_moment_on_each_machine() -> None:
    machine = Machine()
    run(lambda: machine.runs(50 * HOUR))
    assert 33 <= len(machine.asked_at) <= 100
    assert all(HOUR / 2 <= pause <= HOUR * 1.5 for pause in machine.pauses)
    assert len(set(machine.pauses)) > 1
    assert [] == machine.log


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MunicipalityAnswerInvalid("certificate: ends-early"), "ends-early"),
        (MunicipalityDown("certificate: status 503"), "status-503"),
        (KeyStoreFault("tpm-locked", "own/kiosk.key: the TPM's lockout"), "tpm-locked"),
        (ConfigError("own/kiosk.key: Not a key!"), "other"),
    ],
)
def test_the_log_says_in_a_word_why_it_failed(error: MadoguchiError, reason: str) -> None:
    assert reason == reason_of(error)


def test_it_waits_for_the_end_of_a_visit() -> None:
    machine = Machine(busy_until=5 * HOUR)
    run(lambda: machine.runs(5.1 * HOUR))
    assert 1 == len(machine.asked_at)
    assert 5 * HOUR <= machine.asked_at[0] <= 5 * HOUR + 1


def test_a_failure_is_told_once_tried_again_soon_and_later_less_often() -> None:
    machine = Machine(fails=6)
    run(lambda: machine.runs(20 * HOUR))
    for pause, expected in zip(machine.pauses[1:7], [RETRY, 600, 1200, 2400, HOUR, HOUR], strict=True):
        assert expected * 0.5 <= pause <= expected * 1.5
    assert [EventId.CERTIFICATE_NOT_RENEWED] == machine.log
    assert all(pause >= HOUR / 2 for pause in machine.pauses[7:])


@pytest.mark.parametrize("fails", [0, 1])
def test_after_a_success_a_new_failure_is_told_again(fails: int) -> None:
    machine = Machine(fails=fails)

    async def twice() -> None:
        await machine.runs(4 * HOUR)
        machine.fails = 1
        await machine.runs(4 * HOUR)

    run(twice)
    assert [EventId.CERTIFICATE_NOT_RENEWED] * (fails + 1) == machine.log
