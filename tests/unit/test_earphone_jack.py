"""The earphone's socket: what its switch says is told once, and of one that vanishes nobody knows."""

import asyncio
import os
import struct
from pathlib import Path

from firmware.logbook import EventId, FieldValue
from hw.sound import EarphoneJack

EVENT = struct.Struct("@llHHi")
IN, OUT, MICROPHONE = (EVENT.pack(1, 2, 5, 2, 1), EVENT.pack(1, 2, 5, 2, 0), EVENT.pack(1, 2, 5, 4, 1))
SYNC = EVENT.pack(1, 2, 0, 0, 0)


class Ear:
    def __init__(self) -> None:
        self.told: list[bool | None] = []
        self.logged: list[EventId] = []
        self._heard = asyncio.Event()

    def plugged(self, is_in: bool | None) -> None:
        self.told.append(is_in)
        self._heard.set()

    def log(self, event: EventId, /, **_fields: FieldValue) -> None:
        self.logged.append(event)
        self._heard.set()

    async def until(self, *told: bool | None) -> None:
        async with asyncio.timeout(20):
            while self.told != list(told):
                self._heard.clear()
                await self._heard.wait()


async def test_plugging_in_and_pulling_out_are_told_once_each_and_other_switches_not(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "jack")
    ear = Ear()
    jack = EarphoneJack(tmp_path / "jack", plugged=ear.plugged, log=ear.log)
    jack.start()
    with (tmp_path / "jack").open("wb", buffering=0) as kernel:
        kernel.write(MICROPHONE + SYNC + IN + SYNC + IN)
        await ear.until(True)
        kernel.write(OUT + SYNC)
        await ear.until(True, False)
        kernel.write(IN)
        await ear.until(True, False, True)
    await ear.until(True, False, True, None)
    assert [EventId.SOUND_GONE] == ear.logged
    await jack.close()
    await jack.close()


async def test_a_socket_that_is_not_there_is_logged_once_and_looked_for(tmp_path: Path) -> None:
    ear = Ear()
    jack = EarphoneJack(tmp_path / "jack", plugged=ear.plugged, log=ear.log)
    jack.start()
    assert ([EventId.SOUND_GONE], []) == (ear.logged, ear.told)
    os.mkfifo(tmp_path / "jack")
    descriptor = os.open(tmp_path / "jack", os.O_RDWR)
    os.write(descriptor, IN)
    await ear.until(True)
    assert [EventId.SOUND_GONE, EventId.SOUND_BACK] == ear.logged
    os.close(descriptor)
    await jack.close()
