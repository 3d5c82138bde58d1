"""A measured figure, and the table of all of them."""

import json
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Self


class MeasureError(Exception):
    """A figure could not be measured; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How often things are repeated. idle_seconds: how long the kiosk is watched doing nothing."""

    starts: int
    visits: int
    presses: int
    idle_seconds: float
    repetitions: int
    journal_rounds: int


FULL = Effort(starts=3, visits=5, presses=100, idle_seconds=10.0, repetitions=5, journal_rounds=5)
QUICK = Effort(starts=1, visits=1, presses=20, idle_seconds=2.0, repetitions=2, journal_rounds=2)


@dataclass(frozen=True, slots=True)
class Row:
    """One figure.

    against: name and value of a peer or a limit in the same run; ratio: value by that of the peer.
    Raises MeasureError for a value that is no number: a figure is measured or missing aloud.
    """

    name: str
    value: float
    unit: str
    against: str | None = None
    ratio: float | None = None

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise MeasureError(f"{self.name}: {self.value} is no measurement")

    @classmethod
    def beside(cls, name: str, value: float, unit: str, peer: str, peer_value: float) -> Self:
        """A figure beside another of the same unit. Raises MeasureError if the other is not above 0."""
        if not peer_value > 0:
            raise MeasureError(f"{name}: {peer} is {peer_value}, nothing to compare with")
        return cls(name, value, unit, f"{peer}: {_short(peer_value)} {unit}", value / peer_value)


def median(name: str, values: Sequence[float]) -> float:
    """The middle one. Raises MeasureError if there is none."""
    if not values:
        raise MeasureError(f"{name}: nothing was measured")
    return statistics.median(values)


def percentile(name: str, values: Sequence[float], percent: float) -> float:
    """The smallest value that percent of all do not exceed. Raises MeasureError if there is none."""
    if not values:
        raise MeasureError(f"{name}: nothing was measured")
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def to_json(rows: Iterable[Row]) -> str:
    """A list of objects, one line each."""
    return "[\n" + ",\n".join(f"  {json.dumps(asdict(row), ensure_ascii=False)}" for row in rows) + "\n]\n"


def table(rows: Sequence[Row]) -> str:
    """The rows in columns, for a person."""
    heads = ("name", "value", "unit", "ratio", "against")
    cells = [
        (
            row.name,
            _short(row.value),
            row.unit,
            "" if row.ratio is None else _short(row.ratio),
            row.against or "",
        )
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    lines = []
    for name, value, unit, ratio, against in (heads, *cells):
        left = f"{name:{widths[0]}}  {value:>{widths[1]}} {unit:{widths[2]}}"
        lines.append(f"{left}  {ratio:>{widths[3]}}  {against}".rstrip())
    return "\n".join(lines)


def _short(value: float) -> str:
    """Four digits that count, or the whole number."""
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.4g}"
