"""What is wired to which pin, in the words of the outside."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self


@dataclass(frozen=True, slots=True)
class Wiring:
    """Pins are BCM numbers, levels electrical.

    keys: row and column pin of each key. sensors: pin and active level (0 or 1) of each sensor.
    outputs: pin of each lamp and of the buzzer. on_level: the level at which those are on.
    active_at_start: sensors that are active before anybody says otherwise; all others are not.
    idle: what else drives a pin from the beginning. pulls: pins that a resistor pulls to a level.
    """

    keys: Mapping[str, tuple[int, int]]
    sensors: Mapping[str, tuple[int, int]]
    outputs: Mapping[str, int]
    on_level: int = 1
    active_at_start: frozenset[str] = field(default_factory=frozenset)
    idle: Mapping[int, bool] = field(default_factory=dict)
    pulls: Mapping[int, bool] = field(default_factory=dict)

    def sensor_level(self, name: str, active: bool) -> bool:
        """The level that the sensor drives."""
        active_level = bool(self.sensors[name][1])
        return active_level if active else not active_level

    def levels_at_start(self) -> dict[int, bool]:
        """What the sensors drive before anybody says otherwise."""
        sensors = {
            pin: self.sensor_level(name, name in self.active_at_start)
            for name, (pin, _) in self.sensors.items()
        }
        return {**sensors, **self.idle}

    def to_json(self) -> str:
        """For the command line of the host."""
        return json.dumps(
            {
                "keys": self.keys,
                "sensors": self.sensors,
                "outputs": self.outputs,
                "on_level": self.on_level,
                "active_at_start": sorted(self.active_at_start),
                "idle": dict(self.idle),
                "pulls": dict(self.pulls),
            },
            default=dict,
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The opposite of to_json."""
        raw = json.loads(text)
        return cls(
            keys={name: (row, column) for name, (row, column) in raw["keys"].items()},
            sensors={name: (pin, level) for name, (pin, level) in raw["sensors"].items()},
            outputs=raw["outputs"],
            on_level=raw["on_level"],
            active_at_start=frozenset(raw["active_at_start"]),
            idle={int(pin): level for pin, level in raw["idle"].items()},
            pulls={int(pin): level for pin, level in raw["pulls"].items()},
        )
