"""Which screen each state shows. Pure: the words and the drawing are elsewhere."""

from dataclasses import replace
from typing import assert_never

from firmware.core import choosing as c
from firmware.core import household as h
from firmware.core import states as s
from firmware.core.asking import Asking, question_seconds
from firmware.core.facts import Facts
from firmware.core.paying import (
    claim_no,
    held_in,
    may_enter_code,
    may_keep,
    may_refund,
    may_reprint,
    may_say_off,
)
from firmware.core.rules import Rules, obstacles
from firmware.core.screens import CheckItem, Choice, ItemState, Legend, Place, Row, Said, Screen, ScreenId
from firmware.core.staffing import may_complain
from firmware.core.terms import CertificateKind, Member, ServiceHours, Subjects, VisitId, Yen

_STOP = Legend(cancel="stop")
_STOP_BACK = Legend(cancel="stop", correct="back")
_END = Legend(confirm="end")

_PARTS = {
    "clock": "clock",
    "journal": "journal",
    "reader": "card_reader",
    "keypad": "keypad",
    "acceptor": "coin_acceptor",
    "change": "hopper",
    "printer": "printer",
    "municipality": "municipality",
    "door": "door",
}
"""The text of each obstacle that staff or a technician can mend."""


def screen_of(state: s.State, facts: Facts, rules: Rules) -> Screen:  # noqa: C901, PLR0912
    """The screen of this state while facts hold."""
    seconds = rules.timeouts_seconds.get(type(state).__name__)
    if isinstance(state, Asking) and state.question is not None:
        return _asked(state, facts, rules)
    match state:
        case s.NotServing():
            return _not_serving(facts, rules)
        case s.Idle():
            legend = Legend(correct=_complaint(facts), confirm="start")
            low = "supplies" if _supplies(facts) else ""
            return Screen(ScreenId.IDLE, low, place=Place.CARD, legend=legend)
        case s.Notice():
            return Screen(
                ScreenId.NOTICE,
                step=1,
                legend=Legend(cancel="stop", confirm="agree"),
                seconds=seconds,
            )
        case s.AwaitingCard():
            return Screen(ScreenId.PRESENT_CARD, step=1, place=Place.CARD, legend=_STOP, seconds=seconds)
        case s.ReadingCard() | s.OpeningSession():
            return Screen(ScreenId.READING_CARD, step=1, place=Place.CARD, legend=_STOP)
        case s.EnteringPin(tries_left=tries_left, digits=digits):
            return Screen(
                ScreenId.PIN,
                reason="last_try" if tries_left == 1 else "",
                step=2,
                place=Place.KEYPAD,
                legend=Legend(
                    cancel="stop",
                    correct="delete_digit" if digits else None,
                    confirm="next" if digits == 4 else None,
                ),
                numbers=(("tries_left", tries_left),),
                pin_digits=digits,
                seconds=seconds,
            )
        case s.Signing() | s.Authenticating():
            return Screen(
                ScreenId.CHECKING,
                step=2,
                legend=_STOP if isinstance(state, s.Authenticating) else Legend(),
            )
        case s.PinWasWrong(tries_left=tries_left):
            return Screen(
                ScreenId.PIN_WRONG,
                reason="last_try" if tries_left == 1 else "",
                step=2,
                place=Place.KEYPAD,
                legend=Legend(cancel="stop", confirm="retry"),
                numbers=(("tries_left", tries_left),),
                error=True,
                seconds=seconds,
            )
        case s.TakingCard(alarms=alarms):
            return Screen(ScreenId.TAKE_CARD, step=2, place=Place.CARD, legend=_STOP, alarm=alarms > 0)
        case s.ChoosingKind() | s.ChoosingSubjects() | s.ChoosingItems() | s.ChoosingCopies():
            return _choosing(state, facts, rules, seconds)
        case s.ChoosingMembers():
            return _members(state, seconds)
        case s.Confirming():
            return _confirming(state, facts, seconds)
        case s.Preparing():
            return Screen(ScreenId.PREPARING, step=3, legend=_STOP)
        case s.CollectingCoins():
            return _coins(state, facts, seconds)
        case s.ClosingCoins():
            return Screen(ScreenId.CLOSING_COINS, step=4)
        case s.Committing():
            return Screen(ScreenId.COMMITTING, step=4)
        case s.Printing(purchase=purchase, pages_out=pages_out):
            return Screen(
                ScreenId.PRINTING,
                step=5,
                place=Place.PAPER,
                numbers=(("sheets", purchase.sheets), ("fee_yen", purchase.fee_yen)),
                pages_out=pages_out,
                pages=purchase.pages,
                ready_seconds=_until_printed(purchase.pages - pages_out, facts),
            )
        case s.PayingOut(purpose=purpose, back_yen=back_yen, remaining_yen=remaining_yen):
            return Screen(
                ScreenId.PAYING_OUT,
                reason=purpose.value,
                step=5,
                place=Place.CHANGE,
                numbers=_payout(back_yen + remaining_yen),
            )
        case s.PrintingSlip(reason=reason, back_yen=back_yen, owed_yen=owed_yen):
            return Screen(
                ScreenId.PAYING_OUT,
                reason="change" if reason is None else "refund",
                step=5,
                place=Place.CHANGE,
                numbers=_payout(back_yen + owed_yen),
            )
        case s.TakingAll():
            return _take_all(state, facts)
        case s.Thanks(back_yen=back_yen, purchase=purchase):
            return Screen(
                ScreenId.THANKS,
                reason=_without_receipt(state),
                step=5,
                legend=Legend(correct=_complaint(facts), confirm="end"),
                numbers=(("sheets", purchase.sheets), ("change_yen", back_yen)),
                seconds=seconds,
            )
        case s.Ended():
            return _ended(state, facts)
        case s.Attending():
            return _attend(state, facts, seconds)
        case s.EnteringStaffCode(attending=attending, digits=digits, wrong=wrong):
            return Screen(
                ScreenId.STAFF_CODE,
                reason="wrong" if wrong else "",
                place=Place.KEYPAD,
                legend=Legend(
                    cancel="staff_leave",
                    correct="delete_digit" if digits else None,
                    confirm="next" if digits == facts.staff.digits else None,
                ),
                rows=(Row("row.number", (), text=_case_no(attending)),),
                pin_digits=digits,
                error=wrong,
                seconds=seconds,
            )
        case s.CheckingStaffCode():
            return Screen(ScreenId.STAFF_CHECKING, reason="code")
        case s.Refetching():
            return Screen(ScreenId.STAFF_CHECKING, reason="reprint")
        case _:
            assert_never(state)


