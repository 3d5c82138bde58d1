"""Which key sits where in the matrix, checked once at start."""

from collections.abc import Sequence
from itertools import chain

from firmware.core.terms import KeypadKey
from firmware.errors import ConfigError

Contact = tuple[int, int]
"""Row and column of a crossing, from 0, in the order of the configured pins."""


def keys_by_contact(
    row_pins: Sequence[int], column_pins: Sequence[int], layout: Sequence[Sequence[str]]
) -> dict[Contact, KeypadKey]:
    """The key at each used crossing.

    layout: one word a crossing, row by row: 0–9, correct, cancel, confirm, or empty for none.
    Raises ConfigError unless every key stands there exactly once and no pin is used twice.
    """
    pins = [*row_pins, *column_pins]
    if len(pins) != len(set(pins)):
        raise ConfigError("keypad: a pin is used twice")
    if len(layout) != len(row_pins) or any(len(row) != len(column_pins) for row in layout):
        raise ConfigError(f"keypad: layout must be {len(row_pins)} rows of {len(column_pins)} words")
    words = [word for word in chain.from_iterable(layout) if word]
    expected = sorted(key.value for key in KeypadKey)
    if sorted(words) != expected:
        raise ConfigError(f"keypad: layout must name each of {', '.join(expected)} once")
    return {
        (row, column): KeypadKey(word)
        for row, words_of_row in enumerate(layout)
        for column, word in enumerate(words_of_row)
        if word
    }
