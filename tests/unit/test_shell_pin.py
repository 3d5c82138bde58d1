"""The PIN buffer keeps four digits, gives them away once and shows none."""

import pytest

from firmware.shell.pin import PinBuffer


def typed(digits: str) -> PinBuffer:
    pin = PinBuffer()
    for digit in digits:
        pin.add(int(digit))
    return pin


def test_taken_digits_are_ascii_and_the_buffer_is_wiped() -> None:
    pin = typed("9035")
    inside = pin._digits
    assert bytearray(b"9035") == pin.take()
    assert bytearray(4) == inside
    assert 0 == pin.count


def test_a_fifth_digit_is_ignored() -> None:
    assert bytearray(b"1234") == typed("12345").take()


def test_a_corrected_digit_is_wiped() -> None:
    pin = typed("12")
    pin.correct()
    assert bytearray(b"1\0\0\0") == pin._digits
    pin.correct()
    pin.correct()
    assert (0, bytearray(4)) == (pin.count, pin._digits)


def test_clearing_wipes_in_place() -> None:
    pin = typed("1234")
    inside = pin._digits
    pin.clear()
    assert bytearray(4) == inside


@pytest.mark.parametrize("digits", ["", "1", "123"])
def test_an_incomplete_pin_is_not_given_away(digits: str) -> None:
    pin = typed(digits)
    with pytest.raises(ValueError, match=r"^the PIN is not complete$"):
        pin.take()
    assert len(digits) == pin.count


def test_nothing_of_it_can_be_printed() -> None:
    pin = typed("1234")
    assert "PinBuffer()" == f"{pin!r}"
    assert "PinBuffer()" == str(pin)
