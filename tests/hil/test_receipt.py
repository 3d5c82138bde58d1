"""The receipt printer of a machine keeps what every ReceiptPrinter promises."""

from collections.abc import AsyncIterator

import pytest

from firmware.ports import ReceiptPrinter
from tests.contract import test_receipt_printer as suite
from tests.hil.hands import PersonsHands
from tests.hil.machine import Machine
from tests.hil.suite import on_rig

globals().update(on_rig(suite))


@pytest.fixture
def log() -> suite.Log:
    return suite.Log()


@pytest.fixture
async def printer(machine: Machine, hands: PersonsHands, log: suite.Log) -> AsyncIterator[ReceiptPrinter]:
    async with machine.devices(log) as devices:
        yield devices.receipt
        await devices.receipt.close()


@pytest.fixture
async def levels(printer: ReceiptPrinter) -> suite.Levels:
    levels = suite.Levels()
    printer.start(levels)
    return levels


@pytest.fixture
def stand(printer: ReceiptPrinter, hands: PersonsHands) -> suite.Stand:
    async def read(expected: list[str]) -> list[str]:
        slips = ", then cut; then ".join(
            " / ".join(" ".join(slip.split(" ")).split("\n")) for slip in expected
        )
        assert await hands.agrees(f"Take the slips. Do they say: {slips}, then cut?")
        return expected

    return suite.Stand(
        printer,
        unplug=lambda: hands.do("Pull the plug of the receipt printer out of the Pi"),
        plug_in=lambda: hands.do("Put the plug of the receipt printer in again"),
        read=read,
    )
