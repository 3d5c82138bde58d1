"""Steps with money in them: coins, commit, print, change, refund, slips, and what staff settle."""

from dataclasses import replace
from typing import assert_never

from firmware.core import events as e
from firmware.core import orders as o
from firmware.core import records as r
from firmware.core import states as s
from firmware.core.facts import Facts
from firmware.core.money import ChangePlan, change_due_yen, change_plan, coin_to_pay
from firmware.core.rules import Rules
from firmware.core.steps import Handler, Step, end
from firmware.core.terms import Certainty, KeypadKey, ServiceHours, VisitId, Yen

Holding = s.CollectingCoins | s.ClosingCoins | s.Committing | s.Printing | s.Attending


def claim_no(visit: VisitId) -> str:
    """The number on a claim slip: two groups of four hex digits of the visit."""
    return f"{visit[:4]}-{visit[4:8]}".upper()


def job_name(visit: VisitId, attempt: int = 0) -> str:
    """The opaque name of the visit's print job; a reprint has one of its own."""
    return f"cert-{visit[:16]}" + (f"-{attempt}" if attempt else "")


def held_in(state: s.State) -> tuple[VisitId, Yen | None]:
    """The visit under way and what the machine holds or owes of its money; 0 if there is none.

    None while a coin is on its way out.
    """
    match state:
        case (
            s.EnteringStaffCode(attending=at) | s.CheckingStaffCode(attending=at) | s.Refetching(attending=at)
        ):
            return held_in(at)
        case s.PayingOut(visit=visit, coin=s.CoinOnItsWay()):
            return visit, None
        case (
            s.CollectingCoins(visit=visit, paid_yen=yen)
            | s.ClosingCoins(visit=visit, paid_yen=yen)
            | s.Committing(visit=visit, paid_yen=yen)
            | s.Printing(visit=visit, paid_yen=yen)
            | s.Attending(visit=visit, paid_yen=yen)
            | s.PayingOut(visit=visit, remaining_yen=yen)
            | s.PrintingSlip(visit=visit, owed_yen=yen)
            | s.TakingAll(visit=visit, owed_yen=yen)
            | s.Ended(visit=visit, owed_yen=yen)
        ):
            return visit, yen
        case _:
            return VisitId(""), 0


def document_prepared(state: s.Preparing, event: e.DocumentPrepared, facts: Facts, rules: Rules) -> Step:
    """Everything that can fail is checked here, before the first coin."""
    if event.fee_yen != state.purchase.fee_yen:
        return end(state.visit, s.EndReason.DOCUMENT_REFUSED)
    purchase = replace(state.purchase, sheets=event.sheets, pages=event.pages, fingerprint=event.fingerprint)
    reserved = r.OrderReserved(
        state.visit,
        purchase.order_id,
        purchase.fee_yen,
        purchase.sheets,
        purchase.pages,
        purchase.fingerprint,
    )
    obstacle = _print_obstacle(purchase, facts)
    if obstacle is not None:
        return Step(state, (reserved,)).before(end(state.visit, obstacle))
    plan = change_plan(
        purchase.fee_yen, rules.denominations_yen, facts.hoppers, selective=rules.selective_acceptor
    )
    if plan is ChangePlan.NONE:
        return Step(state, (reserved,)).before(end(state.visit, s.EndReason.NO_CHANGE))
    return Step(
        s.CollectingCoins(state.visit, purchase, exact=plan is ChangePlan.EXACT),
        (reserved, *_slot_opened(state.visit, event, facts)),
    )


def _slot_opened(visit: VisitId, event: e.DocumentPrepared, facts: Facts) -> tuple[r.SlotOpened, ...]:
    """The slot of an acceptor that is silent, or was never heard, does not open."""
    if event.serial is None or not facts.acceptor.working:
        return ()
    return (r.SlotOpened(visit, event.serial, event.counter, event.pairs),)


def _print_obstacle(purchase: s.Purchase, facts: Facts) -> s.EndReason | None:
    """Why the printer cannot promise all sheets of this purchase, and these alone, now."""
    if facts.panel.paper_in_tray:
        return s.EndReason.PAPER_LEFT
    if facts.printer.reasons:
        return s.EndReason.PRINTER_NOT_READY
    return None if facts.printer.can_print(purchase.sheets) else s.EndReason.TOO_FEW_SHEETS


