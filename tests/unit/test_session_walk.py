"""The exhaustive walk: every reachable state under every event the world can send.

The world here is a small model of its own: it knows which orders are under way, what lies on the
reader and how many coins a person still throws in, and offers each event that can come next. The
walk visits every node once and checks the invariants on every edge; power is cut after every edge.
"""

import dataclasses
import functools
import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import pytest

from firmware.core import events as e
from firmware.core import orders as o
from firmware.core import records as r
from firmware.core import states as s
from firmware.core.facts import (
    AcceptorLevel,
    ClockLevel,
    DocumentPrinterLevel,
    Facts,
    HopperLevel,
    KeypadLevel,
    MunicipalityLevel,
    PanelLevel,
    ReaderLevel,
    ReceiptPrinterLevel,
    StaffLevel,
)
from firmware.core.money import Ledger, ledger
from firmware.core.recovery import OpenVisit, open_visit, recover
from firmware.core.rules import WITHDRAWN_CODES, Rules
from firmware.core.session import bound, settle, step
from firmware.core.steps import Step
from firmware.core.storyboard import screen_of
from firmware.core.telling import Tell, Telling
from firmware.core.terms import (
    CardRefusal,
    Certainty,
    CertificateKind,
    KeypadKey,
    Language,
    Member,
    MemberRole,
    Offer,
    OrderId,
    PrinterReason,
    Refusal,
    ServiceHours,
    Subjects,
    VisitId,
)
from firmware.screen.texts import Texts
from tests.unit.engine_world import TIMED

ROOT = Path(__file__).parents[2]
NAMES = dict.fromkeys(("city", "counters", "opens", "closes", "fees", "coins"), "…")
FEE_YEN = 200
pytestmark = pytest.mark.timeout(1800)
COIN_ON_STRING, SWALLOWED_COIN = 20, 36
RULES = Rules(
    timeouts_seconds=dict.fromkeys(TIMED, 1.0),
    denominations_yen=frozenset({100, 500}),
    minimum_change_coins={3: 3},
    withdrawn_codes=WITHDRAWN_CODES,
    most_alarms=1,
    most_copies=9,
    languages=(Language.JA, Language.EN),
    most_rejected=2,
)
GOOD = Facts(
    next_visit=VisitId("a" * 32),
    reader=ReaderLevel(working=True),
    keypad=KeypadLevel(working=True),
    acceptor=AcceptorLevel(working=True),
    hoppers=(HopperLevel(working=True, coins=20, life_count=1000),),
    printer=DocumentPrinterLevel(frozenset()),
    receipt=ReceiptPrinterLevel(ready=True),
    municipality=MunicipalityLevel(reachable=True),
    clock=ClockLevel(trusted=True, hours=ServiceHours.OPEN),
)
DEAD_PRINTER = DocumentPrinterLevel(
    frozenset({PrinterReason.UNREACHABLE, PrinterReason.JOBS_WAITING}), dead=True
)
"""For as long as staff decide about its print."""

MOST_REPRINTS = 2
OFFERS = (
    Offer(
        CertificateKind.JUMINHYO,
        FEE_YEN,
        2,
        household=True,
        members=(Member(1, MemberRole.SELF), Member(2, MemberRole.SPOUSE)),
    ),
    Offer(CertificateKind.INKAN, FEE_YEN, 1, household=False),
)


EMPTY = ledger(())

_Thing = TypeVar("_Thing")
_Made = TypeVar("_Made")


def by_identity(make: Callable[[_Thing], _Made]) -> Callable[[_Thing], _Made]:
    """Make it once of each thing: most events write nothing, and equal journals take long to compare."""
    known: dict[int, tuple[_Thing, _Made]] = {}

    @functools.wraps(make)
    def made(thing: _Thing) -> _Made:
        if (found := known.get(id(thing))) is None:
            known[id(thing)] = found = thing, make(thing)  # an id is taken again once its thing is gone
        return found[1]

    return made


@dataclass(frozen=True)
class Node:
    """The engine's state, the world's facts, committed orders without an answer, and how many coins
    and how many changes of fact the world still has in store.

    box_yen, cup_yen: the coins as the world counts them itself; doubtful_yen: coins nobody saw fall.
    books: of the journal. After a power cut: unheard, coins in the box that the acceptor still has to tell;
    fell, printed: what really became of the coin or the job whose answer was lost, None if none was.
    """

    state: s.State
    facts: Facts
    pending: tuple[o.CommittedOrder, ...] = ()
    coins_left: int = 2
    changes_left: int = 1
    journal: tuple[r.Record, ...] = ()
    box_yen: int = 0
    cup_yen: int = 0
    doubtful_yen: int = 0
    books: Ledger = EMPTY
    unheard: tuple[int, ...] = ()
    fell: bool | None = None
    printed: bool | None = None


