"""The books as text on a console: plain lines of at most 80 columns."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import msgspec

from firmware.core.accounts import Accounts, ClosedDay, place_name, sum_yen
from firmware.core.hours import JST
from firmware.core.records import Record
from firmware.core.states import Attending
from firmware.core.totals import DayTotals
from firmware.core.visit_log import SeenVisit


def cash_page(accounts: Accounts) -> Iterator[str]:
    """Where the coins lie. 現金在高"""
    totals = accounts.open_day()
    yield f"{'place':<10} {'coin':>5} {'coins':>6} {'unsure':>7} {'in':>6} {'out':>6} {'diff':>6} {'yen':>9}"
    for place in totals.cash:
        yield (
            f"{place_name(place.hopper):<10} {place.coin_yen:>5} {place.coins:>6} {place.unsure:>7}"
            f" {place.refilled:>6} {place.collected:>6} {place.difference:>+6}"
            f" {place.coins * place.coin_yen:>9}"
        )
    yield f"{'all':<10} {sum_yen(totals.cash):>51}"


def days_page(accounts: Accounts) -> Iterator[str]:
    """The closed days, newest last."""
    yield f"{'day':<10} {'closed':<16} {'issues':>6} {'fees':>8} {'claims':>7} {'unsure':>6}  municipality"
    for day in accounts.days.values():
        totals = day.totals
        yield (
            f"{day.business_date:<10} {_minute(day.closed_at):<16} {len(totals.issued):>6}"
            f" {totals.fees_yen:>8} {totals.claims_yen:>7} {len(totals.uncertain):>6}  {_compared(day)}"
        )


def day_page(day: ClosedDay) -> Iterator[str]:
    """One closed day. 日計表"""
    yield f"day {day.business_date}, closed {_minute(day.closed_at)}"
    yield from _totals(day.totals)
    yield f"municipality: {_compared(day)}"
    if day.compared is not None:
        yield from (f"  {difference}" for difference in day.compared.differences)


def claims_page(accounts: Accounts) -> Iterator[str]:
    """Claims by slip, oldest first. 返金引換券"""
    yield f"{'claim':<10} {'yen':>6}  state"
    for claim in accounts.claims.values():
        state = "open" if claim.settled_by is None else f"paid by {claim.settled_by}"
        yield f"{claim.claim_no:<10} {claim.yen:>6}  {state}"


def record_line(seq: int, at: str, record: Record) -> str:
    """One entry of the journal for a reader; numbers of visits and orders by their first digits."""
    fields = " ".join(
        f"{name}={_short(name, value)}"
        for name, value in msgspec.to_builtins(record).items()
        if value not in ("", None)
    )
    moment = datetime.fromisoformat(at).astimezone(JST)
    return f"{seq:>7} {moment:%m-%d %H:%M:%S} {type(record).__name__:<17} {fields}".rstrip()


def _totals(totals: DayTotals) -> Iterator[str]:
    for sold in totals.sold:
        yield f"  {sold.kind.value:<18} {sold.issues:>5} issues {sold.copies:>5} copies {sold.yen:>9} yen"
    for label, yen in (
        ("coins taken", totals.taken_yen),
        ("fees", totals.fees_yen),
        ("paid out", totals.paid_out_yen),
        ("claims", totals.claims_yen),
        ("unclaimed", totals.unclaimed_yen),
        ("claims paid here", totals.claims_settled_yen),
        ("cash by the books", sum_yen(totals.cash)),
    ):
        yield f"  {label:<18} {yen:>36} yen"
    yield f"  {totals.visits} visits, {len(totals.given_back)} given back, {len(totals.uncertain)} uncertain,"
    yield f"  {totals.suspects} times the acceptor was not sure"


def _compared(day: ClosedDay) -> str:
    if day.compared is None:
        return "not answered yet"
    return "agrees" if day.compared.matched else f"{len(day.compared.differences)} differences"


def _minute(moment: str) -> str:
    return f"{datetime.fromisoformat(moment).astimezone(JST):%Y-%m-%d %H:%M}"


def _short(name: str, value: object) -> object:
    if name in {"visit", "order_id"}:
        return str(value)[:8]
    return value if not isinstance(value, list | dict) else "…"


def event_line(said: Mapping[str, object]) -> str:
    """One event of the log for a reader."""
    moment = datetime.fromisoformat(str(said["time"])).astimezone(JST)
    fields = " ".join(f"{name}={value}" for name, value in said.items() if name not in {"time", "event"})
    return f"{moment:%m-%d %H:%M:%S} {said['event']!s:<24} {fields}".rstrip()


def visits_page(visits: Sequence[SeenVisit], waiting: Attending | None) -> Iterator[str]:
    """The last visits, newest last, and the one that waits for a decision."""
    yield f"{'visit':<9} {'began':<14} outcome"
    for one in visits:
        unsure = "  print not proven" if one.unsure else ""
        yield f"{one.visit[:8]:<9} {one.at.astimezone(JST):%m-%d %H:%M:%S} {one.outcome}{unsure}"
    if waiting is not None:
        purchase = waiting.purchase
        yield f"visit {waiting.visit[:8]} waits: did {purchase.sheets} sheets come out, and who has them?"
        yield f"look, then: visit resolve {waiting.visit[:8]} printed|not-printed"