def stray_coin(state: s.State, event: e.CoinInserted, _facts: Facts, _rules: Rules) -> Step:
    """A coin nobody was asked for is kept apart until the settlement."""
    return Step(state, (r.CoinUnclaimed(event.yen, event.serial, event.counter, event.pairs),))


def coin_trouble(state: s.State, event: e.CoinTrouble, _facts: Facts, rules: Rules) -> Step:
    """Never invent credit: note it for the staff; a visit collecting coins gets back what is known.

    If a coin may have left through the entry after it counted, no hopper pays for it a second time:
    this visit's money is settled by staff.
    """
    withdrawn = event.code in rules.withdrawn_codes
    if withdrawn and isinstance(state, Holding | s.PayingOut):
        state = replace(state, withheld=True)
    visit = getattr(state, "visit", "")
    suspected = Step(
        state,
        (
            r.CoinsSuspected(
                visit, event.lost, event.code, withdrawn, event.serial, event.counter, event.pairs
            ),
        ),
        (o.Sound(o.Alarm.ATTENTION),),
    )
    if isinstance(state, s.CollectingCoins):
        return suspected.before(_give_back(state, s.EndReason.COIN_FAULT))
    if isinstance(state, s.ClosingCoins) and withdrawn:
        return replace(suspected, state=replace(state, refund=state.refund or s.EndReason.COIN_FAULT))
    return suspected


def coin(state: Holding, event: e.CoinInserted, facts: Facts, rules: Rules) -> Step:
    """A coin of this visit; when the sale is over, nobody was asked for one.

    It says that the person is there, but not that the person does not want to stop.
    """
    if isinstance(state, s.Printing | s.Attending) and state.sold:
        return stray_coin(state, event, facts, rules)
    if isinstance(state, s.CollectingCoins):
        state = replace(state, rejected=0, telling=False, question=_unless_asked_by_time(state))
    return Step(
        replace(state, paid_yen=state.paid_yen + event.yen),
        (r.CoinTaken(state.visit, event.yen, event.serial, event.counter, event.pairs),),
    )


def late_coin(state: s.PayingOut, event: e.CoinInserted, _facts: Facts, _rules: Rules) -> Step:
    """A coin that arrives while money goes back goes back too."""
    return Step(
        replace(
            state,
            paid_yen=state.paid_yen + event.yen,
            remaining_yen=state.remaining_yen + event.yen,
        ),
        (r.CoinTaken(state.visit, event.yen, event.serial, event.counter, event.pairs),),
    )


def _unless_asked_by_time(state: s.CollectingCoins) -> s.Question | None:
    return None if state.question is s.Question.GO_ON else state.question


def coin_rejected(state: s.CollectingCoins, _event: e.CoinRejected, _facts: Facts, rules: Rules) -> Step:
    """Told for a while, each time anew; but after many in a row a bad coin holds the visit open no longer."""
    if state.rejected >= rules.most_rejected:
        return Step(state)
    question = _unless_asked_by_time(state)
    return Step(replace(state, rejected=state.rejected + 1, telling=True, question=question))


def key_felt(handler: Handler) -> Handler:
    """handler, but any key shows that a person is there: rejected coins count anew."""

    def felt(state: s.CollectingCoins, event: e.KeyPressed, facts: Facts, rules: Rules) -> Step:
        return handler(replace(state, rejected=0), event, facts, rules)

    return felt


def rejection_told(handler: Handler) -> Handler:
    """handler, but the time of a rejected coin's words only ends them; the full time begins anew."""

    def told(state: s.CollectingCoins, event: e.TimedOut, facts: Facts, rules: Rules) -> Step:
        if state.telling and state.question is None:
            return Step(replace(state, telling=False))
        return handler(state, event, facts, rules)

    return told


def collecting_key(state: s.CollectingCoins, event: e.KeyPressed, _facts: Facts, _rules: Rules) -> Step:
    if event.key is KeypadKey.CANCEL:
        return _give_back(state, s.EndReason.CANCELLED)
    if event.key is KeypadKey.CONFIRM and state.paid_yen >= state.purchase.fee_yen:
        return _close_slot(state, None)
    return Step(state)


def collecting_timed_out(state: s.CollectingCoins, _event: e.TimedOut, _facts: Facts, _rules: Rules) -> Step:
    return _give_back(state, s.EndReason.TIMED_OUT)