def answers(order: o.CommittedOrder) -> Iterator[e.Event]:
    match order:
        case o.SignWithPin():
            yield e.MunicipalityFailed(Certainty.NOT_DONE)
            yield e.CardSigned()
            yield e.PinWasRefused(1)
            yield e.PinWasRefused(0)
            yield e.PinIsLocked()
            yield e.PinInDoubt()
            yield e.CardRefused(CardRefusal.UNREADABLE)
        case o.Release():
            yield e.IssueReleased("R-1")
            yield e.MunicipalityRefused(Refusal.MAINTENANCE)
            yield e.MunicipalityFailed(Certainty.NOT_DONE)
            yield e.MunicipalityFailed(Certainty.UNKNOWN)
        case o.Print(pages=pages) | o.FollowPrint(pages=pages):
            yield e.PrintFinished(Certainty.DONE, pages)
            yield e.PrintFinished(Certainty.NOT_DONE, 0)
            yield e.PrintFinished(Certainty.UNKNOWN, 1)
        case o.PayCoin() | o.ReconcileCoin():
            for certainty in Certainty:
                yield e.CoinPaid(certainty)
        case o.PrintSlip():
            yield e.SlipFinished(Certainty.DONE)
            yield e.SlipFinished(Certainty.NOT_DONE)
        case o.CheckStaffCode():
            yield e.StaffKnown()
            yield e.StaffUnknown()
        case o.FetchAgain(attempt=attempt):
            if attempt <= MOST_REPRINTS:
                yield e.DocumentPrepared(FEE_YEN, 1, 2)
                yield e.DocumentPrepared(FEE_YEN, 1, 2, "of somebody else")
                yield e.DocumentRefused()
                yield e.MunicipalityFailed(Certainty.UNKNOWN)
            yield e.MunicipalityRefused(Refusal.REPRINT_REFUSED)
        case _:
            pass


def bound_answers(order: o.BoundOrder) -> Iterator[e.Event]:
    match order:
        case o.RunTimer():
            yield e.TimedOut()
        case o.ReadCard():
            yield e.CardRead(3)
            yield e.CardRead(0)
            yield e.CardRefused(CardRefusal.JUKI_CARD)
        case o.OpenSession():
            yield e.SessionOpened()
            yield e.MunicipalityFailed(Certainty.NOT_DONE)
        case o.CollectPin():
            yield e.PinDigits(4)
            yield e.PinEntered()
        case o.Authenticate():
            yield e.PersonKnown(OFFERS, (CertificateKind.SHOTOKU,))
            yield e.PersonKnown((), (CertificateKind.SHOTOKU,))
            yield e.MunicipalityRefused(Refusal.SUPPORT_MEASURE)
            yield e.MunicipalityFailed(Certainty.UNKNOWN)
        case o.Prepare(purchase=purchase):
            yield e.DocumentPrepared(purchase.fee_yen, 1, 2, serial=1, counter=8)
            yield e.DocumentPrepared(purchase.fee_yen + 10, 1, 2, serial=1, counter=8)
            yield e.DocumentRefused()
            yield e.MunicipalityRefused(Refusal.OVER_CHAR_LIMIT)
        case o.CloseCoins():
            yield e.CoinsClosed()
            yield e.CoinsClosed(1, 9)
        case o.CollectStaffCode():
            yield e.StaffDigits(8)
            yield e.StaffCodeEntered()
        case _:
            pass


CARD_MATTERS = (
    s.Idle,
    s.AwaitingCard,
    s.ReadingCard,
    s.OpeningSession,
    s.EnteringPin,
    s.Signing,
    s.PinWasWrong,
    s.TakingCard,
    s.ChoosingKind,
    s.ChoosingCopies,
    s.Confirming,
    s.TakingAll,
    s.Ended,
)
CHOOSING = (
    s.ChoosingKind,
    s.ChoosingSubjects,
    s.ChoosingMembers,
    s.ChoosingItems,
    s.ChoosingCopies,
    s.Confirming,
)
MONEY = (s.Preparing, s.CollectingCoins, s.ClosingCoins, s.Committing, s.Printing, s.PayingOut)


