"""A kiosk in this process: the engine, its crew, its outbox and its real client; only the devices are played.

The machine's devices are perfect and count what passes through them. A visitor presses what each
screen asks for. The worker opens what came sealed as the real one does, or prints nothing.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from firmware import ports
from firmware.core import events as e
from firmware.core import records as r
from firmware.core.accounts import Accounts
from firmware.core.facts import (
    AcceptorLevel,
    ClockLevel,
    DocumentPrinterLevel,
    HopperLevel,
    KeypadLevel,
    MunicipalityLevel,
    PanelLevel,
    ReaderLevel,
    ReceiptPrinterLevel,
)
from firmware.core.screens import Screen, ScreenId
from firmware.core.states import Idle
from firmware.core.steps import Step
from firmware.core.telling import Telling
from firmware.core.terms import Certainty, KeypadKey, ServiceHours
from firmware.errors import PrintNotSubmitted
from firmware.logbook import EventId, FieldValue
from firmware.municipality.client import HttpsMunicipality
from firmware.settings import load
from firmware.shell.crew import DeviceCrew
from firmware.shell.devices import Devices
from firmware.shell.outbox import Outbox
from firmware.shell.pin import PinBuffer
from firmware.shell.runner import Runner
from firmware.shell.workers import SpareWorker
from tests.contract.test_municipality import Card, unseal

CONFIG = Path(__file__).resolve().parents[2] / "config" / "kiosk.toml"
RULES = load(CONFIG).rules
COIN_YEN = 500


@dataclass
class Ledger:
    """The journal, in memory."""

    records: list[r.Record] = field(default_factory=list)

    async def append(self, records: Sequence[r.Record]) -> None:
        await asyncio.sleep(0)
        self.records.extend(records)


@dataclass
class Machine:
    """Card, slot, hopper, printers and panel, all of them well. pages: of certificates, in the tray."""

    card: Card
    report: Callable[[Any], None] = lambda _: None
    coins_in: int = 0
    coins_out: int = 0
    pages: int = 0
    mark: ports.CoinMark | None = None

    async def read(self) -> ports.CardReading:
        return ports.CardReading(self.card.certificate_der, 3)

    async def sign(self, pin: bytearray, message: bytes) -> ports.CardSignature:
        pin[:] = bytes(4)
        return self.card.sign(message)

    async def release(self, _reading: object) -> None: ...

    async def accept(self, _denominations: object) -> None: ...

    async def stop(self) -> None: ...

    async def refresh(self) -> DocumentPrinterLevel:
        return DocumentPrinterLevel(frozenset())

    async def expect(self, _job_name: str) -> None: ...

    async def follow(self, _job: str, pages: int, _progress: object, *, sheets: int = 0) -> ports.PrintResult:
        assert sheets
        done = self.pages == pages
        return ports.PrintResult(Certainty.DONE if done else Certainty.NOT_DONE, self.pages)

    async def purge(self, _job_name: str) -> bool:
        return True

    async def pay_one(self, life_count: int) -> Certainty:
        assert life_count == 1000 + self.coins_out
        self.coins_out += 1
        self.report(HopperLevel(3, True, 20 - self.coins_out, 100, 1000 + self.coins_out))
        return Certainty.DONE

    async def print_slip(self, _lines: object) -> Certainty:
        return Certainty.DONE

    def buzz(self, _pattern: str) -> None: ...


@dataclass
class Worker:
    """The one-shot worker, but that it draws nothing."""

    machine: Machine
    key: X25519PrivateKey = field(default_factory=X25519PrivateKey.generate)
    order: tuple[str, str] = ("", "")
    over: bool = False

    async def start(self) -> bytes:
        return self.key.public_key().public_bytes_raw()

    async def prepare(
        self, sealed: bytes, request: ports.OrderRequest, session_id: str, person_ref: str
    ) -> ports.Prepared:
        self.order = (request.order_id, session_id)
        contents = unseal(sealed, b"madoguchi-contents-v1", self.key, *self.order)
        assert (person_ref, request.kind.value) == (contents["person_ref"], contents["kind"])
        return ports.Prepared(request.copies, 2 * request.copies, hashlib.sha256(sealed).hexdigest())

    async def print(self, authority: bytes, _job_name: str) -> None:
        try:
            unseal(authority, b"madoguchi-authority-v1", self.key, *self.order)
        except ValueError as cause:
            raise PrintNotSubmitted from cause
        self.machine.pages += 2

    def alive(self) -> bool:
        return not self.over

    async def end(self) -> None:
        self.over = True


class WholeVisit:
    """One visit at one kiosk. municipality: the real client."""

    def __init__(self, municipality: HttpsMunicipality, card: Card, now: Callable[[], datetime]) -> None:
        self.machine, self.journal = Machine(card), Ledger()
        self.screens: list[Screen] = []
        self.log: list[EventId] = []
        self._drawn, self._logged = asyncio.Event(), asyncio.Event()
        self._pin = PinBuffer()
        machine = cast("Any", self.machine)
        devices = Devices(
            card=machine,
            keypad=machine,
            acceptor=machine,
            payouts={3: machine},
            printer=machine,
            receipt=machine,
            panel=machine,
            municipality=municipality,
            new_worker=lambda: cast("ports.DocumentWorker", Worker(self.machine)),
            slip_lines=lambda *_: (),
        )
        self._spare = SpareWorker(devices.new_worker)
        self._crew = DeviceCrew(
            devices=devices,
            pin=self._pin,
            spare=self._spare,
            fee_now=lambda *_: 300,
            now=now,
            speak=lambda _: None,
            admits=self._nobody,
            adapt=lambda _: None,
            sound=lambda _: None,
            log=self._write,
        )
        self.outbox = Outbox(
            telling=Telling(),
            municipality=municipality,
            journal=self.journal,
            log=self._write,
            first_pause_seconds=0.01,
            longest_pause_seconds=0.05,
        )
        rules = replace(RULES, timeouts_seconds={})
        self.runner = Runner(
            rules=rules,
            journal=self.journal,
            crew=self._crew,
            pin=self._pin,
            code=PinBuffer(8),
            show=self._show,
            noted=self.outbox.note,
            log=self._write,
        )
        self.machine.report = self.runner.report

    @property
    def ended_as(self) -> tuple[str, str]:
        """The screen with which the visit ended, and why."""
        last = next(s for s in reversed(self.screens) if s.id in {ScreenId.THANKS, ScreenId.ENDED})
        return last.id.value, last.reason

    @property
    def shown(self) -> set[ScreenId]:
        """Every screen that was there."""
        return {screen.id for screen in self.screens}

    @property
    def accounts(self) -> Accounts:
        """The kiosk's own books."""
        return Accounts(self.journal.records)

    @property
    def orders(self) -> set[str]:
        """Orders in the journal."""
        return {order for one in self.journal.records if (order := getattr(one, "order_id", ""))}

    async def make(self, mend: Callable[[], None] = lambda: None) -> None:
        """Until the start screen is back and everything is told. mend: called when the visit has ended."""
        async with self._running():
            ended = False
            while not (ended and isinstance(self.runner.state, Idle)):
                ended |= await self._does_what_is_asked()
            await asyncio.gather(*self.runner._committed)  # the end of the session goes its own way
            mend()
            async with asyncio.timeout(60):
                while self.outbox.waiting:
                    self._logged.clear()
                    await self._logged.wait()

    async def _does_what_is_asked(self) -> bool:
        """One act of the visitor; whether the visit is over."""
        screen = self.screens[-1]
        match screen.id:
            case ScreenId.IDLE | ScreenId.NOTICE | ScreenId.CONFIRM:
                self.runner.touch(KeypadKey.CONFIRM, lambda: True)
            case ScreenId.PRESENT_CARD:
                self.runner.report(ReaderLevel(working=True, card_present=True))
            case ScreenId.PIN if screen.pin_digits == 4:
                self.runner.key(KeypadKey.CONFIRM)
            case ScreenId.PIN:
                self.runner.key(KeypadKey.DIGIT_1)
            case ScreenId.TAKE_CARD:
                self.runner.report(ReaderLevel(working=True))
            case ScreenId.CHOOSE_KIND:
                self.runner.touch(KeypadKey.DIGIT_2, lambda: True)
            case ScreenId.CHOOSE_COPIES:
                self.runner.touch(KeypadKey.DIGIT_1, lambda: True)
            case ScreenId.COINS if self.machine.coins_in == 0:
                self.machine.coins_in += 1
                self.machine.mark = ports.CoinMark(1, 1)
                self.runner.post(e.CoinInserted(COIN_YEN, 1, 1))
            case ScreenId.COINS:
                self.runner.touch(KeypadKey.CONFIRM, lambda: True)
            case ScreenId.THANKS | ScreenId.ENDED:
                self.runner.report(ReaderLevel(working=True))
                self.runner.touch(KeypadKey.CONFIRM, lambda: True)
                await self._another(screen)
                return True
            case _:
                pass
        await self._another(screen)
        return False

    async def _another(self, screen: Screen) -> None:
        """Wait for a screen that differs."""
        async with asyncio.timeout(60):
            while self.screens[-1] == screen:
                self._drawn.clear()
                await self._drawn.wait()

    @asynccontextmanager
    async def _running(self) -> AsyncIterator[None]:
        for level in (
            ReaderLevel(working=True),
            KeypadLevel(working=True),
            AcceptorLevel(working=True),
            HopperLevel(3, working=True, coins=20, coin_yen=100, life_count=1000),
            DocumentPrinterLevel(frozenset()),
            ReceiptPrinterLevel(ready=True),
            PanelLevel(),
            MunicipalityLevel(reachable=True),
            ClockLevel(trusted=True, hours=ServiceHours.OPEN),
        ):
            self.runner.report(level)
        tasks = [
            asyncio.create_task(self.runner.run(lambda: Step(Idle()))),
            asyncio.create_task(self.outbox.run()),
        ]
        try:
            async with asyncio.timeout(60):
                while not self.screens:
                    self._drawn.clear()
                    await self._drawn.wait()
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._crew.close()
            await self._spare.close()

    def _show(self, screen: Screen) -> None:
        self.screens.append(screen)
        self._drawn.set()

    def _write(self, event: EventId, /, **_: FieldValue) -> None:
        self.log.append(event)
        self._logged.set()

    async def _nobody(self) -> bool:
        return False
