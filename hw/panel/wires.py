"""The panel's pins: sensors that make edges, outputs that are off whenever nobody says otherwise."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from hw.gpio_pins import Pin, claimed


@dataclass(frozen=True, slots=True)
class SensorPin:
    """An input. active_level: electrical level, 0 or 1, when the door is open or something lies there.

    pull: up, down or floating. A contact that a closed door connects to ground, with a pull-up and
    active_level 1, also tells a torn wire as an open door.
    """

    pin: int
    active_level: int
    pull: str = "up"


class PanelWires:
    """Sensors and outputs, claimed as long as the `with` block lasts; off at its start and its end.

    output_pins: BCM number of each named output. on_level: electrical level at which it is on.
    edge: called in the pin driver's thread after each change of a sensor.
    Everything raises as in `hw.gpio_pins`.
    """

    def __init__(
        self,
        *,
        sensors: Sequence[SensorPin],
        output_pins: Mapping[str, int],
        on_level: int,
        edge: Callable[[], object],
    ) -> None:
        self._sensors = sensors
        self._output_pins = output_pins
        self._on_level = bool(on_level)
        self._edge = edge
        self._inputs: list[Pin] = []
        self._outputs: dict[str, Pin] = {}
        self._on: frozenset[str] = frozenset()
        self._undo = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            for name, number in self._output_pins.items():
                self._outputs[name] = pin = undo.enter_context(claimed(number))
                pin.output_with_state(not self._on_level)
            for sensor in self._sensors:
                pin = undo.enter_context(claimed(sensor.pin))
                pin.input_with_pull(sensor.pull)
                pin.when_changed = self._on_edge
                self._inputs.append(pin)
            self._undo = undo.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._undo:
            self.turn_on(frozenset())

    def active(self) -> tuple[bool, ...]:
        """Whether each sensor is at its active level now, in the order given."""
        return tuple(
            bool(pin.state) == bool(sensor.active_level)
            for pin, sensor in zip(self._inputs, self._sensors, strict=True)
        )

    def turn_on(self, names: frozenset[str]) -> None:
        """Turn these outputs on and all others off."""
        for name in names ^ self._on:
            self._outputs[name].state = self._on_level if name in names else not self._on_level
        self._on = names

    def _on_edge(self, _ticks: float, _level: bool) -> None:
        self._edge()