def fact_changes(node: Node) -> Iterator[Node]:
    facts = node.facts
    if isinstance(node.state, CARD_MATTERS):
        reader = replace(facts.reader, card_present=not facts.reader.card_present)
        yield replace(node, facts=replace(facts, reader=reader))
        if node.changes_left and facts.reader.working:
            gone = replace(facts, reader=ReaderLevel(working=False))
            yield replace(node, facts=gone, changes_left=node.changes_left - 1)
    if isinstance(node.state, s.TakingAll | s.Thanks):
        panel = PanelLevel(paper_in_tray=not facts.panel.paper_in_tray)
        yield replace(node, facts=replace(facts, panel=panel))
    if isinstance(node.state, s.EnteringStaffCode):
        yield replace(node, facts=replace(facts, staff=replace(facts.staff, waits=True)))
    if isinstance(node.state, s.Attending):
        panel = replace(facts.panel, door_open=not facts.panel.door_open)
        yield replace(node, facts=replace(facts, panel=panel))
        if facts.staff.digits:
            printer = GOOD.printer if facts.printer.reasons else DEAD_PRINTER
            yield replace(node, facts=replace(facts, printer=printer))
    if not node.changes_left:
        return
    fewer = node.changes_left - 1
    door = replace(facts.panel, door_open=not facts.panel.door_open)
    yield replace(node, facts=replace(facts, panel=door), changes_left=fewer)
    if not isinstance(node.state, MONEY):
        return
    for change in (
        replace(facts, printer=DocumentPrinterLevel(frozenset({PrinterReason.MEDIA_EMPTY}))),
        replace(facts, acceptor=AcceptorLevel(working=False)),
        replace(facts, clock=ClockLevel(trusted=True, hours=ServiceHours.CLOSED)),
        *(facts.with_level(replace(hopper, coins=1)) for hopper in facts.hoppers),
        *(facts.with_level(replace(hopper, coins=3)) for hopper in facts.hoppers),
        *(facts.with_level(replace(hopper, working=False)) for hopper in facts.hoppers),
    ):
        if change != facts:
            yield replace(node, facts=change, changes_left=fewer)


KEYS = (
    KeypadKey.CONFIRM,
    KeypadKey.CANCEL,
    KeypadKey.CORRECT,
    KeypadKey.DIGIT_1,
    KeypadKey.DIGIT_2,
    KeypadKey.DIGIT_3,
)
UNASKED: tuple[e.Event, ...] = (*map(e.KeyPressed, KEYS), e.CoinRejected())


def console_answers(state: s.State) -> Iterator[e.Event]:
    if isinstance(state, s.Attending):
        for key in (KeypadKey.CONFIRM, KeypadKey.CANCEL, KeypadKey.DIGIT_2):
            yield e.ConsoleKey(state.visit, key)


def moves(node: Node) -> Iterator[tuple[e.Event, Node]]:
    """Every event that can come next, with the world as it is when it comes."""
    for order in node.pending:
        rest = tuple(other for other in node.pending if other is not order)
        for answer in answers(order):
            facts = node.facts
            if (
                isinstance(answer, e.CoinPaid)
                and isinstance(order, o.PayCoin | o.ReconcileCoin)
                and answer.certainty is Certainty.DONE
            ):
                hopper = facts.hopper(order.hopper)
                paid = replace(hopper, coins=max(0, hopper.coins - 1), life_count=hopper.life_count + 1)
                facts = facts.with_level(paid)
            yield answer, replace(_coin_fell(node, order, answer), pending=rest, facts=facts)
    for bound_order in bound(node.state, RULES):
        for answer in bound_answers(bound_order):
            yield answer, node
    yield from ((event, node) for event in (*UNASKED, *console_answers(node.state)))
    for changed in fact_changes(node):
        yield e.FactsChanged(), changed
    if node.coins_left and not isinstance(node.state, s.Idle | s.NotServing | s.Notice):
        for yen in (100, 500):
            yield (
                e.CoinInserted(yen, 1, 1),
                replace(node, coins_left=node.coins_left - 1, box_yen=node.box_yen + yen),
            )
    if node.changes_left and isinstance(node.state, MONEY):
        for code in (COIN_ON_STRING, SWALLOWED_COIN):
            yield e.CoinTrouble(0, code, 1, 1), replace(node, changes_left=node.changes_left - 1)