def stranded_screen(stranded: s.State | None) -> Screen:
    """The journal takes no record: nothing moves, and what the machine holds is named with its number.

    It promises nothing: the next start settles it from the journal under the same number.
    """
    visit, held_yen = (VisitId(""), 0) if stranded is None else held_in(stranded)
    if held_yen == 0:
        return Screen(ScreenId.OUT_OF_SERVICE, reason="journal", error=True)
    held = () if held_yen is None else (Row("row.held", (), number=held_yen),)
    rows = (*held, Row("row.number", (), text=claim_no(visit)))
    return Screen(ScreenId.OUT_OF_SERVICE, reason="journal_money", rows=rows, error=True, alarm=True)


def _asked(state: Asking, facts: Facts, rules: Rules) -> Screen:
    """The question that stands before this state's own screen."""
    paid_yen = state.paid_yen if isinstance(state, s.CollectingCoins) else 0
    under = screen_of(replace(state, question=None), facts, rules)
    is_stop = state.question is s.Question.STOP
    return Screen(
        ScreenId.STOP if is_stop else ScreenId.GO_ON,
        reason="money" if paid_yen else "",
        step=under.step,
        legend=Legend(cancel="go_on", confirm="stop") if is_stop else Legend(cancel="stop", confirm="go_on"),
        numbers=(("refund_yen", paid_yen),),
        seconds=question_seconds(state, rules),
    )


def _attend(state: s.Attending, facts: Facts, seconds: float | None) -> Screen:
    rows: tuple[Row, ...] = (Row("row.number", (), text=_case_no(state)),)
    if state.admitted and _few(state, facts) and not state.refused:
        rows = (*_supplies(facts), *rows)
    again = (Choice(1, "choice.reprint"),) if may_reprint(state, facts) else ()
    off = (Choice(2, "choice.printer_off"),) if may_say_off(state, facts) else ()
    return Screen(
        ScreenId.ATTEND,
        reason=_attend_reason(state, facts),
        place=Place.PAPER,
        legend=_staff(state, facts),
        choices=(*again, *off),
        rows=rows,
        pages_out=state.pages_out,
        pages=state.purchase.pages,
        error=True,
        alarm=not state.admitted,
        seconds=seconds if state.admitted else None,
    )


