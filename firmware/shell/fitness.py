"""A technician's tests: each ends fit or unfit, with a reason. No coin is paid out, no PIN asked for."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from firmware.core import events as e
from firmware.core.hours import JST
from firmware.core.screens import Place
from firmware.core.states import NotServing
from firmware.core.terms import Certainty, KeypadKey, PrinterReason, Yen
from firmware.errors import CardGone, CardUnusable, DeviceGone, OfficeRefused
from firmware.ports import SlipLine
from firmware.shell.devices import Devices
from firmware.shell.runner import Runner

_LAMP_SECONDS = 0.6


@dataclass(frozen=True, slots=True)
class Verdict:
    """fit: None while only the technician can tell; then question asks for it."""

    fit: bool | None
    reason: str
    question: str = ""


class Fitness:
    """Tests the running kiosk's devices while it serves nobody.

    wait_seconds: for a card, keys, a coin or the door. denominations: the coins taken. now: aware.
    print_page: prints lines on a sheet of A4 and says whether that is proven. speak: plays a sample of the
    voice; why it could not, empty if it could.
    """

    def __init__(
        self,
        *,
        devices: Devices,
        runner: Runner,
        denominations: frozenset[Yen],
        now: Callable[[], datetime],
        wait_seconds: float,
        print_page: Callable[[Sequence[SlipLine]], Awaitable[Certainty]],
        speak: Callable[[], Awaitable[str]],
    ) -> None:
        self._devices = devices
        self._runner = runner
        self._denominations = denominations
        self._now = now
        self._wait_seconds = wait_seconds
        self._print_page = print_page
        self._speak = speak
        self._one = asyncio.Lock()

    @property
    def busy(self) -> bool:
        """Whether a test is running."""
        return self._one.locked()

    async def test(self, part: str, seen: bool | None) -> Verdict:
        """Test one part. seen: the technician's answer to the question of an earlier verdict.

        Raises OfficeRefused during a visit, for an unknown part, or while another test runs.
        """
        test = getattr(self, f"_{part}", None)
        if test is None:
            raise OfficeRefused(f"there is no part {part}")
        if not isinstance(self._runner.state, NotServing) or not self._runner.facts.maintenance.on:
            raise OfficeRefused(
                "maintenance is off or a visit is under way: maintenance on, and say it again"
            )
        if self._one.locked():
            raise OfficeRefused("another test is running")
        async with self._one:
            verdict: Verdict = await test(seen)
        return verdict

    async def _card(self, _seen: bool | None) -> Verdict:
        if not self._runner.facts.reader.working:
            return Verdict(False, "no card reader answers")
        if not await self._becomes(lambda: self._runner.facts.reader.card_present):
            return Verdict(False, f"no card was seen within {self._wait_seconds:g} s")
        try:
            reading = await self._devices.card.read()
        except CardUnusable as error:
            return Verdict(True, f"a card was read that cannot be used here: {error.refusal.value}")
        except (CardGone, DeviceGone) as error:
            return Verdict(False, f"the card could not be read: {type(error).__name__}")
        finally:
            await self._devices.card.release()
        return Verdict(True, f"a My Number Card was read, {reading.tries_left} tries left; take it away")

    async def _keypad(self, _seen: bool | None) -> Verdict:
        if not self._runner.facts.keypad.working:
            return Verdict(False, "the keypad is not watched")
        missing = set(KeypadKey)
        came = asyncio.Event()

        def pressed(what: KeypadKey | e.Event) -> None:
            if isinstance(what, KeypadKey):
                missing.discard(what)
                came.set()

        with self._overhearing(pressed):
            try:
                async with asyncio.timeout(3 * self._wait_seconds):
                    while missing:
                        came.clear()
                        await came.wait()
            except TimeoutError:
                silent = " ".join(sorted(key.value for key in missing))
                return Verdict(False, f"these keys were not felt: {silent}")
        return Verdict(True, f"all {len(KeypadKey)} keys were felt")

    async def _coin(self, _seen: bool | None) -> Verdict:
        if not self._runner.facts.acceptor.working:
            return Verdict(False, "the coin acceptor does not answer")
        felt: asyncio.Queue[e.Event] = asyncio.Queue()

        def came(what: KeypadKey | e.Event) -> None:
            if isinstance(what, e.CoinInserted | e.CoinTrouble):
                felt.put_nowait(what)

        with self._overhearing(came):
            try:
                await self._devices.acceptor.accept(self._denominations)
                async with asyncio.timeout(self._wait_seconds):
                    coin = await felt.get()
            except TimeoutError:
                return Verdict(False, f"no coin was felt within {self._wait_seconds:g} s")
            except DeviceGone:
                return Verdict(False, "the coin acceptor went away")
            finally:
                await self._devices.acceptor.stop()
        if isinstance(coin, e.CoinInserted):
            return Verdict(
                True, f"a coin of {coin.yen} yen was taken; it lies in the box, entered as unclaimed"
            )
        return Verdict(False, "the acceptor is not sure about the coin; look where it lies")

    async def _hopper(self, _seen: bool | None) -> Verdict:
        levels = [self._runner.facts.hopper(hopper) for hopper in self._devices.payouts]
        silent = [str(level.hopper) for level in levels if not level.working]
        if silent:
            return Verdict(False, f"hopper {', '.join(silent)} does not answer or is faulty")
        coins = ", ".join(f"hopper {level.hopper}: {level.coins} of {level.coin_yen} yen" for level in levels)
        return Verdict(True, f"answers and passes its own check; {coins}; no coin was paid")

    async def _printer(self, _seen: bool | None) -> Verdict:
        level = await self._devices.printer.refresh()
        # A page that is just out is let go of in a moment; the test page waits for that.
        if faults := level.reasons - {PrinterReason.JOBS_WAITING}:
            return Verdict(False, ", ".join(sorted(reason.value for reason in faults)))
        certainty = await self._print_page(self._test_lines())
        if certainty is not Certainty.DONE:
            return Verdict(False, f"a test page was ordered; that it came out is {certainty.value}: look")
        low = ", ".join(sorted(supply.value for supply in level.low))
        return Verdict(True, f"a test page came out, proven; take it away{f'; low: {low}' if low else ''}")

    async def _receipt(self, _seen: bool | None) -> Verdict:
        certainty = await self._devices.receipt.print_slip(self._test_lines())
        if certainty is Certainty.DONE:
            return Verdict(True, "a test slip was printed and cut; throw it away")
        return Verdict(False, "the receipt printer did not print")

    def _test_lines(self) -> Sequence[SlipLine]:
        now = self._now().astimezone(JST)
        return (
            SlipLine("テスト印字", centred=True, scale=2),
            SlipLine("日時", f"{now:%Y-%m-%d %H:%M}"),
            SlipLine("0123456789 ABCDEFGHIJ"),
            SlipLine("これは領収書ではありません", centred=True),
        )

    async def _lamp(self, seen: bool | None) -> Verdict:
        if seen is not None:
            return Verdict(seen, f"the technician saw {'every lamp' if seen else 'a dark lamp'}")
        for place in Place:
            self._devices.panel.light(place.value)
            await asyncio.sleep(_LAMP_SECONDS)
        self._devices.panel.light(None)
        places = ", ".join(place.value for place in Place)
        return Verdict(None, f"lit in turn: {places}", "Did every lamp light?")

    async def _buzzer(self, seen: bool | None) -> Verdict:
        if seen is not None:
            return Verdict(seen, f"the technician heard {'it' if seen else 'nothing'}")
        self._devices.panel.buzz("attention")
        return Verdict(None, "sounded twice", "Did the buzzer sound?")

    async def _door(self, _seen: bool | None) -> Verdict:
        before = self._runner.facts.panel.door_open
        if not await self._becomes(lambda: self._runner.facts.panel.door_open is not before):
            return Verdict(False, f"the door's contact did not move within {self._wait_seconds:g} s")
        if not await self._becomes(lambda: self._runner.facts.panel.door_open is before):
            return Verdict(False, f"the door's contact did not come back within {self._wait_seconds:g} s")
        return Verdict(True, "the contact opened and closed")

    async def _voice(self, seen: bool | None) -> Verdict:
        if seen is not None:
            return Verdict(seen, f"the technician heard {'it' if seen else 'nothing'}")
        if fault := await self._speak():
            return Verdict(False, fault)
        return Verdict(None, "a sample was played", "Did you hear the voice?")

    async def _network(self, _seen: bool | None) -> Verdict:
        facts = self._runner.facts
        if not facts.municipality.reachable:
            return Verdict(False, "the municipality does not answer: look for municipality-gone in the log")
        if not facts.clock.trusted:
            return Verdict(False, "the municipality answers, but the clock does not agree with its time")
        return Verdict(True, "the municipality answered the last heartbeat, and its time is the clock's")

    async def _becomes(self, holds: Callable[[], bool]) -> bool:
        try:
            async with asyncio.timeout(self._wait_seconds):
                while not holds():  # noqa: ASYNC110 - levels have no event of their own
                    await asyncio.sleep(0.05)
        except TimeoutError:
            return False
        return True

    @contextmanager
    def _overhearing(self, what: Callable[[KeypadKey | e.Event], None]) -> Iterator[None]:
        self._runner.overheard = what
        try:
            yield
        finally:
            self._runner.overheard = None
