"""A board of GPIO pins and wires, resolved electrically, behind gpiozero's MockFactory.

gpiozero's MockPin knows no wire between two pins. Here pins that closed switches connect form a net;
its level is what an output or an outside contact drives, else what a pull resistor gives. Ghost keys
and the fight of a high with a low output come out of that by themselves.
"""

import contextlib
import errno
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from gpiozero.pins.mock import MockFactory, MockPin

from tests.simulators.gpio.outside import Levels


class BoardPin(MockPin):
    """A pin whose level the board works out: an output drives, an input listens and may pull.

    MockPin keeps every change of its state for ever; the board lives in the kiosk's own process, where a
    soak measures the memory, and a key that is held makes a hundred changes a second. Here the last is kept.
    """

    def __init__(self, factory: "BoardFactory", info: Any) -> None:
        super().__init__(factory, info)  # type: ignore[no-untyped-call]
        self._board = factory.board
        self._output_level = False
        self._board.add(self._number, self)

    @property
    def driven_level(self) -> bool | None:
        """The level this pin drives; None for an input, which is high-impedance."""
        return self._output_level if self._function == "output" else None

    @property
    def pulled_level(self) -> bool | None:
        """The level its pull resistor gives, if it has one."""
        return {"up": True, "down": False}.get(self._pull) if self._function == "input" else None

    def clear_states(self) -> None:
        super().clear_states()  # type: ignore[no-untyped-call]
        self.states = deque(self.states, maxlen=1)  # type: ignore[assignment]

    def take(self, level: bool) -> Callable[[], None] | None:
        """Take this level; what has to be called if somebody listens here and this is an edge."""
        is_edge = self._change_state(level)  # type: ignore[no-untyped-call]
        listens = self._function == "input" and self._when_changed is not None
        return self._tell if is_edge and listens else None

    def _tell(self) -> None:
        listener = None if self._when_changed is None else self._when_changed()
        if listener is not None:
            listener(self._board.stamp(self._number), bool(self._state))

    def _get_state(self) -> bool:
        self._board.require_power()
        return bool(self._state)

    def _set_function(self, function: str) -> None:
        with self._board.rewired():
            self._function = function
            self._output_level = False

    def _set_state(self, level: float) -> None:
        if self._function == "input":
            super()._set_state(level)  # type: ignore[no-untyped-call]
        with self._board.rewired():
            self._output_level = bool(level)

    def _set_pull(self, pull: str) -> None:
        with self._board.rewired():
            self._pull = pull


class BoardFactory(MockFactory):
    """Makes the pins of one board; assign it to gpiozero.Device.pin_factory."""

    def __init__(self, board: "Board") -> None:
        super().__init__(pin_class=BoardPin)  # type: ignore[no-untyped-call]
        self.board = board


