"""A keypad that lacks a key is found at start and not by a resident."""

import pytest

from firmware.core.terms import KeypadKey
from firmware.errors import ConfigError
from hw.keypad.layout import keys_by_contact

ROWS, COLUMNS = (5, 6, 13, 19), (12, 16, 20, 21)
LAYOUT = (
    ("1", "2", "3", "cancel"),
    ("4", "5", "6", "correct"),
    ("7", "8", "9", "confirm"),
    ("", "0", "", ""),
)


def test_every_key_has_its_crossing() -> None:
    keys = keys_by_contact(ROWS, COLUMNS, LAYOUT)
    assert set(KeypadKey) == set(keys.values())
    assert KeypadKey.DIGIT_6 == keys[1, 2]
    assert (3, 0) not in keys


@pytest.mark.parametrize(
    ("layout", "complaint"),
    [
        (LAYOUT[:3], "4 rows of 4"),
        ((*LAYOUT[:3], ("0",)), "4 rows of 4"),
        ((*LAYOUT[:3], ("", "", "", "")), "must name each"),
        ((*LAYOUT[:3], ("0", "0", "", "")), "must name each"),
        ((*LAYOUT[:3], ("0", "ok", "", "")), "must name each"),
    ],
)
def test_a_layout_that_lacks_or_doubles_a_key_is_refused(
    layout: tuple[tuple[str, ...], ...], complaint: str
) -> None:
    with pytest.raises(ConfigError, match=complaint):
        keys_by_contact(ROWS, COLUMNS, layout)


def test_a_pin_used_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="pin is used twice"):
        keys_by_contact(ROWS, (12, 16, 20, 5), LAYOUT)