def _coin_fell(node: Node, order: o.CommittedOrder, answer: e.Event) -> Node:
    """The world's own count of a coin that a hopper was asked for."""
    if not isinstance(answer, e.CoinPaid) or not isinstance(order, o.PayCoin | o.ReconcileCoin):
        return node
    yen = node.facts.hopper(order.hopper).coin_yen
    match answer.certainty:
        case Certainty.DONE:
            return replace(node, cup_yen=node.cup_yen + yen)
        case Certainty.UNKNOWN:
            return replace(node, doubtful_yen=node.doubtful_yen + yen)
        case Certainty.NOT_DONE:
            return node


def after(node: Node, done: Step) -> Node:
    waiting = tuple(order for orders in ANSWERED_BY.values() for order in orders)
    new = tuple(order for order in done.orders if isinstance(order, waiting))
    journal = node.journal + done.records
    facts = node.facts
    if any(isinstance(record, r.VisitBegan) for record in done.records):
        facts = replace(facts, staff=replace(facts.staff, sale=None))
    if facts.printer == DEAD_PRINTER and not isinstance(done.state, s.Attending):
        facts = replace(facts, printer=GOOD.printer)
    return replace(
        node,
        facts=facts,
        state=done.state,
        pending=node.pending + new,
        journal=journal,
        books=ledger(journal) if done.records else node.books,
    )


NEEDS_INTENT: dict[type[o.CommittedOrder], type[r.Record]] = {
    o.Release: r.IssueIntended,
    o.Print: r.PrintIntended,
    o.PayCoin: r.CoinPayIntended,
    o.FetchAgain: r.ReprintIntended,
}
ANSWERED_BY: dict[type[s.State], tuple[type[o.CommittedOrder], ...]] = {
    s.Signing: (o.SignWithPin,),
    s.Committing: (o.Release,),
    s.Printing: (o.Print, o.FollowPrint),
    s.PayingOut: (o.PayCoin, o.ReconcileCoin),
    s.PrintingSlip: (o.PrintSlip,),
    s.CheckingStaffCode: (o.CheckStaffCode,),
    s.Refetching: (o.FetchAgain,),
}


def check_coins(node: Node) -> None:
    """The journal and the world count the same coins; one nobody saw fall is owed, never called paid."""
    books = node.books
    assert (node.box_yen - sum(node.unheard), node.cup_yen) == (books.taken_yen, books.paid_out_yen)
    assert books.taken_yen == (
        books.fees_yen + books.paid_out_yen + books.claims_yen + books.unclaimed_yen + books.held_yen
    )
    assert books.claims_yen + books.held_yen >= node.doubtful_yen


def check(node: Node, done: Step, new: Node) -> None:
    """The invariants of one edge."""
    check_coins(new)
    for order in done.orders:
        if (intent := NEEDS_INTENT.get(type(order))) is not None:
            assert any(isinstance(record, intent) for record in done.records), order
    if done.records:
        check_journal(new)
    check_state(node, new)


def check_journal(new: Node) -> None:
    """What may stand in one visit's journal."""
    assert new.books.faults() == ()
    commits = [x for x in new.journal if isinstance(x, r.IssueIntended)]
    prints = [x for x in new.journal if isinstance(x, r.PrintIntended)]
    fees = [x for x in new.journal if isinstance(x, r.FeeEarned)]
    reprints = [x for x in new.journal if isinstance(x, r.ReprintIntended)]
    returned = [x for x in new.journal if isinstance(x, r.FeeReturned)]
    assert len(commits) <= 1
    assert len(prints) <= 1 + len(reprints)
    assert len(fees) <= 1
    refunds = [x for x in new.journal if isinstance(x, r.PayoutBegan) and x.purpose is s.PayoutPurpose.REFUND]
    assert len(refunds) <= 1
    assert not refunds or len(fees) == len(returned), "a fee is kept and the money given back"
    assert len(returned) <= len(refunds)
    check_reprints(new.journal)


def check_reprints(journal: tuple[r.Record, ...]) -> None:
    """Each has staff admitted in its visit and bad sheets destroyed; none follows money that went back."""
    admitted, destroyed, refunded, allowed = False, False, False, 1
    is_open = False
    attempts: list[int] = []
    for record in journal:
        match record:
            case r.VisitBegan():
                assert not is_open, "a visit begins in another"
                admitted, is_open = False, True
            case r.VisitEnded():
                is_open = False
            case r.StaffAdmitted():
                admitted = True
            case r.SheetsDestroyed():
                destroyed = True
            case r.ReprintIntended(attempt=attempt):
                assert admitted, "a reprint that nobody permitted"
                assert destroyed, "bad sheets are about"
                assert not refunded
                attempts.append(attempt)
                destroyed, allowed = False, 1
            case r.PrintIntended():
                allowed -= 1
                assert allowed == 0, "printed twice"
                assert not refunded, "printed and paid back"
            case r.PayoutBegan(purpose=s.PayoutPurpose.REFUND) | r.FeeReturned():
                refunded = True
            case _:
                pass
    assert attempts == list(range(1, 1 + len(attempts)))