def _attend_reason(state: s.Attending, facts: Facts) -> str:
    """While nothing can be settled the words offer nothing either, whoever stands there."""
    settles = may_keep(state, facts) or may_refund(state, facts)
    if not settles:
        return "printer_dead" if facts.printer.dead else "print_waits"
    if state.printer_off and (facts.panel.door_open or state.admitted):
        return "printer_off"
    reason = "defect" if state.sold else "print_unknown"
    if not state.admitted:
        return reason
    return reason + ("_refused" if state.refused or _few(state, facts) else "_admitted")


def _few(state: s.Attending, facts: Facts) -> bool:
    """Too few sheets for this print, where the printer is well otherwise."""
    return not facts.printer.reasons and not facts.printer.can_print(state.purchase.sheets)


def _case_no(state: s.Attending) -> str:
    """By which staff find it in journal and books: of a sale its receipt's, which the person holds."""
    return state.receipt_no if state.sold else claim_no(state.visit)


def _staff(state: s.Attending, facts: Facts) -> Legend:
    """What staff may say of a print; see `firmware.core.paying.attending_key`."""
    code = "staff_code" if may_enter_code(state, facts) else None
    if not (facts.panel.door_open or state.admitted):
        return Legend(correct=code)
    back, kept = ("staff_refund", "staff_fine") if state.sold else ("staff_not_printed", "staff_printed")
    return Legend(
        cancel=back if may_refund(state, facts) else None,
        correct=code,
        confirm=kept if may_keep(state, facts) else None,
    )


def _complaint(facts: Facts) -> str | None:
    return "call_staff" if may_complain(facts) else None


def _without_receipt(state: s.TakingAll | s.Thanks) -> str:
    if state.reprinted:
        return "reprinted"
    return "" if state.receipt_out else "no_receipt"


def _not_serving(facts: Facts, rules: Rules) -> Screen:
    legend = Legend(correct=_complaint(facts))
    if facts.maintenance.on:
        return Screen(ScreenId.CLOSED, reason="maintenance", legend=legend)
    if facts.clock.trusted and facts.clock.hours is ServiceHours.MAINTENANCE:
        if facts.clock.reopens is None:
            return Screen(ScreenId.CLOSED, reason="maintenance", legend=legend)
        names = ("until_month", "until_day", "until_hour", "until_minute")
        numbers = tuple(zip(names, facts.clock.reopens, strict=True))
        return Screen(ScreenId.CLOSED, reason="maintenance_until", legend=legend, numbers=numbers)
    if facts.clock.trusted and facts.clock.hours is not ServiceHours.OPEN:
        return Screen(ScreenId.CLOSED, reason="hours", legend=legend)
    found = obstacles(facts, rules)
    if "paper-left" in found or "change-left" in found:
        place = Place.PAPER if "paper-left" in found else Place.CHANGE
        return Screen(
            ScreenId.OUT_OF_SERVICE,
            reason="left_behind",
            place=place,
            legend=legend,
            alarm=True,
        )
    part = next((_PARTS[name] for name in found if name in _PARTS), "")
    if not part and facts.lockout.waits:
        return _locked_out(facts)
    rows = _supplies(facts) if facts.panel.door_open else ()
    return Screen(ScreenId.OUT_OF_SERVICE, reason=part, legend=legend, rows=rows, error=True)


def _supplies(facts: Facts) -> tuple[Row, ...]:
    """For staff: what to refill while there is still some. The start screen says that, the open door what."""
    low = sorted(f"supply.{supply.value}" for supply in facts.printer.low)
    if not facts.receipt.ready:
        low.append("supply.receipt-printer")
    elif facts.receipt.paper_low:
        low.append("supply.receipt-paper-low")
    return (Row("row.supplies", tuple(low)),) if low else ()


def _locked_out(facts: Facts) -> Screen:
    if facts.lockout.reopens is None:
        return Screen(ScreenId.CLOSED, reason="slowed")
    numbers = tuple(zip(("until_hour", "until_minute"), facts.lockout.reopens, strict=True))
    return Screen(ScreenId.CLOSED, reason="paused", numbers=numbers)