def collecting_guard(state: s.CollectingCoins, facts: Facts, _rules: Rules) -> Step | None:
    if facts.panel.door_open:
        return _give_back(state, s.EndReason.DOOR_OPENED)
    if not facts.acceptor.working:
        return _give_back(state, s.EndReason.COIN_FAULT)
    obstacle = _print_obstacle(state.purchase, facts)
    if obstacle is not None:
        return _give_back(state, obstacle)
    closed = facts.clock.hours in {ServiceHours.CLOSED, ServiceHours.MAINTENANCE}
    if closed and state.paid_yen < state.purchase.fee_yen:
        return _give_back(state, s.EndReason.OUTSIDE_HOURS)
    return None


def _give_back(state: s.CollectingCoins, reason: s.EndReason) -> Step:
    return _close_slot(state, reason)


def _close_slot(state: s.CollectingCoins, refund: s.EndReason | None) -> Step:
    return Step(s.ClosingCoins(state.visit, state.purchase, state.paid_yen, refund, state.withheld))


def coins_closed(state: s.ClosingCoins, event: e.CoinsClosed, facts: Facts, rules: Rules) -> Step:
    """Nothing more can come in; the next start asks for coins after this mark only.

    An acceptor that is silent may have taken coins of which it could not tell any more.
    """
    shut: tuple[r.SlotShut, ...] = ()
    if event.serial is not None and facts.acceptor.working:
        shut = (r.SlotShut(state.visit, event.serial, event.counter, event.pairs),)
    return Step(state, shut).before(closing_done(state, event, facts, rules))


def shut_at_rest(state: s.State, event: e.CoinsClosed, facts: Facts, _rules: Rules) -> Step:
    """The slot of a visit that ended without its acceptor, or of a test: heard of only now."""
    if event.serial is None or not facts.acceptor.working:
        return Step(state)
    return Step(state, (r.SlotShut(VisitId(""), event.serial, event.counter, event.pairs),))


def closing_done(state: s.ClosingCoins, _event: e.Event, facts: Facts, _rules: Rules) -> Step:
    """The last look before the commit; from here the fee is covered or everything goes back."""
    reason = state.refund
    if reason is None and facts.panel.door_open:
        reason = s.EndReason.DOOR_OPENED
    if reason is None:
        reason = _print_obstacle(state.purchase, facts)
    if reason is not None:
        return _refund(state, reason, facts)
    purchase = state.purchase
    return Step(
        s.Committing(state.visit, purchase, state.paid_yen, state.withheld),
        (r.IssueIntended(state.visit, purchase.order_id, purchase.fee_yen),),
        (o.Release(state.visit, purchase.order_id, purchase.fee_yen),),
    )


def released(state: s.Committing, event: e.IssueReleased, _facts: Facts, _rules: Rules) -> Step:
    purchase = state.purchase
    name = job_name(state.visit)
    return Step(
        s.Printing(state.visit, purchase, state.paid_yen, event.receipt_no, withheld=state.withheld),
        (
            r.IssueCommitted(state.visit, purchase.order_id, event.receipt_no),
            r.PrintIntended(state.visit, purchase.order_id, name, purchase.pages),
        ),
        (o.Print(state.visit, name, purchase.pages, purchase.sheets),),
    )


def release_refused(state: s.Committing, _event: e.MunicipalityRefused, facts: Facts, _rules: Rules) -> Step:
    return _not_released(state, Certainty.NOT_DONE, facts)


def release_failed(state: s.Committing, event: e.MunicipalityFailed, facts: Facts, _rules: Rules) -> Step:
    return _not_released(state, event.certainty, facts)


def _not_released(state: s.Committing, certainty: Certainty, facts: Facts) -> Step:
    """Without the authority nothing can be printed, so all the money goes back."""
    failed = r.IssueFailed(state.visit, state.purchase.order_id, certainty)
    return Step(state, (failed,)).before(_refund(state, s.EndReason.MUNICIPALITY_DOWN, facts))


def pages_out(state: s.Printing, event: e.PagesOut, _facts: Facts, _rules: Rules) -> Step:
    return Step(replace(state, pages_out=max(state.pages_out, event.count)))


