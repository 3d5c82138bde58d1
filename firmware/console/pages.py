"""The books as text on a console: plain lines of at most 80 columns, in the language of whoever asks."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

import msgspec

from firmware.console.sayings import left, right
from firmware.core.accounts import Accounts, ClosedDay, place_named, sum_yen
from firmware.core.hours import JST
from firmware.core.records import Record
from firmware.core.states import Attending
from firmware.core.totals import DayTotals
from firmware.core.updates import UpdateState, barred_by
from firmware.core.visit_log import SeenVisit
from firmware.core.wording import Say, Sentence, listed, told


def cash_page(accounts: Accounts, say: Say = str) -> Iterator[str]:
    """Where the coins lie. 現金在高"""
    totals = accounts.open_day()
    heads = (
        (told("coin"), 6),
        (told("coins"), 7),
        (told("unsure"), 8),
        (told("in"), 7),
        (told("out"), 7),
        (told("diff"), 7),
        (told("yen"), 10),
    )
    yield left(say(told("place")), 10) + "".join(right(say(head), columns) for head, columns in heads)
    for place in totals.cash:
        yield (
            f"{left(say(place_named(place.hopper)), 10)} {place.coin_yen:>5} {place.coins:>6}"
            f" {place.unsure:>7} {place.refilled:>6} {place.collected:>6} {place.difference:>+6}"
            f" {place.coins * place.coin_yen:>9}"
        )
    yield f"{left(say(told('all')), 10)} {sum_yen(totals.cash):>51}"


def days_page(accounts: Accounts, say: Say = str) -> Iterator[str]:
    """The closed days, newest last."""
    heads = ((told("issues"), 7), (told("fees"), 9), (told("claims"), 8), (told("unsure"), 7))
    yield (
        f"{left(say(told('day')), 10)} {left(say(told('closed at')), 16)}"
        f"{''.join(right(say(head), columns) for head, columns in heads)}  {say(told('municipality'))}"
    )
    for day in accounts.days.values():
        totals = day.totals
        yield (
            f"{day.business_date:<10} {_minute(day.closed_at):<16} {len(totals.issued):>6}"
            f" {totals.fees_yen:>8} {totals.claims_yen:>7} {len(totals.uncertain):>6}  {_compared(day, say)}"
        )


def day_page(day: ClosedDay, say: Say = str) -> Iterator[str]:
    """One closed day. 日計表"""
    yield say(told("day {day}, closed {closed}", day=day.business_date, closed=_minute(day.closed_at)))
    yield from _totals(day.totals, say)
    yield say(told("municipality: {compared}", compared=_compared(day, say)))
    if day.compared is not None:
        yield from (f"  {difference}" for difference in day.compared.differences)


def claims_page(accounts: Accounts, say: Say = str) -> Iterator[str]:
    """Claims by slip, oldest first. 返金引換券"""
    yield f"{left(say(told('claim')), 10)} {right(say(told('yen')), 6)}  {say(told('state'))}"
    for claim in accounts.claims.values():
        state = told("not paid") if claim.settled_by is None else told("paid by {by}", by=claim.settled_by)
        yield f"{claim.claim_no:<10} {claim.yen:>6}  {say(state)}"


def record_line(seq: int, at: str, record: Record) -> str:
    """One entry of the journal for a reader; numbers of visits and orders by their first digits."""
    fields = " ".join(
        f"{name}={_short(name, value)}"
        for name, value in msgspec.to_builtins(record).items()
        if value not in ("", None)
    )
    moment = datetime.fromisoformat(at).astimezone(JST)
    return f"{seq:>7} {moment:%m-%d %H:%M:%S} {type(record).__name__:<17} {fields}".rstrip()


def _totals(totals: DayTotals, say: Say) -> Iterator[str]:
    for sold in totals.sold:
        issues, copies, yen = (
            right(say(words), columns)
            for words, columns in (
                (told("{n} issues", n=sold.issues), 12),
                (told("{n} copies", n=sold.copies), 13),
                (told("{n} yen", n=sold.yen), 14),
            )
        )
        yield f"  {sold.kind.value:<18}{issues}{copies}{yen}"
    for label, amount in (
        (told("coins taken"), totals.taken_yen),
        (told("fees"), totals.fees_yen),
        (told("paid out"), totals.paid_out_yen),
        (told("claims"), totals.claims_yen),
        (told("unclaimed"), totals.unclaimed_yen),
        (told("claims paid here"), totals.claims_settled_yen),
        (told("cash by the books"), sum_yen(totals.cash)),
    ):
        yield f"  {left(say(label), 18)} {right(say(told('{n} yen', n=amount)), 40)}"
    yield "  " + say(
        told(
            "{visits} visits, {given_back} given back, {uncertain} uncertain,",
            visits=totals.visits,
            given_back=len(totals.given_back),
            uncertain=len(totals.uncertain),
        )
    )
    yield "  " + say(told("{times} times the acceptor was not sure", times=totals.suspects))


def _compared(day: ClosedDay, say: Say) -> str:
    if day.compared is None:
        return say(told("not answered yet"))
    if day.compared.matched:
        return say(told("agrees"))
    return say(told("{n} differences", n=len(day.compared.differences)))


def _minute(moment: str) -> str:
    return f"{datetime.fromisoformat(moment).astimezone(JST):%Y-%m-%d %H:%M}"


def _short(name: str, value: object) -> object:
    if name in {"visit", "order_id"}:
        return str(value)[:8]
    return value if not isinstance(value, list | dict) else "…"


def event_line(event: Mapping[str, object]) -> str:
    """One event of the log for a reader."""
    moment = datetime.fromisoformat(str(event["time"])).astimezone(JST)
    fields = " ".join(f"{name}={value}" for name, value in event.items() if name not in {"time", "event"})
    return f"{moment:%m-%d %H:%M:%S} {event['event']!s:<24} {fields}".rstrip()


def visits_page(visits: Sequence[SeenVisit], waiting: Attending | None, say: Say = str) -> Iterator[str]:
    """The last visits, newest last, and the one that waits for a decision."""
    yield f"{left(say(told('visit')), 9)} {left(say(told('began')), 14)} {say(told('outcome'))}"
    for one in visits:
        unsure = "  " + say(told("print not proven")) if one.unsure else ""
        found = "  " + say(told("paper was found later")) if one.found else ""
        began = f"{one.at.astimezone(JST):%m-%d %H:%M:%S}"
        yield f"{one.visit[:8]:<9} {began} {say(told(one.outcome))}{unsure}{found}"
    if waiting is not None:
        visit, sheets = waiting.visit[:8], waiting.purchase.sheets
        yield say(
            told(
                "visit {visit} waits: did {sheets} sheets come out, and who has them?",
                visit=visit,
                sheets=sheets,
            )
        )
        yield say(told("look, then: visit resolve {visit} printed|not-printed", visit=visit))


def update_line(state: UpdateState) -> Sentence:
    """The running slot, and what became of the last update. 更新"""
    if not state.standing:
        return told("this machine has no second slot: nothing can be installed here")
    runs = told(
        "slot {slot}, {version}, {standing}",
        slot=state.slot,
        version=state.version,
        standing=told(state.standing),
    )
    if state.refused:
        return told("{runs}; the last one was refused: {reason}", runs=runs, reason=told(state.refused))
    return runs


def update_page(state: UpdateState, lacks: Iterable[str] = (), say: Say = str) -> Iterator[str]:
    """What `update status` says. lacks: what keeps a system on trial from being fit."""
    yield say(update_line(state))
    if missing := sorted(lacks):
        yield say(told("not fit: {parts}", parts=listed(missing)))
    if state.other:
        yield say(told("other slot: {other}", other=told(state.other)))
    if state.wanted:
        yield say(told("last update: {version}", version=state.wanted))
    if state.barred:
        yield say(barred_by(state.barred))
