"""Was the coin paid? The judgement on what a hopper says, case by case."""

import pytest

from firmware.core.terms import Certainty
from hw.coin.cctalk import Garbled
from hw.coin.hopper_state import Command, Finding, HopperFlags, HopperStatus, is_low, verdict

LIFE = 1000
DONE, NOT_DONE, UNKNOWN = Certainty.DONE, Certainty.NOT_DONE, Certainty.UNKNOWN
ANSWERED, SILENT = Command(7, answered=True), Command(7, answered=False)
COUNTERS_LOST = 1 << 14


def found(life_count: int, counter: int, paid: int, unpaid: int, flags: int = 0) -> Finding:
    return Finding(HopperStatus(counter, 0, paid, unpaid), life_count, HopperFlags(flags))


@pytest.mark.parametrize(
    ("finding", "command", "expected"),
    [
        # the life counter moved by one: the coin fell, whatever else is said
        (found(LIFE + 1, 8, 1, 0), ANSWERED, DONE),
        (found(LIFE + 1, 8, 0, 1), ANSWERED, DONE),
        (found(LIFE + 1, 0, 0, 0), None, DONE),
        # it contradicts the intent
        (found(LIFE + 2, 8, 1, 0), ANSWERED, UNKNOWN),
        (found(LIFE - 1, 8, 1, 0), None, UNKNOWN),
        # the power failed while it was written down
        (found(LIFE, 0, 0, 1, COUNTERS_LOST), None, UNKNOWN),
        # it stands still and nothing is said to be paid
        (found(LIFE, 8, 0, 1), ANSWERED, NOT_DONE),
        (found(LIFE, 0, 0, 1), None, NOT_DONE),
        (found(LIFE, 0, 0, 0), None, NOT_DONE),
        # it stands still and a coin is said to be paid: whose?
        (found(LIFE, 8, 1, 0), ANSWERED, DONE),
        (found(LIFE, 0, 1, 0), ANSWERED, UNKNOWN),
        (found(LIFE, 7, 1, 0), SILENT, NOT_DONE),
        (found(LIFE, 8, 1, 0), SILENT, UNKNOWN),
        (found(LIFE, 7, 1, 0), None, NOT_DONE),
        (found(LIFE, 0, 1, 0), None, UNKNOWN),
    ],
)
def test_a_coin_is_paid_unpaid_or_unknown(
    finding: Finding, command: Command | None, expected: Certainty
) -> None:
    assert expected is verdict(LIFE, finding, command)


def test_a_coin_paid_while_the_life_counter_wraps_is_paid() -> None:
    assert DONE is verdict(0xFFFFFF, found(0, 8, 1, 0), None)
    assert UNKNOWN is verdict(0xFFFFFF, found(1, 8, 1, 0), None)


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"\x00", 0),
        (b"\xc2", 0),  # switched on, disabled, payout timed out: it can pay when enabled
        (b"\x08", 0x08),
        (b"\x21", 0x21),
        (b"\x80\x02", 0),  # single-coin mode
        (b"\x00\x41", 0x4100),
        (b"\x00\x80", 0),
    ],
)
def test_faults_are_told_from_remarks(data: bytes, fault: int) -> None:
    assert fault == HopperFlags(int.from_bytes(data, "little")).fault


def test_a_status_says_how_many_commands_and_what_became_of_the_last() -> None:
    assert HopperStatus(7, 1, 0, 2) == HopperStatus.parse(b"\x07\x01\x00\x02")


def test_a_status_of_another_length_is_garbled() -> None:
    with pytest.raises(Garbled):
        HopperStatus.parse(b"\x00\x00\x00")


@pytest.mark.parametrize(
    ("bits", "expected"),
    [(0x00, False), (0x01, False), (0x10, False), (0x11, True), (0x33, True), (0x22, False), (0x32, False)],
)
def test_a_hopper_is_low_only_where_a_sensor_is_fitted(bits: int, expected: bool) -> None:
    assert expected is is_low(bits)


def test_a_status_is_read_in_the_order_of_the_wire() -> None:
    assert HopperStatus(counter=7, remaining=1, paid=2, unpaid=3) == HopperStatus.parse(b"\x07\x01\x02\x03")