def print_finished(state: s.Printing, event: e.PrintFinished, facts: Facts, _rules: Rules) -> Step:
    ended = Step(
        state,
        (r.PrintEnded(state.visit, state.purchase.order_id, event.certainty, event.pages_out),),
    )
    match event.certainty:
        case Certainty.DONE if state.sold:
            return ended.before(reprinted(state))
        case Certainty.DONE:
            return ended.before(_earn(state, facts))
        case Certainty.NOT_DONE if state.attempt == 0:
            return ended.before(_refund(state, s.EndReason.PRINT_FAILED, facts))
        case Certainty.NOT_DONE | Certainty.UNKNOWN:
            return ended.before(Step(_attend(state, event.pages_out), orders=(o.Sound(o.Alarm.ALARM),)))
        case _:
            assert_never(event.certainty)


def _attend(state: s.Printing, pages_out: int) -> s.Attending:
    return s.Attending(
        state.visit,
        state.purchase,
        state.paid_yen,
        state.receipt_no,
        pages_out,
        state.withheld,
        sold=state.sold,
        attempt=state.attempt,
        destroyed=state.attempt > 0,
    )


def reprinted(state: s.Printing | s.Attending) -> Step:
    """The person has had the receipt, and no money moves."""
    return take_all(s.TakingAll(state.visit, state.purchase, 0, 0, receipt_out=False, reprinted=True))


def attending_key(state: s.Attending, event: e.KeyPressed, facts: Facts, _rules: Rules) -> Step:
    """Only whoever has opened the door with the store's key, or knows the staff code, may settle a print.

    Paper can still come out of a printer that holds a job, and nobody can see whether a printer that does
    not answer holds one: until it is proven empty nothing is settled, or the page would lie there when the
    person is gone. Of a dead one staff say, at the open door, that it is switched off. Printing again takes
    the staff code.
    """
    if event.key is KeypadKey.CORRECT and may_enter_code(state, facts):
        return Step(s.EnteringStaffCode(state))
    if event.key is KeypadKey.DIGIT_1 and may_reprint(state, facts):
        return _fetch_again(state)
    if event.key is KeypadKey.DIGIT_2 and may_say_off(state, facts):
        off = r.PrinterOff(state.visit, state.purchase.order_id)
        return Step(replace(state, printer_off=True), (off,))
    if not (facts.panel.door_open or state.admitted):
        return Step(state)
    if event.key is KeypadKey.CONFIRM and may_keep(state, facts):
        return _settled(state, facts)
    if event.key is KeypadKey.CANCEL and may_refund(state, facts):
        return _given_up(state, facts)
    return Step(state)


def attending_console(state: s.Attending, event: e.ConsoleKey, facts: Facts, rules: Rules) -> Step:
    """As the key at the machine; another visit may wait by now."""
    if event.visit != state.visit:
        return Step(state)
    return attending_key(state, e.KeyPressed(event.key), facts, rules)


def attending_guard(state: s.Attending, facts: Facts, _rules: Rules) -> Step | None:
    """A printer that shows itself is asked again: what staff have said of it holds no more."""
    return Step(replace(state, printer_off=False)) if state.printer_off and not facts.printer.dead else None


def may_enter_code(state: s.Attending, facts: Facts) -> bool:
    """A staff code is set and is taken now."""
    return not state.admitted and bool(facts.staff.digits) and not facts.staff.waits


def may_reprint(state: s.Attending, facts: Facts) -> bool:
    """Staff are admitted, the printer can print all sheets, and the municipality has not refused."""
    return state.admitted and not state.refused and facts.printer.can_print(state.purchase.sheets)


def may_say_off(state: s.Attending, facts: Facts) -> bool:
    """The printer is dead, and somebody with the store's key stands before the open machine."""
    return facts.printer.dead and not state.printer_off and facts.panel.door_open


def may_refund(state: s.Attending, facts: Facts) -> bool:
    """No paper can come out of the printer any more: it says so, or staff say so of a dead one."""
    return not facts.printer.may_hold_job or (state.printer_off and facts.printer.dead)


def may_keep(state: s.Attending, facts: Facts) -> bool:
    """The person can have all of it: no sheet comes later, and lies in the tray as nobody's.

    A complaint of a print that was proven, and not made again, is about sheets that are all out.
    """
    return may_refund(state, facts) or (state.sold and not state.destroyed)


def _settled(state: s.Attending, facts: Facts) -> Step:
    """Staff say that the person has what was paid for."""
    if state.sold:
        return reprinted(state)
    decided = Step(state, (r.StaffDecided(state.visit, state.purchase.order_id, True),))
    return decided.before(_earn(state, facts))