def _choosing(
    state: s.ChoosingKind | s.ChoosingSubjects | s.ChoosingItems | s.ChoosingCopies,
    facts: Facts,
    rules: Rules,
    seconds: float | None,
) -> Screen:
    match state:
        case s.ChoosingKind(menu=menu):
            fees = {offer.kind: offer.fee_yen for offer in menu.offers}
            shown = tuple(
                Choice(digit, f"kind.{kind.value}", fees.get(kind))
                for digit, kind in c.KIND_DIGITS.items()
                if kind in fees or kind in menu.refused
            )
            return Screen(ScreenId.CHOOSE_KIND, step=3, legend=_STOP, choices=shown, seconds=seconds)
        case s.ChoosingSubjects(offer=offer):
            shown = tuple(
                Choice(digit, f"subjects.{subjects.value}")
                for digit, subjects in c.subject_digits(offer).items()
            )
            return Screen(ScreenId.CHOOSE_SUBJECTS, step=3, legend=_STOP_BACK, choices=shown, seconds=seconds)
        case s.ChoosingItems(items=items):
            shown = tuple(
                Choice(digit, f"items.{item.value}", selected=item in items)
                for digit, item in c.ITEM_DIGITS.items()
            )
            legend = Legend(cancel="stop", correct="back", confirm="next")
            return Screen(ScreenId.CHOOSE_ITEMS, step=3, legend=legend, choices=shown, seconds=seconds)
        case s.ChoosingCopies(offer=offer):
            shown = tuple(
                Choice(copies, "choice.copies", offer.fee_yen * copies)
                for copies in range(1, c.most_copies(offer, facts, rules) + 1)
            )
            return Screen(
                ScreenId.CHOOSE_COPIES,
                step=3,
                legend=_STOP_BACK,
                choices=shown,
                kind=offer.kind,
                numbers=(("fee_yen", offer.fee_yen),),
                seconds=seconds,
            )
        case _:
            assert_never(state)


def _members(state: s.ChoosingMembers, seconds: float | None) -> Screen:
    """By role, and by age among those of one role: a bystander learns no more."""
    shown = tuple(
        Choice(digit, role.text, selected=member.number in state.chosen, more=next(iter(nth), None))
        for digit, member in h.shown(state).items()
        for role, *nth in (_called(member),)
    )
    if h.pages(state.offer) > 1:
        shown += (Choice(0, "choice.others"),)
    return Screen(
        ScreenId.CHOOSE_MEMBERS,
        step=3,
        legend=Legend(cancel="stop", correct="back", confirm="next" if state.chosen else None),
        choices=shown,
        kind=state.offer.kind,
        seconds=seconds,
    )


def _called(member: Member) -> tuple[Said, ...]:
    """子, and 2人目 where there are several."""
    role = Said(f"member.{member.role.value}")
    return (role, Said("members.nth", member.position)) if member.position else (role,)


def _chosen(state: s.Confirming) -> tuple[Row, ...]:
    """Whose record it will be; of some of the household also how many of how many, and who, in pages."""
    if state.subjects is not Subjects.MEMBERS:
        return (Row("row.subjects", (f"subjects.{state.subjects.value}",)),)
    members = h.chosen_of(state.offer, state.members)
    counted = (Said("members.of", len(state.offer.members)), Said("members.chosen", len(members)))
    label = "row.members" if h.told(state)[0] else "row.members_left_out"
    return (
        Row("row.subjects", (), parts=(counted,)),
        Row(label, (), parts=tuple(map(_called, h.told_here(state)))),
    )


def _confirming(state: s.Confirming, facts: Facts, seconds: float | None) -> Screen:
    """Before any money: without a receipt only whoever says so goes on."""
    receipt = facts.receipt.ready
    goes_on = "pay" if receipt else "pay_no_receipt"
    rows = [Row("row.kind", (f"kind.{state.offer.kind.value}",))]
    if state.offer.kind is CertificateKind.JUMINHYO:
        shown = [item for item in c.ITEM_DIGITS.values() if item in state.items]
        hidden = [item for item in c.ITEM_DIGITS.values() if item not in state.items]
        rows += _chosen(state)
        rows.append(Row("row.items", tuple(f"items.{item.value}" for item in shown)))
        rows.append(Row("row.items_left_out", tuple(f"items.{item.value}" for item in hidden)))
    elif state.subjects is Subjects.SELF:
        rows.append(Row("row.subjects", ("subjects.self",)))
    rows.append(Row("row.copies", (), number=state.copies))
    rows.append(Row("row.fee", (), number=state.offer.fee_yen * state.copies))
    return Screen(
        ScreenId.CONFIRM,
        reason="" if receipt else "no_receipt",
        step=3,
        legend=Legend(cancel="stop", correct="change", confirm="next" if h.tells_more(state) else goes_on),
        kind=state.offer.kind,
        rows=tuple(rows),
        seconds=seconds,
    )


