"""Start-up after a power cut: a pure function of the journal, then the same path as always.

A visit that was under way can never be continued: its keys were in memory only. Its money is
settled by what the journal proves:

| journal says                                  | then |
|---|---|
| no coin taken                                 | the visit ended |
| coins taken, print not intended               | nothing was printed: all coins go back |
| print intended, not ended                     | follow the job by its name; print nothing |
| print unknown, staff have not decided         | staff decide |
| a reprint asked for, nothing handed over      | staff decide |
| a complaint, its bad sheets not yet destroyed | it ended and can be made again |
| a complaint, its bad sheets destroyed         | staff decide |
| print done, change not paid                   | pay the rest of the change |
| print done, a coin beyond the fee, no payout  | it is owed on a claim slip |
| one coin intended, not ended                  | ask the hopper whether it came out |
| a counted coin may have left again            | what is owed goes on a claim slip  |

A technician's coin is no visit's: `open_trial` finds it, and the hopper is asked before anything else.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from firmware.core import orders as o
from firmware.core import paying as p
from firmware.core import records as r
from firmware.core import states as s
from firmware.core.steps import Step, end
from firmware.core.terms import (
    Certainty,
    CertificateKind,
    OrderId,
    Subjects,
    VisitId,
    Yen,
)

_NO_ORDER = OrderId("")


@dataclass(slots=True)
class OpenVisit:
    """What the journal says of a visit that has no end."""

    visit: VisitId
    order_id: OrderId = _NO_ORDER
    kind: CertificateKind = CertificateKind.JUMINHYO
    copies: int = 1
    fee_yen: Yen = 0
    sheets: int = 0
    pages: int = 0
    taken_yen: Yen = 0
    earned: bool = False
    back_yen: Yen = 0
    receipt_no: str = ""
    fingerprint: str = ""
    sold: bool = False
    returned: bool = False
    destroyed: bool = False
    attempt: int = 0
    print_job: str | None = None
    print_ended: r.PrintEnded | None = None
    payout: r.PayoutBegan | None = None
    coin_intent: r.CoinPayIntended | None = None
    payout_ended: r.PayoutEnded | None = None
    withheld: bool = False
    slips_done: set[s.Slip] = field(default_factory=set)

    @property
    def purchase(self) -> s.Purchase:
        return s.Purchase(
            self.order_id,
            self.kind,
            Subjects.SELF,
            frozenset(),
            self.copies,
            self.fee_yen,
            self.sheets,
            self.pages,
            self.fingerprint,
        )

    @property
    def unproven(self) -> bool:
        """A print ended without proof, staff have not decided; a first one not done is refunded at once."""
        ended = self.print_ended
        if ended is None or ended.certainty is Certainty.DONE:
            return False
        return ended.certainty is Certainty.UNKNOWN or self.attempt > 0


def open_visit(records: Iterable[r.Record]) -> OpenVisit | None:
    """The visit without an end, if there is one; at most one can be open."""
    found: OpenVisit | None = None
    for record in records:
        if isinstance(record, r.VisitBegan):
            found = OpenVisit(record.visit)
        elif found is not None:
            found = None if isinstance(record, r.VisitEnded) else note(found, record)
    return found


def open_trial(records: Iterable[r.Record]) -> r.TrialCoinIntended | None:
    """The technician's coin of which nobody knows whether it came out; at most one can be open."""
    found: r.TrialCoinIntended | None = None
    for record in records:
        match record:
            case r.TrialCoinIntended():
                found = record
            case r.TrialCoinEnded():
                found = None
            case _:
                pass
    return found


def note(visit: OpenVisit, record: r.Record) -> OpenVisit:  # noqa: C901, PLR0912 - one line per record
    """What this record adds."""
    match record:
        case r.OrderAsked(order_id=order_id, kind=kind, copies=copies):
            visit.order_id, visit.kind, visit.copies = order_id, kind, copies
        case r.OrderReserved():
            _reserved(visit, record)
        case r.DefectOpened():
            visit.order_id, visit.kind, visit.copies = record.order_id, record.kind, record.copies
            visit.receipt_no, visit.attempt, visit.sold = record.receipt_no, record.attempt, True
            _reserved(visit, record)
        case r.SheetsDestroyed():
            visit.destroyed = True
        case r.ReprintIntended(attempt=attempt):
            visit.attempt = attempt
        case r.FeeReturned(yen=yen):
            visit.taken_yen += yen
            visit.returned = True
        case r.CoinTaken(yen=yen):
            visit.taken_yen += yen
        case r.IssueCommitted(receipt_no=receipt_no):
            visit.receipt_no = receipt_no
        case r.PrintIntended(job_name=job_name):
            visit.print_job, visit.print_ended = job_name, None
        case r.PrintEnded():
            visit.print_ended = record
        case r.FeeEarned():
            visit.earned = True
        case r.PayoutBegan():
            visit.payout = record
        case r.CoinPayIntended():
            visit.coin_intent = record
        case r.CoinPayEnded(yen=yen, certainty=certainty):
            visit.coin_intent = None
            visit.back_yen += yen if certainty is Certainty.DONE else 0
        case r.PayoutEnded():
            visit.payout_ended = record
        case r.SlipEnded(slip=slip):
            visit.slips_done.add(slip)
        case r.CoinsSuspected(visit=suspected, withdrawn=True) if suspected == visit.visit:
            visit.withheld = True
        case _:
            pass
    return visit