def attending_timed_out(state: s.Attending, _event: e.TimedOut, _facts: Facts, _rules: Rules) -> Step:
    """Staff who were admitted have gone away: nobody else may decide in their place.

    A complaint of sheets that the person still has is over; it can be made again.
    """
    if state.sold and not state.destroyed:
        return reprinted(state)
    return Step(replace(state, admitted=False), orders=(o.Sound(o.Alarm.ALARM),))


def _given_up(state: s.Attending, facts: Facts) -> Step:
    """The money goes back; a fee that was kept is no fee any more."""
    purchase = state.purchase
    if not state.sold:
        decided = Step(state, (r.StaffDecided(state.visit, purchase.order_id, False),))
        return decided.before(_refund(state, s.EndReason.PRINT_FAILED, facts))
    returned = Step(
        state,
        (
            r.SheetsDestroyed(state.visit, purchase.order_id),
            r.FeeReturned(state.visit, purchase.order_id, purchase.kind, purchase.copies, purchase.fee_yen),
        ),
    )
    owed = replace(state, paid_yen=purchase.fee_yen)
    return returned.before(_refund(owed, s.EndReason.PRINT_DEFECT, facts))


def _fetch_again(state: s.Attending) -> Step:
    attempt = state.attempt + 1
    return Step(
        s.Refetching(replace(state, attempt=attempt, destroyed=True)),
        (
            r.SheetsDestroyed(state.visit, state.purchase.order_id),
            r.ReprintIntended(state.visit, state.purchase.order_id, attempt),
        ),
        (o.FetchAgain(state.visit, state.purchase.order_id, attempt),),
    )


def fetched_again(state: s.Refetching, event: e.DocumentPrepared, facts: Facts, rules: Rules) -> Step:
    """Printed only if it is the very same issuance: anything else is somebody's who is not here.

    The printer may have come to less since staff asked; they can ask again when it prints.
    """
    at, purchase = state.attending, state.attending.purchase
    same = (purchase.fee_yen, purchase.sheets, purchase.pages, purchase.fingerprint)
    if (event.fee_yen, event.sheets, event.pages, event.fingerprint) != same:
        return not_fetched(state, e.DocumentRefused(), facts, rules)
    if not facts.printer.can_print(purchase.sheets):
        return Step(at, orders=(o.Sound(o.Alarm.ATTENTION),))
    name = job_name(at.visit, at.attempt)
    return Step(
        s.Printing(
            at.visit,
            purchase,
            at.paid_yen,
            at.receipt_no,
            withheld=at.withheld,
            attempt=at.attempt,
            sold=at.sold,
        ),
        (r.PrintIntended(at.visit, purchase.order_id, name, purchase.pages),),
        (o.Print(at.visit, name, purchase.pages, purchase.sheets),),
    )


def not_fetched(state: s.Refetching, event: e.Event, _facts: Facts, _rules: Rules) -> Step:
    """Nothing was printed; after a refusal asking again changes nothing."""
    refused = not isinstance(event, e.MunicipalityFailed)
    return Step(replace(state.attending, refused=refused), orders=(o.Sound(o.Alarm.ATTENTION),))


def _earn(state: s.Printing | s.Attending, facts: Facts) -> Step:
    """The certificate is out: keep the fee, give the change."""
    purchase = state.purchase
    change_yen = change_due_yen(state.paid_yen, purchase.fee_yen)
    earned = Step(state, (r.FeeEarned(state.visit, purchase.order_id, purchase.fee_yen),))
    paying = s.PayingOut(
        state.visit,
        purchase,
        s.PayoutPurpose.CHANGE,
        paid_yen=state.paid_yen,
        remaining_yen=change_yen,
        receipt_no=state.receipt_no,
        withheld=state.withheld,
    )
    if change_yen == 0:
        return earned.before(_after_payout(paying, 0))
    return earned.before(_begin_payout(paying, facts))


def _refund(
    state: s.ClosingCoins | s.Committing | s.Printing | s.Attending, reason: s.EndReason, facts: Facts
) -> Step:
    paying = s.PayingOut(
        state.visit,
        state.purchase,
        s.PayoutPurpose.REFUND,
        paid_yen=state.paid_yen,
        remaining_yen=state.paid_yen,
        reason=reason,
        withheld=state.withheld,
    )
    return end(state.visit, reason) if state.paid_yen == 0 else _begin_payout(paying, facts)


