"""The wires of a key matrix: rows that are driven low or let go, columns with pull-ups."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from hw.gpio_pins import Pin, claimed


class KeyMatrix:
    """Rows and columns of a key matrix, claimed as long as the `with` block lasts.

    A row is never driven high: it is low or high-impedance. Two keys pressed in one column can so
    never connect a high output to a low one, and the matrix needs no diodes.

    edge: called in the pin driver's thread after each change of a column.
    Everything raises as in `hw.gpio_pins`.
    """

    def __init__(
        self, row_pins: Sequence[int], column_pins: Sequence[int], edge: Callable[[], object]
    ) -> None:
        self._row_pins = row_pins
        self._column_pins = column_pins
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

    @property
    def row_count(self) -> int:
        return len(self._rows)

    def drive_row(self, row: int) -> None:
        """Pull this row low; a closed key then pulls its column low."""
        self._rows[row].output_with_state(False)

    def release_row(self, row: int) -> None:
        """Let this row go; its columns rise through their pull-ups in some tens of microseconds."""
        self._rows[row].function = "input"

    def drive_all_rows(self) -> None:
        """Pull all rows low, so that any key that closes or opens makes an edge."""
        for row in range(self.row_count):
            self.drive_row(row)

    def release_all_rows(self) -> None:
        """Let all rows go, the state before a scan."""
        for row in range(self.row_count):
            self.release_row(row)

    def low_columns(self) -> frozenset[int]:
        """The columns that a closed key of a driven row pulls low."""
        return frozenset(number for number, column in enumerate(self._columns) if not column.state)

    def _on_edge(self, _ticks: float, _level: bool) -> None:
        self._edge()
