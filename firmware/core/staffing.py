"""Steps of the store's staff: they are called, type their code, and are let in or not (印刷不良, R9)."""

from dataclasses import replace

from firmware.core import choosing as c
from firmware.core import events as e
from firmware.core import orders as o
from firmware.core import paying as p
from firmware.core import records as r
from firmware.core import states as s
from firmware.core.facts import Facts
from firmware.core.rules import Rules
from firmware.core.steps import Step
from firmware.core.terms import KeypadKey

AfterSale = s.Idle | s.NotServing | s.TakingAll | s.Thanks


def may_complain(facts: Facts) -> bool:
    """Something was sold a short time ago, and staff could be let in.

    Not during maintenance: a technician's coin and a refund's at the same hopper would count as one.
    """
    staff = facts.staff
    return staff.sale is not None and bool(staff.digits) and not staff.waits and not facts.maintenance.on


def idle_key(state: s.Idle, event: e.KeyPressed, facts: Facts, rules: Rules) -> Step:
    return _called(state, event, facts) or c.idle_key(state, event, facts, rules)


def resting_key(state: s.NotServing | s.TakingAll, event: e.KeyPressed, facts: Facts, _rules: Rules) -> Step:
    return _called(state, event, facts) or Step(state)


def thanks_key(state: s.Thanks, event: e.KeyPressed, facts: Facts, rules: Rules) -> Step:
    return _called(state, event, facts) or p.thanks_key(state, event, facts, rules)


def _called(state: AfterSale, event: e.KeyPressed, facts: Facts) -> Step | None:
    """The visit of a complaint begins only when staff are let in: a press alone leaves nothing behind."""
    sale = facts.staff.sale
    if event.key is not KeypadKey.CORRECT or sale is None or not may_complain(facts):
        return None
    attending = s.Attending(
        facts.next_visit,
        sale.purchase,
        0,
        sale.receipt_no,
        sale.purchase.pages,
        sold=True,
        attempt=sale.attempt,
    )
    left = state if isinstance(state, s.TakingAll) else None
    return Step(s.EnteringStaffCode(attending, left=left), orders=(o.Sound(o.Alarm.ATTENTION),))


def code_key(state: s.EnteringStaffCode, event: e.KeyPressed, facts: Facts, rules: Rules) -> Step:
    return code_given_up(state, event, facts, rules) if event.key is KeypadKey.CANCEL else Step(state)


def code_given_up(state: s.EnteringStaffCode, _event: e.Event, _facts: Facts, rules: Rules) -> Step:
    """Back to where staff were called from; what is open stays open.

    A card that lies there still would begin a visit at rest, and nobody be reminded of it.
    """
    if state.attending.begun:
        return Step(state.attending)
    if state.left is not None:
        return Step(state.left)
    return Step(s.Idle(), orders=(o.Speak(rules.languages[0]),))


def code_guard(state: s.EnteringStaffCode, facts: Facts, rules: Rules) -> Step | None:
    """No code is taken any more."""
    if facts.staff.digits and not facts.staff.waits:
        return None
    return code_given_up(state, e.FactsChanged(), facts, rules)


def code_digits(state: s.EnteringStaffCode, event: e.StaffDigits, _facts: Facts, _rules: Rules) -> Step:
    return Step(replace(state, digits=event.count, wrong=False))


def code_entered(
    state: s.EnteringStaffCode, _event: e.StaffCodeEntered, _facts: Facts, _rules: Rules
) -> Step:
    attending = state.attending
    return Step(s.CheckingStaffCode(attending, state.left), orders=(o.CheckStaffCode(attending.visit),))


def staff_known(state: s.CheckingStaffCode, _event: e.StaffKnown, _facts: Facts, _rules: Rules) -> Step:
    at = state.attending
    admitted: tuple[r.Record, ...] = (r.StaffAdmitted(at.visit),)
    if not at.begun:
        purchase = at.purchase
        opened = r.DefectOpened(
            at.visit,
            purchase.order_id,
            purchase.kind,
            purchase.copies,
            purchase.fee_yen,
            purchase.sheets,
            purchase.pages,
            at.receipt_no,
            purchase.fingerprint,
            at.attempt,
        )
        admitted = (r.VisitBegan(at.visit), *admitted, opened)
    return Step(replace(at, admitted=True), admitted)


def staff_unknown(state: s.CheckingStaffCode, _event: e.StaffUnknown, _facts: Facts, _rules: Rules) -> Step:
    visit = state.attending.visit if state.attending.begun else ""
    wrong = s.EnteringStaffCode(state.attending, wrong=True, left=state.left)
    return Step(wrong, (r.StaffRefused(visit),), (o.Sound(o.Alarm.ATTENTION),))


Waiting = s.EnteringStaffCode | s.CheckingStaffCode | s.Refetching


def coin(state: Waiting, event: e.CoinInserted, facts: Facts, rules: Rules) -> Step:
    done = p.coin(state.attending, event, facts, rules)
    return replace(done, state=_within(state, done.state))


def coin_trouble(state: Waiting, event: e.CoinTrouble, facts: Facts, rules: Rules) -> Step:
    """A visit that has not begun can hold no coins."""
    if not state.attending.begun:
        return p.coin_trouble(state, event, facts, rules)
    done = p.coin_trouble(state.attending, event, facts, rules)
    return replace(done, state=_within(state, done.state))


def _within(state: Waiting, attending: s.State) -> s.State:
    return replace(state, attending=attending) if isinstance(attending, s.Attending) else attending