def check_state(node: Node, new: Node) -> None:
    """The state, the books and the orders under way agree."""
    books = new.books
    state = new.state
    if isinstance(state, s.EnteringStaffCode | s.CheckingStaffCode | s.Refetching):
        state = state.attending
    if isinstance(state, s.CollectingCoins | s.ClosingCoins | s.Committing | s.Printing | s.Attending):
        held = books.visits[state.visit].held_yen if state.visit in books.visits else 0
        assert held == state.paid_yen
    if isinstance(new.state, s.Committing | s.Printing):
        sold = isinstance(new.state, s.Printing) and new.state.sold
        assert sold or new.state.paid_yen >= new.state.purchase.fee_yen
    check_staff(node, new)
    if isinstance(new.state, s.PayingOut):
        assert books.visits[new.state.visit].held_yen == new.state.remaining_yen
    if isinstance(new.state, s.Ended | s.TakingAll | s.Thanks | s.Idle | s.NotServing):
        assert not _open(new.journal).visit
        assert books.held_yen == 0
        assert new.pending == ()
    wanted = ANSWERED_BY.get(type(new.state), ())
    assert bool(wanted) == bool(new.pending)
    assert all(isinstance(order, wanted) for order in new.pending)
    assert len(new.pending) <= 1
    if any(isinstance(order, o.AcceptCoins) for order in bound(new.state, RULES)):
        assert isinstance(new.state, s.CollectingCoins)
        assert new.state.paid_yen < new.state.purchase.fee_yen
        assert not new.facts.panel.door_open
        assert not new.facts.printer.reasons
        assert r.SlotOpened(new.state.visit, 1, 8) in new.journal
    if isinstance(new.state, CHOOSING):
        assert not new.facts.reader.card_present, "the visit goes on and the card lies there"
        assert new.facts.reader.working or not isinstance(node.state, s.TakingCard), "nobody saw it go"
    screen_of(new.state, new.facts, RULES)


def check_staff(node: Node, new: Node) -> None:
    """Only the right code lets in, and only who is in or has opened the door decides."""
    if isinstance(new.state, s.Attending) and new.state.admitted:
        before = node.state
        assert isinstance(before, s.CheckingStaffCode | s.Refetching) or (
            isinstance(before, s.Attending) and before.admitted
        )
    if isinstance(node.state, s.Attending) and not isinstance(new.state, s.Attending | s.EnteringStaffCode):
        assert node.state.admitted or new.facts.panel.door_open
        check_dead_printer(node, new)


def check_dead_printer(node: Node, new: Node) -> None:
    """What a dead printer may still hold is settled only after staff have said that it is off."""
    state = node.state
    assert isinstance(state, s.Attending)
    complaint = state.sold and not state.destroyed and not isinstance(new.state, s.PayingOut)
    if node.facts.printer == DEAD_PRINTER and not complaint:
        assert r.PrinterOff(state.visit, state.purchase.order_id) in new.journal


def key_of(node: Node) -> object:
    """Nodes with the same key behave the same: what the journal sums up to replaces the journal."""
    books = node.books
    visit = tuple((b.held_yen, b.ended) for b in books.visits.values())
    facts = replace(node.facts, hoppers=_ageless(node.facts.hoppers))
    return node.state, facts, node.pending, node.coins_left, node.changes_left, visit, _flags(node.journal)


@by_identity
def _ageless(hoppers: tuple[HopperLevel, ...]) -> tuple[HopperLevel, ...]:
    return tuple(replace(hopper, life_count=0) for hopper in hoppers)


@by_identity
def _flags(journal: tuple[r.Record, ...]) -> frozenset[type[r.Record]]:
    decisive = r.IssueIntended | r.PrintIntended | r.FeeEarned | r.PayoutBegan | r.FeeReturned
    return frozenset(type(record) for record in journal if isinstance(record, decisive))


@dataclass(frozen=True)
class Edge:
    """event comes in node while the world is as in world; done follows."""

    node: Node
    event: e.Event
    world: Node
    done: Step

    @property
    def new(self) -> Node:
        """Where it leads."""
        return after(self.world, self.done)