class Board:
    """Pins by BCM number, switches between two pins, and contacts that drive one pin from outside.

    Safe to use from any thread. Edges are told in the thread that caused them, after the whole board has
    settled. What is driven or switched holds whether or not somebody has opened the pin.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._settled_again = threading.Condition(self._lock)
        self._pins: dict[int, BoardPin] = {}
        self._switches: set[tuple[int, int]] = set()
        self._driven: Levels = {}
        self._resistors: Levels = {}
        self._levels: Levels = {}
        self._edge_times: dict[int, float] = {}
        self._watchers: list[Callable[[Levels], None]] = []
        self._powered = True
        self.fights: list[tuple[int, ...]] = []
        """Nets in which a high and a low driver met: a short circuit on real pins."""
        self.factory = BoardFactory(self)

    def switch(self, pin: int, other_pin: int, closed: bool) -> None:
        """Close or open a switch between two pins."""
        ends = (min(pin, other_pin), max(pin, other_pin))
        with self._settled():
            (self._switches.add if closed else self._switches.discard)(ends)

    def pull(self, pin: int, level: bool) -> None:
        """Solder a resistor from a pin to this level: what a pin is that nothing drives."""
        with self._settled():
            self._resistors[pin] = level

    def play(self, pin: int, edges: Sequence[tuple[float, bool]]) -> None:
        """Drive a pin through levels whose edges carry these time stamps, as a kernel takes them.

        edges: seconds of the monotonic clock and level. However busy the machine is, the time stamps hold.
        """
        for at, level in edges:
            self._edge_times[pin] = at
            self.drive(pin, level)
        self._edge_times.pop(pin, None)

    def stamp(self, pin: int) -> float:
        """The time stamp of an edge of this pin now."""
        return self._edge_times.get(pin, time.monotonic())

    def drive(self, pin: int, level: bool | None) -> None:
        """Drive a pin from outside; None lets it go."""
        with self._settled():
            if level is None:
                self._driven.pop(pin, None)
            else:
                self._driven[pin] = level

    def driven(self) -> Levels:
        """What is driven from outside."""
        with self._lock:
            return dict(self._driven)

    def level(self, pin: int) -> bool:
        """The level of a pin now; a pin that nothing drives or pulls is low."""
        with self._lock:
            return self._levels.get(pin, False)

    def driven_by_kiosk(self, pin: int) -> bool | None:
        """The level that the pin's user drives; None while it is an input or not open."""
        with self._lock:
            return self._pins[pin].driven_level if pin in self._pins else None

    def wait_until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Block until condition is true, asked after each change of the board; False if it never was."""
        with self._settled_again:
            return self._settled_again.wait_for(condition, seconds)

    def watch(self, changed: Callable[[Levels], None]) -> Callable[[], None]:
        """Call changed with the levels that changed, after each change; returns the end of it.

        changed is called with the board locked: it must only hand the levels on.
        """
        with self._lock:
            self._watchers.append(changed)
        return lambda: self._watchers.remove(changed)

    def cut_power(self) -> None:
        """Every use of a pin raises OSError from now on, as when a GPIO chip vanishes."""
        self._powered = False

    def restore_power(self) -> None:
        """Pins work again."""
        self._powered = True

    def require_power(self) -> None:
        """Raises OSError while the power is cut."""
        if not self._powered:
            raise OSError(errno.ENODEV, "the GPIO chip is gone")

    def add(self, number: int, pin: BoardPin) -> None:
        """A pin was opened for the first time; called by the pin."""
        with self.rewired():
            self._pins[number] = pin

    @contextlib.contextmanager
    def rewired(self) -> Iterator[None]:
        """Around a change of a pin's function, level or pull by its user."""
        self.require_power()
        with self._settled():
            yield

    @contextlib.contextmanager
    def _settled(self) -> Iterator[None]:
        with self._lock:
            yield
            edges = self._settle()
            self._settled_again.notify_all()
        for tell in edges:
            tell()

    def _settle(self) -> list[Callable[[], None]]:
        levels: Levels = {}
        for net in self._nets():
            levels.update(dict.fromkeys(net, self._net_level(net)))
        changes = {number: level for number, level in levels.items() if self._levels.get(number) != level}
        self._levels = levels
        if changes:
            for changed in self._watchers:
                changed(changes)
        told = (pin.take(levels[number]) for number, pin in self._pins.items())
        return [tell for tell in told if tell is not None]

    def _nets(self) -> list[frozenset[int]]:
        numbers = {*self._pins, *self._driven, *self._resistors}
        net_of = {number: frozenset({number}) for number in numbers}
        for ends in self._switches:
            joined = frozenset[int]().union(*(net_of.get(end, frozenset({end})) for end in ends))
            net_of.update(dict.fromkeys(joined, joined))
        return list(set(net_of.values()))

    def _net_level(self, net: frozenset[int]) -> bool:
        pins = [self._pins[number] for number in net if number in self._pins]
        drivers = {self._driven[number] for number in net if number in self._driven}
        drivers |= {pin.driven_level for pin in pins if pin.driven_level is not None}
        if len(drivers) == 2:
            self.fights.append(tuple(sorted(net)))
        if drivers:
            return min(drivers)
        resistors = {self._resistors[number] for number in net if number in self._resistors}
        return any(resistors) or (not resistors and any(pin.pulled_level for pin in pins))