def _begin_payout(paying: s.PayingOut, facts: Facts) -> Step:
    began = r.PayoutBegan(paying.visit, paying.purpose, paying.remaining_yen, paying.reason)
    return Step(paying, (began,)).before(next_coin(paying, facts))


def next_coin(paying: s.PayingOut, facts: Facts) -> Step:
    """One coin a command, each with its intent journaled first; what cannot be paid is owed."""
    able = [level for level in facts.hoppers if level.hopper not in paying.failed]
    hopper = None if paying.withheld else coin_to_pay(paying.remaining_yen, able)
    if hopper is None:
        return _end_payout(paying)
    coin = s.CoinOnItsWay(hopper.hopper, hopper.coin_yen, hopper.coins)
    intended = r.CoinPayIntended(
        paying.visit, hopper.hopper, hopper.coin_yen, hopper.life_count, hopper.serial
    )
    return Step(
        replace(paying, coin=coin),
        (intended,),
        (o.PayCoin(paying.visit, hopper.hopper, hopper.life_count),),
    )


def coin_paid(state: s.PayingOut, event: e.CoinPaid, facts: Facts, _rules: Rules) -> Step:
    """A coin that may or may not have come out is owed until staff have counted."""
    coin = state.coin
    if coin is None:
        return Step(state)
    ended = Step(
        replace(state, coin=None),
        (
            r.CoinPayEnded(state.visit, coin.hopper, coin.yen, event.certainty),
            *_found_empty(state.visit, coin, event.certainty, facts),
        ),
    )
    match event.certainty:
        case Certainty.DONE:
            paid = replace(
                state,
                remaining_yen=state.remaining_yen - coin.yen,
                back_yen=state.back_yen + coin.yen,
                coin=None,
            )
            return ended.before(next_coin(paid, facts))
        case Certainty.NOT_DONE:
            # After a power cut nothing says that this hopper cannot pay.
            failed = state.failed if coin.coins is None else state.failed | {coin.hopper}
            return ended.before(next_coin(replace(state, failed=failed, coin=None), facts))
        case Certainty.UNKNOWN:
            return ended.before(_end_payout(replace(state, coin=None)))
        case _:
            assert_never(event.certainty)


def _found_empty(
    visit: VisitId, coin: s.CoinOnItsWay, certainty: Certainty, facts: Facts
) -> tuple[r.HopperFoundEmpty, ...]:
    """The level is reported before the answer; a hopper at 0 where coins should lie has tried in vain."""
    if coin.coins is None or facts.hopper(coin.hopper).coins:
        return ()
    believed_coins = coin.coins - (certainty is not Certainty.NOT_DONE)
    return (r.HopperFoundEmpty(visit, coin.hopper, believed_coins),) if believed_coins > 0 else ()


def _end_payout(paying: s.PayingOut) -> Step:
    owed_yen = paying.remaining_yen
    claim = (r.ClaimOpened(paying.visit, claim_no(paying.visit), owed_yen),) if owed_yen else ()
    ended = r.PayoutEnded(paying.visit, paying.purchase.order_id, paying.purpose, paying.back_yen, owed_yen)
    return Step(paying, (*claim, ended)).before(_after_payout(paying, owed_yen))


def _after_payout(paying: s.PayingOut, owed_yen: Yen) -> Step:
    slips = ((s.Slip.CLAIM,) if owed_yen else ()) + (
        (s.Slip.RECEIPT,) if paying.purpose is s.PayoutPurpose.CHANGE else ()
    )
    if not slips and paying.reason is not None:
        return end(paying.visit, paying.reason, paying.back_yen)
    printing = s.PrintingSlip(
        paying.visit,
        paying.purchase,
        slips,
        paying.paid_yen,
        paying.back_yen,
        owed_yen,
        paying.receipt_no,
        paying.reason,
    )
    return print_slips(printing)


def print_slips(printing: s.PrintingSlip) -> Step:
    """Begin with the first of the slips."""
    return Step(printing, orders=(_print_slip(printing),))


def _print_slip(state: s.PrintingSlip) -> o.PrintSlip:
    return o.PrintSlip(
        visit=state.visit,
        slip=state.slips[0],
        kind=state.purchase.kind,
        copies=state.purchase.copies,
        fee_yen=state.purchase.fee_yen,
        paid_yen=state.paid_yen,
        back_yen=state.back_yen,
        owed_yen=state.owed_yen,
        receipt_no=state.receipt_no,
        claim_no=claim_no(state.visit),
    )


