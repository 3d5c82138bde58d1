"""Three counts of one visit's money and paper, each made by somebody else, that must agree to the yen.

The kiosk's journal (folded here anew, not with the kiosk's own code), the coin machine's and the printer's
own counts, and the municipality's orders.
"""

import asyncio
import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from tests.municipality.orders import Order
from tests.simulators.world import World

AGREE_SECONDS = 60.0
SLIP = "slip-"
"""A job that is a receipt or a claim slip on the A4 printer."""


@dataclass(frozen=True, slots=True)
class Coins:
    """What is not counted to the yen, as it stood when the books last agreed; doubt of then excuses nothing
    that happens later.

    uncredited_yen, suspected: coins without credit, and entries that say so. paid_coins: by the hopper;
    surely, unsure: entries of coins paid, and of coins that may have been.
    """

    uncredited_yen: int = 0
    suspected: int = 0
    paid_coins: int = 0
    surely: int = 0
    unsure: int = 0


_agreed: WeakKeyDictionary[World, Coins] = WeakKeyDictionary()


@dataclass(slots=True)
class Visit:
    """What the journal says of one visit, in yen.

    complains_of: the order sold before whose print staff looked at; a fee given back counts below zero here.
    reprints: outcome by job name. printers_off, papers_found: how often staff said that the dead printer is
    off, and a page of it was found later.
    """

    order_id: str = ""
    job_name: str = ""
    pages: int = 0
    taken: int = 0
    earned: int = 0
    paid_out: int = 0
    owed: int = 0
    issue_intended: bool = False
    refund: tuple[int, int] | None = None
    complains_of: str = ""
    admitted: int = 0
    destroyed: int = 0
    printers_off: int = 0
    papers_found: int = 0
    reprints: dict[str, str] = field(default_factory=dict)
    print_outcomes: list[str] = field(default_factory=list)
    staff: list[bool] = field(default_factory=list)
    slips: list[tuple[str, str]] = field(default_factory=list)
    ended: int = 0
    reason: str | None = None

    @property
    def balance(self) -> int:
        """Yen that nobody owns."""
        return self.taken - self.earned - self.paid_out - self.owed


@dataclass(slots=True)
class Books:
    """The journal, folded. told: the municipality's answers by order and subject.

    compared: what differs, by day. returned: by order, the visit in which its fee was given back.
    staff_refused: wrong staff codes. trial_coins: paid to a technician who tested the hopper.
    """

    visits: dict[str, Visit] = field(default_factory=lambda: defaultdict(Visit))
    unclaimed: int = 0
    suspected: int = 0
    unsure_payouts: int = 0
    trial_coins: int = 0
    compared: list[str] = field(default_factory=list)
    returned: dict[str, Visit] = field(default_factory=dict)
    staff_refused: int = 0
    told: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def last(self) -> Visit:
        """The latest visit."""
        return list(self.visits.values())[-1]

    def total(self, name: str) -> int:
        """Sum of one column of all visits."""
        return sum(getattr(visit, name) for visit in self.visits.values())


def fold(lines: list[str]) -> Books:
    """Journal lines, as `madoguchi journal` prints them."""
    books = Books()
    for line in lines:
        _enter(books, json.loads(line))
    return books


