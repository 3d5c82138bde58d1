"""A simulated ccTalk coin acceptor: the slave at address 2."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field

from tests.simulators.coin.wire import Silence

SELF_INHIBIT_SECONDS = 1.0
KEEPING_CODES = frozenset({7, 16, 17, 18, 19, 20, 23, 31, 36, 39, 40})
"""Errors at which the coin is in the machine all the same."""


@dataclass(slots=True)
class SimulatedAcceptor:
    """Five event slots, a counter, inhibits, and coins that fall where they would fall.

    serial: 24 bits. coin_ids: of the positions from 1. cash_box: coins by yen, counted when they
    drop into it, credited or not. accepts: the accept counter, kept through power cuts. unknown_headers:
    it does not answer these. stuck_mask: positions it takes whatever it is told. latches_inhibit: once
    it has inhibited itself, polling alone does not open it again.
    """

    serial: int
    coin_ids: tuple[str, ...]
    restart_seconds: float
    cash_box: Counter[int] = field(default_factory=Counter)
    uncredited_yen: int = 0
    returned_yen: int = 0
    counter: int = 0
    pairs: list[tuple[int, int]] = field(default_factory=lambda: [(0, 0)] * 5)
    mask: int = 0
    master: bool = False
    self_check: int = 0
    self_inhibit_seconds: float = SELF_INHIBIT_SECONDS
    latches_inhibit: bool = False
    category: bytes = b"Coin Acceptor"
    manufacturer: bytes = b"MOCK"
    product: bytes = b"SIM-2"
    polling_priority: bytes = b"\x02\x14"
    unknown_headers: frozenset[int] = frozenset()
    stuck_mask: int = 0
    accepts: int = 0
    next_errors: list[int] = field(default_factory=list)
    _polled_at: float = float("-inf")
    _deaf_until: float = float("-inf")
    _in_flight: dict[asyncio.TimerHandle, tuple[int, int]] = field(default_factory=dict)

    def answer(self, header: int, data: bytes) -> bytes | None:
        """The reply's data; raises Silence while it starts and for headers it does not know."""
        now = asyncio.get_running_loop().time()
        if now < self._deaf_until or header in self.unknown_headers:
            raise Silence
        if data:
            return self._told(header, list(data))
        if header == 229:
            self._note_poll(now)
        return self._asked(header)

    def _told(self, header: int, data: list[int]) -> bytes:
        match header, data:
            case 184, [position]:
                return self._coin_id(position).encode()
            case 231, [low, high]:
                self.mask = low | high << 8
            case 228, [bits]:
                self.master = bool(bits & 1)
            case _:
                raise Silence
        return b""

    def _asked(self, header: int) -> bytes:
        if header == 1:
            self.power_cycle()
        answers = {
            254: b"",
            249: self.polling_priority,
            246: self.manufacturer,
            245: self.category,
            244: self.product,
            242: self.serial.to_bytes(3, "little"),
            241: b"1.04",
            232: bytes((self.self_check,)),
            230: (self.mask | self.stuck_mask).to_bytes(2, "little"),
            229: bytes((self.counter, *(octet for pair in self.pairs for octet in pair))),
            225: self.accepts.to_bytes(3, "little"),
            192: b"STD",
            4: bytes((2, 4, 2)),
            1: b"",
        }
        if header not in answers:
            raise Silence
        return answers[header]

    def _note_poll(self, now: float) -> None:
        if self.latches_inhibit and now - self._polled_at >= self.self_inhibit_seconds:
            self.master = False
        self._polled_at = now

    @property
    def is_open(self) -> bool:
        """Any coin could be taken now."""
        return bool(self.mask | self.stuck_mask) and self._lets_in

    def drop(self, yen: int, issue: str, flight_seconds: float) -> bool:
        """A coin falls in; True if it is taken, then its event comes flight_seconds later."""
        position = self._position_of(yen, issue)
        if position is None or not self._lets_in or not self._takes(position):
            if self._is_awake:
                self._event(0, 2 if position else 1)
            self.returned_yen += yen
            return False
        error = self.next_errors.pop(0) if self.next_errors else 0
        if error and error not in KEEPING_CODES:
            self._event(0, error)
            self.returned_yen += yen
            return False
        self.cash_box[yen] += 1
        self.accepts = (self.accepts + 1) % (1 << 24)
        if error:
            self.uncredited_yen += yen
        pair = (0, error) if error else (position, 1)
        if flight_seconds:
            loop = asyncio.get_running_loop()
            flight: asyncio.TimerHandle = loop.call_later(flight_seconds, lambda: self._land(flight))
            self._in_flight[flight] = pair
        else:
            self._event(*pair)
        return True

    def power_cycle(self) -> None:
        """Start anew: counter 0, slots empty, everything inhibited, deaf for a while."""
        self.forget_flights()
        self.counter, self.pairs, self.mask, self.master = 0, [(0, 0)] * 5, 0, False
        self._deaf_until = asyncio.get_running_loop().time() + self.restart_seconds

    def land(self) -> None:
        """Coins on their way make their events now."""
        for flight in list(self._in_flight):
            flight.cancel()
            self._land(flight)

    def forget_flights(self) -> None:
        """Coins on their way make no event any more."""
        for flight in self._in_flight:
            flight.cancel()
        self._in_flight.clear()

    @property
    def _lets_in(self) -> bool:
        return self.master and self._is_awake

    @property
    def _is_awake(self) -> bool:
        """It tells of coins that it may not take, too; not while it starts or has inhibited itself."""
        now = asyncio.get_running_loop().time()
        return now - self._polled_at < self.self_inhibit_seconds and now >= self._deaf_until

    def _land(self, flight: asyncio.TimerHandle) -> None:
        self._event(*self._in_flight.pop(flight))

    def _takes(self, position: int) -> bool:
        return bool((self.mask | self.stuck_mask) >> position - 1 & 1)

    def _event(self, position: int, code: int) -> None:
        self.counter = self.counter % 255 + 1
        self.pairs = [(position, code), *self.pairs[:4]]

    def _coin_id(self, position: int) -> str:
        return self.coin_ids[position - 1] if position <= len(self.coin_ids) else "......"

    def _position_of(self, yen: int, issue: str) -> int | None:
        coin_id = f"JP{yen:03}{issue}"
        return self.coin_ids.index(coin_id) + 1 if coin_id in self.coin_ids else None
