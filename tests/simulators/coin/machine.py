"""The whole coin side of a kiosk in one object: slot, acceptor, hopper, change cup and their line."""

import shutil
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.simulators.coin.acceptor import SimulatedAcceptor
from tests.simulators.coin.hopper import OPTO_FRAUD, SimulatedHopper
from tests.simulators.coin.wire import Fault, Line, Manner, SeenFrame, Slave

COIN_IDS = ("JP010A", "JP050A", "JP100A", "JP500A", "JP500B")


class CoinMachine:
    """Real ccTalk slaves on a pseudo-terminal, run by the caller's loop.

    It counts every coin itself, by where it lies: that is what the kiosk's books are compared with.

    directory: where the link `path` is made, a new one by default. serial, hopper_serial: 24 bits.
    echo: the bus repeats each byte. paced: 1.04 ms a byte, as at 9600 baud. coin_ids: of the
    acceptor's positions from 1. coin_seconds, timeout_seconds: of the hopper's motor.
    restart_seconds: how long a device is deaf after power-up. on_change_cup: is told True when
    change falls into the empty cup, False when it was taken. acceptor_on_bus: False where another kind
    of acceptor takes the coins; the cash box is the same.
    """

    def __init__(
        self,
        *,
        directory: Path | None = None,
        serial: int = 123456,
        hopper_serial: int = 654321,
        hopper_coins: int = 50,
        hopper_yen: int = 100,
        low_below: int = 10,
        echo: bool = True,
        paced: bool = False,
        coin_ids: Sequence[str] = COIN_IDS,
        coin_seconds: float = 0.05,
        timeout_seconds: float = 0.2,
        restart_seconds: float = 0.2,
        on_change_cup: Callable[[bool], None] | None = None,
        acceptor_on_bus: bool = True,
    ) -> None:
        self._own_directory = directory is None
        self._directory = directory or Path(tempfile.mkdtemp(prefix="coins-"))
        self.acceptor = SimulatedAcceptor(serial, tuple(coin_ids), restart_seconds)
        self.hopper = SimulatedHopper(
            hopper_serial,
            hopper_coins,
            low_below,
            coin_seconds,
            timeout_seconds,
            restart_seconds,
            self._coin_into_cup,
        )
        slaves: dict[int, Slave] = {3: self.hopper}
        if acceptor_on_bus:
            slaves[2] = self.acceptor
        self._line = Line(self._directory / "cctalk", echo, paced, slaves=slaves)
        self._hopper_yen = hopper_yen
        self.on_change_cup = on_change_cup
        self.change_cup_yen = 0

    async def start(self) -> Self:
        """Plug the line in."""
        self._line.plug_in()
        return self

    async def stop(self) -> None:
        """End everything; coins stay where they are and can still be counted."""
        self._line.unplug()
        self.acceptor.forget_flights()
        self.hopper.halt()
        if self._own_directory:
            shutil.rmtree(self._directory, ignore_errors=True)

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def __del__(self) -> None:
        if self._line.is_up:
            warnings.warn("a CoinMachine was not stopped", ResourceWarning, stacklevel=1)

    @property
    def path(self) -> str:
        """The tty for the kiosk; the same after vanish and come_back."""
        return str(self._line.path)

    @property
    def frames(self) -> list[SeenFrame]:
        """Every whole frame the host sent, oldest first."""
        return self._line.frames

    def watch_frames(self, on_frame: Callable[[SeenFrame], None] | None) -> None:
        """Call on_frame for each frame a slave has acted on, before its reply; None ends that."""
        self._line.on_frame = on_frame

    def record(self, said: Callable[[bytes], None] | None) -> None:
        """Call said with all bytes of the wire, requests and replies, as they come; None ends that."""
        self._line.on_bytes = said

    # what a person does

    def drop_coin(self, yen: int, *, issue: str = "A", flight_seconds: float = 0.0) -> bool:
        """Put a coin in; True: taken, False: it fell through to the return.

        flight_seconds: between the acceptor's decision and its credit event.
        """
        return self.acceptor.drop(yen, issue, flight_seconds)

    def land(self) -> None:
        """Coins on their way arrive: their credit events come now."""
        self.acceptor.land()

    @property
    def is_at_rest(self) -> bool:
        """The hopper has nothing left to pay."""
        return not self.hopper.remaining

    def burst(self, coins_yen: Sequence[int]) -> int:
        """Several coins between two polls; how many were taken."""
        return sum(self.drop_coin(yen) for yen in coins_yen)

    def take_change(self) -> int:
        """Take everything out of the change cup; the yen taken."""
        taken, self.change_cup_yen = self.change_cup_yen, 0
        if taken and self.on_change_cup:
            self.on_change_cup(False)
        return taken

    # where the money is

    @property
    def slot_is_open(self) -> bool:
        """Some coin would be taken now."""
        return self.acceptor.is_open

    @property
    def cash_box(self) -> Counter[int]:
        """Coins in the cash box by yen, credited or not."""
        return self.acceptor.cash_box

    @property
    def cash_box_yen(self) -> int:
        """Worth of the coins in the cash box, credited or not."""
        return sum(yen * coins for yen, coins in self.acceptor.cash_box.items())

    @property
    def uncredited_yen(self) -> int:
        """Worth of the coins in the cash box that made an error instead of a credit."""
        return self.acceptor.uncredited_yen

    @property
    def returned_yen(self) -> int:
        """Worth of the coins that fell through to the return."""
        return self.acceptor.returned_yen

    @property
    def hopper_coins(self) -> int:
        """Coins in the hopper."""
        return self.hopper.coins

    @property
    def paid_coins(self) -> int:
        """Coins that ever fell out of the hopper."""
        return self.hopper.paid_coins

    # what a technician does

    def refill(self, coins: int) -> None:
        """Put coins into the hopper and free a jam."""
        self.hopper.coins += coins
        self.hopper.jammed = False

    def empty_hopper(self) -> None:
        """Take all coins out of the hopper."""
        self.hopper.coins = 0

    # what goes wrong

    def garble_next(self, replies: int, *, header: int | None = None) -> None:
        """Flip a bit in the next replies (to this header); the slave has done what was asked."""
        self._line.faults += [(Fault.GARBLED, header)] * replies

    def drop_replies(self, replies: int, *, header: int | None = None) -> None:
        """Lose the next replies (to this header); the slave has done what was asked."""
        self._line.faults += [(Fault.LOST, header)] * replies

    def delay_replies(self, replies: int, seconds: float, *, header: int | None = None) -> None:
        """Let the next replies (to this header) come so much later; seconds hold for all delayed ones."""
        self._line.late_seconds = seconds
        self._line.faults += [(Fault.LATE, header)] * replies

    def drop_requests(self, requests: int, *, header: int | None = None) -> None:
        """Lose the next requests (of this header) before the slave hears them."""
        self._line.faults += [(Fault.DEAF, header)] * requests

    def clear_faults(self) -> None:
        """Forget the faults that were planned and have not happened."""
        self._line.faults.clear()

    def noise(self, octets: bytes) -> None:
        """Put stray bytes on the wire."""
        self._line.send(octets)

    def vanish(self) -> None:
        """Pull the serial adapter: the tty hangs up and its path is gone; the devices stay powered."""
        self._line.unplug()

    def hang_adapter(self) -> None:
        """The serial adapter hangs: its tty stays and is silent; only opening path anew helps."""
        self._line.hang()
        self._line.plug_in()

    def come_back(self) -> None:
        """Plug the serial adapter in again: another tty at the same path."""
        self._line.plug_in()

    def power_cycle(self) -> None:
        """Both devices lose power and start anew; the serial adapter stays."""
        self.acceptor.power_cycle()
        self.hopper.power_cycle()

    def reject_next(self, code: int) -> None:
        """The next coin makes this error instead of a credit; some errors keep the coin."""
        self.acceptor.next_errors.append(code)

    def hopper_speaks(self, manner: Manner | None) -> None:
        """The hopper answers in this broken manner from now on; None: as it should."""
        self._line.manners = {} if manner is None else {3: manner}

    def jam_hopper(self) -> None:
        """The motor turns and no coin comes out."""
        self.hopper.jammed = True

    def hopper_fraud(self) -> None:
        """The hopper reports a manipulated exit eye until its power is cycled."""
        self.hopper.flags |= OPTO_FRAUD

    def fail_self_check(self, code: int) -> None:
        """The acceptor's self-check answers this fault from now on; 0: it is well."""
        self.acceptor.self_check = code

    def _coin_into_cup(self) -> None:
        was_empty = self.change_cup_yen == 0
        self.change_cup_yen += self._hopper_yen
        if was_empty and self.on_change_cup:
            self.on_change_cup(True)