def _enter(books: Books, entry: dict[str, Any]) -> None:  # noqa: C901, PLR0912, PLR0915 - a line each
    visit = books.visits[entry["visit"]] if entry.get("visit") else Visit()
    match entry["record"]:
        case "OrderAsked":
            visit.order_id = entry["order_id"]
        case "OrderReserved":
            visit.pages = entry["pages"]
        case "CoinTaken":
            visit.taken += entry["yen"]
        case "CoinUnclaimed":
            books.unclaimed += entry["yen"]
        case "CoinsSuspected":
            books.suspected += 1
        case "IssueIntended":
            visit.issue_intended = True
        case "PrintIntended" if visit.destroyed:
            visit.reprints[entry["job_name"]] = ""
        case "PrintEnded" if visit.reprints:
            visit.reprints[list(visit.reprints)[-1]] = entry["certainty"]
        case "PrintIntended":
            visit.job_name = entry["job_name"]
        case "PrintEnded":
            visit.print_outcomes.append(entry["certainty"])
        case "StaffRefused":
            books.staff_refused += 1
        case "StaffAdmitted":
            visit.admitted += 1
        case "DefectOpened":
            visit.complains_of, visit.pages = entry["order_id"], entry["pages"]
        case "SheetsDestroyed":
            visit.destroyed += 1
        case "PrinterOff":
            visit.printers_off += 1
        case "PaperFound":
            visit.papers_found += 1
        case "FeeReturned":
            visit.earned -= entry["yen"]
            books.returned[entry["order_id"]] = visit
        case "StaffDecided":
            visit.staff.append(entry["printed"])
        case "FeeEarned":
            visit.earned += entry["yen"]
        case "CoinPayEnded" if entry["certainty"] == "done":
            visit.paid_out += entry["yen"]
        case "CoinPayEnded" | "TrialCoinEnded" if entry["certainty"] == "unknown":
            books.unsure_payouts += 1
        case "TrialCoinEnded" if entry["certainty"] == "done":
            books.trial_coins += 1
        case "ClaimOpened":
            visit.owed += entry["yen"]
        case "PayoutEnded" if entry["purpose"] == "refund":
            visit.refund = entry["back_yen"], entry["owed_yen"]
        case "SlipEnded":
            visit.slips.append((entry["slip"], entry["certainty"]))
        case "VisitEnded":
            visit.ended += 1
            visit.reason = entry["reason"]
        case "DayCompared":
            books.compared.append(" ".join(entry["differences"]))
        case "MunicipalityTold":
            books.told[entry["order_id"], entry["subject"]] += 1
        case _:
            pass


async def read_books(world: World) -> Books:
    """The kiosk's journal, checked by the kiosk's own command first."""
    status, lines, complaints = await world.journal_lines()
    assert (0, "") == (status, complaints), complaints
    return fold(lines)


def glanced_books(world: World) -> Books:
    """The journal's rows as they lie in the file, unchecked: many times quicker than the kiosk's command."""
    with closing(
        sqlite3.connect(f"{(world.directory / 'journal.db').as_uri()}?mode=ro", uri=True)
    ) as journal:
        rows = journal.execute("SELECT record, fields FROM entries ORDER BY seq").fetchall()
    return fold([json.dumps({"record": record, **json.loads(fields)}) for record, fields in rows])