def _reserved(visit: OpenVisit, record: r.OrderReserved | r.DefectOpened) -> None:
    visit.fee_yen, visit.sheets, visit.pages = record.fee_yen, record.sheets, record.pages
    visit.fingerprint = record.fingerprint


def recover(records: Iterable[r.Record], *, late: bool = False) -> Step:
    """The state to start in, with records and orders that settle what a power cut left open.

    late: the person will have gone, so that no coins fall into the cup; they are owed by a claim slip.

    A payout always has either the intent of its next coin or its end: both are written with what
    came before them in one transaction.
    """
    visit = open_visit(records)
    if visit is None:
        return Step(s.NotServing())
    visit.withheld = visit.withheld or late
    if visit.payout_ended is not None:
        return _after_payout(visit, visit.payout_ended)
    if visit.payout is not None and visit.coin_intent is not None:
        return _continue_payout(visit, visit.payout, visit.coin_intent)
    if visit.earned:
        return _settled_sale(visit)
    if visit.unproven:
        return _staff_decide(visit)
    if visit.print_job is not None and visit.print_ended is None:
        return Step(
            s.Printing(
                visit.visit,
                visit.purchase,
                visit.taken_yen,
                visit.receipt_no,
                withheld=visit.withheld,
                attempt=visit.attempt,
                sold=visit.sold,
            ),
            orders=(o.FollowPrint(visit.visit, visit.print_job, visit.pages),),
        )
    if visit.sold and visit.destroyed:
        return _staff_decide(visit)
    if visit.sold:
        return p.reprinted(_attending(visit))
    # Coins that fell in while the power was gone are reported when the acceptor is back,
    # which closing the slot waits for.
    return Step(
        s.ClosingCoins(visit.visit, visit.purchase, visit.taken_yen, s.EndReason.POWER_CUT, visit.withheld)
    )


def followed_job(step: Step) -> str | None:
    """Name of the print job that this start follows to its end; every other one is nobody's any more."""
    return next((order.job_name for order in step.orders if isinstance(order, o.FollowPrint)), None)


def _staff_decide(visit: OpenVisit) -> Step:
    """No page of the job may come out behind their backs."""
    cancel = (o.CancelPrint(visit.visit, visit.print_job),) if visit.print_job is not None else ()
    return Step(_attending(visit), orders=cancel)


def _attending(visit: OpenVisit) -> s.Attending:
    ended = visit.print_ended
    return s.Attending(
        visit.visit,
        visit.purchase,
        visit.taken_yen,
        visit.receipt_no,
        0 if ended is None else ended.pages_out,
        visit.withheld,
        sold=visit.sold,
        attempt=visit.attempt,
        destroyed=visit.destroyed,
    )


def _continue_payout(visit: OpenVisit, payout: r.PayoutBegan, coin: r.CoinPayIntended) -> Step:
    paying = s.PayingOut(
        visit.visit,
        visit.purchase,
        payout.purpose,
        paid_yen=visit.taken_yen,
        remaining_yen=visit.taken_yen - (visit.fee_yen if visit.earned else 0) - visit.back_yen,
        receipt_no=visit.receipt_no,
        back_yen=visit.back_yen,
        reason=payout.reason,
        coin=s.CoinOnItsWay(coin.hopper, coin.yen, None),
        withheld=visit.withheld,
    )
    return Step(paying, orders=(o.ReconcileCoin(visit.visit, coin.hopper, coin.life_count, coin.serial),))


def _settled_sale(visit: OpenVisit) -> Step:
    """The exact fee was paid and kept; only the receipt may be missing.

    A coin beyond the fee, that came while the kiosk stopped, is owed: the person has seen no change.
    """
    owed_yen = visit.taken_yen - visit.fee_yen - visit.back_yen
    slips = _slips(visit, owed_yen, None)
    if not owed_yen:
        return slips
    change = s.PayoutPurpose.CHANGE
    owed = (
        r.PayoutBegan(visit.visit, change, owed_yen, None),
        r.ClaimOpened(visit.visit, p.claim_no(visit.visit), owed_yen),
        r.PayoutEnded(visit.visit, visit.order_id, change, visit.back_yen, owed_yen),
    )
    return Step(slips.state, owed).before(slips)


def _after_payout(visit: OpenVisit, ended: r.PayoutEnded) -> Step:
    reason = visit.payout.reason if visit.payout is not None else None
    return _slips(visit, ended.owed_yen, reason)


def _slips(visit: OpenVisit, owed_yen: Yen, reason: s.EndReason | None) -> Step:
    wanted = ((s.Slip.CLAIM,) if owed_yen else ()) + ((s.Slip.RECEIPT,) if reason is None else ())
    missing = tuple(slip for slip in wanted if slip not in visit.slips_done)
    if missing:
        return p.print_slips(
            s.PrintingSlip(
                visit.visit,
                visit.purchase,
                missing,
                visit.taken_yen,
                visit.back_yen,
                owed_yen,
                visit.receipt_no,
                reason,
            )
        )
    if reason is not None:
        return end(visit.visit, reason, visit.back_yen, owed_yen)
    return p.take_all(s.TakingAll(visit.visit, visit.purchase, visit.back_yen, owed_yen))
