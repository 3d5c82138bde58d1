"""What staff ask over the console, carried out on the running kiosk."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from datetime import date
from typing import assert_never

from firmware.console.wire import (
    AskClaim,
    BookRequest,
    CloseDay,
    Collect,
    Count,
    PrintDay,
    PrintSelfTest,
    Refill,
    SettleClaim,
)
from firmware.core.accounts import ClosedDay, place_named
from firmware.core.terms import Certainty
from firmware.core.wording import Sentence, told
from firmware.errors import OfficeRefused
from firmware.ports import ReceiptPrinter, SlipLine
from firmware.shell.office import Office

DaySlip = Callable[[ClosedDay], Sequence[SlipLine]]
"""A day -> the lines of its 日計表."""


class StaffDesk:
    """One request at a time becomes one sentence; see firmware.console.server.Act.

    keep_on: maintenance lasts as long as this. caught_up: waits until the engine knows what was reported.
    held: whether maintenance keeps the kiosk out of service, and no visit is under way.
    """

    def __init__(
        self,
        *,
        office: Office,
        receipt: ReceiptPrinter,
        day_slip: DaySlip,
        self_test: Callable[[], Sequence[SlipLine]],
        keep_on: Callable[[], AbstractContextManager[None]],
        caught_up: Callable[[], Awaitable[None]],
        held: Callable[[], bool],
    ) -> None:
        self._office = office
        self._receipt = receipt
        self._day_slip = day_slip
        self._self_test = self_test
        self._keep_on, self._caught_up, self._held = keep_on, caught_up, held

    async def act(self, request: BookRequest, who: str) -> Sentence:
        """Raises OfficeRefused."""
        office = self._office
        match request:
            case Refill(hopper=hopper, coins=coins):
                await office.refill(hopper, coins, who)
                return told("{coins} coins into hopper {hopper}", coins=coins, hopper=hopper)
            case Collect(hopper=hopper, coin_yen=coin_yen, coins=coins):
                await office.collect(hopper, coin_yen, coins, who)
                return told(
                    "{coins} coins of {yen} yen out of the {place}",
                    coins=coins,
                    yen=coin_yen,
                    place=place_named(hopper),
                )
            case Count(hopper=hopper, coin_yen=coin_yen, coins=coins):
                difference = await office.count(hopper, coin_yen, coins, who)
                return told(
                    "{coins} coins of {yen} yen in the {place}: {difference}",
                    coins=coins,
                    yen=coin_yen,
                    place=place_named(hopper),
                    difference=_difference(difference),
                )
            case CloseDay():
                return told("{day} is closed", day=await office.close_day())
            case PrintDay(business_date=business_date):
                return await self._print_day(business_date)
            case PrintSelfTest():
                await self._print(self._self_test())
                return told("the self-test is printed")
            case AskClaim(claim_no=claim_no):
                return await self._ask_claim(claim_no)
            case SettleClaim(claim_no=claim_no):
                claim = await office.settle_claim(claim_no, who)
                return told("claim {claim} is settled: pay {yen} yen", claim=claim_no, yen=claim.yen)
            case _:
                assert_never(request)

    async def _print_day(self, business_date: str) -> Sentence:
        day = find_day(self._office.accounts.days, business_date)
        await self._print(self._day_slip(day))
        return told("{day} is printed", day=business_date)

    async def _print(self, lines: Sequence[SlipLine]) -> None:
        """No visit begins before the slip has ended: it may come out of the certificates' printer."""
        if not self._office.resting():
            raise OfficeRefused("a visit is under way: say it again when it has ended")
        with self._keep_on():
            await self._caught_up()
            if not self._held():
                raise OfficeRefused("a visit is under way: say it again when it has ended")
            certainty = await self._receipt.print_slip(lines)
        if certainty is not Certainty.DONE:
            raise OfficeRefused("the receipt printer did not print it")

    async def _ask_claim(self, claim_no: str) -> Sentence:
        state = await self._office.look_up_claim(claim_no)
        paid = told("paid by {by}", by=state.settled_by) if state.settled_by else told("not paid yet")
        return told("claim {claim}: {yen} yen, {paid}", claim=state.claim_no, yen=state.yen, paid=paid)


def find_day(days: dict[str, ClosedDay], business_date: str) -> ClosedDay:
    """The closed day of this date. Raises OfficeRefused."""
    try:
        wanted = date.fromisoformat(business_date).isoformat()
    except ValueError:
        raise OfficeRefused("a day is written YYYY-MM-DD") from None
    if wanted not in days:
        raise OfficeRefused("no day {day} is closed", day=wanted)
    return days[wanted]


def _difference(coins: int) -> Sentence:
    if coins == 0:
        return told("as the books say")
    if coins > 0:
        return told("{coins} more than the books said", coins=coins)
    return told("{coins} fewer than the books said", coins=-coins)