def walk(start: Node, stop_at: type[s.State] | None = None) -> tuple[dict[object, Node], list[Edge]]:
    """Every node reachable from start, and the edges that wrote or ordered anything, each journal once.

    Nodes in a stop_at state are reached but not left.
    """
    edges: dict[object, Edge] = {}
    seen = {key_of(start): start}
    queue = deque([start])
    while queue:
        node = queue.popleft()
        for event, world in moves(node):
            done = step(world.state, event, world.facts, RULES)
            new = after(world, done)
            check(node, done, new)
            if isinstance(node.state, s.Ended | s.Thanks | s.TakingAll | s.EnteringStaffCode) and isinstance(
                new.state, s.Idle | s.NotServing | s.Notice
            ):
                continue
            if done.records or done.orders:
                edge = Edge(node, event, world, done)
                edges.setdefault((recovery_key(node), type(event), recovery_key(new)), edge)
            if (key := key_of(new)) not in seen:
                seen[key] = new
                if stop_at is None or not isinstance(new.state, stop_at):
                    queue.append(new)
    return seen, list(edges.values())


def unproven(ordered: Node) -> Node:
    """A print that nobody can prove, where a staff code is set."""
    assert isinstance(ordered.state, s.Preparing)
    visit, order = ordered.state.visit, ordered.state.purchase.order_id
    purchase = replace(ordered.state.purchase, sheets=1, pages=2)
    journal: tuple[r.Record, ...] = (
        *ordered.journal,
        r.OrderReserved(visit, order, FEE_YEN, 1, 2),
        *(r.CoinTaken(visit, 100, 1, counter) for counter in (1, 2, 3)),
        r.IssueIntended(visit, order, FEE_YEN),
        r.IssueCommitted(visit, order, "R-1"),
        r.PrintIntended(visit, order, "cert-a", 2),
        r.PrintEnded(visit, order, Certainty.UNKNOWN, 1),
    )
    attending = s.Attending(visit, purchase, 300, "R-1", 1)
    facts = GOOD.with_level(StaffLevel(8))
    return Node(attending, facts, (), 1, 0, journal, 300, books=ledger(journal))


def complained(purchase: s.Purchase) -> Node:
    """A sale that is over, and its person who calls staff."""
    visit, order = VisitId("b" * 32), purchase.order_id
    sold = replace(purchase, sheets=1, pages=2)
    journal: tuple[r.Record, ...] = (
        r.VisitBegan(visit),
        r.OrderAsked(visit, order, sold.kind, 1),
        r.OrderReserved(visit, order, FEE_YEN, 1, 2),
        *(r.CoinTaken(visit, 100, 1, counter) for counter in (1, 2)),
        r.IssueIntended(visit, order, FEE_YEN),
        r.IssueCommitted(visit, order, "R-1"),
        r.PrintIntended(visit, order, "cert-b", 2),
        r.PrintEnded(visit, order, Certainty.DONE, 2),
        r.FeeEarned(visit, order, FEE_YEN),
        r.SlipEnded(visit, s.Slip.RECEIPT, Certainty.DONE),
        r.VisitEnded(visit, None),
    )
    facts = GOOD.with_level(StaffLevel(8, sale=s.Sale(sold, "R-1")))
    resting = Node(s.Idle(), facts, coins_left=1, journal=journal, box_yen=FEE_YEN, books=ledger(journal))
    called = step(s.Idle(), e.KeyPressed(KeypadKey.CORRECT), facts, RULES)
    assert isinstance(called.state, s.EnteringStaffCode)
    return after(resting, called)


@pytest.fixture(scope="module")
def walked() -> tuple[list[Node], list[Edge]]:
    """The choices as one walk, the money of one purchase as another: together every state."""
    opened = after(Node(s.Idle(), GOOD, coins_left=1), settle(Step(s.Idle()), GOOD, RULES))
    walks = [walk(opened, stop_at=s.CollectingCoins)]
    visit = VisitId("a" * 32)
    purchase = s.Purchase(
        OrderId(f"{visit}-1"), CertificateKind.INKAN, Subjects.SELF, frozenset(), 1, fee_yen=FEE_YEN
    )
    asked = r.OrderAsked(visit, purchase.order_id, purchase.kind, 1)
    ordered = Node(s.Preparing(visit, purchase), GOOD, journal=(r.VisitBegan(visit), asked))
    few = GOOD.with_level(HopperLevel(4, working=True, coins=1, coin_yen=500)).with_level(
        HopperLevel(3, working=True, coins=4)
    )
    walks += [walk(ordered), walk(replace(ordered, facts=few))]
    walks += [walk(complained(purchase)), walk(unproven(ordered))]
    nodes = [node for seen, _ in walks for node in seen.values()]
    return nodes, [edge for _, edges in walks for edge in edges]