async def agreed_books(world: World, *, at_a_glance: bool = False, seconds: float = AGREE_SECONDS) -> Books:
    """Wait until the municipality has been told everything, then hold all counts against each other."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        books = glanced_books(world) if at_a_glance else await read_books(world)
        orders = await world.municipality.orders()
        found = [*_open_visits(books), *_coins(world, books), *_paper(world, books), *_orders(books, orders)]
        if not found:
            _agreed[world] = _counted(world, books)
            return books
        assert asyncio.get_running_loop().time() < deadline, found
        await asyncio.sleep(0.05)


def _open_visits(books: Books) -> Iterator[str]:
    for name, visit in books.visits.items():
        if visit.ended != 1:
            yield f"visit {name[:8]} ended {visit.ended} times"
        if visit.balance:
            yield f"visit {name[:8]}: nobody owns {visit.balance} yen"


def _coins(world: World, books: Books) -> Iterator[str]:
    """Every coin in the cash box is in the books, and every coin out of the hopper."""
    written = books.total("taken") + books.unclaimed
    found = world.coins.cash_box_yen - world.coins.uncredited_yen
    if written != found:
        yield f"the journal took {written} yen, the cash box {found}"
    now, before = _counted(world, books), _agreed.get(world, Coins())
    if now.uncredited_yen > before.uncredited_yen and now.suspected == before.suspected:
        yield "coins without credit are in no book"
    if not world.coins.is_at_rest:
        yield "the hopper still turns"
    surely = now.surely - before.surely
    at_most = surely + now.unsure - before.unsure
    if not surely <= now.paid_coins - before.paid_coins <= at_most:
        yield f"the journal paid {surely} to {at_most} coins, the hopper {now.paid_coins - before.paid_coins}"


def _counted(world: World, books: Books) -> Coins:
    return Coins(
        world.coins.uncredited_yen,
        books.suspected,
        world.coins.paid_coins,
        books.total("paid_out") // 100 + books.trial_coins,
        books.unsure_payouts,
    )


def _paper(world: World, books: Books) -> Iterator[str]:
    """Each job came to the printer once at most; what is earned is on paper or staff have said so."""
    jobs = Counter(job.name for job in world.printer.jobs())
    pages_out = {job.name: job.pages_out for job in world.printer.jobs()}
    yield from (f"job {name} was printed {times} times" for name, times in jobs.items() if times > 1)
    known = {visit.job_name: visit for visit in books.visits.values() if visit.job_name}
    again = {name: (visit, end) for visit in books.visits.values() for name, end in visit.reprints.items()}
    strange = jobs.keys() - known.keys() - again.keys()
    yield from (f"nobody intended job {name}" for name in strange if name[:5] != SLIP)
    for name, (visit, outcome) in again.items():
        if not visit.admitted or not visit.destroyed:
            yield f"job {name}: nobody let it be printed again"
        surely = {"done": visit.pages, "not_done": 0}.get(outcome)
        if surely is not None and pages_out.get(name, 0) != surely:
            yield f"job {name}: {pages_out.get(name, 0)} of {visit.pages} pages, the journal says {outcome}"
    for name, visit in known.items():
        came_out = pages_out.get(name, 0) == visit.pages
        if not visit.staff and not visit.reprints and came_out is not bool(visit.earned):
            yield f"job {name}: {pages_out.get(name, 0)} of {visit.pages} pages for {visit.earned} yen"


def _orders(books: Books, orders: list[Order]) -> Iterator[str]:
    kept = {order.order_id: order for order in orders}
    for visit in books.visits.values():
        if visit.order_id in kept:
            yield from _order(visit, kept.pop(visit.order_id), books.returned.get(visit.order_id))
        elif visit.earned > 0 or visit.issue_intended:
            yield f"order {visit.order_id} is not known to the municipality"
    yield from (f"order {order_id} is not in the journal" for order_id in kept)
    issued = sum(order.total_yen for order in orders if order.state == "ISSUED")
    if issued != books.total("earned"):
        yield f"the municipality issued for {issued} yen, the kiosk earned {books.total('earned')}"


def _order(visit: Visit, order: Order, returned: Visit | None) -> Iterator[str]:
    if returned is not None:
        if (order.state, (order.refunded_yen, order.owed_yen)) != ("REFUNDED", returned.refund):
            yield f"order {order.order_id} is {order.state}, its fee was given back"
        return
    if visit.earned:
        wanted = {"ISSUED"}
    elif visit.refund is not None and visit.issue_intended:
        wanted = {"REFUNDED", "CANCELLED"}
    else:
        wanted = {"RESERVED", "CANCELLED", "EXPIRED"}
    if order.state not in wanted:
        yield f"order {order.order_id} is {order.state}, expected {wanted}"
    if order.state == "ISSUED" and (order.total_yen, order.paid_yen) != (visit.earned, visit.earned):
        yield f"order {order.order_id}: {order.paid_yen} of {order.total_yen} yen, earned {visit.earned}"
    if visit.refund is not None and visit.issue_intended and not visit.earned:
        told = order.refunded_yen, order.owed_yen
        if told != visit.refund:
            yield f"order {order.order_id}: refund {told}, the journal says {visit.refund}"
