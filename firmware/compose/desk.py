"""What staff ask over the console, carried out on the running kiosk."""

from collections.abc import Callable, Sequence
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
from firmware.core.accounts import ClosedDay, place_name
from firmware.core.terms import Certainty
from firmware.errors import OfficeRefused
from firmware.ports import ReceiptPrinter, SlipLine
from firmware.shell.office import Office

DaySlip = Callable[[ClosedDay], Sequence[SlipLine]]
"""A day -> the lines of its 日計表."""


class StaffDesk:
    """One request at a time becomes one sentence; see firmware.console.server.Act."""

    def __init__(
        self,
        *,
        office: Office,
        receipt: ReceiptPrinter,
        day_slip: DaySlip,
        self_test: Callable[[], Sequence[SlipLine]],
    ) -> None:
        self._office = office
        self._receipt = receipt
        self._day_slip = day_slip
        self._self_test = self_test

    async def act(self, request: BookRequest, who: str) -> str:
        """Raises OfficeRefused."""
        office = self._office
        match request:
            case Refill(hopper=hopper, coins=coins):
                await office.refill(hopper, coins, who)
                return f"{coins} coins into hopper {hopper}"
            case Collect(hopper=hopper, coin_yen=coin_yen, coins=coins):
                await office.collect(hopper, coin_yen, coins, who)
                return f"{coins} coins of {coin_yen} yen out of the {place_name(hopper)}"
            case Count(hopper=hopper, coin_yen=coin_yen, coins=coins):
                difference = await office.count(hopper, coin_yen, coins, who)
                return (
                    f"{coins} coins of {coin_yen} yen in the {place_name(hopper)}: {_difference(difference)}"
                )
            case CloseDay():
                return f"{await office.close_day()} is closed"
            case PrintDay(business_date=business_date):
                return await self._print_day(business_date)
            case PrintSelfTest():
                await self._print(self._self_test())
                return "the self-test is printed"
            case AskClaim(claim_no=claim_no):
                return await self._ask_claim(claim_no)
            case SettleClaim(claim_no=claim_no):
                claim = await office.settle_claim(claim_no, who)
                return f"claim {claim_no} is settled: pay {claim.yen} yen"
            case _:
                assert_never(request)

    async def _print_day(self, business_date: str) -> str:
        day = find_day(self._office.accounts.days, business_date)
        await self._print(self._day_slip(day))
        return f"{business_date} is printed"

    async def _print(self, lines: Sequence[SlipLine]) -> None:
        if not self._office.resting():
            raise OfficeRefused("a visit is under way: say it again when it has ended")
        if await self._receipt.print_slip(lines) is not Certainty.DONE:
            raise OfficeRefused("the receipt printer did not print it")

    async def _ask_claim(self, claim_no: str) -> str:
        state = await self._office.look_up_claim(claim_no)
        paid = "not paid yet" if state.settled_by is None else f"paid by {state.settled_by}"
        return f"claim {state.claim_no}: {state.yen} yen, {paid}"


def find_day(days: dict[str, ClosedDay], business_date: str) -> ClosedDay:
    """The closed day of this date. Raises OfficeRefused."""
    try:
        wanted = date.fromisoformat(business_date).isoformat()
    except ValueError:
        raise OfficeRefused("a day is written YYYY-MM-DD") from None
    if wanted not in days:
        raise OfficeRefused(f"no day {wanted} is closed")
    return days[wanted]


def _difference(coins: int) -> str:
    if coins == 0:
        return "as the books say"
    return f"{abs(coins)} {'more' if coins > 0 else 'fewer'} than the books said"
