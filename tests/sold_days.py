"""Records of a kiosk that sells day after day, as its journal has them; nobody in them is anybody."""

from collections.abc import Iterator
from datetime import date, timedelta

from firmware.core import records as r
from firmware.core.accounts import Accounts
from firmware.core.states import Slip
from firmware.core.terms import Certainty, CertificateKind, OrderId, VisitId

FIRST_DAY = date(2026, 4, 1)
HOPPER = 3
ENTRIES_A_VISIT = 17
ENTRIES_A_DAY = 4
"""Beside those of its visits."""


def sold_days(days: int, visits_a_day: int) -> Iterator[r.Record]:
    """So many business days, each closed, told and agreed; a kiosk starts every morning."""
    accounts = Accounts()

    def entered(record: r.Record) -> r.Record:
        accounts.enter(record)
        return record

    yield entered(r.CoinsRefilled(HOPPER, 100, 200, "commissioning"))
    for number in range(days):
        day = (FIRST_DAY + timedelta(days=number)).isoformat()
        closed_at = f"{day}T23:00:00.000+09:00"
        yield entered(r.DaemonStarted("0.1.0"))
        for visit in range(number * visits_a_day, (number + 1) * visits_a_day):
            yield from map(entered, sold(visit))
        yield entered(r.DayClosed(day, closed_at))
        yield entered(r.DaySettled(day, closed_at, accounts.days[day].totals))
        yield entered(r.DayCompared(day, matched=True, differences=()))


def sold(number: int) -> tuple[r.Record, ...]:
    """A visit that pays 300 yen in coins of 100 and takes one certificate."""
    visit, counter = visit_id(number), 3 * number
    order = OrderId(f"{visit}-1")
    coins = (r.CoinTaken(visit, 100, 123456, (counter + coin) % 255 + 1, "0301") for coin in range(3))
    return (
        r.VisitBegan(visit),
        r.PersonAuthenticated(visit),
        r.OrderAsked(visit, order, CertificateKind.JUMINHYO, 1),
        r.OrderReserved(visit, order, 300, 1, 2, "0" * 64),
        r.SlotOpened(visit, 123456, counter % 255 + 1, "0301"),
        *coins,
        r.SlotShut(visit, 123456, (counter + 3) % 255 + 1, "0301"),
        r.IssueIntended(visit, order, 300),
        r.IssueCommitted(visit, order, f"R-2026-{number:06}"),
        r.PrintIntended(visit, order, f"cert-{visit[-8:]}", 2),
        r.PrintEnded(visit, order, Certainty.DONE, 2),
        r.MunicipalityTold(order, "result", accepted=True),
        r.FeeEarned(visit, order, 300),
        r.SlipEnded(visit, Slip.RECEIPT, Certainty.DONE),
        r.VisitEnded(visit, None),
    )


def visit_id(number: int) -> VisitId:
    """Another for each."""
    return VisitId(f"{number:032x}")