@pytest.fixture
def nodes(walked: tuple[list[Node], list[Edge]]) -> list[Node]:
    return walked[0]


@pytest.fixture
def edges(walked: tuple[list[Node], list[Edge]]) -> list[Edge]:
    return walked[1]


def test_no_reachable_edge_breaks_an_invariant(nodes: list[Node]) -> None:
    reached = {type(node.state) for node in nodes}
    assert set(s.State.__args__) == reached | {s.NotServing}
    assert len(nodes) > 1000


def test_time_alone_leads_out_of_every_state(nodes: list[Node]) -> None:
    """With card and money taken, time-outs and the worst answers bring every visit to its end."""
    for node in nodes:
        now = replace(
            node,
            facts=replace(GOOD, hoppers=node.facts.hoppers, panel=PanelLevel(), printer=node.facts.printer),
        )
        for _ in range(40):
            if isinstance(now.state, s.Idle | s.NotServing | s.Attending):
                break
            if now.pending:
                order, event = now.pending[0], list(answers(now.pending[0]))[-1]
                now = replace(now, pending=tuple(x for x in now.pending if x is not order))
            else:
                event = e.TimedOut()
            now = after(now, step(now.state, event, now.facts, RULES))
        assert isinstance(now.state, s.Idle | s.NotServing | s.Attending), node.state


def test_power_cuts_anywhere_and_any_number_of_them_settle_every_yen(edges: list[Edge]) -> None:
    """Power is cut before the records of every edge, after them, after each of its orders, and so again at
    every edge of every recovery, until nothing new is reached.

    The world knows what really happened: a coin fell in and nobody has heard of it, a coin asked of a hopper
    fell or did not, a job was printed or was not. Each time every yen ends up owned, nothing is printed
    twice, no coin is paid twice, and the municipality will be told.
    """
    for late in (False, True):
        seen: set[object] = set()
        queue = [restarted for edge in edges for restarted in cuts(edge, late=late)]
        while queue:
            node = queue.pop()
            if (key := recovery_key(node)) in seen:
                continue
            seen.add(key)
            check_recovery(node, late=late)
            for event, world in after_cut(node):
                edge = Edge(node, event, world, step(world.state, event, world.facts, RULES))
                check(node, edge.done, edge.new)
                queue.append(edge.new)
                queue += cuts(edge, late=late)
        assert len(seen) > 1000


IRREVERSIBLE = (o.PayCoin, o.Print)


def cuts(edge: Edge, *, late: bool) -> Iterator[Node]:
    """The world after each power cut on this edge, restarted.

    Before its records the disk is as after the edge before, unless a coin has fallen in meanwhile. After them
    each order may have left or not; one that moves neither coin nor paper makes no difference.
    """
    node, event, done = edge.node, edge.event, edge.done
    if isinstance(event, e.CoinInserted):
        new = edge.world.unheard == node.unheard
        unheard = (*node.unheard, event.yen) if new else node.unheard
        yield from restarts(replace(edge.world, unheard=unheard), late=late)
    if done.records or done.orders:
        yield from restarts(edge.new, late=late)
        if any(isinstance(order, IRREVERSIBLE) for order in done.orders):
            yield from restarts(after(edge.world, replace(done, orders=())), late=late)


def restarts(node: Node, *, late: bool) -> Iterator[Node]:
    """What the orders that left have really done, and the hoppers as they were or silent."""
    lost = {type(order) for order in node.pending}
    outcomes = [node]
    if o.PayCoin in lost:
        outcomes = [replace(node, fell=fell) for fell in (False, True)]
    elif o.Print in lost:
        outcomes = [replace(node, printed=printed) for printed in (False, True)]
    elif node.fell is None and _open(node.journal).coin_intent:
        outcomes = [replace(node, fell=False)]
    elif node.printed is None and _open(node.journal).print_job and not _open(node.journal).print_ended:
        outcomes = [replace(node, printed=False)]
    recovered = _recovered(node.journal, late)
    for outcome in outcomes:
        for working in (True,) if late else (True, False):
            hoppers = tuple(replace(level, working=working) for level in node.facts.hoppers)
            facts = replace(GOOD, hoppers=hoppers)
            restarted = replace(outcome, pending=(), facts=facts, coins_left=min(node.coins_left, 1))
            yield after(restarted, recovered)


