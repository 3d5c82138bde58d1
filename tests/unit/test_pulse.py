"""A device's watcher that hangs is silent from then on; one that comes round, or is closed, is not."""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol, cast

import pytest

from firmware.core.terms import KeypadKey, Yen
from firmware.logbook import EventId, FieldValue
from hw.coin.acceptor import CcTalkAcceptor
from hw.coin.hopper import CcTalkHopper
from hw.coin.identity import Commissioned
from hw.keypad.keypad import MatrixKeypad
from hw.panel.panel import GpioPanel
from hw.panel.wires import SensorPin
from hw.printer.ipp import IppDocumentPrinter
from hw.printer.receipt import EscPosReceiptPrinter
from hw.pulse import Pulse


class Clock:
    """Time that a test moves."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


class Hangs:
    """Whatever is asked of it never comes back; asked tells when the first question came."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    def __getattr__(self, _name: str) -> Callable[..., Any]:
        async def for_ever(*_: object, **__: object) -> None:
            self.asked.set()
            await asyncio.Event().wait()

        return for_ever


class Device(Protocol):
    def start(self, report: Callable[[object], None], *more: object) -> None: ...

    def busy_seconds(self) -> float: ...

    async def close(self) -> None: ...


def log(_event: EventId, /, **_fields: FieldValue) -> None:
    """Nobody reads."""


def hopper(partner: Hangs) -> Any:
    return CcTalkHopper(cast("Any", partner), log, coins=5, coin_yen=Yen(100))


def acceptor(partner: Hangs) -> Any:
    return CcTalkAcceptor(cast("Any", partner), log, commissioned=Commissioned(None, "", ""))


def printer(partner: Hangs) -> Any:
    made = IppDocumentPrinter(printer_uri="ipp://localhost:1/ipp", cups_socket="/nowhere", queue="q", log=log)
    cast("Any", made)._canceller = partner
    return made


def receipt(partner: Hangs) -> Any:
    made = EscPosReceiptPrinter(path="/nowhere", baud=9600, columns=48, log=log)
    cast("Any", made)._look = partner.look
    return made


def keypad(partner: Hangs) -> Any:
    made = MatrixKeypad(
        row_pins=(1,),
        column_pins=tuple(range(2, 2 + len(KeypadKey))),
        layout=(tuple(key.value for key in KeypadKey),),
        scan_seconds=0.01,
        stable_scans=3,
        double_strike_seconds=0.3,
        log=log,
    )
    cast("Any", made)._claim = Claimed
    cast("Any", made)._watch = partner.watch
    return made


def panel(partner: Hangs) -> Any:
    sensor = SensorPin(1, 1)
    made = GpioPanel(
        door=sensor, paper=sensor, change=sensor, lamp_pins={}, buzzer_pin=2, debounce_seconds=0.05, log=log
    )
    cast("Any", made)._claim = Claimed
    cast("Any", made)._work = partner.work
    return made


class Claimed:
    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


def test_a_pulse_is_the_time_since_the_last_beat() -> None:
    clock = Clock()
    pulse = Pulse(clock)
    assert 0.0 == pulse.silent_seconds(), "nobody watches yet"
    pulse.beat()
    clock.now += 130
    assert 130.0 == pulse.silent_seconds()
    pulse.beat()
    assert 0.0 == pulse.silent_seconds()
    pulse.beat(within_seconds=180)
    clock.now += 179
    assert 0.0 == pulse.silent_seconds(), "what it waits for has a deadline of its own"
    clock.now += 122
    assert 121.0 == pulse.silent_seconds()
    pulse.end()
    assert 0.0 == pulse.silent_seconds()


@pytest.mark.parametrize("make", [hopper, acceptor, printer, receipt, keypad, panel])
async def test_a_device_that_hangs_is_seen_and_the_loop_goes_on(make: Callable[[Hangs], Any]) -> None:
    partner, clock = Hangs(), Clock()
    device = make(partner)
    device._pulse = Pulse(clock)
    more: tuple[object, ...] = {"CcTalkAcceptor": (print, None), "MatrixKeypad": (print,)}.get(
        type(device).__name__, ()
    )
    assert 0.0 == device.busy_seconds()
    device.start(lambda _level: None, *more)
    async with asyncio.timeout(20):
        await partner.asked.wait()
    clock.now += 121
    assert 121.0 == device.busy_seconds()
    await device.close()
    assert 0.0 == device.busy_seconds(), "who closed it does not wait for it"


async def test_a_long_slip_on_a_slow_line_is_no_hang_until_its_own_deadline_has_passed() -> None:
    """The watcher waits behind the slip; 100 kB take 107 s at 9600 baud, and the proof may take 15 s more."""
    partner, clock = Hangs(), Clock()
    made = cast("Any", EscPosReceiptPrinter(path="/nowhere", baud=9600, columns=48, log=log))

    async def ready() -> None:
        """No trouble."""

    async def drawn(_lines: object) -> bytes:
        return bytes(102_400)

    made._pulse, made._look, made._drawn, made._line = Pulse(clock), ready, drawn, Line(partner)
    made.start(lambda _level: None)
    printing = asyncio.create_task(made.print_slip([]))
    async with asyncio.timeout(20):
        await partner.asked.wait()
    clock.now += 121
    assert 0.0 == made.busy_seconds()
    clock.now += 121
    assert made.busy_seconds() > 119, "beyond its deadline it is one"
    printing.cancel()
    await asyncio.wait([printing])
    await made.close()


class Line:
    """A serial line that takes nothing."""

    def __init__(self, partner: Hangs) -> None:
        self._partner = partner

    def discard_input(self) -> None: ...

    async def write(self, *_: object) -> None:
        await self._partner.write()

    def close(self) -> None: ...
