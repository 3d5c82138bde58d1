"""A technician's tests: each ends fit or unfit, with a reason. No PIN is asked for."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime

from firmware.core import events as e
from firmware.core import records as r
from firmware.core.facts import HopperLevel
from firmware.core.hours import JST
from firmware.core.screens import Place
from firmware.core.states import NotServing
from firmware.core.terms import Certainty, KeypadKey, PrinterReason, VisitId, Yen
from firmware.core.wording import Sentence, listed, told
from firmware.errors import CardGone, CardUnusable, DeviceGone, OfficeRefused
from firmware.ports import SlipLine
from firmware.shell.devices import Devices
from firmware.shell.runner import Runner

_LAMP_SECONDS = 0.6


@dataclass(frozen=True, slots=True)
class Verdict:
    """fit: None while only the technician can tell; then question asks for it."""

    fit: bool | None
    reason: Sentence
    question: Sentence | None = None


class Fitness:
    """Tests the running kiosk's devices while it serves nobody.

    wait_seconds: for a card, keys, a coin or the door. denominations: the coins taken. now: aware.
    print_page: prints lines on a sheet of A4 and says whether that is proven. speak: plays a sample of the
    voice; why it could not, None if it could. keep_on: maintenance lasts as long as this. coins: how many of
    this value lie in a hopper by the books. pay: pays one coin of a hopper to whoever tests. write: commits
    records.
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
        speak: Callable[[], Awaitable[Sentence | None]],
        keep_on: Callable[[], AbstractContextManager[None]],
        coins: Callable[[int, Yen], int],
        pay: Callable[[int, str], Awaitable[Certainty]],
        write: Callable[[Sequence[r.Record]], Awaitable[None]],
    ) -> None:
        self._devices = devices
        self._runner = runner
        self._denominations = denominations
        self._now = now
        self._wait_seconds = wait_seconds
        self._print_page = print_page
        self._speak = speak
        self._keep_on = keep_on
        self._coins = coins
        self._pay = pay
        self._write = write
        self._by = ""
        self._one = asyncio.Lock()

    @property
    def busy(self) -> bool:
        """Whether a test is running."""
        return self._one.locked()

    async def test(self, part: str, seen: bool | None, by: str = "") -> Verdict:
        """Test one part. seen: the technician's answer to the question of an earlier verdict. by: who tests.

        Raises OfficeRefused during a visit, for an unknown part, or while another test runs.
        """
        test = getattr(self, f"_{part}", None)
        if test is None:
            raise OfficeRefused("there is no part {part}", part=part)
        self._must_not_serve()
        if self._one.locked():
            raise OfficeRefused("another test is running")
        async with self._one:
            with self._keep_on():
                self._by = by
                verdict: Verdict = await test(seen)
        return verdict

    def _must_not_serve(self) -> None:
        if not isinstance(self._runner.state, NotServing) or not self._runner.facts.maintenance.on:
            raise OfficeRefused(
                "maintenance is off or a visit is under way: maintenance on, and say it again"
            )

    async def _card(self, _seen: bool | None) -> Verdict:
        if not self._runner.facts.reader.working:
            return Verdict(False, told("no card reader answers"))
        if not await self._becomes(lambda: self._runner.facts.reader.card_present):
            return Verdict(False, told("no card was seen within {seconds:g} s", seconds=self._wait_seconds))
        try:
            reading = await self._devices.card.read()
            await self._devices.card.release(reading)
        except CardUnusable as error:
            return Verdict(
                True,
                told(
                    "a card was read that cannot be used here: {refusal}", refusal=told(error.refusal.value)
                ),
            )
        except (CardGone, DeviceGone) as error:
            return Verdict(False, told("the card could not be read: {error}", error=type(error).__name__))
        return Verdict(
            True,
            told("a My Number Card was read, {tries} tries left; take it away", tries=reading.tries_left),
        )

    async def _keypad(self, _seen: bool | None) -> Verdict:
        if not self._runner.facts.keypad.working:
            return Verdict(False, told("the keypad is not watched"))
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
                silent = listed(sorted(key.value for key in missing))
                return Verdict(False, told("these keys were not felt: {keys}", keys=silent))
        return Verdict(True, told("all {keys} keys were felt", keys=len(KeypadKey)))

    async def _coin(self, _seen: bool | None) -> Verdict:
        if not self._runner.facts.acceptor.working:
            return Verdict(False, told("the coin acceptor does not answer"))
        # No SlotShut is written here: it could come before the coin, which the runner writes down.
        # One that the keeper of the slot has already told comes before the record of the opening.
        await self._runner.caught_up()
        if (mark := self._devices.acceptor.mark) is not None:
            await self._write((r.SlotOpened(VisitId(""), mark.serial, mark.counter, mark.pairs),))
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
                return Verdict(
                    False, told("no coin was felt within {seconds:g} s", seconds=self._wait_seconds)
                )
            except DeviceGone:
                return Verdict(False, told("the coin acceptor went away"))
            finally:
                await self._devices.acceptor.stop()
        if isinstance(coin, e.CoinInserted):
            taken = told(
                "a coin of {yen} yen was taken; it lies in the box, entered as unclaimed", yen=coin.yen
            )
            return Verdict(True, taken)
        return Verdict(False, told("the acceptor is not sure about the coin; look where it lies"))

    async def _hopper(self, _seen: bool | None) -> Verdict:
        """Each pays one coin, which the books know before it moves.

        A coin of a visit that leaves meanwhile would be taken for it, so that none is under way.
        """
        levels = [self._runner.facts.hopper(hopper) for hopper in self._devices.payouts]
        silent = [str(level.hopper) for level in levels if not level.working]
        if silent:
            return Verdict(
                False, told("hopper {hopper} does not answer or is faulty", hopper=", ".join(silent))
            )
        for level in levels:
            self._must_hold_coins(level)
        for level in levels:
            self._must_not_serve()
            self._must_hold_coins(level)
            certainty = await self._pay(level.hopper, self._by)
            if certainty is Certainty.NOT_DONE:
                return Verdict(
                    False, told("hopper {hopper}: no coin came; empty or jammed", hopper=level.hopper)
                )
            if certainty is Certainty.UNKNOWN:
                unsure = told(
                    "hopper {hopper}: nobody knows whether a coin came; count it", hopper=level.hopper
                )
                return Verdict(False, unsure)
        if not await self._becomes(lambda: self._runner.facts.panel.change_in_cup):
            return Verdict(False, told("a coin was paid, but the sensor of the cup does not see it"))
        return Verdict(
            True,
            told(
                "each hopper paid one coin, booked as taken out by you; take it from the cup,"
                " and enter it by `cash refill` if you put it back"
            ),
        )

    def _must_hold_coins(self, level: HopperLevel) -> None:
        if self._coins(level.hopper, level.coin_yen) <= 0:
            raise OfficeRefused(
                "by the books no coin lies in hopper {hopper}: enter the coins first", hopper=level.hopper
            )

    async def _printer(self, _seen: bool | None) -> Verdict:
        level = await self._devices.printer.refresh()
        # A page that is just out is let go of in a moment; the test page waits for that.
        if faults := level.reasons - {PrinterReason.JOBS_WAITING}:
            return Verdict(False, told("{faults}", faults=listed(sorted(reason.value for reason in faults))))
        certainty = await self._print_page(self._test_lines())
        if certainty is not Certainty.DONE:
            ordered = told(
                "a test page was ordered; that it came out is {how}: look", how=told(certainty.value)
            )
            return Verdict(False, ordered)
        if level.low:
            low = listed(sorted(supply.value for supply in level.low))
            return Verdict(True, told("a test page came out, proven; take it away; low: {low}", low=low))
        return Verdict(True, told("a test page came out, proven; take it away"))

    async def _receipt(self, _seen: bool | None) -> Verdict:
        certainty = await self._devices.receipt.print_slip(self._test_lines())
        if certainty is Certainty.DONE:
            return Verdict(True, told("a test slip was printed and cut; throw it away"))
        return Verdict(False, told("the receipt printer did not print"))

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
            lit = told("the technician saw every lamp") if seen else told("the technician saw a dark lamp")
            return Verdict(seen, lit)
        for place in Place:
            self._devices.panel.light(place.value)
            await asyncio.sleep(_LAMP_SECONDS)
        self._devices.panel.light(None)
        places = listed([place.value for place in Place])
        return Verdict(None, told("lit in turn: {places}", places=places), told("Did every lamp light?"))

    async def _buzzer(self, seen: bool | None) -> Verdict:
        if seen is not None:
            return _heard(seen)
        self._devices.panel.buzz("attention")
        return Verdict(None, told("sounded twice"), told("Did the buzzer sound?"))

    async def _door(self, _seen: bool | None) -> Verdict:
        before = self._runner.facts.panel.door_open
        if not await self._becomes(lambda: self._runner.facts.panel.door_open is not before):
            still = told("the door's contact did not move within {seconds:g} s", seconds=self._wait_seconds)
            return Verdict(False, still)
        if not await self._becomes(lambda: self._runner.facts.panel.door_open is before):
            away = told(
                "the door's contact did not come back within {seconds:g} s", seconds=self._wait_seconds
            )
            return Verdict(False, away)
        return Verdict(True, told("the contact opened and closed"))

    async def _voice(self, seen: bool | None) -> Verdict:
        if seen is not None:
            return _heard(seen)
        if fault := await self._speak():
            return Verdict(False, fault)
        return Verdict(None, told("a sample was played"), told("Did you hear the voice?"))

    async def _network(self, _seen: bool | None) -> Verdict:
        facts = self._runner.facts
        if not facts.municipality.reachable:
            return Verdict(False, told("the municipality does not answer: logs municipality-gone"))
        if not facts.clock.trusted:
            return Verdict(
                False, told("the municipality answers, but the clock does not agree with its time")
            )
        return Verdict(
            True, told("the municipality answered the last heartbeat, and its time is the clock's")
        )

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


def _heard(seen: bool) -> Verdict:
    return Verdict(seen, told("the technician heard it") if seen else told("the technician heard nothing"))