@by_identity
def _open(journal: tuple[r.Record, ...]) -> OpenVisit:
    return open_visit(journal) or OpenVisit(VisitId(""))


@functools.cache
def _recovered(journal: tuple[r.Record, ...], late: bool) -> Step:
    return recover(journal, late=late)


@by_identity
def _journaled(journal: tuple[r.Record, ...]) -> str:
    return _COUNT.sub("", repr(_open(journal)))


def recovery_key(node: Node) -> object:
    """Nodes with the same key recover the same: coins beyond all that can be owed change nothing."""
    most_yen = node.books.held_yen + sum(node.unheard) + 500 * node.coins_left
    hoppers = tuple(
        (level.hopper, level.working and min(level.coins, most_yen // level.coin_yen))
        for level in node.facts.hoppers
    )
    truth = node.unheard, node.fell, node.printed, node.coins_left
    balances = tuple((b.held_yen, b.ended) for b in node.books.visits.values())
    pending_types = tuple(type(order) for order in node.pending)
    return node.state, pending_types, hoppers, truth, balances, _journaled(node.journal)


_COUNT = re.compile(r"life_count=\d+")


def check_recovery(node: Node, *, late: bool) -> None:
    check_reprints(node.journal)
    if late and not isinstance(node.state, s.Attending):
        assert not any(isinstance(order, o.PayCoin) for order in node.pending)
    if isinstance(node.state, s.NotServing | s.Ended | s.TakingAll | s.Thanks):
        assert node.books.held_yen == 0
        assert node.fell is None, "nobody asked whether the coin fell"
        assert node.printed is None, "nobody asked whether the job was printed"
        intended = {record.order_id for record in node.journal if isinstance(record, r.IssueIntended)}
        assert intended <= {tell.order_id for tell in Telling(node.journal).pending if isinstance(tell, Tell)}


def after_cut(node: Node) -> Iterator[tuple[e.Event, Node]]:
    """What a restarted machine is told: true answers to what it asks, and coins that nobody had heard of."""
    for order in node.pending:
        for answer in answers(order):
            if _is_true(node, order, answer):
                asked = replace(node, pending=())
                if isinstance(order, o.ReconcileCoin):
                    asked = replace(asked, fell=None)
                if isinstance(order, o.FollowPrint):
                    asked = replace(asked, printed=None)
                yield answer, _coin_fell(asked, order, answer)
    if isinstance(node.state, s.ClosingCoins):
        yield e.CoinsClosed(), node
        yield e.TimedOut(), node
    if node.unheard:
        heard = replace(node, unheard=node.unheard[1:])
        yield e.CoinInserted(node.unheard[0], 1, 1), heard
    if node.coins_left:
        for yen in (100, 500):
            fallen = replace(node, coins_left=node.coins_left - 1, box_yen=node.box_yen + yen)
            yield e.CoinInserted(yen, 1, 1), fallen


def _is_true(node: Node, order: o.CommittedOrder, answer: e.Event) -> bool:
    """A device may say that it does not know, but nothing false."""
    match order, answer:
        case o.ReconcileCoin(), e.CoinPaid(certainty=certainty):
            truth = node.fell
        case o.FollowPrint(), e.PrintFinished(certainty=certainty):
            truth = node.printed
        case _:
            return True
    return certainty is Certainty.UNKNOWN or truth is (certainty is Certainty.DONE)


def test_every_screen_of_the_walk_has_its_words(nodes: list[Node]) -> None:
    texts = Texts.load(ROOT / "config" / "messages", NAMES)
    screens = {screen_of(node.state, node.facts, RULES) for node in nodes}
    shown = (Language.JA, Language.EASY)  # all files have the same ids and placeholders
    snapshots = [texts.snapshot(screen, language) for screen in screens for language in shown]
    assert all(snapshot["headline"] for snapshot in snapshots)
    assert {screen.reason for screen in screens} == {snapshot["reason"] for snapshot in snapshots}


def test_states_carry_no_text_that_could_be_a_person() -> None:
    allowed = {"visit", "receipt_no", "order_id"}
    for state in s.State.__args__:
        for field in dataclasses.fields(state):
            if field.type in {str, "str"} or "Id" in str(field.type):
                assert field.name in allowed, (state, field.name)