def slip_finished(state: s.PrintingSlip, event: e.SlipFinished, _facts: Facts, _rules: Rules) -> Step:
    slip = state.slips[0]
    ended = Step(state, (r.SlipEnded(state.visit, slip, event.certainty),))
    if rest := state.slips[1:]:
        return ended.before(print_slips(replace(state, slips=rest)))
    if state.reason is not None:
        slip_out = event.certainty is Certainty.DONE
        return ended.before(end(state.visit, state.reason, state.back_yen, state.owed_yen, slip_out=slip_out))
    came_out = slip is s.Slip.RECEIPT and event.certainty is Certainty.DONE
    return ended.before(
        take_all(
            s.TakingAll(
                state.visit,
                state.purchase,
                state.back_yen,
                state.owed_yen,
                receipt_out=came_out,
            )
        )
    )


def take_all(taking: s.TakingAll) -> Step:
    """The sale is settled; the person takes everything."""
    return Step(
        taking,
        (r.VisitEnded(taking.visit, None),),
        (o.EndVisit(taking.visit), o.Sound(o.Alarm.ATTENTION)),
    )


def _left(facts: Facts) -> bool:
    """Something of the person lies in or on the machine; a card may have been laid down once more."""
    return facts.panel.paper_in_tray or facts.panel.change_in_cup or facts.reader.card_present


def taking_all_guard(state: s.TakingAll, facts: Facts, _rules: Rules) -> Step | None:
    if _left(facts):
        return None
    return Step(
        s.Thanks(
            state.visit, state.purchase, state.back_yen, state.owed_yen, state.receipt_out, state.reprinted
        )
    )


def paper_forgotten(state: s.TakingAll, _event: e.TimedOut, facts: Facts, rules: Rules) -> Step:
    """After the last alarm the kiosk stays shut by its facts until the tray is empty (R17).

    Nothing but this state keeps a card from beginning a visit, so that its alarms go on.
    """
    if state.alarms < rules.most_alarms:
        return Step(replace(state, alarms=state.alarms + 1), orders=(o.Sound(o.Alarm.ALARM),))
    if facts.reader.card_present:
        return Step(replace(state, alarms=rules.most_alarms - 1), orders=(o.Sound(o.Alarm.ALARM),))
    return Step(s.NotServing(), orders=(o.Speak(rules.languages[0]),))


def thanks_guard(state: s.Thanks, facts: Facts, _rules: Rules) -> Step | None:
    """Paper can still fall into the tray after the first look."""
    if _left(facts):
        return Step(
            s.TakingAll(
                state.visit,
                state.purchase,
                state.back_yen,
                state.owed_yen,
                state.receipt_out,
                reprinted=state.reprinted,
            )
        )
    return None


def thanks_key(state: s.Thanks, event: e.KeyPressed, facts: Facts, rules: Rules) -> Step:
    return leave(state, event, facts, rules) if event.key is KeypadKey.CONFIRM else Step(state)


def leave(_state: s.State, _event: e.Event, _facts: Facts, rules: Rules) -> Step:
    """Back to the start screen in the first language."""
    return Step(s.Idle(), orders=(o.Speak(rules.languages[0]),))


def ended_key(state: s.Ended, event: e.KeyPressed, facts: Facts, rules: Rules) -> Step:
    return _leave_if_taken(state, event, facts, rules) if event.key is KeypadKey.CONFIRM else Step(state)


def ended_timed_out(state: s.Ended, event: e.TimedOut, facts: Facts, rules: Rules) -> Step:
    return _leave_if_taken(state, event, facts, rules)


def ended_guard(state: s.Ended, facts: Facts, rules: Rules) -> Step | None:
    """Once reminded, the person is done when nothing is left to take."""
    if not state.alarms or facts.reader.card_present or facts.panel.change_in_cup:
        return None
    return Step(s.Idle(), orders=(o.Speak(rules.languages[0]),))


def _leave_if_taken(state: s.Ended, event: e.Event, facts: Facts, rules: Rules) -> Step:
    if facts.reader.card_present or facts.panel.change_in_cup:
        return Step(replace(state, alarms=1 + state.alarms % 2), orders=(o.Sound(o.Alarm.ALARM),))
    return leave(state, event, facts, rules)
