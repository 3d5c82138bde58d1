"""The wires of a key matrix: rows that are driven low or let go, columns with pull-ups."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from hw.gpio_pins import Pin, claimed
from hw.keypad.layout import Contact


class KeyMatrix:
    """Rows and columns of a key matrix, claimed as long as the `with` block lasts.

    A row is never driven high: it is low or high-impedance. Two keys pressed in one column can so
    never connect a high output to a low one, and the matrix needs no diodes.

    settle_seconds: what the columns need to rise through their pull-ups after a row was let go; some
    tens of microseconds with the wires of one cabinet.
    edge: called in the pin driver's thread after each change of a column.
    Everything raises as in `hw.gpio_pins`.
    """

    def __init__(
        self,
        row_pins: Sequence[int],
        column_pins: Sequence[int],
        *,
        settle_seconds: float,
        edge: Callable[[], object],
    ) -> None:
        self._row_pins = row_pins
        self._column_pins = column_pins
        self._settle_seconds = settle_seconds
        self._edge = edge
        self._rows: list[Pin] = []
        self._columns: list[Pin] = []
        self._undo = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            self._rows = [undo.enter_context(claimed(pin)) for pin in self._row_pins]
            self._columns = [undo.enter_context(claimed(pin)) for pin in self._column_pins]
            for column in self._columns:
                column.input_with_pull("up")
                column.when_changed = self._on_edge
            self._undo = undo.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._undo.close()

    def scan(self) -> frozenset[Contact]:
        """One pass over all rows: which contacts are closed. Blocks for about a millisecond."""
        closed = set[Contact]()
        self._release_rows()
        for number, row in enumerate(self._rows):
            row.output_with_state(False)
            time.sleep(self._settle_seconds)
            closed.update((number, column) for column in self.low_columns())
            row.function = "input"
        return frozenset(closed)

    def drive_all_rows(self) -> None:
        """Pull all rows low, so that any key that closes or opens makes an edge."""
        for row in self._rows:
            row.output_with_state(False)

    def low_columns(self) -> frozenset[int]:
        """The columns that a closed key of a driven row pulls low."""
        return frozenset(number for number, column in enumerate(self._columns) if not column.state)

    def _release_rows(self) -> None:
        for row in self._rows:
            row.function = "input"

    def _on_edge(self, _ticks: float, _level: bool) -> None:
        self._edge()
