"""The kiosk's process on simulated pins, worked from another process, also over a power cut."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.contract.kiosk_on_pins import WIRING
from tests.simulators.gpio.client import PinBench

HOST = ("-m", "tests.simulators.gpio.host")


@dataclass
class Machine:
    """A kiosk process that can lose its power and get it back."""

    socket: Path
    process: Process

    async def tells(self) -> dict[str, Any]:
        """The next line the kiosk tells."""
        assert self.process.stdout is not None
        async with asyncio.timeout(60):
            line = await self.process.stdout.readline()
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def starts(self) -> dict[str, Any]:
        """Wait until keys are heard; what it was told to run, and the panel it found."""
        told: dict[str, Any] = {}
        while not {"arguments", "keypad", "paper"} <= told.keys():
            told |= await self.tells()
        assert told.pop("keypad")
        return told

    async def cut_power(self) -> None:
        self.process.kill()
        await self.process.wait()

    async def switch_on(self) -> None:
        self.process = await start_process(self.socket)


async def start_process(socket: Path) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *HOST,
        "--socket",
        str(socket),
        "--wiring",
        WIRING.to_json(),
        "--module",
        "tests.contract.kiosk_on_pins",
        "--",
        "run",
        "--config=kiosk.toml",
        stdout=PIPE,
    )


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    socket = tmp_path / "pins.sock"
    machine = Machine(socket, await start_process(socket))
    yield machine
    if machine.process.returncode is None:
        machine.process.terminate()
    await machine.process.wait()


@pytest.fixture
async def bench(machine: Machine) -> AsyncIterator[PinBench]:
    bench = await PinBench.connect(machine.socket, WIRING)
    yield bench
    await bench.close()


async def test_fingers_door_and_lamps_reach_the_kiosk_in_another_process(
    machine: Machine, bench: PinBench
) -> None:
    closed = {"door_open": False, "paper": False, "change": False}
    assert {"arguments": ["run", "--config=kiosk.toml"], **closed} == await machine.starts()
    await bench.type_keys(["1", "1", "confirm"])
    assert [{"key": "1"}, {"key": "1"}, {"key": "confirm"}] == [await machine.tells() for _ in range(3)]
    await bench.until_output("paper", on=True, seconds=30)
    assert ["paper"] == [name for name, on in bench.outputs().items() if on and name != "buzzer"]
    await bench.until_turned_on("buzzer", times=3, seconds=30)
    await bench.set_sensor("door", active=True)
    assert {"door_open": True, "paper": False, "change": False} == await machine.tells()
    machine.process.terminate()
    assert 3 == await machine.process.wait()


async def test_a_keypad_sleeps_once_it_believes_its_keys_and_one_that_nobody_reads_does_not(
    machine: Machine, bench: PinBench
) -> None:
    await machine.starts()
    await bench.hold("1")
    assert {"key": "1"} == await machine.tells()
    await bench.until_keypad_sleeps(seconds=60)
    nobody_reads = PinBench(machine.socket, replace(WIRING, keys={"x": (2, 3)}))
    with pytest.raises(TimeoutError, match="does not come to rest"):
        await nobody_reads.until_keypad_sleeps(seconds=0.05)


async def test_after_a_power_cut_the_kiosk_finds_the_world_as_it_was(
    machine: Machine, bench: PinBench
) -> None:
    assert not (await machine.starts())["paper"]
    await bench.set_sensor("paper", active=True)
    assert (await machine.tells())["paper"]
    await machine.cut_power()
    await bench.set_sensor("change", active=True)
    with pytest.raises(ConnectionError):
        await bench.press("5")
    await machine.switch_on()
    told = await machine.starts()
    assert told.pop("arguments")
    assert told["paper"]
    while not told["change"]:
        told |= await machine.tells()
    assert {"door_open": False, "paper": True, "change": True} == told
    await bench.until_connected(60)
    await bench.press("5")
    assert {"key": "5"} == await machine.tells()


async def test_what_moves_while_the_pins_of_a_new_kiosk_are_told_is_not_told_as_it_was(
    tmp_path: Path,
) -> None:
    """Paper taken just when the kiosk comes back: its pin would say for good that it lies there."""
    pin, level = WIRING.sensors["paper"][0], WIRING.sensor_level("paper", True)
    told: list[int] = []
    asked, taken = asyncio.Event(), asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async for line in reader:
            if "drive" in (request := json.loads(line)):
                asked.set()
                await taken.wait()
                told.append(request["level"])
                writer.write(b"{}\n")
        writer.close()

    bench = PinBench(tmp_path / "pins", WIRING)
    await bench.drive(pin, level)
    async with await asyncio.start_unix_server(slow, tmp_path / "pins"):
        watching = asyncio.create_task(bench._keep_watching())
        await asked.wait()
        taking = asyncio.create_task(bench.drive(pin, not level))
        await asyncio.sleep(0)  # it has begun
        taken.set()
        async with asyncio.timeout(60):
            await taking
        watching.cancel()
        await asyncio.wait([watching])
    assert [level, not level] == told


async def test_no_kiosk_is_told_after_the_waiting_time(tmp_path: Path) -> None:
    with pytest.raises(TimeoutError):
        await PinBench.connect(tmp_path / "nobody.sock", WIRING, wait_seconds=0.1)


@pytest.mark.skipif(Path("/dev/gpiochip0").exists(), reason="this machine has GPIO")
async def test_a_machine_without_gpio_says_so_once_for_each_device_and_goes_on(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from tests.contract.kiosk_on_pins import main; main([])",
        env={"GPIOZERO_PIN_FACTORY": "lgpio", "LG_WD": str(tmp_path)},
        stdout=PIPE,
        stderr=PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    told = [json.loads(await process.stdout.readline()) for _ in range(2)]
    await asyncio.sleep(1.0)
    running = process.returncode is None
    process.terminate()
    _, log = await process.communicate()
    assert running
    assert {"door_open": True, "paper": False, "change": False} == told[1]
    assert 2 == len(log.splitlines()), log.decode()