def _coins(state: s.CollectingCoins, facts: Facts, seconds: float | None) -> Screen:
    paid = state.paid_yen >= state.purchase.fee_yen
    words = (("paid", paid), ("no_receipt", not facts.receipt.ready))
    reason, place = "_".join(word for word, holds in words if holds), Place.KEYPAD if paid else Place.COIN
    if state.telling:
        reason, place = "rejected", Place.CHANGE
    return Screen(
        ScreenId.COINS,
        reason=reason,
        step=4,
        place=place,
        legend=Legend(cancel="refund" if state.paid_yen else "stop", confirm="print" if paid else None),
        kind=state.purchase.kind,
        numbers=(("change_yen", max(0, state.paid_yen - state.purchase.fee_yen)),),
        fee_yen=state.purchase.fee_yen,
        paid_yen=state.paid_yen,
        exact_money_only=state.exact,
        pages=state.purchase.pages,
        seconds=seconds,
    )


def _take_all(state: s.TakingAll, facts: Facts) -> Screen:
    paper, change, card = facts.panel.paper_in_tray, facts.panel.change_in_cup, facts.reader.card_present
    items = [
        CheckItem("check.card", 1, ItemState.NOW if card else ItemState.DONE),
        CheckItem("check.certificate", state.purchase.sheets, ItemState.NOW if paper else ItemState.DONE),
    ]
    if state.back_yen:
        waiting = ItemState.NEXT if paper else ItemState.NOW
        items.append(CheckItem("check.change", state.back_yen, waiting if change else ItemState.DONE))
    if state.receipt_out and not state.reprinted:
        items.append(CheckItem("check.receipt", 1, ItemState.NEXT if paper or change else ItemState.NOW))
    reason, place = ("change", Place.CHANGE) if change and not paper else ("paper", Place.PAPER)
    without = _without_receipt(state)
    reason += f"_{without}" if without else ""
    if card:
        reason, place = "card", Place.CARD
    return Screen(
        ScreenId.TAKE_ALL,
        reason=reason,
        step=5,
        place=place,
        numbers=(("sheets", state.purchase.sheets), ("change_yen", state.back_yen)),
        legend=Legend(correct=_complaint(facts)),
        rows=_owed(state.visit, state.owed_yen),
        checklist=tuple(items),
        alarm=state.alarms > 0,
    )


def _ended(state: s.Ended, facts: Facts) -> Screen:
    place = None
    if facts.panel.change_in_cup:
        place = Place.CHANGE
    if facts.reader.card_present:
        place = Place.CARD
    back = (Row("row.refunded", (), number=state.back_yen),) if state.back_yen else ()
    return Screen(
        ScreenId.ENDED,
        reason=state.reason.value,
        place=place,
        legend=_END,
        rows=back + _owed(state.visit, state.owed_yen, slip_out=state.slip_out),
        alarm=state.alarms > 0 and place is not None,
        error=state.owed_yen > 0,
    )


def _until_printed(pages: int, facts: Facts) -> float | None:
    """By the pace of the last prints; None while there were too few, or the last page is out."""
    return pages * facts.pace.seconds_per_page if facts.pace.seconds_per_page and pages > 0 else None


def _payout(yen: Yen) -> tuple[tuple[str, int], ...]:
    return (("change_yen", yen), ("refund_yen", yen))


def _owed(visit: VisitId, owed_yen: Yen, *, slip_out: bool = True) -> tuple[Row, ...]:
    if not owed_yen:
        return ()
    return (
        Row("row.owed", (), number=owed_yen),
        Row("row.claim_number" if slip_out else "row.write_down", (), text=claim_no(visit)),
    )
